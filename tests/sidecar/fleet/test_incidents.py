"""Marked incidents are kept in a file, and say which values nobody should learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sales_exporter.errors import UsageError
from sales_exporter.sidecar.fleet.incidents import FILE, Incident, add, mask, moment, read, remove, stamp
from sales_exporter.sidecar.series import SeriesId

EMAIL, PHONE = SeriesId("leads", (("channel", "email"),)), SeriesId("leads", (("channel", "phone"),))
SPEND = SeriesId("spend")


def test_a_mark_covers_its_series_from_its_beginning_until_before_its_end() -> None:
    found = mask([Incident(1, 60, 180, "leads", (("channel", "em*"),))], [EMAIL, PHONE, SPEND],
                 np.array([0.0, 60, 120, 180]))
    assert found.tolist() == [[False, True, True, False], [False] * 4, [False] * 4]


def test_marks_add_up() -> None:
    found = mask([Incident(1, 0, 60), Incident(2, 120, 180, "spend")], [EMAIL, SPEND], np.array([0.0, 60, 120]))
    assert found.tolist() == [[True, False, False], [True, False, True]]


def test_no_marks_cover_nothing() -> None:
    assert not mask([], [EMAIL], np.array([0.0])).any()


@pytest.mark.parametrize(("incident", "concerned"), [
    (Incident(1, 0, 1), True), (Incident(1, 0, 1, "lead?"), True), (Incident(1, 0, 1, "Leads"), False),
    (Incident(1, 0, 1, "*", (("channel", "*"),)), True), (Incident(1, 0, 1, "*", (("model", "*"),)), False),
])
def test_whom_a_mark_concerns(incident: Incident, concerned: bool) -> None:
    assert incident.concerns(EMAIL) is concerned


@pytest.mark.parametrize("text", ["2026-03-02T10:00:00Z", "2026-03-02T11:00:00+01:00", "2026-03-02 10:00+00:00"])
def test_a_moment_may_be_given_in_any_zone(text: str) -> None:
    assert stamp(moment(text, "--from")) == "2026-03-02T10:00:00Z"


@pytest.mark.parametrize(("text", "said"), [
    ("yesterday", "--from yesterday: expected an ISO time with its zone, such as 2026-03-02T10:00:00Z"),
    ("2026-02-30T10:00:00Z", "--from 2026-02-30T10:00:00Z: expected an ISO time"),
    ("2026-03-02T10:00:00", "--from 2026-03-02T10:00:00: the zone is missing; write 2026-03-02T10:00:00Z for UTC"),
])
def test_a_bad_moment_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        moment(text, "--from")
    assert str(caught.value).startswith(said)


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    first = add(tmp_path / "state", 0, 60, "leads", {"channel": "e*"}, "größer")
    second = add(tmp_path / "state", 60, 120)
    assert read(tmp_path / "state") == [first, second]
    assert (first.number, second.number) == (1, 2)


def test_what_was_removed_is_gone_and_its_number_is_not_taken_by_another_in_between(tmp_path: Path) -> None:
    for begin in (0, 60, 120):
        add(tmp_path, begin, begin + 60)
    assert remove(tmp_path, 2).since == 60
    assert [one.number for one in read(tmp_path)] == [1, 3]
    assert add(tmp_path, 0, 60).number == 4


def test_no_file_means_no_incidents(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_an_unknown_number_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no incident 7"):
        remove(tmp_path, 7)


@pytest.mark.parametrize(("since", "until", "said"), [
    (60, 60, "--to must be later than --from"), (0, 400 * 86_400, "more than a year apart"),
])
def test_a_span_that_cannot_be_is_refused(tmp_path: Path, since: float, until: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        add(tmp_path, since, until)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"id":1,"from":"x","to":"y","watch":"*","labels":{},"comment":""}'])
def test_a_line_that_is_no_incident_is_named(tmp_path: Path, line: str) -> None:
    add(tmp_path, 0, 60)
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UsageError, match=rf"{FILE}: line 2: no incident"):
        read(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(UsageError, match=rf"{FILE}: "):
        read(tmp_path)
