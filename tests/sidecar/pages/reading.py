"""What a browser makes of a page: elements, attributes and text."""

from __future__ import annotations

from html.parser import HTMLParser

from sales_exporter.sidecar.pages.markup import Html


class Read(HTMLParser):
    """What a browser makes of a piece: elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(piece: Html) -> Read:
    reader = Read()
    reader.feed(piece.text)
    reader.close()
    return reader
