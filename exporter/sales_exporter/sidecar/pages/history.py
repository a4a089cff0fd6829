"""The page of what happened: events with who, when and why, how fast people are, and what comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sales_exporter.runtime.landing import span
from sales_exporter.sidecar.desk.model import Event, Flapping, Times, Wanted
from sales_exporter.sidecar.pages.frame import Look, Page, framed
from sales_exporter.sidecar.pages.markup import Html, join, tag
from sales_exporter.sidecar.pages.words import KINDS, SEVERITIES, sentence

RANGES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "400d": "All that is kept"}
SECONDS = {"24h": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0, "90d": 7_776_000.0, "400d": 34_560_000.0}
USUAL = "7d"
ROWS = 100
"""Events on one page."""
FLAPPING = 10
"""Alerts in the list of those that come and go."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for, as the address of the page says it."""

    range: str = USUAL
    alertname: str = ""
    kind: str = ""
    fingerprint: str = ""
    before: int | None = None

    def wanted(self, now: float, limit: int = ROWS + 1) -> Wanted:
        """The question to the desk; one more than a page, to know whether there is another."""
        kinds = frozenset(kind for kind in KINDS if kind == self.kind)
        return Wanted(now - SECONDS[self.range], None, self.fingerprint, self.alertname, kinds, self.before, limit)

    @property
    def query(self) -> dict[str, str]:
        """The address' query, without the place in the pages."""
        return {"range": self.range, "alertname": self.alertname, "kind": self.kind, "fingerprint": self.fingerprint}


def history(look: Look, choice: Choice, events: Sequence[Event], times: Times) -> str:
    """The page. ``events`` are the newest first, one more than a page when there are older ones."""
    body = join((
        tag("div", tag("h1", "History"), tag("p", f"{RANGES[choice.range]}", class_="soft"), class_="head"),
        _form(look, choice), _times(times), _flapping(look, times.flapping), _events(look, choice, events),
        _exports(look, choice)))
    return framed(look, Page("History", "alerts/history"), body)


def _form(look: Look, choice: Choice) -> Html:
    def select(name: str, title: str, options: dict[str, str], now: str) -> Html:
        return tag("div", tag("label", title, for_=name), tag("select", *(
            tag("option", text, value=value, selected=value == now) for value, text in options.items()),
            id=name, name=name), class_="field")

    kinds = {"": "Everything", **{str(kind): name for kind, name in KINDS.items()}}
    return tag(
        "form", select("range", "Over", RANGES, choice.range), select("kind", "What happened", kinds, choice.kind),
        tag("div", tag("label", "Alert", for_="alertname"), tag(
            "input", id="alertname", name="alertname", value=choice.alertname, placeholder="any name", maxlength="256",
            autocomplete="off"), class_="field"),
        tag("input", type="hidden", name="fingerprint", value=choice.fingerprint) if choice.fingerprint else None,
        tag("button", "Show", class_="main"), method="get", action=look.place.path("alerts", "history"),
        class_="asked")


def _times(times: Times) -> Html:
    figures = (
        ("Alerts that began", f"{times.cases:,}", ""),
        ("Until acknowledged", _span(times.acknowledge_median), _most(times.acknowledge_p90)),
        ("Until resolved", _span(times.resolve_median), _most(times.resolve_p90)),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value, tag("small", note) if note else None))
                       for name, value, note in figures), class_="figures times")


def _span(seconds: float | None) -> str:
    return "none yet" if seconds is None else span(seconds)


def _most(seconds: float | None) -> str:
    return "" if seconds is None else f"median; nine of ten within {span(seconds)}"


def _flapping(look: Look, flapping: Sequence[Flapping]) -> Html | None:
    if not flapping:
        return None
    rows = [tag("li", tag("a", one.labels.get("alertname", one.fingerprint), href=look.place.path(
        "alerts", one.fingerprint)), tag("span", one.labels.get("entity", ""), class_="soft"), tag(
            "span", tag("b", f"{one.times:,} times"), f", {span(one.lasted)} each", class_="number"))
        for one in flapping[:FLAPPING]]
    return tag("section", tag("h2", "Comes and goes"), tag(
        "p", "These fire again and again. A longer “for” or “keep_firing_for” in the rule, or a smaller weight of the "
        "watch, makes one alert of them.", class_="soft"), tag("ul", *rows, class_="flapping"), class_="card")


def _events(look: Look, choice: Choice, events: Sequence[Event]) -> Html:
    if not events:
        return tag("section", tag("h2", "Events"), tag(
            "p", "Nothing happened in this time that matches.", class_="soft"), class_="card")
    shown, older = events[:ROWS], len(events) > ROWS
    pages = tag(
        "nav",
        tag("a", "Newest", href=look.place.path("alerts", "history", **choice.query), class_="chip")
        if choice.before is not None else None,
        tag("a", "Older", href=look.place.path("alerts", "history", **choice.query, before=str(shown[-1].number)),
            class_="chip", rel="next") if older else None, class_="pages", aria_label="Pages of events")
    return tag("section", tag("h2", "Events"), tag("ol", *(_event(look, one) for one in shown), class_="timeline wide"),
               pages if older or choice.before is not None else None, class_="card")


def _event(look: Look, event: Event) -> Html:
    name = event.labels.get("alertname") or event.fingerprint
    degree = event.labels.get("severity", "")
    badge = tag("span", degree, class_=f"badge {degree}") if degree in SEVERITIES else None
    about = event.labels.get("entity", "")
    return tag("li", tag("span", look.times.moment(event.at), class_="when"), tag("div", tag(
        "p", tag("a", name, href=look.place.path("alerts", event.fingerprint)), " ", badge,
        tag("span", about, class_="soft") if about else None, class_="name"),
        tag("p", sentence(event), tag("span", f": {event.why}", class_="why") if event.why else None)))


def _exports(look: Look, choice: Choice) -> Html:
    def file(form: str) -> str:
        return look.place.path("alerts", "history", **choice.query, format=form)

    return tag("footer", "All of it as a file: ", tag("a", "JSON lines", href=file("jsonl"), download=True), " or ",
               tag("a", "CSV", href=file("csv"), download=True),
               f". Times are in {look.times.zone.key}{'' if look.times.zone.key == 'UTC' else ', in files in UTC'}.")
