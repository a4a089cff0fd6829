"""Several workers, one set of numbers: nothing is lost, nothing counts twice, and nothing grows."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sales_exporter.errors import UsageError
from sales_exporter.instrumentation import workers
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import samples
from sales_exporter.instrumentation.workers import LIMIT, SharedStore
from sales_exporter.instrumentation.workers import fold as folding
from sales_exporter.instrumentation.workers.lock import locked
from sales_exporter.instrumentation.workers.writer import WorkerFile
from sales_exporter.model import Metric, counter, gauge, histogram
from tests.instrumentation.worker_process import ACTIVE, COUNTED, PER_CHILD, TIMES, total

SCRIPT = Path(__file__).with_name("worker_process.py")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "workers"


def process(*arguments: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, SCRIPT, *map(str, arguments)], env=environment,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@contextmanager
def counting(directory: Path, at_least: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that has counted so much, and goes on."""
    with process("count", directory) as worker:
        assert worker.stdout is not None
        seen = 0
        try:
            while seen < at_least:
                seen += len(os.read(worker.stdout.fileno(), 4096))
            worker.seen = seen  # type: ignore[attr-defined]
            yield worker
        finally:
            worker.kill()


def shown(store: SharedStore) -> dict[tuple[str, ...], list[float]]:
    return {(metric.name, *labels): list(numbers) for metric, labels, numbers in store.rows()}


def told(store: SharedStore) -> dict[tuple[str, ...], float]:
    """What the store tells of itself, after a scrape."""
    list(store.rows())
    return {(sample.metric.name, *sample.labels): sample.value for sample in store.extra()
            if isinstance(sample.value, float)}


def dead_worker(directory: Path, numbers: dict[str, float], slot: int = 0) -> Path:
    """The file of a worker that counted and died."""
    file = WorkerFile(directory, slot, LIMIT)
    for where, number in numbers.items():
        file.cell(COUNTED, (where,))[0] = number
    file.close()
    return file.path


@pytest.mark.process
@pytest.mark.slow
def test_r22_nothing_is_lost_when_workers_are_killed(directory: Path) -> None:
    store, counted, last = SharedStore(directory), 0, 0.0
    for killed in range(1, 13):
        with counting(directory, 200) as worker:
            now = total(store)
            assert now >= max(last, counted + 200)
            worker.kill()
            assert worker.stdout is not None
            counted += worker.seen + len(worker.stdout.read())  # type: ignore[attr-defined]
        last = total(store)
        # A worker that was killed between the count and its byte has counted one more.
        assert counted <= last <= counted + killed
        assert sum(numbers[0] for metric, _, numbers in store.rows() if metric == ACTIVE) == 0
    assert sorted(os.listdir(directory)) == ["dead", "lock"]


@pytest.mark.process
def test_r22_recycled_workers_leave_a_bounded_directory_and_totals_that_never_fall(directory: Path) -> None:
    with process("recycle", directory, 60) as master:
        fell, last, most, active = map(float, master.communicate()[0].split())
    assert (fell, last, active) == (0, 1 + 60 * PER_CHILD, 0)
    assert most <= 4


@pytest.mark.process
@pytest.mark.slow
def test_r22_totals_never_fall_for_scrapes_while_others_fold(directory: Path) -> None:
    SharedStore(directory)
    with process("scrape", directory) as one, process("scrape", directory) as two:
        for _ in range(3):
            with process("recycle", directory, 60) as master:
                master.communicate()
            with counting(directory, 200):
                pass
        results = [tuple(map(int, each.communicate(b"end")[0].split())) for each in (one, two)]
    assert [fell for fell, _ in results] == [0, 0]
    assert min(scrapes for _, scrapes in results) > 50


@pytest.mark.slow
def test_r22_a_thousand_dead_workers_become_one_file(directory: Path) -> None:
    store = SharedStore(directory)
    for i in range(1000):
        dead_worker(directory, {"here": 1.0, f"place-{i % 7}": 2.0}, slot=i)
    assert total(store) == 3000
    assert sorted(os.listdir(directory)) == ["dead", "lock"]
    assert (directory / "dead").stat().st_size < 32 * 1024
    assert total(SharedStore(directory)) == 3000


