"""What pages: direction, least effects, few cases, hours, slots that move, severities, causes, and a state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.sidecar.judging.judgements import DAY, HOUR, NOON, ODD, alarming, series, step, verdicts, watch

LEADS = series()
EMAIL, PHONE = series(channel="email"), series(channel="phone")


@pytest.mark.parametrize(("direction", "value", "pages"), [
    ("both", 80, 1), ("both", 120, 1), ("up", 80, 0), ("up", 120, 1), ("down", 80, 1), ("down", 120, 0)])
def test_only_the_bad_direction_pages(direction: str, value: float, pages: int) -> None:
    assert len(step(alarming(watch(direction=direction)), NOON, (LEADS, value, 100, ODD))) == pages


@pytest.mark.parametrize(("value", "pages"), [(104, 0), (96, 0), (106, 1), (94, 1)])
def test_what_is_within_the_least_share_of_what_was_expected_does_not_page(value: float, pages: int) -> None:
    assert len(step(alarming(watch(min_effect_percent=5)), NOON, (LEADS, value, 100, ODD))) == pages


@pytest.mark.parametrize(("value", "pages"), [(2.4, 0), (2.6, 1)])
def test_what_is_within_the_least_effect_does_not_page(value: float, pages: int) -> None:
    assert len(step(alarming(watch(min_effect=1.5)), NOON, (LEADS, value, 1, ODD))) == pages


@pytest.mark.parametrize(("cases", "pages"), [(4, 0), (400, 1), (math.nan, 1)])
def test_a_ratio_of_few_cases_does_not_page(cases: float, pages: int) -> None:
    assert len(step(alarming(watch()), NOON, (LEADS, 0.5, 0.2, ODD), cases=cases)) == pages


def test_what_is_not_odd_does_not_page() -> None:
    assert step(alarming(watch()), NOON, (LEADS, 200, 100, 0.01)) == []


def test_nothing_pages_of_which_nothing_can_be_said() -> None:
    made = alarming(watch())
    assert step(made, NOON, (LEADS, 200, math.nan, ODD)) == []
    assert made.judged(10) == []


@pytest.mark.parametrize(("at", "pages"), [
    (NOON, 1), (NOON - 5 * HOUR, 0), (NOON + 7 * HOUR, 0), (NOON + 5 * DAY, 0)])
def test_a_watch_with_hours_pages_only_within_them(at: float, pages: int) -> None:
    works = watch(calendar={"days": ["mon", "tue", "wed", "thu", "fri"], "hours": "08:00-18:00"})
    made = alarming(works)
    assert len(step(made, at, (LEADS, 200, 100, ODD))) == pages
    assert [one.active for one in made.judged(10)] == [True]


def test_what_began_out_of_hours_and_lasts_pages_when_they_begin_and_says_since_when() -> None:
    made = alarming(watch(calendar={"hours": "08:00-18:00"}))
    assert step(made, NOON - 5 * HOUR, (LEADS, 200, 100, ODD)) == []
    page, = step(made, NOON - 4 * HOUR, (LEADS, 200, 100, ODD))
    assert page.cause.since == NOON - 5 * HOUR


def test_series_of_one_watch_are_one_page_led_by_the_heaviest() -> None:
    page, = step(alarming(watch()), NOON, (EMAIL, 106, 100, ODD), (PHONE, 150, 100, ODD))
    assert (page.series, page.value, page.effect, page.channel) == (PHONE, 150, 50, "sample")
    assert [one.series for one in page.contributors] == [PHONE, EMAIL]


def test_series_without_anything_in_common_are_pages_of_their_own() -> None:
    # Only what few of a fleet have in common is a tie.
    names = ["leads", "spend", "errors", "latency"]
    rows = [(series(name), 150.0, 100.0, ODD) for name in names[:2]] + [
        (series(name), 100.0, 100.0, 0.5) for name in names[2:]]
    found = step(alarming(*[watch(name, category=name) for name in names]), NOON, *rows)
    assert sorted(page.watch.name for page in found) == ["leads", "spend"]


def test_a_page_lasts_with_its_start_until_it_has_been_calm_for_15_minutes() -> None:
    made = alarming(watch())
    step(made, NOON, (LEADS, 200, 100, ODD))
    lasting = [step(made, NOON + 60 * minute, (LEADS, 100, 100, 1.0)) for minute in range(1, 17)]
    assert [len(pages) for pages in lasting] == [1] * 14 + [0] * 2
    assert {page.cause.since for pages in lasting for page in pages} == {NOON}


def test_severity_rises_with_time_and_does_not_fall() -> None:
    made = alarming(watch())
    found = [step(made, NOON + after, (LEADS, 107, 100, ODD))[0].severity for after in (0, 1_200, 4_800)]
    assert found == ["info", "warning", "critical"]
    assert step(made, NOON + 4_860, (LEADS, 106, 100, ODD))[0].severity == "critical"


def test_severity_stops_where_the_watch_says() -> None:
    page, = step(alarming(watch(max_severity="warning")), NOON, (LEADS, 900, 100, ODD))
    assert page.severity == "warning"


def test_the_row_of_thresholds_is_the_watchs_own() -> None:
    made = alarming(watch(severity_class="strict"),
                    severity={"classes": {"normal": {}, "strict": {"warning": 1, "critical": 2}}})
    assert step(made, NOON, (LEADS, 107, 100, ODD))[0].severity == "critical"


def test_a_series_that_comes_later_pages_too() -> None:
    made = alarming(watch())
    step(made, NOON, (EMAIL, 100, 100, 1.0))
    page, = step(made, NOON + 60, (EMAIL, 100, 100, 1.0), (PHONE, 150, 100, ODD))
    assert page.series == PHONE


def test_an_alarm_stays_with_its_series_when_an_earlier_slot_goes() -> None:
    made = alarming(watch())
    step(made, NOON, (EMAIL, 100, 100, 1.0), (PHONE, 150, 100, ODD))
    page, = step(made, NOON + 60, (PHONE, 151, 100, ODD))
    assert (page.series, page.value, page.cause.since) == (PHONE, 151, NOON)


def test_an_alarm_of_a_series_that_is_forgotten_is_over() -> None:
    made = alarming(watch())
    step(made, NOON, (EMAIL, 100, 100, 1.0), (PHONE, 150, 100, ODD))
    assert step(made, NOON + 60, (EMAIL, 100, 100, 1.0)) == []


def test_bands_are_those_of_what_alarms_and_then_of_the_heaviest() -> None:
    made = alarming(watch("light"), watch("heavy", weight=5), watch("heavier", weight=9))
    rows = [(series("light", n="1"), 100, 100, 1.0), (series("heavy", n="1"), 100, 100, 1.0),
            (series("light", n="2"), 150, 100, ODD), (series("heavier", n="1"), 100, 100, 1.0)]
    step(made, NOON, *rows)
    assert [(one.series.watch, one.active) for one in made.judged(3)] == [
        ("light", True), ("heavier", False), ("heavy", False)]


@pytest.mark.slow
def test_the_past_is_learned_without_a_page_and_raises_the_threshold() -> None:
    loud, quiet = alarming(watch(), interval=900), alarming(watch(), interval=900)
    for quarter in range(7 * 96):
        at = NOON - 7 * DAY + 900 * quarter
        # At ten each morning one series looks as odd as one in a million: a fleet that does so is quiet.
        odd = 1e-6 if quarter % 96 == 40 else 0.5
        loud.learn(at, (EMAIL,), np.array([150.0]), verdicts((EMAIL, 150, 100, odd)))
        quiet.learn(at, (EMAIL,), np.array([150.0]), verdicts((EMAIL, 150, 100, 0.5)))
    assert loud.standing(NOON).level > quiet.standing(NOON).level + 2


def test_a_state_goes_on_with_the_threshold_and_the_pages_that_were_counted() -> None:
    made, again = alarming(watch()), alarming(watch())
    step(made, NOON, (EMAIL, 150, 100, ODD), (PHONE, 100, 100, 1.0))
    again.restore(made.state(), (EMAIL, PHONE))
    page, = step(again, NOON + 60, (EMAIL, 150, 100, ODD), (PHONE, 100, 100, 1.0))
    step(made, NOON + 60, (EMAIL, 150, 100, ODD), (PHONE, 100, 100, 1.0))
    assert page.series == EMAIL
    assert again.standing(NOON + 60) == made.standing(NOON + 60)
    assert again.standing(NOON + 60).total == 1


def test_a_state_of_other_series_is_refused_and_changes_nothing() -> None:
    made, again = alarming(watch()), alarming(watch())
    step(made, NOON, (EMAIL, 150, 100, ODD), (PHONE, 100, 100, 1.0))
    with pytest.raises(ValueError, match="other series"):
        again.restore(made.state(), (EMAIL,))
    assert len(step(again, NOON, (EMAIL, 150, 100, ODD))) == 1
