"""A forked child counts for itself, whatever its parent was at."""

from __future__ import annotations

import os

import pytest

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.model import Distribution, counter

DONE = counter("done_total", "Things that are done.", "what")


@pytest.mark.process
def test_a_forked_child_begins_at_nothing_and_waits_for_no_lock_of_its_parent() -> None:
    meter = Meter()
    family = meter.family(DONE)
    family.cell("a")[0] += 5
    with meter._busy, family._busy:
        child = os.fork()
        if not child:
            try:
                meter.family(DONE).cell("a")[0] += 1
                values = [one.value for one in meter.samples() if one.metric == DONE]
                os._exit(0 if values == [1.0] else 1)
            finally:
                os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert [one.value for one in meter.samples() if not isinstance(one.value, Distribution)][-1] == 5.0
