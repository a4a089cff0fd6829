"""Which format and coding a client wants, by the quality values of RFC 9110."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sales_exporter.runtime.exposition import Format

_PARTS = 32
"""Ranges of one header that are looked at."""


def preferred(accept: Iterable[str]) -> Format:
    """The format that a client likes best; text when it names neither, so that no scrape fails for it."""
    ranges = sorted(_parsed(accept), key=lambda found: -found[2])
    for name, parameters, quality in ranges:
        version = parameters.get("version", "")
        if quality <= 0:
            break
        if name == "application/openmetrics-text" and version in ("", "1.0.0"):
            return "openmetrics"
        if name in ("text/*", "*/*") or (name == "text/plain" and version in ("", "0.0.4")):
            return "text"
    return "text"


def takes_gzip(accept_encoding: Iterable[str]) -> bool:
    """Whether gzip is acceptable and not less welcome than plain bytes."""
    qualities = {name: quality for name, _, quality in _parsed(accept_encoding)}
    other = qualities.get("*", 0.0)
    gzip = max(qualities.get("gzip", other), qualities.get("x-gzip", 0.0))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _parsed(values: Iterable[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Names in lower case with their parameters and quality; what cannot be read has quality 0."""
    for part in ",".join(values).split(",")[:_PARTS]:
        name, *rest = (piece.strip() for piece in part.split(";"))
        parameters = {}
        for piece in rest:
            key, _, value = piece.partition("=")
            parameters[key.strip().lower()] = value.strip().strip('"')
        if name:
            yield name.lower(), parameters, _quality(parameters.pop("q", "1"))


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
