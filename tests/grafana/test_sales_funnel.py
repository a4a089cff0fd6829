"""The figures of the funnel's dashboard that people quote, against what the exporter said."""

from __future__ import annotations

import math

import pytest

from grafana.source.advice import WORDS
from sales_exporter.collectors.advice import RULES
from sales_exporter.stats.intervals import wilson
from tests.grafana.world import DAY, EARLIER, NOW, REPLICAS, WEEK, World, column, figure, total

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

BOARD = "Sales/sales-funnel.json"
OF_30_DAYS = ('window="30d', 'basis="cohort')
WAY = ["lead", "contact", "qualified", "proposal", "won"]


def values(world: World, number: int, letter: str, label: str, **chosen: str) -> dict[str, float]:
    return {found["metric"][label]: float(found["values"][-1][1])
            for found in column(world, BOARD, number, letter, **chosen)}


def created(world: World, moment: float) -> float:
    """Leads that one exporter said there were."""
    there = world.prometheus.now(
        f'sales_funnel_leads{{stage="lead",basis="cohort",window="all",instance="{REPLICAS[0]}"}}', moment)
    return sum(float(series["value"][1]) for series in there)


def test_new_leads_are_those_of_a_day_and_compare_with_the_same_day_a_week_ago(world: World):
    now, before = (created(world, moment) - created(world, moment - DAY) for moment in (NOW, NOW - WEEK))
    assert now > 10
    assert figure(world, BOARD, 1, "A") == now
    assert figure(world, BOARD, 1, "B") == pytest.approx(now / before - 1)


def test_won_so_far_is_a_ratio_of_sums_with_wilson_bounds(world: World):
    entered, won = (total(world, "sales_funnel_leads", f'stage="{stage}', *OF_30_DAYS) for stage in ("lead", "won"))
    low, high = (float(bound) for bound in wilson(won, entered))
    assert figure(world, BOARD, 1, "C") == entered
    assert figure(world, BOARD, 2, "A") == pytest.approx(won / entered)
    assert (figure(world, BOARD, 2, "B"), figure(world, BOARD, 2, "C")) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("letter", "suffix"), [("C", ""), ("D", "_lower"), ("E", "_upper")])
def test_steps_of_one_channel_are_the_exporters_own(world: World, letter: str, suffix: str):
    steps = column(world, BOARD, 10, letter, channel="webinars")
    assert len(steps) == len(WAY)
    for step in steps:
        told = total(world, f"sales_funnel_step_ratio{suffix}", 'channel="webinars', 'window="30d',
                     *(f'{end}="{step["metric"][end]}' for end in ("from", "to")))
        assert float(step["value"][1]) == pytest.approx(told, abs=1e-6)


def test_a_projection_over_all_channels_lies_among_theirs_and_weighs_them_by_leads(world: World):
    each, leads = values(world, 18, "G", "channel"), values(world, 18, "C", "channel")
    assert len(each) > 4
    assert figure(world, BOARD, 3, "A") == pytest.approx(
        sum(share * leads[name] for name, share in each.items()) / sum(leads[name] for name in each))
    assert figure(world, BOARD, 3, "B") < figure(world, BOARD, 3, "A") < figure(world, BOARD, 3, "C")


def test_funnel_holds_the_way_to_a_win_and_never_widens(world: World):
    series = column(world, BOARD, 9, "A")
    assert [found["metric"]["stage"] for found in series] == WAY
    numbers = [float(found["value"][1]) for found in series]
    assert numbers == sorted(numbers, reverse=True)


def test_leads_are_lost_from_stages_in_the_share_of_the_moves_that_led_out_of_the_way(world: World):
    def moves(moment: float, to: str) -> dict[str, float]:
        there = world.prometheus.now(
            f'sum by (from) (sales_funnel_stage_transitions_total{{{to},instance="{REPLICAS[0]}"}})', moment)
        return {series["metric"]["from"]: float(series["value"][1]) for series in there}

    def within(to: str) -> dict[str, float]:
        # The world is silent between these two.
        return {stage: number - moves(NOW - EARLIER, to)[stage] for stage, number in moves(NOW, to).items()}

    every, away = within('from!="(none)"'), within('to="lost"')
    shares = values(world, 11, "C", "from")
    assert sum(away.values()) > 0
    assert shares == pytest.approx({stage: away[stage] / number for stage, number in every.items() if number})
    low, high = values(world, 11, "D", "from"), values(world, 11, "E", "from")
    assert all(low[stage] - 1e-9 <= share <= high[stage] + 1e-9 for stage, share in shares.items())
    assert max(high[stage] - low[stage] for stage in shares) > 0.01


def test_time_in_a_stage_is_drawn_from_the_figures_in_the_table(world: World):
    half, rest = values(world, 13, "B", "stage"), values(world, 13, "C", "stage")
    median, most = values(world, 14, "B", "stage"), values(world, 14, "E", "stage")
    assert half == median
    assert {stage: half[stage] + more for stage, more in rest.items()} == pytest.approx(most)
    assert set(half) == set(WAY[:-1])


def test_the_tightest_stage_is_the_one_that_holds_most_leads_back(world: World):
    held = values(world, 15, "E", "stage")
    assert values(world, 6, "A", "stage") == {max(held, key=lambda stage: held[stage]): max(held.values())}


def test_choosing_a_channel_leaves_only_its_leads(world: World):
    assert figure(world, BOARD, 1, "C", channel="webinars") == total(
        world, "sales_funnel_leads", 'stage="lead', 'channel="webinars', *OF_30_DAYS)


def test_two_exporters_on_one_database_do_not_double_the_leads(world: World):
    assert figure(world, BOARD, 5, "A") == total(world, "sales_stage_open")
    assert math.isfinite(figure(world, BOARD, 5, "B"))


def test_every_recommendation_has_words():
    assert WORDS.keys() == RULES.keys()
