"""The made-up past of the machine and of the exporter itself, for series that no database remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors import source, system

Array = NDArray[np.float64]
_DAY = 86_400.0


def past(now: Mapping[str, float], when: Array, seed: int) -> dict[str, Array]:
    """Hourly values that end at what is measured ``now``, with a working day's rhythm.

    ``now`` maps ``name{labels}`` to a value of the system, source and exporter collectors.
    """
    rng = np.random.default_rng(seed)
    load = _rhythm(when, rng)
    return {key: _values(key, value, when, load, rng) for key, value in now.items()}


def _rhythm(when: Array, rng: np.random.Generator) -> Array:
    """Load of a business machine in 0..1: busy on weekday afternoons, a nightly job at three."""
    hour, day = (when % _DAY) / 3600, (when // _DAY + 3) % 7
    shape = 0.12 + 0.38 * np.exp(-0.5 * ((hour - 14) / 3.5) ** 2) * np.where(day >= 5, 0.35, 1.0)
    shape = shape + 0.18 * (np.abs(hour - 3) < 0.5)
    return np.asarray(np.clip(shape + rng.normal(0, 0.02, len(when)), 0.02, 0.95))


def _values(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    name = key.partition("{")[0]
    for known, make in _SHAPES.items():
        if name == known:
            return make(key, value, when, load, rng)
    if name.endswith("_total"):
        return _total(key, value, when, load, rng)
    if name.endswith("_timestamp_seconds"):
        return when.copy()
    return np.full(len(when), value)


def _total(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    """A running total that reaches ``value`` now, rising with the load."""
    del rng
    weight = (1 - load) if 'state="idle"' in key else load
    grown = np.cumsum(weight)
    return np.asarray(value * grown / grown[-1])


def _ratio(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    del key, value, when
    return np.asarray(np.clip(load + rng.normal(0, 0.01, len(load)), 0.01, 1.0))


def _memory(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    del key, when
    return np.asarray(np.clip(value * (0.9 + 0.2 * load) + rng.normal(0, 0.002, len(load)) * value, 0, None))


def _load(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    del key, value, when
    return np.asarray(np.clip(2 * load + rng.normal(0, 0.05, len(load)), 0, None))


def _filling(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    """A filesystem that fills slowly towards what it holds now."""
    del key, load, rng
    return np.asarray(value * (1 - 0.0015 * (when[-1] - when) / _DAY))


def _uptime(key: str, value: float, when: Array, load: Array, rng: np.random.Generator) -> Array:
    """Up since the start of the past."""
    del key, value, load, rng
    return np.asarray(when - when[0] + _DAY)


Shape = Callable[[str, float, Array, Array, np.random.Generator], Array]
_SHAPES: dict[str, Shape] = {
    system.CPU_UTILIZATION.name: _ratio,
    system.LOAD_1.name: _load,
    system.LOAD_5.name: _load,
    system.LOAD_15.name: _load,
    system.MEMORY.name: _memory,
    system.MEMORY_RATIO.name: _memory,
    system.FILESYSTEM.name: _filling,
    system.FILESYSTEM_RATIO.name: _filling,
    system.UPTIME.name: _uptime,
    source.LAG.name: lambda key, value, when, load, rng: np.zeros(len(when)),
}
