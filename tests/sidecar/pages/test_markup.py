"""Markup: text stays text, whoever wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.sidecar.pages.markup import Html, join, link, tag
from tests.sidecar.pages.reading import read


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were_and_make_no_elements(text: str, value: str) -> None:
    found = read(tag("p", text, title=value))
    assert found.elements == [("p", [("title", value)])]
    assert found.text == text


def test_pieces_are_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b"), " < c").text == "<p><b>a &amp; b</b> &lt; c</p>"


def test_attributes_that_are_absent_are_left_out() -> None:
    assert tag("input", value=None, required=True, disabled=False, data_live=True, class_="x").text == (
        '<input required data-live class="x">')


def test_pieces_are_joined_with_text_between_them() -> None:
    assert join(("a", None, Html("<br>")), " & ").text == "a &amp; <br>"


@pytest.mark.parametrize("url", ["https://a.example/x?y=1#z", "http://127.0.0.1:9090/graph", "/d/sales-home?var-a=b"])
def test_an_address_that_may_be_opened_is_a_link(url: str) -> None:
    assert link(url) == url


@pytest.mark.parametrize("url", [
    "", "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:x", "data:text/html,x",
    "vbscript:x", "//evil.example/x",
    "/\\evil.example", "\\\\evil.example", "https://", "http://[", "x", "mailto:a@b.c",
    "https://a.example/\nSet-Cookie: x", "file:///etc/passwd", "/x y"])
def test_what_a_browser_must_not_be_sent_to_is_no_link(url: str) -> None:
    assert link(url) == ""
