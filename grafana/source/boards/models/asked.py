"""PromQL on models that more than one panel asks. What the sidecar says comes from another job than the bar's."""

from __future__ import annotations

from grafana.source.promql import placed, selector, total

BY = ("model", "version")
VERSION = "{{model}} {{version}}"
CHOSEN = {"model": "~$model", "version": "~$version"}
LEAST = 200
"""Mature labels above which the alerts judge a version."""
NO_LABELS = "No mature labels of these models: fill sales.model_predictions and sales.model_outcomes"
NO_SIDECAR = "No sidecar watches these models: start one (docs/sidecar.md) and let Prometheus scrape it"


def said(name: str, **matchers: str) -> str:
    """A number of the exporter by model and version."""
    return f"max by (model, version) ({selector(name, **CHOSEN, **matchers)})"


def found(name: str, *by: str, **matchers: str) -> str:
    """A number of the sidecar by model and version, and by more labels."""
    return f"max by ({', '.join((*BY, *by))}) ({placed(name, **CHOSEN, **matchers)})"


def labels(*by: str, state: str = "mature") -> str:
    """Predictions whose label is known, or not yet."""
    return total("sales_model_labels", *by, state=state, **CHOSEN)


def enough(expr: str) -> str:
    """A number by model and version, where there are as many labels as the alerts ask for."""
    return f"({expr}) and {labels(*BY)} > {LEAST}"


def mean(name: str) -> str:
    """A ratio over all chosen models and versions, weighted by their mature labels."""
    return f"sum ({said(name)} * {labels(*BY)}) / (sum ({labels(*BY)} and {said(name)}) > 0)"


def decided(*by: str, offset: str = "", **matchers: str) -> str:
    """Mature decisions, by what was predicted and what came true."""
    return total("sales_model_decisions", *by, offset=offset, **CHOSEN, **matchers)


def right(*by: str, offset: str = "") -> str:
    """Decisions that came true."""
    return (f'({decided(*by, offset=offset, predicted="positive", actual="positive")} '
            f'+ {decided(*by, offset=offset, predicted="negative", actual="negative")})')
