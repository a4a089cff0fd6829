"""What can be done with a case: one form, whose buttons say what happens."""

from __future__ import annotations

from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.pages.frame import Look, hidden
from sales_exporter.sidecar.pages.markup import Html, tag
from sales_exporter.sidecar.pages.words import Standing, standing

SNOOZES = {"1800": "30 minutes", "3600": "1 hour", "14400": "4 hours", "28800": "8 hours", "86400": "1 day",
           "259200": "3 days", "604800": "1 week"}
"""Seconds that are offered, and their names."""
WORDS = 1_000
"""Letters that a comment may have."""
NAME = 100
"""Letters of an owner."""
DONE = {
    "acknowledge": "Acknowledged: nobody else is called while it fires, and it does not escalate.",
    "unacknowledge": "Given back: notifications and escalation go on.",
    "resolve": "Resolved.",
    "snooze": "Snoozed: nobody hears of it until then.",
    "assign": "Assigned.",
    "comment": "Written down.",
}
"""What is said after an action, by the last piece of its path."""


def actions(look: Look, case: Case) -> Html:
    """The form, or why there is none."""
    kind = standing(case)
    if not look.may_act:
        return _box(tag("p", "You look only: acting needs a login that is listed in ", tag(
            "code", "sidecar.desk.responders"), ".", class_="soft"))
    if kind == "over":
        return _box(_form(look, case, _words("For the history"), tag("div", _button(look, case, "comment", "Comment"),
                                                                    class_="row")))
    if kind == "closed":
        return _box(_form(look, case, _words("Words, if you like"), tag(
            "div", _button(look, case, "unacknowledge", "Open it again"),
            _button(look, case, "comment", "Comment only"), class_="row")))
    return _box(_form(
        look, case, _words("Words, if you like"), _taking(look, case, kind), _snoozing(look, case, kind),
        _field("Assign to", "owner", tag("input", id="owner", name="owner", value=case.owner, maxlength=str(NAME),
                                         autocomplete="off", placeholder="nobody"),
               _button(look, case, "assign", "Assign")),
        tag("div", _button(look, case, "resolve", "Resolve" if case.pushed else "Close until it changes", "ends"),
            tag("small", _ending(case)), class_="ending")))


def _taking(look: Look, case: Case, kind: Standing) -> Html:
    comment = _button(look, case, "comment", "Comment only")
    if kind != "acknowledged":
        return tag("div", _button(look, case, "acknowledge", "Acknowledge", "main"), comment, class_="row")
    back = _button(look, case, "unacknowledge", "Give it back")
    if look.login in ("", case.acknowledged_by):
        return tag("div", back, comment, class_="row")
    over = _button(look, case, "acknowledge", "Take it over")
    return tag("div", over, back, class_="row") + tag("div", comment, class_="row")


def _snoozing(look: Look, case: Case, kind: Standing) -> Html:
    field = _field("Snooze for", "seconds", _choice(), _button(look, case, "snooze", "Snooze"))
    return field + _button(look, case, "unacknowledge", "End the snooze") if kind == "snoozed" else field


def _field(name: str, id_: str, *inside: Html) -> Html:
    return tag("div", tag("label", name, for_=id_), tag("span", *inside, class_="pair"), class_="field")


def _ending(case: Case) -> str:
    if case.pushed:
        return "Ends it at every Alertmanager. If its cause still stands it is not raised again before that was gone."
    return "A rule raises it, so it goes on firing: it is silenced until it ends or its severity changes."


def _box(inside: Html) -> Html:
    return tag("section", tag("h2", "Act"), inside, class_="card act", id="act", data_live=True)


def _form(look: Look, case: Case, *inside: Html) -> Html:
    who = None if look.login else tag(
        "div", tag("label", "Your name, for the others", for_="name"),
        tag("input", id="name", name="name", maxlength=str(NAME), autocomplete="name"), class_="field")
    comment = look.place.path("alerts", case.fingerprint, "comment")
    # What Enter in a field presses is the first button: the one that does least.
    first = tag("button", hidden=True, formaction=comment)
    return tag("form", hidden({"token": look.token}), first, *inside[:1], who, *inside[1:], method="post",
               action=comment)


def _words(name: str) -> Html:
    return tag("div", tag("label", name, for_="words"), tag("textarea", id="words", name="comment", rows="2",
                                                            maxlength=str(WORDS)), class_="field")


def _choice() -> Html:
    return tag("select", *(tag("option", name, value=value, selected=value == "3600")
                           for value, name in SNOOZES.items()), id="seconds", name="seconds")


def _button(look: Look, case: Case, action: str, name: str, kind: str = "") -> Html:
    return tag("button", name, id=f"do-{action}", class_=kind or None,
               formaction=look.place.path("alerts", case.fingerprint, action))
