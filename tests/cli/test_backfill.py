"""``backfill``: the past as OpenMetrics files, and what it says to bad input."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sales_exporter.runtime.past import PROCESSES
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


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.slow
def test_its_processes_end_when_it_is_killed(databases: Databases, tmp_path: Path) -> None:
    dsn = tmp_path / "dsn"
    dsn.write_text(databases.fresh().reader.dsn)
    # So long a past that they are at work when the command dies.
    command = [sys.executable, "-m", "sales_exporter", "backfill", f"--out={tmp_path / 'past'}", "--since=3000d",
               f"--database.dsn-file={dsn}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        limit = time.monotonic() + 60
        while len(at_work := workers(child.pid)) < PROCESSES and child.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        child.kill()
    assert len(at_work) == PROCESSES
    assert psutil.wait_procs(at_work, timeout=20)[1] == []


def workers(pid: int) -> list[psutil.Process]:
    """Processes that a backfill evaluates in, at work already."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(process.cmdline()) and process.cpu_times().user > 1:
                found.append(process)
    return found


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
