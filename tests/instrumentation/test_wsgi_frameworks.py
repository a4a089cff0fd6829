"""The behaviour table of the WSGI middleware, on Flask and on Django."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper

import pytest

from sales_exporter.instrumentation.asgi import SalesMetrics
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.wsgi import SalesMetricsWSGI
from sales_exporter.instrumentation.wsgi_routes import django_template
from tests.instrumentation.counted import Client, Counted, Poisoned
from tests.support.later import Later

pytestmark = pytest.mark.slow
shops = Later("tests.instrumentation.wsgi_shops")
LEAD = "/api/v1/leads/{lead}"


@pytest.fixture(params=["django", "flask"])
def framework(request: pytest.FixtureRequest) -> str:
    """The name of a framework."""
    return str(request.param)


def test_a_request_counts_under_its_template_with_all_prefixes(framework: str) -> None:
    client, counted = shops.driven(framework)
    for lead in ("1", "2", "3"):
        assert client.request("GET", f"/api/v1/leads/{lead}")[2] == b"ok"
    assert counted.durations == {("GET", LEAD, "200", "http", ""): 3}
    assert counted.sent == {("GET", LEAD, "200", "http"): 6}
    assert counted.going_on == 0


def test_mounts_and_expressions_count_with_their_templates(framework: str) -> None:
    client, counted = shops.driven(framework)
    for deal in ("7/a", "8/b/c"):
        assert client.request("GET", f"/crm/deals/{deal}")[2] == b"deal"
    assert counted.durations == {("GET", "/crm/deals/{uuid_or_name}/{rest}", "200", "http", ""): 2}


def test_the_path_prefix_of_the_server_is_no_part_of_a_template(framework: str) -> None:
    client, counted = shops.driven(framework)
    client.request("GET", "/api/v1/leads/1", SCRIPT_NAME="/behind")
    assert counted.durations == {("GET", LEAD, "200", "http", ""): 1}


def test_paths_without_a_route_make_one_series(framework: str) -> None:
    client, counted = shops.driven(framework)
    for number in range(100):
        assert client.request("GET", f"/scan/{number}.php")[0] == 404
    assert counted.durations == {("GET", "unmatched", "404", "http", ""): 100}


def test_a_method_that_a_route_has_not_is_405_under_the_route_or_none(framework: str) -> None:
    client, counted = shops.driven(framework)
    assert client.request("DELETE", "/api/v1/leads/1")[0] == 405
    ((method, route, status, _, error),) = counted.durations
    assert (method, status, error) == ("DELETE", "405", "")
    assert route == (LEAD if framework == "django" else "unmatched")


def test_r21_invented_verbs_and_hosts_make_no_series(framework: str) -> None:
    client, counted = shops.driven(framework)
    client.request("BREW0", "/nowhere")
    series = len(counted.meter.samples())
    for number in range(50):
        client.request(f"BREW{number}", f"/nowhere/{number}", HTTP_HOST=f"{number}.example")
    assert len(counted.meter.samples()) == series
    assert {method for method, *_ in counted.durations} == {"_OTHER"}


def test_an_exception_that_the_framework_answers_is_500_with_error_type(framework: str) -> None:
    client, counted = shops.driven(framework)
    assert client.request("GET", "/boom")[0] == 500
    assert counted.durations == {("GET", "/boom", "500", "http", "500"): 1}
    assert counted.going_on == 0


def test_a_streamed_answer_is_a_stream(framework: str) -> None:
    client, counted = shops.driven(framework)
    assert client.request("GET", "/pieces/a")[2] == b"".join(shops.PIECES)
    assert counted.streams == {("/pieces/{name}", "chunked", "200"): 1}
    assert counted.durations == {}
    assert counted.going_on == 0


def test_a_client_that_goes_away_amid_a_stream_is_499(framework: str) -> None:
    client, counted = shops.driven(framework)
    client.request("GET", "/pieces/a", pieces=2)
    assert counted.streams == {("/pieces/{name}", "chunked", "499"): 1}
    assert counted.going_on == 0


def test_bytes_of_bodies_and_head_count(framework: str) -> None:
    client, counted = shops.driven(framework)
    assert client.request("POST", "/api/v1/leads/1", b"x" * 3000)[2] == b"3000"
    client.request("HEAD", "/api/v1/leads/1")
    assert counted.received == {("POST", LEAD, "200", "http"): 3000}
    assert counted.durations == {("POST", LEAD, "200", "http", ""): 1, ("HEAD", LEAD, "200", "http", ""): 1}


def test_requests_in_threads_count_exactly(framework: str) -> None:
    client, counted = shops.driven(framework)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.request("GET", f"/api/v1/leads/{number}"), range(400)))
    assert counted.durations == {("GET", LEAD, "200", "http", ""): 400}
    assert counted.going_on == 0


def test_r12_and_r21_random_paths_make_a_constant_number_of_series(framework: str) -> None:
    client, counted = shops.driven(framework)
    client.request("GET", "/nowhere")
    client.request("GET", "/api/v1/leads/1")
    series = len(counted.meter.samples())
    for number in range(300):
        client.request("GET", f"/{number}/{number * 7919 % 1000}")
        client.request("GET", f"/api/v1/leads/{number}")
    assert len(counted.meter.samples()) == series


def test_r20_a_store_that_fails_leaves_answers_untouched(framework: str) -> None:
    store = Poisoned()
    client, _ = shops.driven(framework, Meter(store))
    store.poisoned = True
    assert client.request("GET", "/api/v1/leads/1")[2] == b"ok"
    assert client.request("GET", "/pieces/a")[2] == b"".join(shops.PIECES)
    assert client.request("GET", "/boom")[0] == 500


def test_a_scrape_is_answered_and_not_counted(framework: str) -> None:
    client, counted = shops.driven(framework)
    client.request("GET", "/api/v1/leads/1")
    status, headers, body = client.request("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'http_route="/api/v1/leads/{lead}"' in body
    assert len(counted.durations) == 1


def test_django_behind_another_middleware_names_its_route_through_its_own() -> None:
    inner = shops.django_application("sales_exporter.instrumentation.wsgi.DjangoRoute")
    behind = SalesMetricsWSGI(partial(inner))
    Client(behind).request("GET", "/api/v1/leads/1")
    assert set(Counted(behind.meter).durations) == {("GET", LEAD, "200", "http", "")}


async def test_django_under_asgi_names_its_route_through_its_own_middleware() -> None:
    from django.core.asgi import get_asgi_application

    shops.django_application("sales_exporter.instrumentation.wsgi.DjangoRoute")
    behind = SalesMetrics(get_asgi_application())
    sent: list[Any] = []
    inbox = [{"type": "http.request", "body": b""}]

    async def receive() -> Any:
        if inbox:
            return inbox.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await behind({"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
                  "path": "/api/v1/leads/7", "query_string": b"", "root_path": "", "headers": [(b"host", b"a.example")],
                  "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}, receive, send)
    assert set(Counted(behind.meter).durations) == {("GET", LEAD, "200", "http", "")}


@pytest.mark.parametrize(("route", "shown"), [
    ("users/<int:id>/", "/users/{id}/"),
    ("", "/"),
    (r"^articles/(?P<year>[0-9]{4})/(?:page-(?P<page>\d+)/)?$", "/articles/{year}/{}?"),
    (r"blog/^(?P<slug>[\w-]+\(x\))/edit\.html\Z", "/blog/{slug}/edit.html"),
])
def test_routes_of_django_are_written_like_those_of_others(route: str, shown: str) -> None:
    class Match:
        pass

    request, match = Match(), Match()
    match.route, request.resolver_match = route, match  # type: ignore[attr-defined]
    assert django_template(request) == shown


def test_files_of_django_are_sent_as_files() -> None:
    client, counted = shops.driven("django")
    status, headers, body = client.request("GET", "/report", **{"wsgi.file_wrapper": FileWrapper})
    assert (status, len(body)) == (200, int(headers["content-length"]))
    assert counted.sent == {("GET", "/report", "200", "http"): len(body)}
    assert counted.going_on == 0


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.process
def test_a_real_server_serves_and_is_scraped(framework: str) -> None:
    meter = Meter()
    with make_server("127.0.0.1", 0, shops.FRAMEWORKS[framework](meter), handler_class=_Quiet) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            client = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            client.request("POST", "/api/v1/leads/9", b"hello")
            assert client.getresponse().read() == b"5"
            client.request("GET", "/pieces/a")
            assert client.getresponse().read() == b"".join(shops.PIECES)
            client.request("GET", "/metrics")
            page = client.getresponse().read().decode()
            client.close()
        finally:
            server.shutdown()
            serving.join()
    assert 'http_server_stream_duration_seconds_count{http_route="/pieces/{name}",kind="chunked"' in page
    assert Counted(meter).received == {("POST", LEAD, "200", "http"): 5}


def test_neither_framework_is_loaded_by_the_middleware() -> None:
    code = ("import sys, sales_exporter.instrumentation.wsgi; "
            "print(*[name for name in ('flask', 'django', 'aiohttp', 'numpy') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
