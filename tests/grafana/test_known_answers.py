"""Numbers that people quote from the Executive and API pages, against what the exporter said."""

from __future__ import annotations

import pytest

from tests.grafana.traffic import OTHERS, REQUESTS
from tests.grafana.world import APPLICATIONS, World, column, figure, total

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

HOME, API = "Executive/sales-home.json", "Platform/sales-api.json"


def test_two_exporters_on_one_database_do_not_double_the_money(world: World):
    assert figure(world, HOME, 1, "A") == pytest.approx(total(world, "sales_revenue_won", 'window="30d'))


def test_return_is_a_ratio_of_sums(world: World):
    won, spent = (total(world, name, 'window="30d') for name in ("sales_revenue_won", "sales_spend"))
    of_new_leads = total(world, "sales_revenue", 'window="30d', 'model="last', 'basis="cohort')
    assert figure(world, HOME, 3, "A") == pytest.approx(won / spent - 1)
    assert figure(world, HOME, 3, "C") == pytest.approx(of_new_leads / spent - 1)


def test_win_rate_is_won_of_decided(world: World):
    won, lost = (total(world, "sales_deals", f'result="{result}', 'window="30d') for result in ("won", "lost"))
    assert figure(world, HOME, 5, "A") == pytest.approx(won / (won + lost))
    assert figure(world, HOME, 5, "C") == won + lost


def test_funnel_never_widens_and_starts_with_all_leads(world: World):
    series = column(world, HOME, 9, "A")
    stages = [(found["metric"]["stage"], float(found["value"][1])) for found in series]
    assert [stage for stage, _ in stages] == ["lead", "contact", "qualified", "proposal", "won"]
    assert stages[0][1] == total(world, "sales_funnel_leads", 'stage="lead', 'window="30d', 'basis="cohort')
    assert stages == sorted(stages, key=lambda stage: -stage[1])


def test_open_alerts_are_counted_by_severity_without_the_watchdog(world: World):
    assert (figure(world, HOME, 8, "A"), figure(world, HOME, 8, "B")) == (1, 1)
    assert figure(world, HOME, 19, "A") >= 600


def of_the_api(world: World, number: int, letter: str, **chosen: str) -> float:
    return figure(world, API, number, letter, **chosen)


EACH_MINUTE = 3 * sum(request[-1] for request in REQUESTS) + 2 * len(OTHERS)
"""Requests of two instances, of which the second has twice the traffic."""


def test_instances_of_an_application_add_up(world: World):
    assert of_the_api(world, 1, "A") == pytest.approx(EACH_MINUTE / 60, rel=0.01)
    assert of_the_api(world, 1, "B") == len(APPLICATIONS)
    assert of_the_api(world, 1, "A", instance="shop-1:8000") < of_the_api(world, 1, "A", instance="shop-2:8000")


def test_error_ratio_counts_unhandled_errors_and_5xx_but_no_client_that_went_away(world: World):
    failing = 3 * sum(times for *_, status, _, _, _, times in REQUESTS if status >= 500)
    assert of_the_api(world, 2, "A") == pytest.approx(failing / EACH_MINUTE, rel=0.01)
    assert of_the_api(world, 2, "A", route="/leads/.lead_id.") == 0


def test_a_share_of_too_few_requests_is_not_shown(world: World):
    assert column(world, API, 2, "A", route="/one", instance="shop-1:8000") == []


def test_a_route_has_its_own_latency(world: World):
    assert of_the_api(world, 3, "A", route="/leads/.lead_id.") < 0.1
    assert 0.25 < of_the_api(world, 3, "B", route="/predict") < 1
