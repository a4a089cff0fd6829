"""Commands are loaded when they are asked for, and known before."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from sales_exporter.cli import COMMANDS, HIDDEN

SHOWN = [name for name in COMMANDS if name not in HIDDEN]
# What `serve` has loaded when it would begin to serve.
SERVING = """
import asyncio, sys
from sales_exporter.cli import main
asyncio.run = lambda job: job.close()
sys.argv = ["sales-exporter", "serve"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(*sorted(sys.modules))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sales_exporter", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.process
def test_help_lists_every_command_in_order() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert re.findall(r"^  ([a-z-]+)  +\S", done.stdout.split("Commands:")[1], re.M) == SHOWN


@pytest.mark.process
def test_an_unknown_command_is_held_against_every_command() -> None:
    done = run("heathcheck")
    assert done.returncode == 2
    assert "No such command 'heathcheck'" in done.stderr
    assert "'healthcheck'" in done.stderr
    assert run("nonsense").returncode == 2


@pytest.mark.process
def test_a_server_carries_neither_generator_nor_importer() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "sales_exporter.runtime.exporter" in loaded
    rooms = ("sales_exporter.demo", "sales_exporter.importer", "sales_exporter.cli.")
    assert [name for name in loaded if name.startswith(rooms)] == [
        "sales_exporter.cli.flags", "sales_exporter.cli.running", "sales_exporter.cli.serve",
        "sales_exporter.cli.settings"]
