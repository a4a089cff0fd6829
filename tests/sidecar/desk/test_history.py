"""Cases and events on disk: what is kept, found, exported, forgotten, and survived."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sales_exporter.sidecar.desk.export import lines
from sales_exporter.sidecar.desk.history import KEPT, History
from sales_exporter.sidecar.desk.model import Case, Event, Kind, Wanted
from sales_exporter.sidecar.desk.record import Record, read, written
from tests.sidecar.desk.bench import HOUR, LABELS, LEADS, NOW

pytestmark = pytest.mark.process


def record(name: str = LEADS, **fields: object) -> Record:
    return replace(Record(Case(name, LABELS, {"summary": "Leads fell."}, NOW, instances=("one:9093",)), NOW, NOW),
                   **fields)  # type: ignore[arg-type]


def event(kind: Kind, after: float = 0.0, name: str = LEADS, start: float = NOW, **fields: object) -> Event:
    return replace(Event(NOW + after, name, kind, "bob", "page", "", LABELS, start), **fields)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def opened(folder: Path | None) -> AsyncIterator[History]:
    history = History(folder)
    try:
        yield history
    finally:
        await history.close()


async def kinds(history: History, **wanted: object) -> list[str]:
    return [one.kind for one in await history.events(Wanted(**wanted))]  # type: ignore[arg-type]


def test_a_record_is_the_same_after_it_was_written() -> None:
    full = record(told=("phones",), silences=("a", "b"), waiting_since=NOW, repeat_at=None)
    assert read(written(full)) == full


def test_a_record_of_another_version_is_read_as_far_as_it_is_known() -> None:
    tree = json.loads(written(record(turn=3)))
    tree["news"] = tree["case"]["news"] = 1
    del tree["turn"]
    assert read(json.dumps(tree)) == record()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"case": {}}'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (each has words of its own)
        read(text)


async def test_what_was_kept_is_there_after_a_restart_for_us_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        await history.keep([record()], [event("fired")])
        await history.keep([record(turn=1)], [event("acknowledged", 60)])
        assert history.state == "disk"
    async with opened(tmp_path) as history:
        assert history.found == [record(turn=1)]
        assert await kinds(history) == ["acknowledged", "fired"]
        [numbered] = await history.keep([], [event("resolved", 90)])
        assert numbered.number == 3
    assert (tmp_path / "desk.sqlite").stat().st_mode & 0o077 == 0


async def test_events_are_found_by_what_is_asked_for() -> None:
    async with opened(None) as history:
        await history.keep([], [event("fired"), event("acknowledged", 60), event("resolved", 120),
                                event("fired", 180, "other", labels={"alertname": "Other"})])
        assert await kinds(history) == ["fired", "resolved", "acknowledged", "fired"]
        assert await kinds(history, since=NOW + 60, until=NOW + 180) == ["resolved", "acknowledged"]
        assert await kinds(history, fingerprint="other") == ["fired"]
        assert await kinds(history, alertname="SalesLeadsFell", limit=1) == ["resolved"]
        assert await kinds(history, kinds=frozenset({"resolved", "acknowledged"})) == ["resolved", "acknowledged"]
        assert await kinds(history, before=3) == ["acknowledged", "fired"]
        assert await kinds(history, limit=0) == []


async def test_words_that_look_like_sql_are_words() -> None:
    async with opened(None) as history:
        await history.keep([], [event("fired", why="'; DROP TABLE events; --")])
        assert await kinds(history, alertname="' OR 1=1 --") == []
        assert [one.why for one in await history.events(Wanted())] == ["'; DROP TABLE events; --"]


async def test_times_are_medians_of_the_cases_that_began_in_the_span() -> None:
    events = [event("fired", -HOUR, start=NOW - HOUR), event("resolved", -60, start=NOW - HOUR)]
    for number, (ack, over) in enumerate([(60, 600), (120, 900), (None, 1200)]):
        start, name = NOW + number, f"case-{number}"
        events.append(event("fired", number, name, start))
        if ack is not None:
            events += [event("acknowledged", number + ack, name, start), event("acknowledged", 5000, name, start)]
        events.append(event("resolved", number + over, name, start))
    async with opened(None) as history:
        await history.keep([], events)
        times = await history.times(NOW, NOW + HOUR)
        assert (times.cases, times.acknowledge_median, times.resolve_median) == (3, 90.0, 900.0)
        assert (times.acknowledge_p90, times.resolve_p90) == (114.0, 1140.0)
        assert times.flapping == ()
        nothing = await history.times(NOW + HOUR, NOW + 2 * HOUR)
        assert (nothing.cases, nothing.acknowledge_median, nothing.resolve_p90) == (0, None, None)


async def test_an_alert_that_comes_and_goes_is_listed() -> None:
    async with opened(None) as history:
        for number in range(4):
            start = NOW + 600 * number
            await history.keep([], [event("fired", 600 * number, start=start),
                                    event("resolved", 600 * number + 60 + number, start=start)])
        await history.keep([], [event("fired", 10, "once")])
        [flapping] = (await history.times(NOW, NOW + HOUR)).flapping
        assert (flapping.fingerprint, flapping.labels, flapping.times, flapping.lasted) == (LEADS, LABELS, 4, 61.5)


async def test_events_are_forgotten_after_400_days(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        await history.keep([record()], [event("fired"), event("resolved", 60)])
        await history.prune(NOW + KEPT + 30, [LEADS])
        assert await kinds(history) == ["resolved"]
    async with opened(tmp_path) as history:
        assert history.found == []


async def test_without_a_folder_there_is_a_history_all_the_same() -> None:
    async with opened(None) as history:
        await history.keep([record()], [event("fired")])
        assert await kinds(history) == ["fired"]
        assert history.state == "none"


async def test_a_damaged_file_is_set_aside_and_its_cases_are_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        await history.keep([record()], [event("fired")])
    with contextlib.closing(sqlite3.connect(tmp_path / "desk.sqlite")) as db:
        db.execute("INSERT INTO cases VALUES ('bad', 1, 'nonsense')")
        db.commit()
    async with opened(tmp_path) as history:
        assert history.found == [record()]
        assert (history.set_aside, history.state) == (1, "disk")
        await history.keep([], [event("resolved")])
        assert await kinds(history) == ["resolved"]
    assert (tmp_path / "desk.sqlite.set-aside-1").exists()


async def test_a_disk_that_refuses_is_made_up_for_when_it_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.write_text("in the way")
    async with opened(folder) as history:
        await history.keep([record()], [event("fired")])
        assert (history.state, await kinds(history)) == ("memory", ["fired"])
        folder.unlink()
        await history.mend([record()])
        assert history.state == "disk"
        await history.keep([], [event("resolved", 60)])
        assert await kinds(history) == ["resolved", "fired"]
    async with opened(folder) as history:
        assert history.found == [record()]
        assert await kinds(history) == ["resolved", "fired"]


async def test_a_second_process_keeps_its_own_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        await first.keep([record()], [event("fired")])
        async with opened(tmp_path) as second:
            await second.keep([], [event("resolved")])
            assert (second.state, await kinds(second)) == ("memory", ["resolved"])
            await first.close()
            assert await second.mend([]) == [record()]
            assert (second.state, await kinds(second)) == ("disk", ["resolved", "fired"])


class Desk:
    """What exports ask of a desk."""

    def __init__(self, history: History) -> None:
        self.history = history.events


async def exported(history: History, form: str, wanted: Wanted = Wanted()) -> str:  # noqa: B008  (frozen)
    return b"".join([part async for part in lines(Desk(history), wanted, form)]).decode()  # type: ignore[arg-type]


async def test_an_export_has_every_event_whatever_their_number() -> None:
    async with opened(None) as history:
        await history.keep([], [event("commented", number, why=f"{number}") for number in range(2_500)])
        found = [json.loads(line) for line in (await exported(history, "jsonl")).splitlines()]
        assert [one["why"] for one in found] == [str(number) for number in reversed(range(2_500))]
        assert found[-1] == {
            "number": 1, "at": "2023-11-14T22:13:20.000Z", "kind": "commented", "by": "bob", "via": "page", "why": "0",
            "fingerprint": LEADS, "starts_at": "2023-11-14T22:13:20.000Z", "labels": LABELS}


async def test_a_table_can_be_read_back_and_holds_no_formulas() -> None:
    async with opened(None) as history:
        await history.keep([], [event("commented", why='=HYPERLINK("http://evil")\n"x", y', by="+1")])
        [row] = csv.DictReader(io.StringIO(await exported(history, "csv"), newline=""))
        assert row["why"] == '\'=HYPERLINK("http://evil")\n"x", y'
        assert (row["by"], row["alertname"], json.loads(row["labels"])) == ("'+1", "SalesLeadsFell", LABELS)


async def test_an_empty_history_exports_as_its_heading() -> None:
    async with opened(None) as history:
        assert (await exported(history, "csv")).startswith("number,at,kind,by,via,why,")
        assert await exported(history, "jsonl") == ""


async def test_a_folder_can_be_moved_after_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as history:
        await history.keep([record()], [event("fired")])
    shutil.move(tmp_path / "one", tmp_path / "two")
    async with opened(tmp_path / "two") as history:
        assert await kinds(history) == ["fired"]
