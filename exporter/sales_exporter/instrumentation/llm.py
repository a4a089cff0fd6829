"""Calls of generative models, timed and counted under OpenTelemetry's GenAI names.

Names, labels and bucket bounds: "Semantic conventions for generative AI metrics" (status: development),
``docs/gen-ai/gen-ai-metrics.md`` of open-telemetry/semantic-conventions-genai, as Prometheus writes them. Left out are
``server.address`` and ``server.port``. Nothing of a prompt or an answer is looked at.

    with llm_timer(meter, operation="chat", provider="openai", model="gpt-x") as call:
        answer = client.chat(...)
        call.tokens(input=answer.usage.input, output=answer.usage.output)

    for chunk in llm_timer(meter, provider="openai", model="gpt-x").stream(chunks): ...
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from bisect import bisect_left
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from time import perf_counter
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from sales_exporter.instrumentation.meter import UNKNOWN, Meter
from sales_exporter.model import Metric, histogram

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0,
                 16777216.0, 67108864.0)

_WHO = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
_MODELS = ("gen_ai_request_model", "gen_ai_response_model")
DURATION = histogram(
    "gen_ai_client_operation_duration_seconds", "Time from a call of a generative model to the end of its answer. "
    "error_type is the class of the error that it ended with, or empty.", *_WHO, "error_type", bounds=SECONDS)
FIRST_CHUNK = histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds", "Time from a call of a generative model to the first chunk "
    "of its streamed answer. Answers that are not streamed are not in it.", *_WHO, bounds=SECONDS)
USAGE = histogram(
    "gen_ai_client_token_usage", "Tokens of one call, as the provider bills them: input or output.", *_WHO,
    "gen_ai_token_type", bounds=TOKENS)

Chunk = TypeVar("Chunk")
Function = TypeVar("Function", bound=Callable[..., Any])


class LlmCall:
    """One call of a model: a context manager, for ``with`` and ``async with``. None of its methods raises.

    It is counted at the end of the block, once; an exception goes on untouched, and its class is the error_type.
    """

    def __init__(self, meter: Meter, operation: str, provider: str, model: str) -> None:
        self._meter = meter
        self._who = (operation, provider, model)
        self._model = ""
        self._begun = self._first = -1.0
        self._tokens: dict[str, float] = {}

    def first_token(self) -> None:
        """The first chunk of a streamed answer is here. The first time counts."""
        if self._first < 0:
            self._first = perf_counter()

    def tokens(self, *, input: float | None = None, output: float | None = None) -> None:  # noqa: A002
        """Tokens of the call, billed ones where the provider tells both. Given again, the last number counts."""
        for kind, count in (("input", input), ("output", output)):
            if count is not None:
                try:
                    number = float(count)
                    if not 0 <= number < 1e15:
                        raise ValueError("a count of tokens is negative or none")
                    self._tokens[kind] = number
                except Exception as error:
                    self._failed(error)

    def response_model(self, name: str) -> None:
        """The model that answered, where the provider tells it."""
        self._model = name

    def stream(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks, timed from now until they are over or are no longer wanted. In place of ``with``."""
        with self:
            for chunk in chunks:
                self.first_token()
                yield chunk

    async def astream(self, chunks: AsyncIterable[Chunk]) -> AsyncIterator[Chunk]:
        """As ``stream``, of an asynchronous iterator."""
        with self:
            async for chunk in chunks:
                self.first_token()
                yield chunk

    def __enter__(self) -> LlmCall:
        """The call begins."""
        self._begun = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The call is over."""
        begun, self._begun = self._begun, -1.0
        if begun < 0:
            return
        try:
            # Who stops listening to a stream has not met an error.
            fault = "" if kind is None or kind is GeneratorExit else kind.__name__
            self._count(perf_counter() - begun, fault, self._first - begun if self._first >= 0 else None)
        except Exception as surprise:
            self._failed(surprise)

    async def __aenter__(self) -> LlmCall:
        """As ``__enter__``."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As ``__exit__``."""
        self.__exit__(kind, error, trace)

    def _count(self, seconds: float, fault: str, first: float | None) -> None:
        who = (*map(_name, self._who), _name(self._model) if self._model else "")
        self._observe(DURATION, (*who, fault), seconds)
        if first is not None:
            self._observe(FIRST_CHUNK, who, max(0.0, first))
        for kind, count in self._tokens.items():
            self._observe(USAGE, (*who, kind), count)

    def _observe(self, metric: Metric, labels: tuple[str, ...], number: float) -> None:
        folds = (*_MODELS, "gen_ai_provider_name", "gen_ai_operation_name")
        cell = self._meter.family(metric, *folds, *(("error_type",) if metric is DURATION else ())).cell(*labels)
        place, last = bisect_left(metric.bounds, number), len(metric.bounds) + 1
        cell[place] += 1
        cell[last] += number

    def _failed(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            self._meter.failed("llm", error)


class LlmTimer(LlmCall):
    """A call that may also be used as a decorator, of a function or a coroutine function: each call of it is timed."""

    def __call__(self, function: Function) -> Function:
        """The function, timed. Generator functions are timed from the first chunk wanted to the last one given."""
        operation, provider, model = self._who

        def fresh() -> LlmCall:
            return LlmCall(self._meter, operation, provider, model)

        @functools.wraps(function)
        def plain(*args: Any, **options: Any) -> Any:
            with fresh():
                return function(*args, **options)

        @functools.wraps(function)
        async def awaited(*args: Any, **options: Any) -> Any:
            with fresh():
                return await function(*args, **options)

        @functools.wraps(function)
        def streamed(*args: Any, **options: Any) -> Any:
            return fresh().stream(function(*args, **options))

        @functools.wraps(function)
        def astreamed(*args: Any, **options: Any) -> Any:
            return fresh().astream(function(*args, **options))

        if inspect.iscoroutinefunction(function):
            return cast("Function", awaited)
        if inspect.isasyncgenfunction(function):
            return cast("Function", astreamed)
        return cast("Function", streamed if inspect.isgeneratorfunction(function) else plain)


def llm_timer(meter: Meter, *, operation: str = "chat", provider: str, model: str) -> LlmTimer:
    """A timer of one call of a model, see :class:`LlmCall`; or, as a decorator, of each call of a function.

    ``operation`` and ``provider`` are words of the convention where it has one: chat, embeddings, text_completion, …;
    openai, anthropic, aws.bedrock, … Model names above the meter's limit become ``(other)``.
    """
    return LlmTimer(meter, operation, provider, model)


def _name(value: object) -> str:
    return str.__str__(value) if isinstance(value, str) and value else UNKNOWN
