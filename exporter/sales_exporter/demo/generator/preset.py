"""Presets: everything that decides what is generated, frozen, so that a preset and its seed are the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

Kind = Literal[
    "call_success_drop", "latency_spike", "carrier_outage", "leads_outage", "dead_campaign", "slow_stage"
]
"""What an incident does; docs/generator.md says what its factor multiplies."""

DAY = 86_400.0
HOUR = 3_600.0
BENCHMARK_LEADS, BENCHMARK_DAYS = 100_000, 730.0
DEMO_LEADS, DEMO_DAYS = 3_600, 120.0


@dataclass(frozen=True, slots=True)
class Channel:
    """Where leads come from.

    ``share`` of the leads (normalised); ``effect`` = what a touch of the channel adds to the odds of a win, on the
    scale of ``Preset.base_effect``; ``qualify`` = probability that its leads become a deal; ``roi`` = the long-run
    return that its spend is set to earn (0.5 means revenue is 1.5 times spend), None = costs nothing.
    """

    channel_id: str
    name: str
    kind: str
    share: float
    effect: float
    qualify: float
    roi: float | None = None
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage in which a lead waits, log-normally: ``median`` in days and ``sigma`` of the logarithm."""

    name: str
    median: float
    sigma: float = 0.6


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong at a known time.

    It starts ``days_before`` days before the end of the data, at ``hour`` o'clock UTC of the weekday on or before
    it, and lasts ``hours`` (None: until the end). ``subject`` is what it happens to: an agent kind, a carrier, a
    stage, or the channel whose newest running campaign dies. ``factor`` multiplies what the kind is about.
    """

    kind: Kind
    subject: str
    days_before: float
    hour: int = 10
    hours: float | None = None
    factor: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """A scoring model. Versions follow each other at ``releases`` (share of the days, ascending, the first is 0)."""

    name: str
    subject_kind: Literal["lead", "call"]
    versions: tuple[str, ...]
    releases: tuple[float, ...]
    horizon_days: float
    threshold: float
    drift_days_before: float | None = None
    """Days before the end at which the world stops following the model; None means never."""
    drift_severity: float = 0.75
    """How far the effect of the model's main feature turns: 0 not at all, 0.5 it vanishes, 1 it is reversed."""


@dataclass(frozen=True, slots=True)
class Staff:
    """The reps: how many, how skilled, and how many deals each has."""

    humans: int
    agents: int
    skill: tuple[float, float] = (20.0, 40.0)
    """Win probability of a rep's deals ~ Beta(a, b)."""
    deals: tuple[int, int] | None = None
    """Each rep has a number of deals drawn from this range, the other deals have no rep; None shares out all deals."""
    changes: bool = False
    """One human joins at 40 % of the days and one leaves at 70 %."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One data set. ``generate`` is a function of this value alone: equal presets give equal rows."""

    until: datetime
    leads: int
    days: float
    channels: tuple[Channel, ...]
    staff: Staff
    stages: tuple[Stage, ...]
    models: tuple[Model, ...]
    incidents: tuple[Incident, ...] = ()
    seed: int = 1
    campaigns: int = 24
    calls_per_lead: float = 0.3
    growth: float = 0.0
    """Relative growth of the arrival rate from the first day to the last."""
    base_effect: float = 0.3
    lost_at_lead: float = 0.4
    """Of the leads that never become a deal, how many are lost in the first stage."""
    lost_at_qualified: float = 0.3
    """Of the deals that are lost, how many are lost before the proposal."""
    skipped: float = 0.03
    regressions: float = 0.05
    tied: float = 0.005
    late: float = 0.02
    tests: float = 0.01
    without_channel: float = 0.03
    extra_touches: tuple[float, ...] = (0.35, 0.40, 0.25)
    """Probability of 0, 1, 2 … further touches besides the channel of the lead."""
    deal_median: float = 4_000.0
    deal_sigma: float = 0.7
    deal_range: tuple[float, float] = (100.0, 500_000.0)
    currencies: tuple[tuple[str, float], ...] = (("EUR", 0.80), ("USD", 0.15), ("GBP", 0.05))
    """Currencies of the deals with their shares."""

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ValueError("until needs a time zone")
        if self.leads < 1 or self.days < 7 or len(self.stages) != 4:
            raise ValueError("a preset needs a lead, seven days and the four stages in which a lead waits")

    @property
    def end(self) -> float:
        """Epoch seconds at which the data ends; nothing has happened at or after it."""
        return self.until.timestamp()

    @property
    def start(self) -> float:
        """Epoch seconds of the first moment at which a lead can arrive."""
        return self.end - self.days * DAY


