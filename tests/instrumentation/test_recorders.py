"""What recorders count at once, and that no value of an application makes them raise."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.contract.relations import RELATIONS as CONTRACT
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders import Recorder, values
from sales_exporter.instrumentation.recorders.relations import RELATIONS
from sales_exporter.model import Distribution
from tests.support.recording import exposed, value


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __float__(self) -> float:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


class Unruly(str):
    """A text that raises when it is compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=400), st.binary(max_size=5), st.decimals(),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.dates(), st.uuids(), st.complex_numbers(),
    st.lists(st.integers(), max_size=2), st.sampled_from(["\ud800", "a\0b", "answered", "inbound", "ai", ""]),
    st.builds(Hostile), st.builds(Unruly, st.text(max_size=5)))


def test_predictions_and_outcomes_are_counted_at_once_and_exposed() -> None:
    meter = Meter()
    recorder = Recorder(meter=meter)
    for score in (0.0, 0.05, 0.051, 0.99, 1.0):
        recorder.record_prediction("lead-score", "3", "lead-1", score)
    recorder.record_outcome("lead-1", 1)
    recorder.record_outcome("lead-2", False)
    families = exposed(meter)
    assert [(s.labels, s.value) for s in families["sales_app_predictions"].samples] == [
        ({"model": "lead-score", "version": "3"}, 5.0)]
    scores = {s.labels.get("le", s.name.rpartition("_")[2]): s.value
              for s in families["sales_app_prediction_score"].samples}
    assert (scores["0.05"], scores["0.1"], scores["0.95"], scores["1.0"], scores["+Inf"]) == (2, 3, 3, 5, 5)
    assert scores["sum"] == pytest.approx(2.091)
    assert len(scores) == 21 + 2
    assert {s.labels["label"]: s.value for s in families["sales_app_outcomes"].samples} == {"0": 1.0, "1": 1.0}


def test_models_and_versions_beyond_the_limit_share_one_series() -> None:
    meter = Meter(limit=10)
    recorder = Recorder(meter=meter)
    for number in range(1000):
        recorder.record_prediction("m", f"v{number}", 1, 0.5)
    counts = [s.value for s in meter.samples() if s.metric.name == "sales_app_predictions_total"]
    assert (len(counts), sum(counts)) == (11, 1000)
    assert value(meter, "sales_app_predictions_total", "(other)", "(other)") == 990
    assert value(meter, "sales_app_prediction_score", "(other)", "(other)") == 990


@given(st.lists(ANYTHING, min_size=19, max_size=19))
@pytest.mark.slow
def test_no_value_makes_a_recorder_raise(some: list[Any]) -> None:
    meter = Meter()
    recorder = Recorder(meter=meter)
    recorder.record_prediction(some[0], some[1], some[2], some[3], threshold=some[4], horizon_seconds=some[5],
                               subject_kind=some[6], predicted_at=some[7], prediction_id=some[8])
    recorder.record_outcome(some[0], some[1], subject_kind=some[2], observed_at=some[3], is_final=some[4])
    recorder.record_judgement(some[0], some[1], judged_at=some[2], judgement_id=some[3])
    recorder.record_call(
        some[0], direction=some[1], agent_kind=some[2], started_at=some[3], ended_at=some[4], outcome=some[5],
        answered_at=some[6], lead_id=some[7], rep_id=some[8], channel_id=some[9], carrier=some[10], success=some[11],
        talk_seconds=some[12], hold_seconds=some[13], wrap_seconds=some[14], first_response_seconds=some[15],
        transferred=some[16], cost=some[17], currency=some[18])
    with recorder.call(call_id=some[0], direction=some[1], agent_kind=some[2], rep_id=some[3]) as call:
        call.answered()
        call.ended(some[4], cost=some[5], currency=some[6], success=some[7], talk_seconds=some[8])
    labels = {s.labels for s in meter.samples() if s.metric.name == "sales_app_calls_active"}
    assert all(value(meter, "sales_app_calls_active", *which) == 0 for which in labels)
    assert "instrumentation_label_overflow" in exposed(meter)


@pytest.mark.parametrize("arguments", [
    pytest.param({"score": float("nan")}, id="score is no number"),
    pytest.param({"score": float("inf")}, id="score is infinite"),
    pytest.param({"score": "0.5"}, id="score is a text"),
    pytest.param({"subject": None}, id="no subject"),
    pytest.param({"subject": ""}, id="empty subject"),
    pytest.param({"subject": "a\0b"}, id="NUL"),
    pytest.param({"subject": "\ud800"}, id="lone surrogate"),
    pytest.param({"model": 1.5}, id="model is a number"),
    pytest.param({"predicted_at": datetime(2026, 1, 1)}, id="time without zone"),
])
def test_what_no_column_can_hold_is_counted_and_not_recorded(arguments: dict[str, Any]) -> None:
    meter = Meter()
    given = {"model": "m", "version": "1", "subject": 1, "score": 0.5, **arguments}
    assert Recorder(meter=meter).record_prediction(**given) == ""
    assert value(meter, "instrumentation_errors_total", "record_prediction") == 1
    assert not [s for s in meter.samples() if s.metric.name == "sales_app_predictions_total"]


@pytest.mark.parametrize(("given", "kept"), [
    ("lead-1", "lead-1"), (17, "17"), (np.int64(17), "17"), ("ä", "ä"),
    (UUID("12345678-1234-5678-1234-567812345678"), "12345678-1234-5678-1234-567812345678"),
])
def test_ids_are_texts_integers_or_uuids(given: object, kept: str) -> None:
    assert values.text(given) == kept


