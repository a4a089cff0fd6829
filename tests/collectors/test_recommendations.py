"""Recommendations: each rule on cells made by hand, with and without the evidence that it asks for."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import SecretStr

from sales_exporter.collectors.advice import (
    FOLLOWED_DAYS,
    SLOW_SECONDS,
    bottleneck_stage,
    leaking_step,
    model_to_retrain,
    response_too_slow,
    slowing_stage,
    stale_open_deals,
)
from sales_exporter.collectors.budgets import best_channel_under_funded, campaign_below_cost_target, losing_channel
from sales_exporter.collectors.deals import Deals
from sales_exporter.collectors.funding import Funded, campaign_costs, funded, together, within
from sales_exporter.collectors.given import Given, Recommendation
from sales_exporter.collectors.money import Rates
from sales_exporter.collectors.recommendations import MOST, Recommendations, of, samples
from sales_exporter.collectors.returns import Entry, costs, returns
from sales_exporter.collectors.slowdown import Comparison
from sales_exporter.config import Business
from sales_exporter.config import Database as Limits
from sales_exporter.ledger import calls as spoken
from sales_exporter.ledger import deals as book
from sales_exporter.ledger import leads as visit
from sales_exporter.ledger import predictions as made
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.scheme import Scheme, buckets
from sales_exporter.ledger.source import Names
from sales_exporter.ledger.view import View
from sales_exporter.runtime import database as source
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Deal, Lead, Move, ago, write
from tests.support.reading import collect, ledger_at, number, values

SCHEME = Scheme(("lead", "contact", "won", "lost"), ("open", "open", "won", "lost"))
LEAD, CONTACT, WON, LOST = range(4)
TODAY, DAY = 20_000, 86_400.0
NOW = TODAY * DAY
NOTHING = Comparison((), *[np.zeros(0)] * 7)


def tally(layout: Layout, cells: list[tuple[int, ...]]) -> Tally:
    """Cells as tuples in the order of the fields, the count last."""
    columns = np.array(cells, dtype=np.int64).reshape(-1, len(layout.labels) + 1).T
    return Tally.of(layout.pack(**dict(zip(layout.labels, columns[:-1], strict=True))), columns[-1])


def given(cells: dict[Layout, list[tuple[int, ...]]], slowdown: Comparison = NOTHING) -> Given:
    view = View(SCHEME, tallies={layout.name: tally(layout, rows) for layout, rows in cells.items()},
                ready=frozenset({"leads"}))
    return Given(view, NOW, slowdown)


def bucket(days: float) -> int:
    return int(buckets(np.array([round(days * DAY * 1e6)]))[0])


def entries(began: int, went_on: int, came: int, stage: int = LEAD) -> list[tuple[int, ...]]:
    """Visits that began on a day, some of which went on after two days and the others were lost."""
    return [(began, stage, bucket(2), CONTACT, went_on), (began, stage, bucket(2), LOST, came - went_on)]


BEFORE, RECENTLY = TODAY - FOLLOWED_DAYS - 60, TODAY - FOLLOWED_DAYS - 10


def test_a_step_leaks_when_surely_fewer_go_on_than_before() -> None:
    (found,) = leaking_step(given({visit.STAYS: [*entries(BEFORE, 500, 1000), *entries(RECENTLY, 70, 200)]}))
    assert (found.subject, found.n, found.unit) == ("lead > contact", 200, "leads per 30 days")
    assert found.estimate == pytest.approx(-0.15)
    assert found.lower < -0.15 < found.upper < 0
    assert found.impact == pytest.approx(0.15 * 200 / 28 * 30)


@pytest.mark.parametrize(("went_on", "came"), [(95, 200), (5, 29), (120, 200)])
def test_a_small_difference_few_entries_and_a_better_share_are_no_leak(went_on: int, came: int) -> None:
    cells = [*entries(BEFORE, 500, 1000), *entries(RECENTLY, went_on, came)]
    assert list(leaking_step(given({visit.STAYS: cells}))) == []


def test_visits_too_young_to_be_followed_are_no_leak() -> None:
    cells = {visit.STAYS: entries(BEFORE, 500, 1000), visit.OPEN: [((TODAY - 5) * 24, LEAD, 200)]}
    assert list(leaking_step(given(cells))) == []


def test_visits_that_go_on_count_among_the_entries() -> None:
    cells = {visit.STAYS: entries(BEFORE, 500, 1000), visit.OPEN: [(RECENTLY * 24, LEAD, 200)]}
    (found,) = leaking_step(given(cells))
    assert (found.n, found.estimate) == (200, -0.5)


def test_who_goes_on_too_late_has_not_gone_on() -> None:
    late = [(RECENTLY - 10, LEAD, bucket(FOLLOWED_DAYS + 2), CONTACT, 200)]
    (found,) = leaking_step(given({visit.STAYS: [*entries(BEFORE, 500, 1000), *late]}))
    assert found.estimate == -0.5


def flowing(lead_days: float, contact_days: float, n: int) -> Given:
    """As many entries as exits in both stages on one day of the last 30, with these waits."""
    stages = ((LEAD, lead_days), (CONTACT, contact_days))
    return given({
        visit.FLOW: [(TODAY - 20, stage, visit.IN, n) for stage, _ in stages]
        + [(TODAY - 20 + round(days), stage, visit.OUT, n) for stage, days in stages],
        visit.FLOW_TIME: [],
        visit.EXITS: [(TODAY - 20 + round(days), stage, bucket(days), n) for stage, days in stages],
        visit.STAYS: [(TODAY - 20, stage, bucket(days), WON, n) for stage, days in stages],
        visit.STAY_TIME: [(stage, bucket(days), round(days * DAY * 1e6) * n) for stage, days in stages],
    })


def test_the_bottleneck_is_the_stage_that_surely_holds_most() -> None:
    (found,) = bottleneck_stage(flowing(2, 10, 400))
    assert (found.subject, found.n) == ("contact", 400)
    assert found.estimate == pytest.approx(10 * 400 / 30)
    assert found.impact == pytest.approx(8 * 400 / 30)
    assert found.lower < found.estimate < found.upper


@pytest.mark.parametrize("flow", [(9, 10, 400), (2, 10, 29)])
def test_without_a_clear_lead_or_enough_exits_there_is_no_bottleneck(flow: tuple[float, float, int]) -> None:
    assert list(bottleneck_stage(flowing(*flow))) == []


def slower(p: float, yesterday: float, recent: float) -> Comparison:
    one = np.ones(1)
    return Comparison(("contact",), p * one, yesterday * one, 2 * one, 1.5 * one, 2.7 * one, recent * one, 400 * one)


def test_a_stage_that_slowed_could_hold_fewer_leads() -> None:
    (found,) = slowing_stage(given({visit.OPEN: [(TODAY * 24 - 5, CONTACT, 60)]}, slower(0.001, 0.002, 40)))
    assert found == Recommendation("contact", "warning", 30, "leads", 40, 2, 1.5, 2.7)


@pytest.mark.parametrize("test", [slower(0.001, 0.1, 40), slower(0.001, 0.002, 29)])
def test_one_day_or_few_ends_are_no_slowdown(test: Comparison) -> None:
    assert list(slowing_stage(given({visit.OPEN: [(TODAY * 24 - 5, CONTACT, 60)]}, test))) == []


def dealing(ages: list[float], cycles: list[float]) -> Given:
    """Deals open for so many days, and deals won yesterday after so many."""
    n, opened = len(ages) + len(cycles), [*[NOW - a * DAY for a in ages], *[NOW - (1 + c) * DAY for c in cycles]]
    zeros = dict.fromkeys(("cents", "created", "path", "rep", "channel", "campaign", "currency", "stage"), 0)
    records = book.DEALS.records(
        np.arange(n), opened=np.array(opened), closed=np.array([book.NEVER] * len(ages) + [NOW - DAY] * len(cycles)),
        status=np.array([book.OPEN] * len(ages) + [book.WON] * len(cycles)), **zeros)
    return Given(View(SCHEME, books={book.DEALS.name: records}), NOW, NOTHING)


def test_open_deals_are_stale_when_many_are_older_than_nearly_all_that_were_won() -> None:
    (found,) = stale_open_deals(dealing([200.0] * 40 + [5.0] * 60, [10.0] * 50))
    assert (found.impact, found.n, found.estimate, found.unit) == (40, 100, 0.4, "deals")


@pytest.mark.parametrize(("old", "young", "won"), [(25, 75, 50), (29, 0, 50), (40, 60, 29)])
def test_a_few_old_deals_or_little_to_compare_with_are_not(old: int, young: int, won: int) -> None:
    assert list(stale_open_deals(dealing([200.0] * old + [5.0] * young, [10.0] * won))) == []


def channel(name: str, leads: float, deals: int, spend: float, revenue: float) -> Funded:
    """A channel with deals of equal amounts."""
    entry = Entry({"channel": name}, spend, 0, deals, revenue, revenue**2 / max(deals, 1), 0)
    (found,) = returns([entry], 100.0)
    return Funded(name, leads, entry, found)


def budget(*channels: Funded) -> Given:
    return Given(View(SCHEME), NOW, NOTHING, channels, "EUR")


def test_a_channel_loses_when_its_leads_surely_brought_less_than_they_cost() -> None:
    (found,) = losing_channel(budget(channel("fair", 60, 10, 9_000, 3_000), channel("mail", 60, 40, 1_000, 4_000)))
    assert (found.subject, found.unit, found.n) == ("fair", "EUR per 30 days", 60)
    assert found.impact == pytest.approx(2_000)
    assert found.estimate == pytest.approx(1 / 3)
    assert found.lower < 1 / 3 < found.upper < 1


@pytest.mark.parametrize("case", [("fair", 49, 10, 9_000, 3_000), ("fair", 60, 10, 4_000, 3_000)])
def test_few_leads_or_an_unsure_loss_are_no_losing_channel(case: tuple[str, float, int, float, float]) -> None:
    assert list(losing_channel(budget(channel(*case)))) == []


def test_the_best_channel_is_under_funded_when_all_others_surely_return_less() -> None:
    (found,) = best_channel_under_funded(budget(
        channel("mail", 300, 100, 1_000, 10_000), channel("fair", 300, 100, 5_000, 10_000),
        channel("web", 300, 100, 4_000, 9_000)))
    assert (found.subject, found.n, found.estimate) == ("mail", 100, 10)
    assert found.impact == pytest.approx((found.lower - 19 / 9) * 900 / 90 * 30)


@pytest.mark.parametrize("mail", [("mail", 300, 29, 1_000, 10_000), ("mail", 300, 100, 6_000, 60_000),
                                  ("mail", 300, 100, 4_000, 9_000)])
def test_few_deals_much_spend_or_a_return_like_that_of_others_are_not(
    mail: tuple[str, float, int, float, float]
) -> None:
    others = channel("fair", 300, 100, 5_000, 10_000), channel("web", 300, 100, 4_000, 9_000)
    assert [one.subject for one in best_channel_under_funded(budget(channel(*mail), *others))] == []


def predicting(right: int, wrong: int, rest: int, last: int = TODAY - 1) -> Given:
    """Decisions for the smaller class that were right and wrong, and right ones for the larger class."""
    names = Names()
    (version,) = names.numbered([f"score{made.SEPARATOR}v1"]).tolist()
    hour = TODAY * 24 - 10
    labels = [(hour, version, 1, 1, 9_000, right), (hour, version, 0, 1, 9_000, wrong), (hour, version, 0, 0, 5, rest)]
    tallies = {made.LABELS.name: tally(made.LABELS, labels),
               made.PREDICTIONS.name: tally(made.PREDICTIONS, [(last, version, right + wrong + rest)])}
    return Given(View(SCHEME, names, tallies), NOW, NOTHING)


def test_a_model_that_is_surely_worse_than_no_model_should_be_trained_again() -> None:
    (found,) = model_to_retrain(predicting(20, 60, 400))
    assert (found.subject, found.impact, found.n, found.estimate) == ("score v1", 40, 80, 0.25)
    assert found.upper < 0.5


@pytest.mark.parametrize("case", [(60, 20, 400), (38, 42, 400), (5, 20, 400), (20, 60, 100)])
def test_a_model_that_helps_or_has_few_labels_should_not(case: tuple[int, int, int]) -> None:
    assert list(model_to_retrain(predicting(*case))) == []


def test_a_version_that_is_out_of_use_is_not_worth_training() -> None:
    assert list(model_to_retrain(predicting(20, 60, 400, last=TODAY - 20))) == []


def spending(spend: float, deals: int, target: float | None) -> Given:
    """A campaign that spent so much in 90 days and won so many deals."""
    found = costs([Entry({"campaign": "spring"}, spend, 0, deals, 0, 0, 0)])
    return Given(View(SCHEME), NOW, NOTHING, (), "EUR", found, target)


def test_a_campaign_is_below_its_target_when_its_deals_surely_cost_more() -> None:
    (found,) = campaign_below_cost_target(spending(9_000, 10, 400.0))
    assert (found.subject, found.severity, found.unit, found.n) == ("spring", "warning", "EUR per 30 days", 10)
    assert (found.impact, found.estimate) == (pytest.approx((9_000 - 4_000) / 3), 900)
    assert 400 < found.lower < 900 < found.upper


@pytest.mark.parametrize(("spend", "deals", "target"), [(9_000, 10, 500.0), (9_000, 10, None), (9_000, 0, 1.0)])
def test_a_campaign_that_may_cost_that_much_or_of_which_nothing_is_asked_is_not(
    spend: float, deals: int, target: float | None
) -> None:
    assert list(campaign_below_cost_target(spending(spend, deals, target))) == []


def answering(late: int, in_time: int, day: int = TODAY - 1, kind: str = "ai") -> Given:
    """First words that came after the bound of the kind, and exactly at it; talk time is another matter."""
    code, bound = spoken.KINDS.index(kind), spoken.RESPONSE_BOUNDS.index(SLOW_SECONDS[kind])
    return given({spoken.TIMES: [
        (day, spoken.FIRST_RESPONSE, code, bound + 1, late), (day, spoken.FIRST_RESPONSE, code, bound, in_time),
        (day, spoken.TALK, code, len(spoken.TALK_BOUNDS), 1_000)]})


@pytest.mark.parametrize("kind", SLOW_SECONDS)
def test_responses_are_too_slow_when_surely_more_than_a_fifth_comes_late(kind: str) -> None:
    (found,) = response_too_slow(answering(40, 60, kind=kind))
    assert (found.subject, found.severity, found.unit, found.n) == (kind, "warning", "calls in 7 days", 100)
    assert (found.impact, found.estimate) == (pytest.approx(20), 0.4)
    assert 0.2 < found.lower < 0.4 < found.upper


@pytest.mark.parametrize("case", [(25, 75), (29, 0), (0, 0), (0, 500)])
def test_a_share_that_may_be_a_fifth_and_few_calls_are_not_too_slow(case: tuple[int, int]) -> None:
    assert list(response_too_slow(answering(*case))) == []


def test_slow_responses_of_the_week_before_are_past() -> None:
    assert list(response_too_slow(answering(40, 60, TODAY - 8))) == []
    assert len(list(response_too_slow(answering(40, 60, TODAY - 7)))) == 1


def test_a_recommendation_has_its_impact_and_its_evidence() -> None:
    found = list(of("slowing_stage", Recommendation("contact", "warning", 30, "leads", 40, 2, 1.5, 2.7)))
    which = {"code": "slowing_stage", "subject": "contact"}
    assert number(found, "sales_recommendation_info", severity="warning", **which) == 1
    assert number(found, "sales_recommendation_impact", unit="leads", **which) == 30
    evidence = [number(found, "sales_recommendation_evidence", stat=stat, **which)
                for stat in ("n", "estimate", "lower", "upper")]
    assert evidence == [40, 2, 1.5, 2.7]


def test_a_source_that_is_not_filled_gives_no_advice() -> None:
    assert list(samples(Given(View(SCHEME), NOW, NOTHING))) == []
    assert MOST == 10


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


@pytest.mark.postgres
async def test_advice_on_a_funnel_comes_and_goes_with_its_evidence(database: Database) -> None:
    leads = [Lead(f"l{day}-{n}", day + 0.5) for day in range(1, 140) for n in range(10)]
    # Half go on after a day; of those who came in the last six weeks one in ten does.
    moves = [Move(lead.lead_id, "lead", "contact" if n % 10 < (1 if lead.created < 42 else 5) else "lost",
                  max(lead.created - 1, 0.1)) for n, lead in enumerate(leads)]
    write(database, leads, moves)
    found = values(await collect(Recommendations(), database, AS_OF), "sales_recommendation_info")
    assert ("leaking_step", "lead > contact", "warning") in found
    database.execute("DELETE FROM sales.leads WHERE created_at > %s::timestamptz - interval '60 days'", AS_OF)
    assert not values(await collect(Recommendations(), database, AS_OF), "sales_recommendation_info")


@pytest.mark.postgres
async def test_an_empty_database_gives_no_advice(database: Database) -> None:
    assert await collect(Recommendations(), database, AS_OF) == []


@pytest.mark.postgres
async def test_channels_are_judged_by_leads_of_a_quarter_that_had_a_quarter(database: Database) -> None:
    leads = [Lead(f"l{age}", age, "fair") for age in (30, 100, 150, 170, 200)] + [Lead("none", 120, None)]
    deals = [Deal(f"d{age}", f"l{age}", 5, 10.0 * age) for age in (30, 100, 150, 200)]
    deals.append(Deal("old", "l200", 190, 1.0))
    write(database, leads, [], deals)
    for age, amount in ((30, 7), (100, 400), (170, 600), (200, 9)):
        database.execute("INSERT INTO sales.spend (spend_day, channel_id, amount, currency)"
                         " VALUES (%s, 'fair', %s, 'EUR')",
                         ago(age).date(), amount)
    reader_of = source.Database(SecretStr(database.reader.dsn), Limits())
    try:
        async with reader_of.reader(30) as reader:
            relations = await reader.relations()
        view = await ledger_at(
            ("leads", "deals", "spend"), relations, Business(), AS_OF.timestamp(), lambda: reader_of.reader(30))
    finally:
        await reader_of.close()
    known = Rates("EUR"), "UTC", AS_OF.timestamp()
    every = Deals.at(view, AS_OF.timestamp())
    some = within(every, AS_OF.timestamp())
    (found,) = funded(every, *known)
    assert len(some.records) < len(every.records)
    assert (funded(some, *known), campaign_costs(some, *known)) == ([found], campaign_costs(every, *known))
    assert (found.channel, found.leads, found.entry.deals) == ("fair", 3, 2)
    assert (found.entry.spend, found.entry.revenue, found.roas.value) == (1_000, 2_500, 2.5)
    assert together([found, found]).value == 2.5  # type: ignore[union-attr]
    assert together([]) is None


class Filled(Recommendations):
    """Waits for every source that a rule may look at."""

    folds = ("leads", "deals", "spend", "calls")


@pytest.mark.postgres
async def test_a_campaign_is_held_against_the_target_of_the_shortest_running_period(database: Database) -> None:
    write(database, [Lead("a", 100, "fair", "spring"), Lead("b", 100, "web", "spring"), Lead("c", 100, "fair")], [],
          [Deal("d", "a", 5), Deal("e", "b", 10), Deal("f", "a", 95), Deal("g", "c", 5)])
    for days, campaign, amount in ((20, "spring", 600), (100, "spring", 9_000), (20, None, 9_000)):
        database.execute("INSERT INTO sales.spend (spend_day, channel_id, campaign_id, amount, currency)"
                         " VALUES (%s, 'fair', %s, %s, 'EUR')", ago(days).date(), campaign, amount)
    database.execute("INSERT INTO sales.fx_rates VALUES (%s, 'USD', 0.5)", AS_OF.date())

    async def advice() -> dict[tuple[str, ...], object]:
        found = await collect(Filled(), database, AS_OF)
        return {key: value for key, value in values(found, "sales_recommendation_evidence").items()
                if key[0] == "campaign_below_cost_target"}

    def target(kind: str, amount: float, team: str | None = None, start: str = "2026-06-01") -> None:
        database.execute("INSERT INTO sales.targets (period_start, period_kind, metric, team, amount, currency)"
                         " VALUES (%s, %s, 'cost_per_conversion', %s, %s, 'USD')", start, kind, team, amount)

    target("month", 1, "north")
    target("month", 1, start="2026-04-01")
    assert await advice() == {}
    target("year", 1, start="2026-01-01")
    bounds = await advice()
    assert {stat: value for (_, subject, stat), value in bounds.items() if subject == "spring"} == {
        "n": 2, "estimate": 300, "lower": pytest.approx(83.05, abs=0.1), "upper": pytest.approx(2477, abs=1)}
    assert len(bounds) == 4
    target("month", 10_000)
    assert await advice() == {}


@pytest.mark.postgres
async def test_an_agent_that_became_slow_is_recommended_for_a_look(database: Database) -> None:
    database.execute(
        "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome,"
        " first_response_seconds) SELECT 'c' || g, 'ai', 'inbound', %s, %s, 'answered', 3"
        " FROM generate_series(1, 40) AS g", ago(1), ago(0.9))
    found = await collect(Filled(), database, AS_OF)
    assert number(found, "sales_recommendation_impact", code="response_too_slow", subject="ai",
                  unit="calls in 7 days") == 32