def benchmark(
    leads: int = BENCHMARK_LEADS, days: float = BENCHMARK_DAYS, until: datetime | None = None, seed: int = 1,
    incidents: tuple[Incident, ...] | None = None,
) -> Preset:
    """The preset of all benchmarks: 8 channels, 30 reps with Beta(20, 40) skill and 5–200 deals each, medians 1–7 days.

    ``until`` defaults to a fixed moment, so that a benchmark is the same data on every day.
    """
    return Preset(
        until=until or datetime(2026, 1, 1, tzinfo=UTC), leads=leads, days=days, seed=seed,
        channels=tuple(
            Channel(name, name.replace("-", " "), kind, share, effect, 0.90, roi, currency)
            for name, kind, share, effect, roi, currency in (
                ("search", "paid", 0.17, 0.50, 1.2, "EUR"), ("social", "paid", 0.16, 0.14, -0.3, "USD"),
                ("display", "paid", 0.12, 0.08, -0.6, "EUR"), ("events", "paid", 0.10, 0.38, 0.4, "EUR"),
                ("partners", "paid", 0.10, 0.44, 2.5, "GBP"), ("outbound", "paid", 0.12, 0.26, 0.1, "EUR"),
                ("organic", "owned", 0.13, 0.32, None, "EUR"), ("unknown", "other", 0.10, 0.20, None, "EUR"),
            )
        ),
        staff=Staff(humans=22, agents=8, deals=(8, 200)),
        stages=(Stage("lead", 1.0), Stage("contact", 2.0), Stage("qualified", 4.0), Stage("proposal", 7.0)),
        models=(
            Model("lead-score", "lead", ("v1", "v2"), (0.0, 0.5), 30.0, 0.35, drift_days_before=60.0),
            Model("call-success", "call", ("v1",), (0.0,), 2.0, 0.25),
        ),
        incidents=_SCRIPT if incidents is None else incidents,
    )


def demo(
    until: datetime, leads: int = DEMO_LEADS, days: float = DEMO_DAYS, seed: int = 1,
    incidents: tuple[Incident, ...] | None = None,
) -> Preset:
    """The company behind ``up``: about 30 leads and 50 calls a day, six channels, twelve reps, plausible money."""
    return Preset(
        until=until, leads=leads, days=days, seed=seed,
        channels=(
            Channel("google-ads", "Google Ads", "paid", 0.27, 0.40, 0.34, 1.4),
            Channel("linkedin", "LinkedIn", "paid", 0.18, 0.32, 0.30, 0.25, "USD"),
            Channel("webinars", "Webinars", "paid", 0.10, 0.46, 0.42, 4.0),
            Channel("trade-fairs", "Trade fairs", "paid", 0.08, 0.14, 0.26, -0.6),
            Channel("organic", "Organic search", "owned", 0.27, 0.26, 0.28),
            Channel("unknown", "unknown", "other", 0.07, 0.20, 0.20),
        ),
        staff=Staff(humans=9, agents=3, changes=True),
        stages=(Stage("lead", 1.0), Stage("contact", 2.5), Stage("qualified", 4.0), Stage("proposal", 6.0)),
        models=(
            Model("lead-score", "lead", ("v1", "v2"), (0.0, 0.6), 30.0, 0.15),
            Model("call-success", "call", ("v1",), (0.0,), 2.0, 0.25, drift_days_before=18.0),
        ),
        incidents=_DEMO_SCRIPT if incidents is None else incidents,
        campaigns=10, calls_per_lead=50 * days / leads, growth=0.2, lost_at_lead=0.45, deal_median=4_200.0,
        deal_sigma=0.65, deal_range=(800.0, 20_000.0),
    )


def to_json(preset: Preset) -> str:
    """A preset as JSON."""
    return TypeAdapter(Preset).dump_json(preset).decode()


def from_json(text: str) -> Preset:
    """The preset that ``to_json`` wrote.

    Raises:
        ValueError: the text is none.
    """
    try:
        return TypeAdapter(Preset).validate_json(text)
    except ValidationError:
        raise ValueError("not a preset of this version") from None


_SCRIPT = (
    Incident("call_success_drop", "ai", 9.0, 9, 6.0, 0.35),
    Incident("latency_spike", "ai", 5.0, 13, 2.0, 8.0),
    Incident("carrier_outage", "north", 3.0, 11, 1.0, 0.85),
    Incident("leads_outage", "all", 16.0, 10, 3.0),
    Incident("dead_campaign", "search", 60.0, 0, 240.0),
    Incident("slow_stage", "proposal", 120.0, 0, None, 1.5),
)

_DEMO_SCRIPT = (
    Incident("call_success_drop", "ai", 9.0, 9, 6.0, 0.35),
    Incident("latency_spike", "ai", 4.0, 13, 2.0, 8.0),
    Incident("carrier_outage", "north", 2.0, 11, 1.0, 0.85),
    Incident("leads_outage", "all", 16.0, 10, 3.0),
    Incident("dead_campaign", "google-ads", 50.0, 0, 240.0),
    Incident("slow_stage", "proposal", 40.0, 0, 600.0, 1.5),
)
