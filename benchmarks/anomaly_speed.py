"""What the detector costs: one minute of 10,000 series, a backfill of four weeks, and memory.

    OMP_NUM_THREADS=1 python benchmarks/anomaly_speed.py

Processor time of one core. The minutes run over four hours, so that blocks and a day end within them. Prints a table,
then one JSON line; exits 1 when a floor is missed.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from sales_exporter.sidecar.detectors.novelty import Novelty

SERIES, STEP, DAY = 10_000, 900.0, 86_400.0
START = 19_700 * DAY
MINUTES = 240


def main() -> int:
    """Measure, print, judge."""
    rng = np.random.default_rng(1)
    times = START + STEP * np.arange(28 * 96 - 8)
    values = 50 + 10 * np.sin(times / DAY * 2 * np.pi) + rng.standard_normal((SERIES, times.size))
    detector = Novelty(size=SERIES)
    began = time.process_time()
    detector.learn(times, values)
    rate = SERIES / (time.process_time() - began)
    spent = []
    for minute in range(1, MINUTES + 1):
        at = times[-1] + 60 * minute
        sample = 50 + 10 * np.sin(at / DAY * 2 * np.pi) + rng.standard_normal(SERIES)
        began = time.process_time()
        detector.update(at, sample)
        spent.append(1_000 * (time.process_time() - began))
    size = sum(array.nbytes for array in detector.state().values()) / SERIES
    rows = [
        ("A9 10,000 series, one minute, ms (mean)", 80, 500, float(np.mean(spent)), False),
        ("A9 the same, worst minute", 80, 500, max(spent), False),
        ("A10 backfill of 4 weeks, series a second", 3_000, 1_000, rate, True),
        ("A10 bytes a series", 12_288, 20_480, size, False),
    ]
    held = True
    print(f"{'':44s}{'goal':>9s}{'floor':>9s}{'measured':>10s}")
    for name, goal, floor, measured, more in rows:
        kept = measured >= floor if more else measured <= floor
        held &= kept
        print(f"{name:44s}{goal:9.0f}{floor:9.0f}{measured:10.1f}{'' if kept else '  MISSED'}")
    print(json.dumps({name: round(measured, 1) for name, _, _, measured, _ in rows}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
