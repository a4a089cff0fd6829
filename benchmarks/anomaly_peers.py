"""Other detectors of anomalies in one series, each a function of times and values that gives a score for each row.

A score depends on no later row, is in [0, 1], and is 0.5 where the detector, as its documentation sets it up, begins
to call a row anomalous. It grows beyond that, so that a threshold on it makes the detector stricter or laxer.

- three standard deviations of the last day about its mean, from the second day on;
- the rules of promql-anomaly-detection: see promql_rules.py;
- river: ``MinMaxScaler | QuantileFilter(HalfSpaceTrees)`` with defaults and seed 42. Rows are scored, then learned;
  missing rows are neither. The filter's q has no default. It is 0.95 in its example, which calls one row in twenty
  anomalous whatever comes; 0.995, and learning from anomalous rows too, are kinder (NAB, tuned: 36 instead of 7);
- ADTK: SeasonalAD, PersistAD and InterQuartileRangeAD with defaults, and LevelShiftAD with the window of 5 of its
  example, which has no default. They are fitted to the first 15 % of a file, at most 750 rows, and again each week to
  the last four weeks: on NAB that is kinder than once, and each day is not better. ADTK wants equal steps, so rows are
  taken as equally far apart, and missing ones are filled in by straight lines for fitting. SeasonalAD looks for the
  season itself and is silent where it finds none. LevelShiftAD looks four rows ahead: its word comes four rows later.

River and ADTK take part where they can be imported: benchmarks/peers.txt.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from promql_rules import adaptive, robust

Floats = NDArray[np.float64]
Peer = Callable[[Floats, Floats], Floats]
DAY = 86_400.0
QUANTILE = 0.995
HISTORY, REFIT, CONTEXT = 28, 7, 16
"""Days that ADTK learns from, days between fits, and rows before the first that is judged."""
LEVEL_WINDOW = 5
PAST = 1 + 1e-9
"""ADTK speaks beyond its bound, not at it."""


def sigma(times: Floats, values: Floats) -> Floats:
    """Three standard deviations of the last day about its mean."""
    rows = rows_of_a_day(times)
    scores = np.zeros(values.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a day without a sample has no band
        past = np.lib.stride_tricks.sliding_window_view(values, rows)[:-1]
        off = np.abs(values[rows:] - np.nanmean(past, axis=1))
        scores[rows:] = beyond(off, 3 * np.nanstd(past, axis=1))
    return scores


def rows_of_a_day(times: Floats) -> int:
    """By the usual distance of rows, at least ten."""
    return max(round(DAY / float(np.median(np.diff(times)))), 10)


def beyond(off: Floats, width: Floats | float) -> Floats:
    """0.5 where ``off`` is ``width``; 0 where it is 0 or unknown."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.where(off > 0, off / (off + width), 0.0))


def _relative(score: float, limit: float) -> float:
    """A score in [0, 1] stretched so that ``limit`` is 0.5."""
    return 0.5 + 0.5 * (score - limit) / (1 - limit) if score >= limit and limit < 1 else 0.5 * score / max(limit, 1e-9)


def half_space_trees(_: Floats, values: Floats) -> Floats:
    """HalfSpaceTrees of river behind its QuantileFilter."""
    anomaly, preprocessing = (importlib.import_module(f"river.{name}") for name in ("anomaly", "preprocessing"))
    trees = anomaly.HalfSpaceTrees(seed=42)
    judge = anomaly.QuantileFilter(trees, q=QUANTILE, protect_anomaly_detector=False)
    model = preprocessing.MinMaxScaler() | judge
    scores = np.zeros(values.size)
    for row in np.flatnonzero(~np.isnan(values)):
        features = {"value": float(values[row])}
        limit = judge.quantile.get()
        if limit:
            scores[row] = _relative(model.score_one(features), limit)
        model.learn_one(features)
    return scores


def adtk(name: str, **parameters: Any) -> Peer:
    """A detector of ADTK by its name."""
    pandas, detectors = importlib.import_module("pandas"), importlib.import_module("adtk.detector")
    late = parameters["window"] - 1 if "window" in parameters else 0

    def judged(past: Any, new: Any) -> Floats:
        detector = getattr(detectors, name)(**parameters)
        if name == "SeasonalAD" and past.min() == past.max():
            return np.zeros(len(new))  # ADTK fails on an autocorrelation that is none
        try:
            detector.fit(past)
        except Exception as error:  # ADTK has no narrower class for a series without a season
            if "seasonality" not in str(error):
                raise
            return np.zeros(len(new))
        if name == "InterQuartileRangeAD":
            middle = (detector.abs_low_ + detector.abs_high_) / 2
            return beyond(np.abs(new.to_numpy() - middle), (detector.abs_high_ - middle) * PAST)
        # Detectors made of parts compare a distance with a bound: both are read, so that there is a score.
        parts = detector.pipe_.detect(new, return_intermediate=True)
        distance = parts["abs_residual" if name == "SeasonalAD" else "diff_abs"]
        return beyond(distance.to_numpy(dtype=float), detector.pipe_.steps["iqr_ad"]["model"].abs_high_ * PAST)

    def run(times: Floats, values: Floats) -> Floats:
        day, scores = rows_of_a_day(times), np.zeros(values.size)
        step = pandas.Timedelta(seconds=float(np.median(np.diff(times))))
        series = pandas.Series(values, pandas.date_range("2024-01-01", periods=values.size, freq=step))
        for begin in range(min(int(0.15 * values.size), 750), values.size, REFIT * day):
            past = series.iloc[max(begin - HISTORY * day, 0) : begin].interpolate(limit_direction="both")
            end, before = min(begin + REFIT * day, values.size), begin - CONTEXT
            found = judged(past, series.iloc[before:end])
            scores[begin:end] = found[CONTEXT - late : end - before - late]
        return scores

    return run


def peers() -> dict[str, Peer]:
    """Those that can be imported; prints which cannot."""
    found: dict[str, Peer] = {"3 sigma": sigma, "promql adaptive": adaptive, "promql robust": robust}
    if importlib.util.find_spec("river"):
        found["HalfSpaceTrees"] = half_space_trees
    else:
        print("river is not installed: it is left out")
    if importlib.util.find_spec("adtk"):
        # pandas has changed under ADTK, which has had no release since 2020: it warns at each call.
        warnings.filterwarnings("ignore", category=FutureWarning, module="adtk")
        found |= {name: adtk(name) for name in ("SeasonalAD", "PersistAD", "InterQuartileRangeAD")}
        found["LevelShiftAD"] = adtk("LevelShiftAD", window=LEVEL_WINDOW)
    else:
        print("ADTK is not installed: it is left out")
    return found