def test_ids_that_are_too_long_stay_apart() -> None:
    one, other = values.text("x" * 5000 + "1"), values.text("x" * 5000 + "2")
    assert len(one) == len(other) == values.LONGEST
    assert one != other


@pytest.mark.parametrize(("given", "kept"), [
    (0.5, 0.5), (np.float32(0.5), 0.5), (Decimal("0.5"), 0.5), (np.float64(1e-300), 1e-300), (True, 1.0),
])
def test_numbers_may_be_of_any_numeric_type(given: object, kept: float) -> None:
    assert values.number(given) == kept


def test_times_are_kept_in_utc() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert values.moment(noon.astimezone(timezone(timedelta(hours=5)))) == noon
    assert values.moment(noon.timestamp()) == noon
    assert str(values.moment(noon.astimezone(timezone(timedelta(hours=5))))) == "2026-06-01 12:00:00+00:00"


def test_new_ids_are_uuids_in_order_of_time() -> None:
    made = [values.fresh_id(1_700_000_000 + second) for second in range(100)]
    assert made == sorted(made)
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(7, "specified in RFC 4122")}
    assert len({values.fresh_id(1_700_000_000) for _ in range(10_000)}) == 10_000


def calls_of(meter: Meter) -> dict[tuple[str, ...], float | Distribution]:
    return {s.labels: s.value for s in meter.samples() if s.metric.name == "sales_app_calls_total"}


def test_a_call_is_answered_when_somebody_answered_and_not_answered_otherwise() -> None:
    meter = Meter()
    recorder = Recorder(meter=meter)
    with recorder.call(direction="outbound", agent_kind="human"):
        assert value(meter, "sales_app_calls_active", "outbound", "human") == 1
    with recorder.call() as call:
        call.answered()
        call.first_response()
    with recorder.call() as call:
        call.ended("voicemail")
    with recorder.call(direction="sideways", agent_kind="parrot") as call:
        call.ended("eaten")
    assert calls_of(meter) == {
        ("outbound", "human", "no_answer"): 1, ("inbound", "ai", "answered"): 1, ("inbound", "ai", "voicemail"): 1,
        ("(other)", "(other)", "(other)"): 1}
    assert value(meter, "sales_app_calls_active", "outbound", "human") == 0
    assert value(meter, "sales_app_call_duration_seconds", "ai") == 2
    assert value(meter, "sales_app_call_first_response_seconds", "ai") == 1


def fail_after_answer(recorder: Recorder, mistake: Exception) -> None:
    with recorder.call() as call:
        call.answered()
        raise mistake


def fail_after_end(recorder: Recorder) -> None:
    with recorder.call() as call:
        call.ended("busy")
        raise ValueError("later")


def test_an_exception_within_a_call_makes_it_failed_and_goes_on_untouched() -> None:
    meter = Meter()
    mistake = ValueError("of the application")
    with pytest.raises(ValueError, match="of the application") as caught:
        fail_after_answer(Recorder(meter=meter), mistake)
    assert caught.value is mistake
    assert mistake.__context__ is None
    assert calls_of(meter) == {("inbound", "ai", "failed"): 1}


def test_an_exception_after_the_end_of_a_call_leaves_its_outcome() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="later"):
        fail_after_end(Recorder(meter=meter))
    assert calls_of(meter) == {("inbound", "ai", "busy"): 1}


async def test_a_call_that_is_cancelled_is_failed_and_no_longer_active() -> None:
    meter = Meter()
    recorder = Recorder(meter=meter)
    begun = asyncio.Event()

    async def talk() -> None:
        async with recorder.call():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(talk())
    await begun.wait()
    assert value(meter, "sales_app_calls_active", "inbound", "ai") == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls_of(meter) == {("inbound", "ai", "failed"): 1}
    assert value(meter, "sales_app_calls_active", "inbound", "ai") == 0


def test_the_clock_being_set_back_does_not_end_a_call_before_its_start() -> None:
    times = iter([1000.0, 1000.0, 10.0, 10.0])
    meter = Meter()
    with Recorder(meter=meter, clock=lambda: next(times)).call() as call:
        call.ended("busy")
    assert value(meter, "sales_app_call_duration_seconds", "ai") == 1
    assert not [s for s in meter.samples() if s.metric.name == "instrumentation_errors_total"]


def test_the_columns_are_those_of_the_contract_less_the_change_key() -> None:
    for relation in RELATIONS:
        wanted = [(column.name, column) for column in CONTRACT[relation.name].columns if column.name != "recorded_tx"]
        assert [name for name, _ in relation.columns] == [name for name, _ in wanted]


def test_only_one_target_may_be_given() -> None:
    with pytest.raises(ValueError, match="one of dsn, dsn_file and writer"):
        Recorder("host=a", dsn_file="b")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_driver_is_imported_when_a_writer_is_made_and_not_before() -> None:
    done = run("import sys; from sales_exporter.instrumentation.recorders import Recorder; r = Recorder();"
               "r.record_prediction('m', '1', 1, 0.5); print('psycopg' in sys.modules, 'numpy' in sys.modules)")
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_a_missing_driver_is_an_error_that_says_what_to_do() -> None:
    done = run("import sys; sys.modules['psycopg'] = None;"
               "from sales_exporter.instrumentation.recorders import Recorder;"
               "Recorder('host=localhost')")
    assert "ImportError" in done.stderr
    assert "pip install 'sales-exporter[recorders]'" in done.stderr
