"""A week of work in short: what the exporter, the sidecar and a server of streams hold after thousands of requests.

    python benchmarks/soak.py [--scrapes 10000] [--failures 5000] [--kinds exporter,sidecar,streams] [--json FILE]

Real processes whose clock runs fast: the exporter without a database, so that each pass fails, the sidecar without a
Prometheus, and a stream with clients that come and go. Each is warm after a tenth of the work; then it is looked at
while it rests, works and rests again. Prints a table and JSON, and exits 1 when files or connections are not what they
were, or memory grew by more than 1 MiB per 10,000 passes or scrapes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.soaking import Kind, Soaked, rested, soaked, started, work  # noqa: E402

FAILURES = {"exporter": 1.0, "sidecar": 0.02, "streams": 0.0}
"""Share of the wanted failures that a kind reaches in the time: the exporter has a dozen collectors."""
GOAL_BYTES = 1 << 20
PER = 10_000
WARM = 30
"""Failures after which all libraries are loaded, at least."""


async def measured(one: Soaked, scrapes: int, failures: float) -> dict[str, Any]:
    """What one process held before and after."""
    await started(one)
    failures *= FAILURES[one.kind]
    warm = max(int(failures / 10), WARM) if failures else 0
    await work(one, scrapes // 10, warm)
    before = await rested(one)
    seconds = await work(one, scrapes, warm + int(failures))
    after = await rested(one)
    grown = (after.bytes - before.bytes) * PER / max(scrapes, failures)
    return {"kind": one.kind, "scrapes": scrapes, "failures": await one.scrape(), "seconds": seconds,
            "before": asdict(before), "after": asdict(after), "grown": grown}


async def all_of(kinds: list[Kind], scrapes: int, failures: float) -> list[dict[str, Any]]:
    """One process after another: they would only wait for each other."""
    found = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder, soaked(Path(folder), kind) as [one]:
            found.append(await measured(one, scrapes, failures))
    return found


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scrapes", type=int, default=10_000)
    parser.add_argument("--failures", type=int, default=5_000)
    parser.add_argument("--kinds", default="exporter,sidecar,streams")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = cast("list[Kind]", options.kinds.split(","))
    found = asyncio.run(all_of(kinds, options.scrapes, options.failures))
    print("| process | scrapes | failures | files | threads | tasks | connections | blocks | RSS | grown per 10,000 |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for one in found:
        pairs = [(one["before"][name], one["after"][name]) for name in
                 ("files", "threads", "tasks", "connections", "blocks")]
        flat = " | ".join(f"{before:,} → {after:,}" for before, after in pairs)
        print(f"| {one['kind']} | {one['scrapes']:,} | {one['failures']:,.0f} | {flat} "
              f"| {one['after']['bytes'] / 2**20:.0f} MiB | {one['grown'] / 2**20:.2f} MiB |")
    print(json.dumps(found))
    if options.json is not None:
        options.json.write_text(json.dumps(found) + "\n")
    moved = [one["kind"] for one in found if one["grown"] > GOAL_BYTES or any(
        one["before"][name] != one["after"][name] for name in ("files", "connections"))]
    if moved:
        sys.exit("not flat: " + ", ".join(moved))


if __name__ == "__main__":
    main()
