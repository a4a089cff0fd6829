"""Channels, campaigns, spend, touches, prices and targets."""

from __future__ import annotations

import numpy as np

from sales_exporter.demo.generator.columns import Day, Decimal, Floats, Ints, Key, Moment, Word
from sales_exporter.demo.generator.leads import Leads, campaign_weights
from sales_exporter.demo.generator.preset import DAY, HOUR, Preset
from sales_exporter.demo.generator.quality import quality
from sales_exporter.demo.generator.relations import Relation
from sales_exporter.demo.generator.season import WEEKDAYS, weekday
from sales_exporter.demo.generator.world import World, price, prices, stream
from sales_exporter.stats.special import ndtri

RESTATED_DAYS = 8
"""Days after which the spend of a day no longer changes."""
TOUCH_KINDS = ("click", "view", "form", "email", "webinar", "referral")


def reported(age: Floats) -> Floats:
    """What part of a day's spend is known ``age`` days after the day's end; negative while the day lasts."""
    running = np.clip(1 + age, 0, 1)
    known = np.where(age >= RESTATED_DAYS, 1.0, 1 - 0.18 * np.exp(-np.maximum(age, 0) / 2))
    return np.asarray(running * known)


def mean_amount(world: World) -> float:
    """Expected amount of a deal in the reporting currency, over the reps by weight."""
    preset = world.preset
    drawn = preset.deal_median * np.exp(preset.deal_sigma * ndtri((np.arange(2_000) + 0.5) / 2_000))
    weights = np.array([rep.weight for rep in world.reps])
    sizes = world.sizes[:-1] if preset.staff.deals is None else world.sizes[-1:]
    weights = weights if preset.staff.deals is None else np.ones(1)
    return float(np.clip(drawn * sizes[:, None], *preset.deal_range).mean(axis=1) @ weights / weights.sum())


def mean_skill(world: World) -> float:
    """Expected win probability of a deal, over the reps by weight."""
    if world.preset.staff.deals is not None:
        return float(world.skill[-1])
    weights = np.array([rep.weight for rep in world.reps])
    return float(world.skill[:-1] @ weights / weights.sum())


def conversion(world: World) -> Floats:
    """True probability that a lead of each channel is ever won; the last is that of leads without a channel."""
    found = quality(world.preset)
    return np.asarray(found.qualify * mean_skill(world) * found.expected / found.norm)


def daily_spend(world: World) -> Floats:
    """Spend of each channel on an average day in its currency; in the long run it returns what the preset says."""
    preset = world.preset
    found = quality(preset)
    leads = preset.leads / preset.days * (1 - preset.tests) * (1 - preset.without_channel) * found.mix
    revenue = leads * conversion(world)[:-1] * mean_amount(world)
    returns = np.array([np.inf if channel.roi is None else 1 + channel.roi for channel in preset.channels])
    return np.asarray(revenue / returns / np.array([price(channel.currency) for channel in preset.channels]))


def spend(world: World, days: Ints, now: float) -> Relation:
    """Spend of some epoch days as it is reported at ``now``; the newest days are known in part and restated later."""
    preset = world.preset
    # The middle of the day; the first day begins with the data.
    moments = np.maximum(days * DAY + DAY / 2, preset.start)
    weights = campaign_weights(world, moments)
    channel = np.array([campaign.channel for campaign in world.campaigns])
    grown = 1 + preset.growth * (np.clip((moments - preset.start) / (preset.end - preset.start), 0, 1) - 0.5)
    season = WEEKDAYS[weekday(moments)] / WEEKDAYS.mean() * grown
    noise = np.array([stream(preset, "spend", int(day)).normal(0, 0.12, len(channel)) for day in days])
    final = daily_spend(world)[channel] * weights * season[:, None] * np.exp(noise.reshape(weights.shape))
    # Of the first day only the hours that belong to the data are paid for.
    final[days * DAY < preset.start] *= 1 - preset.start % DAY / DAY
    age = (now - (days + 1.0) * DAY) / DAY
    known = final * reported(np.asarray(age, np.float64))[:, None]
    day, campaign = np.nonzero(weights > 0)
    currencies = tuple(sorted({one.currency for one in preset.channels}))
    codes = np.array([currencies.index(one.currency) for one in preset.channels])
    return Relation("spend", {
        "spend_day": Day(days[day].astype("datetime64[D]")),
        "channel_id": Word(tuple(one.channel_id for one in preset.channels), channel[campaign]),
        "campaign_id": Word(tuple(one.campaign_id for one in world.campaigns), campaign),
        "amount": Decimal(known[day, campaign]), "currency": Word(currencies, codes[channel[campaign]]),
    })


