"""Bounded traffic for the example application of ``examples/app``: loopback only, a few requests a second.

``Plan`` decides what is asked and when. It knows no clock and no network; ``drive`` has both.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import ipaddress
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from sales_exporter.errors import ConfigError, StackError
from sales_exporter.runtime.clock import Clock

RATE, MOST_RATE = 3.0, 20.0
"""Requests a second."""
TOTAL: Final = 2_000_000
"""Requests in all: a week at the usual rate. After that there is silence."""
IN_FLIGHT: Final = 16
"""Requests under way at once; what would go beyond is left out, and never made up for."""
SILENCE_SECONDS: Final = 60.0
"""How long an application may not answer before the traffic ends with an error."""
STREAMS, STREAM_SECONDS = 2, (60.0, 240.0)
SOCKETS, SOCKET_SECONDS, WORD_SECONDS = 2, (60.0, 240.0), 5.0
INCIDENT_EVERY, INCIDENT_AFTER, INCIDENT_SECONDS = 3600.0, 600.0, 60.0
_ANSWER_SECONDS: Final = 10.0
_KNOWN_LEADS: Final = 500
_PENDING: Final = 2000
# Shares of the requests, for the ordinary minute and for one of an incident.
_USUAL: Final = {"score": 30, "lead": 30, "call": 15, "summary": 8, "no lead": 5, "no route": 4, "malformed": 3,
                 "no secret": 3, "health": 2}
_SLOW: Final = {**_USUAL, "summary": 40}
# Characters of a conversation. The application's stand-in for a language model takes a second for 10,000: the long ones
# stay below the second at which an alert looks, the longest takes more than the application waits.
_USUAL_LENGTH, _LONG, _TOO_LONG = (200, 4_000), (5_000, 8_500), 24_000
_SOURCES: Final = ("referral", "web", "event", "cold")

Client = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``lead`` is set where the answer holds the score of that lead."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lead: str = ""


def incident(elapsed: float) -> bool:
    """Whether conversations are long now: a minute in each hour, the first ten minutes after the start."""
    return INCIDENT_AFTER <= elapsed % INCIDENT_EVERY < INCIDENT_AFTER + INCIDENT_SECONDS


class Plan:
    """What is asked next. Equal seeds, moments and answers give equal plans, but for the times within call records.

    ``elapsed`` is seconds since the start everywhere, and never goes back.
    """

    def __init__(self, seed: int, run: str = "demo", rate: float = RATE, total: int = TOTAL, secret: str = "") -> None:
        self._random = random.Random(seed)  # noqa: S311  (no secret)
        self._run = run
        self._step = 1.0 / rate
        self._left = total
        self._secret = secret
        self._due = 0.0
        self._numbers = 0
        self._known: list[str] = []
        self._outcomes: list[tuple[float, str, bool]] = []

    def wait(self, elapsed: float) -> float | None:
        """Seconds until the next request; None when there is no next one.

        Requests that were not asked for in time are gone: after a pause there is no burst.
        """
        if not self._left:
            return None
        self._due = max(self._due, elapsed)
        return self._due - elapsed

    def next(self, elapsed: float, now: datetime) -> Request:
        """The request that is due. ``now`` dates the calls that it tells of."""
        self._left -= 1
        self._due = max(self._due, elapsed) + self._step
        if self._outcomes and self._outcomes[0][0] <= elapsed:
            _, lead, won = heapq.heappop(self._outcomes)
            return Request("POST", f"/api/v1/leads/{lead}/outcome", {"won": won})
        shares = _SLOW if incident(elapsed) else _USUAL
        kind = self._random.choices(list(shares), list(shares.values()))[0]
        return self._made(kind, elapsed, now)

    def scored(self, lead: str, score: float, elapsed: float) -> None:
        """A lead has its score. It is won as often as the score says, and that is told a little later.

        Of the lost ones most are not told: no outcome within the horizon means lost, too.
        """
        self._known = [*self._known[1 - _KNOWN_LEADS:], lead]
        won = self._random.random() < score
        if (won or self._random.random() < 0.2) and len(self._outcomes) < _PENDING:
            heapq.heappush(self._outcomes, (elapsed + self._random.uniform(5, 60), lead, won))

    def lasts(self, bounds: tuple[float, float]) -> float:
        """Seconds that one stream or websocket is held."""
        return self._random.uniform(*bounds)

    def _made(self, kind: str, elapsed: float, now: datetime) -> Request:
        self._numbers += 1
        leads, nobody = "/api/v1/leads", f"{self._run}-0"
        known = self._random.choice(self._known) if self._known else ""
        if kind == "score" or (not known and kind in ("lead", "summary")):
            lead = f"{self._run}-{self._numbers}"
            return Request("POST", f"{leads}/{lead}/score", self._features(), lead=lead)
        if kind in ("call", "no secret"):
            secret = self._secret if kind == "call" else "wrong"
            return Request("POST", "/webhooks/calls", self._call(now), {"X-Webhook-Secret": secret})
        if kind == "summary":
            size = self._random.randint(*(_LONG if incident(elapsed) else _USUAL_LENGTH))
            if self._random.random() < 0.02:
                size = _TOO_LONG
            return Request("POST", f"{leads}/{known}/summary", {"text": "word " * (size // 5)})
        if kind == "malformed":
            return Request("POST", f"{leads}/{nobody}/score", {"employees": 0})
        return Request("GET", {
            "lead": f"{leads}/{known}", "no lead": f"{leads}/{nobody}", "health": "/healthz",
            "no route": self._random.choice(("/favicon.ico", "/admin", "/api/v0/leads"))}[kind])

    def _features(self) -> dict[str, Any]:
        return {"employees": int(10 ** self._random.uniform(0, 4)), "visits": int(self._random.expovariate(0.3)),
                "source": self._random.choice(_SOURCES)}

    def _call(self, now: datetime) -> dict[str, Any]:
        agent = self._random.choices(("ai", "human"), (3, 1))[0]
        outcome = self._random.choices(("answered", "no_answer", "busy", "failed"), (70, 20, 6, 4))[0]
        answered = outcome == "answered"
        talk = self._random.lognormvariate(4.6, 0.7) if answered else 0.0
        ringing = self._random.uniform(3, 25)
        begun = now - timedelta(seconds=ringing + talk)
        return {
            "call_id": f"{self._run}-call-{self._numbers}", "direction": self._random.choice(("inbound", "outbound")),
            "agent_kind": agent, "outcome": outcome, "started_at": begun.isoformat(), "ended_at": now.isoformat(),
            "answered_at": (begun + timedelta(seconds=ringing)).isoformat() if answered else None,
            "first_response_seconds": self._random.lognormvariate(-0.4 if agent == "ai" else 0.6, 0.4)
            if answered else None,
        }


def loopback(url: str) -> str:
    """The address of an application on this machine, without a slash at its end.

    Raises:
        ConfigError: it is not one.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        ours = parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        ours = False
    if not ours or parts.path not in ("", "/") or parts.query:
        raise ConfigError("--url: traffic goes to http://127.0.0.1:PORT, on this machine, and nowhere else")
    return url.rstrip("/")


