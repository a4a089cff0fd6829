"""The machine that the exporter runs on: processors, memory, disks, network."""

from __future__ import annotations

from grafana.source.panels import BLUE, ORANGE, RED, Figure, Say, rows
from grafana.source.plots import Known, by_label
from grafana.source.promql import selector
from grafana.source.sdk import model, units

STEP = "$__rate_interval"
OFF = "The collector system is off (--no-collector.system), or the exporter is not scraped"


def busy() -> model.Panel:
    return by_label(
        Say(44, "Processors and memory in use",
            "Share of processor time that was not idle, and of memory that is not available, by machine.",
            OFF),
        units.PercentUnit,
        (f"max by (instance) ({selector('system_cpu_utilization_ratio')})", "{{instance}} processors"),
        (f"max by (instance) ({selector('system_memory_utilization_ratio')})", "{{instance}} memory"),
        decimals=0, many=False, known=(Known(".+ memory", dashed=True),),
    )


def disks() -> model.Panel:
    def by(expr: str) -> str:
        return f"max by (instance, mountpoint) ({expr})"

    free = selector("system_filesystem_usage_bytes", state="free")
    return rows(
        Say(45, "Disks",
            "Space of each filesystem: the share that is used, as df counts it, what is free, and what the used share "
            "gained in a day. From 75 % orange, from 97 % red, as the alerts.", OFF),
        {"instance": "Machine", "mountpoint": "Mounted at"},
        Figure("Used", by(selector("system_filesystem_utilization_ratio")), units.PercentUnit, 0,
               ((0, BLUE), (0.75, ORANGE), (0.97, RED)), 80),
        Figure("Free", by(free), units.BytesIEC, 1, width=100),
        Figure("In a day", by(f"100 * delta({selector('system_filesystem_utilization_ratio')}[1d])"), "suffix: pp", 1,
               width=90),
        sort="Used",
    )


def traffic() -> model.Panel:
    def each(name: str) -> str:
        return f"sum by (direction) (rate({selector(name)}[{STEP}]))"

    return by_label(
        Say(46, "Disk and network traffic", "Bytes each second to and from all disks, and through all interfaces.",
            OFF),
        units.BytesPerSecondIEC, (each("system_disk_io_bytes_total"), "disk {{direction}}"),
        (each("system_network_io_bytes_total"), "network {{direction}}"), decimals=1, many=False,
        known=(Known("disk .+", BLUE), Known("network .+", ORANGE), Known(".+ (?:write|transmit)", dashed=True)),
    )
