"""The page of open alerts: worst first, with who has each, and one press to take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from sales_exporter.sidecar.desk.model import Case, Reach
from sales_exporter.sidecar.pages.frame import Look, Page, about, degree, framed, taking
from sales_exporter.sidecar.pages.markup import NOTHING, Html, join, tag
from sales_exporter.sidecar.pages.words import (
    OTHER,
    SEVERITIES,
    STANDINGS,
    severity,
    standing,
    title,
    who,
)

SHOWN = 200
"""Alerts on one page at most."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts are shown; what is empty takes all."""

    severity: str = ""
    state: str = ""
    team: str = ""

    def takes(self, case: Case) -> bool:
        """Whether a case is shown."""
        return all(not wanted or of(case) == wanted for wanted, of in (
            (self.severity, severity), (self.state, standing), (self.team, _team)))


def listing(look: Look, cases: Sequence[Case], reach: Reach, chosen: Filter, done: str = "") -> str:
    """The page. ``cases`` are all open ones in the order in which they are shown; ``done`` says what was just done."""
    shown = [case for case in cases if chosen.takes(case)]
    waiting = sum(standing(case) == "unattended" for case in cases)
    name = f"({waiting}) Open alerts" if waiting else "Open alerts"
    rows = tag("ul", *(_row(look, case) for case in shown[:SHOWN]), class_="cases") if shown else _empty(
        look, cases, reach)
    more = tag("p", f"And {len(shown) - SHOWN:,} more: choose a severity or a team.", class_="soft") if (
        len(shown) > SHOWN) else None
    body = join((
        tag("div", tag("h1", "Open alerts"), _tally(cases, waiting), class_="head", id="head",
            data_live=True, aria_live="polite"),
        tag("p", done, class_="notice good", role="status") if done else None,
        tag("div", tag("p", _silent(reach), class_="notice wait") if cases and reach.silent else None, id="doubts",
            data_live=True),
        tag("div", _filters(look, cases, chosen), id="filters", data_live=True),
        tag("section", rows, more, id="cases", data_live=True, aria_label="Alerts"), _foot(look)))
    return framed(look, Page(name, "alerts", live=True, again=True), body)


def _tally(cases: Sequence[Case], waiting: int) -> Html:
    if not cases:
        return tag("p", "None", class_="soft")
    taken = len(cases) - waiting
    first = tag("b", f"{waiting} need somebody" if waiting > 1 else "One needs somebody", class_="late") if (
        waiting) else tag("b", "All in hand or quiet", class_="fine")
    return tag("p", first, f" · {taken} in hand or quiet" if waiting and taken else None, class_="soft")


def _filters(look: Look, cases: Sequence[Case], chosen: Filter) -> Html:
    if not cases:
        return NOTHING
    groups = (
        ("state", "State", chosen.state, tuple(STANDINGS), lambda name: STANDINGS.get(name, name), standing),
        ("severity", "Severity", chosen.severity, (*SEVERITIES, OTHER), str.capitalize, severity),
        ("team", "Team", chosen.team, tuple(sorted({_team(case) for case in cases} - {""})), str, _team),
    )
    return tag("nav", *(_group(look, cases, chosen, *group) for group in groups), class_="filters",
               aria_label="Filters")


def _group(look: Look, cases: Sequence[Case], chosen: Filter, key: str, name: str, now: str, values: Sequence[str],
           words: Callable[[str], str], of: Callable[[Case], str]) -> Html | None:
    """One row of choices, with how many alerts each would show beside the other choices; the one made takes it back."""
    others = replace(chosen, **{key: ""})
    counts = Counter(of(case) for case in cases if others.takes(case))
    offered = [value for value in values if counts[value] or value == now]
    if len(offered) < 2 and not now:
        return None
    return tag("div", tag("span", name, class_="name"), *(
        tag("a", words(value), " ", tag("span", f"{counts[value]:,}", class_="count"), class_="chip",
            href=look.place.path("alerts", **asdict(others if value == now else replace(chosen, **{key: value}))),
            aria_current="true" if value == now else None,
            title="Show the others again" if value == now else None) for value in offered), class_="group")


def _row(look: Look, case: Case) -> Html:
    heading = tag("h2", tag("a", title(case), href=look.place.path("alerts", case.fingerprint)))
    return tag(
        "li",
        tag("div", degree(case), tag("span", look.times.since(case.starts_at), class_="age"), class_="how"),
        tag("div", heading, about(case), class_="what"),
        tag("div", *_held(look, case), class_="held"), taking(look, case, "list"),
        class_=f"case {severity(case)} {standing(case)}", id=f"case-{case.fingerprint}", data_version=str(case.version))


def _held(look: Look, case: Case) -> Iterator[Html]:
    kind = standing(case)
    yield tag("span", who(case), class_=f"who {kind}")
    if kind == "acknowledged" and case.acknowledged_at is not None:
        yield tag("small", "took it ", look.times.ago(case.acknowledged_at))
    elif kind == "snoozed" and case.until is not None:
        yield tag("small", "until ", look.times.moment(case.until))
    elif kind == "unattended":
        words = ["not acknowledged"] if case.owner else []
        step = join(("escalates ", look.times.ahead(case.next_step_at))) if case.next_step_at is not None else None
        yield tag("small", join((*words, step) if step is not None else words, ", "))
    elif kind == "closed":
        yield tag("small", "until it changes")


def _empty(look: Look, cases: Sequence[Case], reach: Reach) -> Html:
    if cases:
        words = f"{len(cases):,} alerts are" if len(cases) > 1 else "One alert is"
        return tag("div", tag("h2", "No open alert matches"), tag(
            "p", f"{words} open without these filters. ", tag("a", "Show all", href=look.place.path("alerts"))),
            class_="empty")
    if reach.heartbeat and not reach.silent:
        return tag("div", tag("h2", "All quiet"), tag(
            "p", "No alert is open at any Alertmanager, and the sidecar holds none back. The Watchdog fires, as it "
            "always must: rules are evaluated and their alerts arrive. What begins to fire shows up here by itself."),
            class_="empty good")
    return tag("div", tag("h2", "Nothing is known to fire"), tag(
        "p", _doubted(reach), " Until then, no news is not good news."), class_="empty wait")


def _silent(reach: Reach) -> str:
    """What may be missing from the list because somebody does not answer."""
    does = "does" if len(reach.silent) == 1 else "do"
    return (f"{', '.join(reach.silent)} {does} not answer: what is shown there alone may be missing or out of date."
            if reach.silent else "")


def _doubted(reach: Reach) -> str:
    """Why no alert is no good news."""
    if reach.silent:
        return _silent(reach)
    if reach.answering:
        return ("The Watchdog, which always fires, does not: look whether Prometheus evaluates its rules and reaches "
                "the Alertmanagers.")
    return "No Alertmanager is named in sidecar.alertmanagers: only findings of the sidecar are shown."


def _foot(look: Look) -> Html:
    words = "" if look.may_act else (
        "You look only. Who may act is listed in sidecar.desk.responders, or in sidecar.desk.without_login where there "
        "are no users. ")
    return tag("footer", words, "State at ", tag("span", look.times.moment(look.now), id="as-of", data_live=True),
               f", times in {look.times.zone.key}.")


def _team(case: Case) -> str:
    return case.labels.get("team", "")
