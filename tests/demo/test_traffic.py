"""The traffic of the demo: bounded in rate and number, on this machine alone, and with a little of everything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.demo import traffic
from sales_exporter.demo.traffic import Plan, Request, drive, incident, loopback
from sales_exporter.errors import ConfigError, StackError
from tests.support.clocks import FakeClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLOCK = FakeClock(NOW.timestamp())


class Clock:
    """Seconds since the start, moved by hand."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def run(self, plan: Plan, seconds: float, score: float = 0.5) -> list[tuple[float, Request]]:
        """What the plan asks within some seconds, when each lead that it scores gets this score at once."""
        asked: list[tuple[float, Request]] = []
        end = self.elapsed + seconds
        while (pause := plan.wait(self.elapsed)) is not None and self.elapsed + pause < end:
            self.elapsed += pause
            request = plan.next(self.elapsed, NOW + timedelta(seconds=self.elapsed))
            asked.append((self.elapsed, request))
            if request.lead:
                plan.scored(request.lead, score, self.elapsed)
        self.elapsed = end
        return asked


def kind(request: Request) -> str:
    return f"{request.method} {'/'.join(p for p in request.path.split('/') if not p.startswith('run-'))}"


def test_equal_seeds_ask_for_the_same_and_others_do_not():
    first, again, other = (Clock().run(Plan(seed, "run"), 300) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_rate_is_kept_from_the_first_second_on():
    asked = Clock().run(Plan(1, "run", rate=4.0), 60)
    assert len(asked) == 240
    assert max(Counter(int(at) for at, _ in asked).values()) == 4


def test_what_was_missed_in_a_pause_is_not_made_up_for():
    clock, plan = Clock(), Plan(1, "run", rate=2.0)
    clock.run(plan, 10)
    clock.elapsed += 3600
    assert len(clock.run(plan, 10)) == 20


@given(rate=st.floats(0.1, 20), total=st.integers(0, 200), gaps=st.lists(st.floats(0, 100), max_size=50))
def test_neither_rate_nor_total_is_exceeded_whenever_it_is_asked(rate: float, total: int, gaps: list[float]):
    plan, elapsed, asked = Plan(1, "run", rate, total), 0.0, []
    for gap in gaps:
        elapsed += gap
        pause = plan.wait(elapsed)
        if pause is None:
            break
        elapsed += pause
        plan.next(elapsed, NOW)
        asked.append(elapsed)
    assert len(asked) <= total
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(asked))


def test_after_the_last_request_there_is_silence():
    plan = Plan(1, "run", total=10)
    assert len(Clock().run(plan, 3600)) == 10
    assert plan.wait(4000.0) is None


def test_there_is_a_little_of_everything():
    asked = Counter(kind(request) for _, request in Clock().run(Plan(1, "run"), 550))
    assert set(asked) >= {
        "POST /api/v1/leads/score", "GET /api/v1/leads", "POST /api/v1/leads/outcome", "POST /api/v1/leads/summary",
        "POST /webhooks/calls", "GET /healthz", "GET /admin"}
    # Unknown leads, malformed bodies and wrong secrets are few.
    requests = [request for _, request in Clock().run(Plan(1, "run", secret="right"), 550)]
    bad = [r for r in requests if r.path.endswith("/run-0") or r.headers.get("X-Webhook-Secret") == "wrong"]
    assert 0 < len(bad) < len(requests) / 5
    assert any(request.headers.get("X-Webhook-Secret") == "right" for request in requests)


def test_leads_are_won_as_often_as_their_scores_say_and_told_within_a_minute():
    clock, plan = Clock(), Plan(1, "run", rate=20.0)
    asked = clock.run(plan, 550, score=0.3)
    scored = {request.lead: at for at, request in asked if request.lead}
    told = {request.path.split("/")[-2]: (at, request.body) for at, request in asked
            if request.path.endswith("/outcome")}
    waits = [at - scored[lead] for lead, (at, _) in told.items()]
    assert len(told) == len([r for _, r in asked if r.path.endswith("/outcome")])
    assert min(waits) >= 5
    assert max(waits) < 62
    old = [lead for lead, at in scored.items() if at < 480]
    won = sum(1 for lead in old if lead in told and told[lead][1] == {"won": True})
    assert won / len(old) == pytest.approx(0.3, abs=0.05)


