"""The machine's metrics."""

from __future__ import annotations

from collections import defaultdict

import psutil
import pytest

from sales_exporter.collectors import Context, Row
from sales_exporter.collectors.system import System, busy_and_total
from sales_exporter.config import Business
from sales_exporter.model import Sample


class NoSource:
    """The system collector must not read the source."""

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        raise AssertionError(sql)

    async def relations(self) -> frozenset[str]:
        raise AssertionError


async def samples(collector: System) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    now = psutil.boot_time() + 100
    for sample in await collector.collect(Context(now=now, wall=now, db=NoSource(), business=Business())):
        found[sample.metric.name].append(sample)
    return found


async def test_every_metric_of_a_machine_is_there_from_the_second_pass_on() -> None:
    collector = System()
    await samples(collector)
    missing = {metric.name for metric in System.metrics} - set(await samples(collector))
    # A container may have no disks of its own.
    assert missing <= {"system_disk_io_bytes_total", "system_cpu_utilization_ratio"}


async def test_shares_are_between_0_and_1() -> None:
    collector = System()
    await samples(collector)
    for name, found in (await samples(collector)).items():
        if name.endswith("_ratio"):
            assert all(0 <= float(sample.value) <= 1 for sample in found)  # type: ignore[arg-type]


async def test_uptime_is_measured_from_the_start_of_the_machine() -> None:
    assert (await samples(System()))["system_uptime_seconds"][0].value == pytest.approx(100)


def test_guest_time_is_not_counted_twice_and_waiting_is_idle() -> None:
    assert busy_and_total([{"user": 3.0, "guest": 2.0, "idle": 5.0, "iowait": 1.0, "system": 1.0}]) == (4.0, 10.0)
