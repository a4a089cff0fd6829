"""How answers are made: strict headers on each, refusals in words or as problem details, large bodies in pieces."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from sales_exporter.runtime import receiving
from sales_exporter.runtime.web_config import WebConfig

STRICT: Mapping[str, str] = {
    "Server": "sales-exporter",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}

TEXT = "text/plain; charset=utf-8"

_PIECE = 64 * 1024
"""Bytes that are handed to a connection at once, so that a slow reader holds no copy of a whole page."""


class Answers:
    """Makes answers under the web configuration that is in force."""

    def __init__(self, access: WebConfig | None) -> None:
        self._access = access

    def headers(self, own: Mapping[str, str]) -> dict[str, str]:
        """All headers of an answer with some of its own. A header that the user left blank is not sent."""
        wanted = self._access.headers if self._access is not None else {}
        return {name: value for name, value in {**STRICT, **own, **wanted}.items() if value}

    def response(self, body: bytes, content_type: str, status: int, headers: Mapping[str, str]) -> web.Response:
        """An answer from its bytes."""
        return web.Response(body=body, status=status, headers=self.headers({**headers, "Content-Type": content_type}))

    def plain(self, status: int, text: str, **headers: str) -> web.Response:
        """A short answer in plain text."""
        return self.response(f"{text}\n".encode(), TEXT, status, headers)

    def given(self, answer: receiving.Answer) -> web.Response:
        """An answer of whoever took a body."""
        response = self.response(answer.body, answer.content_type, answer.status, answer.headers)
        if answer.last:
            response.force_close()
        return response

    def dressed(self, response: web.StreamResponse, headers: Mapping[str, str]) -> web.StreamResponse:
        """The same answer with the headers that it lacks, unless they are under way."""
        if not response.prepared:
            wanted = self._access.headers if self._access is not None else {}
            for name, value in headers.items():
                if name in wanted or name not in response.headers:
                    response.headers[name] = value
            for name, value in wanted.items():
                if not value:
                    response.headers.pop(name, None)
        return response

    async def pieces(self, request: web.BaseRequest, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
        """Write a large body, each piece when the client has taken those before."""
        response = web.StreamResponse(headers=self.headers({**headers, "Content-Length": str(len(body))}))
        await response.prepare(request)
        if request.method != "HEAD":
            whole = memoryview(body)
            for start in range(0, len(body), _PIECE):
                await response.write(whole[start : start + _PIECE])
        await response.write_eof()
        return response
