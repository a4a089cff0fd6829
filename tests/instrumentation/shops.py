"""One small application, built with each ASGI framework: what the behaviour table is asked about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

if TYPE_CHECKING:
    from fastapi import FastAPI


class Shop:
    """The endpoints, with what the tests hold on to."""

    def __init__(self) -> None:
        self.later = asyncio.Event()
        """What a background task waits for."""
        self.working = asyncio.Event()
        """Whether it has begun to."""

    async def ok(self, request: Request) -> PlainTextResponse:
        """A short answer."""
        return PlainTextResponse("ok")

    async def read(self, request: Request) -> PlainTextResponse:
        """Reads the body."""
        return PlainTextResponse(str(len(await request.body())))

    async def boom(self, request: Request) -> PlainTextResponse:
        """Fails."""
        raise RuntimeError("boom")

    async def pieces(self, request: Request) -> StreamingResponse:
        """An answer of unknown length in three pieces."""

        async def made() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two", b"three"):
                yield piece

        return StreamingResponse(made())

    async def events(self, request: Request) -> StreamingResponse:
        """Server-sent events."""

        async def made() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            yield b"data: 2\n\n"

        return StreamingResponse(made(), media_type="text/event-stream")

    async def breaks(self, request: Request) -> StreamingResponse:
        """A stream that fails in the middle."""

        async def made() -> AsyncIterator[bytes]:
            yield b"one"
            raise ValueError("no more")

        return StreamingResponse(made())

    async def background(self, request: Request) -> PlainTextResponse:
        """Work that goes on after the answer."""

        async def work() -> None:
            self.working.set()
            await self.later.wait()

        return PlainTextResponse("ok", background=BackgroundTask(work))

    async def chat(self, socket: WebSocket) -> None:
        """A websocket that says each thing twice."""
        await socket.accept()
        while (message := await socket.receive())["type"] == "websocket.receive":
            await socket.send_text(message["text"])
            await socket.send_text(message["text"])

    async def refuses(self, socket: WebSocket) -> None:
        """A websocket that is not accepted."""
        await socket.close()


async def legacy(scope: Any, receive: Any, send: Any) -> None:
    """An application of another kind."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"legacy"})


def _routes(shop: Shop) -> list[tuple[str, str, Callable[..., Any]]]:
    return [("GET", "/api/v1/leads/{lead_id}", shop.ok), ("POST", "/api/v1/leads", shop.read),
            ("GET", "/boom", shop.boom), ("GET", "/pieces", shop.pieces), ("GET", "/events", shop.events),
            ("GET", "/breaks", shop.breaks), ("GET", "/background", shop.background)]


def _mounted(shop: Shop) -> list[Mount]:
    inner = Starlette(routes=[Route("/deals/{deal_id:int}", shop.ok)])
    return [Mount("/crm", app=inner), Mount("/tenants/{tenant}", app=inner), Mount("/legacy", app=legacy)]


def starlette(shop: Shop) -> Starlette:
    """With Starlette."""
    return Starlette(routes=[
        *(Route(path, endpoint, methods=[method]) for method, path, endpoint in _routes(shop)),
        WebSocketRoute("/chat/{room}", shop.chat), WebSocketRoute("/refuses", shop.refuses), *_mounted(shop)])


def fastapi(shop: Shop) -> FastAPI:
    """With FastAPI, whose routers are included with prefixes. It is loaded here: that takes its time."""
    from fastapi import APIRouter, FastAPI

    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/v1")
    for method, path, endpoint in _routes(shop):
        target = router if path.startswith("/api") else app
        target.add_api_route(path.removeprefix("/api/v1"), endpoint, methods=[method], response_model=None)
    app.include_router(router, prefix="/api")
    app.add_api_websocket_route("/chat/{room}", shop.chat)
    app.add_api_websocket_route("/refuses", shop.refuses)
    app.router.routes.extend(_mounted(shop))
    return app


FRAMEWORKS: dict[str, Callable[[Shop], Any]] = {"starlette": starlette, "fastapi": fastapi}
