"""The behaviour table of the WSGI middleware, on applications of no framework."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.wsgi import ROUTE, SalesMetricsWSGI
from tests.instrumentation.counted import Client, Counted, Poisoned

Environ = dict[str, Any]
Start = Callable[..., Any]
OK = ("GET", "unmatched", "200", "http")


def driven(app: Callable[[Environ, Start], Iterable[bytes]], meter: Meter | None = None) -> tuple[Client, Counted]:
    """The application behind the middleware, and what is counted."""
    behind = SalesMetricsWSGI(app, meter)
    return Client(behind), Counted(behind.meter)


def answering(*pieces: bytes, status: str = "200 OK", **headers: str) -> Callable[[Environ, Start], Iterable[bytes]]:
    """An application that yields these pieces."""
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        environ[ROUTE] = "/leads/{id}"
        start(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return iter(pieces)

    return app


LEADS = ("GET", "/leads/{id}", "200", "http")


def test_a_request_counts_under_the_route_that_the_application_names() -> None:
    client, counted = driven(answering(b"ok", Content_Length="2"))
    assert client.request("GET", "/leads/7") == (200, {"content-length": "2"}, b"ok")
    assert counted.durations == {(*LEADS, ""): 1}
    assert counted.sent == {LEADS: 2}
    assert counted.counts("http_server_time_to_first_byte_seconds") == {LEADS: 1}
    assert counted.going_on == 0


@pytest.mark.parametrize("read", [
    lambda stream: stream.read(), lambda stream: [stream.readline(), stream.readline()],
    list, lambda stream: stream.readlines(), lambda stream: stream.readinto(bytearray(9)),
    lambda stream: stream.read1(9),
], ids=["read", "readline", "iteration", "readlines", "readinto", "read1"])
def test_bytes_of_the_request_count_however_they_are_read(read: Callable[[Any], object]) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        read(environ["wsgi.input"])
        start("204 No Content", [])
        return []

    client, counted = driven(app)
    client.request("POST", "/", b"four\nfive")
    assert counted.received == {("POST", "unmatched", "204", "http"): 9}


def test_bytes_of_the_request_that_nobody_reads_do_not_count() -> None:
    client, counted = driven(answering(b"ok"))
    client.request("POST", "/", b"unread")
    assert counted.received == {}


def test_one_piece_of_unknown_length_is_no_stream() -> None:
    client, counted = driven(answering(b"", b"ok", b""))
    client.request("GET", "/")
    assert counted.durations == {(*LEADS, ""): 1}
    assert counted.streams == {}


def test_pieces_of_unknown_length_are_a_stream_and_no_request_duration() -> None:
    client, counted = driven(answering(b"a", b"bc", b"d"))
    assert client.request("GET", "/")[2] == b"abcd"
    assert counted.streams == {("/leads/{id}", "chunked", "200"): 1}
    assert counted.counts("http_server_stream_messages_total") == {("/leads/{id}", "chunked"): 3}
    assert counted.durations == {}
    assert counted.sent == {LEADS: 4}
    assert counted.counts("http_server_time_to_first_byte_seconds") == {LEADS: 1}
    assert counted.going_on == 0


def test_events_are_a_stream_from_the_first_piece() -> None:
    client, counted = driven(answering(b"data: 1\n\n", Content_Type="text/event-stream; charset=utf-8"))
    client.request("GET", "/")
    assert counted.streams == {("/leads/{id}", "sse", "200"): 1}


def test_a_stream_is_open_while_it_is_sent() -> None:
    behind = SalesMetricsWSGI(answering(b"a", b"b", b"c"))
    body = iter(behind({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, lambda *_: None))
    assert [next(body), next(body)] == [b"a", b"b"]
    counted = Counted(behind.meter)
    assert counted.counts("http_server_streams_open") == {("/leads/{id}", "chunked"): 1}
    assert counted.counts("http_server_active_requests") == {("GET", "http"): 1}
    body.close()  # type: ignore[attr-defined]
    assert counted.going_on == 0
    assert counted.streams == {("/leads/{id}", "chunked", "499"): 1}


def test_a_client_that_goes_away_is_499_and_no_error() -> None:
    client, counted = driven(answering(b"a", b"b", Content_Length="2"))
    client.request("GET", "/", pieces=1)
    assert counted.durations == {("GET", "/leads/{id}", "499", "http", ""): 1}
    assert counted.going_on == 0


def test_a_server_that_stops_at_the_length_has_sent_all() -> None:
    client, counted = driven(answering(b"a", b"b", b"", Content_Length="2"))
    client.request("GET", "/", pieces=2)
    assert counted.durations == {(*LEADS, ""): 1}


def test_a_body_that_is_never_read_ends_when_it_is_closed_and_when_it_is_dropped() -> None:
    behind = SalesMetricsWSGI(answering(b"a", b"b"))
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    behind(dict(environ), lambda *_: None).close()  # type: ignore[attr-defined]
    behind(dict(environ), lambda *_: None)
    counted = Counted(behind.meter)
    assert counted.durations == {("GET", "/leads/{id}", "499", "http", ""): 2}
    assert counted.going_on == 0


def test_head_is_complete_without_a_body() -> None:
    client, counted = driven(answering(Content_Length="99"))
    client.request("HEAD", "/", pieces=0)
    assert counted.durations == {("HEAD", "/leads/{id}", "200", "http", ""): 1}


def test_an_exception_passes_and_counts_as_500_with_its_class() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        raise LookupError("no such lead")

    client, counted = driven(app)
    with pytest.raises(LookupError, match="no such lead"):
        client.request("GET", "/")
    assert counted.durations == {("GET", "unmatched", "500", "http", "LookupError"): 1}
    assert counted.going_on == 0


@pytest.mark.parametrize(("first", "status"), [([], "500"), ([b"begun"], "200")], ids=["before", "after"])
def test_an_exception_in_the_body_counts_with_what_was_sent(first: list[bytes], status: str) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "99")])
        yield from first
        raise LookupError

    client, counted = driven(app)
    with pytest.raises(LookupError):
        client.request("GET", "/")
    assert counted.durations == {("GET", "unmatched", status, "http", "LookupError"): 1}
    assert counted.going_on == 0


def test_bytes_through_the_write_callable_count() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [("Content-Length", "4")])(b"old ")
        return []

    client, counted = driven(app)
    assert client.request("GET", "/")[2] == b"old "
    assert counted.sent == {OK: 4}


def test_a_write_that_fails_is_a_client_that_is_gone() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])(b"piece")
        return []

    def start(*_: Any) -> Callable[[bytes], None]:
        def write(piece: bytes) -> None:
            raise BrokenPipeError
        return write

    behind = SalesMetricsWSGI(app)
    with pytest.raises(BrokenPipeError):
        behind({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, start)
    assert Counted(behind.meter).durations == {("GET", "unmatched", "499", "http", ""): 1}


def test_the_body_of_the_application_is_closed_exactly_once() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"ok"])

        def close(self) -> None:
            closed.append(True)

    def app(environ: Environ, start: Start) -> Body:
        start("200 OK", [])
        return Body()

    client, counted = driven(app)  # type: ignore[arg-type]
    client.request("GET", "/")
    assert closed == [True]
    assert counted.durations == {(*OK, ""): 1}


def test_a_list_of_one_piece_keeps_its_length_for_the_server() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        return [b"ok"]

    body = SalesMetricsWSGI(app)({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, lambda *_: None)
    assert len(body) == 1  # type: ignore[arg-type]


def test_a_file_reaches_the_server_as_its_own_wrapper() -> None:
    def app(environ: Environ, start: Start) -> Any:
        start("200 OK", [("Content-Length", "5")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"bytes"))

    behind = SalesMetricsWSGI(app)
    body: Any = behind({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "wsgi.file_wrapper": FileWrapper},
                       lambda *_: None)
    assert type(body) is FileWrapper
    assert list(body) == [b"bytes"]
    body.close()
    counted = Counted(behind.meter)
    assert counted.sent == {OK: 5}
    assert counted.going_on == 0


def test_r21_random_paths_methods_and_hosts_make_a_constant_number_of_series() -> None:
    client, counted = driven(answering(b"ok", status="404 Not Found"))
    client.request("GET", "/")
    client.request("BREW", "/")
    series = len(counted.meter.samples())

    @settings(max_examples=2 * settings().max_examples)
    @given(st.text(max_size=40), st.text(max_size=12), st.text(max_size=30))
    def scan(path: str, method: str, host: str) -> None:
        if method not in ("HEAD", "POST", "PUT", "GET") and path != "/metrics":
            client.request(method, path, HTTP_HOST=host)

    scan()
    assert len(counted.meter.samples()) == series


def test_r12_routes_without_end_stay_within_the_limit() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        environ[ROUTE] = environ["PATH_INFO"]
        start("200 OK", [])
        return [b""]

    client, counted = driven(app, Meter(limit=20))
    for number in range(2000):
        client.request("GET", f"/{number}")
    assert len(counted.durations) == 21
    assert counted.durations["GET", "(other)", "200", "http", ""] == 1980
    assert sum(counted.durations.values()) == 2000


@pytest.mark.slow
def test_requests_in_threads_count_exactly() -> None:
    client, counted = driven(answering(b"ok", Content_Length="2"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.request("GET", "/", b""), range(4000)))
    assert counted.durations == {(*LEADS, ""): 4000}
    assert counted.sent == {LEADS: 8000}
    assert counted.going_on == 0


@pytest.mark.parametrize("when", ["before", "between"])
def test_r20_a_store_that_fails_leaves_answers_untouched(when: str) -> None:
    store = Poisoned()
    client, _ = driven(answering(b"a", b"b"), Meter(store))
    if when == "between":
        client.request("GET", "/")
    store.poisoned = True
    for _ in range(3):
        assert client.request("GET", "/", b"body") == (200, {}, b"ab")


def test_r20_a_store_that_fails_amid_a_stream_leaves_it_untouched() -> None:
    store = Poisoned()
    behind = SalesMetricsWSGI(answering(b"a", b"b", b"c", b"d"), Meter(store))
    body = iter(behind({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, lambda *_: None))
    got = [next(body), next(body)]
    store.poisoned = True
    assert [*got, *body] == [b"a", b"b", b"c", b"d"]


def test_r20_what_the_application_must_not_do_is_left_to_the_server() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        environ[ROUTE] = 7
        start("odd", [("Content-Length", "many")])
        return [b"ok"]

    behind = SalesMetricsWSGI(app)
    seen: list[Any] = []
    body = behind({}, lambda *given: seen.append(given))
    assert list(body) == [b"ok"]
    assert seen == [("odd", [("Content-Length", "many")])]
    assert Counted(behind.meter).errors == {("head",): 1, ("route",): 1}
    assert Counted(behind.meter).durations == {("_OTHER", "unknown", "unknown", "unknown", ""): 1}


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.process
def test_a_real_server_sends_bodies_and_files_and_is_scraped(tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(b"lead\n" * 1000)

    def app(environ: Environ, start: Start) -> Any:
        if environ["PATH_INFO"] == "/report":
            environ[ROUTE] = "/report"
            start("200 OK", [("Content-Length", "5000")])
            return environ["wsgi.file_wrapper"](open(tmp_path / "report.csv", "rb"))
        start("200 OK", [])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))]

    behind = SalesMetricsWSGI(app)
    with make_server("127.0.0.1", 0, behind, handler_class=_Quiet) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            client = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            client.request("POST", "/echo", b"hello")
            answer = client.getresponse()
            assert (answer.read(), answer.getheader("Content-Length")) == (b"hello", "5")
            client.request("GET", "/report")
            assert client.getresponse().read() == b"lead\n" * 1000
            client.request("GET", "/metrics")
            page = client.getresponse().read().decode()
            client.close()
        finally:
            server.shutdown()
            serving.join()
    assert 'http_server_response_body_size_bytes_sum{http_request_method="GET",http_route="/report"' in page
    counted = Counted(behind.meter)
    assert counted.received == {("POST", "unmatched", "200", "http"): 5}
    assert counted.going_on == 0
