"""A limit on how often: so many at once, and so many a second in the long run."""

from __future__ import annotations

import math


class Bucket:
    """Requests that may be made: ``burst`` at once, ``rate`` a second in the long run."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled: float | None = None

    def wait(self, now: float) -> int:
        """0 when a request may go on (and takes a token), else the seconds after which one may; monotonic time."""
        gained = (now - self._filled) * self._rate if self._filled is not None else 0.0
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return math.ceil((1 - self._tokens) / self._rate)
