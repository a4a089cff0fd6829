"""The example application answers as its README says, and its page of metrics shows it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sales_exporter.demo.postgres import free_port
from sales_exporter.demo.processes import answers

pytestmark = pytest.mark.process

APP = Path(__file__).resolve().parents[2] / "examples" / "app"
LEAD = "/api/v1/leads/17"
FEATURES = {"employees": 50, "visits": 4, "source": "web"}
CALL = {"call_id": "c1", "direction": "inbound", "agent_kind": "ai", "outcome": "answered",
        "started_at": "2026-03-01T12:00:00Z", "ended_at": "2026-03-01T12:01:00Z"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An application with a secret and without a database."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    secret = tmp_path_factory.mktemp("secrets") / "webhook"
    secret.write_text("a secret")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "uvicorn", "app:app", f"--app-dir={APP}", f"--port={port}",
         "--timeout-graceful-shutdown=1", "--log-level=warning"], env={"WEBHOOK_SECRET_FILE": str(secret), **PATHS})
    address, limit = f"http://127.0.0.1:{port}", time.monotonic() + 30
    while not answers(f"{address}/healthz"):
        assert process.poll() is None
        assert time.monotonic() < limit
    yield address
    process.terminate()
    assert process.wait(20) in (0, -15)


PATHS = {"PYTHONPATH": ":".join(path for path in sys.path if path)}


async def ask(url: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[int, str]:
    method = "GET" if body is None else "POST"
    async with aiohttp.ClientSession() as session, session.request(
            method, url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_lead_is_scored_and_its_outcome_is_taken_once(url: str):
    status, text = await ask(url, f"{LEAD}/score", FEATURES)
    scored = json.loads(text)
    assert (status, scored["lead_id"], scored["tier"]) == (200, "17", "warm")
    assert 0 < scored["score"] < 1
    assert [(await ask(url, f"{LEAD}/outcome", {"won": True}))[0] for _ in range(2)] == [204, 409]
    assert json.loads((await ask(url, LEAD))[1]) == {**scored, "won": True}
    assert (await ask(url, "/api/v1/leads/nobody"))[0] == 404
    assert (await ask(url, f"{LEAD}/score", {**FEATURES, "employees": 0}))[0] == 422


async def test_a_conversation_is_summarised_unless_that_takes_too_long(url: str):
    await ask(url, "/api/v1/leads/18/score", FEATURES)
    assert await ask(url, "/api/v1/leads/18/summary", {"text": "I would like ten."}) == (
        200, '{"summary":"I would like ten."}')
    assert (await ask(url, "/api/v1/leads/18/summary", {"text": "word " * 5000}))[0] == 504
    page = (await ask(url, "/metrics"))[1]
    assert 'gen_ai_response_model="",error_type="TimeoutError"} 1' in page
    assert 'http_route="/api/v1/leads/{lead_id}/summary",http_response_status_code="504"' in page


async def test_only_those_who_know_the_secret_may_tell_of_a_call(url: str):
    assert (await ask(url, "/webhooks/calls", CALL))[0] == 401
    assert (await ask(url, "/webhooks/calls", CALL, **{"X-Webhook-Secret": "?"}))[0] == 401
    assert (await ask(url, "/webhooks/calls", CALL, **{"X-Webhook-Secret": "a secret"}))[0] == 202
    page = (await ask(url, "/metrics"))[1]
    assert 'sales_app_calls_total{direction="inbound",agent_kind="ai",outcome="answered"} 1' in page


async def test_a_scored_lead_is_told_to_streams_and_websockets(url: str):
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws/live") as socket, session.get(
            f"{url}/api/v1/events") as events:
        assert await events.content.readline() == b": listening\n"
        await socket.send_str("how many?")
        assert (await socket.receive_json()).keys() == {"leads"}
        await ask(url, "/api/v1/leads/19/score", FEATURES)
        assert (await socket.receive_json())["lead_id"] == "19"
        await events.content.readline()
        line = await events.content.readline()
        assert json.loads(line.removeprefix(b"data: "))["lead_id"] == "19"
        page = (await ask(url, "/metrics"))[1]
        assert 'http_server_streams_open{http_route="/api/v1/events",kind="sse"} 1' in page
        assert 'websocket_server_connections_open{http_route="/ws/live"} 1' in page


async def test_metrics_of_its_own_are_on_the_same_page(url: str):
    await ask(url, "/api/v1/leads/20/score", FEATURES)
    page = (await ask(url, "/metrics"))[1]
    assert 'leads_scored_total{tier="warm"}' in page
    assert 'sales_app_predictions_total{model="lead-scoring-example",version="1"}' in page
    assert 'http_route="/metrics"' not in page
