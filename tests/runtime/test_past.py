"""The past, moved hour by hour, is what a look at each moment gives."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from sales_exporter.collectors import Collector, Context, Reader
from sales_exporter.collectors.funnel import Funnel
from sales_exporter.collectors.key import Key
from sales_exporter.collectors.models import Models
from sales_exporter.collectors.pipeline import Pipeline
from sales_exporter.collectors.reps import Reps
from sales_exporter.config import Business
from sales_exporter.demo import generator
from sales_exporter.model import Sample, gauge
from sales_exporter.runtime import past
from sales_exporter.runtime.blocks import HOUR, Steps, columns, write
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.past import Evaluated, Past
from tests.support.databases import Databases
from tests.support.reading import collect

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 40


NOW = gauge("sales_now", "The moment.")


class Clock(Collector):
    """Tells the moment of evaluation."""

    name = "clock"
    metrics = (NOW,)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """The moment."""
        return [NOW(ctx.now)]


def hour(number: int) -> Context:
    return Context(3600.0 * number, cast("Reader", None), Business())


async def test_figures_of_a_costly_collector_hold_for_hours_after_the_first_look() -> None:
    clock = Evaluated(Clock(), ((-1.0, 1), (math.inf, 6)))
    found = [await clock.at(hour(number), last=False) for number in range(8)]
    assert found == [({"sales_now": 0.0}, 1), ({"sales_now": 3600.0}, 6), *[({}, 0)] * 5, ({"sales_now": 25_200.0}, 6)]


async def test_the_last_moment_is_evaluated_whatever_holds() -> None:
    clock = Evaluated(Clock(), ((-1.0, 1), (math.inf, 6)))
    for number in range(3):
        await clock.at(hour(number), last=False)
    assert await clock.at(hour(3), last=True) == ({"sales_now": 10_800.0}, 6)


def test_totals_do_not_stand_still_until_the_next_look_and_leap_then() -> None:
    found: past.Columns = {}
    for place, value in ((0, 10.0), (3, 40.0)):
        past.put(found, slice(place, place + 3), 6, {"sales_calls_total": value, "sales_open": value})
    assert found["sales_open"].tolist() == [10, 10, 10, 40, 40, 40]
    (total,) = [one for one in columns(found, HOUR) if one.rising]
    out = io.StringIO()
    write(out, [total], 0, 0, 6 * HOUR, "", Steps(HOUR, HOUR))
    assert [line.split()[1] for line in out.getvalue().splitlines()[:-1]] == ["10.0", "20.0", "30.0", "40.0"]


@pytest.mark.postgres
@pytest.mark.slow
async def test_an_hour_reached_step_by_step_equals_a_replay_of_it(databases: Databases) -> None:
    database = databases.fresh()
    tables, _ = generator.generate(generator.demo(UNTIL, leads=400, days=50.0, seed=5))
    generator.load(database.owner.dsn, tables)
    moments = [UNTIL - timedelta(hours=HOURS - n) for n in range(HOURS)]
    when = [moment.timestamp() for moment in moments]
    begun: list[tuple[int, int]] = []
    # The span begins later than what was read, as that of the second process does.
    beginning = await Past(database.reader.dsn, Business()).begin(
        (UNTIL - timedelta(days=20)).timestamp(), lambda done, total: begun.append((done, total)))
    assert begun[-1] == (100, 100)
    assert [done for done, _ in begun] == sorted(done for done, _ in begun)
    evaluation = Past(database.reader.dsn, Business(), past.EVENLY)
    found = await evaluation.columns(pickle.loads(pickle.dumps(beginning)), when)
    assert any(column[0] != column[-1] for column in found.values())
    for place in (0, 23, 24, HOURS - 1):
        for collector in (Funnel(), Pipeline(), Key(), Models(), Reps()):
            samples = await collect(collector, database, moments[place])
            # What is dear is kept for a day, and the estimates of a day ago are others.
            fresh = {key: value for key, value in Renderer().values(samples).items()
                     if "projected" not in key and "maturity" not in key}
            assert {key: found[key][place] for key in fresh} == pytest.approx(fresh)
