"""The live writers go on where the loaded rows end, and survive what happens to databases and processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from sales_exporter.demo.generator import Tables, demo, generate, load
from sales_exporter.demo.generator.live import Pace, live
from sales_exporter.demo.generator.live.agenda import Agenda, Batch
from sales_exporter.demo.generator.live.funnel import Funnel
from sales_exporter.demo.generator.live.voice import Voice
from sales_exporter.demo.generator.marketing import RESTATED_DAYS, conversion, reported, spend
from sales_exporter.demo.generator.preset import DAY, HOUR, Preset
from sales_exporter.demo.generator.world import Episode, World, draw
from sales_exporter.errors import UsageError
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
END = NOW.timestamp()
PACE = Pace()
SPEED, DAYS = 10.0, 12.0


class Time:
    """A clock that stands still while anybody works and, once all tasks sleep, jumps to the first who wants to wake."""

    def __init__(self, at: float, end: float = np.inf, tasks: int = 1) -> None:
        self.at, self._end, self._tasks = at, end, tasks
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.over = asyncio.Event()
        self.watch: Callable[[float], None] = lambda now: None

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.at + seconds, awake))
        if len(self._sleepers) == self._tasks:
            self._jump()
        await awake

    def _jump(self) -> None:
        self.at = min(due for due, _ in self._sleepers)
        if self.at >= self._end:
            self.over.set()
            return
        self.watch(self.at)
        for due, awake in self._sleepers:
            if due <= self.at:
                awake.set_result(None)
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]


@pytest.fixture(scope="module")
def small() -> Tables:
    return generate(demo(NOW, leads=900, days=20.0, seed=3))[0]


@pytest.fixture
def database(databases: Databases, small: Tables) -> Database:
    found = databases.fresh()
    load(found.owner.dsn, small)
    return found


async def run(
    database: Database, start: float, end: float, pace: Pace = PACE, watch: Callable[[float], None] = lambda now: None
) -> list[str]:
    """Write from ``start`` to ``end`` on a clock of our own, and return what was reported."""
    lines: list[str] = []
    clock = Time(start, end, pace.writers + 1)
    clock.watch = watch
    task = asyncio.ensure_future(live(database.owner.dsn, clock, pace, report=lines.append))
    over = asyncio.ensure_future(clock.over.wait())
    await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
    for one in (task, over):
        one.cancel()
        with suppress(asyncio.CancelledError):
            await one
    return lines


def world(preset: Preset | None = None) -> World:
    return draw(preset or demo(NOW, leads=7_200, days=120.0, incidents=()))


def simulate(some: World, days: float, speed: float = 1.0, seed: int = 1) -> tuple[Batch, Funnel]:
    """Run the funnel and the calls of one writer without a database."""
    batch, agenda, rng = Batch(), Agenda(), np.random.default_rng(seed)
    funnel = Funnel(some, rng, agenda, speed, speed)
    voice = Voice(some, rng, agenda, speed, speed)
    for hour in range(int(days * 24)):
        start = END + hour * HOUR
        funnel.arrive(start, start + HOUR, batch)
        voice.ring(start, start + HOUR, list(funnel.open.values()))
        agenda.run(start + HOUR, batch)
    return batch, funnel


@pytest.fixture(scope="module")
def month() -> Batch:
    """Twelve days at ten times the demo's arrivals and pace: 7,500 leads."""
    return simulate(world(), DAYS, SPEED)[0]


def test_live_leads_convert_as_the_truth_says(month: Batch) -> None:
    some = world()
    told = conversion(some)
    # At ten times the pace a lead has ended long before eight days.
    mature = {str(row["lead_id"]): row["channel_id"] for row in month.rows["leads"]
              if row["created_at"].timestamp() < END + 4 * DAY and not row["is_test"]}  # type: ignore[attr-defined]
    won = {row["lead_id"] for row in month.rows["stage_transitions"] if row["to_stage"] == "won"}
    for number, channel in enumerate(some.preset.channels):
        mine = [lead for lead, own in mature.items() if own == channel.channel_id]
        sigma = np.sqrt(told[number] * (1 - told[number]) / len(mine))
        # The reps at work now are not those of the whole past; 10 % covers the difference in their mean skill.
        assert abs(np.mean([lead in won for lead in mine]) - told[number]) < 3 * sigma + 0.1 * told[number]


def test_live_leads_arrive_at_the_rate_of_the_past(month: Batch) -> None:
    expected = 60 * 1.2 / 1.1 * SPEED * DAYS
    assert len(month.rows["leads"]) == pytest.approx(expected, rel=0.1)
    assert len(month.rows["calls"]) == pytest.approx(50 * SPEED * DAYS, rel=0.1)