@pytest.mark.parametrize("swept", [0, 1, 2, 3])
def test_r22_a_fold_that_dies_after_its_sum_is_in_place_counts_nobody_twice(directory: Path, swept: int) -> None:
    store = SharedStore(directory)
    files = [dead_worker(directory, {"here": 1.0}, slot) for slot in range(3)]
    fold = folding.prepare(directory, LIMIT)
    assert fold is not None
    folding.commit(directory, fold)
    for path in fold.gone[:swept]:
        path.unlink()
    assert total(store) == 3
    assert total(SharedStore(directory)) == 3
    dead_worker(directory, {"here": 1.0}, 7)
    assert total(store) == 4
    assert not any(path.exists() for path in files)


def test_r22_a_fold_that_dies_before_its_sum_is_in_place_has_done_nothing(directory: Path) -> None:
    store = SharedStore(directory)
    dead_worker(directory, {"here": 1.0})
    fold = folding.prepare(directory, LIMIT)
    assert fold is not None
    (directory / "new-dead").write_bytes(fold.content[:100])
    assert total(store) == 1
    assert sorted(os.listdir(directory)) == ["dead", "lock"]


def test_r22_a_worker_that_is_folded_between_listing_and_reading_is_counted_once(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, listing, calls = SharedStore(directory), workers.worker_files, []

    def listed(path: Path) -> list[tuple[Path, int, bytes]]:
        found = list(listing(path))
        calls.append(found)
        if len(calls) == 2:
            folding.fold_dead(directory, LIMIT)
        return found

    with locked(directory, 0.0) as granted:
        assert granted
        dead_worker(directory, {"here": 5.0})
        monkeypatch.setattr(workers, "worker_files", listed)
        assert total(store) == 5
    assert calls[1]
    assert not os.path.exists(calls[1][0][0])


def test_r22_all_is_read_again_when_more_were_folded_than_ids_are_remembered(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, listing, calls = SharedStore(directory), workers.worker_files, []

    def listed(path: Path) -> list[tuple[Path, int, bytes]]:
        found = list(listing(path))
        calls.append(found)
        if len(calls) == 2:
            for slot in range(8):
                folding.fold_dead(directory, LIMIT)
                dead_worker(directory, {"here": 1.0}, slot)
            folding.fold_dead(directory, LIMIT)
        return found

    monkeypatch.setattr(folding, "HISTORY", 2)
    with locked(directory, 0.0):
        dead_worker(directory, {"here": 5.0})
        monkeypatch.setattr(workers, "worker_files", listed)
        assert total(store) == 13
    assert len(calls) == 3


def test_r22_a_file_that_is_cut_off_anywhere_keeps_what_is_before_the_cut(directory: Path) -> None:
    SharedStore(directory)
    path = dead_worker(directory, {"one": 1.0, "two": 2.0})
    whole = path.read_bytes()
    used = int.from_bytes(whole[64:72], sys.byteorder)
    kept = set()
    for length in range(used + 1):
        for name in os.listdir(directory):
            (directory / name).unlink()
        path.write_bytes(whole[:length])
        store = SharedStore(directory)
        found = total(store)
        kept.add(found)
        assert told(store)[("instrumentation_skipped_files_total",)] == (length < used)
        assert total(SharedStore(directory)) == found
    assert kept == {0.0, 1.0, 3.0}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 255)), min_size=1, max_size=6),
       live=st.booleans(), dead=st.booleans())
