"""The only module that imports the Grafana Foundation SDK, so that a change of schema stays in one place."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # The SDK prefers schema v2, which the classic file provisioning of Grafana 12 and 13 refuses.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        barchart,
        bargauge,
        common,
        dashboard,
        gauge,
        heatmap,
        piechart,
        prometheus,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as kinds
    from grafana_foundation_sdk.models import dashboard as model
    from grafana_foundation_sdk.models import heatmap as heatmap_kinds
    from grafana_foundation_sdk.models import piechart as piechart_kinds
    from grafana_foundation_sdk.models import prometheus as prometheus_kinds
    from grafana_foundation_sdk.models import units

__all__ = [
    "JSONEncoder",
    "barchart",
    "bargauge",
    "common",
    "dashboard",
    "gauge",
    "heatmap",
    "heatmap_kinds",
    "kinds",
    "model",
    "piechart",
    "piechart_kinds",
    "prometheus",
    "prometheus_kinds",
    "stat",
    "statetimeline",
    "table",
    "timeseries",
    "units",
]
