"""The OpenAPI document says what the API does; schemathesis tries it out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile

from sales_exporter.api.operations import DOCUMENT, ROOT
from sales_exporter.runtime.clock import SystemClock
from tests.api.desk import case, holding
from tests.api.prometheus import Prometheus, serving
from tests.api.serving import Address, api
from tests.support.later import Later
from tests.support.web import ask

pytestmark = [pytest.mark.process, pytest.mark.slow]
jsonschema, schemathesis = Later("jsonschema"), Later("schemathesis")

LOOKS = ("performance/current", "performance/history", "business/comprehensive", "alerts/active", "alerts/history",
         "alerts/times")
STREAMS = ("stream/performance", "stream/alerts")
ACTIONS = ("acknowledge", "unacknowledge", "resolve", "snooze", "assign", "comment")
EXAMPLES = 10


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """A server in a thread of its own: schemathesis is no asyncio."""
    found: list[Address] = []
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        desk = holding(*map(case, map(own, ACTIONS)))
        async with serving(Prometheus(listed="24h")) as prometheus, api(prometheus.url, desk, SystemClock()) as where:
            found.append(where)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    stop.set()
    thread.join()


@pytest.fixture(scope="module")
def document(address: Address) -> dict[str, object]:
    tree: dict[str, object] = json.loads(asyncio.run(ask(address, DOCUMENT)).body)
    return tree


def test_the_document_is_openapi_3_1_and_lists_every_route(document: dict[str, dict[str, dict[str, object]]]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {*(f"{ROOT}/{path}" for path in (*LOOKS, *STREAMS)),
                                      *(f"{ROOT}/alerts/{{fingerprint}}/{action}" for action in ACTIONS)}
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", LOOKS)
def test_r16_what_schemathesis_asks_is_answered_as_the_document_says(
    address: Address, document: dict[str, object], name: str
) -> None:
    assert 200 in tried(address, document, f"{ROOT}/{name}", "GET")


@pytest.mark.parametrize("action", ACTIONS)
def test_r16_what_schemathesis_posts_is_answered_as_the_document_says(
    address: Address, document: dict[str, object], action: str
) -> None:
    found = tried(address, document, f"{ROOT}/alerts/{{fingerprint}}/{action}", "POST", fingerprint=own(action))
    assert {200, 404} <= found


def own(action: str) -> str:
    """The alert that only this action is tried on: what is resolved takes none any more."""
    return f"{ACTIONS.index(action):016x}"


def tried(address: Address, document: dict[str, object], path: str, method: str, **pieces: str) -> set[int]:
    """The statuses with which requests by the document are answered."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://{address[0]}:{address[1]}")
    operation = schema[path][method]
    seen: set[int] = set()

    @profile(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case) -> None:
        if 404 in seen:
            # After one alert that there is not, those that there are.
            case.path_parameters.update(pieces)
        response = case.call()
        seen.add(response.status_code)
        checks = schemathesis.checks
        case.validate_response(response, checks=[
            checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
            checks.response_schema_conformance, checks.response_headers_conformance])

    run()
    return seen
