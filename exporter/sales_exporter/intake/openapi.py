"""The OpenAPI document of the configured sources, made from the models that payloads are read with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from sales_exporter import __version__
from sales_exporter.intake.mappings import Vendor
from sales_exporter.intake.sources import Source
from sales_exporter.runtime.receiving import PREFIX

_COUNTS = ("accepted", "duplicate", "ignored", "invalid")
_REFUSALS = {
    "400": "The body is not of its media type, or nested too deep. It is kept as a dead letter.",
    "401": "The proof of the sender is missing, wrong or too old. Nothing is kept.",
    "413": "The body is too large.", "415": "Another media type or encoding.",
    "422": "The payload lacks what is needed. It is kept as a dead letter.",
    "429": "Too many requests of this source, or of all.", "503": "As many events wait for the database as may.",
}
_LATER = {"429", "503"}


def document(sources: Mapping[str, Source], limit: int) -> bytes:
    """OpenAPI 3.1, as JSON. Names no secret and no address."""
    vendors = {source.vendor.name: source.vendor for source in sources.values()}
    _, schemas = models_json_schema([(vendor.model, "validation") for vendor in vendors.values()],
                                    ref_template="#/components/schemas/{model}")
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "sales-exporter intake", "version": __version__,
                 "description": f"Events become rows of the data contract. A body has at most {limit} bytes."},
        "paths": {f"{PREFIX}{name}": {"post": _operation(source)} for name, source in sorted(sources.items())},
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Counts": _counts(), "Problem": _problem()},
            "securitySchemes": {name: _scheme(source) for name, source in sorted(sources.items())},
        },
    }
    return json.dumps(tree, indent=1).encode()


def _operation(source: Source) -> dict[str, Any]:
    taken = {"description": "Every event that is new is on disk.", "content": _content("Counts", "application/json")}
    known = {"description": "Nothing new: duplicates, or events that are ignored.",
             "content": _content("Counts", "application/json")}
    return {
        "operationId": f"ingest_{source.name}", "summary": source.vendor.title, "security": [{source.name: []}],
        "requestBody": {"required": True, "content": {source.vendor.media: {"schema": _body(source.vendor)}}},
        "responses": {"200": known, "202": taken, **{status: _refusal(status) for status in _REFUSALS}},
    }


def _body(vendor: Vendor) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{vendor.model.__name__}"}
    return {"anyOf": [one, {"type": "array", "items": one}]} if vendor.lists else one


def _refusal(status: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _REFUSALS[status],
                             "content": _content("Problem", "application/problem+json")}
    if status in _LATER:
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found


def _content(schema: str, media: str) -> dict[str, Any]:
    return {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _scheme(source: Source) -> dict[str, Any]:
    if source.secret.way == "bearer":
        return {"type": "http", "scheme": "bearer"}
    return {"type": "apiKey", "in": "header", "name": source.vendor.signature_header,
            "description": "A signature of the request; docs/intake.md says how it is made."}


def _counts() -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0}
    return {"type": "object", "required": list(_COUNTS), "properties": dict.fromkeys(_COUNTS, number)}


def _problem() -> dict[str, Any]:
    return {"type": "object", "required": ["type", "title", "status", "detail"],
            "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                           "detail": {"type": "string"}}}
