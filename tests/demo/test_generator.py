"""The generator's rows hold the truth that it tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from sales_exporter.demo.generator import Preset, Tables, Truth, benchmark, demo, generate
from sales_exporter.demo.generator.columns import Moment
from sales_exporter.demo.generator.preset import DAY, from_json, to_json
from tests.demo.generated import MATURE, codes, seconds, waits, won

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def data() -> tuple[Preset, Tables, Truth]:
    preset = benchmark(40_000)
    return (preset, *generate(preset))


@pytest.fixture(scope="module")
def company() -> tuple[Preset, Tables, Truth]:
    preset = demo(NOW)
    return (preset, *generate(preset))


@pytest.mark.parametrize(
    "make",
    [lambda seed: demo(NOW, 500, 30, seed), lambda seed: benchmark(500, 90, seed=seed)],
    ids=["demo", "benchmark"],
)
def test_equal_presets_give_equal_rows_and_other_seeds_give_others(make: Callable[[int], Preset]) -> None:
    first, again, other = (generate(make(seed)) for seed in (5, 5, 6))
    for relation, same in zip(first[0], again[0], strict=True):
        for name, column in relation.columns.items():
            assert column.decoded() == same[name].decoded(), f"{relation.name}.{name}"
    assert first[1] == again[1]
    assert first[0]["leads"]["created_at"].decoded() != other[0]["leads"]["created_at"].decoded()


def test_a_preset_survives_json() -> None:
    assert from_json(to_json(demo(NOW))) == demo(NOW)
    with pytest.raises(ValueError, match="not a preset"):
        from_json('{"leads": 1}')


def test_the_smallest_presets_work() -> None:
    for leads in (1, 2, 7):
        assert len(generate(demo(NOW, leads, 7))[0]["leads"]) == leads
        assert len(generate(benchmark(leads, 7))[0]["leads"]) == leads


def test_nothing_happens_at_or_after_the_end(company: tuple[Preset, Tables, Truth]) -> None:
    preset, tables, _ = company
    for relation in tables:
        for name, column in relation.columns.items():
            if isinstance(column, Moment) and name != "recorded_at":
                assert np.nanmax(column.seconds) < preset.end, f"{relation.name}.{name}"
    assert seconds(tables, "stage_transitions", "recorded_at").max() <= preset.end


def test_each_lead_enters_the_first_stage_when_it_is_created(data: tuple[Preset, Tables, Truth]) -> None:
    _, tables, _ = data
    entry = codes(tables, "stage_transitions", "from_stage") < 0
    lead = codes(tables, "stage_transitions", "lead_id")[entry]
    assert np.array_equal(np.sort(lead), np.arange(len(tables["leads"])))
    assert set(codes(tables, "stage_transitions", "to_stage")[entry]) == {0}
    created = seconds(tables, "leads", "created_at")
    assert np.array_equal(seconds(tables, "stage_transitions", "occurred_at")[entry], created[lead])


def test_the_stages_of_a_lead_follow_each_other(data: tuple[Preset, Tables, Truth]) -> None:
    _, tables, _ = data
    lead = codes(tables, "stage_transitions", "lead_id")
    order = np.lexsort((codes(tables, "stage_transitions", "transition_id"),
                        seconds(tables, "stage_transitions", "occurred_at"), lead))
    before = codes(tables, "stage_transitions", "from_stage")[order]
    after = codes(tables, "stage_transitions", "to_stage")[order]
    same = lead[order][1:] == lead[order][:-1]
    assert np.array_equal(before[1:][same], after[:-1][same])
    assert not np.isin(before, (4, 5)).any(), "won and lost are final"


def test_the_benchmark_has_its_4_7_transitions_a_lead_with_skips_returns_ties_and_late_rows(
    data: tuple[Preset, Tables, Truth]
) -> None:
    preset, tables, _ = data
    count = len(tables["stage_transitions"])
    before, after = (codes(tables, "stage_transitions", name) for name in ("from_stage", "to_stage"))
    assert count / preset.leads == pytest.approx(4.7, abs=0.05)
    assert 0.002 < ((after - before == 2) & (before >= 0) & (after < 4)).mean() < 0.02
    assert 0.005 < (after < before).mean() < 0.04
    delay = seconds(tables, "stage_transitions", "recorded_at") - seconds(tables, "stage_transitions", "occurred_at")
    assert (delay > 600).mean() == pytest.approx(preset.late, rel=0.1)
    key = codes(tables, "stage_transitions", "lead_id") * 1e11 + seconds(tables, "stage_transitions", "occurred_at")
    assert (len(key) - len(np.unique(key))) / preset.leads == pytest.approx(preset.tied, rel=0.25)


def test_conversion_of_each_channel_is_the_truth_within_three_sigma(data: tuple[Preset, Tables, Truth]) -> None:
    preset, tables, truth = data
    channel = codes(tables, "leads", "channel_id")
    mature = (seconds(tables, "leads", "created_at") < preset.end - MATURE) & (codes(tables, "leads", "is_test") == 0)
    is_won = won(tables)
    for number, told in enumerate(truth.channels):
        mine = mature & (channel == (-1 if told.channel_id is None else number))
        sigma = np.sqrt(told.conversion * (1 - told.conversion) / mine.sum())
        assert abs(is_won[mine].mean() - told.conversion) < 3 * sigma, told.channel_id
    conversions = [told.conversion for told in truth.channels]
    assert max(conversions) > 1.5 * min(conversions)


def test_the_effect_of_each_channel_is_found_by_regression(data: tuple[Preset, Tables, Truth]) -> None:
    preset, tables, truth = data
    leads = len(tables["leads"])
    members = np.zeros((leads, len(preset.channels)))
    members[codes(tables, "touches", "lead_id"), codes(tables, "touches", "channel_id")] = 1
    mature = (seconds(tables, "leads", "created_at") < preset.end - MATURE) & (codes(tables, "leads", "is_test") == 0)
    design = np.column_stack([np.ones(mature.sum()), members[mature]])
    found, residual, *_ = np.linalg.lstsq(design, won(tables)[mature].astype(float))
    sigma = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * residual[0] / len(design))[1:]
    told = np.array([one.effect for one in truth.channels[:-1]])
    assert (np.abs(found[1:] - told) < 3.5 * sigma).all()
    assert np.corrcoef(found[1:], told)[0, 1] > 0.9


def test_incremental_wins_add_up_over_the_touches(data: tuple[Preset, Tables, Truth]) -> None:
    _, _, truth = data
    for told in truth.channels[:-1]:
        assert told.incremental_wins == pytest.approx(told.effect * told.touched, rel=0.05)


def test_waits_are_log_normal_with_the_told_medians(data: tuple[Preset, Tables, Truth]) -> None:
    preset, tables, truth = data
    for number, told in enumerate(truth.stages):
        _, wait = waits(tables, preset, number)
        logs = np.log(wait[wait > 0])
        assert np.median(wait[wait > 0]) == pytest.approx(told.median_seconds, rel=4 * told.sigma / np.sqrt(len(wait)))
        assert logs.std() == pytest.approx(told.sigma, rel=0.03)


def test_reps_have_5_to_200_deals_and_win_them_by_their_skill(data: tuple[Preset, Tables, Truth]) -> None:
    _, tables, truth = data
    rep, status = codes(tables, "deals", "rep_id"), codes(tables, "deals", "status")
    counts = np.array([(rep == number).sum() for number in range(30)])
    assert counts.min() >= 5
    assert counts.max() <= 200
    assert counts.tolist() == [told.deals for told in truth.reps]
    z = [
        ((status[mine] == 1).sum() - told.skill * (status[mine] > 0).sum())
        / np.sqrt(told.skill * (1 - told.skill) * (status[mine] > 0).sum())
        for number, told in enumerate(truth.reps) if (mine := rep == number).any()
    ]
    assert np.abs(z).max() < 3.5
    assert 0.4 < np.mean(np.square(z)) < 1.8
    assert np.mean([told.skill for told in truth.reps]) == pytest.approx(1 / 3, abs=0.04)


def test_arrivals_follow_the_week_and_the_hour(data: tuple[Preset, Tables, Truth]) -> None:
    _, tables, _ = data
    created = seconds(tables, "leads", "created_at")
    days = np.bincount((created // DAY).astype(int) % 7, minlength=7)
    monday = np.roll(days, 3)  # the epoch was a Thursday
    assert monday[:5].min() > 2 * monday[5:].max()
    hours = np.bincount((created % DAY // 3600).astype(int), minlength=24)
    assert hours[9:12].mean() > 8 * hours[0:4].mean()


def test_unknown_and_missing_channels_test_leads_and_currencies_are_there(
    company: tuple[Preset, Tables, Truth]
) -> None:
    preset, tables, _ = company
    channels = tables["leads"]["channel_id"].decoded()
    assert channels.count(None) / len(channels) == pytest.approx(preset.without_channel, rel=0.25)
    assert channels.count("unknown") > 100
    assert codes(tables, "leads", "is_test").mean() == pytest.approx(preset.tests, rel=0.35)
    assert set(tables["deals"]["currency"].decoded()) == {"EUR", "USD", "GBP"}
    assert set(tables["fx_rates"]["currency"].decoded()) == {"USD", "GBP"}
    first = tables["fx_rates"]["day"].values.min()
    assert first < np.datetime64(int(preset.start), "s").astype("datetime64[D]")
    assert codes(tables, "calls", "agent_kind").mean() == pytest.approx(0.55, abs=0.02)
    assert (codes(tables, "deals", "status") == 0).sum() > 50, "some deals are open"


def test_the_demo_is_a_plausible_company(company: tuple[Preset, Tables, Truth]) -> None:
    preset, tables, truth = company
    assert preset.leads / preset.days == pytest.approx(30)
    assert len(tables["calls"]) / preset.days == pytest.approx(50, rel=0.01)
    deals, eur = tables["deals"], np.array(tables["deals"]["currency"].decoded()) == "EUR"
    assert deals["amount"].values[eur].min() >= 800
    assert deals["amount"].values[eur].max() <= 20_000
    returns = [told.roi for told in truth.channels if told.roi is not None]
    assert min(returns) == -0.6
    assert max(returns) == 4.0
    ongoing = [told for told in truth.incidents if told.end is None]
    assert ongoing == []


def test_spend_earns_what_the_preset_says_in_the_long_run() -> None:
    preset = demo(NOW, leads=60_000, days=300.0, incidents=())
    tables, truth = generate(preset)
    fx = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}
    rates = np.array([fx[str(name)] for name in tables["deals"]["currency"].decoded()])
    value = np.nan_to_num(tables["deals"]["amount"].values) * rates * (codes(tables, "deals", "status") == 1)
    lead = codes(tables, "deals", "deal_id")
    mature = seconds(tables, "leads", "created_at")[lead] < preset.end - 60 * DAY
    day = tables["spend"]["spend_day"].values.astype(np.int64) * DAY < preset.end - 60 * DAY
    prices = np.array([fx[str(name)] for name in tables["spend"]["currency"].decoded()])
    cost = tables["spend"]["amount"].values * prices
    for number, told in enumerate(truth.channels):
        if told.roi is not None:
            revenue = value[mature & (codes(tables, "leads", "channel_id")[lead] == number)].sum()
            spent = cost[day & (codes(tables, "spend", "channel_id") == number)].sum()
            assert revenue / spent == pytest.approx(1 + told.roi, rel=0.15), told.channel_id


def test_ai_answers_much_faster_than_humans(company: tuple[Preset, Tables, Truth]) -> None:
    _, tables, _ = company
    response, ai = tables["calls"]["first_response_seconds"].values, codes(tables, "calls", "agent_kind") == 1
    assert np.nanmedian(response[~ai]) > 5 * np.nanmedian(response[ai])
    assert np.isnan(response[codes(tables, "calls", "outcome") != 0]).all()


def test_the_truth_is_json_with_names(company: tuple[Preset, Tables, Truth]) -> None:
    _, _, truth = company
    told = json.loads(truth.to_json())
    assert told["until"] == NOW.isoformat()
    assert {"channel_id", "conversion", "effect", "incremental_wins"} <= told["channels"][0].keys()
    assert told["channels"][-1]["channel_id"] is None
    assert {one["kind"] for one in told["incidents"]} == {
        "call_success_drop", "latency_spike", "carrier_outage", "leads_outage", "dead_campaign", "slow_stage"}
