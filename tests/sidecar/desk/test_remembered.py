"""Keys that count once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sales_exporter.sidecar.desk.remembered import KEYS, Key, Remembered, read, written
from sales_exporter.sidecar.store import Store
from tests.sidecar.desk.telling import NOW
from tests.support.clocks import FakeClock


async def test_a_key_counts_once_and_again_when_its_time_is_over() -> None:
    clock = FakeClock(NOW)
    keys = Remembered(None, clock)
    assert [await keys.add("a", 60), await keys.add("a", 60), await keys.add("b", 60)] == [True, False, True]
    await clock.advance(59)
    assert keys.knows("a")
    await clock.advance(1)
    assert not keys.knows("a")
    assert await keys.add("a", 60)


async def test_above_the_bound_what_would_be_forgotten_first_goes() -> None:
    keys = Remembered(None, FakeClock(NOW), bound=2)
    await keys.add("a used link", 86_400)
    for name in "abc":
        await keys.add(name, 60)
    assert [keys.knows(name) for name in ("a used link", *"abc")] == [True, False, False, True]


@pytest.mark.process
async def test_keys_survive_a_restart_and_are_forgotten_on_disk_too(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    keys = Remembered(tmp_path, clock)
    await keys.add("a", 60)
    await keys.add("b", 600)
    assert keys.state == "disk"
    await keys.close()
    keys = Remembered(tmp_path, clock)
    assert keys.knows("a")
    await clock.advance(60)
    await keys.add("c", 60)
    await keys.close()
    store = Store(tmp_path, KEYS)
    assert sorted(key.name for key in store.open()) == ["b", "c"]
    store.close()


@pytest.mark.process
async def test_keys_of_a_time_without_a_disk_are_written_when_it_is_back(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    (tmp_path / "state").write_text("")
    keys = Remembered(tmp_path / "state", clock)
    assert (await keys.add("a", 600), keys.state) == (True, "memory")
    (tmp_path / "state").unlink()
    assert (await keys.add("b", 600), keys.state) == (True, "disk")
    await keys.close()
    keys = Remembered(tmp_path / "state", clock)
    assert keys.knows("a")
    assert keys.knows("b")
    await keys.close()


@pytest.mark.parametrize("damage", [
    lambda name, crc, text: (name, crc + 1, text), lambda name, crc, text: (name, crc, text.encode()),
    lambda name, crc, text: (name.encode(), crc, text),
])
def test_a_row_that_is_none_is_refused(damage) -> None:
    with pytest.raises(ValueError, match="checksum"):
        read(damage(*written(Key("a", NOW, 60))))


def test_a_key_survives_being_written() -> None:
    assert read(written(Key("a", NOW, 60.0))) == Key("a", NOW, 60.0)