def test_an_hour_has_one_minute_in_which_conversations_are_long():
    moments = [second for second in range(7200) if incident(float(second))]
    assert moments == [*range(600, 660), *range(4200, 4260)]
    asked = Clock().run(Plan(1, "run", rate=20.0), 700)
    sizes = {during: [len(r.body["text"]) for at, r in asked if r.path.endswith("/summary") and r.body is not None
                      and incident(at) is during] for during in (False, True)}
    # The example application gives up after two seconds, at 10,000 characters a second.
    too_long = {during: [size for size in found if size > 19_500] for during, found in sizes.items()}
    assert 0 < len(too_long[False]) < len(sizes[False]) / 20
    assert max(set(sizes[False]) - set(too_long[False])) <= 4_000
    slow = sorted(set(sizes[True]) - set(too_long[True]))
    assert 4_500 <= slow[0] < slow[-1] <= 9_000
    assert len(sizes[True]) / 60 > 3 * len(sizes[False]) / 640


def test_a_call_that_is_told_of_is_over_and_in_order():
    calls = [request.body for _, request in Clock().run(Plan(1, "run"), 550) if request.path == "/webhooks/calls"]
    assert len({call["call_id"] for call in calls if call is not None}) == len(calls)
    for call in calls:
        assert call is not None
        moments = [call["started_at"], call["answered_at"] or call["ended_at"], call["ended_at"]]
        assert moments == sorted(moments, key=datetime.fromisoformat)
        assert (call["answered_at"] is None) == (call["outcome"] != "answered")


@pytest.mark.parametrize("url", ["http://127.0.0.1:18882", "http://localhost:1/", "http://[::1]:80", "http://127.8.9.1:5"])
def test_addresses_on_this_machine_are_taken(url: str):
    assert loopback(url) == url.rstrip("/")


@pytest.mark.parametrize("url", [
    "http://example.com", "http://10.0.0.1:80", "https://127.0.0.1", "http://127.0.0.1.example.com", "127.0.0.1:80", "",
    "http://localhost@example.com/", "http://127.0.0.1:80/path", "http://[", "http://0.0.0.0:80", "ftp://127.0.0.1"])
def test_other_addresses_are_refused_before_anything_is_sent(url: str):
    with pytest.raises(ConfigError, match="on this machine"):
        loopback(url)


class Application:
    """A server that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open = 0
        self.most = 0
        self.hold = asyncio.Event()
        self.hold.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.method] += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.hold.wait()
        finally:
            self.open -= 1
        return web.json_response({"score": 0.5})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.asked["stream"] += 1
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b": listening\n\n")
        await asyncio.Event().wait()
        return answer

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.asked["socket"] += 1
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            self.asked[str(message.data)] += 1
        return answer


@asynccontextmanager
async def listening(application: Application) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/api/v1/events", application.stream)
    app.router.add_get("/ws/live", application.socket)
    app.router.add_route("*", "/{path:.*}", application.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


async def until(task: asyncio.Task[None], condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            if task.done():
                task.result()
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_requests_streams_and_websockets_arrive_and_end_with_it():
    application = Application()
    async with listening(application) as url:
        task = asyncio.create_task(drive(url, Plan(1, "run", rate=20.0, total=20), CLOCK))
        await until(task, lambda: application.asked["GET"] + application.asked["POST"] == 20)
        await until(task, lambda: application.asked["stream"] == 2 and application.asked["how many?"] == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert application.asked["GET"] + application.asked["POST"] == 20
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.slow
async def test_no_more_than_a_few_requests_are_under_way_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traffic, "IN_FLIGHT", 3)
    application = Application()
    application.hold.clear()
    plan = Plan(1, "run", rate=20.0, total=30)
    async with listening(application) as url:
        task = asyncio.create_task(drive(url, plan, CLOCK, streams=0, sockets=0))
        await until(task, lambda: plan.wait(0.0) is None)
        assert (application.most, application.asked.total()) == (3, 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_ends_when_nothing_answers():
    with pytest.raises(StackError, match="has not answered for 0 s"):
        await drive("http://127.0.0.1:1", Plan(1, "run", rate=20.0), CLOCK, silence=0.2, streams=0, sockets=0)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    application = Application()
    async with listening(application) as url:
        task = asyncio.create_task(drive(url, Plan(1, "run", rate=20.0, total=1), CLOCK, streams=0, sockets=0))
        await until(task, lambda: application.asked.total() == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
