"""The stage: series get their place with their first sample, and lose it after a week away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sales_exporter.config import Settings
from sales_exporter.sidecar.backtest.stage import ABSENCE, Stage
from sales_exporter.sidecar.fleet.incidents import add
from sales_exporter.sidecar.judging.core import Core
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch

A, B = SeriesId("load", (("host", "a"),)), SeriesId("load", (("host", "b"),))
KNOWN = (A, B)
AT = 1_793_469_600.0
NAN = np.nan


@pytest.fixture
def stage() -> Stage:
    return Stage(Core.of((Watch(name="load", query="load"),), Settings(), AT))


def judged(stage: Stage, at: float, *values: float) -> list[float]:
    return stage.judge(KNOWN, at, np.array(values), np.full(len(values), NAN))[0].tolist()


def test_a_series_comes_with_its_first_sample(stage: Stage) -> None:
    assert judged(stage, AT, NAN, 2.0) == [2.0]
    assert stage.ids == (B,)
    assert judged(stage, AT + 60, 1.0, 2.0) == [2.0, 1.0]
    assert stage.ids == (B, A)


def test_a_series_that_was_away_for_a_week_begins_anew(stage: Stage) -> None:
    judged(stage, AT, 1.0, 2.0)
    judged(stage, AT + ABSENCE, NAN, 2.0)
    assert stage.ids == (A, B)
    judged(stage, AT + ABSENCE + 60, NAN, 2.0)
    assert stage.ids == (B,)
    judged(stage, AT + ABSENCE + 120, 1.0, 2.0)
    assert stage.ids == (B, A)


def test_what_is_learned_holds_its_place(stage: Stage) -> None:
    stage.learn(KNOWN, np.array([AT, AT + 60]), np.array([[1.0, 1.0], [NAN, NAN]]))
    assert stage.ids == (A,)
    no_cases = np.full((2, 1), NAN)
    stage.rehearse(KNOWN, np.array([AT + 120]), np.array([[1.0], [5.0]]), no_cases)
    assert stage.ids == (A, B)


def test_marked_incidents_teach_nothing(tmp_path: Path) -> None:
    add(tmp_path, AT, AT + 3600)
    settings = Settings.model_validate({"storage": {"path": str(tmp_path)}})
    stage = Stage(Core.of((Watch(name="load", query="load"),), settings, AT))
    stage.learn(KNOWN[:1], np.array([AT, AT + 60]), np.array([[1.0, 1.0]]))
    assert stage.ids == ()
