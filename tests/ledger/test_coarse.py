"""Old cells become coarse as time goes on: nothing is lost, audits agree, and no window shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sales_exporter.collectors import Context
from sales_exporter.collectors import discover as collectors
from sales_exporter.config import Business
from sales_exporter.ledger.cube import BLOCK_DAYS, WIDTHS, Layout, Tally
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.view import View
from sales_exporter.model import Distribution
from tests.ledger.test_ledger import Life
from tests.support.databases import Databases
from tests.support.reading import ledger_at

LAYOUTS = [layout for kind in discover().values() for layout in kind.layouts]
COARSE = [layout for layout in LAYOUTS if layout.coarse]
DAY = 86_400
NOW = 1_717_200_000.0
GRAIN = round(NOW) // DAY // BLOCK_DAYS * BLOCK_DAYS
FOLDED = {"leads", "calls", "predictions"}
"""Sources with cells; books have no coarse form."""


def drawn(layout: Layout, seed: int, span: int = 800) -> Tally:
    """Random counts, some below zero, of the days around the moment by which cells of the layout count as old."""
    chance, n = np.random.default_rng(seed), 500
    columns = {label: chance.integers(0, 1 << min(WIDTHS[kind.rpartition(":")[2]], 9), n)
               for label, kind in zip(layout.labels, layout.fields, strict=True)}
    unit = 24 if layout.fields[0] == "hour" else 1
    columns[layout.labels[0]] = chance.integers((GRAIN - layout.keeps - span) * unit, (GRAIN + 60) * unit, n)
    return Tally.of(layout.pack(**columns), chance.integers(-3, 9, n))


def same(one: Tally, other: Tally) -> bool:
    return np.array_equal(one.keys, other.keys) and np.array_equal(one.counts, other.counts)


@pytest.mark.parametrize("layout", COARSE, ids=lambda layout: layout.name)
def test_every_layout_coarsens_linearly_once_and_loses_no_count(layout: Layout) -> None:
    one, other = drawn(layout, 1), drawn(layout, 2)
    first, second = layout.coarsened(one, GRAIN), layout.coarsened(other, GRAIN)
    assert len(first) <= len(one)
    assert same(layout.coarsened(one.plus(other), GRAIN), first.plus(second))
    assert same(layout.coarsened(one.plus(other, -1), GRAIN), first.plus(second, -1))
    assert same(layout.coarsened(first, GRAIN), first)
    assert first.counts.sum() == one.counts.sum()


@pytest.mark.parametrize("layout", COARSE, ids=lambda layout: layout.name)
def test_what_is_not_old_stays_as_it_is_and_what_is_old_stays_old(layout: Layout) -> None:
    one, edge = drawn(layout, 3), layout.edge(GRAIN)
    coarse = layout.coarsened(one, GRAIN)
    for tally in (one, coarse):
        assert (tally.keys < edge).any()
    assert one.keys[one.keys >= edge].tolist() == coarse.keys[coarse.keys >= edge].tolist()
    assert one.counts[one.keys < edge].sum() == coarse.counts[coarse.keys < edge].sum()


@pytest.mark.parametrize("layout", COARSE, ids=lambda layout: layout.name)
def test_moving_the_grain_on_by_and_by_comes_to_the_same_as_at_once(layout: Layout) -> None:
    one, tally = drawn(layout, 4), drawn(layout, 4)
    for grain in range(GRAIN - 20 * BLOCK_DAYS, GRAIN + 1, BLOCK_DAYS):
        tally = layout.coarsened(tally, grain)
    assert same(tally, layout.coarsened(one, GRAIN))


def test_the_edge_lies_where_a_block_begins_and_heeds_what_a_layout_keeps() -> None:
    hours = Layout("hours", ("hour", "stage"), (("hour", 672),))
    days = Layout("days", ("day", "stage"), (("day", 28),), keeps=30)
    assert hours.edge(10 * BLOCK_DAYS + 27) == hours.edge(10 * BLOCK_DAYS) == hours.least(10 * BLOCK_DAYS * 24)
    assert days.edge(10 * BLOCK_DAYS + 1) == days.least(8 * BLOCK_DAYS)
    assert days.edge(10 * BLOCK_DAYS + 2) == days.least(9 * BLOCK_DAYS)
    assert days.edge(29) == days.edge(-5) == 0
    assert Layout("fine", ("day", "stage")).edge(10_000) == 0


GROUND = f"""
INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id)
SELECT 'l' || g, to_timestamp({NOW:.0f} - g * 50000), 'c' || g % 3, 'k' || g % 5 FROM generate_series(1, 1500) AS g;
INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)
SELECT 't' || g || s.stage, 'l' || g, s.before, s.stage, to_timestamp({NOW:.0f} - g * 50000 + s.place * (g % 9) * 7000)
  FROM generate_series(1, 1500) AS g,
       (VALUES (NULL, 'lead', 0), ('lead', 'contact', 1), ('contact', 'won', 2)) AS s (before, stage, place)
 WHERE s.place <= g % 3;
INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome, talk_seconds,
                         first_response_seconds, success)
SELECT 'a' || g, (ARRAY['ai', 'human'])[g % 2 + 1], 'inbound', to_timestamp({NOW:.0f} - g * 30000),
       to_timestamp({NOW:.0f} - g * 30000 + 90), 'answered', g % 700, g % 7, g % 3 = 0
  FROM generate_series(1, 2000) AS g;
INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,
                                     horizon_seconds, score)
SELECT 'p' || g, 'score', 'v' || g % 2, 'lead', 'l' || g, to_timestamp({NOW:.0f} - g * 50000), 864000, (g % 10) / 10.0
  FROM generate_series(1, 1500) AS g;
INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)
SELECT 'lead', 'l' || g, to_timestamp({NOW:.0f} - g * 50000 + 600000), (g % 3 = 2)::int, true
  FROM generate_series(1, 1500) AS g"""
NEW = """
INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)
VALUES ('new{0}', 'l{0}', 'lead', 'lost', to_timestamp({1})), ('late{0}', 'l1{0}00', 'lead', 'lost', to_timestamp({2}));
INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome, first_response_seconds)
VALUES ('new{0}', 'ai', 'inbound', to_timestamp({1}), to_timestamp({1}), 'answered', 4),
       ('late{0}', 'ai', 'inbound', to_timestamp({2}), to_timestamp({2}), 'answered', 4);
DELETE FROM sales.calls WHERE call_id IN ('a{0}', 'a19{0}0');
UPDATE sales.leads SET channel_id = 'other' WHERE lead_id = 'l14{0}0'"""


Figures = dict[tuple[str, ...], float]


def numbers(value: float | Distribution) -> list[float]:
    return [*value.counts, value.total] if isinstance(value, Distribution) else [value]


async def figures(life: Life, view: View, now: float) -> Figures:
    """What the collectors make of the cells at a moment."""
    found: Figures = {}
    async with life.reader() as db:
        context = Context(now=now, wall=now, db=db, business=Business(), ledger=view, relations=await db.relations())
        for kind in collectors().values():
            if FOLDED.intersection(kind.folds) and context.relations.issuperset(kind.reads):
                samples = await kind().collect(context)
                found |= {(sample.metric.name, *sample.labels, str(place)): number
                          for sample in samples for place, number in enumerate(numbers(sample.value))}
    return found


async def fine(life: Life, now: float) -> View:
    """The same ledger counted anew, all of it in hours and days."""
    async with life.reader() as db:
        relations = await db.relations()
    return await ledger_at(life.ledger.states, relations, Business(), now, life.reader)


def sizes(life: Life) -> Mapping[str, int]:
    return {name: len(cube.tally) for state in life.ledger.states.values() for name, cube in state.cubes.items()}


@pytest.mark.postgres
@pytest.mark.slow
async def test_time_goes_on_and_neither_an_audit_nor_a_window_shows_it(databases: Databases, tmp_path: Path) -> None:
    database = databases.fresh()
    database.execute(GROUND)
    life = Life(database.reader.dsn, tmp_path)
    try:
        await life.step(NOW)
        before = sizes(life)
        grains = [life.ledger.grain("calls")]
        for step in range(1, 4):
            now = NOW + step * 29 * DAY
            database.execute(NEW.format(step, now - 50, now - 300 * DAY))
            await life.step(now)
            grains.append(life.ledger.grain("calls"))
            assert set((await life.wrong()).values()) == {0}
            assert life.stored() == life.cells()
            shown = await figures(life, life.ledger.view, now)
            exact = await figures(life, await fine(life, now), now)
            assert len(shown) > 300
            assert shown.keys() == exact.keys()
            wrong = {key: (shown[key], exact[key]) for key in exact
                     if shown[key] != pytest.approx(exact[key], rel=1e-9, nan_ok=True)}
            assert wrong == {}
        assert np.diff(grains).tolist() == [BLOCK_DAYS] * 3
        assert life.rebuilds() == {}
        after = sizes(life)
        assert {name for name in ("event", "cohort", "calls", "call_times", "labels") if after[name] >= before[name]} \
            == set()
    finally:
        await life.close()
