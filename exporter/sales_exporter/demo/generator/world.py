"""What stays the same while leads come and go: campaigns, reps, incidents and prices, drawn from the preset's seed."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Bools, Floats
from sales_exporter.demo.generator.preset import DAY, HOUR, Incident, Kind, Preset
from sales_exporter.demo.generator.season import weekday

_HUMANS = (
    "Marta Lindqvist", "Tomasz Berg", "Ines Carvalho", "Jonas Halvorsen", "Priya Raman", "Luca Moretti",
    "Hanna Weiss", "Noah Brandt", "Selin Aydin", "Pieter Vos", "Clara Novak", "Ewan Fraser", "Aiko Mori",
    "Rasmus Holm", "Lea Fontaine", "Karim Haddad", "Elif Demir", "Viktor Sorensen", "Nadia Petrova", "Omar Farouk",
    "Greta Olsen", "Mateo Silva", "Zofia Kowal", "Henrik Dahl",
)
_AGENTS = ("Ava", "Max", "Nova", "Leo", "Iris", "Finn", "Luna", "Theo")
_TEAMS = ("North", "South", "West")
_PRICE = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of the channel at position ``channel``, with its ``weight`` in it; times are epoch seconds."""

    campaign_id: str
    channel: int
    name: str
    starts: float
    ends: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class Rep:
    """A rep. ``skill`` = true win probability of the rep's deals, ``size`` = factor on the amount of a deal."""

    rep_id: str
    name: str
    team: str | None
    kind: str
    skill: float
    size: float
    starts: float
    ends: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class Episode:
    """An incident at its place in time: epoch seconds, ``end`` is infinite while it lasts."""

    kind: str
    subject: str
    start: float
    end: float
    factor: float


@dataclass(frozen=True, slots=True)
class World:
    """The fixed part of a data set."""

    preset: Preset
    campaigns: tuple[Campaign, ...]
    reps: tuple[Rep, ...]
    episodes: tuple[Episode, ...]

    def during(self, kind: Kind, subject: str, moments: Floats) -> Floats:
        """What an incident multiplies at each moment: its factor while it lasts, else 1."""
        factors = np.ones(len(moments))
        for episode in self.episodes:
            if episode.kind == kind and episode.subject in (subject, "all"):
                factors[(moments >= episode.start) & (moments < episode.end)] *= episode.factor
        return factors

    @property
    def skill(self) -> Floats:
        """True win probability by rep; the last is that of deals without a rep."""
        a, b = self.preset.staff.skill
        return np.array([*(rep.skill for rep in self.reps), a / (a + b)])

    @property
    def sizes(self) -> Floats:
        """Factor on the amount of a deal by rep; the last is that of deals without a rep."""
        return np.array([*(rep.size for rep in self.reps), 1.0])

    def kinds(self, kind: str) -> Bools:
        """Which reps are of a kind."""
        return np.array([rep.kind == kind for rep in self.reps])


def stream(preset: Preset, *names: str | int) -> np.random.Generator:
    """The random stream of one purpose: what is drawn for one relation does not shift the draws of another."""
    return np.random.default_rng([preset.seed, *(zlib.crc32(str(name).encode()) for name in names)])


def draw(preset: Preset) -> World:
    """Draw the world of a preset."""
    campaigns = _campaigns(preset)
    episodes = tuple(placed(preset, incident, campaigns) for incident in preset.incidents)
    return World(preset, campaigns, _reps(preset), episodes)


def placed(preset: Preset, incident: Incident, campaigns: tuple[Campaign, ...]) -> Episode:
    """Put an incident at its place in time, and a dead campaign to the campaign that runs then."""
    day = math.floor((preset.end - incident.days_before * DAY) / DAY)
    day -= max(0, int(weekday(np.array([day * DAY]))[0]) - 4)
    start = max(preset.start, day * DAY + incident.hour * HOUR)
    end = math.inf if incident.hours is None else start + incident.hours * HOUR
    subject = incident.subject
    if incident.kind == "dead_campaign":
        running = [
            campaign for campaign in campaigns
            if preset.channels[campaign.channel].channel_id == subject and campaign.starts <= start
            and (campaign.ends is None or campaign.ends > start)
        ]
        subject = running[-1].campaign_id
    return Episode(incident.kind, subject, start, end, incident.factor)


def prices(preset: Preset, days: Floats) -> dict[str, Floats]:
    """What one unit of each foreign currency is worth on each of some epoch days in a row, to four decimals."""
    found = {}
    for currency in sorted(set(_PRICE) - {"EUR"}):
        walk = stream(preset, "price", currency).normal(0, 0.003, len(days)).cumsum()
        found[currency] = np.round(_PRICE[currency] * np.exp(np.clip(walk, -0.15, 0.15)), 4)
    return found


def price(currency: str) -> float:
    """What one unit of a currency is worth in the long run."""
    return _PRICE[currency]


def _campaigns(preset: Preset) -> tuple[Campaign, ...]:
    """One campaign of each paid channel runs always; the others follow each other and overlap."""
    paid = [index for index, channel in enumerate(preset.channels) if channel.roi is not None]
    found = []
    for place, index in enumerate(paid):
        channel = preset.channels[index]
        count = max(1, (preset.campaigns + len(paid) - 1 - place) // len(paid))
        found.append(Campaign(f"{channel.channel_id}-1", index, f"{channel.name} always on", preset.start, None, 1.0))
        length = preset.days * DAY / max(1, count - 1)
        for number in range(2, count + 1):
            starts = _midnight(preset.start + (number - 2) * length, preset.start)
            ends = _midnight(starts + 1.5 * length, preset.start)
            name = f"{channel.name} {number - 1}"
            found.append(Campaign(f"{channel.channel_id}-{number}", index, name, starts, ends, 0.7))
    return tuple(found)


def _midnight(moment: float, least: float) -> float:
    return max(least, math.floor(moment / DAY) * DAY)


def _reps(preset: Preset) -> tuple[Rep, ...]:
    rng, staff = stream(preset, "reps"), preset.staff
    count = staff.humans + staff.agents
    skill = rng.beta(*staff.skill, count)
    size = np.exp(rng.normal(0, 0.12, count))
    weight = rng.uniform(0.6, 1.4, count)
    hired = preset.start - rng.uniform(30, 900, count) * DAY
    found = []
    for number in range(count):
        human = number < staff.humans
        names, place = (_HUMANS, number) if human else (_AGENTS, number - staff.humans)
        name = names[place % len(names)] + (f" {place // len(names) + 1}" if place >= len(names) else "")
        starts, ends = float(hired[number]), None
        if staff.changes and number == staff.humans - 1:
            starts = preset.start + 0.4 * preset.days * DAY
        if staff.changes and number == staff.humans - 2:
            ends = _midnight(preset.start + 0.7 * preset.days * DAY, preset.start)
        found.append(Rep(
            f"R{number + 1:03d}", name, _TEAMS[place % len(_TEAMS)] if human else "Agents",
            "human" if human else "ai", float(skill[number]), float(size[number]), _midnight(starts, 0.0), ends,
            float(weight[number]),
        ))
    return tuple(found)
