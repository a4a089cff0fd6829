"""The machine: CPU, memory, disks, network, load and this process, with OpenTelemetry's host metric names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psutil
from prometheus_client import ProcessCollector

from sales_exporter.collectors import Collector, Context
from sales_exporter.model import Sample, counter, gauge

CPU_TIME = counter("system_cpu_time_seconds_total", "Seconds that each logical CPU spent in each state.",
                   "cpu", "state")
CPU_UTILIZATION = gauge("system_cpu_utilization_ratio", "Share of all CPU time since the last pass that was not idle.")
CPU_COUNT = gauge("system_cpu_logical_processors", "Logical CPUs.")
LOAD_1 = gauge("system_cpu_load_average_1m", "Load average over one minute.")
LOAD_5 = gauge("system_cpu_load_average_5m", "Load average over five minutes.")
LOAD_15 = gauge("system_cpu_load_average_15m", "Load average over fifteen minutes.")
MEMORY = gauge("system_memory_usage_bytes", "Memory by state; used is what cannot be given back.", "state")
MEMORY_RATIO = gauge("system_memory_utilization_ratio", "Share of memory that is not available.")
SWAP = gauge("system_paging_usage_bytes", "Swap by state.", "state")
FILESYSTEM = gauge("system_filesystem_usage_bytes", "Space of each mounted filesystem by state.",
                   "device", "mountpoint", "state")
FILESYSTEM_RATIO = gauge("system_filesystem_utilization_ratio", "Share of the space that is used, as df counts it.",
                         "device", "mountpoint")
DISK_IO = counter("system_disk_io_bytes_total", "Bytes read from and written to each disk.", "device", "direction")
NETWORK_IO = counter("system_network_io_bytes_total", "Bytes received and sent by each interface.",
                     "device", "direction")
UPTIME = gauge("system_uptime_seconds", "Seconds since the machine was started.")
PROCESSES = gauge("system_processes", "Processes on the machine.")

PROCESS = {
    "process_virtual_memory_bytes": gauge("process_virtual_memory_bytes", "Virtual memory of this process."),
    "process_resident_memory_bytes": gauge("process_resident_memory_bytes", "Resident memory of this process."),
    "process_start_time_seconds": gauge("process_start_time_seconds", "Start of this process, in epoch seconds."),
    "process_cpu_seconds_total": counter("process_cpu_seconds_total", "CPU seconds used by this process."),
    "process_open_fds": gauge("process_open_fds", "File descriptors that this process holds."),
    "process_max_fds": gauge("process_max_fds", "File descriptors that this process may hold."),
}

_IDLE = ("idle", "iowait")


class System(Collector):
    """Reads psutil; needs no source."""

    name = "system"
    interval = 10.0
    metrics = (
        CPU_TIME, CPU_UTILIZATION, CPU_COUNT, LOAD_1, LOAD_5, LOAD_15, MEMORY, MEMORY_RATIO, SWAP, FILESYSTEM,
        FILESYSTEM_RATIO, DISK_IO, NETWORK_IO, UPTIME, PROCESSES, *PROCESS.values(),
    )

    def __init__(self) -> None:
        self._process = ProcessCollector(registry=None)
        self._spent: tuple[float, float] | None = None

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """One picture of the machine; takes a few milliseconds."""
        return [*self._cpu(), *memory(), *filesystems(), *io(), *machine(ctx.wall), *self._own()]

    def _cpu(self) -> Iterator[Sample]:
        states = psutil.cpu_times(percpu=True)
        for number, times in enumerate(states):
            for state, seconds in times._asdict().items():
                # Guest time is part of user time; counting it again would make more seconds than there are.
                if not state.startswith("guest"):
                    yield CPU_TIME(seconds, cpu=str(number), state=state)
        yield CPU_COUNT(len(states))
        spent = busy_and_total([times._asdict() for times in states])
        if self._spent is not None and spent[1] > self._spent[1]:
            busy = (spent[0] - self._spent[0]) / (spent[1] - self._spent[1])
            yield CPU_UTILIZATION(min(1.0, max(0.0, busy)))
        self._spent = spent

    def _own(self) -> Iterator[Sample]:
        for family in self._process.collect():
            for sample in family.samples:
                if sample.name in PROCESS:
                    yield PROCESS[sample.name](sample.value)


def busy_and_total(states: Iterable[Mapping[str, float]]) -> tuple[float, float]:
    """Seconds that were not idle, and all seconds, over all CPUs."""
    busy = total = 0.0
    for times in states:
        for state, seconds in times.items():
            if not state.startswith("guest"):
                total += seconds
                busy += 0.0 if state in _IDLE else seconds
    return busy, total


def memory() -> Iterator[Sample]:
    """Memory and swap."""
    now = psutil.virtual_memory()
    yield MEMORY(now.total - now.available, state="used")
    yield MEMORY(now.free, state="free")
    yield MEMORY(now.available, state="available")
    for state in ("cached", "buffers"):
        if hasattr(now, state):
            yield MEMORY(getattr(now, state), state=state)
    yield MEMORY_RATIO((now.total - now.available) / now.total)
    swap = psutil.swap_memory()
    yield SWAP(swap.used, state="used")
    yield SWAP(swap.free, state="free")


def filesystems() -> Iterator[Sample]:
    """Space of the mounted filesystems; one that cannot be read is left out."""
    seen: set[str] = set()
    for part in psutil.disk_partitions(all=False):
        # A bind mount shows the same device again.
        if part.device in seen:
            continue
        seen.add(part.device)
        with contextlib.suppress(OSError):
            space = psutil.disk_usage(part.mountpoint)
            where = {"device": part.device, "mountpoint": part.mountpoint}
            yield FILESYSTEM(space.used, state="used", **where)
            yield FILESYSTEM(space.free, state="free", **where)
            if space.used + space.free > 0:
                yield FILESYSTEM_RATIO(space.used / (space.used + space.free), **where)


def io() -> Iterator[Sample]:
    """Traffic of disks and interfaces since the machine was started."""
    disks: Mapping[str, Any] = psutil.disk_io_counters(perdisk=True) or {}
    for device, disk in disks.items():
        if not device.startswith(("loop", "ram")):
            yield DISK_IO(disk.read_bytes, device=device, direction="read")
            yield DISK_IO(disk.write_bytes, device=device, direction="write")
    for device, link in psutil.net_io_counters(pernic=True).items():
        yield NETWORK_IO(link.bytes_recv, device=device, direction="receive")
        yield NETWORK_IO(link.bytes_sent, device=device, direction="transmit")


def machine(now: float) -> Iterator[Sample]:
    """Load, uptime and processes."""
    for metric, load in zip((LOAD_1, LOAD_5, LOAD_15), psutil.getloadavg(), strict=True):
        yield metric(load)
    yield UPTIME(max(0.0, now - psutil.boot_time()))
    yield PROCESSES(len(psutil.pids()))
