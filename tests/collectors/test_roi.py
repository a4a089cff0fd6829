"""ROI: who gets the credit, on which basis, in which currency, and when a figure is withheld."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sales_exporter.collectors.credit import SHARED
from sales_exporter.collectors.returns import Entry, Estimate, best, costs, returns
from sales_exporter.collectors.roi import Roi, first_day
from sales_exporter.config import Business
from sales_exporter.model import Sample
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Deal, Lead, Touch, ago, write
from tests.support.reading import collect, number, values

MONTH = Business(windows=("30d",))


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


def spend(database: Database, days: float, channel: str, amount: float, currency: str = "EUR",
          campaign: str | None = None) -> None:
    database.execute(
        "INSERT INTO sales.spend (spend_day, channel_id, campaign_id, amount, currency) VALUES (%s, %s, %s, %s, %s)",
        ago(days).date(), channel, campaign, amount, currency)


async def passed(database: Database, business: Business = MONTH) -> list[Sample]:
    return await collect(Roi(), database, AS_OF, business)


def revenue(samples: list[Sample], channel: str, model: str = "lead", basis: str = "cash") -> float | None:
    return number(samples, "sales_revenue", channel=channel, currency="EUR", window="30d", model=model, basis=basis)


def entry(spent: float, deals: float = 0, earned: float = 0, squares: float = 0,
          days: int = 0, unrated: int = 0) -> Entry:
    """An entry with this many days of spend and deals without an exchange rate."""
    return Entry({"channel": "email"}, spent, days, deals, earned, squares, unrated)


@pytest.mark.postgres
async def test_cash_goes_by_the_closing_and_cohort_by_the_creation_of_the_lead(database: Database) -> None:
    write(database, [Lead("old", 90), Lead("new", 20)], deals=[Deal("1", "old", 5, 100), Deal("2", "new", 5, 40)])
    samples = await passed(database)
    assert revenue(samples, "email", basis="cash") == 140
    assert revenue(samples, "email", basis="cohort") == 40
    assert number(samples, "sales_revenue_deals", channel="email", window="30d", model="lead", basis="cash") == 2


@pytest.mark.postgres
async def test_each_model_credits_its_own_touch(database: Database) -> None:
    write(database, [Lead("a", 20, "email")], deals=[Deal("1", "a", 5)], touches=[
        Touch("1", "a", 15, "ads"), Touch("2", "a", 10, "fair"), Touch("3", "a", 2, "after the deal")])
    samples = await passed(database)
    credited = {model: [channel for (channel, _, _, m, basis), n in values(samples, "sales_revenue").items()
                        if n and m == model and basis == "cash"] for model in ("lead", "first", "last")}
    assert credited == {"lead": ["email"], "first": ["ads"], "last": ["fair"]}


@pytest.mark.postgres
async def test_tied_touches_go_by_id(database: Database) -> None:
    write(database, [Lead("a", 20)], deals=[Deal("1", "a", 5)],
          touches=[Touch("2", "a", 10, "second"), Touch("1", "a", 10, "first")])
    samples = await passed(database)
    assert revenue(samples, "first", "first") == 100
    assert revenue(samples, "second", "last") == 100


@pytest.mark.postgres
async def test_what_no_channel_gets_is_shown_and_nothing_is_lost(database: Database) -> None:
    write(database, [Lead("a", 20), Lead("b", 20)], touches=[Touch("1", "b", 10, "ads")],
          deals=[Deal("1", "a", 5, 100), Deal("2", None, 5, 30), Deal("3", "gone", 5, 7), Deal("4", "b", 5, 1000)])
    samples = await passed(database)
    missed = values(samples, "sales_attribution_unassigned_revenue")
    by_touch = ("last", "first", *SHARED)
    assert missed == {("EUR", "30d", "lead"): 37, **{("EUR", "30d", model): 137 for model in by_touch}}
    for model in ("lead", *by_touch):
        credited = sum(n for labels, n in values(samples, "sales_revenue").items() if labels[3:] == (model, "cash"))
        assert credited + missed["EUR", "30d", model] == 1137


@pytest.mark.postgres
async def test_shared_credit_follows_the_touches(database: Database) -> None:
    touches = [Touch(f"{lead}{n}", lead, 40 - 14 * n, channel) for lead, path in
               (("a", ("ads", "fair", "email")), ("b", ("ads", "fair")), ("c", ("fair",)))
               for n, channel in enumerate(path)]
    write(database, [Lead(lead, 50) for lead in "abc"], touches=touches, deals=[
        Deal("1", "a", 5, 100), Deal("2", "b", 5, 50, "lost"), Deal("3", "c", None, 70, "open")])
    samples = await passed(database)
    linear, position, decay = (
        {c: revenue(samples, c, model) for c in ("ads", "fair", "email")} for model in SHARED[:3])
    assert linear == {"ads": 33.34, "fair": 33.33, "email": 33.33}
    assert position == {"ads": 40, "fair": 20, "email": 40}
    # Ages of 28 and 14 days lie in the steps that begin there: 29.75 and 15.75 days, 4.25 and 2.25 half-lives.
    whole = 1 + 2**-2.25 + 2**-4.25
    assert decay == pytest.approx({"ads": 100 * 2**-4.25 / whole, "fair": 100 * 2**-2.25 / whole,
                                   "email": 100 / whole}, abs=0.01)
    deals = values(samples, "sales_revenue_deals")
    assert [deals[c, "30d", "markov", "cash"] for c in ("ads", "fair", "email")] == [1, 1, 1]


@pytest.mark.postgres
async def test_credit_of_each_model_sums_to_the_revenue_to_the_cent(database: Database) -> None:
    chance = random.Random(4)
    leads = [Lead(f"l{n}", chance.uniform(8, 80)) for n in range(60)]
    write(database, leads, touches=[
        Touch(f"{n}", f"l{chance.randrange(60)}", chance.uniform(6, 90), chance.choice(["a", "b", "c", "d"]))
        for n in range(120)
    ], deals=[
        Deal(f"d{n}", f"l{n}", chance.uniform(1, 7), round(chance.uniform(1, 999), 2),
             chance.choice(["won", "won", "lost"]), chance.choice(["EUR", "USD"])) for n in range(60)])
    database.execute("INSERT INTO sales.fx_rates SELECT %s::date - n, 'USD', 0.913 FROM generate_series(0, 9) AS n",
                     AS_OF.date())
    samples = await passed(database)
    missed = values(samples, "sales_attribution_unassigned_revenue")
    totals = {
        model: round(100 * sum(n for labels, n in values(samples, "sales_revenue").items()  # type: ignore[misc]
                               if labels[3:] == (model, "cash")) + 100 * missed["EUR", "30d", model], 6)
        for model in ("lead", "last", "first", *SHARED)
    }
    assert len(set(totals.values())) == 1
    assert totals["lead"] == int(totals["lead"]) > 100_000


@pytest.mark.postgres
async def test_credit_is_computed_anew_when_a_deal_changed(database: Database) -> None:
    write(database, [Lead("a", 20)], touches=[Touch("1", "a", 10, "ads")], deals=[Deal("1", "a", 5, 100)])
    collector = Roi()
    assert revenue(await collect(collector, database, AS_OF, MONTH), "ads", "shapley") == 100
    database.execute("UPDATE sales.deals SET amount = 250")
    assert revenue(await collect(collector, database, AS_OF, MONTH), "ads", "shapley") == 250


@pytest.mark.postgres
async def test_refunds_are_no_credit_and_are_not_lost(database: Database) -> None:
    write(database, [Lead("a", 20), Lead("b", 20)], touches=[Touch("1", "a", 10, "ads"), Touch("2", "b", 10, "fair")],
          deals=[Deal("1", "a", 5, 100), Deal("2", "b", 5, -30)])
    samples = await passed(database)
    assert revenue(samples, "ads", "linear") == 100
    assert values(samples, "sales_attribution_unassigned_revenue")["EUR", "30d", "linear"] == -30


@pytest.mark.postgres
async def test_without_touches_only_the_leads_own_channel_is_credited(database: Database) -> None:
    write(database, [Lead("a", 20)], deals=[Deal("1", "a", 5)])
    samples = await collect(Roi(), database, AS_OF, MONTH, frozenset({"leads", "deals"}))
    assert {labels[3] for labels in values(samples, "sales_revenue")} == {"lead"}


@pytest.mark.postgres
async def test_lost_open_test_and_future_deals_bring_nothing(database: Database) -> None:
    write(database, [Lead("a", 20), Lead("t", 20, is_test=True)], deals=[
        Deal("1", "a", 5, status="lost"), Deal("2", "a", None, status="open"), Deal("3", "t", 5), Deal("4", "a", 0)])
    samples = await passed(database)
    assert sum(values(samples, "sales_revenue").values()) == 0
    assert sum(values(samples, "sales_attribution_unassigned_revenue").values()) == 0


@pytest.mark.postgres
async def test_money_is_converted_by_the_rate_of_its_own_day(database: Database) -> None:
    write(database, [Lead("a", 20)], deals=[Deal("1", "a", 5, 100, currency="USD")])
    spend(database, 9, "email", 50, "USD")
    for days, rate in ((5, "0.9"), (9, "0.8"), (7, "77")):
        database.execute("INSERT INTO sales.fx_rates VALUES (%s, 'USD', %s)", ago(days).date(), rate)
    samples = await passed(database)
    assert revenue(samples, "email") == 90
    assert number(samples, "sales_spend", channel="email", currency="EUR", window="30d") == 40
    assert number(samples, "sales_roi_ratio", channel="email", window="30d", model="lead") == pytest.approx(1.25)


@pytest.mark.postgres
async def test_a_missing_rate_is_no_rate_of_one(database: Database) -> None:
    write(database, [Lead("a", 20), Lead("b", 20)],
          deals=[Deal("1", "a", 5, 100, currency="USD"), Deal("2", "b", 5, 10)])
    spend(database, 9, "email", 50)
    samples = await passed(database)
    assert revenue(samples, "email") == 10
    assert number(samples, "sales_revenue_deals", channel="email", window="30d", model="lead", basis="cash") == 2
    assert number(samples, "sales_roi_ratio", channel="email", window="30d", model="lead") is None
    assert number(samples, "sales_cost_per_conversion", channel="email", currency="EUR", window="30d") == 25


@pytest.mark.postgres
async def test_spend_counts_the_days_that_start_in_the_window(database: Database) -> None:
    for days, amount in ((31, 1), (30, 10), (1, 100), (0, 1000)):
        spend(database, days, "ads", amount)
    samples = await passed(database)
    assert values(samples, "sales_spend") == {("ads", "EUR", "30d"): 110}


@pytest.mark.postgres
async def test_days_are_cut_in_the_reporting_zone(database: Database) -> None:
    # At midnight UTC it is still the evening before in Lima: that day has begun, the next one has not.
    for days, amount in ((2, 10), (1, 100), (0, 1000)):
        spend(database, days, "ads", amount)
    samples = await passed(database, Business(windows=("1d",), reporting_timezone="America/Lima"))
    assert values(samples, "sales_spend") == {("ads", "EUR", "1d"): 100}


@pytest.mark.postgres
async def test_roi_and_roas_come_with_bounds_and_agree(database: Database) -> None:
    write(database, [Lead(f"l{n}", 20) for n in range(4)], deals=[Deal(f"d{n}", f"l{n}", 5, 50) for n in range(4)])
    spend(database, 9, "email", 100)
    samples = await passed(database)
    where = {"channel": "email", "window": "30d", "model": "lead"}
    roas = [number(samples, f"sales_roas_ratio{side}", **where) for side in ("", "_lower", "_upper")]
    # Four equal deals: Garwood's limits for 4 are 1.09 and 10.24.
    assert roas == pytest.approx([2, 0.545, 5.121], abs=0.001)
    assert [number(samples, f"sales_roi_ratio{side}", **where) for side in ("", "_lower", "_upper")] == pytest.approx(
        [value - 1 for value in roas])


@pytest.mark.postgres
async def test_without_spend_there_is_revenue_and_no_return(database: Database) -> None:
    write(database, [Lead("a", 20)], deals=[Deal("1", "a", 5)])
    samples = await passed(database)
    assert number(samples, "sales_spend", channel="email", currency="EUR", window="30d") == 0
    assert values(samples, "sales_roi_ratio") == {}
    assert values(samples, "sales_cost_per_conversion") == {}


@pytest.mark.postgres
async def test_a_source_that_records_no_spend_shows_none_rather_than_zero(database: Database) -> None:
    write(database, [Lead("a", 20)], deals=[Deal("1", "a", 5)])
    samples = await collect(Roi(), database, AS_OF, MONTH, frozenset({"leads", "deals", "touches"}))
    assert values(samples, "sales_spend") == {}
    assert revenue(samples, "email") == 100


@pytest.mark.postgres
async def test_campaigns_have_their_own_figures_and_the_rest_is_other(database: Database) -> None:
    write(database, [Lead("a", 20, "email", "spring"), Lead("b", 20, "email", "winter")],
          deals=[Deal("1", "a", 5, 300), Deal("2", "b", 5, 50)])
    spend(database, 9, "email", 100, campaign="spring")
    spend(database, 9, "email", 20, campaign="winter")
    spend(database, 9, "email", 10, campaign="autumn")
    samples = await passed(database, Business(windows=("30d",), campaign_limit=1))
    assert values(samples, "sales_campaign_spend") == {
        ("spring", "email", "EUR", "30d"): 100, ("(other)", "email", "EUR", "30d"): 30}
    assert values(samples, "sales_campaign_roi_ratio") == pytest.approx({
        ("spring", "email", "30d"): 2, ("(other)", "email", "30d"): 2 / 3})
    assert values(samples, "sales_campaign_deals")["(other)", "email", "30d", "cohort"] == 1
    assert values(samples, "sales_campaign_cost_per_conversion")["spring", "email", "EUR", "30d"] == 100


@pytest.mark.postgres
async def test_the_best_channel_needs_enough_deals(database: Database) -> None:
    write(database, [Lead(f"{c}{n}", 20, c) for c, many in (("few", 9), ("many", 10)) for n in range(many)],
          deals=[Deal(f"{c}{n}", f"{c}{n}", 5, amount) for c, many, amount in (("few", 9, 900), ("many", 10, 100))
                 for n in range(many)])
    spend(database, 9, "few", 100)
    spend(database, 9, "many", 100)
    info = values(await passed(database), "sales_best_channel_info")
    assert info == {("many", criterion, "30d"): 1 for criterion in ("revenue", "roi", "cost_per_conversion")}


@pytest.mark.postgres
async def test_leads_without_a_channel_are_never_the_best(database: Database) -> None:
    write(database, [Lead(f"l{n}", 20, None) for n in range(20)], deals=[Deal(f"d{n}", f"l{n}", 5) for n in range(20)])
    samples = await passed(database)
    assert revenue(samples, "(none)") == 2000
    assert values(samples, "sales_best_channel_info") == {}


@pytest.mark.postgres
async def test_an_empty_database_gives_nothing_undefined(database: Database) -> None:
    samples = await passed(database)
    assert {s.metric.name for s in samples} == {"sales_attribution_unassigned_revenue"}
    assert {s.value for s in samples} == {0.0}


def test_nothing_won_yet_still_has_an_upper_bound() -> None:
    (estimate,) = returns([entry(1000)], typical=100)
    assert (estimate.value, estimate.lower) == (0, 0)
    assert estimate.upper == pytest.approx(0.3689, abs=1e-4)


def test_no_return_is_told_where_no_deal_says_how_large_deals_are() -> None:
    assert returns([entry(1000)], typical=0) == []


@pytest.mark.parametrize("withheld", [entry(0, 5, 100, 2000), entry(10, 5, 100, 2000, unrated=1),
                                      entry(10, 5, 100, 2000, days=1), entry(10, 1, -5, 25), entry(-10, 5, 100, 2000)],
                         ids=["no spend", "deal without rate", "spend without rate", "refunds", "credit"])
def test_a_return_that_cannot_be_known_is_left_out(withheld: Entry) -> None:
    assert returns([withheld], typical=20) == []


def test_cost_per_conversion_turns_the_bounds_of_the_count_around() -> None:
    (estimate,) = costs([entry(1000, deals=10)])
    assert (estimate.value, estimate.lower, estimate.upper) == pytest.approx((100, 54.38, 208.53), abs=0.01)


@pytest.mark.parametrize("withheld", [entry(1000), entry(0, 5), entry(1000, 5, days=1)])
def test_a_cost_without_deals_or_known_spend_is_left_out(withheld: Entry) -> None:
    assert costs([withheld]) == []


def test_equally_good_channels_go_by_name() -> None:
    found = [Estimate({"channel": name}, 50, 1, 1, 1) for name in ("b", "a")]
    winner = best(found, lambda estimate: estimate.value, 10)
    assert winner is not None
    assert winner.labels == {"channel": "a"}


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        (datetime(2026, 6, 1, tzinfo=UTC), "UTC", date(2026, 6, 1)),
        (datetime(2026, 6, 1, 0, 0, 1, tzinfo=UTC), "UTC", date(2026, 6, 2)),
        # Berlin's clocks go forward at 2:00 on 29 March and back at 3:00 on 25 October.
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 30)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 29)),
        (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), "Europe/Berlin", date(2026, 10, 26)),
        # On 8 September 2024 there was no midnight in Santiago: the day began at 1:00, 4:00 UTC.
        (datetime(2024, 9, 8, 4, 0, tzinfo=UTC), "America/Santiago", date(2024, 9, 8)),
        (datetime(2024, 9, 8, 4, 0, tzinfo=UTC) + timedelta(seconds=1), "America/Santiago", date(2024, 9, 9)),
    ],
)
def test_a_window_starts_with_the_first_whole_day(moment: datetime, zone: str, day: date) -> None:
    assert first_day(moment.timestamp(), ZoneInfo(zone)) == day


def test_the_window_of_all_time_starts_before_every_day() -> None:
    assert first_day(float("-inf"), ZoneInfo("UTC")) == date.min
