"""The behaviour table of the ASGI middleware, on Starlette and on FastAPI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import LocalStore
from tests.instrumentation.driving import Driven
from tests.instrumentation.shops import FRAMEWORKS, Shop

LEAD = "/api/v1/leads/{lead_id}"


@pytest.fixture(params=[pytest.param("fastapi", marks=pytest.mark.slow), "starlette"])
def framework(request: pytest.FixtureRequest) -> str:
    """The name of a framework."""
    return str(request.param)


@pytest.fixture
def shop() -> Shop:
    """The endpoints."""
    return Shop()


@pytest.fixture
def driven(framework: str, shop: Shop) -> Driven:
    """The application behind the middleware."""
    return Driven(FRAMEWORKS[framework](shop))


async def test_a_request_counts_under_its_template_with_all_prefixes(driven: Driven) -> None:
    for lead in ("1", "2", "3"):
        assert (await driven.request("GET", f"/api/v1/leads/{lead}")).body == b"ok"
    assert driven.durations == {("GET", LEAD, "200", "http", ""): 3}
    where = ("GET", LEAD, "200", "http")
    assert driven.counts("http_server_time_to_first_byte_seconds") == {where: 3}
    assert driven.sums("http_server_response_body_size_bytes") == {where: 6}
    assert driven.active == 0


async def test_mounts_count_with_their_templates(driven: Driven) -> None:
    for path in ("/crm/deals/7", "/tenants/acme/deals/7", "/tenants/globex/deals/8"):
        assert (await driven.request("GET", path)).status == 200
    assert driven.durations == {
        ("GET", "/crm/deals/{deal_id}", "200", "http", ""): 1,
        ("GET", "/tenants/{tenant}/deals/{deal_id}", "200", "http", ""): 2}


async def test_an_application_of_another_kind_counts_as_its_mount(driven: Driven) -> None:
    assert (await driven.request("GET", "/legacy/a/b")).body == b"legacy"
    assert (await driven.request("GET", "/legacy/c")).body == b"legacy"
    assert driven.durations == {("GET", "/legacy", "200", "http", ""): 2}


async def test_the_path_prefix_of_the_server_is_no_part_of_a_template(driven: Driven) -> None:
    await driven.request("GET", "/behind/api/v1/leads/1", root_path="/behind")
    assert driven.durations == {("GET", LEAD, "200", "http", ""): 1}


async def test_paths_without_a_route_make_one_series(driven: Driven) -> None:
    for i in range(300):
        assert (await driven.request("GET", f"/scan/{i}.php")).status == 404
    assert driven.durations == {("GET", "unmatched", "404", "http", ""): 300}


async def test_a_method_that_a_route_has_not_counts_under_the_route_or_none(driven: Driven) -> None:
    assert (await driven.request("DELETE", "/api/v1/leads/1")).status == 405
    ((method, route, status, _, error), n), = driven.durations.items()
    assert (method, status, error, n) == ("DELETE", "405", "", 1)
    assert route in (LEAD, "unmatched")


async def test_invented_methods_and_hosts_make_no_series(driven: Driven) -> None:
    await driven.request("GET", "/api/v1/leads/1")
    before = driven.series
    for i in range(50):
        await driven.request("GET", "/api/v1/leads/1", headers=[(b"host", b"h%d.example" % i)])
    assert driven.series == before
    for i in range(50):
        await driven.request(f"VERB{i}", "/api/v1/leads/1")
    assert driven.series - before <= 9
    assert {labels[0] for labels in driven.durations} == {"GET", "_OTHER"}
    assert sum(driven.durations.values()) == 101


async def test_an_unhandled_exception_counts_as_500_with_its_class_and_goes_on(driven: Driven) -> None:
    answer = await driven.request("GET", "/boom")
    assert isinstance(answer.error, RuntimeError)
    (labels, n), = driven.durations.items()
    assert (labels[:3], n) == (("GET", "/boom", "500"), 1)
    # FastAPI and Starlette answer 500 themselves and raise again: whoever is outside sees both.
    assert labels[4] in ("RuntimeError", "500")
    assert driven.active == 0


async def test_a_stream_counts_apart_and_never_as_a_latency(driven: Driven) -> None:
    assert (await driven.request("GET", "/pieces")).body == b"onetwothree"
    assert (await driven.request("GET", "/events")).status == 200
    assert driven.durations == {}
    assert driven.counts("http_server_stream_duration_seconds") == {
        ("/pieces", "chunked", "200"): 1, ("/events", "sse", "200"): 1}
    messages = driven.counts("http_server_stream_messages_total")
    assert (messages["/pieces", "chunked"], messages["/events", "sse"]) == (3, 2)
    assert driven.counts("http_server_streams_open") == {}
    assert driven.sums("http_server_response_body_size_bytes")["GET", "/pieces", "200", "http"] == 11
    assert sum(driven.counts("http_server_time_to_first_byte_seconds").values()) == 2
    assert driven.active == 0


async def test_a_stream_is_open_while_it_goes_on(driven: Driven) -> None:
    seen: list[dict[tuple[str, ...], float]] = []
    answer = Driven.request(driven, "GET", "/pieces")
    original = driven.app

    async def peeking(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message.get("more_body"):
                seen.append(driven.counts("http_server_streams_open"))
            await send(message)

        await original(scope, receive, sending)

    driven.app = peeking  # type: ignore[assignment]
    await answer
    assert seen == [{("/pieces", "chunked"): 1}] * 3


async def test_a_client_that_goes_away_in_a_stream_counts_as_499_and_no_error(driven: Driven) -> None:
    await driven.request("GET", "/pieces", breaks_after=2)
    assert driven.counts("http_server_stream_duration_seconds") == {("/pieces", "chunked", "499"): 1}
    assert driven.durations == {}
    assert driven.active == 0
    assert driven.counts("http_server_streams_open") == {}


async def test_a_stream_that_breaks_keeps_the_status_that_was_sent(driven: Driven) -> None:
    answer = await driven.request("GET", "/breaks")
    assert answer.error is not None
    assert driven.counts("http_server_stream_duration_seconds") == {("/breaks", "chunked", "200"): 1}
    assert driven.active == 0


async def test_a_request_that_is_cancelled_counts_as_499(driven: Driven) -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    hanging = Driven(waits, meter=driven.meter)
    task = asyncio.ensure_future(hanging.app({**_scope("/x")}, _never, _never_sends))
    await asyncio.sleep(0)
    assert hanging.active == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hanging.durations == {("GET", "unmatched", "499", "http", ""): 1}
    assert hanging.active == 0


async def test_work_after_the_answer_is_no_latency_and_no_active_request(driven: Driven, shop: Shop) -> None:
    request = asyncio.ensure_future(driven.request("GET", "/background"))
    await asyncio.wait_for(shop.working.wait(), 5)
    assert not request.done()
    assert driven.active == 0
    shop.later.set()
    await request
    assert driven.durations == {("GET", "/background", "200", "http", ""): 1}


async def test_bodies_are_counted_byte_by_byte_without_a_length(driven: Driven) -> None:
    answer = await driven.request("POST", "/api/v1/leads", b"x" * 1000, b"y" * 500)
    assert answer.body == b"1500"
    where = ("POST", "/api/v1/leads", "200", "http")
    assert driven.sums("http_server_request_body_size_bytes") == {where: 1500}


async def test_a_websocket_counts_its_messages_and_its_end(driven: Driven) -> None:
    sent = await driven.websocket("/chat/7", [{"type": "websocket.receive", "text": "a"}] * 3)
    assert len(sent) == 7
    assert driven.counts("websocket_server_connection_duration_seconds") == {("/chat/{room}", "1001"): 1}
    assert driven.counts("websocket_server_messages_total") == {
        ("/chat/{room}", "received"): 3, ("/chat/{room}", "sent"): 6}
    assert driven.counts("websocket_server_connections_open") == {}
    assert driven.durations == {}


async def test_a_websocket_that_is_refused_says_so(driven: Driven) -> None:
    await driven.websocket("/refuses", [])
    assert driven.counts("websocket_server_connection_duration_seconds") == {("/refuses", "refused"): 1}


async def test_the_lifespan_passes_through(driven: Driven) -> None:
    inbox, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive() -> Any:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await driven.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert driven.durations == {}


async def test_requests_side_by_side_are_each_counted(driven: Driven) -> None:
    await asyncio.gather(*(driven.request("GET", f"/api/v1/leads/{i}") for i in range(200)))
    assert driven.durations == {("GET", LEAD, "200", "http", ""): 200}
    assert driven.active == 0


async def test_r21_any_path_and_method_leave_the_number_of_series_as_it_is(driven: Driven) -> None:
    for method in ("GET", "VERB"):
        await driven.request(method, "/nowhere")
    before = driven.series
    for i in range(400):
        await driven.request(f"V{i}" if i % 2 else "GET", f"/{i}/{i * 7919 % 1000}")
    assert driven.series == before


@given(
    st.text(max_size=40), st.text(min_size=1, max_size=10), st.lists(st.tuples(st.binary(), st.binary()), max_size=5))
def test_no_request_makes_the_middleware_fail(path: str, method: str, headers: list[tuple[bytes, bytes]]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    driven = Driven(app)
    answer = asyncio.run(driven.request(method, f"/{path}", headers=headers))
    assert answer.body == b"ok"
    assert sum(driven.durations.values()) == 1
    assert driven.counts("instrumentation_errors_total") == {}


class Poisoned(LocalStore):
    """Hands out cells that fail."""

    def cell(self, metric: Any, labels: tuple[str, ...]) -> Any:
        """Fails for all but the errors' own."""
        if metric.name.startswith("http_"):
            raise MemoryError("no more cells")
        return super().cell(metric, labels)