def test_live_waits_have_the_medians_of_the_preset(month: Batch) -> None:
    entered: dict[object, dict[object, float]] = {}
    for row in month.rows["stage_transitions"]:
        entered.setdefault(row["lead_id"], {})[row["to_stage"]] = row["occurred_at"].timestamp()  # type: ignore[attr-defined]
    waits = [one["contact"] - one["lead"] for one in entered.values()
             if "contact" in one and one["lead"] < END + 8 * DAY]
    assert np.median(waits) == pytest.approx(1.0 * DAY / SPEED, rel=0.05)


def test_live_scores_are_calibrated(month: Batch) -> None:
    label = {(row["subject_kind"], row["subject_id"]): row["label"] for row in month.rows["model_outcomes"]}
    for model, kind in (("lead-score", "lead"), ("call-success", "call")):
        rows = [row for row in month.rows["model_predictions"] if row["model"] == model
                and row["predicted_at"].timestamp() < END + 4 * DAY]  # type: ignore[attr-defined]
        scores = np.array([row["score"] for row in rows], float)
        labels = np.array([label.get((kind, row["subject_id"]), 0) for row in rows], float)
        if model == "call-success":
            # The demo's call model drifts, but not in the mean.
            assert labels.mean() == pytest.approx(scores.mean(), rel=0.06)
            continue
        # At ten times the pace all wins come within the horizon, which the score does not expect.
        for part in np.array_split(np.argsort(scores), 4):
            expected = scores[part].mean() / 0.967
            assert abs(labels[part].mean() - expected) < 3.5 * np.sqrt(expected / len(part))


def test_an_added_incident_is_seen_in_live_calls() -> None:
    some = world()
    outage = Episode("latency_spike", "ai", END, END + 5 * DAY, 8.0)
    batch, _ = simulate(replace(some, episodes=(outage,)), 10.0, speed=3.0)
    response: dict[bool, list[float]] = {True: [], False: []}
    for row in batch.rows["calls"]:
        if row["agent_kind"] == "ai" and row["first_response_seconds"] is not None:
            response[row["started_at"].timestamp() < END + 5 * DAY].append(  # type: ignore[attr-defined]
                float(row["first_response_seconds"]))  # type: ignore[arg-type]
    assert np.median(response[True]) == pytest.approx(8 * np.median(response[False]), rel=0.15)


