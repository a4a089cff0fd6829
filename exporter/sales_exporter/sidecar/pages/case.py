"""The page of one alert: what it is, how bad, since when, who has it, what may be done and what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sales_exporter.sidecar.desk.model import Case, Event
from sales_exporter.sidecar.pages.actions import actions
from sales_exporter.sidecar.pages.frame import Look, Page, about, degree, framed, taking
from sales_exporter.sidecar.pages.markup import NOTHING, Html, join, link, tag
from sales_exporter.sidecar.pages.timeline import timeline
from sales_exporter.sidecar.pages.times import Times
from sales_exporter.sidecar.pages.words import STANDINGS, Standing, lasted, standing, title

FACTS = {
    "value": "Value", "expected": "Expected", "effect": "How far off", "last_week": "Before", "stake": "At stake",
    "contributors": "Most of it", "recommendation": "Recommended", "reason": "Why it is told", "since": "Since",
    "confidence": "Confidence", "data_quality": "Rests on",
}
"""Annotations of the sidecar's alerts and what they are called."""
BIG = ("value", "expected", "effect", "stake")
"""Those that are shown large when they are short."""
SHORT = 40
"""Letters of what is shown large."""
SHIPPED = "alert_rules/runbooks/"
"""Where the runbooks lie that come with the product."""


def page(look: Look, case: Case, events: Sequence[Event], chart: Html = NOTHING, done: str = "") -> str:
    """The page. ``events`` are its history, the newest first; ``done`` says what was just done."""
    large, rest = _facts(case)
    left = tag("div", chart, large, rest, timeline(look, events), _labels(case), class_="left")
    right = tag("div", actions(look, case), _links(look, case), class_="right")
    body = join((
        tag("p", tag("a", "Open alerts", href=look.place.path("alerts")), class_="back"),
        _head(look, case), tag("p", done, class_="notice good", role="status") if done else None, _stands(look, case),
        tag("div", right, left, class_="columns")))
    return framed(look, Page(title(case), "", live=True), body)


def _head(look: Look, case: Case) -> Html:
    kind = standing(case)
    return tag("div", tag("p", degree(case), tag("span", STANDINGS[kind], class_=f"who {kind}"), class_="badges"),
               tag("h1", title(case)), about(case), class_="head case-head", id="head", data_live=True)


def _stands(look: Look, case: Case) -> Html:
    """How it stands, since when, and what comes next."""
    kind, over = standing(case), standing(case) == "over"
    since = tag("dl", tag("div", tag("dt", "Lasted" if over else "Since"), tag(
        "dd", lasted(case, look.now) if over else look.times.since(case.starts_at),
        tag("small", "from " if over else "", look.times.moment(case.starts_at)))), class_="since")
    said = tag("div", tag("p", join(_SAID[kind](look.times, case), " ")),
               tag("blockquote", case.comment) if case.comment and not over else None)
    return tag("section", since, said, taking(look, case, "case"), class_=f"stands {kind}", id="stands", data_live=True)


def _unattended(times: Times, case: Case) -> Iterator[Html | str]:
    yield tag("b", f"{case.owner} is to look at it, and has not acknowledged it." if case.owner else "Nobody has it.")
    if case.next_step_at is not None:
        yield join(("It escalates ", times.ahead(case.next_step_at), " unless somebody acknowledges."))
    if case.step:
        yield f"It has escalated {'once' if case.step == 1 else f'{case.step} times'}."


def _acknowledged(times: Times, case: Case) -> Iterator[Html | str]:
    yield tag("b", f"{case.acknowledged_by or 'Somebody'} has it.")
    if case.acknowledged_at is not None:
        yield join(("Taken ", times.ago(case.acknowledged_at), "."))
    if case.owner and case.owner != case.acknowledged_by:
        yield f"It is assigned to {case.owner}."


def _snoozed(times: Times, case: Case) -> Iterator[Html | str]:
    yield tag("b", "Snoozed")
    if case.until is not None:
        yield join(("until ", times.moment(case.until), " (", times.ahead(case.until), ")."))


def _muted(_times: Times, case: Case) -> Iterator[Html | str]:
    yield tag("b", "Alertmanager keeps it quiet:")
    yield "a silence covers it that is not the desk's." if case.silenced else (
        "another alert mutes it, and that one comes first.")


def _closed(_times: Times, _case: Case) -> Iterator[Html | str]:
    yield tag("b", "Closed by hand.")
    yield "Its rule still holds: it is silenced until it ends or its severity changes."


def _over(times: Times, case: Case) -> Iterator[Html | str]:
    yield tag("b", "Over")
    if case.ends_at is not None:
        yield join(("for ", times.since(case.ends_at), ", since ", times.moment(case.ends_at), "."))


_SAID: dict[Standing, Callable[[Times, Case], Iterator[Html | str]]] = {
    "unattended": _unattended, "acknowledged": _acknowledged, "snoozed": _snoozed, "muted": _muted, "closed": _closed,
    "over": _over,
}


def _facts(case: Case) -> tuple[Html | None, Html | None]:
    """The figures, large; and what is said in sentences."""
    said = {name: case.annotations.get(name, "").strip() for name in FACTS}
    figures = {name: said[name] for name in BIG if 0 < len(said[name]) <= SHORT}
    large = tag("dl", *(tag("div", tag("dt", FACTS[name]), tag("dd", text)) for name, text in figures.items()),
                class_="figures", id="figures", data_live=True) if figures else None
    known = {FACTS[name]: text for name, text in said.items() if text and name not in figures}
    first = {"What": case.annotations.get("description", "").strip()}
    others = {name.replace("_", " ").capitalize(): text for name, text in sorted(case.annotations.items())
              if name not in FACTS and name not in ("summary", "description") and not name.endswith("_url")}
    lines = {name: text for name, text in {**first, **known, **others}.items() if text and text != title(case)}
    if not lines:
        return large, None
    rest = tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in lines.items()), class_="lines")
    return large, tag("section", tag("h2", "What is known"), rest, class_="card", id="known", data_live=True)


def _links(look: Look, case: Case) -> Html | None:
    found = []
    runbook, dashboard = case.annotations.get("runbook_url", ""), case.annotations.get("dashboard_url", "")
    if runbook.startswith(SHIPPED) and runbook.endswith(".md"):
        name = runbook.removeprefix(SHIPPED).removesuffix(".md")
        found.append(("What to do", "Runbook: causes, first looks, how to silence", look.place.path("runbooks", name)))
    elif link(runbook):
        found.append(("What to do", "Runbook", link(runbook)))
    if look.place.dashboard(dashboard):
        found.append(("Dashboard", "The numbers in Grafana", look.place.dashboard(dashboard)))
    if link(case.generator_url):
        found.append(("Source", "Where the alert comes from", link(case.generator_url)))
    if not found:
        return None
    return tag("nav", *(tag("a", tag("b", name), tag("span", words), href=url, rel="noreferrer")
                        for name, words, url in found), class_="links", aria_label="About this alert")


def _labels(case: Case) -> Html:
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in sorted(case.labels.items())]
    told = [("Receivers", ", ".join(case.receivers)), ("Shown by", ", ".join(case.instances)),
            ("Fingerprint", case.fingerprint)]
    rows += [tag("div", tag("dt", name), tag("dd", text), class_="told") for name, text in told if text]
    return tag("details", tag("summary", f"{len(case.labels)} labels, receivers and fingerprint"),
               tag("dl", *rows, class_="labels"), class_="card", id="labels")
