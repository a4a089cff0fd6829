"""Runbooks as pages."""

from __future__ import annotations

import pytest

from sales_exporter.files import shipped
from sales_exporter.sidecar.pages.markup import join
from sales_exporter.sidecar.pages.runbooks import blocks, inline, page
from tests.sidecar.pages.looks import VIEWER, words

NAMES = sorted(file.stem for file in (shipped("alert_rules") / "runbooks").glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_runbook_is_read_in_full(name: str) -> None:
    text = page(VIEWER, name)
    assert text is not None
    said = words(text)
    assert f"Open alerts {name} What it means" in said
    assert not [sign for sign in ("**", "```", "](") if sign in said]


@pytest.mark.parametrize("name", ["Nothing", "../runbooks/SalesAnomaly", "", "SalesAnomaly.md", "..%2fx"])
def test_other_names_have_no_page(name: str) -> None:
    assert page(VIEWER, name) is None


def test_markdown_becomes_elements() -> None:
    text = "# A\n\nb `c` **d**\ne\n\n- f\n  g\n- h\n\n```promql\ni < 1\n\nj\n```\n"
    assert join(blocks(text)).text == (
        "<h1>A</h1><p>b <code>c</code> <b>d</b> e</p><ul><li>f g</li><li>h</li></ul>"
        "<pre><code>i &lt; 1\n\nj</code></pre>")


def test_only_links_that_lead_somewhere_are_links() -> None:
    assert join(inline("[a](https://a.example/) [b](../b.yml)")).text == (
        '<a href="https://a.example/" rel="noreferrer">a</a> <code>b</code>')
