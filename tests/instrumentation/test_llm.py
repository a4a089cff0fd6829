"""The LLM timer: what is counted under OpenTelemetry's names, and that the application never notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.instrumentation.llm import LlmTimer, llm_timer
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.model import Distribution
from tests.support.recording import exposed

DURATION = "gen_ai_client_operation_duration_seconds"
FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
USAGE = "gen_ai_client_token_usage"


def timer(meter: Meter) -> LlmTimer:
    return llm_timer(meter, operation="chat", provider="openai", model="gpt-x")


def seen(meter: Meter, name: str) -> dict[tuple[str, ...], int]:
    return {s.labels: sum(s.value.counts) for s in meter.samples()
            if s.metric.name == name and isinstance(s.value, Distribution)}


def test_a_call_is_counted_once_with_its_tokens_and_model() -> None:
    meter = Meter()
    with timer(meter) as call:
        call.tokens(input=900)
        call.tokens(output=17)
        call.response_model("gpt-x-2026")
        assert seen(meter, DURATION) == {}
    who = ("chat", "openai", "gpt-x", "gpt-x-2026")
    assert seen(meter, DURATION) == {(*who, ""): 1}
    assert seen(meter, USAGE) == {(*who, "input"): 1, (*who, "output"): 1}
    assert seen(meter, FIRST) == {}
    buckets = {s.labels["le"]: s.value for s in exposed(meter)[USAGE].samples
               if s.name.endswith("_bucket") and s.labels["gen_ai_token_type"] == "input"}
    assert (buckets["256.0"], buckets["1024.0"]) == (0, 1)
    assert len(buckets) == 15


def test_an_error_is_counted_by_its_class_and_goes_on_untouched() -> None:
    meter = Meter()
    mistake = TimeoutError()
    with pytest.raises(TimeoutError) as caught, timer(meter):
        raise mistake
    assert caught.value is mistake
    assert seen(meter, DURATION) == {("chat", "openai", "gpt-x", "", "TimeoutError"): 1}


async def test_async_with_and_cancellation() -> None:
    meter = Meter()

    async def ask() -> None:
        async with timer(meter) as call:
            call.first_token()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen(meter, DURATION) == {("chat", "openai", "gpt-x", "", "CancelledError"): 1}
    assert seen(meter, FIRST) == {("chat", "openai", "gpt-x", ""): 1}


async def test_streams_give_every_chunk_and_time_the_first_one() -> None:
    meter = Meter()
    assert list(timer(meter).stream(iter("abc"))) == ["a", "b", "c"]

    async def chunks() -> AsyncIterator[str]:
        for chunk in "abc":
            yield chunk

    assert [chunk async for chunk in timer(meter).astream(chunks())] == ["a", "b", "c"]
    assert list(timer(meter).stream([])) == []
    assert seen(meter, DURATION) == {("chat", "openai", "gpt-x", "", ""): 3}
    assert seen(meter, FIRST) == {("chat", "openai", "gpt-x", ""): 2}


def test_a_stream_that_is_left_early_is_no_error_and_one_that_breaks_is() -> None:
    meter = Meter()
    stream = timer(meter).stream(iter("abc"))
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    def broken() -> Iterator[str]:
        yield "a"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(timer(meter).stream(broken()))
    who = ("chat", "openai", "gpt-x", "")
    assert seen(meter, DURATION) == {(*who, ""): 1, (*who, "ConnectionError"): 1}


async def test_as_a_decorator_each_call_is_timed() -> None:
    meter = Meter()

    @timer(meter)
    def plain(a: int) -> int:
        return a + 1

    @timer(meter)
    async def awaited(a: int) -> int:
        return a + 1

    @timer(meter)
    def streamed() -> Iterator[int]:
        yield 1

    @timer(meter)
    async def astreamed() -> AsyncIterator[int]:
        yield 1

    assert (plain(1), plain(a=1), await awaited(1)) == (2, 2, 2)
    assert list(streamed()) == [1]
    assert [chunk async for chunk in astreamed()] == [1]
    assert plain.__name__ == "plain"
    assert seen(meter, DURATION) == {("chat", "openai", "gpt-x", "", ""): 5}


def test_models_beyond_the_limit_share_one_series() -> None:
    meter = Meter(limit=10)
    for number in range(100):
        with llm_timer(meter, provider="openai", model=f"fine-tuned-{number}") as call:
            call.tokens(input=1)
    assert len(seen(meter, DURATION)) == len(seen(meter, USAGE)) == 11
    assert sum(seen(meter, DURATION).values()) == 100


@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.just("\ud800"),
                          st.lists(st.integers())), min_size=6, max_size=6))
@pytest.mark.slow
def test_no_value_makes_the_timer_raise(some: list[Any]) -> None:
    meter = Meter()
    with llm_timer(meter, operation=some[0], provider=some[1], model=some[2]) as call:
        call.tokens(input=some[3], output=some[4])
        call.response_model(some[5])
        call.first_token()
    assert sum(seen(meter, DURATION).values()) == 1
    assert DURATION in exposed(meter)
