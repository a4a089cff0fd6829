"""How what cases prove joins what a detector says of values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from sales_exporter.sidecar.judging.alarming import Alarming
from sales_exporter.sidecar.verdicts import Floats, Verdicts
from tests.sidecar.judging.judgements import DAY, HOUR, NOON, alarming, series, verdicts, watch

STEP = 900.0
SHARE = watch("failed", kind="ratio", denominator="calls", window="1h", direction="up", min_effect=0.05)
LEADS = watch("leads")
IDS = (series("leads"), series("failed", kind="ai"), series("failed", kind="human"))
UNSEEN: Floats = np.array([math.nan, 60.0, 60.0])


def calm(values: Floats) -> Verdicts:
    """A detector that finds nothing odd about anything."""
    return verdicts(*((one, value, value, 1.0) for one, value in zip(IDS, values.tolist(), strict=True)))


def taught(days: int = 14) -> tuple[Alarming, float]:
    """Some days of calls of which one in twenty fails, and when they end."""
    made, rng = alarming(LEADS, SHARE), np.random.default_rng(1)
    for place in range(round(days * DAY / STEP)):
        values = np.array([100.0, *rng.binomial(60, 0.05, 2) / 60])
        made.learn(NOON + place * STEP, IDS, values, calm(values), UNSEEN)
    return made, NOON + days * DAY


@pytest.fixture(scope="module")
def known() -> tuple[Alarming, float]:
    return taught()


def copy(known: tuple[Alarming, float]) -> tuple[Alarming, float]:
    made = alarming(LEADS, SHARE)
    made.restore(known[0].state(), IDS)
    return made, known[1]


def test_cases_page_where_the_detector_sees_nothing(known: tuple[Alarming, float]) -> None:
    made, at = copy(known)
    values = np.array([100.0, 0.5, 0.05])
    page, = made.step(at, IDS, values, calm(values), UNSEEN)
    assert (page.series, page.value) == (IDS[1], 0.5)
    assert page.channel == "cases of the window high"
    assert page.verdict.lower < page.verdict.expected < page.verdict.upper < 0.25
    assert page.verdict.expected == pytest.approx(0.05, abs=0.01)
    assert page.effect > 4


@pytest.mark.parametrize(("value", "cases"), [(0.5, 2.0), (0.06, 60.0), (0.0, 60.0), (0.5, math.nan)])
def test_few_cases_small_effects_and_the_good_way_do_not(
    known: tuple[Alarming, float], value: float, cases: float
) -> None:
    made, at = copy(known)
    values = np.array([100.0, value, 0.05])
    assert made.step(at, IDS, values, calm(values), np.array([math.nan, cases, 60.0])) == []


def test_a_series_without_cases_is_as_the_detector_says(known: tuple[Alarming, float]) -> None:
    made, at = copy(known)
    values = np.array([100.0, 0.05, 0.05])
    made.step(at, IDS, values, calm(values), UNSEEN)
    leads = next(one for one in made.judged(10) if one.series == IDS[0])
    assert (leads.expected, leads.lower, leads.upper) == (100.0, 98.0, 102.0)


def test_slots_that_go_take_their_cases_with_them(known: tuple[Alarming, float]) -> None:
    made, at = copy(known)
    left = IDS[:1] + IDS[2:]
    values = np.array([100.0, 0.5])
    odd = verdicts(*((one, value, value, 1.0) for one, value in zip(left, values.tolist(), strict=True)))
    page, = made.step(at, left, values, odd, UNSEEN[:2])
    assert page.series == IDS[2]


def test_a_state_of_other_series_is_refused_and_leaves_all_as_it_was(known: tuple[Alarming, float]) -> None:
    made = alarming(LEADS, SHARE)
    state = {name: array for name, array in known[0].state().items() if not name.startswith("shares_")}
    with pytest.raises(ValueError, match="state"):
        made.restore(state, IDS)
    values = np.array([100.0, 0.5, 0.05])
    assert made.step(known[1], IDS, values, calm(values), UNSEEN) == []


def test_a_window_goes_with_a_denominator_and_has_a_unit() -> None:
    assert SHARE.window_seconds == HOUR
    assert watch("failed", kind="ratio", denominator="calls", window="15m").window_seconds == 900
    for wrong in ({"window": "1h"}, {"kind": "ratio", "denominator": "calls", "window": "60"}):
        with pytest.raises(ValidationError, match="window"):
            watch("failed", **wrong)
