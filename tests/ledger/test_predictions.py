"""Predictions in cells: what each contributes, and that folding equals counting anew."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from sales_exporter.ledger.calendar import SECOND, Calendar
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.predictions import (
    BILLION,
    LABEL_SCORES,
    LABEL_SQUARES,
    LABELS,
    MATURITY,
    NEVER,
    PREDICTIONS,
    SCORES,
    Outcomes,
    Predictions,
    contributions,
    labelled,
)
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.sources.predictions import UNIT, PredictionSource
from tests.support.databases import Database, Databases
from tests.support.sources import Replica

NOW = datetime(2024, 6, 1, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86_400
RELATIONS = frozenset({"model_predictions", "model_outcomes", "removals"})


def _predictions(n: int, **more: object) -> Predictions:
    """Predictions of one subject and version, made a day before NOW with a horizon of a week, unless said otherwise."""
    given = {"subject": 0, "version": 1, "at": NOW - DAY, "horizon": 7.0 * DAY, "score": 0.25, "threshold": 0.5, **more}
    columns = {name: np.broadcast_to(np.array(value), n).copy() for name, value in given.items()}
    columns["at"] = (columns["at"] * SECOND).astype(np.int64)
    return Predictions(**columns)


def _outcomes(*rows: tuple[int, float, bool, bool]) -> Outcomes:
    subject, at, positive, final = (np.array([row[i] for row in rows]) for i in range(4))
    return Outcomes(subject.astype(np.int64), (at * SECOND).astype(np.int64), positive.astype(bool), final.astype(bool))


def _cells(layout: Layout, cells: dict[str, Tally]) -> list[dict[str, int]]:
    columns = layout.unpack(cells[layout.name].keys)
    return [
        {**{name: int(column[i]) for name, column in columns.items()}, "n": n}
        for i, n in enumerate(cells[layout.name].counts.tolist())
    ]


def _of(predictions: Predictions, *outcomes: tuple[int, float, bool, bool]) -> dict[str, Tally]:
    return contributions(Calendar("UTC"), predictions, _outcomes(*outcomes), round(NOW * SECOND))


def _labels(predictions: Predictions, *outcomes: tuple[int, float, bool, bool]) -> list[tuple[bool, float]]:
    came, matured = labelled(predictions, _outcomes(*outcomes), round(NOW * SECOND))
    return [(bool(label), when / SECOND) for label, when in zip(came, matured.tolist(), strict=True)]


DUE = NOW + 6 * DAY


@pytest.mark.parametrize(("outcomes", "expected"), [
    ([], (False, DUE)),
    ([(0, NOW - 60, True, False)], (True, DUE)),
    ([(0, NOW - 60, True, True)], (True, NOW - 60)),
    ([(0, NOW, True, True)], (False, DUE)),
    ([(0, NOW - DAY - 1, True, True)], (False, DUE)),
    ([(0, NOW - DAY, True, True)], (True, NOW - DAY)),
    ([(0, NOW - 90, True, True), (0, NOW - 60, False, True)], (False, NOW - 60)),
    ([(0, NOW - 90, True, True), (0, NOW - 60, True, False)], (True, DUE)),
    ([(1, NOW - 60, True, True)], (False, DUE)),
], ids=["none", "open", "final", "not yet", "before it", "at once", "corrected", "open again", "of another"])
def test_the_latest_outcome_from_the_prediction_to_the_cutoff_is_the_label(
    outcomes: list[tuple[int, float, bool, bool]], expected: tuple[bool, float]
) -> None:
    assert _labels(_predictions(1), *outcomes) == [expected]


def test_a_final_outcome_after_the_horizon_changes_the_label_and_not_when_it_matured() -> None:
    late = _predictions(1, at=NOW - 9 * DAY)
    assert _labels(late, (0, NOW - DAY, True, True)) == [(True, NOW - 2 * DAY)]


@pytest.mark.parametrize("horizon", [np.nan, np.inf, -np.inf, -1.0, 1e300])
def test_a_horizon_that_is_no_length_of_time_is_never_over(horizon: float) -> None:
    cells = _of(_predictions(1, horizon=horizon))
    assert labelled(_predictions(1, horizon=horizon), _outcomes(), round(NOW * SECOND))[1].tolist() == [NEVER]
    assert _cells(LABELS, cells)[0]["hour"] * HOUR > NOW + 70 * 365 * DAY
    assert _cells(MATURITY, cells) == []


def test_a_prediction_counts_at_the_hour_in_which_its_label_matures() -> None:
    cells = _of(_predictions(2, at=[NOW - DAY, NOW - DAY - 1], score=[0.25, 0.7], threshold=0.7))
    assert _cells(LABELS, cells) == [
        {"hour": DUE // HOUR - 1, "version": 1, "came": 0, "decided": 1, "bin": 7000, "n": 1},
        {"hour": DUE // HOUR, "version": 1, "came": 0, "decided": 0, "bin": 2500, "n": 1},
    ]
    assert [cell["n"] for cell in _cells(SCORES, cells)] == [1, 1]
    assert [(cell["bin"], cell["n"]) for cell in _cells(LABEL_SCORES, cells)] == [
        (7, 7 * BILLION // 10), (2, BILLION // 4)]
    assert [cell["n"] for cell in _cells(LABEL_SQUARES, cells)] == [49 * BILLION // 100, BILLION // 16]


@pytest.mark.parametrize("score", [np.nan, np.inf, -0.1, 1.1])
def test_a_score_that_is_no_probability_counts_as_a_prediction_alone(score: float) -> None:
    cells = _of(_predictions(1, score=score))
    assert {name for name, tally in cells.items() if len(tally)} == {PREDICTIONS.name}


def test_a_score_of_1_lies_in_the_last_bins() -> None:
    cells = _of(_predictions(1, score=1.0))
    assert [_cells(layout, cells)[0]["bin"] for layout in (LABELS, SCORES, LABEL_SCORES)] == [9999, 999, 9]


def test_a_prediction_made_at_the_cutoff_does_not_exist_yet() -> None:
    assert all(not len(tally) for tally in _of(_predictions(1, at=NOW)).values())


class Scribe:
    """Writes predictions and outcomes at random: new, late, in the future, removed, rolled back."""

    def __init__(self, database: Database, seed: int) -> None:
        self._dsn = database.owner.dsn
        self._random = random.Random(seed)
        self._made = 0

    def write(self, now: float, steps: int) -> None:
        """A few transactions; one in five is rolled back."""
        for _ in range(steps):
            with psycopg.connect(self._dsn) as connection:
                for _ in range(self._random.randint(1, 4)):
                    self._one(connection, now)
                if self._random.random() < 0.2:
                    connection.rollback()

    def _one(self, connection: psycopg.Connection[tuple[object, ...]], now: float) -> None:
        what, chance, subject = self._random.random(), self._random, str(self._random.randint(1, 40))
        if what < 0.5:
            self._made += 1
            connection.execute(
                "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
                " predicted_at, horizon_seconds, score, threshold)"
                " VALUES (%s, 'm', %s, 'lead', %s, to_timestamp(%s), %s, %s, %s)",
                (f"p{self._made}", chance.choice("12"), subject, now - chance.choice([-600, -1, 0, 5, 9000, 40 * DAY]),
                 chance.choice([600, 7 * DAY, float("nan")]), chance.choice([0.1, 0.123456789, 1.0, 2.0]),
                 chance.choice([None, 0.1])))
        elif what < 0.8:
            connection.execute(
                "INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
                " VALUES ('lead', %s, to_timestamp(%s), %s, %s) ON CONFLICT DO NOTHING",
                (subject, now - chance.choice([-700, 0, 5, 6, 9001, 20 * DAY]), chance.choice([0, 1]),
                 chance.random() < 0.5))
        else:
            table = chance.choice(["model_predictions", "model_outcomes"])
            connection.execute(f"DELETE FROM sales.{table} WHERE subject_id = %s".encode(), (subject,))


@pytest.mark.postgres
class TestOnPostgres:
    """The source on real rows."""

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_folding_whatever_happens_equals_counting_anew(self, databases: Databases, seed: int) -> None:
        database = databases.fresh()
        source = PredictionSource(Scheme((), (), "Europe/Berlin"), RELATIONS)
        replica, scribe, folded = Replica(source, database), Scribe(database, seed), 0
        try:
            for step in range(8):
                now = NOW + 600 * step
                scribe.write(now, 12)
                folded += len(await replica.step(now))
                assert replica.cells == await replica.anew(now)
        finally:
            await replica.close()
        assert folded > 50

    async def test_a_row_that_comes_more_than_an_hour_after_its_time_is_late_once(self, databases: Databases) -> None:
        database = databases.fresh()
        replica = Replica(PredictionSource(Scheme((), ()), RELATIONS), database)
        try:
            await replica.step(NOW)
            for ago in (3590, 3610, -3610):
                database.execute(
                    "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
                    " predicted_at, horizon_seconds, score)"
                    " VALUES (%s, 'm', '1', 'lead', 'a', to_timestamp(%s), 60, 0.5)",
                    str(ago), NOW - ago)
            for seconds in (1, 2):
                await replica.step(NOW + seconds)
                assert replica.late == 1
        finally:
            await replica.close()

    async def test_moving_through_time_equals_counting_at_each_moment(self, databases: Databases) -> None:
        database = databases.fresh()
        replica, scribe = Replica(PredictionSource(Scheme((), ()), RELATIONS), database), Scribe(database, 5)
        try:
            scribe.write(NOW, 80)
            moments = [NOW + offset for offset in (-9100, -9000, -9000, -4000, -5, 0, 1, 601, 701, 9001)]
            found = await replica.moved(moments)
            assert found == [await replica.anew(moment) for moment in moments]
            assert found[0] != found[4] != found[-1]
        finally:
            await replica.close()

    async def test_an_old_snapshot_is_read_as_it_was_whatever_came_and_went_since(self, databases: Databases) -> None:
        database = databases.fresh()
        replica, scribe = Replica(PredictionSource(Scheme((), ()), RELATIONS), database), Scribe(database, 4)
        try:
            scribe.write(NOW, 40)
            await replica.step(NOW)
            before = replica.cells
            scribe.write(NOW, 40)
            database.execute("DELETE FROM sales.model_predictions WHERE subject_id < '3'")
            assert await replica.anew(NOW, replica.snapshot) == before
            assert await replica.anew(NOW) != before
        finally:
            await replica.close()

    async def test_what_lies_in_the_future_is_due_then_and_the_end_of_a_horizon_never(
        self, databases: Databases
    ) -> None:
        database = databases.fresh()
        database.execute(
            "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
            " predicted_at, horizon_seconds, score) VALUES ('1', 'm', '1', 'lead', 'a', '2024-05-31', 600000, 0.5),"
            " ('2', 'm', '1', 'lead', 'b', '2024-06-01 00:01+00', 60, 0.5),"
            " ('3', 'm', '1', 'lead', 'c', 'infinity', 60, 0.5)")
        database.execute(
            "INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
            " VALUES ('lead', 'a', '2024-06-01 00:02+00', 1, true)")
        replica = Replica(PredictionSource(Scheme((), ()), RELATIONS), database)
        try:
            await replica.step(NOW)
            a, b = f"lead{UNIT}a", f"lead{UNIT}b"
            assert sorted(replica.due) == [(NOW + 60, b), (NOW + 120, a)]
            assert sum(replica.cells[PREDICTIONS.name].values()) == 1
            assert await replica.step(NOW + 121) == [a, b]
            assert sum(replica.cells[PREDICTIONS.name].values()) == 2
            assert replica.cells == await replica.anew(NOW + 121)
            assert await replica.step(NOW + 30 * DAY) == []
        finally:
            await replica.close()
