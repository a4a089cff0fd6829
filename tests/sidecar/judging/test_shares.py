"""What the cases behind shares prove: soon when they are many, nothing that chance will do, and not after its end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_exporter.sidecar.judging.shares import CHANNELS, Proof, Shares
from sales_exporter.sidecar.verdicts import Floats
from tests.sidecar.judging.judgements import DAY, HOUR, NOON, UTC

STEP = 600.0
WEEK = 7 * DAY
A_DAY = round(DAY / STEP)
LEARNED = 14 * A_DAY
AN_HOUR = round(HOUR / STEP)
LASTS = 4 * AN_HOUR
ODD = math.exp(-16) * STEP / 60
"""A p that pages in a fleet of some hundred series, at a look each ten minutes."""


def counted(hits: Floats, cases: Floats) -> tuple[Floats, Floats]:
    """Cases and share of the hour before each moment, from the cases of each step."""
    total = np.concatenate([np.zeros((len(hits), 1)), hits.cumsum(axis=1)], axis=1)
    whole = np.concatenate([np.zeros((len(hits), 1)), cases.cumsum(axis=1)], axis=1)
    found, many = (one[:, AN_HOUR:] - one[:, :-AN_HOUR] for one in (total, whole))
    return np.where(many > 0, found / np.maximum(many, 1), np.nan), many


def days(share: Floats | float, hourly: float, steps: int, series: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Shares and cases of some series: so many an hour at noon, few of them at night."""
    rng = np.random.default_rng(seed)
    clock = (NOON + STEP * np.arange(steps)) % DAY / DAY
    rate = hourly * STEP / HOUR * (0.05 + np.sin(np.pi * clock) ** 2)
    cases = rng.poisson(rate, (series, steps))
    return counted(rng.binomial(cases, share).astype(float), cases.astype(float))


def judged(shares: Shares, values: Floats, cases: Floats, since: float = NOON) -> list[Proof]:
    if not shares.size:
        shares.admit(len(values))
    windows = np.full(len(values), HOUR)
    return [shares.update(since + STEP * column, values[:, column], cases[:, column], windows)
            for column in range(values.shape[1])]


def ps(proofs: list[Proof]) -> Floats:
    return np.stack([one.p for one in proofs], axis=1)


def onset_of(usual: float, bad: float, hourly: float, series: int = 10) -> tuple[list[Proof], int]:
    """Two weeks and a day, at whose noon a share changes for four hours; and which moment is the first to tell."""
    steps = LEARNED + A_DAY
    share, first = np.full(steps, usual), LEARNED
    share[first:first + LASTS] = bad
    values, cases = days(share, hourly, steps, series)
    # Of the first moments there is no whole hour before.
    return judged(Shares(UTC), values, cases), first - AN_HOUR + 1


def test_an_outage_is_proven_by_some_forty_calls() -> None:
    proofs, first = onset_of(0.03, 0.3, 40)
    found, soon = ps(proofs) <= ODD, first + 2 * AN_HOUR
    assert not found[:, :first].any()
    assert found[:, first:first + AN_HOUR + 1].any(axis=1).mean() >= 0.5
    assert found[:, first:first + LASTS].any(axis=1).all()
    proof = proofs[soon]
    assert {CHANNELS[channel] for channel in proof.channel} <= {"cases of the window high", "cases added up high"}
    assert (proof.effect > 1.5).all()
    assert (proof.upper < 0.2).all()
    assert ((proof.expected > 0.015) & (proof.expected < 0.06)).all()


def test_a_share_that_falls_is_proven_too() -> None:
    proofs, first = onset_of(0.9, 0.5, 50)
    assert (ps(proofs)[:, first:first + 2 * AN_HOUR] <= ODD).any(axis=1).all()
    assert {CHANNELS[channel] for channel in proofs[first + 2 * AN_HOUR].channel} <= {
        "cases of the window low", "cases added up low"}


def test_what_no_window_proves_adds_up() -> None:
    proofs, first = onset_of(0.05, 0.12, 250)
    found = ps(proofs)[:, first:first + LASTS]
    odd = found <= ODD
    assert odd.any(axis=1).mean() >= 0.8
    channels = np.stack([one.channel for one in proofs[first:first + LASTS]], axis=1)[odd]
    assert np.mean(channels == CHANNELS.index("cases added up high")) > 0.5


