"""What the detector costs: one minute of 10,000 series, a backfill of four weeks, and memory.

    OMP_NUM_THREADS=1 python benchmarks/anomaly_speed.py

Processor time of one core. The minutes run over four hours, so that blocks and a day end within them. Prints a table,
then one JSON line; exits 1 when a floor is missed.

Beside it, where they are installed (benchmarks/peers.txt), on the first 50 of the same series and scaled to 10,000:
``MinMaxScaler | HalfSpaceTrees`` of river with defaults (learning rows one by one; a minute is to score and learn one
row) and SeasonalAD of ADTK with defaults (learning is to fit; it cannot be continued, so that a minute is to judge the
last four rows by the last fit). Bytes are what Python allocates for one of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.novelty import Novelty

SERIES, STEP, DAY = 10_000, 900.0, 86_400.0
START = 19_700 * DAY
MINUTES = 240
SOME, REPEATED = 50, 10
"""Series of a peer, and minutes of each."""

Floats = NDArray[np.float64]


def half_space_trees() -> tuple[Callable[[Floats], Any], Callable[[Any, float], object]]:
    """Learning of the past, and judging of one value more."""
    trees, scaler = (importlib.import_module(f"river.{name}") for name in ("anomaly", "preprocessing"))

    def learn(past: Floats) -> Any:
        model = scaler.MinMaxScaler() | trees.HalfSpaceTrees(seed=42)
        for value in past.tolist():
            model.learn_one({"value": value})
        return model

    def minute(model: Any, value: float) -> object:
        model.score_one({"value": value})
        return model.learn_one({"value": value})

    return learn, minute


def seasonal() -> tuple[Callable[[Floats], Any], Callable[[Any, float], object]]:
    """The same of SeasonalAD."""
    pandas, detectors = importlib.import_module("pandas"), importlib.import_module("adtk.detector")
    warnings.filterwarnings("ignore", category=FutureWarning, module="adtk")
    index = pandas.date_range("2024-01-01", periods=28 * 96, freq="15min")

    def learn(past: Floats) -> Any:
        model = detectors.SeasonalAD()
        model.fit(pandas.Series(past, index[: past.size]))
        return model

    def minute(model: Any, value: float) -> object:
        return model.detect(pandas.Series([value] * 4, index[-4:]))

    return learn, minute


def peers(values: Floats) -> None:
    """Prints what learning and a minute take."""
    for package, name, make in (("river", "HalfSpaceTrees", half_space_trees), ("adtk", "SeasonalAD", seasonal)):
        if not importlib.util.find_spec(package):
            print(f"{name}: {package} is not installed")
            continue
        learn, minute = make()
        learn(values[0])  # imports and first calls are not counted
        began = time.process_time()
        models = [learn(past) for past in values[:SOME]]
        learning = time.process_time() - began
        began = time.process_time()
        for _ in range(REPEATED):
            for model, past in zip(models, values, strict=False):
                minute(model, float(past[-96]))
        judging = (time.process_time() - began) / REPEATED
        tracemalloc.start()
        kept = learn(values[0])
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
        print(f"{name}: 10,000 series, one minute {1_000 * judging * SERIES / SOME:,.0f} ms; learning four weeks "
              f"{SOME / learning:,.1f} series a second; {size:,} bytes a series")


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
    peers(values)
    print(json.dumps({name: round(measured, 1) for name, _, _, measured, _ in rows}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
