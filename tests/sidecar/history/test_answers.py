"""Reading answers: any label text, any nonsense."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.errors import ContractViolation
from sales_exporter.sidecar.history import answers

TEXT = st.text() | st.sampled_from(['{"metric":', ',"values":[[', ']]}', '"]]},{"metric":{', "\\", '"', "\\\""])
LABELS = st.dictionaries(TEXT, TEXT, max_size=3)
SAMPLE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([math.nan, math.inf])
SERIES = st.tuples(LABELS, st.lists(st.tuples(st.integers(0, 4), SAMPLE), min_size=1, max_size=5,
                                    unique_by=lambda pair: pair[0]))
NONSENSE = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                            st.sampled_from(["metric", "value", "values", "result", "data", "histogram"]), inner),
                        max_leaves=8)


def answer(kind: str, result: object, **form: object) -> bytes:
    tree = {"status": "success", "data": {"resultType": kind, "result": result}, "isPartial": True}
    return json.dumps(tree, **form).encode()  # type: ignore[arg-type]


def same(left: answers.Matrix, right: answers.Matrix) -> bool:
    return (left.labels, left.notes) == (right.labels, right.notes) and np.array_equal(
        left.values, right.values, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(SERIES, max_size=4))
def test_an_answer_without_spaces_reads_as_one_with(
        series: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
    result = [{"metric": labels, "values": [[1000 + 60 * place, repr(sample)] for place, sample in sorted(samples)]}
              for labels, samples in series]
    plain = answers.matrix(answer("matrix", result), 1000, 60, 5)
    assert same(answers.matrix(answer("matrix", result, separators=(",", ":")), 1000, 60, 5), plain)
    assert [dict(labels) for labels in plain.labels] == [labels for labels, _ in series]


@settings(max_examples=60, deadline=None)
@given(NONSENSE, st.sampled_from(["vector", "matrix", "scalar"]), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_nonsense_is_no_answer_or_refused(result: object, kind: str, separators: tuple[str, str]) -> None:
    body = answer(kind, result, separators=separators)
    for read in (answers.vector, lambda text: answers.matrix(text, 0, 1, 3)):
        try:
            assert read(body).values.dtype == np.float64
        except ContractViolation:
            continue


def test_a_number_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(ContractViolation, match="cannot be read"):
        answers.vector(answer("vector", [{"metric": {}, "value": [0, 10**400]}]))


@pytest.mark.parametrize("body", [
    b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[0,"1"]]}',
    b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[0,"1',
    b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[0,"x"]]}]}}',
    b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"histograms":[[0,{}]]}]}}',
    b'{"status":"error","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"]]}]}}',
    b"\xff\xfe",
])
def test_an_answer_that_is_torn_is_refused(body: bytes) -> None:
    with pytest.raises(ContractViolation):
        answers.matrix(body, 0, 1, 1)
