"""The special functions of scipy that this package uses. All import them from here.

scipy takes every public module of numpy in with a star import, and with them numpy.testing, unittest and the Fortran
wrapper: 2 MiB for good, of which nothing here uses a line. Before scipy is imported, those modules are put in their
places unread; whoever does use one has it read then.
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np

UNREAD = ("f2py", "testing")
"""Modules of numpy that are not read before they are used. Those that are imported already stay as they are.

Only what no code of ours reaches: reading one for the first time in two threads at once is not safe before Python 3.12,
and ``numpy.unique`` uses ``numpy.ma``.
"""


def _put_off(name: str) -> None:
    full = f"{np.__name__}.{name}"
    spec = None if full in sys.modules else importlib.util.find_spec(full)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    # The star import asks numpy for its attributes; one that is there is not imported.
    setattr(np, name, module)


for _name in UNREAD:
    _put_off(_name)

from scipy.special import (  # noqa: E402  (only now)
    betainc,
    betaincinv,
    betaln,
    expit,
    gammainccinv,
    gammaincinv,
    kolmogorov,
    logit,
    ndtr,
    ndtri,
    stdtrit,
)

__all__ = [
    "betainc", "betaincinv", "betaln", "expit", "gammainccinv", "gammaincinv", "kolmogorov", "logit", "ndtr", "ndtri",
    "stdtrit",
]
