"""The figures of the dashboard on reps that people quote, against what the exporter said."""

from __future__ import annotations

import re

import pytest

from sales_exporter.grafana.document import panels
from sales_exporter.stats.intervals import wilson
from tests.grafana.world import BOARDS, World, column, figure, total

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

BOARD = "Sales/sales-reps.json"
WINDOW = 'window="90d'


def shown(world: World, number: int, letter: str, label: str = "rep", **chosen: str) -> dict[str, float]:
    return {found["metric"][label]: float(found["values"][-1][1])
            for found in column(world, BOARD, number, letter, **chosen)}


def people(world: World) -> dict[str, tuple[str, str]]:
    """Name and team by rep."""
    found = (re.fullmatch(r'sales_rep_info\{rep="(.+)",name="(.+)",team="(.+)"\}', key) for key in world.said)
    return {one[1]: (one[2], one[3]) for one in found if one}


def decided(world: World, *labels: str) -> float:
    return sum(total(world, "sales_rep_deals", f'result="{result}', WINDOW, *labels) for result in ("won", "lost"))


def test_every_rep_is_listed_once_under_the_own_name(world: World):
    rows = column(world, BOARD, 4, "A")
    assert len(rows) == len(people(world)) > 5
    assert {row["metric"]["rep"]: (row["metric"]["name"], row["metric"]["team"]) for row in rows} == people(world)


def test_two_exporters_on_one_database_do_not_double_the_deals(world: World):
    assert shown(world, 4, "A") == {rep: decided(world, f'rep="{rep}') for rep in people(world)}


@pytest.mark.parametrize(("letter", "suffix"), [("B", ""), ("C", "_lower"), ("D", "_upper")])
def test_win_rates_are_the_shrunk_ones(world: World, letter: str, suffix: str):
    assert shown(world, 4, letter) == {
        rep: total(world, f"sales_rep_win_ratio{suffix}", f'rep="{rep}', 'estimator="shrunk', WINDOW)
        for rep in people(world)}


def test_bars_of_win_rates_end_at_the_bounds_of_the_table(world: World):
    low, middle, high = (shown(world, 5, letter) for letter in "ABC")
    assert low == shown(world, 4, "C")
    assert {rep: low[rep] + middle[rep] + high[rep] for rep in low} == pytest.approx(shown(world, 4, "D"))


def test_the_banner_says_that_the_order_is_chance_exactly_from_p_0_05_on(world: World):
    p = figure(world, BOARD, 1, "A")
    assert p == total(world, "sales_rep_differences_p_value", WINDOW)
    banner = next(panel for panel in panels(BOARDS[BOARD]) if panel["id"] == 1)
    ranges = [mapping["options"] for mapping in banner["fieldConfig"]["defaults"]["mappings"]]

    def says(value: float) -> str:
        # As Grafana: the first range that holds the value, both ends in it.
        return next(one["result"]["text"] for one in ranges
                    if (one["from"] is None or value >= one["from"]) and (one["to"] is None or value <= one["to"]))

    assert "chance" in says(0.06)
    assert "chance" in says(1.0)
    assert "do not rank" not in says(0.049)
    assert "do not rank" not in says(0.0)


def test_win_rate_of_all_is_a_ratio_of_sums_with_wilson_bounds(world: World):
    won = total(world, "sales_rep_deals", 'result="won', WINDOW) - total(
        world, "sales_rep_deals", 'result="won', WINDOW, 'rep="(none)')
    whole = decided(world) - decided(world, 'rep="(none)')
    assert figure(world, BOARD, 2, "A") == pytest.approx(won / whole)
    assert (figure(world, BOARD, 2, "B"), figure(world, BOARD, 2, "C")) == pytest.approx(
        tuple(float(bound) for bound in wilson(won, whole)), abs=1e-6)


def test_teams_hold_the_deals_of_their_reps(world: World):
    teams = shown(world, 11, "B", "team")
    for team, deals in teams.items():
        assert deals == sum(decided(world, f'rep="{rep}') for rep, (_, own) in people(world).items() if own == team)
    assert sum(shown(world, 11, "A", "team").values()) == len(people(world))


def test_fullest_desk_is_the_most_open_deals_of_one_rep(world: World):
    open_deals = shown(world, 9, "A")
    assert open_deals == {rep: n for rep in people(world)
                          if (n := total(world, "sales_rep_deals", 'result="open', f'rep="{rep}'))}
    assert figure(world, BOARD, 3, "A") == max(open_deals.values())


def test_details_are_of_the_rep_that_is_chosen(world: World):
    for rep in people(world):
        assert figure(world, BOARD, 20, "A", rep=rep) == total(
            world, "sales_rep_win_ratio", f'rep="{rep}', 'estimator="shrunk', WINDOW)