def dimensions(world: World) -> tuple[Relation, Relation, Relation]:
    """The relations channels, campaigns and reps."""
    preset = world.preset
    names = [channel.channel_id for channel in preset.channels]
    starts = np.array([campaign.starts for campaign in world.campaigns])
    ends = np.array([np.nan if campaign.ends is None else campaign.ends - 1 for campaign in world.campaigns])
    span = (np.where(np.isnan(ends), preset.end, ends) - starts) / DAY
    channel = np.array([campaign.channel for campaign in world.campaigns])
    budget = np.ceil(daily_spend(world)[channel] * span * 0.4 / 100) * 100
    return (
        Relation("channels", {
            "channel_id": _words(names), "name": _words([channel.name for channel in preset.channels]),
            "kind": _words([channel.kind for channel in preset.channels]),
        }),
        Relation("campaigns", {
            "campaign_id": _words([campaign.campaign_id for campaign in world.campaigns]),
            "channel_id": _words([names[campaign.channel] for campaign in world.campaigns]),
            "name": _words([campaign.name for campaign in world.campaigns]),
            "starts_on": Day.of(starts), "ends_on": Day.of(ends), "budget": Decimal(budget),
        }),
        Relation("reps", {
            "rep_id": _words([rep.rep_id for rep in world.reps]),
            "display_name": _words([rep.name for rep in world.reps]),
            "team": _words([rep.team for rep in world.reps]), "kind": _words([rep.kind for rep in world.reps]),
            "active_from": Day.of(np.array([rep.starts for rep in world.reps])),
            "active_to": Day.of(np.array([np.nan if rep.ends is None else rep.ends - 1 for rep in world.reps])),
        }),
    )


def _words(texts: list[str | None] | list[str]) -> Word:
    vocabulary = tuple(dict.fromkeys(text for text in texts if text is not None))
    return Word(vocabulary, np.array([-1 if text is None else vocabulary.index(text) for text in texts]))


def touches(world: World, found: Leads) -> Relation:
    """The relation touches: the first before the lead arrives, the others between arrival and outcome."""
    preset = world.preset
    rng = stream(preset, "touches")
    first = np.flatnonzero(found.channel >= 0)
    before = np.minimum(rng.exponential(5 * HOUR, len(first)), 3 * DAY) + 1
    lead, place = np.nonzero(found.extras >= 0)
    part = rng.uniform(0.02, 0.9, len(lead))
    created, ended = found.created[lead], found.path.ended[lead]
    always = np.array([
        next((number for number, one in enumerate(world.campaigns) if one.channel == channel), -1)
        for channel in range(len(preset.channels))
    ])
    owner = np.concatenate([first, lead])
    channel = np.concatenate([found.channel[first], found.extras[lead, place]])
    campaign = np.concatenate([found.campaign[first], always[found.extras[lead, place]]])
    occurred = np.concatenate([found.created[first] - before, created + part * (ended - created)])
    seen = occurred < preset.end
    order = np.flatnonzero(seen)[np.argsort(occurred[seen], kind="stable")]
    return Relation("touches", {
        "touch_id": Key("H", np.arange(len(order))), "lead_id": Key("L", owner[order]),
        "occurred_at": Moment.of(occurred[order]),
        "channel_id": Word(tuple(one.channel_id for one in preset.channels), channel[order]),
        "campaign_id": Word(tuple(one.campaign_id for one in world.campaigns), campaign[order]),
        "kind": Word(TOUCH_KINDS, rng.integers(0, len(TOUCH_KINDS), len(order))),
    })


def fx_rates(world: World, now: float) -> Relation:
    """The relation fx_rates for every day from forty days before the data until ``now``."""
    preset = world.preset
    days = np.arange(preset.start // DAY - 40, now // DAY + 1).astype(np.int64)
    found = prices(preset, days.astype(float))
    names = tuple(found)
    return Relation("fx_rates", {
        "day": Day(np.tile(days, len(names)).astype("datetime64[D]")),
        "currency": Word(names, np.repeat(np.arange(len(names)), len(days))),
        "rate": Decimal(np.concatenate([found[name] for name in names]), 4),
    })


def targets(world: World, now: float) -> Relation:
    """The relation targets: a revenue quota for each month and quarter until three months after ``now``."""
    preset = world.preset
    first = np.datetime64(int(preset.start // DAY), "D").astype("datetime64[M]")
    months = np.arange(first, np.datetime64(int(now // DAY), "D").astype("datetime64[M]") + 4)
    quarters = months[months.astype(int) % 3 == 0]
    starts = np.concatenate([months, quarters])
    kinds = np.repeat([0, 1], [len(months), len(quarters)])
    monthly = expected_revenue(preset, world) * 30.4 * 1.05
    amount = np.ceil(monthly * np.where(kinds == 1, 3, 1) / 1_000) * 1_000
    return Relation("targets", {
        "period_start": Day(starts.astype("datetime64[D]")), "period_kind": Word(("month", "quarter"), kinds),
        "metric": Word(("revenue",), np.zeros(len(starts), np.int64)),
        "team": Word(("",), np.full(len(starts), -1)), "amount": Decimal(amount),
        "currency": Word(("EUR",), np.zeros(len(starts), np.int64)),
    })


def expected_revenue(preset: Preset, world: World) -> float:
    """Expected revenue of an average day in the reporting currency, once leads had the time to be won."""
    shares = np.append(quality(preset).mix * (1 - preset.without_channel), preset.without_channel)
    won = preset.leads / preset.days * (1 - preset.tests) * float(shares @ conversion(world))
    return won * mean_amount(world)
