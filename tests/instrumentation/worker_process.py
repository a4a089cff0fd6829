"""Processes of the tests of shared stores: one that counts until it is killed, one that scrapes, one that forks.

    python worker_process.py count DIRECTORY      a byte on standard output after each count
    python worker_process.py scrape DIRECTORY     scrapes until standard input ends; tells how often a total fell
    python worker_process.py recycle DIRECTORY N  forks N children in turn, each of which counts and is killed
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import Store
from sales_exporter.instrumentation.workers import SharedStore
from sales_exporter.model import counter, gauge, histogram

COUNTED = counter("test_counted_total", "Counts.", "where")
TIMES = histogram("test_seconds", "Times.", "where", bounds=(0.1, 1.0))
ACTIVE = gauge("test_active", "Active.")
PER_CHILD = 3


def total(store: Store) -> float:
    """What all workers counted."""
    return sum(numbers[0] for metric, _, numbers in store.rows() if metric == COUNTED)


def count(directory: Path) -> None:
    """Count until killed."""
    meter = Meter(SharedStore(directory))
    places = [meter.family(COUNTED).cell(f"place-{i}") for i in range(50)]
    seconds = meter.family(TIMES).cell("here")
    meter.family(ACTIVE).cell()[0] += 1
    while True:
        for cell in places:
            seconds[3] += 0.1
            cell[0] += 1
            os.write(1, b".")


def scrape(directory: Path) -> None:
    """Scrape, and fold, until standard input ends."""
    store, last, fell, scrapes = SharedStore(directory), dict[object, list[float]](), 0, 0
    while not select.select([0], [], [], 0)[0]:
        rows = {(metric.name, labels): list(numbers) for metric, labels, numbers in store.rows()
                if metric in (COUNTED, TIMES)}
        fell += any(new < old for key, numbers in last.items()
                    for old, new in zip(numbers, rows.get(key, [-1.0] * 4), strict=False))
        last = rows
        scrapes += 1
    print(fell, scrapes, flush=True)


def recycle(directory: Path, times: int) -> None:
    """Fork, count, kill, scrape."""
    store = SharedStore(directory)
    meter = Meter(store)
    family, active = meter.family(COUNTED), meter.family(ACTIVE)
    family.cell("here")[0] += 1
    fell, last, most = 0, 0.0, 0
    for _ in range(times):
        child = os.fork()
        if not child:
            active.cell()[0] += 1
            family.cell("here")[0] += PER_CHILD
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        now = total(store)
        fell, last, most = fell + (now < last), now, max(most, len(os.listdir(directory)))
    shown = {metric.name: numbers[0] for metric, _, numbers in store.rows()}
    print(fell, last, most, shown.get("test_active", 0.0), flush=True)


if __name__ == "__main__":
    {"count": count, "scrape": scrape}.get(sys.argv[1], lambda path: recycle(path, int(sys.argv[3])))(
        Path(sys.argv[2]))
