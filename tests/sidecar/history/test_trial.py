"""What a trial of a watch finds, from the answers to its queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sales_exporter.errors import DeadlineExceeded, SourceError
from sales_exporter.sidecar.history.answers import Notes, Vector
from sales_exporter.sidecar.history.client import QueryRejected
from sales_exporter.sidecar.history.trial import Known, examined
from sales_exporter.sidecar.watches.watch import Watch

KNOWN = Known({"load", "jobs_total", "wait_bucket", "size"}, {"jobs_total": "counter", "wait": "histogram"})
ONE = Vector(((("__name__", "load"), ("host", "a")),), np.array([1.0]))
NOTHING = Vector((), np.array([]))


def codes(answer: Vector | SourceError = ONE, query: str = "load", others: dict[str, Any] | None = None,
          **keys: Any) -> list[str]:
    """Codes of the troubles of a watch."""
    watch = Watch(name="one", query=query, **keys)
    return [trouble.code for trouble in examined(watch, {"query": answer, **(others or {})}, KNOWN)]


def test_a_sound_watch_has_no_trouble() -> None:
    assert codes(by=["host"]) == []


def test_no_series_of_a_known_metric() -> None:
    assert codes(NOTHING) == ["no_data"]


def test_a_metric_that_nobody_has() -> None:
    assert codes(NOTHING, "laod") == ["unknown_metric"]


def test_values_that_are_all_nan() -> None:
    assert codes(Vector(ONE.labels, np.array([np.nan]))) == ["only_nan"]


def test_a_label_of_the_entity_that_no_series_has() -> None:
    assert codes(by=["route"]) == ["label_missing"]


def test_more_series_than_are_taken() -> None:
    many = Vector(tuple((("host", str(number)),) for number in range(3)), np.zeros(3))
    assert codes(many, series=2) == ["too_many_series"]


@pytest.mark.parametrize(("query", "found"), [
    ("jobs_total", True), ("sum(jobs_total)", True), ("avg_over_time(jobs_total[5m])", True), ("wait_bucket", True),
    ("delta(jobs_total[5m])", True), ("other_total", True),
    ("rate(jobs_total[5m])", False), ("sum(increase(wait_bucket[1h]))", False), ("size", False), ("load", False),
])
def test_a_counter_that_is_not_read_through_its_growth(query: str, found: bool) -> None:
    assert codes(query=query) == ["counter_without_rate"] * found


def test_a_query_that_is_rejected() -> None:
    assert codes(QueryRejected("HTTP 400: parse error")) == ["query_rejected"]


def test_a_query_that_takes_too_long() -> None:
    assert codes(DeadlineExceeded("no answer within 10 s")) == ["query_deadline"]


def test_a_denominator_that_is_rejected_or_has_other_labels() -> None:
    ratio = {"kind": "ratio", "denominator": "size"}
    assert codes(others={"denominator": QueryRejected("HTTP 400")}, **ratio) == ["query_rejected"]
    other = Vector(((("host", "b"),),), np.array([1.0]))
    assert codes(others={"denominator": other}, **ratio) == ["labels_differ"]
    same = Vector(((("host", "a"),),), np.array([1.0]))
    assert codes(others={"denominator": same}, **ratio) == []


def test_what_the_server_says_is_passed_on() -> None:
    assert codes(Vector(ONE.labels, ONE.values, Notes(False, ("PromQL info: x",)))) == ["server_note"]


def test_each_trouble_comes_with_a_remedy() -> None:
    watch = Watch(name="one", query="jobs_total", by=("route",))
    found = list(examined(watch, {"query": ONE}, KNOWN))
    assert [trouble.remedy for trouble in found] == [
        "Read it as rate(jobs_total[5m]) or increase(jobs_total[1h]).",
        "Add route to the by (…) of the query, or take it out of by."]
