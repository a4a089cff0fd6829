"""Recorded names in an expression, replaced by what they are recorded from, so that a changed rule can be tried on a
past in which it was not recorded. Pure.

A recorded series has one value for each evaluation of its group: a range over it becomes a subquery with the group's
interval, and an offset one whose last value is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sales_exporter.rules.book import Recording

DEPTH = 20
"""How often names are replaced within what took the place of a name."""
_TOKEN = re.compile(r"""
    (?P<skip>\s+ | \#[^\n]*)
  | (?P<text>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*`)
  | (?P<number>[0-9.][0-9a-zA-Z_.]*)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<mark>=~ | !~ | != | .)
""", re.VERBOSE | re.DOTALL)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_NOTHING = "vector(0) > 0"
_ESCAPES = {"n": "\n", "t": "\t"}
_MARK = "backtest_matches"
"""A label that is there only while matchers are applied."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def inlined(expr: str, recordings: Sequence[Recording], interval: float) -> str:
    """The expression without recorded names; ``interval`` is that of groups that have none of their own.

    Raises:
        ValueError: recording rules use each other in a circle.
    """
    rules: dict[str, list[Recording]] = {}
    for one in recordings:
        rules.setdefault(one.name, []).append(one)
    for _ in range(DEPTH):
        found = _once(expr, rules, interval)
        if found == expr:
            return expr
        expr = found
    raise ValueError("recording rules that use each other in a circle")


def momentary(expr: str, recordings: Sequence[Recording], seconds: float) -> str:
    """The expression with each recorded name read as it was recorded within so many seconds.

    A Prometheus that records knows when a series is gone. Blocks do not: there a value lasts for the lookback, which is
    an hour where gauges have one sample an hour.
    """
    recorded, tokens = {one.name for one in recordings}, _tokens(expr)
    parts, done = [], 0
    for place in _metrics(tokens):
        token = tokens[place]
        if token.text in recorded:
            selector = _Selector.read(tokens, place)
            if not selector.inside:
                parts += [expr[done : token.start], selector.last(token.text, seconds)]
                done = selector.end
    return "".join([*parts, expr[done:]])


def names(expr: str) -> list[str]:
    """Every name in an expression that may be that of a metric: no label, and nothing that is called."""
    tokens = _tokens(expr)
    return [tokens[place].text for place in _metrics(tokens)]


def _once(expr: str, rules: Mapping[str, Sequence[Recording]], interval: float) -> str:
    tokens = _tokens(expr)
    parts, done = [], 0
    for place in _metrics(tokens):
        token = tokens[place]
        if token.text in rules and token.start >= done:
            selector = _Selector.read(tokens, place)
            parts += [expr[done : token.start], selector.replaced(rules[token.text], interval)]
            done = selector.end
    return "".join([*parts, expr[done:]])


def _tokens(expr: str) -> list[_Token]:
    return [_Token(str(match.lastgroup), match.group(), match.start(), match.end())
            for match in _TOKEN.finditer(expr) if match.lastgroup != "skip"]


def _metrics(tokens: Sequence[_Token]) -> list[int]:
    found, around, braces = [], [""], 0
    for place, token in enumerate(tokens):
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.text in ("{", "["):
            braces += 1
        elif token.text in ("}", "]"):
            braces -= 1
        elif token.text == "(":
            around.append(tokens[place - 1].text.lower() if place else "")
        elif token.text == ")" and len(around) > 1:
            around.pop()
        elif (token.kind == "name" and not braces and around[-1] not in _LISTS and after != "("
              and token.text.lower() not in _WORDS and after.lower() not in ("by", "without")):
            found.append(place)
    return found


@dataclass(frozen=True, slots=True)
class _Selector:
    """A name with what follows it: matchers, a range, and where it is looked at."""

    matchers: tuple[tuple[str, str, str], ...]
    inside: str
    """What is between the brackets."""
    moved: str
    """``offset 1d`` and ``@ 0``, as they are."""
    end: int

    @classmethod
    def read(cls, tokens: Sequence[_Token], place: int) -> _Selector:
        """The selector that begins with the name at this place."""
        end, place = tokens[place].end, place + 1
        matchers: list[tuple[str, str, str]] = []
        inside, moved = "", []
        if _text(tokens, place) == "{":
            while _text(tokens, place) != "}":
                place += 1
                if _text(tokens, place + 1) in ("=", "!=", "=~", "!~"):
                    matchers.append((tokens[place].text, tokens[place + 1].text, tokens[place + 2].text))
                    place += 2
            end, place = tokens[place].end, place + 1
        if _text(tokens, place) == "[":
            first = place + 1
            while _text(tokens, place) != "]":
                place += 1
            inside = "".join(token.text for token in tokens[first:place])
            end, place = tokens[place].end, place + 1
        while _text(tokens, place).lower() == "offset" or _text(tokens, place) == "@":
            length = 3 if _text(tokens, place + 1) == "-" or _text(tokens, place + 2) == "(" else 2
            length += 1 if _text(tokens, place + 2) == "(" else 0
            moved += [token.text for token in tokens[place : place + length]]
            end, place = tokens[place + length - 1].end, place + length
        return cls(tuple(matchers), inside, " ".join(moved).replace("- ", "-").replace(" ( )", "()"), end)

    def last(self, name: str, seconds: float) -> str:
        """The same selector, which finds nothing that is as old as ``seconds``."""
        matchers = ", ".join("".join(matcher) for matcher in self.matchers)
        return f"last_over_time({name}{{{matchers}}}[{round(1000 * seconds) - 1}ms] {self.moved}".rstrip() + ")"

    def replaced(self, rules: Sequence[Recording], interval: float) -> str:
        """What takes its place."""
        every = f"{max(1, round(1000 * (rules[0].interval or interval)))}ms"
        # Many rules may record one name, told apart by the labels that they set: only those that fit are evaluated.
        rules = [rule for rule in rules if all(_fits(rule, *matcher) is not False for matcher in self.matchers)]
        found = f"({' or '.join(_labelled(rule) for rule in rules) or _NOTHING})"
        for matcher in self.matchers:
            if not all(_fits(rule, *matcher) for rule in rules):
                found = _matched(found, *matcher)
        if self.inside:
            length, colon, step = self.inside.partition(":")
            return f"{found}[{length}:{step if colon and step else every}] {self.moved}".rstrip()
        return f"last_over_time({found}[{every}:{every}] {self.moved})" if self.moved else found


def _labelled(rule: Recording) -> str:
    found = f"({rule.expr.strip()})"
    for name, value in rule.labels.items():
        found = f'label_replace({found}, "{name}", {_quoted(value.replace("$", "$$"))}, "", "")'
    return found


def _fits(rule: Recording, label: str, operator: str, value: str) -> bool | None:
    """Whether a label that the rule itself sets fits a matcher; None where the series decide."""
    own = rule.labels.get(label)
    if label == "__name__":
        return True
    if own is None or "{{" in own:
        return None
    wanted = _unquoted(value)
    equal = own == wanted if operator in ("=", "!=") else re.fullmatch(wanted, own) is not None
    return equal if operator in ("=", "=~") else not equal


def _unquoted(text: str) -> str:
    """What a quoted text of PromQL stands for, for the escapes that labels need."""
    inner = text[1:-1]
    return inner if text.startswith("`") else re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inner)


def _matched(found: str, label: str, operator: str, value: str) -> str:
    """Only those series whose label matches: PromQL can do that with selectors alone, and by joins."""
    keep = "and" if operator in ("=", "=~") else "unless"
    if operator in ("=", "!="):
        return f'({found} {keep} on ({label}) label_replace(vector(1), "{label}", {_plain(value)}, "", ""))'
    marked = f'label_replace({found}, "{_MARK}", "1", "{label}", {value})'
    kept = f'({marked} {keep} on ({_MARK}) label_replace(vector(1), "{_MARK}", "1", "", ""))'
    return f'label_replace({kept}, "{_MARK}", "", "", "")'


def _plain(text: str) -> str:
    """A quoted value that label_replace takes as it is."""
    return text.replace("$", "$$")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _text(tokens: Sequence[_Token], place: int) -> str:
    return tokens[place].text if place < len(tokens) else ""
