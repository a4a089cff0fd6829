"""What goes wrong in generated data does so where the truth says: models, stages, calls, campaigns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from sales_exporter.demo.generator import Preset, Tables, Truth, benchmark, demo, generate
from sales_exporter.demo.generator.preset import DAY
from tests.demo.generated import auc, codes, epoch, matured, seconds, waits, window

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
STAGES = ("lead", "contact", "qualified", "proposal", "won", "lost")


@pytest.fixture(scope="module")
def data() -> tuple[Preset, Tables, Truth]:
    preset = benchmark(40_000)
    return (preset, *generate(preset))


def test_a_slowed_stage_is_slower_by_its_factor_from_its_first_moment_on() -> None:
    slow = next(one for one in benchmark(1).incidents if one.kind == "slow_stage")
    preset = replace(benchmark(60_000), incidents=(replace(slow, days_before=360.0),))
    tables, truth = generate(preset)
    start = epoch(truth.incidents[0].start)
    entered, wait = waits(tables, preset, STAGES.index("proposal"))
    before, after = np.median(wait[entered < start]), np.median(wait[entered >= start])
    assert after / before == pytest.approx(1.5, rel=0.05)
    other, unchanged = waits(tables, preset, STAGES.index("qualified"))
    assert np.median(unchanged[other >= start]) / np.median(unchanged[other < start]) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("model", [0, 1])
def test_scores_are_calibrated_before_the_drift(data: tuple[Preset, Tables, Truth], model: int) -> None:
    preset, tables, _ = data
    when, score, label = matured(tables, preset, model)
    quiet = when < preset.end - 125 * DAY
    score, label = score[quiet], label[quiet]
    for part in np.array_split(np.argsort(score), 10):
        sigma = np.sqrt((score[part] * (1 - score[part])).sum()) / len(part)
        assert abs(label[part].mean() - score[part].mean()) < 3.5 * sigma


def test_the_drift_begins_on_its_day() -> None:
    preset = demo(NOW, leads=20_000, days=120.0, incidents=())
    preset = replace(preset, models=tuple(
        replace(model, drift_days_before=70.0 if model.name == "lead-score" else None, releases=(0.0, 0.1)[
            : len(model.versions)]) for model in preset.models))
    tables, truth = generate(preset)
    day = epoch(next(one.drift for one in truth.models if one.drift is not None))
    assert day % DAY == 0
    when, score, label = matured(tables, preset, 0)
    weeks = [(when >= day + 7 * DAY * week) & (when < day + 7 * DAY * (week + 1)) for week in range(-5, 5)]
    before, after = weeks[:5], weeks[5:]
    assert min(auc(score[mine], label[mine]) for mine in before) > max(auc(score[mine], label[mine]) for mine in after)
    old, new = (np.logical_or.reduce(part) for part in (before, after))
    assert auc(score[old], label[old]) - auc(score[new], label[new]) > 0.1
    assert label[new].mean() == pytest.approx(label[old].mean(), rel=0.12), "the base rate stays: a pure concept drift"


def test_incidents_are_visible_where_the_truth_says() -> None:
    preset = demo(NOW, leads=30_000, days=60.0)
    tables, truth = generate(preset)
    created = seconds(tables, "leads", "created_at")
    _, start, end = window(truth, "leads_outage")
    assert not ((created >= start) & (created < end)).any()
    assert ((created >= start - (end - start)) & (created < start)).sum() > 20
    started, ai = seconds(tables, "calls", "started_at"), codes(tables, "calls", "agent_kind") == 1
    _, start, end = window(truth, "latency_spike")
    during = (started >= start) & (started < end)
    response = tables["calls"]["first_response_seconds"].values
    assert np.nanmedian(response[during & ai]) > 5 * np.nanmedian(response[~during & ai])
    assert np.nanmedian(response[during & ~ai]) < 2 * np.nanmedian(response[~during & ~ai])
    subject, start, end = window(truth, "carrier_outage")
    carrier = tables["calls"]["carrier"].decoded()
    failed = (codes(tables, "calls", "outcome") == 3) & (np.array(carrier) == subject)
    during = (started >= start) & (started < end) & (np.array(carrier) == subject)
    assert failed[during].mean() > 0.5


def test_the_success_of_ai_calls_drops_for_six_hours() -> None:
    preset = replace(demo(NOW, leads=30_000, days=60.0), calls_per_lead=3.0)
    tables, truth = generate(preset)
    _, start, end = window(truth, "call_success_drop")
    assert end - start == 6 * 3600
    started, ai = seconds(tables, "calls", "started_at"), codes(tables, "calls", "agent_kind") == 1
    label = {int(call): verdict for call, verdict in zip(
        codes(tables, "call_judgements", "call_id"), codes(tables, "call_judgements", "success"), strict=True)}
    known = codes(tables, "calls", "success")
    known = np.array([label.get(number, int(one)) for number, one in enumerate(known)])
    during = (started >= start) & (started < end) & (known >= 0)
    around = (started >= start - 7 * DAY) & (started < start) & (known >= 0)
    assert known[during & ai].mean() < 0.6 * known[around & ai].mean()
    assert known[during & ~ai].mean() > 0.7 * known[around & ~ai].mean()


def test_a_dead_campaign_goes_on_costing_and_brings_no_lead() -> None:
    tables, truth = generate(demo(NOW))
    subject, start, end = window(truth, "dead_campaign")
    created, campaign = seconds(tables, "leads", "created_at"), np.array(tables["leads"]["campaign_id"].decoded())
    assert (campaign == subject).sum() > 20
    assert not ((campaign == subject) & (created >= start) & (created < end)).any()
    day = tables["spend"]["spend_day"].values.astype(np.int64) * DAY
    dead = (np.array(tables["spend"]["campaign_id"].decoded()) == subject) & (day >= start) & (day < end)
    assert dead.sum() == (end - start) / DAY
    assert (tables["spend"]["amount"].values[dead] > 0).all()
