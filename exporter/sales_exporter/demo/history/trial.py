"""The trial of the rules: which fault has to raise which alert, how soon, and how soon after it is resolved. Pure.

Business faults are incidents of the generated company, so that collectors and rules see them in rows. Their limits
follow from the windows that the rules look at, which is said beside each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sales_exporter.demo import generator
from sales_exporter.demo.generator import Incident, Preset
from sales_exporter.demo.generator.world import draw
from sales_exporter.demo.history.faults import Fault
from sales_exporter.rules.book import Alert
from sales_exporter.rules.firing import Episode
from sales_exporter.rules.replay import Outcome

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
"""The night before a Friday: all days are whole ones."""
LEADS, CALLS = 100.0, 3_500.0
"""A day: above the least volumes that the alerts ask for, which is 20 answers of the voice agent in 15 minutes."""
DRIFTING = "call-success"
RETURN = 0.5
"""Long-run return of the channel that loses money in the demo: there that is no false alarm."""
DATA_DAYS, DAYS, JUDGED = 120.0, 34, 15.0
"""Days of the company's data, days in Prometheus, and days at their end in which faults happen."""
DRIFT_DAYS, DRIFT_SEVERITY = 14.0, 1.0

GRAIN = HOUR
"""The collectors look once an hour here: what happened within one is spread over it, and a call that ends in the first
minute of an outage is there until the hour is over. Live they look every few seconds."""