@pytest.mark.slow
def test_r22_corrupt_bytes_never_raise_and_are_counted_once(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], live: bool, dead: bool
) -> None:
    directory = tmp_path_factory.mktemp("corrupt") / "workers"
    good = SharedStore(directory)
    good.cell(COUNTED, ("good",))[0] = 7
    path = dead_worker(directory, {"one": 1.0, "two": 2.0, "three": 3.0}, 1)
    if dead:
        list(good.rows())
        path = directory / "dead"
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[place % len(content)] ^= change
    path.write_bytes(content)
    if live:
        with locked(directory, 0.0):
            assert shown(good)["test_counted_total", "good"] == [7]
    first = told(good)[("instrumentation_skipped_files_total",)]
    assert samples(good)
    assert shown(good)["test_counted_total", "good"] == [7]
    assert told(good)[("instrumentation_skipped_files_total",)] == first <= 1
    good.close()


def test_r22_a_file_of_another_version_is_skipped_and_counted_once_by_all(directory: Path) -> None:
    one, two = SharedStore(directory), SharedStore(directory)
    path = dead_worker(directory, {"here": 1.0})
    path.write_bytes(b"sxwork\x00\x09" + path.read_bytes()[8:])
    dead_worker(directory, {"here": 2.0}, 1)
    for store in (one, two, one, SharedStore(directory)):
        assert total(store) == 2
        assert told(store)[("instrumentation_skipped_files_total",)] == 1


def test_r22_what_cannot_be_read_or_removed_is_counted_once(directory: Path) -> None:
    store = SharedStore(directory)
    (directory / "worker-3-00000000000000ff").mkdir()
    (directory / "worker-4-00000000000000fe").symlink_to("/dev/zero")
    dead_worker(directory, {"here": 2.0}, 1)
    for _ in range(3):
        assert total(store) == 2
        assert told(store)[("instrumentation_skipped_files_total",)] == 2


def test_r22_a_number_that_damage_made_infinite_is_left_out(directory: Path) -> None:
    store = SharedStore(directory)
    file = WorkerFile(directory, 0, LIMIT)
    file.cell(TIMES, ("here",))[1] = math.nan
    file.cell(COUNTED, ("here",))[0] = math.inf
    file.cell(COUNTED, ("there",))[0] = 3.0
    file.cell(ACTIVE, ())[0] = math.nan
    assert shown(store)["test_counted_total", "here"] == [0]
    assert shown(store)["test_seconds", "here"] == [0, 0, 0, 0]
    assert math.isnan(shown(store)["test_active",][0])
    file.close()
    assert total(store) == 3
    assert told(store)[("instrumentation_skipped_files_total",)] == 1


METRICS = (COUNTED, TIMES, ACTIVE, counter("test_other_total", "Other."),
           histogram("test_bytes", "Bytes.", "a", "b", bounds=(1.0, 2.0, 3.0)), gauge("test_open", "Open.", "x"))
OBSERVATION = st.tuples(
    st.integers(0, 3), st.sampled_from(METRICS), st.lists(st.text(max_size=4), min_size=2, max_size=2),
    st.integers(0, 5), st.one_of(st.integers(0, 10**6), st.floats(0, 1e9, allow_nan=False)))
EVENT = st.one_of(OBSERVATION, st.tuples(st.just("die"), st.integers(0, 3)), st.just(("scrape",)))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENT, max_size=60))
@pytest.mark.slow
def test_r22_the_merge_is_the_sum_of_all_that_was_counted(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[object, ...]]
) -> None:
    directory = tmp_path_factory.mktemp("merge") / "workers"
    reader, stores = SharedStore(directory), [SharedStore(directory) for _ in range(4)]
    lives: list[dict[tuple[Metric, tuple[str, ...]], list[float]]] = [{} for _ in stores]
    dead: list[dict[tuple[Metric, tuple[str, ...]], list[float]]] = []
    for event in events:
        match event:
            case ("scrape",):
                list(reader.rows())
            case ("die", int(worker)):
                stores[worker].close()
                dead.append({key: numbers for key, numbers in lives[worker].items() if key[0].kind != "gauge"})
                lives[worker] = {}
            case (int(worker), Metric() as metric, list(texts), int(place), (int() | float()) as number):
                labels = metric.labelled(texts[:len(metric.labels)])
                size = len(metric.bounds) + 2 if metric.bounds else 1
                stores[worker].cell(metric, labels)[place % size] += number
                lives[worker].setdefault((metric, labels), [0.0] * size)[place % size] += number
    expected: dict[tuple[Metric, tuple[str, ...]], list[list[float]]] = {}
    for worker in (*lives, *dead):
        for key, numbers in worker.items():
            expected.setdefault(key, []).append(numbers)
    found = {(metric, labels): list(numbers) for metric, labels, numbers in reader.rows() if metric in METRICS}
    assert found.keys() == expected.keys()
    for key, parts in expected.items():
        # To the last bit, but for what rounding twice may do to the very last one.
        assert found[key] == pytest.approx([math.fsum(each) for each in zip(*parts, strict=True)], rel=1e-15, abs=0)
    for store in stores:
        store.close()


