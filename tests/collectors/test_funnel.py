"""Funnel: what counts as reaching a stage, in which window, and what is left out."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from sales_exporter.collectors.funnel import Funnel, moved, steps
from sales_exporter.config import Business, Stage
from sales_exporter.model import Sample
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Lead, Move, ago, write
from tests.support.reading import collect, number, values

STAGES = ("lead", "contact", "qualified", "proposal", "won", "lost")
PATH = STAGES[:5]


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


async def leads(
    database: Database, stage: str, window: str = "all", basis: str = "cohort", channel: str = "email"
) -> float | None:
    samples = await collect(Funnel(), database, AS_OF)
    return number(samples, "sales_funnel_leads", stage=stage, channel=channel, window=window, basis=basis)


def moves_of(rows: list[tuple[str | None, str, int]]) -> list[Sample]:
    return list(moved([dict(zip(("from_stage", "to_stage", "n"), row, strict=True)) for row in rows], Business()))


@pytest.mark.postgres
async def test_creation_is_the_reach_of_the_first_stage(database: Database) -> None:
    write(database, [Lead("a", 5)])
    assert await leads(database, "lead", "7d", "event") == 1


@pytest.mark.postgres
async def test_a_lead_that_skipped_a_stage_counts_in_it_for_the_cohort_and_not_as_an_event(database: Database) -> None:
    write(database, [Lead("a", 5)], [Move("a", "lead", "proposal", 3)])
    assert [await leads(database, stage) for stage in PATH] == [1, 1, 1, 1, 0]
    assert [await leads(database, stage, basis="event") for stage in PATH] == [1, 0, 0, 1, 0]


@pytest.mark.postgres
async def test_a_second_entry_into_a_stage_is_no_second_reach(database: Database) -> None:
    write(database, [Lead("a", 60)], [
        Move("a", "lead", "contact", 50), Move("a", "contact", "lead", 40), Move("a", "lead", "contact", 2)])
    assert await leads(database, "contact", "all", "event") == 1
    assert await leads(database, "contact", "7d", "event") == 0


@pytest.mark.postgres
async def test_cohort_goes_by_creation_and_event_by_reach(database: Database) -> None:
    write(database, [Lead("a", 60)], [Move("a", "lead", "contact", 3)])
    assert await leads(database, "contact", "7d", "cohort") == 0
    assert await leads(database, "contact", "7d", "event") == 1
    assert await leads(database, "contact", "90d", "cohort") == 1


@pytest.mark.postgres
async def test_windows_are_half_open(database: Database) -> None:
    write(database, [Lead("at the start", 7), Lead("just before", 7 + 1e-9 * 86400), Lead("at the end", 0)])
    assert await leads(database, "lead", "7d") == 1
    assert await leads(database, "lead", "all") == 2


@pytest.mark.postgres
async def test_what_happens_at_the_moment_of_evaluation_or_later_does_not_exist(database: Database) -> None:
    write(database, [Lead("a", 5), Lead("b", -1)], [Move("a", "lead", "won", 0), Move("b", "lead", "won", 3)])
    samples = await collect(Funnel(), database, AS_OF)
    assert number(samples, "sales_funnel_current_leads", stage="lead") == 1
    assert sum(values(samples, "sales_funnel_stage_transitions_total").values()) == 0


@pytest.mark.postgres
async def test_test_leads_and_deleted_leads_are_left_out_everywhere(database: Database) -> None:
    write(database, [Lead("a", 5), Lead("t", 5, is_test=True), Lead("d", 5)],
          [Move("t", "lead", "won", 3), Move("d", "lead", "won", 3)])
    database.execute("DELETE FROM sales.leads WHERE lead_id = 'd'")
    samples = await collect(Funnel(), database, AS_OF)
    assert sum(values(samples, "sales_funnel_current_leads").values()) == 1
    assert number(samples, "sales_funnel_leads", stage="won", channel="email", window="all", basis="event") == 0
    assert sum(values(samples, "sales_funnel_stage_transitions_total").values()) == 0


@pytest.mark.postgres
async def test_a_lead_without_a_channel_is_not_one_of_a_channel_named_unknown(database: Database) -> None:
    write(database, [Lead("a", 5, None), Lead("b", 5, "unknown"), Lead("c", 5, "unknown")])
    assert await leads(database, "lead", channel="(none)") == 1
    assert await leads(database, "lead", channel="unknown") == 2


@pytest.mark.postgres
async def test_a_lead_is_where_its_last_transition_put_it_and_ties_go_by_id(database: Database) -> None:
    write(database, [Lead("a", 5)], [Move("a", "contact", "qualified", 2), Move("a", "qualified", "contact", 2)])
    current = values(await collect(Funnel(), database, AS_OF), "sales_funnel_current_leads")
    assert current == {(stage,): float(stage == "contact") for stage in STAGES}


@pytest.mark.postgres
async def test_a_late_row_takes_its_place_in_time(database: Database) -> None:
    write(database, [Lead("a", 9)], [Move("a", "lead", "qualified", 2), Move("a", "lead", "contact", 8)])
    samples = await collect(Funnel(), database, AS_OF)
    assert number(samples, "sales_funnel_current_leads", stage="qualified") == 1


@pytest.mark.postgres
async def test_a_stage_that_is_not_configured_is_ignored(database: Database) -> None:
    write(database, [Lead("a", 5)], [Move("a", "lead", "contact", 4), Move("a", "contact", "limbo", 3)])
    samples = await collect(Funnel(), database, AS_OF)
    assert number(samples, "sales_funnel_current_leads", stage="contact") == 1
    assert values(samples, "sales_funnel_stage_transitions_total") == {("lead", "contact"): 1}


@pytest.mark.postgres
async def test_a_ratio_without_leads_is_absent_and_its_count_is_zero(database: Database) -> None:
    write(database, [Lead("a", 60)])
    samples = await collect(Funnel(), database, AS_OF)
    where = {"channel": "email", "window": "30d"}
    assert number(samples, "sales_funnel_leads", stage="lead", basis="cohort", **where) == 0
    assert number(samples, "sales_funnel_step_ratio", **{"from": "lead", "to": "won", **where}) is None
    assert values(samples, "sales_funnel_conversion_ratio").get(("email", "30d", "observed")) is None


@pytest.mark.postgres
async def test_observed_conversion_is_the_share_won_so_far_of_the_leads_within_the_horizon(database: Database) -> None:
    write(database, [Lead("a", 5), Lead("b", 20), Lead("c", 40)],
          [Move("a", "lead", "won", 1), Move("c", "lead", "won", 1)])
    samples = await collect(Funnel(), database, AS_OF)
    observed = {labels: share for labels, share in values(samples, "sales_funnel_conversion_ratio").items()
                if labels[2] == "observed"}
    assert observed == {("email", "30d", "observed"): 1 / 2, ("email", "90d", "observed"): 2 / 3}


def steady(channel: str, share: float, days: int = 120, a_day: int = 10) -> tuple[list[Lead], list[Move]]:
    """Leads of every day, of which a share is won after 10 days and the rest lost after 20."""
    leads = [Lead(f"{channel}{day}-{n}", day + 0.5, channel) for day in range(days) for n in range(a_day)]
    ends = [("won", 10.0) if n < share * a_day else ("lost", 20.0) for _ in range(days) for n in range(a_day)]
    return leads, [Move(lead.lead_id, "lead", stage, lead.created - after)
                   for lead, (stage, after) in zip(leads, ends, strict=True) if lead.created > after]


@pytest.mark.postgres
async def test_projected_conversion_is_what_a_young_cohort_will_come_to(database: Database) -> None:
    parts = [steady("email", 0.5), steady("fair", 0.2)]
    write(database, [lead for leads, _ in parts for lead in leads], [move for _, moves in parts for move in moves])
    samples = await collect(Funnel(), database, AS_OF)
    observed = values(samples, "sales_funnel_conversion_ratio")
    for channel, share in (("email", 0.5), ("fair", 0.2)):
        assert observed[channel, "30d", "observed"] == pytest.approx(share * 2 / 3, abs=0.001)
        assert observed[channel, "30d", "projected"] == pytest.approx(share, abs=0.02)
        lower, upper = (values(samples, f"sales_funnel_conversion_ratio_{side}")[channel, "30d", "projected"]
                        for side in ("lower", "upper"))
        assert lower < share < upper


@pytest.mark.postgres
async def test_a_channel_with_few_wins_goes_on_as_all_channels_do(database: Database) -> None:
    parts = [steady("email", 0.5), steady("rare", 1.0, a_day=1)]
    write(database, [lead for leads, _ in parts for lead in leads], [move for _, moves in parts for move in moves])
    samples = await collect(Funnel(), database, AS_OF)
    # Of its 30 leads 20 are won; the 10 open ones are taken to win as often as those of both: 6 of 11.
    projected = values(samples, "sales_funnel_conversion_ratio")["rare", "30d", "projected"]
    assert projected == pytest.approx((20 + 10 * 6 / 11) / 30, abs=0.02)


@pytest.mark.postgres
async def test_nothing_is_projected_to_an_age_that_no_lead_has(database: Database) -> None:
    write(database, *steady("email", 0.5, days=60))
    samples = await collect(Funnel(), database, AS_OF)
    horizons = {labels[1] for labels in values(samples, "sales_funnel_conversion_ratio") if labels[2] == "projected"}
    assert horizons == {"30d"}
    assert {labels[1] for labels in values(samples, "sales_funnel_cohort_maturity_ratio")} == {"30d"}


@pytest.mark.postgres
async def test_maturity_is_the_share_of_the_outcomes_that_is_known(database: Database) -> None:
    write(database, *steady("email", 0.5))
    maturity = values(await collect(Funnel(), database, AS_OF), "sales_funnel_cohort_maturity_ratio")
    # Of 30 days, half of the outcomes are known after 10 days of age and all after 20: (20 / 30 + 10 / 30) / 2.
    assert maturity["30d", "30d"] == pytest.approx(0.5, abs=0.03)
    assert maturity["7d", "30d"] == pytest.approx(0, abs=0.01)
    assert maturity["90d", "30d"] == pytest.approx((80 + 70) / 90 / 2, abs=0.03)


@pytest.mark.postgres
async def test_channels_are_folded_before_they_are_projected(database: Database) -> None:
    parts = [steady("email", 0.5), steady("fair", 0.2, a_day=5), steady("web", 0.2, a_day=5)]
    write(database, [lead for leads, _ in parts for lead in leads], [move for _, moves in parts for move in moves])
    samples = await collect(Funnel(), database, AS_OF, Business(channel_limit=1))
    found = {labels[0]: share for labels, share in values(samples, "sales_funnel_conversion_ratio").items()
             if labels[1:] == ("30d", "projected")}
    assert found == pytest.approx({"email": 0.5, "(other)": 0.2}, abs=0.02)


@pytest.mark.postgres
async def test_the_counts_of_a_horizon_are_there_when_no_window_is_as_long(database: Database) -> None:
    write(database, [Lead("a", 50)])
    business = Business(windows=("7d",), conversion_horizons=("60d",))
    samples = await collect(Funnel(), database, AS_OF, business)
    assert number(samples, "sales_funnel_leads", stage="lead", channel="email", window="60d", basis="cohort") == 1


@pytest.mark.postgres
async def test_channels_beyond_the_limit_are_folded_and_the_sum_stays(database: Database) -> None:
    write(database, [Lead(f"{channel}{n}", 5, channel) for channel, many in zip("abc", (3, 2, 1), strict=True)
                     for n in range(many)])
    collector = Funnel()
    samples = await collect(collector, database, AS_OF, Business(channel_limit=1))
    found = {labels[1]: n for labels, n in values(samples, "sales_funnel_leads").items()
             if labels[0] == "lead" and labels[2:] == ("all", "cohort")}
    assert found == {"a": 3, "(other)": 3}
    assert collector.channels.overflow == 2


@pytest.mark.postgres
async def test_stages_of_the_configuration_decide_what_won_means(database: Database) -> None:
    stages = (Stage(name="New"), Stage(name="Signed", kind="won"), Stage(name="Gone", kind="lost"))
    write(database, [Lead("a", 5), Lead("b", 5)], [Move("a", "New", "Signed", 2), Move("b", "New", "Gone", 2)])
    samples = await collect(Funnel(), database, AS_OF, Business(stages=stages, windows=("all",)))
    assert values(samples, "sales_funnel_step_ratio") == {("New", "Signed", "email", "all"): 0.5}
    assert number(samples, "sales_funnel_leads", stage="Gone", channel="email", window="all", basis="cohort") == 1


@pytest.mark.postgres
async def test_an_empty_database_gives_zeros_and_no_ratio(database: Database) -> None:
    samples = await collect(Funnel(), database, AS_OF)
    assert set(values(samples, "sales_funnel_current_leads").values()) == {0.0}
    assert not [s for s in samples if s.metric.name.endswith("_ratio")]


def test_steps_are_neighbours_on_the_path_and_the_whole_way() -> None:
    assert steps(Business()) == (("lead", "contact"), ("contact", "qualified"), ("qualified", "proposal"),
                                 ("proposal", "won"), ("lead", "won"))


def test_a_path_of_two_stages_has_one_step() -> None:
    assert steps(Business(stages=(Stage(name="lead"), Stage(name="won", kind="won")))) == (("lead", "won"),)


def test_going_back_is_a_regression_and_being_lost_is_none() -> None:
    samples = moves_of([("proposal", "contact", 2), ("proposal", "lost", 5), ("lost", "contact", 1)])
    assert values(samples, "sales_funnel_regressions_total") == {("proposal", "contact"): 2}


def test_every_stage_jumped_over_is_counted() -> None:
    samples = moves_of([("lead", "proposal", 2), ("contact", "won", 1)])
    assert values(samples, "sales_funnel_skipped_total") == {("contact",): 2, ("qualified",): 3, ("proposal",): 1}


def test_a_row_without_from_stage_starts_at_the_first() -> None:
    samples = moves_of([(None, "lead", 4), (None, "qualified", 1)])
    counts = values(samples, "sales_funnel_stage_transitions_total")
    assert counts == {("(none)", "lead"): 4, ("(none)", "qualified"): 1}
    assert values(samples, "sales_funnel_skipped_total")["contact",] == 1


def history(seed: int) -> tuple[list[Lead], list[Move]]:
    """Leads that wander at random: late, tied, repeated, skipping, going back, and after AS_OF."""
    rng = np.random.default_rng(seed)
    created = [Lead(f"l{n:03d}", float(rng.integers(-3, 120)), rng.choice(["a", "b", None]), None, rng.random() < 0.1)
               for n in range(60)]
    moves = [
        Move(lead.lead_id, None, str(rng.choice([*STAGES, "limbo"])), float(rng.integers(-3, 120)))
        for lead in created for _ in range(rng.integers(0, 7))
    ]
    rng.shuffle(moves)  # type: ignore[arg-type]
    return created, [Move(*move) for move in moves]


def recounted(created: list[Lead], moves: list[Move], days: float) -> Counter[tuple[str, str, str]]:
    """The same counts by plain reading of the definition: (basis, channel, stage)."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for lead in created:
        if lead.is_test or lead.created <= 0:
            continue
        first = {"lead": ago(lead.created)}
        for move in moves:
            if move.lead_id == lead.lead_id and move.at > 0 and move.to_stage in STAGES[1:]:
                first[move.to_stage] = min(ago(move.at), first.get(move.to_stage, AS_OF))
        channel = lead.channel_id or "(none)"
        for stage, moment in first.items():
            if moment >= AS_OF - timedelta(days=days):
                counts["event", channel, stage] += 1
        if lead.created <= days:
            furthest = max(PATH.index(stage) for stage in first if stage in PATH)
            counts.update(("cohort", channel, stage) for stage in PATH[: furthest + 1])
            counts["cohort", channel, "lost"] += "lost" in first
    return counts


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(8))
async def test_random_histories_give_what_plain_python_counts(database: Database, seed: int) -> None:
    created, moves = history(seed)
    write(database, created, moves)
    samples = await collect(Funnel(), database, AS_OF)
    for window, days in (("7d", 7), ("30d", 30), ("90d", 90), ("all", 10_000)):
        expected = recounted(created, moves, days)
        found = {(basis, channel, stage): n for (stage, channel, span, basis), n
                 in values(samples, "sales_funnel_leads").items() if span == window}
        assert {key: n for key, n in found.items() if n} == {key: n for key, n in expected.items() if n}


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(8, 12))
async def test_random_histories_put_every_lead_in_its_last_stage(database: Database, seed: int) -> None:
    created, moves = history(seed)
    write(database, created, moves)
    last = {lead.lead_id: "lead" for lead in created if lead.created > 0 and not lead.is_test}
    for move in sorted(moves, key=lambda move: (-move.at, moves.index(move))):
        if move.lead_id in last and move.at > 0 and move.to_stage in STAGES:
            last[move.lead_id] = move.to_stage
    found = values(await collect(Funnel(), database, AS_OF), "sales_funnel_current_leads")
    assert found == {(stage,): list(last.values()).count(stage) for stage in STAGES}


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(12, 16))
async def test_no_step_exceeds_one_however_leads_wander(database: Database, seed: int) -> None:
    write(database, *history(seed))
    samples = await collect(Funnel(), database, AS_OF)
    ratios = values(samples, "sales_funnel_step_ratio")
    assert ratios
    for labels, ratio in ratios.items():
        lower, upper = (values(samples, f"sales_funnel_step_ratio_{side}")[labels] for side in ("lower", "upper"))
        assert 0 <= lower <= ratio <= upper <= 1
