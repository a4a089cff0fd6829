"""One page of a meter and of a registry of prometheus_client: valid, complete, in both formats."""

from __future__ import annotations

import asyncio
import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sales_exporter.instrumentation.http import DURATION, HttpMeter
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.pages import Exposition, MeterCollector
from sales_exporter.instrumentation.store import LocalStore
from sales_exporter.model import Exemplar, Sample, counter, gauge
from sales_exporter.runtime.exposition import Format
from tests.support.binaries import Program, promtool  # noqa: F401  (a fixture)

FORMATS: tuple[Format, ...] = ("text", "openmetrics")
ORDERS = counter("shop_orders_total", "Orders.", "channel")
WAITING = gauge("shop_waiting", "Orders that wait.", "channel")
LEADS = ("GET", "/leads/{id}", "200", "http")


def filled() -> Meter:
    """A meter with all three kinds, and label values that need care."""
    meter = Meter()
    cells, _ = HttpMeter(meter).exchange("GET", "/leads/{id}", 200, "http", "")
    cells.duration[3] += 2
    cells.duration[12] += 0.1
    meter.family(ORDERS).cell('a "b"\\c\nd')[0] += 3
    meter.family(WAITING).cell("phone")[0] += 2.5
    return meter


def application() -> CollectorRegistry:
    """A registry with all kinds of an application's own."""
    registry = CollectorRegistry()
    prometheus_client.Counter("app_jobs", "Jobs.", ["queue"], registry=registry).labels("mail").inc(
        2, exemplar={"trace_id": "abc"})
    prometheus_client.Gauge("app_heat_celsius", "Heat.", unit="celsius", registry=registry).set(21.5)
    prometheus_client.Summary("app_size", "Size.", registry=registry).observe(3)
    prometheus_client.Histogram("app_wait_seconds", "Wait.", registry=registry).observe(0.3, {"trace_id": "def"})
    prometheus_client.Info("app_build", "Build.", registry=registry).info({"version": "1.2"})
    prometheus_client.Enum("app_state", "State.", states=["up", "down"], registry=registry).state("down")
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)
    return registry


def parsed(kind: Format, page: bytes) -> dict[str, Any]:
    """The families of a page by name, read by the parser of its format; no family is there twice."""
    parse = parse_openmetrics if kind == "openmetrics" else parse_text
    families = list(parse(page.decode()))
    heads = re.findall(rb"^# TYPE (\S+)", page, re.MULTILINE)
    assert len(heads) == len(set(heads))
    return {family.name: family for family in families}


@pytest.mark.parametrize("kind", FORMATS)
def test_one_page_holds_ours_and_the_application_s(kind: Format) -> None:
    families = parsed(kind, Exposition(filled(), application()).render(kind, packed=False))
    assert {"http_server_request_duration_seconds", "shop_orders", "shop_waiting", "app_jobs", "app_heat_celsius",
            "app_size", "app_wait_seconds", "process_cpu_seconds", "python_info"} <= families.keys()
    assert families["shop_orders"].samples[0].labels == {"channel": 'a "b"\\c\nd'}
    assert families["shop_orders"].samples[0].value == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_application_counts_is_what_prometheus_client_writes(kind: Format) -> None:
    registry = application()
    generate = generate_openmetrics if kind == "openmetrics" else generate_latest
    wanted = {line for line in generate(registry).splitlines() if line.startswith((b"app_", b"# TYPE app_", b"# UNIT"))}
    page = Exposition(filled(), registry).render(kind, packed=False)
    assert wanted <= set(page.splitlines())
    assert (b'app_jobs_total{queue="mail"} 2.0 # {trace_id="abc"} 2.0 ' in page) == (kind == "openmetrics")


