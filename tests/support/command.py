"""The command line within this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sales_exporter.cli import main


@dataclass(frozen=True, slots=True)
class Told:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Told:
    """Run one command."""
    monkeypatch.setattr("sys.argv", ["sales-exporter", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    code = ended.value.code
    return Told(code if isinstance(code, int) else 0, out, err)
