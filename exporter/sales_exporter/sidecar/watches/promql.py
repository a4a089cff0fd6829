"""Which metrics a PromQL text reads, and through what function: enough to advise, no parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"""
    (?P<skip>\s+ | \#[^\n]*)
  | (?P<text>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*`)
  | (?P<number>[0-9.][0-9a-zA-Z_.]*)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<mark>.)
""", re.VERBOSE | re.DOTALL)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
"""Words that a list of labels may follow."""
_CALLED = frozenset({"(", "by", "without"})
"""What follows a function or an aggregation."""
_WORDS = _LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One place where a metric is read: the function over its range, or none where it is read as it is."""

    metric: str
    function: str | None


def readings(query: str) -> list[Reading]:
    """Every metric that is named in a query, in order. Those that only a matcher on __name__ names are not seen."""
    words, found, around, before = list(_tokens(query)), [], [""], ""
    for number, (kind, word) in enumerate(words):
        after = words[number + 1][1] if number + 1 < len(words) else ""
        if word == "(":
            around.append(before)
        elif word == ")" and len(around) > 1:
            around.pop()
        elif kind == "name" and around[-1] not in _LISTS and word.lower() not in _WORDS and after not in _CALLED:
            found.append(Reading(word, around[-1] if after == "[" else None))
        before = word.lower() if kind == "name" else ""
    return found


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """Kind and text, without space, comments, and what is between braces or brackets."""
    depth = 0
    for match in _TOKEN.finditer(query):
        kind, word = match.lastgroup or "", match.group()
        if kind == "mark" and word in "}]":
            depth -= 1
        # Braces tell nothing here: a metric with matchers and one without are read in the same way.
        elif depth == 0 and kind != "skip" and word != "{":
            yield kind, word
        if kind == "mark" and word in "{[":
            depth += 1
