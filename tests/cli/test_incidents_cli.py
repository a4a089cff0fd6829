"""``incidents`` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import call

Run = Callable[..., tuple[int, str]]
TIMES = ("--from", "2026-03-02T10:00:00Z", "--to", "2026-03-02T12:00:00Z")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> tuple[int, str]:
        told = call(monkeypatch, capsys, "incidents", *arguments)
        return told.code, (told.out + told.err).strip()

    return called


def test_a_mark_is_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    folder = ("--storage.path", str(tmp_path / "state"))
    said = "1  2026-03-02T10:00:00Z to 2026-03-02T12:00:00Z  leads channel=e*: the form\tbroke".replace("\t", " ")
    assert run("list", *folder) == (0, "no incidents")
    assert run("add", *TIMES, "--watch", "leads", "--label", "channel=e*", "--comment", "the form\tbroke",
               *folder) == (0, f"added {said}")
    assert run("list", *folder) == (0, said)
    assert run("remove", "1", *folder) == (0, f"removed {said}")
    assert run("list", *folder) == (0, "no incidents")


@pytest.mark.parametrize(("arguments", "said"), [
    (("add", *TIMES), "incidents: give --storage.path"),
    (("add", "--from", "2026-03-02T10:00:00Z", "--storage.path", "s"), "incidents: add needs --from and --to"),
    (("remove", "--storage.path", "s"), "incidents: remove needs the number"),
    (("add", *TIMES, "--label", "channel", "--storage.path", "s"), "--label channel: expected name=value"),
])
def test_what_is_missing_is_said(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert said in text
