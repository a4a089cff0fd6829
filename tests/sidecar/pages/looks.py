"""Looks at pages, and what a reader finds in them."""

from __future__ import annotations

import re
from html import unescape
from zoneinfo import ZoneInfo

from sales_exporter.sidecar.pages.frame import Look, Place
from sales_exporter.sidecar.pages.times import Times
from tests.support.cases import NOW

BERLIN = ZoneInfo("Europe/Berlin")
PLACE = Place(BERLIN, "", "http://127.0.0.1:3000")
RESPONDER = Look(PLACE, Times(NOW, BERLIN), "mara", True, "1.token")
VIEWER = Look(PLACE, Times(NOW, BERLIN), "guest")


def words(page: str) -> str:
    """The text of a page as it is read aloud: without head, markup and repeated spaces."""
    body = page[page.index("<body"):]
    body = re.sub(r"<script>.*?</script>", "", body, flags=re.DOTALL)
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())
    return re.sub(r" ([.,])", r"\1", text)
