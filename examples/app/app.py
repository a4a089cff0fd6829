"""Lead scoring with FastAPI, observed by sales-exporter. README.md says how to start it.

Everything that observes is marked with (*); the rest is an ordinary application.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import assistant
import scoring
from fastapi import FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from feed import Feed
from prometheus_client import Counter
from pydantic import AwareDatetime, BaseModel, Field

from sales_exporter.instrumentation import Meter, Recorder, instrument, llm_timer

KEPT_LEADS = 10_000
SUMMARY_SECONDS = 2.0
QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent, so that nothing between here and the client hangs up."""

# (*) Everything is counted here. With the connection string of the recorder's role rows are written, too.
meter = Meter()
recorder = Recorder(dsn_file=os.environ.get("RECORDER_DSN_FILE"), meter=meter)
calls = Recorder(meter=meter) if os.environ.get("RECORD_CALLS") == "no" else recorder
# (*) Metrics of your own, made with prometheus_client, are on the same page.
tiers = Counter("leads_scored", "Leads that were scored, by tier.", ["tier"])

secret = Path(os.environ["WEBHOOK_SECRET_FILE"]).read_bytes().strip() if "WEBHOOK_SECRET_FILE" in os.environ else None
feed = Feed()


class Scored(BaseModel):
    """A lead with its score."""

    lead_id: str
    prediction_id: str
    score: float
    tier: Literal["hot", "warm", "cold"]
    won: bool | None = None


leads: OrderedDict[str, Scored] = OrderedDict()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """(*) Write what is left when the application stops."""
    yield
    await asyncio.to_thread(recorder.close)


app = FastAPI(title="Lead scoring", lifespan=lifespan, docs_url=None, redoc_url=None)
# (*) One line: requests, streams and websockets are measured, and /metrics is served.
instrument(app, meter)


def found(lead_id: str) -> Scored:
    """The lead, or an answer 404."""
    if lead_id not in leads:
        raise HTTPException(404, "no such lead")
    return leads[lead_id]


@app.post("/api/v1/leads/{lead_id}/score")
async def score(lead_id: str, features: scoring.Features) -> Scored:
    """Score a lead, and tell those who listen."""
    chance = scoring.score(features)
    # (*) A row of the data contract, from which the exporter computes accuracy, calibration and drift.
    prediction_id = recorder.record_prediction(
        scoring.MODEL, scoring.VERSION, lead_id, chance, threshold=scoring.THRESHOLD,
        horizon_seconds=scoring.HORIZON_SECONDS)
    tier: Literal["hot", "warm", "cold"] = "hot" if chance >= scoring.THRESHOLD else "warm" if chance >= 0.2 else "cold"
    tiers.labels(tier).inc()
    scored = leads[lead_id] = Scored(lead_id=lead_id, prediction_id=prediction_id, score=chance, tier=tier)
    leads.move_to_end(lead_id)
    if len(leads) > KEPT_LEADS:
        leads.popitem(last=False)
    feed.tell(scored.model_dump_json())
    return scored


@app.get("/api/v1/leads/{lead_id}")
async def lead(lead_id: str) -> Scored:
    """What is known of a lead."""
    return found(lead_id)


class Outcome(BaseModel):
    """What became of a lead."""

    won: bool


@app.post("/api/v1/leads/{lead_id}/outcome", status_code=204)
async def outcome(lead_id: str, told: Outcome) -> None:
    """Note what became of a lead; once."""
    scored = found(lead_id)
    if scored.won is not None:
        raise HTTPException(409, "the outcome is known already")
    scored.won = told.won
    recorder.record_outcome(lead_id, int(told.won))  # (*)


class Transcript(BaseModel):
    """A text to summarise."""

    text: str = Field(min_length=1, max_length=50_000)


@app.post("/api/v1/leads/{lead_id}/summary")
async def summary(lead_id: str, transcript: Transcript) -> dict[str, str]:
    """Have a language model summarise a conversation."""
    found(lead_id)
    try:
        # (*) Duration, errors and tokens, by OpenTelemetry's names.
        with llm_timer(meter, provider=assistant.PROVIDER, model=assistant.MODEL) as call:
            async with asyncio.timeout(SUMMARY_SECONDS):
                answer = await assistant.summarise(transcript.text)
            call.tokens(input=answer.input_tokens, output=answer.output_tokens)
    except TimeoutError:
        raise HTTPException(504, "the language model took too long") from None
    return {"summary": answer.text}


class CallEnded(BaseModel):
    """What the telephony provider tells when a call is over."""

    call_id: str = Field(min_length=1, max_length=100)
    lead_id: str | None = None
    direction: Literal["inbound", "outbound"]
    agent_kind: Literal["human", "ai"]
    outcome: Literal["answered", "no_answer", "busy", "failed", "voicemail", "abandoned"]
    started_at: AwareDatetime
    answered_at: AwareDatetime | None = None
    ended_at: AwareDatetime
    first_response_seconds: float | None = Field(None, ge=0)


@app.post("/webhooks/calls", status_code=202)
async def call_ended(call: CallEnded, x_webhook_secret: Annotated[str, Header()] = "") -> dict[str, str]:
    """Record a call. With a secret set, only those who know it may tell of one."""
    if secret is not None and not hmac.compare_digest(x_webhook_secret.encode(), secret):
        raise HTTPException(401, "unknown secret")
    calls.record_call(**call.model_dump())  # (*)
    return {"call_id": call.call_id}


@app.get("/api/v1/events")
async def events() -> StreamingResponse:
    """Scored leads as they come, as server-sent events."""

    async def lines() -> AsyncIterator[str]:
        with feed.listener() as queue:
            # Sent at once, so that the client knows that it is heard.
            yield ": listening\n\n"
            while True:
                try:
                    yield f"data: {await asyncio.wait_for(queue.get(), QUIET_SECONDS)}\n\n"
                except TimeoutError:
                    yield ": quiet\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@app.websocket("/ws/live")
async def live(socket: WebSocket) -> None:
    """The same over a websocket, which also answers each message with how many leads are known."""
    await socket.accept()

    async def push() -> None:
        with feed.listener() as queue, suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.send_text(await queue.get())

    pushing = asyncio.create_task(push())
    try:
        async for _ in socket.iter_text():
            await socket.send_json({"leads": len(leads)})
    finally:
        pushing.cancel()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the application answers."""
    return {"status": "ok"}
