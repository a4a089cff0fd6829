"""Slowdown: the daily test and its rule of two days, from the cells of visits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from sales_exporter.collectors.slowdown import Comparison, Slowdown, p_values, periods, samples, slower
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.stats.logrank import RiskSets, slowdown
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Lead, Move, write
from tests.support.reading import collect, number, values

DAY = 86_400.0


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


def visits(seed: int, days: int, slow_from: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments of entry, 15 a day, and log-normal lengths, longer from a day on."""
    rng = np.random.default_rng(seed)
    entered = np.sort(rng.uniform(0, days, 15 * days))
    lengths = 2.0 * np.exp(0.6 * rng.standard_normal(len(entered)))
    return entered, np.where(entered >= slow_from, lengths * factor, lengths)


def cells(entered: np.ndarray, lengths: np.ndarray, now: float) -> tuple[np.ndarray, np.ndarray]:
    """Finished by day and bucket, and open by day, of one stage at a moment."""
    here, size, buckets = entered < now, math.ceil(now), len(EDGES) + 1
    ended = here & (entered + lengths < now)
    place = np.floor(entered[ended]).astype(int) * buckets + np.searchsorted(EDGES, lengths[ended] * DAY, "right")
    finished = np.bincount(place, minlength=size * buckets).reshape(1, size, buckets)
    waiting = np.bincount(np.floor(entered[here & ~ended]).astype(int), minlength=size)[None, :]
    return finished.astype(float), waiting.astype(float)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_the_test_of_yesterday_is_found_again_in_the_cells_of_today(seed: int, factor: float) -> None:
    entered, lengths = visits(seed, 130, 121, factor)
    then = slowdown(*cells(entered, lengths, 129), EDGES, 129).z
    again = p_values(*periods(*cells(entered, lengths, 130.4), 130.4)[2:])
    assert -ndtri(again) == pytest.approx(then, abs=0.35)


def test_how_much_slower_is_estimated_from_the_ends_that_failed_to_come() -> None:
    # 100 of 1,000 end where 200 of 1,000 did: half the hazard.
    late, early = RiskSets(np.array([[100.0]]), np.array([[1_000.0]])), RiskSets(np.array([[200.0]]), np.array([[1e3]]))
    value, lower, upper = slower(late, early)
    assert value[0] == pytest.approx(2, rel=0.1)
    assert 1.5 < lower[0] < value[0] < upper[0] < 3


def test_nothing_to_compare_is_undefined() -> None:
    nobody = RiskSets(np.zeros((1, 3)), np.zeros((1, 3)))
    assert np.isnan(p_values(nobody, nobody)).all()
    assert np.isnan(slower(nobody, nobody)).all()


def comparison(today: float, yesterday: float) -> Comparison:
    one = np.ones(1)
    return Comparison(("contact",), np.array([today]), np.array([yesterday]), one, one, one, 40 * one, 400 * one)


@pytest.mark.parametrize(("today", "yesterday", "active"), [
    (0.001, 0.009, 1), (0.001, 0.2, 0), (0.2, 0.001, 0), (0.01, 0.01, 0), (0.001, math.nan, 0)])
def test_a_slowdown_is_active_when_the_rule_holds_on_two_days(today: float, yesterday: float, active: float) -> None:
    found = list(samples(comparison(today, yesterday)))
    assert number(found, "sales_stage_slowdown_active", stage="contact") == active
    assert number(found, "sales_stage_slowdown_p_value", stage="contact") == today


def test_a_test_says_how_much_slower_with_bounds() -> None:
    part = np.ones(1)
    found = list(samples(Comparison(("contact",), part, part, 1.5 * part, 1.2 * part, 1.9 * part, part, part)))
    names = ("sales_stage_slowdown_factor", "sales_stage_slowdown_factor_lower", "sales_stage_slowdown_factor_upper")
    assert [number(found, name, stage="contact") for name in names] == [1.5, 1.2, 1.9]


def test_an_undefined_test_leaves_only_its_counts() -> None:
    found = list(samples(comparison(math.nan, math.nan)))
    assert {sample.metric.name for sample in found} == {"sales_stage_slowdown_exits"}


@pytest.mark.postgres
async def test_a_stage_that_slowed_is_found_and_the_others_are_not(database: Database) -> None:
    leads, moves = [], []
    for stage, seed, factor in (("lead", 1, 1.0), ("contact", 2, 2.0)):
        entered, lengths = visits(seed, 120, 106, factor)
        for place, (start, length) in enumerate(zip((120 - entered).tolist(), lengths.tolist(), strict=True)):
            lead = f"{stage}{place}"
            leads.append(Lead(lead, start))
            # A lead created in a later stage never was in the first.
            moves += [Move(lead, None, stage, start)] if stage != "lead" else []
            moves += [Move(lead, stage, "proposal", start - length)] if start > length else []
    write(database, leads, moves)
    found = await collect(Slowdown(), database, AS_OF)
    active = values(found, "sales_stage_slowdown_active")
    assert (active["lead",], active["contact",]) == (0, 1)
    ends = values(found, "sales_stage_slowdown_exits")
    ended = [m.at for m in moves if m.from_stage == "contact" and m.to_stage == "proposal"]
    assert ends["contact", "recent"] == sum(1 < at <= 8 for at in ended)
    assert ends["contact", "before"] == sum(8 < at <= 92 for at in ended)


@pytest.mark.postgres
async def test_an_empty_database_gives_zeros_and_no_test(database: Database) -> None:
    found = await collect(Slowdown(), database, AS_OF)
    assert {sample.metric.name for sample in found} == {"sales_stage_slowdown_exits"}
    assert {sample.value for sample in found} == {0.0}