@pytest.mark.parametrize("kind", FORMATS)
def test_packed_is_the_same_page_gzipped(kind: Format) -> None:
    exposition = Exposition(filled(), None)
    plain = exposition.render(kind, packed=False)
    assert gzip.decompress(exposition.render(kind, packed=True)) == plain
    assert (plain.count(b"# EOF\n"), plain.endswith(b"# EOF\n")) == ((1, True) if kind == "openmetrics" else (0, False))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.slow
def test_families_of_many_series_are_whole(kind: Format) -> None:
    meter = Meter(limit=5000)
    http = HttpMeter(meter)
    for number in range(300):
        if number < 60:
            http.exchange("GET", f"/r{number}", 200, "http", "")[0].sent[1] += number
        meter.family(WAITING).cell(str(number))[0] += number
        meter.family(ORDERS).cell(str(number))[0] += number
    exposition = Exposition(meter, None)
    for _ in range(2):
        families = parsed(kind, exposition.render(kind, packed=False))
        assert len(families["http_server_response_body_size_bytes"].samples) == 60 * 10
        assert {s.labels["channel"]: s.value for s in families["shop_waiting"].samples} == {
            str(number): float(number) for number in range(300)}
        assert len(families["shop_orders"].samples) == 300


def test_exemplars_of_ours_are_behind_their_buckets_in_openmetrics_only() -> None:
    meter = filled()
    meter.exemplify(DURATION, (*LEADS, ""), 4, Exemplar("trace_id", "0af7", 0.07, 1700000000.25))
    exposition = Exposition(meter, None)
    assert b"trace_id" not in exposition.render("text", packed=False)
    family = parsed("openmetrics", exposition.render("openmetrics", packed=False))[DURATION.name]
    shown = {s.labels["le"]: s.exemplar for s in family.samples if s.exemplar}
    assert list(shown) == ["0.1"]
    assert (shown["0.1"].labels, shown["0.1"].value, float(shown["0.1"].timestamp)) == (
        {"trace_id": "0af7"}, 0.07, 1700000000.25)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_family_of_the_registry_that_has_a_name_of_ours_is_left_out(kind: Format) -> None:
    registry, meter = CollectorRegistry(), filled()
    registry.register(MeterCollector(meter))
    prometheus_client.Gauge("shop_orders", "Another.", registry=registry).set(9)
    families = parsed(kind, Exposition(meter, registry).render(kind, packed=False))
    assert [sample.value for sample in families["shop_orders"].samples] == [3]


class Shared(LocalStore):
    """A store that tells of processes, as one that is shared by workers does."""

    def extra(self) -> Iterator[Sample]:
        """One of them."""
        yield gauge("process_resident_memory_bytes", "Memory.", "pid")(7, pid="1")


@pytest.mark.parametrize("kind", FORMATS)
def test_where_workers_share_the_meter_the_process_of_the_registry_is_left_out(kind: Format) -> None:
    meter = Meter(Shared())
    families = parsed(kind, Exposition(meter, application()).render(kind, packed=False))
    assert [name for name in families if name.startswith("process_")] == ["process_resident_memory_bytes"]
    assert "python_info" in families
    registry = CollectorRegistry()
    registry.register(MeterCollector(meter))
    assert b"process_" not in generate_latest(registry)


class Broken:
    """A collector that fails half way."""

    def collect(self) -> Iterator[Any]:
        """One family, then none."""
        yield CounterMetricFamily("before", "Before.", value=1)
        raise RuntimeError("no database")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_collector_of_the_application_that_fails_leaves_the_rest(kind: Format) -> None:
    registry, meter = CollectorRegistry(), filled()
    registry.register(Broken())
    exposition = Exposition(meter, registry)
    assert {"before", "shop_orders"} <= parsed(kind, exposition.render(kind, packed=False)).keys()
    families = parsed(kind, exposition.render(kind, packed=False))
    assert families["instrumentation_errors"].samples[0].labels == {"where": "registry"}


