"""Calls of humans and AI agents, what a model says about them before, and how they are judged afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Bools, Decimal, Flag, Floats, Ints, Key, Moment, Number, Word
from sales_exporter.demo.generator.deals import rep_key
from sales_exporter.demo.generator.leads import Leads
from sales_exporter.demo.generator.preset import DAY, HOUR, Kind, Preset
from sales_exporter.demo.generator.quality import feature, swing, turned
from sales_exporter.demo.generator.relations import Relation
from sales_exporter.demo.generator.season import CALL_HOURS, CALL_WEEKDAYS, Hours, arrivals, profile
from sales_exporter.demo.generator.world import World, stream

OUTCOMES = ("answered", "no_answer", "busy", "failed", "voicemail", "abandoned")
ANSWERED, NO_ANSWER, BUSY, FAILED, VOICEMAIL, ABANDONED = range(6)
CARRIERS = ("north", "harbor", "delta")
INBOUND_SHARE = 0.3
AI_SHARE = 0.55
SUCCESS = {"human": 0.46, "ai": 0.38}
"""Probability that an answered call reaches its purpose."""
FIRST_RESPONSE = {"human": (5.0, 0.5), "ai": (0.75, 0.35)}
"""Median in seconds and sigma of the time to the first response."""
COST_PER_MINUTE = {"human": (0.62,), "ai": (0.11,)}
SWING = 0.9
AT_ONCE, LATER = 0.35, 0.50
"""Share of the answered calls that are judged when they end, and later; the others never are."""
DENIED = 0.02
"""Share of the successes judged at once that are denied later."""
LABELLED = AT_ONCE * (1 - DENIED) + LATER
"""Share of the successful calls that end up with a positive label."""
_OUTBOUND_ODDS = {"human": (0.52, 0.22, 0.07, 0.02, 0.17, 0.0), "ai": (0.48, 0.25, 0.08, 0.03, 0.16, 0.0)}
_INBOUND_ODDS = {"human": (0.84, 0.03, 0.02, 0.01, 0.0, 0.10), "ai": (0.96, 0.005, 0.005, 0.01, 0.0, 0.02)}


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in order of their start, with what only the generator knows."""

    started: Floats
    lead: Ints
    rep: Ints
    channel: Ints
    carrier: Ints
    ai: Bools
    inbound: Bools
    outcome: Ints
    ring: Floats
    talk: Floats
    hold: Floats
    wrap: Floats
    response: Floats
    transferred: Bools
    cost: Floats
    believed: Floats
    """Probability of a positive label, as a calibrated model sees it when the call starts."""
    success: Bools
    """What a judgement would say; false unless answered."""
    judged: Floats
    """When it is judged; the end of the call for those judged at once, NaN for never."""

    def __len__(self) -> int:
        return len(self.started)

    @property
    def ended(self) -> Floats:
        return self.started + self.ring + self.talk + self.hold

    @property
    def at_once(self) -> Bools:
        return np.asarray(self.judged == self.ended)


def call_rates(world: World, moments: Floats) -> Floats:
    """Relative rate of calls at some moments."""
    return profile(moments, CALL_WEEKDAYS, CALL_HOURS) * world.during("leads_outage", "calls", moments)


def calls(world: World, found: Leads) -> Calls:
    """All calls of the data; each ends before the data does."""
    preset = world.preset
    rng = stream(preset, "calls")
    hours = Hours.between(preset.start, preset.end)
    count = round(preset.leads * preset.calls_per_lead)
    started, _ = arrivals(rng, hours, call_rates(world, hours.middles)[:, None], count)
    # A call is about a lead that arrived some days before; one in ten is about none.
    lead = np.searchsorted(found.created, started - rng.exponential(3 * DAY, count)) - 1
    lead[rng.random(count) < 0.1] = -1
    channel = np.where(lead >= 0, found.channel[lead], -1)
    some = dial(world, rng, started, lead, channel)
    done = np.flatnonzero(some.ended < preset.end)
    return Calls(*(getattr(some, name)[done] for name in Calls.__slots__))


def dial(world: World, rng: np.random.Generator, started: Floats, lead: Ints, channel: Ints) -> Calls:
    """What becomes of calls that start at ``started``."""
    count = len(started)
    ai = rng.random(count) < AI_SHARE
    inbound = rng.random(count) < INBOUND_SHARE
    carrier = rng.integers(0, len(CARRIERS), count)
    outcome = _outcomes(world, rng, started, ai, inbound, carrier)
    answered = outcome == ANSWERED
    response = _by_kind(ai, FIRST_RESPONSE, 0) * np.exp(_by_kind(ai, FIRST_RESPONSE, 1) * rng.standard_normal(count))
    response *= _during(world, "latency_spike", started, ai)
    talk = np.where(answered, np.where(ai, 110.0, 260.0) * np.exp(0.7 * rng.standard_normal(count)), 0.0)
    ring = np.where(answered, 3 + rng.gamma(2.0, 4.0, count), 5 + rng.gamma(3.0, 7.0, count))
    ring[outcome == FAILED] = 1.0
    transferred = answered & ai & (rng.random(count) < 0.12)
    hold = np.where(transferred, rng.gamma(2.0, 12.0, count), 0.0)
    believed, success = _success(world, rng, started, ai, inbound, answered)
    ended = started + ring + talk + hold
    how = np.where(answered, rng.random(count), 2.0)
    delay = 0.5 * HOUR + rng.exponential(8 * HOUR, count).clip(max=1.8 * DAY - HOUR)
    judged = np.where(how < AT_ONCE, ended, np.where(how < AT_ONCE + LATER, ended + delay, np.nan))
    return Calls(
        started, lead, _callers(world, rng, started, ai), channel, carrier, ai, inbound, outcome, ring, talk, hold,
        np.where(answered & ~ai, rng.gamma(2.0, 20.0, count), np.nan), np.where(answered, response, np.nan),
        transferred, (talk + hold) / 60 * _by_kind(ai, COST_PER_MINUTE, 0) + 0.004, believed, success, judged,
    )


