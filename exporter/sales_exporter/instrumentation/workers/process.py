"""What /proc tells of a worker process. Elsewhere than on Linux: nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from sales_exporter.model import Sample, counter, gauge

CPU = counter("process_cpu_seconds_total", "User and system CPU time of a worker process.", "worker")
MEMORY = gauge("process_resident_memory_bytes", "Resident memory of a worker process.", "worker")
FILES = gauge("process_open_fds", "Open file descriptors of a worker process.", "worker")
STARTED = gauge("process_start_time_seconds", "Start of a worker process, in Unix time.", "worker")


class Status(NamedTuple):
    """Of /proc/<pid>/stat, in ticks and pages."""

    cpu: int
    started: int
    pages: int


def status(pid: int) -> Status | None:
    """What /proc/<pid>/stat tells; nothing of a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program may hold spaces and brackets, what follows it does not.
            fields = file.read().rpartition(b")")[2].split()
        return Status(int(fields[11]) + int(fields[12]), int(fields[19]), int(fields[21]))
    except (OSError, ValueError, IndexError):
        return None


def samples(workers: list[tuple[int, int, int]]) -> Iterator[Sample]:
    """The process metrics of workers: slot, pid and start of each. Left out are those whose pid is another's now."""
    found = [(str(slot), pid, now) for slot, pid, started in workers
             if (now := status(pid)) is not None and now.started == started]
    boot = _boot() if found else None
    if boot is None:
        return
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    yield from (CPU(now.cpu / ticks, worker=slot) for slot, _, now in found)
    yield from (MEMORY(float(now.pages * page), worker=slot) for slot, _, now in found)
    files = [(slot, count) for slot, pid, _ in found if (count := _files(pid)) is not None]
    yield from (FILES(float(count), worker=slot) for slot, count in files)
    yield from (STARTED(boot + now.started / ticks, worker=slot) for slot, _, now in found)


def _files(pid: int) -> int | None:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def _boot() -> float | None:
    try:
        with open("/proc/stat", "rb") as file:
            return next((float(line.split()[1]) for line in file if line.startswith(b"btime ")), None)
    except (OSError, ValueError, IndexError):
        return None
