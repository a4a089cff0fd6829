"""What chance makes of a share of few cases: 2 of 4 says nothing."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats.special import betainc

NO_NEWS = 0.00135
"""Chance, by the number of cases alone, from which on a share is no news: three standard deviations of many."""
UNKNOWN = 0.2
"""Cases of the odd kind that may always come: a share of none so far is none that is known to be impossible."""


def chance(values: Floats, expected: Floats, cases: Floats) -> Floats:
    """That a share is at least so far from what is expected, on its side, by the binomial law; NaN where one is NaN.

    A normal approximation would call a single failure in a single call news. ``cases`` need not be whole numbers.
    """
    up = values >= expected
    share = np.clip(np.where(up, values, 1 - values), 0, 1)
    usual = np.clip(np.where(up, expected, 1 - expected), 0, 1)
    few = np.maximum(cases, 1.0)
    found = betainc(np.maximum(share * few, 1e-9), (1 - share) * few + 1, np.minimum(usual + UNKNOWN / few, 1.0))
    return np.asarray(found)