def test_r22_folding_rounds_no_sum_down(directory: Path) -> None:
    reader, stays = SharedStore(directory), SharedStore(directory)
    stays.cell(TIMES, ("here",))[3] = 0.3
    for i in range(56):
        file = WorkerFile(directory, 1, LIMIT)
        file.cell(TIMES, ("here",))[3] = 0.1 * (i % 7) + 1e-9 * i
        alive = shown(reader)["test_seconds", "here"]
        file.close()
        assert shown(reader)["test_seconds", "here"] == alive


def test_gauges_are_those_of_live_workers(directory: Path) -> None:
    one, two = SharedStore(directory), SharedStore(directory)
    one.cell(ACTIVE, ())[0] += 2
    two.cell(ACTIVE, ())[0] += 3
    assert shown(one)["test_active",] == [5]
    two.close()
    assert shown(one)["test_active",] == [2]
    with locked(directory, 0.0):
        one.close()
        assert ("test_active",) not in shown(two)


def test_a_pid_that_belongs_to_another_process_keeps_no_worker_alive(directory: Path) -> None:
    store = SharedStore(directory)
    # Its header has the pid and the start of this very process.
    dead_worker(directory, {"here": 1.0})
    assert told(store)[("instrumentation_workers",)] == 0
    assert total(store) == 1


def test_a_scraper_merges_metrics_that_it_has_never_heard_of(directory: Path) -> None:
    store = SharedStore(directory)
    store.cell(TIMES, ("a",))[1] += 1
    store.cell(TIMES, ("a",))[3] += 0.5
    metric, labels, numbers = next(row for row in SharedStore(directory).rows() if row[0].name == "test_seconds")
    assert (metric, labels, list(numbers)) == (TIMES, ("a",), [0, 1, 0, 0.5])
    assert metric.help == "Times."


def test_the_same_cell_is_given_out_again(directory: Path) -> None:
    store = SharedStore(directory)
    first, second = store.cell(COUNTED, ("a",)), store.cell(COUNTED, ("a",))
    first[0] += 1
    second[0] += 1
    assert shown(store)["test_counted_total", "a"] == [2]


def test_cells_stay_valid_while_the_file_grows(directory: Path) -> None:
    store = SharedStore(directory)
    cells = [store.cell(COUNTED, (f"place-{i}",)) for i in range(3000)]
    for i, cell in enumerate(cells):
        cell[0] += i
    found = shown(store)
    assert [found["test_counted_total", f"place-{i}"] for i in range(3000)] == [[i] for i in range(3000)]
    assert total(SharedStore(directory)) == sum(range(3000))


def test_a_full_file_gives_cells_from_memory_and_an_error_that_is_counted(directory: Path) -> None:
    store = SharedStore(directory, limit=64 * 1024)
    for i in range(2000):
        store.cell(COUNTED, (f"place-{i}",))[0] += 1
    found = shown(store)
    errors = found["instrumentation_errors_total", "workers"][0]
    assert errors > 0
    assert len([key for key in found if key[0] == "test_counted_total"]) + errors == 2000
    assert all(path.stat().st_size <= 64 * 1024 for path in directory.iterdir())
    store.close()
    # The sum of the dead has the same bound.
    for slot in range(3):
        dead_worker(directory, {f"other-{slot}-{i}": 1.0 for i in range(400)}, slot)
    assert total(store) > 0
    assert all(path.stat().st_size <= 64 * 1024 for path in directory.iterdir())


