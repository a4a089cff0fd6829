"""The figures of the dashboard of the pipeline, from what the exporter says of the same deals."""

from __future__ import annotations

import pytest

from sales_exporter.stats.intervals import wilson
from tests.grafana.added import STALE
from tests.grafana.world import World, column, total
from tests.grafana.world import figure as figure_of

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

PIPELINE = "Sales/sales-pipeline.json"


def figure(world: World, number: int, letter: str, **chosen: str) -> float:
    return figure_of(world, PIPELINE, number, letter, **chosen)


def test_open_value_is_that_of_one_exporter(world: World):
    assert figure(world, 1, "A") == pytest.approx(total(world, "sales_pipeline_value"))
    assert figure(world, 1, "C") == total(world, "sales_pipeline_deals") == total(world, "sales_deals", 'result="open')


def test_weighted_value_has_its_bounds(world: World):
    value, low, high = (total(world, f"sales_pipeline_weighted_value{suffix}") for suffix in ("", "_lower", "_upper"))
    assert [figure(world, 2, letter) for letter in "ABC"] == pytest.approx([value, low, high])
    assert low < value < high < figure(world, 1, "A")


def test_coverage_and_attainment_are_of_the_running_periods(world: World):
    for period, letter in (("month", "A"), ("quarter", "B")):
        target, won = (total(world, name, f'period="{period}') for name in ("sales_target", "sales_target_attained"))
        assert figure(world, 3, letter) == pytest.approx(total(world, "sales_pipeline_value") / (target - won))
        assert figure(world, 4, letter) == pytest.approx(won / target)
    # The 28th of May, half past eight in the evening.
    assert figure(world, 4, "C") == pytest.approx((27 + 20 / 24) / 31)


def test_forecast_is_that_of_the_month_with_its_band(world: World):
    expected = total(world, "sales_forecast_revenue_expected", 'period="month')
    low, high = (total(world, "sales_forecast_revenue", 'period="month', f'q="{q}') for q in ("0.1", "0.9"))
    assert [figure(world, 5, letter) for letter in "ABC"] == pytest.approx([expected, low, high])


def test_win_rate_has_wilsons_interval(world: World):
    won, lost = (total(world, "sales_deals", f'result="{result}', 'window="30d') for result in ("won", "lost"))
    bounds = wilson(won, won + lost)
    assert figure(world, 6, "A") == pytest.approx(won / (won + lost))
    assert figure(world, 6, "B") == pytest.approx(50 * (float(bounds.upper) - float(bounds.lower)))


def test_velocity_and_deal_value_follow_the_window(world: World):
    for window in ("7d", "30d"):
        assert figure(world, 7, "A", window=window) == pytest.approx(
            total(world, "sales_velocity_per_day", f'window="{window}'))
        assert figure(world, 8, "A", window=window) == pytest.approx(
            total(world, "sales_deal_value", 'stat="median', f'window="{window}'))


def test_stages_add_up_to_the_pipeline(world: World):
    value, deals = (sum(float(one["value"][1]) for one in column(world, PIPELINE, number, "A")) for number in (9, 10))
    assert value == pytest.approx(figure(world, 1, "A"))
    assert deals == figure(world, 1, "C")


def test_what_is_missing_to_the_target_is_the_target_less_what_was_won(world: World):
    target, won, _, missing = ({one["metric"]["period"]: float(one["value"][1])
                                for one in column(world, PIPELINE, 12, letter)} for letter in "ABCD")
    assert missing == {period: max(0, target[period] - won[period]) for period in target}


def test_deals_that_nobody_closes_are_recommended_for_a_look(world: World):
    (events,) = column(world, PIPELINE, 22, "B")
    assert events["metric"]["code"] == "stale_open_deals"
    assert float(events["value"][1]) >= STALE
