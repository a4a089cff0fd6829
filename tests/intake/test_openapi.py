"""The OpenAPI document says what the server does; schemathesis tries it out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from pydantic import SecretStr

from sales_exporter.config import IntakeSource
from sales_exporter.intake.desk import Desk
from sales_exporter.intake.mappings import discover
from sales_exporter.intake.openapi import document
from sales_exporter.intake.signatures import Secret
from sales_exporter.intake.sources import Hints, Source
from sales_exporter.runtime.bucket import Bucket
from sales_exporter.runtime.clock import SystemClock
from tests.support.intake import TOKEN, bearing, settings
from tests.support.later import Later
from tests.support.web import Shown, ask, site

pytestmark = [pytest.mark.process, pytest.mark.slow]
jsonschema, schemathesis = Later("jsonschema"), Later("schemathesis")


def all_sources() -> dict[str, Source]:
    return {name: Source(name, vendor, Secret(vendor.ways[0], SecretStr("canary-secret")), Hints(), Bucket(1, 1), "")
            for name, vendor in discover().items()}


def test_the_document_is_openapi_3_1_and_describes_every_source_without_its_secret() -> None:
    tree = json.loads(document(all_sources(), 1000))
    assert tree["openapi"] == "3.1.0"
    assert list(tree["paths"]) == [f"/ingest/{name}" for name in discover()]
    for operation in tree["paths"].values():
        assert set(operation["post"]["responses"]) == {"200", "202", "400", "401", "413", "415", "422", "429", "503"}
    assert "canary" not in json.dumps(tree)
    for schema in tree["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    told = str(IntakeSource.model_fields["mapping"].description).rstrip(".").partition(": ")[2]
    assert told.replace(" or ", ", ").split(", ") == list(discover())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server in a thread of its own: schemathesis is no asyncio."""
    folder, found, stop = tmp_path_factory.mktemp("intake"), [], threading.Event()
    ready = threading.Event()
    (folder / "token").write_text(TOKEN)
    sources = {name: {"mapping": name, "bearer_file": folder / "token"} for name in ("generic", "salesforce", "vapi")}

    async def run() -> None:
        desk = Desk(SystemClock())
        desk.adopt(settings(folder, "host=127.0.0.1 port=1", sources, burst=100_000, requests_per_second=100_000))
        async with site(Shown(), intake=desk) as where:
            found.append(where)
            ready.set()
            await asyncio.to_thread(stop.wait)
        await desk.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    stop.set()
    thread.join()


@pytest.mark.parametrize("source", ["generic", "salesforce", "vapi"])
def test_r16_what_schemathesis_sends_is_answered_as_the_document_says(address: tuple[str, int], source: str) -> None:
    tree = json.loads(asyncio.run(ask(address, "/ingest/openapi.json")).body)
    schema = schemathesis.openapi.from_dict(tree)
    schema.config.update(base_url=f"http://{address[0]}:{address[1]}")
    operation = schema[f"/ingest/{source}"]["POST"]
    seen: set[int] = set()

    @profile(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case) -> None:
        response = case.call(headers=bearing())
        seen.add(response.status_code)
        checks = schemathesis.checks
        case.validate_response(response, checks=[
            checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
            checks.response_schema_conformance, checks.response_headers_conformance])

    run()
    assert seen & {200, 202}