def _by_kind(ai: Bools, table: Mapping[str, tuple[float, ...]], place: int) -> Floats:
    return np.where(ai, table["ai"][place], table["human"][place])


def _during(world: World, kind: Kind, moments: Floats, ai: Bools) -> Floats:
    return np.where(ai, world.during(kind, "ai", moments), world.during(kind, "human", moments))


def _outcomes(
    world: World, rng: np.random.Generator, started: Floats, ai: Bools, inbound: Bools, carrier: Ints
) -> Ints:
    odds = np.array([[_OUTBOUND_ODDS[kind], _INBOUND_ODDS[kind]] for kind in ("human", "ai")])
    limits = np.cumsum(odds, axis=2)[ai.astype(int), inbound.astype(int)]
    outcome = np.minimum((limits < rng.random(len(started))[:, None]).sum(axis=1), ABANDONED)
    for number, name in enumerate(CARRIERS):
        # The factor is the share of the carrier's calls that fail.
        failing = world.during("carrier_outage", name, started)
        lost = (carrier == number) & (failing != 1) & (rng.random(len(started)) < failing)
        outcome[lost] = FAILED
    return np.asarray(outcome)


def answer_chance(ai: Bools, inbound: Bools) -> Floats:
    """Probability that a call is answered."""
    table = np.array([[_OUTBOUND_ODDS[kind][0], _INBOUND_ODDS[kind][0]] for kind in ("human", "ai")])
    return np.asarray(table[ai.astype(int), inbound.astype(int)])


def _success(
    world: World, rng: np.random.Generator, started: Floats, ai: Bools, inbound: Bools, answered: Bools
) -> tuple[Floats, Bools]:
    model = next(model for model in world.preset.models if model.subject_kind == "call")
    base = np.where(ai, SUCCESS["ai"], SUCCESS["human"])
    seen = feature(rng, len(started)) * swing(base, SWING)
    chance = base * (1 + seen * turned(world.preset, model, started))
    chance *= _during(world, "call_success_drop", started, ai)
    believed = answer_chance(ai, inbound) * LABELLED * base * (1 + seen)
    return believed, answered & (rng.random(len(started)) < chance)


def _callers(world: World, rng: np.random.Generator, started: Floats, ai: Bools) -> Ints:
    """A rep of the right kind who works on that day."""
    rep = np.empty(len(started), np.int64)
    for kind in ("human", "ai"):
        mine = np.flatnonzero(ai if kind == "ai" else ~ai)
        some = np.flatnonzero(world.kinds(kind))
        rep[mine] = some[rng.integers(0, len(some), len(mine))]
        for number in some:
            one, always = world.reps[number], some[0]
            away = (started[mine] < one.starts) | (started[mine] >= (one.ends or np.inf))
            rep[mine[away & (rep[mine] == number)]] = always
    return rep


def call_rows(world: World, some: Calls) -> tuple[Relation, Relation]:
    """The relations calls and call_judgements."""
    preset = world.preset
    answered = some.outcome == ANSWERED
    number = np.arange(len(some))
    at_once = some.at_once
    rows = Relation("calls", {
        "call_id": Key("C", number), "lead_id": Key("L", some.lead), "rep_id": rep_key(some.rep),
        "channel_id": Word(tuple(one.channel_id for one in preset.channels), some.channel),
        "carrier": Word(CARRIERS, some.carrier),
        "agent_kind": Word(("human", "ai"), some.ai.astype(int)),
        "direction": Word(("outbound", "inbound"), some.inbound.astype(int)),
        "started_at": Moment.of(some.started),
        "answered_at": Moment.of(np.where(answered, some.started + some.ring, np.nan)),
        "ended_at": Moment.of(some.ended), "outcome": Word(OUTCOMES, some.outcome),
        "success": Flag(np.where(at_once, some.success, -1).astype(np.int8)),
        "talk_seconds": _spent(answered, some.talk), "hold_seconds": _spent(answered, some.hold),
        "wrap_seconds": _spent(answered, some.wrap), "first_response_seconds": _spent(answered, some.response),
        "transferred": Flag(some.transferred.astype(np.int8)), "cost": Decimal(some.cost, 6),
        "currency": Word(("EUR",), np.zeros(len(some), np.int64)),
    })
    call, success, judged = judgements(preset, some)
    return rows, Relation("call_judgements", {
        "judgement_id": Key("J", np.arange(len(call))), "call_id": Key("C", call),
        "success": Flag(success.astype(np.int8)), "judged_at": Moment.of(judged),
    })


def judgements(preset: Preset, some: Calls) -> tuple[Ints, Bools, Floats]:
    """Call, verdict and time of the judgements that come after a call, until the end of the data, in their order."""
    rng = stream(preset, "judgements")
    denied = some.at_once & some.success & (rng.random(len(some)) < DENIED)
    when = np.where(denied, some.ended + 60 + rng.exponential(6 * HOUR, len(some)).clip(max=DAY), some.judged)
    call = np.flatnonzero((denied | ~some.at_once) & (when < preset.end))
    call = call[np.argsort(when[call], kind="stable")]
    return call, (some.success & ~denied)[call], when[call]


def _spent(answered: Bools, seconds: Floats) -> Number:
    return Number(np.where(answered, seconds, np.nan).round(3))
