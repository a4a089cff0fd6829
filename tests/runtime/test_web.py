"""The HTTP server as clients see it: routes, formats, headers, addresses."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.negotiation import preferred, takes_gzip
from sales_exporter.runtime.web import serve
from tests.support.clocks import FakeClock
from tests.support.web import SERIES, Shown, ask, connected, parsed, send, site, where

pytestmark = pytest.mark.process

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PAGE = b'# HELP sales_leads Leads.\n# TYPE sales_leads gauge\nsales_leads{stage="lead"} 3\n'


def large() -> Shown:
    """More than the buffers of a connection take: 6 MB."""
    return Shown([SERIES(i * 1.37, stage=f"{i:0120}") for i in range(40_000)])


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
async def address(shown: Shown) -> AsyncIterator[tuple[str, int]]:
    async with site(shown) as found:
        yield found


async def test_metrics_are_served_as_text_to_whoever_names_no_format(address: tuple[str, int]) -> None:
    answer = await ask(address)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, TEXT, PAGE)
    assert answer.headers["content-length"] == str(len(PAGE))
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", id="prometheus 2"),
        pytest.param("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                     "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", id="prometheus 3"),
    ],
)
async def test_prometheus_gets_openmetrics_gzipped(address: tuple[str, int], accept: str) -> None:
    answer = await ask(address, headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == (OPENMETRICS, "gzip")
    assert gzip.decompress(answer.body) == PAGE + b"# EOF\n"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text"), ("*/*", "text"), ("text/html,*/*;q=0.8", "text"), ("application/json", "text"),
        ("application/openmetrics-text", "openmetrics"),
        ('APPLICATION/OpenMetrics-Text; version="1.0.0"', "openmetrics"),
        ("application/openmetrics-text;version=2.0.0", "text"), ("application/openmetrics-text;q=0", "text"),
        ("application/openmetrics-text;q=0.4, text/plain;q=0.5", "text"), ("application/openmetrics-text;q=x", "text"),
        ("text/plain;version=1.0.0;q=0.9, application/openmetrics-text;q=0.5", "openmetrics"),
        ("text/plain;q=0.2;version=0.0.4, application/openmetrics-text;q=0.3;version=1.0.0", "openmetrics"),
        (";;;,,=", "text"), ("application/openmetrics-text;q=nan", "text"),
        ("application/openmetrics-text;q=2", "text"),
    ],
)
def test_format_follows_the_quality_values(accept: str, kind: str) -> None:
    assert preferred([accept]) == kind


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("", False), ("gzip", True), ("GZIP", True), ("x-gzip", True), ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False), ("gzip;q=0, *;q=1", False), ("identity", False), ("identity;q=1, gzip;q=0.5", False),
        ("br", False), ("gzip;q=0.001", True), ("gzip;q=-1", False), ("*;q=0", False),
    ],
)
def test_gzip_follows_the_quality_values(coding: str, packed: bool) -> None:
    assert takes_gzip([coding]) is packed


@pytest.mark.parametrize("target", ["/metrics", "/", "/-/healthy", "/-/ready"])
async def test_head_has_the_headers_of_get_and_no_body(address: tuple[str, int], target: str) -> None:
    head, get = await ask(address, target, method="HEAD"), await ask(address, target)
    assert head.body == b""
    assert head.status == get.status == 200
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


async def test_health_is_200_before_the_first_pass_and_readiness_503(shown: Shown, address: tuple[str, int]) -> None:
    shown.ready = False
    assert (await ask(address, "/-/healthy")).status == 200
    early = await ask(address, "/-/ready")
    assert (early.status, early.headers["retry-after"]) == (503, "1")
    shown.ready = True
    assert (await ask(address, "/-/ready")).status == 200


async def test_collect_chooses_collectors(shown: Shown, address: tuple[str, int]) -> None:
    await ask(address, "/metrics?collect[]=funnel&collect%5B%5D=roi")
    await ask(address, "/metrics?collect[]=roi")
    assert [only for _, _, only in shown.asked] == [{"funnel", "roi"}, {"roi"}]


async def test_unknown_collector_is_refused_with_those_there_are(shown: Shown, address: tuple[str, int]) -> None:
    answer = await ask(address, "/metrics?collect[]=funnel&collect[]=%3Cscript%3E")
    assert (answer.status, answer.body) == (400, b"no such collector; there are funnel, roi\n")
    assert shown.asked == []


async def test_telemetry_path_moves_the_metrics_and_its_link(shown: Shown) -> None:
    async with site(shown, telemetry_path="/sales/metrics") as address:
        assert (await ask(address, "/sales/metrics")).body == PAGE
        assert (await ask(address, "/metrics")).status == 404
        assert b'href="/sales/metrics"' in (await ask(address, "/")).body


async def test_telemetry_path_of_another_route_is_refused(shown: Shown) -> None:
    with pytest.raises(ConfigError, match=r"^web\.telemetry_path: /-/ready is taken$"):
        await serve(shown, Web(listen_address=("127.0.0.1:0",), telemetry_path="/-/ready"))


async def test_connection_is_kept_for_the_next_scrape(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(PAGE)) == PAGE
            assert parsed(head).status == 200


async def test_large_page_arrives_whole() -> None:
    shown = Shown([SERIES(i * 1.37, stage=f"stage-{i}") for i in range(20_000)])
    async with site(shown) as address:
        plain, packed = await ask(address), await ask(address, headers={"Accept-Encoding": "gzip"})
        assert plain.body == shown.exposition("text", False, None)
        assert gzip.decompress(packed.body) == plain.body


async def test_scrapes_above_the_limit_get_503_until_one_has_ended() -> None:
    shown = large()
    async with site(shown, max_requests=1) as address:
        async with connected(address, limit=1024) as (reader, writer):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            refused = await ask(address)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert (await ask(address, "/-/healthy")).status == 200
        async with asyncio.timeout(5):
            while (await ask(address, method="HEAD")).status == 503:
                pass


async def test_listens_on_all_addresses(shown: Shown) -> None:
    addresses = ("127.0.0.1:0", "localhost:0", *(("[::1]:0",) if socket.has_dualstack_ipv6() else ()))
    running = await serve(shown, Web(listen_address=addresses))
    try:
        assert len(running.addresses) >= len(addresses)
        for text in running.addresses:
            host, _, port = text.rpartition(":")
            assert (await ask((host.strip("[]"), int(port)))).body == PAGE
    finally:
        await running.close()


@pytest.mark.parametrize("address", [":0", "[::]:0", "0.0.0.0:0"])
async def test_wildcard_takes_ipv4(shown: Shown, address: str) -> None:
    async with site(shown, listen_address=(address,)) as (_, port):
        assert (await ask(("127.0.0.1", port))).status == 200


async def test_busy_port_is_named(shown: Shown) -> None:
    async with site(shown) as (host, port):
        with pytest.raises(ConfigError, match=rf"^web\.listen_address: {host}:{port} is in use$"):
            await serve(shown, Web(listen_address=(f"{host}:{port}",)))


async def test_busy_port_frees_those_taken_before(shown: Shown) -> None:
    async with site(shown) as (host, port):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        with pytest.raises(ConfigError):
            await serve(shown, Web(listen_address=(f"127.0.0.1:{free}", f"{host}:{port}")))
        async with site(shown, listen_address=(f"127.0.0.1:{free}",)) as again:
            assert (await ask(again)).status == 200


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("18880", "is not host:port"), ("127.0.0.1", "is not host:port"), ("127.0.0.1:", "is not host:port"),
        ("127.0.0.1:99999", "is not host:port"), ("127.0.0.1:http", "is not host:port"), ("::1:80", "is not host:port"),
        ("http://127.0.0.1:80", "is not host:port"), ("no-such-host.invalid:0", "there is no such host"),
        ("192.0.2.1:0", "is no address of this machine"),
    ],
)
async def test_r18_listen_address_that_cannot_be_used_is_one_line(shown: Shown, address: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await serve(shown, Web(listen_address=(address,)))
    assert message in str(caught.value)
    assert str(caught.value).startswith("web.listen_address: ")
    assert "\n" not in str(caught.value)


async def test_r17_close_ends_in_time_although_clients_hold_on() -> None:
    shown = large()
    running = await serve(shown, Web(listen_address=("127.0.0.1:0",)))
    async with connected(where(running), limit=1024) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(5):
            await running.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(where(running))


async def test_s6_pages_have_strict_headers_and_no_version(address: tuple[str, int]) -> None:
    answers = [await ask(address, target) for target in ("/metrics", "/", "/-/healthy", "/nothing")]
    answers.append(await send(address, b"GARBAGE\r\n\r\n"))
    for answer in answers:
        assert answer.headers["server"] == "sales-exporter"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "deny"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("target", ["/metrics", "/", "/-/healthy", "/-/ready"])
async def test_s6_pages_take_get_and_head_only(address: tuple[str, int], method: str, target: str) -> None:
    answer = await ask(address, target, method=method)
    assert (answer.status, answer.headers.get("allow")) == (405, "GET, HEAD")


async def test_s6_reload_is_refused_unless_enabled(shown: Shown, address: tuple[str, int]) -> None:
    assert (await ask(address, "/-/reload", method="POST")).status == 403
    assert (await ask(address, "/-/reload")).status == 405
    assert shown.reloads == 0


async def test_s6_reload_is_refused_without_authentication_though_enabled(shown: Shown) -> None:
    async with site(shown, enable_lifecycle=True) as address:
        answer = await ask(address, "/-/reload", method="POST")
    assert answer.status == 403
    assert b"basic_auth_users" in answer.body
    assert shown.reloads == 0


async def test_s6_loopback_is_the_default(shown: Shown) -> None:
    assert Web().listen_address == ("127.0.0.1:18880",)


async def test_s1_refusals_are_logged_by_route_without_query_or_path(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await ask(address, "/secret-path?token=canary-1", headers={"Authorization": "Basic canary-2"})
        await ask(address, "/metrics?collect[]=canary-3&token=canary-1")
    told = [(record.route, record.status) for record in caplog.records if record.message == "request refused"]  # type: ignore[attr-defined]
    assert told == [("unmatched", 404), ("/metrics", 400)]
    assert not any(word in str(vars(record)) for record in caplog.records for word in ("canary", "secret-path"))


async def test_refusals_are_logged_once_a_minute_with_their_number(
    shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with site(shown, clock=clock) as address:
        for _ in range(5):
            await ask(address, "/nothing")
        await clock.advance(61)
        await ask(address, "/nothing")
    counts = [record.requests for record in caplog.records if record.message == "request refused"]  # type: ignore[attr-defined]
    assert counts == [1, 5]


async def test_defect_of_ours_is_500_without_detail_and_ends_no_server(
    shown: Shown, address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("canary")

    shown.exposition = broken  # type: ignore[method-assign]
    answer = await ask(address)
    assert (answer.status, answer.body) == (500, b"internal error\n")
    assert (await ask(address, "/-/healthy")).status == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["request failed"]


async def test_landing_page_shows_collectors_in_order_of_need(shown: Shown, address: tuple[str, int]) -> None:
    shown.passes = {
        "funnel": Pass(60.0, success=True, duration=0.1, last_success=0.0, series=1234, finished=True),
        "roi": Pass(60.0, success=False, reason="deadline", detail="took <b>long</b>", finished=True),
        "reps": Pass(60.0, reason="absent", detail="needs sales.reps", finished=True),
        "models": Pass(300.0),
    }
    page = (await ask(address, "/")).body.decode()
    assert [name for name in sorted(shown.passes, key=lambda name: page.index(f">{name}</a>"))] == [  # noqa: C416
        "roi", "models", "reps", "funnel"]
    assert "failing: deadline" in page
    assert "took &lt;b&gt;long&lt;/b&gt;" in page
    assert "1,234" in page
    assert ">waiting<" in page
    assert "Replay" not in page


async def test_landing_page_says_that_a_moment_of_the_past_is_shown(shown: Shown, address: tuple[str, int]) -> None:
    shown.replay, shown.as_of = True, 1_527_811_200.0
    assert "evaluated at 2018-06-01 00:00:00 UTC" in (await ask(address, "/")).body.decode()


async def test_landing_page_is_allowed_exactly_its_own_style(address: tuple[str, int]) -> None:
    answer = await ask(address, "/")
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert "style=" not in answer.body.decode()
    assert "<script" not in answer.body.decode()
