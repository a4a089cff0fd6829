"""What the fleet publishes of each series and of the budget."""

from __future__ import annotations

import math

from sales_exporter.model import Sample
from sales_exporter.sidecar.fleet import metrics
from sales_exporter.sidecar.fleet.metrics import Judged, Standing, samples
from sales_exporter.sidecar.series import SeriesId

NAN = math.nan
EMAIL = SeriesId("leads", (("channel", "email"), ("stage", "won")))
STANDING = Standing(per_week=1.0, last_week=2, total=7, level=math.log(1e6))


def found(*judged: Judged, standing: Standing = STANDING) -> dict[tuple[str, ...], object]:
    return {(one.metric.name, *one.labels): one.value for one in samples(judged, standing)}


def test_a_series_that_alarms_shows_its_band_and_its_confidence() -> None:
    where = ("leads", 'channel="email",stage="won"')
    got = found(Judged(EMAIL, 3, 50, 40, 60, 0.7, True, 0.25))
    assert {key: value for key, value in got.items() if len(key) == 3} == {
        ("sales_anomaly_level", *where): 3, ("sales_anomaly_expected", *where): 50, ("sales_anomaly_lower", *where): 40,
        ("sales_anomaly_upper", *where): 60, ("sales_anomaly_score", *where): 0.7, ("sales_anomaly_active", *where): 1,
        ("sales_anomaly_confidence_ratio", *where): 0.75,
    }


def test_what_is_not_known_is_absent() -> None:
    got = found(Judged(SeriesId("leads"), NAN, NAN, NAN, NAN, 0, False, 1))
    assert {key: value for key, value in got.items() if len(key) == 3} == {
        ("sales_anomaly_score", "leads", ""): 0, ("sales_anomaly_active", "leads", ""): 0}


def test_the_budget_shows_how_it_stands() -> None:
    got = found()
    assert got.pop(("sales_anomaly_threshold",)) == math.exp(-math.log(1e6))
    assert got == {("sales_false_alarm_budget_per_week",): 1, ("sales_false_alarm_budget_spent",): 2,
                   ("sales_anomaly_pages_total",): 7}


def test_without_a_threshold_none_is_shown() -> None:
    assert ("sales_anomaly_threshold",) not in found(standing=Standing(1, 0, 0, math.inf))


def test_labels_as_text_are_quoted() -> None:
    assert SeriesId("x", (("a", 'b"c\\d'),)).text == r'a="b\"c\\d"'
    assert SeriesId("x").text == ""


def test_long_labels_stay_different() -> None:
    one, other = (SeriesId("x", (("a", "y" * 200 + end),)) for end in "12")
    assert len(one.text) == 128
    assert one.text != other.text


def test_every_metric_is_listed() -> None:
    judged = [Judged(EMAIL, 3, 50, 40, 60, 0.7, True, 0.25)]
    shown: list[Sample] = list(samples(judged, STANDING))
    assert {one.metric for one in shown} <= set(metrics.METRICS)
    assert len({metric.name for metric in metrics.METRICS}) == len(metrics.METRICS)
