"""The figures of the dashboard on return that people quote, against what the exporter said."""

from __future__ import annotations

import math
import re

import pytest

from sales_exporter.stats.intervals import poisson
from tests.grafana.world import World, column, figure, total

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

BOARD = "Sales/sales-roi.json"
WINDOW = 'window="90d'


def told(world: World, name: str, *labels: str) -> dict[str, float]:
    """What the exporter said of a metric, by channel."""
    return {re.search(r'channel="(.+?)"', key)[1]: value for key, value in world.said.items()
            if key.partition("{")[0] == name and all(f'{label}"' in key for label in labels)}


def shown(world: World, number: int, letter: str, label: str = "channel", **chosen: str) -> dict[str, float]:
    return {found["metric"].get(label, ""): float(found["values"][-1][1])
            for found in column(world, BOARD, number, letter, **chosen)}


@pytest.fixture(scope="module")
def paid(world: World) -> dict[str, tuple[float, float, float, float]]:
    """Spend, revenue and its bounds of each channel that has spend."""
    spend = told(world, "sales_spend", WINDOW)
    ends = [told(world, f"sales_roas_ratio{suffix}", WINDOW, 'model="last') for suffix in ("", "_lower", "_upper")]
    return {name: (spend[name], *(end[name] * spend[name] for end in ends)) for name in ends[0]}


def test_return_of_paid_channels_is_a_ratio_of_sums(world: World, paid: dict[str, tuple[float, ...]]):
    revenue = told(world, "sales_revenue", WINDOW, 'model="last', 'basis="cohort')
    spent = sum(one[0] for one in paid.values())
    assert len(paid) > 2
    assert figure(world, BOARD, 3, "A") == pytest.approx(sum(revenue[name] for name in paid) / spent - 1)


def test_bounds_of_the_return_add_the_doubts_of_the_channels_as_independent(
    world: World, paid: dict[str, tuple[float, ...]]
):
    spent, revenue = (sum(one[place] for one in paid.values()) for place in (0, 1))
    below = math.sqrt(sum((value - low) ** 2 for _, value, low, _ in paid.values()))
    above = math.sqrt(sum((high - value) ** 2 for _, value, _, high in paid.values()))
    assert figure(world, BOARD, 3, "B") == pytest.approx((revenue - below) / spent - 1)
    assert figure(world, BOARD, 3, "C") == pytest.approx((revenue + above) / spent - 1)


def test_cost_of_a_deal_is_spend_per_deal_within_a_hundredth_of_its_exact_bounds(world: World):
    spent = total(world, "sales_spend", WINDOW)
    deals = total(world, "sales_revenue_deals", WINDOW, 'model="lead', 'basis="cash')
    fewer, more = (float(bound) for bound in poisson(deals))
    assert figure(world, BOARD, 4, "A") == pytest.approx(spent / deals)
    assert figure(world, BOARD, 4, "B") == pytest.approx(spent / more, rel=0.01)
    assert figure(world, BOARD, 4, "C") == pytest.approx(spent / fewer, rel=0.01)


def test_what_is_left_is_revenue_less_spend_and_calls(world: World):
    won, spent, calls = (total(world, name, WINDOW) for name in
                         ("sales_revenue_won", "sales_spend", "sales_call_cost"))
    assert calls > 0
    assert figure(world, BOARD, 5, "A") == pytest.approx(won - spent - calls)
    assert figure(world, BOARD, 6, "A") == pytest.approx(calls)


@pytest.mark.parametrize("model", ["lead", "last", "shapley"])
def test_all_revenue_is_with_a_channel_or_without_one(world: World, model: str):
    share, missed = (figure(world, BOARD, 7, letter, attribution=model) for letter in "AB")
    given = total(world, "sales_revenue", WINDOW, f'model="{model}', 'basis="cash')
    assert share == pytest.approx(missed / (missed + given))
    assert given + missed == pytest.approx(
        total(world, "sales_revenue", WINDOW, 'model="lead', 'basis="cash')
        + total(world, "sales_attribution_unassigned_revenue", WINDOW, 'model="lead'))


def test_every_way_to_give_credit_has_its_own_column(world: World):
    for letter, model in zip("ABCDEFGH", ("lead", "first", "last", "linear", "position", "time_decay", "markov",
                                          "shapley"), strict=True):
        assert shown(world, 15, letter) == pytest.approx(
            told(world, "sales_revenue", WINDOW, f'model="{model}', 'basis="cash'))


def test_the_span_of_attribution_ends_at_the_least_and_the_most(world: World):
    columns = [shown(world, 15, letter) for letter in "ABCDEFGH"]
    least, middle, most = (shown(world, 14, letter) for letter in "ABC")
    for channel, low in least.items():
        assert low == pytest.approx(min(one[channel] for one in columns))
        assert low + middle[channel] + most[channel] == pytest.approx(max(one[channel] for one in columns))


def test_what_if_multiplies_revenue_and_leaves_spend(world: World):
    now, twice = (shown(world, 17, letter, deal_value="2") for letter in "AB")
    pays = shown(world, 17, "E", deal_value="2")
    assert "all paid channels" in now
    assert twice == pytest.approx({name: 2 * (1 + share) - 1 for name, share in now.items()})
    assert pays == pytest.approx({name: 1 / (1 + share) for name, share in now.items()})
    assert figure(world, BOARD, 3, "A") == pytest.approx(now["all paid channels"])
    assert figure(world, BOARD, 16, "B", deal_value="2") == pytest.approx(2 * figure(world, BOARD, 16, "A"))


def test_campaigns_add_up_to_the_spend_of_their_channels(world: World):
    assert sum(float(found["value"][1]) for found in column(world, BOARD, 18, "A")) == pytest.approx(
        total(world, "sales_spend", WINDOW))


def test_target_attained_is_per_period(world: World):
    for period, share in shown(world, 8, "A", "period").items():
        won, wanted = (total(world, name, f'period="{period}', 'metric="revenue')
                       for name in ("sales_target_attained", "sales_target"))
        assert share == pytest.approx(won / wanted)
