"""What a metric with too many label sets makes of the next one."""

from __future__ import annotations

from sales_exporter.instrumentation.http import HttpMeter
from sales_exporter.instrumentation.meter import Meter


def test_a_folded_request_that_did_not_fail_is_no_error():
    meter = Meter(limit=1)
    http = HttpMeter(meter)
    for route, status, error in (("/", 200, ""), ("/a", 200, ""), ("/b", 500, "KeyError")):
        http.exchange("GET", route, status, "http", error)
    found = {sample.labels for sample in meter.samples() if sample.metric is http.duration.metric}
    assert found == {("GET", "/", "200", "http", ""), ("GET", "(other)", "200", "http", ""),
                     ("GET", "(other)", "500", "http", "(other)")}
