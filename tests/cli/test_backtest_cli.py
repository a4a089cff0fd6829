"""``backtest`` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sales_exporter.cli.backtest import status, write
from sales_exporter.errors import UsageError
from tests.sidecar.backtest.made import alert, outcome, unseen, watched
from tests.support.command import call

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> tuple[int, str]:
        told = call(monkeypatch, capsys, "backtest", *arguments)
        return told.code, (told.out + told.err).strip()

    return called


def test_the_exit_status_tells_pages_a_week_against_the_limit() -> None:
    found = outcome(watched(alert(1.0), alert(2.0), alert(3.0), alert(4.0)))
    assert [status(found, limit, named=False) for limit in (2.0, 1.0, 0.99)] == [0, 0, 1]


def test_what_could_not_be_judged_or_read_is_neither_good_nor_bad() -> None:
    assert status(outcome(unseen("latency"), weeks=0.0), 1.0, named=False) == 2
    unread = outcome(watched(error="no answer within 10 s"))
    assert [status(unread, 1.0, named=named) for named in (True, False)] == [2, 0]


def test_page_and_pictures_are_written(tmp_path: Path) -> None:
    shown = write(outcome(watched(alert(1.0)), unseen("nothing")), 1.0, tmp_path / "new" / "folder")
    assert shown == str(tmp_path / "new" / "folder" / "index.html")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["index.html", "latency.svg"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--out .*file: "):
        write(outcome(), 1.0, tmp_path / "file")


@pytest.mark.parametrize(("arguments", "said"), [
    (("--watch", "nonsense"), "--watch nonsense: no such watch; there are "),
    (("--until", "yesterday"), "--until yesterday: expected an ISO time with its zone"),
    (("--false-alarm-budget", "many"), "sidecar.false_alarm_budget"),
    (("--weeks", "0"), "--weeks"),
    (("--prometheus.url", "http://127.0.0.1:9"), "http://127.0.0.1:9: no answer"),
])
def test_bad_input_is_named(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert said in text
