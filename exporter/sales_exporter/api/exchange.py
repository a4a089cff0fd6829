"""Requests and answers of the API in HTTP: parameters, bodies, validators, compression, other sites, problems."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sales_exporter.api.asked import Wish
from sales_exporter.api.past import NoSuchField
from sales_exporter.errors import ConfigError, DeadlineExceeded, RowBudgetExceeded, SourceError, SourceUnavailable
from sales_exporter.runtime import receiving
from sales_exporter.runtime.bodies import JSON, read_json
from sales_exporter.runtime.negotiation import takes_gzip
from sales_exporter.runtime.parts import Asked
from sales_exporter.runtime.receiving import Refused, problem
from sales_exporter.sidecar.desk.seam import Impossible, UnknownAlert

M = TypeVar("M", bound=Wish)

SMALL = 1_024
"""Bytes below which compression is not worth it."""
DEFECTS = 3
"""Defects of a request that are told at once."""
_ENDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int, str, str], ...] = (
    (UnknownAlert, 404, "no such alert", ""),
    (Impossible, 409, "{error}", ""),
    (NoSuchField, 404, "{error}", ""),
    (RowBudgetExceeded, 400, "Prometheus answers with more than is read; ask for a shorter range", ""),
    ((SourceUnavailable, DeadlineExceeded), 503, "Prometheus did not answer ({reason})", "5"),
    (SourceError, 502, "Prometheus' answer cannot be used ({reason})", ""),
    (ConfigError, 503, "sidecar.prometheus cannot be used as it is configured", "60"),
)
"""What a request may end with besides an answer: status, words, and seconds until it may be tried again."""
EXPECTED = (UnknownAlert, Impossible, NoSuchField, SourceError, ConfigError)


def query_of(request: web.BaseRequest, model: type[M]) -> M:
    """The query parameters.

    Raises:
        Refused: 400; one is unknown, repeated or not as it has to be.
    """
    pairs = request.query
    if len(set(pairs)) != len(pairs):
        raise Refused(problem(400, "a parameter is given more than once"))
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise Refused(problem(400, _defects(error))) from None


async def body_of(asked: Asked, model: type[M]) -> M:
    """The body.

    Raises:
        Refused: 400, 413 or 415 for what is no JSON of a bearable size, 422 for JSON that is not as it has to be.
    """
    tree = await read_json(asked)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise Refused(problem(422, _defects(error))) from None


def refused(error: Exception) -> receiving.Answer:
    """The problem details of what a request may end with."""
    _, status, text, later = next(end for end in _ENDS if isinstance(error, end[0]))
    said = text.format(error=error, reason=getattr(error, "reason", ""))
    return problem(status, said, Retry_After=later) if later else problem(status, said)


def written(answer: BaseModel) -> bytes:
    """An answer as JSON, in ASCII: so whatever a label holds can be written, half a surrogate pair too."""
    return json.dumps(answer.model_dump(mode="json"), allow_nan=False, separators=(",", ":")).encode()


def validated(request: web.BaseRequest, body: bytes) -> web.Response:
    """An answer that a client may keep, as long as it asks whether it is still right."""
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {one.strip() for one in ",".join(request.headers.getall("If-None-Match", ())).split(",")}
    if known & {tag, tag.removeprefix("W/"), "*"}:
        return web.Response(status=304, headers=headers)
    response = packed(request, body)
    response.headers.update(headers)
    return response


def packed(request: web.BaseRequest, body: bytes) -> web.Response:
    """JSON, compressed for those who take that and where it is worth it."""
    headers = {"Content-Type": JSON, "Vary": "Accept-Encoding"}
    if len(body) >= SMALL and takes_gzip(request.headers.getall("Accept-Encoding", ())):
        body = gzip.compress(body, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def stated(answer: receiving.Answer) -> web.Response:
    """A refusal as a response."""
    response = web.Response(body=answer.body, status=answer.status,
                            headers={**answer.headers, "Content-Type": answer.content_type})
    if answer.last:
        response.force_close()
    return response


def share(request: web.BaseRequest, response: web.StreamResponse, origins: Sequence[str]) -> None:
    """Let pages of other sites read the answer, if they are configured to."""
    headers = sharing(request, origins)
    if "Vary" in headers and "Vary" in response.headers:
        headers["Vary"] = f"{response.headers['Vary']}, {headers['Vary']}"
    response.headers.update(headers)


def sharing(request: web.BaseRequest, origins: Sequence[str]) -> dict[str, str]:
    """The headers that let pages of other sites read an answer; none where no site may."""
    if not origins:
        return {}
    asked = request.headers.get("Origin")
    if asked is None or asked not in origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": asked,
            "Access-Control-Expose-Headers": "ETag, Retry-After"}


def preflight() -> web.Response:
    """The answer to a browser that asks whether a page of another site may read."""
    return web.Response(status=204, headers={
        "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Max-Age": "600",
        "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID"})


def _defects(error: ValidationError) -> str:
    """Where and why, never what was sent."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}"
             for one in error.errors(include_input=False, include_url=False, include_context=False)]
    return "; ".join(found[:DEFECTS])