async def drive(
    url: str, plan: Plan, clock: Clock, silence: float = SILENCE_SECONDS, streams: int = STREAMS, sockets: int = SOCKETS
) -> None:
    """Send what the plan says until cancelled.

    Raises:
        ConfigError: the address is not on this machine.
        StackError: the application did not answer for ``silence`` seconds.
    """
    address = loopback(url)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    # No proxy of the caller's environment (trust_env is off), and no redirect to anywhere.
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        driver = Driver(session, address, plan, clock, silence)
        clients = [driver.listen] * streams + [driver.talk] * sockets
        others = [asyncio.create_task(driver.again(client)) for client in clients]
        try:
            await driver.ask()
        finally:
            for task in [*others, *driver.under_way]:
                task.cancel()
            await asyncio.gather(*others, *driver.under_way, return_exceptions=True)


class Driver:
    """Asks an application what a plan says."""

    def __init__(self, session: aiohttp.ClientSession, url: str, plan: Plan, clock: Clock, silence: float) -> None:
        self._session = session
        self._url = url
        self._plan = plan
        self._clock = clock
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._began = self._answered = self._loop.time()
        self.under_way: set[asyncio.Task[None]] = set()

    @property
    def _elapsed(self) -> float:
        return self._loop.time() - self._began

    async def ask(self) -> None:
        """Send request after request, then wait until cancelled."""
        while (pause := self._plan.wait(self._elapsed)) is not None:
            await asyncio.sleep(pause)
            self._judge()
            request = self._plan.next(self._elapsed, datetime.fromtimestamp(self._clock.now(), UTC))
            if len(self.under_way) < IN_FLIGHT:
                task = asyncio.create_task(self._send(request))
                self.under_way.add(task)
                task.add_done_callback(self.under_way.discard)
        await asyncio.Event().wait()

    async def again(self, client: Client) -> None:
        """Hold one stream or websocket after the other."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await client()
            await asyncio.sleep(1.0)

    async def listen(self) -> None:
        """Hold one stream of server-sent events for a while."""
        forever = aiohttp.ClientTimeout(total=None, sock_connect=_ANSWER_SECONDS)
        async with asyncio.timeout(self._plan.lasts(STREAM_SECONDS)), self._session.get(
                f"{self._url}/api/v1/events", timeout=forever, allow_redirects=False) as answer:
            async for _ in answer.content:
                pass

    async def talk(self) -> None:
        """Hold one websocket for a while and say a word now and then."""
        async with self._session.ws_connect(f"{self._url}/ws/live") as socket:
            asking = asyncio.create_task(_repeat(socket))
            try:
                async with asyncio.timeout(self._plan.lasts(SOCKET_SECONDS)):
                    async for _ in socket:
                        pass
            finally:
                asking.cancel()

    async def _send(self, request: Request) -> None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            async with self._session.request(
                    request.method, self._url + request.path, json=request.body, headers=dict(request.headers),
                    allow_redirects=False) as answer:
                body = await answer.read()
                self._answered = self._loop.time()
                if request.lead and answer.status == 200:
                    self._plan.scored(request.lead, float(json.loads(body)["score"]), self._elapsed)

    def _judge(self) -> None:
        if self._loop.time() - self._answered > self._silence:
            raise StackError(f"the application at {self._url} has not answered for {self._silence:.0f} s")


async def _repeat(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        while True:
            await socket.send_str("how many?")
            await asyncio.sleep(WORD_SECONDS)