def test_a_family_that_cannot_be_written_leaves_the_others() -> None:
    class Odd:
        def collect(self) -> Iterator[Any]:
            family = CounterMetricFamily("odd", "Odd.")
            family.add_metric([], "many")  # type: ignore[arg-type]
            yield family
            yield CounterMetricFamily("even", "Even.", value=2)

    registry = CollectorRegistry()
    registry.register(Odd())
    assert parsed("openmetrics", Exposition(filled(), registry).render("openmetrics", False)).keys() >= {"even"}


@pytest.mark.slow
def test_pages_in_many_threads_at_once_are_whole() -> None:
    meter = filled()
    for number in range(900):
        meter.family(WAITING).cell(str(number))[0] += number
    exposition = Exposition(meter, None)
    wanted = {kind: exposition.render(kind, packed=False) for kind in FORMATS}
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda number: exposition.render(FORMATS[number % 2], packed=False), range(40)))
    assert all(page == wanted[FORMATS[number % 2]] for number, page in enumerate(pages))


async def test_pages_on_an_event_loop_are_whole_though_one_scraper_leaves() -> None:
    meter = filled()
    for number in range(900):
        meter.family(WAITING).cell(str(number))[0] += number
    exposition = Exposition(meter, None)
    wanted = exposition.render("text", packed=False)
    leaving = asyncio.create_task(exposition.page("text", packed=False))
    await asyncio.sleep(0)
    staying = [asyncio.create_task(exposition.page("text", packed=False)) for _ in range(5)]
    await asyncio.sleep(0)
    leaving.cancel()
    assert [await page for page in staying] == [wanted] * 5


async def test_a_small_page_is_the_same_on_the_loop_and_off_it() -> None:
    exposition = Exposition(filled(), None)
    pages = [await exposition.page("openmetrics", packed=False) for _ in range(4)]
    assert pages == [exposition.render("openmetrics", packed=False)] * 4


@pytest.mark.process
def test_a_page_is_written_in_a_process_that_was_forked() -> None:
    code = """
import asyncio, os
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.pages import Exposition
from sales_exporter.model import gauge
meter = Meter(limit=3000)
for number in range(3000):
    meter.family(gauge("shop_waiting", "Waiting.", "channel")).cell(str(number))
exposition = Exposition(meter, None)
asyncio.run(exposition.page("openmetrics", False))
pid = os.fork()
if not pid:
    asyncio.run(asyncio.wait_for(exposition.page("openmetrics", False), 10))
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "7"


def shown(sample: Any) -> str:
    """A sample as text, whole numbers like others."""
    return f"{sample.name} {sorted(sample.labels.items())} {float(sample.value)} {sample.exemplar}"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_registry_shows_a_meter_once_though_it_is_registered_twice(kind: Format) -> None:
    registry = CollectorRegistry(auto_describe=True)
    meter = filled()
    meter.exemplify(DURATION, (*LEADS, ""), 4, Exemplar("trace_id", "0af7", 0.07, 1700000000.25))
    for _ in range(2):
        registry.register(MeterCollector(meter))
    theirs = generate_openmetrics(registry) if kind == "openmetrics" else generate_latest(registry)
    ours = Exposition(meter, None).render(kind, packed=False)
    found, wanted = parsed(kind, theirs), parsed(kind, ours)
    assert found.keys() == wanted.keys()
    for name, family in wanted.items():
        assert sorted(map(shown, found[name].samples)) == sorted(map(shown, family.samples))
        assert (found[name].type, found[name].documentation) == (family.type, family.documentation)


@pytest.mark.stack
def test_promtool_finds_nothing_wrong_with_a_page(promtool: Program) -> None:  # noqa: F811
    registry = CollectorRegistry()
    prometheus_client.Counter("app_jobs_total", "Jobs.", registry=registry).inc()
    meter = Meter()
    HttpMeter(meter).exchange("GET", "/leads/{id}", 200, "http", "")
    page = Exposition(meter, registry).render("text", packed=False)
    done = subprocess.run([promtool.path, "check", "metrics"], input=page, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
