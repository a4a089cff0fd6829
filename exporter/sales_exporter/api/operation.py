"""One thing that may be asked of the API: route, document and answer are made from the same value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel

from sales_exporter.api.asked import Wish
from sales_exporter.runtime.parts import Asked

Q = TypeVar("Q", bound=Wish)
B = TypeVar("B", bound=Wish | None)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, read and found to be in order."""

    query: Q
    body: B
    path: Mapping[str, str]
    login: str
    """Who asks; empty where there are no users."""
    agent: str
    """With which program, as it says."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, B]):
    """``refusals`` are the statuses of its own that it may answer with, beside those that every operation has."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    query: type[Q]
    body: type[B] | None
    answer: type[BaseModel]
    take: Callable[[Call[Q, B]], Awaitable[BaseModel]]
    refusals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of Server-Sent Events, with the models of their data."""

    name: str
    path: str
    summary: str
    events: tuple[type[BaseModel], ...]
    answer: Callable[[Asked], Awaitable[web.StreamResponse]]
