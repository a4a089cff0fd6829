"""Forms become actions. Pure: what a form says, within the bounds that the pages offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sales_exporter.sidecar.desk.model import Acknowledge, Action, Assign, Comment, Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.pages.actions import NAME, SNOOZES, WORDS

Fields = Mapping[str, str]


class Unclear(ValueError):
    """A form says nothing that can be done; the text says what is missing."""


def action(name: str, fields: Fields) -> Action:
    """The action of a path's last piece with the words and choices of its form.

    Raises:
        Unclear: there is no such action, or its form is not complete.
    """
    if name not in _MADE:
        raise Unclear("There is no such action.")
    return _MADE[name](fields, text(fields.get("comment", ""), WORDS))


def text(given: str, longest: int) -> str:
    """What people wrote, on one line without control characters, cut."""
    shown = "".join(sign if sign.isprintable() else " " for sign in given)
    return " ".join(shown.split())[:longest]


def _snooze(fields: Fields, comment: str) -> Action:
    if fields.get("seconds") not in SNOOZES:
        raise Unclear("Choose for how long to snooze it.")
    return Snooze(float(fields["seconds"]), comment)


def _comment(_fields: Fields, comment: str) -> Action:
    if not comment:
        raise Unclear("A comment needs words.")
    return Comment(comment)


_MADE: dict[str, Callable[[Fields, str], Action]] = {
    "acknowledge": lambda _, comment: Acknowledge(comment),
    "unacknowledge": lambda _, comment: Unacknowledge(comment),
    "resolve": lambda _, comment: Resolve(comment),
    "snooze": _snooze,
    "assign": lambda fields, comment: Assign(text(fields.get("owner", ""), NAME), comment),
    "comment": _comment,
}
