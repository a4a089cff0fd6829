"""What a sidecar says of the models that the exporter knows: one of them drifts and should be trained anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sales_exporter.model import Sample
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.sidecar.drift import published as drift
from sales_exporter.sidecar.drift.early import ESTIMATE
from sales_exporter.sidecar.drift.report import KINDS

LIMIT, EVIDENCE = 520.0, 3_100.0
EFFECT = -0.06
"""Accuracy that the drifting model has lost."""


def said(by_exporter: Mapping[str, float]) -> dict[str, float]:
    """The drift metrics for every model and version in what the exporter says."""
    found = {found.groups() for key in by_exporter
             if (found := re.match(r'sales_model_labels{model="(.+?)",version="(.+?)"', key))}
    return Renderer().values([drift.LIMIT(LIMIT), *(sample for place, (model, version) in enumerate(sorted(found))
                                                   for sample in _of(model, version, drifts=place == 0))])


def _of(model: str, version: str, *, drifts: bool) -> Iterator[Sample]:
    labels = {"model": model, "version": version}
    for kind in KINDS:
        yield drift.E_VALUE(EVIDENCE if drifts else 0.4, kind=kind, **labels)
        yield drift.ACTIVE(drifts, kind=kind, **labels)
        yield drift.RECOMMENDED(drifts and kind == KINDS[-1], reason=kind, **labels)
    yield drift.ACTIVE(0, kind=ESTIMATE, **labels)
    yield drift.CONFIDENCE(0.93 if drifts else 0.0, **labels)
    if drifts:
        yield drift.EFFECT(EFFECT, **labels)
        yield drift.EFFECT_LOWER(EFFECT - 0.03, **labels)
        yield drift.EFFECT_UPPER(EFFECT + 0.03, **labels)
        yield drift.GAIN(45, **labels)
