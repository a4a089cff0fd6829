"""What a snapshot of the state is good for, and when it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.history.snapshot import SnapshotRefused
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.history.api import Api
from tests.sidecar.history.making import (
    COST,
    DAY,
    DUE,
    LOAD,
    SHORT,
    history,
    recorder,
)
from tests.support.clocks import FakeClock


async def test_a_snapshot_goes_on_where_it_was_and_the_gap_is_filled(api: Api, client: Client, clock: FakeClock,
                                                                    tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.fill()
    made.save(tmp_path / "deep" / "history.npz")
    await clock.advance(180)
    again, _ = history(client, clock)
    again.load(tmp_path / "deep" / "history.npz")
    assert again.ids == made.ids
    await again.tick(again.due())
    assert np.diff(recorder(again).times)[-4:].tolist() == [60.0] * 4
    assert not np.isnan(recorder(again).past).any()


@pytest.mark.parametrize(("watches", "scope"), [
    ((COST,), SHORT), ((Watch(name="load", query="load", kind="count"),), SHORT),
    ((LOAD,), Scope(past=DAY, interval=30.0)), ((LOAD,), Scope(past=DAY, shard=(1, 2))),
])
async def test_a_snapshot_of_something_else_is_refused(client: Client, clock: FakeClock, tmp_path: Path,
                                                      watches: tuple[Watch, ...], scope: Scope) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    other, _ = history(client, clock, *watches, scope=scope)
    with pytest.raises(SnapshotRefused, match="other watches"):
        other.load(tmp_path / "history.npz")


async def test_a_snapshot_that_is_too_old_is_refused(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    clock.jump(0.6 * DAY)
    with pytest.raises(SnapshotRefused, match="too old"):
        made.load(tmp_path / "history.npz")


async def test_a_snapshot_from_the_future_is_refused(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    clock.jump(-DAY)
    made, _ = history(client, clock)
    with pytest.raises(SnapshotRefused, match="future"):
        made.load(tmp_path / "history.npz")


async def test_a_damaged_snapshot_is_refused_and_changes_nothing(client: Client, clock: FakeClock,
                                                                tmp_path: Path) -> None:
    made, _ = history(client, clock)
    await made.tick(DUE)
    made.save(tmp_path / "history.npz")
    whole = (tmp_path / "history.npz").read_bytes()
    for damaged in (b"", whole[:-100], b"text", whole[:200] + b"\0" * 200 + whole[400:]):
        (tmp_path / "history.npz").write_bytes(damaged)
        with pytest.raises(SnapshotRefused):
            made.load(tmp_path / "history.npz")
    assert len(made.ids) == made.detector.size == 1


async def test_without_a_snapshot_there_is_a_reason(client: Client, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(SnapshotRefused, match="none"):
        history(client, clock)[0].load(tmp_path / "history.npz")
