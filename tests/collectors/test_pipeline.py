"""Pipeline: visits of stages, finished and open, and where the time goes."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.collectors.pipeline import Pipeline
from sales_exporter.config import Business
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Lead, Move, write
from tests.support.reading import collect, number, values

pytestmark = pytest.mark.postgres
DAY = 86_400.0
OPEN = ("lead", "contact", "qualified", "proposal")
ALL = Business(windows=("all",))


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


async def duration(database: Database, stage: str, q: str = "0.5", window: str = "all") -> float | None:
    """Days that finished visits of the stage took."""
    samples = await collect(Pipeline(), database, AS_OF)
    found = number(samples, "sales_stage_duration_seconds", stage=stage, q=q, estimator="exited_only", window=window)
    return None if found is None else found / DAY


async def test_the_first_stage_lasts_from_creation_to_the_first_transition_that_leaves_it(database: Database) -> None:
    write(database, [Lead("a", 10)], [Move("a", None, "lead", 9), Move("a", "lead", "contact", 4)])
    assert await duration(database, "lead") == 6


async def test_quantiles_are_interpolated_linearly(database: Database) -> None:
    write(database, [Lead(f"l{days}", 20) for days in (1, 2, 4, 8)],
          [Move(f"l{days}", "lead", "contact", 20 - days) for days in (1, 2, 4, 8)])
    assert await duration(database, "lead", "0.5") == 3
    assert await duration(database, "lead", "0.9") == pytest.approx(np.quantile([1, 2, 4, 8], 0.9))


async def test_a_repeated_entry_does_not_start_the_clock_anew(database: Database) -> None:
    write(database, [Lead("a", 10)], [
        Move("a", "lead", "contact", 9), Move("a", "contact", "contact", 5), Move("a", "contact", "qualified", 2)])
    assert await duration(database, "contact") == 7


async def test_a_second_visit_counts_by_itself(database: Database) -> None:
    write(database, [Lead("a", 10)], [
        Move("a", "lead", "contact", 9), Move("a", "contact", "lead", 8), Move("a", "lead", "contact", 7),
        Move("a", "contact", "qualified", 4)])
    samples = await collect(Pipeline(), database, AS_OF, ALL)
    assert number(samples, "sales_stage_exits", stage="contact", window="all") == 2
    assert await duration(database, "contact") == 2


async def test_a_visit_belongs_to_the_window_in_which_it_ended(database: Database) -> None:
    write(database, [Lead("a", 100)], [Move("a", "lead", "contact", 50), Move("a", "contact", "qualified", 3)])
    assert await duration(database, "contact", window="7d") == 47
    assert await duration(database, "lead", window="30d") is None
    assert await duration(database, "lead", window="90d") == 50


async def test_negative_time_counts_as_none(database: Database) -> None:
    write(database, [Lead("a", 10)], [Move("a", "lead", "won", 12)])
    assert await duration(database, "lead") == 0
    samples = await collect(Pipeline(), database, AS_OF)
    assert number(samples, "sales_cycle_time_seconds", q="0.5", result="won") == 0


async def test_tied_transitions_go_by_id_and_take_no_time(database: Database) -> None:
    write(database, [Lead("a", 10)], [Move("a", "lead", "contact", 5), Move("a", "contact", "qualified", 5)])
    assert await duration(database, "contact") == 0
    assert number(await collect(Pipeline(), database, AS_OF), "sales_stage_open", stage="qualified") == 1


async def test_open_leads_wait_in_the_stage_of_their_last_transition(database: Database) -> None:
    write(database, [Lead("a", 10), Lead("b", 8), Lead("c", 6), Lead("d", 5)],
          [Move("c", "lead", "contact", 2), Move("d", "lead", "won", 1)])
    samples = await collect(Pipeline(), database, AS_OF)
    assert values(samples, "sales_stage_open") == {(stage,): n for stage, n in zip(OPEN, (2, 1, 0, 0), strict=True)}
    assert values(samples, "sales_stage_oldest_open_seconds") == {("lead",): 10 * DAY, ("contact",): 2 * DAY}


async def test_the_oldest_is_old_since_its_first_entry_and_not_its_repetition(database: Database) -> None:
    write(database, [Lead("a", 10)], [Move("a", "lead", "contact", 9), Move("a", "contact", "contact", 1)])
    samples = await collect(Pipeline(), database, AS_OF)
    assert number(samples, "sales_stage_oldest_open_seconds", stage="contact") == 9 * DAY


async def test_time_share_counts_open_visits_too(database: Database) -> None:
    write(database, [Lead("a", 10), Lead("b", 6)], [Move("a", "lead", "contact", 4), Move("a", "contact", "won", 0.5)])
    shares = values(await collect(Pipeline(), database, AS_OF), "sales_stage_time_share_ratio")
    # lead: 6 days of a and 6 of b; contact: 3.5 of a; won is no open stage.
    assert shares == pytest.approx(
        {("lead",): 12 / 15.5, ("contact",): 3.5 / 15.5, ("qualified",): 0, ("proposal",): 0})


async def test_bottleneck_score_is_expected_wait_times_entries(database: Database) -> None:
    write(database, [Lead("a", 50), Lead("b", 20)], [
        Move("a", "lead", "contact", 40), Move("a", "contact", "won", 10), Move("b", "lead", "contact", 6)])
    scores = values(await collect(Pipeline(), database, AS_OF), "sales_bottleneck_score")
    # In the last 30 days. contact: 20 days of a and 6 of b, one exit, one entry. lead: 14 days of b, one each.
    assert scores == pytest.approx({("contact",): 26 / 1 * 1 / 30, ("lead",): 14 / 1 * 1 / 30})


async def test_a_lead_that_is_created_in_a_later_stage_never_was_in_the_first(database: Database) -> None:
    write(database, [Lead("a", 10)], [Move("a", None, "qualified", 10), Move("a", "qualified", "won", 4)])
    samples = await collect(Pipeline(), database, AS_OF, ALL)
    exits = {stage: number(samples, "sales_stage_exits", stage=stage, window="all") for stage in OPEN}
    assert exits == {"lead": 0, "contact": 0, "qualified": 1, "proposal": 0}
    durations = {labels[:2]: value for labels, value in values(samples, "sales_stage_duration_seconds").items()}
    assert durations == {("qualified", "0.5"): 6 * DAY, ("qualified", "0.9"): 6 * DAY}


async def test_without_exits_there_is_no_score_and_no_duration(database: Database) -> None:
    write(database, [Lead("a", 10)])
    samples = await collect(Pipeline(), database, AS_OF, ALL)
    assert values(samples, "sales_bottleneck_score") == {}
    assert values(samples, "sales_stage_duration_seconds") == {}
    assert values(samples, "sales_stage_exits") == {(stage, "all"): 0 for stage in OPEN}


async def km(database: Database, stage: str, q: str, window: str = "all") -> list[float | None]:
    """Days by which the share q has left the stage, and its bounds."""
    samples = await collect(Pipeline(), database, AS_OF)
    found = [number(samples, f"sales_stage_duration_seconds{side}", stage=stage, q=q, estimator="km", window=window)
             for side in ("", "_lower", "_upper")]
    return [None if value is None else value / DAY for value in found]


async def test_visits_that_go_on_make_the_time_longer_than_the_finished_ones_alone(database: Database) -> None:
    write(database, [Lead(f"l{n}", 20) for n in range(10)], [Move(f"l{n}", "lead", "contact", 20 - days)
                                                            for n, days in enumerate((1, 2, 3, 4, 5))])
    assert await duration(database, "lead") == 3
    # Five of ten have left after 5 days, the others are still there after 20.
    value, lower, upper = await km(database, "lead", "0.5")
    assert value == pytest.approx(5)
    assert lower == pytest.approx(1)
    assert upper is None
    assert await km(database, "lead", "0.9") == [None, None, None]


async def test_km_takes_visits_by_their_beginning(database: Database) -> None:
    write(database, [Lead("a", 40), Lead("b", 5)], [Move("a", "lead", "contact", 3), Move("b", "lead", "contact", 3)])
    assert (await km(database, "lead", "0.5", "7d"))[0] == pytest.approx(2)
    samples = await collect(Pipeline(), database, AS_OF)
    counts = values(samples, "sales_stage_entries")
    assert [counts["lead", window] for window in ("7d", "30d", "60d", "90d", "180d", "all")] == [1, 1, 2, 2, 2, 2]


async def test_the_restricted_mean_counts_longer_visits_as_the_horizon(database: Database) -> None:
    write(database, [Lead(f"l{n}", 50) for n in range(4)],
          [Move("l0", "lead", "contact", 40), Move("l1", "lead", "contact", 30)])
    samples = await collect(Pipeline(), database, AS_OF)
    mean = number(samples, "sales_stage_duration_mean_restricted_seconds", stage="lead", horizon="30d")
    assert mean == pytest.approx((10 + 20 + 30 + 30) / 4 * DAY)
    lower, upper = (number(samples, f"sales_stage_duration_mean_restricted_seconds_{side}", stage="lead",
                           horizon="30d") for side in ("lower", "upper"))
    assert lower is not None
    assert upper is not None
    assert lower < mean < upper
    # Nobody has been there for 90 days.
    assert number(samples, "sales_stage_duration_mean_restricted_seconds", stage="lead", horizon="90d") is None


async def test_cycle_time_ends_with_the_first_win_or_the_first_loss(database: Database) -> None:
    write(database, [Lead("a", 20), Lead("b", 20)], [
        Move("a", "lead", "won", 15), Move("a", "won", "lost", 10), Move("a", "lost", "won", 5),
        Move("b", "lead", "lost", 8)])
    samples = await collect(Pipeline(), database, AS_OF)
    assert number(samples, "sales_cycle_time_seconds", q="0.5", result="won") == 5 * DAY
    assert number(samples, "sales_cycle_time_seconds", q="0.5", result="lost") == 11 * DAY


async def test_test_leads_deleted_leads_and_the_future_are_left_out(database: Database) -> None:
    write(database, [Lead("t", 5, is_test=True), Lead("d", 5), Lead("f", -1), Lead("a", 5)],
          [Move(lead, "lead", "won", at) for lead, at in (("t", 3), ("d", 3), ("f", 2), ("a", 0))])
    database.execute("DELETE FROM sales.leads WHERE lead_id = 'd'")
    samples = await collect(Pipeline(), database, AS_OF, ALL)
    assert number(samples, "sales_stage_exits", stage="lead", window="all") == 0
    assert number(samples, "sales_stage_open", stage="lead") == 1
    assert values(samples, "sales_cycle_time_seconds") == {}


async def test_an_empty_database_gives_zeros_and_nothing_undefined(database: Database) -> None:
    samples = await collect(Pipeline(), database, AS_OF)
    assert {s.metric.name for s in samples} == {"sales_stage_entries", "sales_stage_exits", "sales_stage_open"}
    assert {s.value for s in samples} == {0.0}


@pytest.mark.parametrize("seed", range(6))
async def test_random_histories_give_what_plain_python_measures(database: Database, seed: int) -> None:
    rng = np.random.default_rng(seed)
    created = [Lead(f"l{n}", float(rng.integers(1, 100))) for n in range(40)]
    moves = [Move(lead.lead_id, None, str(rng.choice([*OPEN, "won", "lost"])), float(rng.integers(1, 100)))
             for lead in created for _ in range(rng.integers(0, 6))]
    write(database, created, moves)
    finished: dict[str, list[float]] = {stage: [] for stage in OPEN}
    waiting = dict.fromkeys(OPEN, 0)
    for lead in created:
        stage, entered = "lead", lead.created
        history = sorted((m for m in moves if m.lead_id == lead.lead_id), key=lambda m: -m.at)
        for place, move in enumerate(history):
            if move.to_stage != stage:
                if stage in finished and not (place == 0 and move.at == lead.created):
                    finished[stage].append(max(0.0, entered - move.at))
                stage, entered = move.to_stage, move.at
        if stage in waiting:
            waiting[stage] += 1
    samples = await collect(Pipeline(), database, AS_OF, ALL)
    assert values(samples, "sales_stage_open") == {(stage,): n for stage, n in waiting.items()}
    assert values(samples, "sales_stage_exits") == {(s, "all"): len(days) for s, days in finished.items()}
    medians = {(s, q, "exited_only", "all"): np.quantile(days, float(q)) * DAY
               for s, days in finished.items() if days for q in ("0.5", "0.9")}
    # Two durations that share a bucket (5 % wide) are taken for their mean.
    exited = {labels: value for labels, value in values(samples, "sales_stage_duration_seconds").items()
              if labels[2] == "exited_only"}
    assert exited == pytest.approx(medians, rel=0.025)