def test_when_it_is_over_it_is_soon_as_before() -> None:
    proofs, first = onset_of(0.03, 0.3, 40)
    over = first + LASTS
    assert (ps(proofs)[:, over - 1] <= ODD).all()
    # An hour until its window holds none of it, and two of an evening with fewer calls to be sure.
    assert (ps(proofs)[:, over + 3 * AN_HOUR:] > 1e-3).all()


def test_an_incident_teaches_little() -> None:
    proofs, first = onset_of(0.03, 0.3, 40)
    before, after = proofs[first - 1].expected, proofs[-1].expected
    assert (after < 1.5 * before).all()


def test_quiet_shares_prove_nothing_in_a_series_year() -> None:
    values, cases = days(0.04, 30, LEARNED + 14 * A_DAY, 26, seed=2)
    assert ps(judged(Shares(UTC), values, cases))[:, LEARNED:].min() > ODD


def test_shares_that_vary_more_than_cases_do_are_held_against_their_own_past() -> None:
    rng = np.random.default_rng(3)
    steps, series = LEARNED + 14 * A_DAY, 26
    # What is usual is another share each six hours.
    share = np.repeat(rng.beta(2, 30, (series, steps // 36 + 1)), 36, axis=1)[:, :steps]
    values, cases = days(share, 60, steps, series, seed=4)
    alarms = ps(judged(Shares(UTC), values, cases))[:, LEARNED:] <= ODD
    assert (alarms[:, 1:] & ~alarms[:, :-1]).sum() <= 3


def test_one_of_two_is_no_news_where_twenty_of_forty_are() -> None:
    values, cases = days(0.02, 40, LEARNED, 2)
    shares = Shares(UTC)
    last = judged(shares, values, cases)[-1]
    assert (last.p > 1e-3).all()
    few = shares.update(NOON + STEP * LEARNED, np.array([0.5, 0.5]), np.array([2.0, 40.0]), np.full(2, HOUR))
    assert few.p[0] > 1e-5
    assert few.p[1] <= ODD


def test_nothing_is_said_before_there_was_a_day_and_a_hundred_cases() -> None:
    values, cases = days(0.05, 40, 2 * A_DAY, 1)
    proofs = judged(Shares(UTC), values, cases)
    assert all(math.isnan(one.expected[0]) and one.p[0] == 1 for one in proofs[:A_DAY])
    assert not math.isnan(proofs[-1].expected[0])
    values, cases = days(0.05, 1, 2 * A_DAY, 1)
    assert math.isnan(judged(Shares(UTC), values, cases)[-1].expected[0])


@pytest.mark.parametrize(("share", "cases"), [(math.nan, 10.0), (0.9, math.nan), (math.nan, 0.0), (0.9, 0.0)])
def test_what_is_missing_is_not_judged_and_changes_nothing(share: float, cases: float) -> None:
    values, many = days(0.05, 40, 3 * A_DAY, 1)
    shares = Shares(UTC)
    judged(shares, values, many)
    before = shares.state()
    found = shares.update(NOON + 3 * DAY, np.array([share]), np.array([cases]), np.array([HOUR]))
    assert math.isnan(found.expected[0])
    assert found.p[0] == 1
    for name, array in shares.state().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_state_goes_on_and_dropped_series_leave_the_others_as_they_were() -> None:
    values, cases = days(0.05, 40, 4 * A_DAY, 3)
    whole, half = Shares(UTC), 3 * A_DAY
    judged(whole, values[:, :half], cases[:, :half])
    resumed = whole.restored(whole.state())
    since = NOON + half * STEP
    alone = whole.restored(whole.state())
    alone.keep(np.array([False, True, False]))
    left = ps(judged(whole, values[:, half:], cases[:, half:], since))
    np.testing.assert_array_equal(left, ps(judged(resumed, values[:, half:], cases[:, half:], since)))
    np.testing.assert_allclose(left[1:2], ps(judged(alone, values[1:2, half:], cases[1:2, half:], since)))


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="state"):
        Shares(UTC).restored({"own.hits": np.zeros(3)})