INCIDENTS = (
    Incident("dead_campaign", "google-ads", 14.0, 0, 240.0),
    Incident("slow_stage", "qualified", 14.0, 0, None, 3.0),
    Incident("call_success_drop", "ai", 12.0, 0, 168.0, 0.15),
    Incident("latency_spike", "ai", 9.0, 13, 2.0, 8.0),
    Incident("carrier_outage", "north", 8.0, 9, 6.0, 0.85),
    Incident("leads_outage", "calls", 7.0, 12, 3.0),
    Incident("leads_outage", "all", 3.0, 0, 36.0),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault: when, what it raises, and the seconds until it is raised and, after its end, resolved."""

    fault: str
    start: float
    end: float | None
    """None: it lasts."""
    alerts: tuple[str, ...]
    """One of these is enough."""
    within: float
    resolved: float | None = None
    """None: it lasts too long to see the end."""
    about: tuple[tuple[str, str], ...] = ()
    """Labels that the alert carries."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one trial went."""

    trial: Trial
    alert: str
    delay: float | None
    """Seconds until it fired."""
    lasted: float | None
    """Seconds after the end of the fault until it was over."""

    @property
    def met(self) -> bool:
        """Whether it was raised and resolved in time."""
        raised = self.delay is not None and self.delay <= self.trial.within
        limit = self.trial.resolved
        return raised and (limit is None or (self.lasted is not None and self.lasted <= limit))


def company(seed: int, incidents: tuple[Incident, ...] = (), *, drift: bool = False) -> Preset:
    """The demo's company, large enough for its alerts. One campaign a paid channel, so that one can die as a whole."""
    made = generator.demo(until=UNTIL, leads=round(LEADS * DATA_DAYS), days=DATA_DAYS, seed=seed, incidents=incidents)
    models = tuple(replace(model, drift_days_before=DRIFT_DAYS if drift and model.name == DRIFTING else None,
                           drift_severity=DRIFT_SEVERITY) for model in made.models)
    channels = tuple(channel if channel.roi is None or channel.roi > 0 else replace(channel, roi=RETURN)
                     for channel in made.channels)
    return replace(made, models=models, channels=channels, calls_per_lead=CALLS / LEADS, campaigns=4)


def faults(end: float) -> tuple[Fault, ...]:
    """What goes wrong besides the company's incidents, one after the other."""
    day = end - 6 * DAY
    return (
        Fault("api_errors", day + 9 * HOUR, 40 * MINUTE, 0.4),
        Fault("api_latency", day + 12 * HOUR, 40 * MINUTE, 12.0),
        Fault("recorder_dropping", day + 15 * HOUR, 20 * MINUTE, 0.3),
        Fault("cpu_busy", day + 17 * HOUR, HOUR, 0.97),
        Fault("source_lost", day + 33 * HOUR, 20 * MINUTE),
        Fault("target_down", day + 36 * HOUR, 10 * MINUTE, subject="sales-exporter"),
        Fault("target_down", day + 38 * HOUR, 10 * MINUTE, subject="sidecar"),
        Fault("target_down", day + 40 * HOUR, 10 * MINUTE, subject="alertmanager"),
        Fault("notifications_failing", day + 42 * HOUR, 15 * MINUTE, 0.8, "webhook"),
        Fault("disk_filling", day + 50 * HOUR, 12 * HOUR, 0.99, "/var/lib/postgresql"),
    )


def trials(preset: Preset) -> list[Trial]:
    """Every fault with what is asked of the rules."""
    return [*_of_business(preset), *_of_operation(preset.end)]


def _of_business(preset: Preset) -> list[Trial]:
    placed = zip(preset.incidents, draw(preset).episodes, strict=True)
    at = {(one.kind, one.subject): (episode.start, None if math.isinf(episode.end) else episode.end)
          for one, episode in placed}
    ai = (("agent_kind", "ai"),)
    return [
        # Seven days without a lead, on one of them a rest of the day before, and an hour of `for`.
        Trial("dead campaign", *at["dead_campaign", "google-ads"], ("SalesSpendWithoutLeads",), 8.2 * DAY, 2 * DAY,
              (("channel", "google-ads"),)),
        # A test each day, two days running, of stays that take days by themselves.
        Trial("slowed stage", *at["slow_stage", "qualified"], ("SalesStageSlower",), 12 * DAY,
              about=(("stage", "qualified"),)),
        # The bound of seven days, four of them bad, against that of 90.
        Trial("calls that do not succeed", *at["call_success_drop", "ai"], ("SalesCallSuccessLow",), 5 * DAY,
              8 * DAY, ai),
        Trial("slow voice agent", *at["latency_spike", "ai"], ("SalesCallFirstResponseSlow",), 45 * MINUTE,
              30 * MINUTE + GRAIN),
        # Over 10 % of an hour's calls, then ten minutes of `for`.
        Trial("carrier out", *at["carrier_outage", "north"], ("SalesCallsFailing",), 75 * MINUTE, 2 * HOUR),
        # An hour without one, ten minutes of `for`.
        Trial("no calls", *at["leads_outage", "calls"], ("SalesNoCalls",), 70 * MINUTE + GRAIN, 2 * HOUR),
        # A whole day with less than a tenth of the leads of a week ago.
        Trial("no leads", *at["leads_outage", "all"], ("SalesNoNewLeads",), 26 * HOUR, 12 * HOUR),
        # Outcomes are settled two days after the decision. Rules over the figures of thirty days need over two weeks;
        # the sidecar judges each day.
        Trial("drifting model", preset.end - DRIFT_DAYS * DAY, None,
              ("SalesModelDrift", "SalesModelRanksByChance", "SalesModelBelowBaseline"), 7 * DAY,
              about=(("model", DRIFTING),)),
    ]


def _of_operation(end: float) -> list[Trial]:
    asked: dict[tuple[str, str], tuple[str, str, float, float]] = {
        ("api_errors", ""): ("API outage", "SalesApiErrorRatioHigh", 10 * MINUTE, 45 * MINUTE),
        ("api_latency", ""): ("slow API", "SalesApiLatencyHigh", 25 * MINUTE, 45 * MINUTE),
        ("recorder_dropping", ""): ("recorder loses rows", "SalesRecorderDropping", 15 * MINUTE, 45 * MINUTE),
        ("cpu_busy", ""): ("processors busy", "HostCpuSaturated", 35 * MINUTE, 45 * MINUTE),
        ("source_lost", ""): ("lost source", "SalesSourceDown", 3 * MINUTE, 10 * MINUTE),
        ("target_down", "sales-exporter"): ("exporter down", "SalesExporterDown", 3 * MINUTE, 5 * MINUTE),
        ("target_down", "sidecar"): ("sidecar down", "SalesSidecarDown", 3 * MINUTE, 5 * MINUTE),
        ("target_down", "alertmanager"): ("Alertmanager down", "AlertmanagerDown", 3 * MINUTE, 5 * MINUTE),
        ("notifications_failing", "webhook"): (
            "notifications fail", "AlertmanagerNotificationsFailing", 10 * MINUTE, 20 * MINUTE),
        ("disk_filling", "/var/lib/postgresql"): ("disk fills", "HostFilesystemFilling", 9 * HOUR, 3 * HOUR),
    }
    found = []
    for fault in faults(end):
        name, alert, within, resolved = asked[fault.kind, fault.subject if fault.kind != "recorder_dropping" else ""]
        found.append(Trial(name, fault.start, fault.end, (alert,), within, resolved))
    return found


def judged(trial: Trial, outcomes: Iterable[Outcome]) -> Verdict:
    """The first alert of those that the fault is to raise that fired after its start."""
    fired = [(one.fired, outcome.alert.name, one) for outcome in outcomes if outcome.alert.name in trial.alerts
             for one in outcome.fired if one.fired is not None and one.fired >= trial.start and _fits(one, trial)]
    if not fired:
        return Verdict(trial, "", None, None)
    at, name, episode = min(fired, key=lambda one: one[0])
    lasted = None if episode.until is None or trial.end is None else episode.until - trial.end
    return Verdict(trial, name, at - trial.start, lasted)


def unexpected(found: Sequence[Trial], outcomes: Iterable[Outcome], slack: float) -> list[tuple[str, Episode]]:
    """What fired and none of the faults asks for: names and episodes. ``slack``: seconds after a fault that count."""
    expected = {alert for trial in found for alert in trial.alerts}
    return [(outcome.alert.title, one) for outcome in outcomes for one in outcome.fired
            if outcome.alert.name not in expected and not any(
                trial.start <= (one.fired or 0.0) <= (trial.end or one.since) + slack for trial in found)]


def drifted(found: Iterable[tuple[float, str]]) -> Outcome:
    """What the sidecar says of drifting models, as the alert that it pushes: moments, and models with versions."""
    alert = Alert("SalesModelDrift", "", 0, 0)
    return Outcome(alert, tuple(
        Episode((("entity", entity), ("model", entity.partition(" ")[0])), at, at, None, 1.0) for at, entity in found))


def _fits(episode: Episode, trial: Trial) -> bool:
    return set(trial.about) <= set(episode.labels)