async def test_r20_whatever_fails_in_here_the_answer_is_untouched(framework: str, shop: Shop) -> None:
    driven = Driven(FRAMEWORKS[framework](shop), meter=Meter(Poisoned()))
    for path, body in (("/api/v1/leads/1", b"ok"), ("/pieces", b"onetwothree")):
        answer = await driven.request("GET", path)
        assert (answer.status, answer.body, answer.error) == (200, body, None)
    assert sum(driven.counts("instrumentation_errors_total").values()) > 0


async def test_r20_a_scope_that_surprises_counts_with_an_unknown_route() -> None:
    class Odd:
        @property
        def path_format(self) -> str:
            raise RuntimeError("a new release")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Odd()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    driven = Driven(app)
    assert (await driven.request("GET", "/")).body == b"ok"
    assert driven.durations == {("GET", "unknown", "200", "http", ""): 1}
    assert driven.counts("instrumentation_errors_total") == {("route",): 1}
    assert driven.active == 0


async def test_a_sampled_trace_is_an_exemplar_and_another_is_none() -> None:
    driven = Driven(_plain)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await driven.request("GET", "/", headers=[(b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())])
    found = [s for s in driven.meter.samples() if s.metric.name == "http_server_request_duration_seconds"]
    assert {e.text for e in found[0].value.exemplars if e} == {trace}  # type: ignore[union-attr]
    other = Driven(_plain)
    await other.request("GET", "/", headers=[(b"traceparent", f"00-{trace}-00f067aa0ba902b7-00".encode())])
    assert all(not s.value.exemplars for s in other.meter.samples() if hasattr(s.value, "exemplars"))


async def _plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def _never() -> Any:
    await asyncio.Event().wait()


async def _never_sends(message: Any) -> None:
    raise AssertionError(message)


def _scope(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "scheme": "http", "headers": [], "root_path": ""}
