"""The OpenAPI document, made from the operations and their models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from sales_exporter import __version__
from sales_exporter.api.operation import Feed, Operation
from sales_exporter.api.schema import Problem
from sales_exporter.runtime.bodies import JSON

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"
_STREAM = "text/event-stream"
_ABOUT = ("The numbers of the dashboards, by the same queries, and the alert desk. Times are epoch seconds. A login is "
          "needed where the server has users.")
_REFUSALS = {
    400: "A parameter or the body is not as it has to be, or too much was asked for.", 401: "A login is needed.",
    403: "The caller lacks the role, or the request comes from another site.", 404: "There is no such thing.",
    409: "It makes no sense for the alert as it is; the detail says why.", 413: "The body is too large.",
    415: "The body is no JSON, or packed.", 422: "The body is JSON, but not as it has to be.",
    429: "Too many requests.", 502: "Prometheus' answer cannot be used.", 503: "Prometheus does not answer, or too "
    "many streams are open.",
}
_ALWAYS, _OF_BODIES = (400, 401, 403, 429), (413, 415, 422)
_LATER = (429, 503)


def document(operations: Sequence[Operation[Any, Any]], feeds: Sequence[Feed], prefix: str) -> bytes:
    """OpenAPI 3.1, as JSON. Names no address but the prefix that paths have for those who ask."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    for feed in feeds:
        paths[feed.path] = {"get": _feed(feed)}
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "sales-exporter dashboard API", "version": __version__, "description": _ABOUT},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(operations, feeds),
                       "securitySchemes": {"login": {"type": "http", "scheme": "basic"}}},
        "security": [{}, {"login": []}],
    }
    return json.dumps(tree, indent=1).encode()


def _schemas(operations: Iterable[Operation[Any, Any]], feeds: Iterable[Feed]) -> dict[str, Any]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        wanted[operation.answer, "serialization"] = None
        if operation.body is not None:
            wanted[operation.body, "validation"] = None
    for feed in feeds:
        wanted |= {(event, "serialization"): None for event in feed.events}
    _, schemas = models_json_schema(list(wanted), ref_template=_REF)
    found: dict[str, Any] = schemas["$defs"]
    return found


def _operation(operation: Operation[Any, Any]) -> dict[str, Any]:
    statuses = (*_ALWAYS, *operation.refusals, *(_OF_BODIES if operation.body is not None else ()))
    answers = {"200": {"description": operation.answer.__doc__ or operation.summary,
                       "content": _content(operation.answer, JSON)}}
    if operation.method == "GET":
        answers["304"] = {"description": "It is as the validator in If-None-Match says."}
    found: dict[str, Any] = {
        "operationId": operation.name, "summary": operation.summary,
        "parameters": [*_pieces(operation.path), *_parameters(operation.query)],
        "responses": answers | {str(status): _refusal(status) for status in sorted(set(statuses))},
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _content(operation.body, JSON)}
    return found


def _feed(feed: Feed) -> dict[str, Any]:
    said = ("Events as they come; their data is one of " + ", ".join(event.__name__ for event in feed.events)
            + ". After Last-Event-ID only what changed since is sent, as long as that is known.")
    return {
        "operationId": feed.name, "summary": feed.summary,
        "parameters": [{"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}],
        "responses": {"200": {"description": said, "content": {_STREAM: {"schema": {"type": "string"}}}},
                      **{str(status): _refusal(status) for status in (*_ALWAYS, 503)}},
    }


def _parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_REF)
    required = schema.get("required", ())
    return [{"name": name, "in": "query", "required": name in required, **_described(dict(parts))}
            for name, parts in schema.get("properties", {}).items()]


def _described(parts: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema and description. What may be missing is null in the model, and left out in a query."""
    parts.pop("title", None)
    said = parts.pop("description", None)
    kinds = [kind for kind in parts.pop("anyOf", []) if kind != {"type": "null"}]
    if kinds:
        parts.pop("default", None)
        parts |= kinds[0]
    return {"schema": parts} | ({"description": said} if said else {})


def _pieces(path: str) -> list[dict[str, Any]]:
    names = [piece[1:-1] for piece in path.split("/") if piece.startswith("{")]
    return [{"name": name, "in": "path", "required": True,
             "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"}} for name in names]


def _refusal(status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _REFUSALS[status], "content": _content(Problem, _PROBLEM)}
    if status in _LATER:
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found


def _content(model: type[BaseModel], media: str) -> dict[str, Any]:
    return {media: {"schema": {"$ref": _REF.format(model=model.__name__)}}}
