"""Columns of series that grow, shrink and are saved together."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.slots import Slots


def slots(size=2):
    return Slots({"one": ((), 7.0, np.float64), "two": ((3,), 0.0, np.float32)}, size)


def test_empty_slots_hold_what_was_said():
    assert slots()["one"].tolist() == [7.0, 7.0]
    assert slots()["two"].shape == (3, 2)


def test_admitted_slots_are_empty_and_last():
    some = slots()
    some["one"][:] = 1
    some.admit(1)
    assert (some.size, some["one"].tolist()) == (3, [1.0, 1.0, 7.0])


def test_kept_slots_move_together():
    some = slots(3)
    some["one"][:] = 1, 2, 3
    some["two"][1] = 1, 2, 3
    some.keep(np.array([True, False, True]))
    assert (some.size, some["one"].tolist(), some["two"][1].tolist()) == (2, [1.0, 3.0], [1.0, 3.0])


def test_writing_to_a_part_writes_to_the_whole():
    some = slots(3)
    some.part(1, 3)["one"][:] = 5
    assert some["one"].tolist() == [7.0, 5.0, 5.0]


@pytest.mark.parametrize("columns", [
    pytest.param({"one": np.zeros(2)}, id="one is missing"),
    pytest.param({"one": np.zeros(2), "two": np.zeros((3, 4), np.float32)}, id="sizes differ"),
    pytest.param({"one": np.zeros(2), "two": np.zeros((2, 2), np.float32)}, id="another shape"),
    pytest.param({"one": np.zeros(2), "two": np.zeros((3, 2))}, id="another kind"),
])
def test_columns_that_do_not_fit_are_refused(columns):
    with pytest.raises(ValueError, match="the state"):
        slots().load(columns)
