"""The samples of a Prometheus, as VictoriaMetrics takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tests.grafana.server import Prometheus
from tests.grafana.weeks import Series


def exported(server: Prometheus, names: Iterable[str], end: float, days: int) -> Iterator[bytes]:
    """For each metric its series of so many days up to ``end``, one JSON object a line."""
    for name in names:
        yield "".join(map(_line, server.now(f"{name}[{days}d]", end))).encode()


def _line(series: Series) -> str:
    values = ",".join(value for _, value in series["values"])
    moments = ",".join(f"{moment * 1000:.0f}" for moment, _ in series["values"])
    return f'{{"metric":{json.dumps(series["metric"])},"values":[{values}],"timestamps":[{moments}]}}\n'
