"""Limits on series, and running totals that dip."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.model import counter, gauge
from sales_exporter.runtime.guard import OTHER, Totals, bound

LEADS = gauge("sales_funnel_leads", "Leads.", "channel", "stage")
RATIO = gauge("sales_funnel_step_ratio", "Share.", "channel")
CALLS = counter("sales_calls_total", "Calls.", "outcome")


def test_series_within_the_limits_pass_unchanged() -> None:
    samples = [LEADS(1, channel="a", stage="lead"), RATIO(0.5, channel="a")]
    assert bound(samples, 10, 100).samples == tuple(samples)


def test_r12_what_has_no_labels_or_no_room_is_left_out() -> None:
    alone = gauge("sales_alone", "One series.")
    assert bound([LEADS(1, channel="a", stage="lead"), alone(2)], 10, 1).samples == (
        LEADS(1, channel="a", stage="lead"),)
    assert bound([alone(2), LEADS(1, channel="a", stage="lead")], 10, 1).samples == (alone(2),)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_r12_merging_keeps_the_sum_of_what_can_be_summed(values: list[int]) -> None:
    samples = [LEADS(value, channel=f"c{i}", stage="lead") for i, value in enumerate(values)]
    bounded = bound(samples, 10, 1000)
    assert len(bounded.samples) <= 10
    assert sum(float(s.value) for s in bounded.samples) == sum(values)  # type: ignore[arg-type]
    assert sum(bounded.overflow.values()) == len(samples) - len(bounded.samples)


def test_r12_the_largest_keep_their_name_and_the_rest_is_other() -> None:
    samples = [LEADS(i, channel=f"c{i}", stage="lead") for i in range(20)]
    names = {sample.labels[0] for sample in bound(samples, 5, 100).samples}
    assert names == {"c19", "c18", "c17", "c16", OTHER}


def test_r12_what_cannot_be_summed_is_left_out_and_counted() -> None:
    bounded = bound([RATIO(0.5, channel=f"c{i}") for i in range(20)], 5, 100)
    assert OTHER not in {sample.labels[0] for sample in bounded.samples}
    assert bounded.overflow == {"channel": 20 - len(bounded.samples)}


def test_r12_many_labels_end_as_the_limit() -> None:
    bounded = bound((CALLS(1, outcome=str(i)) for i in range(25_000)), 1000, 20_000)
    assert len(bounded.samples) == 1000
    assert sum(float(s.value) for s in bounded.samples) == 25_000  # type: ignore[arg-type]


def test_r8_a_single_dip_of_a_running_total_is_held_back_and_counted() -> None:
    totals = Totals()
    passes = [[CALLS(value, outcome="busy")] for value in (10, 4, 11)]
    assert [totals.steady(samples)[0].value for samples in passes] == [10, 10, 11]
    assert totals.dips == 1


def test_r8_a_total_that_stays_low_is_a_reset() -> None:
    totals = Totals()
    passes = [[CALLS(value, outcome="busy")] for value in (10, 4, 5, 6)]
    assert [totals.steady(samples)[0].value for samples in passes] == [10, 10, 5, 6]
    assert totals.dips == 1
