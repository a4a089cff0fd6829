"""Runbooks that come with the product, as pages: what to do is one press away from the alert, on a phone, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sales_exporter.files import shipped
from sales_exporter.sidecar.pages.frame import Look, Page, framed
from sales_exporter.sidecar.pages.markup import Html, join, link, tag

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,79}")
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)")


def page(look: Look, name: str) -> str | None:
    """The page of a runbook; None where there is none of this name."""
    text = _text(name)
    if text is None:
        return None
    back = tag("p", tag("a", "Open alerts", href=look.place.path("alerts")), class_="back")
    return framed(look, Page(name), join((back, tag("article", *blocks(text), class_="card prose"))))


@lru_cache(maxsize=256)
def _text(name: str) -> str | None:
    # Names are letters and digits, so that none leads out of the folder.
    file = shipped("alert_rules") / "runbooks" / f"{name}.md"
    return file.read_text("utf-8") if _NAME.fullmatch(name) and file.is_file() else None


def blocks(text: str) -> Iterator[Html]:
    """Headings, paragraphs, lists and code of the Markdown that runbooks are written in."""
    for block in _split(text):
        first = block[0]
        if first.startswith("```"):
            yield tag("pre", tag("code", "\n".join(line for line in block[1:] if not line.startswith("```"))))
        elif first.startswith("#"):
            level = len(first) - len(first.lstrip("#"))
            yield tag(f"h{min(level, 3)}", *inline(first.lstrip("# ")))
        elif first.startswith("- "):
            yield tag("ul", *(tag("li", *inline(entry)) for entry in _entries(block)))
        else:
            yield tag("p", *inline(" ".join(block)))


def inline(text: str) -> Iterator[Html | str]:
    """Text with code, bold words and links; a link that leads to a file of the repository is its text."""
    end = 0
    for found in _INLINE.finditer(text):
        yield text[end:found.start()]
        end = found.end()
        if found["code"]:
            yield tag("code", found["code"])
        elif found["bold"]:
            yield tag("b", found["bold"])
        else:
            url = link(found["url"])
            yield tag("a", found["text"], href=url, rel="noreferrer") if url else tag("code", found["text"])
    yield text[end:]


def _split(text: str) -> Iterator[list[str]]:
    """Lines that belong together: code up to its end, anything else up to a blank line."""
    block: list[str] = []
    for line in text.splitlines():
        code = bool(block) and block[0].startswith("```")
        if code:
            block.append(line)
            if line.startswith("```"):
                yield block
                block = []
        elif line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _entries(block: list[str]) -> Iterator[str]:
    """Entries of a list, with the lines that continue them."""
    entry = ""
    for line in block:
        if line.startswith("- "):
            if entry:
                yield entry
            entry = line[2:]
        else:
            entry += f" {line.strip()}"
    yield entry