def test_a_store_that_cannot_write_its_file_never_raises(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SharedStore(directory)
    directory.rmdir()
    store.cell(COUNTED, ("a",))[0] += 1
    store.cell(COUNTED, ("b",))[0] += 1
    assert list(store.rows()) == []
    assert "instrumentation failed in workers" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_process_metrics_bear_a_small_number_that_is_used_again(directory: Path) -> None:
    one, two, three = (SharedStore(directory) for _ in range(3))
    for store in (one, two):
        store.cell(ACTIVE, ())[0] += 1
    found = told(one)
    assert found["instrumentation_workers",] == 2
    assert {key[1] for key in found if key[0] == "process_cpu_seconds_total"} == {"0", "1"}
    assert found["process_resident_memory_bytes", "0"] > 1e6
    assert found["process_open_fds", "1"] > 3
    assert found["process_start_time_seconds", "0"] > 1.7e9
    one.close()
    assert {key[1] for key in told(two) if key[0] == "process_cpu_seconds_total"} == {"1"}
    three.cell(ACTIVE, ())
    assert {key[1] for key in told(two) if key[0] == "process_cpu_seconds_total"} == {"0", "1"}


@pytest.mark.process
def test_r22_a_forked_worker_has_a_file_of_its_own(directory: Path) -> None:
    store = SharedStore(directory)
    meter = Meter(store)
    family, active = meter.family(COUNTED), meter.family(ACTIVE)
    family.cell("a")[0] += 1
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            family.cell("a")[0] += 10
            active.cell()[0] += 1
            os.write(ready[1], b"x")
            os.read(done[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        family.cell("a")[0] += 100
        assert family.cell("a")[0] == 101
        assert shown(store)["test_counted_total", "a"] == [111]
        assert shown(store)["test_active",] == [1]
        assert told(store)["instrumentation_workers",] == 2
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for end in (*ready, *done):
            os.close(end)
    assert shown(store)["test_counted_total", "a"] == [111]
    assert ("test_active",) not in shown(store)
    assert told(store)["instrumentation_workers",] == 1


@pytest.mark.process
def test_a_child_that_outlives_its_parent_does_not_keep_it_alive(directory: Path) -> None:
    store, other = SharedStore(directory), SharedStore(directory)
    store.cell(ACTIVE, ())[0] += 1
    wait = os.pipe()
    child = os.fork()
    if not child:
        os.read(wait[0], 1)
        os._exit(0)
    try:
        store.close()
        assert told(other)["instrumentation_workers",] == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(wait[0])
        os.close(wait[1])


def test_a_store_that_nobody_counts_in_opens_no_file(directory: Path) -> None:
    Meter(SharedStore(directory)).family(COUNTED)
    assert os.listdir(directory) == []


def test_of_two_definitions_that_of_the_youngest_worker_is_shown(directory: Path) -> None:
    store = SharedStore(directory)
    old = WorkerFile(directory, 0, LIMIT)
    old.cell(histogram("test_seconds", "Old.", "where", bounds=(5.0,)), ("a",))[0] = 1
    old.cell(counter("test_counted_total", "Another text.", "where"), ("a",))[0] = 1
    old.close()
    store.cell(TIMES, ("a",))[1] = 2
    store.cell(COUNTED, ("a",))[0] = 2
    assert shown(store)["test_seconds", "a"] == [0, 2, 0, 0]
    assert shown(store)["test_counted_total", "a"] == [3]


def test_the_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    SharedStore(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o777])
def test_a_directory_that_others_may_write_to_is_refused(directory: Path, mode: int) -> None:
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(UsageError, match="may be written to by others"):
        SharedStore(directory)


def test_what_is_no_directory_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="directory"):
            SharedStore(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_directory_is_refused(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    os.chown(directory, 12345, 12345)
    with pytest.raises(UsageError, match="another user's"):
        SharedStore(directory)
