"""``backfill``: the past as OpenMetrics files, and what it says to bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import Databases


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sales_exporter", "backfill", *map(str, arguments)],
                          capture_output=True, text=True, check=False)


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.slow
def test_the_past_of_a_lead_shows_when_it_was_created(databases: Databases, tmp_path: Path) -> None:
    database = databases.fresh()
    database.execute("INSERT INTO sales.leads (lead_id, created_at, channel_id)"
                     " VALUES ('a', now() - interval '30 hours', 'email')")
    dsn = tmp_path / "dsn"
    dsn.write_text(database.reader.dsn)
    done = run("--out", tmp_path / "past", "--since", "2d", "--database.dsn-file", dsn, "--label", "job=x")
    assert done.returncode == 0, done.stderr
    assert "promtool tsdb create-blocks-from openmetrics" in done.stdout
    text = "".join(file.read_text() for file in sorted((tmp_path / "past").glob("*.om")))
    head = 'sales_funnel_current_leads{stage="lead",job="x"} '
    values = [line.removeprefix(head).split()[0] for line in text.splitlines() if line.startswith(head)]
    assert values[:15] == ["0.0"] * 15
    assert values[-29:] == ["1.0"] * 29
    assert text.rstrip().endswith("# EOF")


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "said"), [
    (("--since", "3 weeks"), "--since 3 weeks: expected a number of days, such as 90d"),
    (("--label", "job"), "--label job: expected name=value"),
    ((), "database.dsn_file: not set"),
])
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run("--out", tmp_path / "past", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "past").exists()