def test_spend_is_restated_upwards_until_it_is_final() -> None:
    some = world()
    day = np.array([int(END // DAY)])
    ages = [spend(some, day, END + age * DAY)["amount"].values.sum() for age in range(RESTATED_DAYS + 4)]
    assert (np.diff(ages) >= 0).all()
    assert ages[2] < 0.95 * ages[-1]
    assert ages[-1] == ages[-2] == ages[-3]
    assert reported(np.array([-0.5]))[0] < 0.5


@pytest.mark.postgres
async def test_missed_time_is_written_first_and_nothing_lies_in_the_future(database: Database) -> None:
    before = database.rows("SELECT count(*) FROM sales.leads")[0][0]
    lines = await run(database, END + 3 * DAY, END + 3 * DAY + 5)
    assert "going on" in lines[0]
    [(leads, days, newest)] = database.rows(
        "SELECT count(*), count(DISTINCT created_at::date), extract(epoch FROM max(created_at))::double precision "
        "FROM sales.leads WHERE lead_id LIKE 'L-%'")
    assert leads > 0
    assert days >= 3, "no hole is left between the load and now"
    assert newest < END + 3 * DAY + 5
    assert database.rows("SELECT count(*) FROM sales.leads")[0][0] == before + leads
    for relation, column in (("stage_transitions", "occurred_at"), ("calls", "ended_at"), ("touches", "occurred_at"),
                             ("model_outcomes", "observed_at"), ("call_judgements", "judged_at")):
        [(latest,)] = database.rows(f"SELECT extract(epoch FROM max({column}))::double precision FROM sales.{relation}")
        assert END < latest < END + 3 * DAY + 10, relation


@pytest.mark.postgres
async def test_open_leads_and_their_deals_move_on(database: Database) -> None:
    waiting = "SELECT count(*) FROM sales.deals WHERE status = 'open' AND deal_id NOT LIKE 'D-%'"
    before = database.rows(waiting)[0][0]
    assert before > 0
    await run(database, END + 14 * DAY, END + 14 * DAY + 2)
    assert database.rows(waiting)[0][0] < 0.6 * before
    assert database.rows("SELECT count(*) FROM sales.stage_transitions WHERE transition_id LIKE 'T-%' "
                         "AND occurred_at < '2026-03-18'") == [(0,)], "nobody moves before the load ended"
    assert database.rows("""
        SELECT count(*) FROM (
            SELECT from_stage, lag(to_stage) OVER (PARTITION BY lead_id ORDER BY occurred_at, transition_id) AS before
              FROM sales.stage_transitions) AS steps WHERE before IS DISTINCT FROM from_stage""") == [(0,)]
    assert database.rows("""
        SELECT count(*) FROM sales.deals AS d JOIN LATERAL (
            SELECT to_stage FROM sales.stage_transitions AS t WHERE t.lead_id = d.lead_id
             ORDER BY occurred_at DESC, transition_id DESC LIMIT 1) AS last ON true
         WHERE last.to_stage <> d.stage""") == [(0,)]


@pytest.mark.postgres
async def test_a_second_run_goes_on_and_doubles_nothing(database: Database) -> None:
    await run(database, END + DAY, END + DAY + 3, Pace(writers=3))
    first = database.rows("SELECT count(*) FROM sales.leads WHERE lead_id LIKE 'L-%'")[0][0]
    await run(database, END + 2 * DAY, END + 2 * DAY + 3, Pace(writers=2))
    by_day = dict(database.rows(
        "SELECT created_at::date::text, count(*) FROM sales.leads WHERE created_at >= '2026-03-16' GROUP BY 1"))
    assert database.rows("SELECT count(*) FROM sales.leads WHERE lead_id LIKE 'L-%'")[0][0] > first
    # 16 to 18 March are a Monday to a Wednesday, as busy as the Thursday that was written live.
    past = np.mean([by_day["2026-03-16"], by_day["2026-03-17"]])
    assert by_day["2026-03-19"] == pytest.approx(past, rel=0.5)
    assert database.rows("""
        SELECT count(*) FROM sales.leads AS l WHERE NOT EXISTS (
            SELECT FROM sales.lead_revisions AS r WHERE r.lead_id = l.lead_id)""") == [(0,)]


@pytest.mark.postgres
async def test_spend_is_really_restated_in_the_table(database: Database) -> None:
    recent = "SELECT sum(amount)::float8 FROM sales.spend WHERE spend_day = '2026-03-17'"
    [(first,)] = database.rows(recent)
    await run(database, END + 4 * DAY, END + 4 * DAY + 2)
    [(later,)] = database.rows(recent)
    assert first < later < 1.3 * first
    assert database.rows("SELECT max(spend_day)::text FROM sales.spend") == [("2026-03-22",)]
    assert database.rows("SELECT max(day)::text FROM sales.fx_rates") == [("2026-03-22",)]
    unchanged = "SELECT sum(amount)::float8, count(DISTINCT changed_tx) FROM sales.spend WHERE spend_day < '2026-03-08'"
    assert database.rows(unchanged)[0][1] == 1, "days that are final are not written again"


@pytest.mark.postgres
async def test_killed_connections_are_replaced_and_no_row_is_lost_or_doubled(database: Database) -> None:
    kills: list[float] = []

    def disturb(now: float) -> None:
        if now - END > 6 * HOUR + 10 * (len(kills) + 1) and len(kills) < 3:
            kills.append(now)
            with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                   "WHERE datname = current_database() AND pid <> pg_backend_pid()")

    lines = await run(database, END + 6 * HOUR, END + 6 * HOUR + 60, Pace(speed=100.0), disturb)
    assert len(kills) == 3
    assert any("waiting for the database" in line for line in lines)
    assert any("is back" in line for line in lines)
    assert database.rows("""
        SELECT count(*) FROM sales.leads AS l WHERE 1 <> (
            SELECT count(*) FROM sales.stage_transitions AS t WHERE t.lead_id = l.lead_id AND from_stage IS NULL)
    """) == [(0,)]
    assert database.rows("SELECT count(*) > 50 FROM sales.leads WHERE lead_id LIKE 'L-%'") == [(True,)]
    assert database.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                         "AND pid <> pg_backend_pid() AND query LIKE '%sales.%'") == [(0,)], "no connection is left"


@pytest.mark.postgres
async def test_live_refuses_a_database_whose_rows_it_did_not_generate(databases: Databases) -> None:
    with pytest.raises(UsageError, match="no generated rows"):
        await live(databases.fresh().owner.dsn, Time(END))
    foreign = databases.fresh()
    foreign.execute("COMMENT ON TABLE sales.leads IS 'generated by sales-exporter: {}'")
    with pytest.raises(UsageError, match="another version"):
        await live(foreign.owner.dsn, Time(END))
