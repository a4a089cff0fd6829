"""Deals: one for each lead that qualifies, with amounts, and the rows of leads and their stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Day, Decimal, Flag, Floats, Ints, Key, Moment, Word
from sales_exporter.demo.generator.leads import Leads
from sales_exporter.demo.generator.preset import DAY, HOUR, Preset
from sales_exporter.demo.generator.relations import Relation
from sales_exporter.demo.generator.stages import LOST, PROPOSAL, QUALIFIED, STAGES, WON
from sales_exporter.demo.generator.world import World, price, stream

LOST_REASONS = ("price", "timing", "competitor", "no budget", "no response")
REASONS = ("returned",)
LATE_MEDIAN = 6 * HOUR


@dataclass(frozen=True, slots=True)
class Deals:
    """The deals that are open or closed at the end of the data; ``lead`` is a position in Leads."""

    lead: Ints
    rep: Ints
    opened: Floats
    closed: Floats
    stage: Ints
    amount: Floats
    currency: Ints
    reporting: Floats
    """The amount in the reporting currency at long-run prices."""


def deals(world: World, found: Leads) -> Deals:
    """Deals of all leads that became one before the end; test leads have none."""
    preset = world.preset
    opened = found.path.first((QUALIFIED, PROPOSAL))
    lead = np.flatnonzero((opened < preset.end) & ~found.is_test)
    rng = stream(preset, "deals")
    closed = found.path.ended[lead]
    rep = found.rep[lead]
    reporting = amounts(preset, rng, world.sizes[rep])
    names, shares = zip(*preset.currencies, strict=True)
    currency = rng.choice(len(names), size=len(lead), p=shares)
    amount = np.round(reporting / np.array([price(name) for name in names])[currency], 2)
    return Deals(
        lead, rep, opened[lead], np.where(closed < preset.end, closed, np.nan), found.path.at(preset.end)[lead],
        amount, currency, reporting,
    )


def amounts(preset: Preset, rng: np.random.Generator, size: Floats) -> Floats:
    """Amounts in the reporting currency: log-normal, cut to the preset's range, times the rep's factor."""
    drawn = preset.deal_median * np.exp(preset.deal_sigma * rng.standard_normal(len(size)))
    return np.asarray(np.clip(drawn * size, *preset.deal_range))


def deal_rows(world: World, found: Leads, some: Deals) -> Relation:
    """The relation deals. One in a hundred lacks its opening time, one in a hundred its lead."""
    preset = world.preset
    rng = stream(preset, "deal rows")
    count = len(some.lead)
    status = np.where(some.stage == WON, 1, np.where(some.stage == LOST, 2, 0))
    reason = np.where(status == 2, rng.integers(0, len(LOST_REASONS), count), -1)
    expected = some.opened + rng.normal(18, 5, count).clip(3) * DAY
    return Relation("deals", {
        "deal_id": Key("D", some.lead),
        "lead_id": Key("L", np.where(rng.random(count) < 0.01, -1, some.lead)),
        "rep_id": rep_key(some.rep),
        "opened_at": Moment.of(np.where(rng.random(count) < 0.01, np.nan, some.opened)),
        "stage": Word(STAGES, some.stage),
        "status": Word(("open", "won", "lost"), status),
        "amount": Decimal(some.amount),
        "currency": Word(tuple(name for name, _ in preset.currencies), some.currency),
        "expected_close_on": Day.of(expected),
        "closed_at": Moment.of(some.closed),
        "lost_reason": Word(LOST_REASONS, reason),
    })


def rep_key(rep: Ints) -> Word:
    """Rep ids of positions in ``World.reps``."""
    most = int(rep.max(initial=0)) + 1
    return Word(tuple(f"R{number + 1:03d}" for number in range(most)), rep)


def lead_rows(world: World, found: Leads) -> tuple[Relation, Relation]:
    """The relations leads and lead_revisions: what the triggers would have written, with corrections and erasures."""
    preset, count = world.preset, len(found)
    rng = stream(preset, "revisions")
    leads = Relation("leads", {
        "lead_id": Key("L", np.arange(count)), "created_at": Moment.of(found.created),
        **_owned(world, found.channel, found.campaign, found.rep), "is_test": Flag(found.is_test.astype(np.int8)),
    })
    # Some leads came in under another channel; some were erased and left only their revisions behind.
    corrected = np.flatnonzero(rng.random(count) < 0.03)
    erased = np.repeat(count + np.arange(max(1, count // 500)), 2)
    first = np.concatenate([np.arange(count), corrected])
    channel = np.concatenate([found.channel, found.channel[corrected]])
    campaign = np.concatenate([found.campaign, found.campaign[corrected]])
    channel[corrected] = rng.integers(0, len(preset.channels), len(corrected))
    campaign[corrected] = -1
    gone = rng.integers(0, len(preset.channels), len(erased) // 2).repeat(2)
    born = rng.uniform(preset.start, preset.end, len(erased) // 2).repeat(2)
    fill = np.full(len(erased), -1)
    lead = np.concatenate([first, erased])
    tests = np.concatenate([found.is_test[first], np.zeros(len(erased), np.bool_)])
    deleted = np.concatenate([np.zeros(len(first)), np.arange(len(erased)) % 2])
    revisions = Relation("lead_revisions", {
        "revision_id": Key("0" * 10, np.arange(1, len(lead) + 1)), "lead_id": Key("L", lead),
        "created_at": Moment.of(np.concatenate([found.created[first], born])),
        **_owned(
            world, np.concatenate([channel, gone]), np.concatenate([campaign, fill]),
            np.concatenate([found.rep[first], fill]),
        ),
        "is_test": Flag(tests.astype(np.int8)), "deleted": Flag(deleted.astype(np.int8)),
    })
    return leads, revisions


def _owned(world: World, channel: Ints, campaign: Ints, rep: Ints) -> dict[str, Word]:
    return {
        "channel_id": Word(tuple(one.channel_id for one in world.preset.channels), channel),
        "campaign_id": Word(tuple(one.campaign_id for one in world.campaigns), campaign),
        "rep_id": rep_key(rep),
    }


def transition_rows(world: World, found: Leads) -> Relation:
    """The relation stage_transitions in the order of recording; some rows are recorded hours or days late."""
    preset, path = world.preset, found.path
    lead, step = np.nonzero(path.entered < preset.end)
    occurred = path.entered[lead, step]
    before = np.where(step > 0, path.stages[lead, np.maximum(step - 1, 0)], -1)
    after = path.stages[lead, step]
    rng = stream(preset, "recording")
    late = rng.random(len(lead)) < preset.late
    delay = np.where(late, LATE_MEDIAN * np.exp(1.2 * rng.standard_normal(len(lead))), 2.0)
    recorded = np.minimum(occurred + delay, preset.end)
    order = np.argsort(recorded, kind="stable")
    # Two rows at one moment are told apart by their ids, so a tie keeps the order of its steps.
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    _keep_order(number, lead, occurred)
    returned = (after < before) & (before < WON)
    return Relation("stage_transitions", {
        "transition_id": Key("T", number[order]), "lead_id": Key("L", lead[order]),
        "from_stage": Word(STAGES, before[order]), "to_stage": Word(STAGES, after[order]),
        "occurred_at": Moment.of(occurred[order]), "recorded_at": Moment.of(recorded[order]),
        "rep_id": rep_key(np.where(step > 0, found.rep[lead], -1)[order]),
        "reason": Word(REASONS, np.where(returned, 0, -1)[order]),
    })


def _keep_order(number: Ints, lead: Ints, occurred: Floats) -> None:
    """Swap the ids of neighbours that tie and were recorded in the wrong order."""
    tied = np.flatnonzero((lead[1:] == lead[:-1]) & (occurred[1:] == occurred[:-1]))
    wrong = tied[number[tied] > number[tied + 1]]
    number[wrong], number[wrong + 1] = number[wrong + 1].copy(), number[wrong].copy()
