"""HTML as a value: text becomes HTML by being escaped, and in no other way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from urllib.parse import urlsplit

VOID = frozenset({"br", "hr", "input", "link", "meta"})
_URL = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of markup. What people wrote is inside of it only as text."""

    text: str

    def __add__(self, other: Html) -> Html:
        return Html(self.text + other.text)


Child = Html | str | None
Value = str | bool | None
NOTHING = Html("")


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """An element. Text in it is escaped; ``None`` is left out.

    An attribute that is None or False is left out, one that is True has no value. ``class_`` stands for ``class``, and
    ``data_live`` for ``data-live``.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{join(children).text}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Html:
    """Pieces one after the other, with a text between any two."""
    return Html(escape(between).join(_text(child) for child in children if child is not None))


def link(url: str) -> str:
    """The address if a browser may be sent there by somebody else's words, else nothing.

    That is http, https or a path of this site: no script, no data, and no control characters that a browser drops.
    """
    if not _URL.match(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme in ("http", "https"):
        return url if parts.netloc else ""
    own = url.startswith("/") and not url.startswith("//") and "\\" not in url
    return url if own and not parts.scheme else ""


def _text(child: Html | str) -> str:
    return child.text if isinstance(child, Html) else escape(child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    return f" {_name(key)}" if value is True else f' {_name(key)}="{escape(value)}"'


@cache
def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
