"""The made-up past of the machine under the exporter: an invented server of four processors and two filesystems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sales_exporter.collectors import system
from sales_exporter.demo import machine
from sales_exporter.demo.history.faults import Fault, Floats, of_kind
from sales_exporter.model import Sample
from sales_exporter.runtime.exposition import Renderer

GIB = 2.0**30
MEMORY, USED = 16 * GIB, 7 * GIB
FILESYSTEMS = {"/": ("/dev/vda1", 80 * GIB, 0.46), "/var/lib/postgresql": ("/dev/vdb", 200 * GIB, 0.61)}
"""Device, size and share in use now, by mount point."""
CPU_SECONDS = {"idle": 2.4e6, "user": 3.1e5, "system": 9.0e4, "iowait": 2.0e4}
"""Of each processor since the start."""


def now() -> Mapping[str, float]:
    """What the system collector would say of that server now."""
    samples = [
        *(system.CPU_TIME(seconds, cpu=str(cpu), state=state) for cpu in range(4)
          for state, seconds in CPU_SECONDS.items()),
        system.CPU_UTILIZATION(0.2), system.CPU_COUNT(4), system.LOAD_1(0.8), system.LOAD_5(0.8), system.LOAD_15(0.8),
        system.MEMORY(USED, state="used"), system.MEMORY(2 * GIB, state="free"),
        system.MEMORY(MEMORY - USED, state="available"), system.MEMORY_RATIO(USED / MEMORY),
        system.SWAP(0, state="used"), system.SWAP(2 * GIB, state="free"),
        system.DISK_IO(4e10, device="vda", direction="read"), system.DISK_IO(2e11, device="vda", direction="write"),
        system.NETWORK_IO(9e10, device="eth0", direction="receive"),
        system.NETWORK_IO(6e10, device="eth0", direction="transmit"), system.UPTIME(3e6), system.PROCESSES(180),
    ]
    for mountpoint, (_, size, share) in FILESYSTEMS.items():
        samples += _space(mountpoint, size * share)
    return Renderer().values(samples)


def past(when: Floats, faults: Sequence[Fault], seed: int) -> dict[str, Floats]:
    """Every series of the system collector but those of the process, at each moment."""
    found = machine.past(now(), when, seed)
    for fault in of_kind(faults, "disk_filling"):
        for key, values in _filling(when, fault).items():
            at = fault.at(when)
            found[key] = np.where(at, values, found[key])
    busy = Renderer().values([system.CPU_UTILIZATION(0)])
    for fault in of_kind(faults, "cpu_busy"):
        found |= {key: np.where(fault.at(when), fault.factor, found[key]) for key in busy}
    return found


def _filling(when: Floats, fault: Fault) -> dict[str, Floats]:
    """What is used and free of one filesystem if it fills evenly over the length of the fault."""
    _, size, share = FILESYSTEMS[fault.subject]
    part = np.clip((when - fault.start) / fault.seconds, 0, 1)
    used = size * (share + (fault.factor - share) * part)
    keys = [next(iter(Renderer().values([one]))) for one in _space(fault.subject, 0.0)]
    return dict(zip(keys, (used, size - used, used / size), strict=True))


def _space(mountpoint: str, used: float) -> list[Sample]:
    device, size, _ = FILESYSTEMS[mountpoint]
    where = {"device": device, "mountpoint": mountpoint}
    return [system.FILESYSTEM(used, state="used", **where), system.FILESYSTEM(size - used, state="free", **where),
            system.FILESYSTEM_RATIO(used / size, **where)]
