"""The behaviour table of the ASGI middleware, once more on FastAPI and Starlette of a year ago."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OLDER = Path(sys.prefix) / "older"
"""Where the Makefile puts them."""
TABLE = Path(__file__).with_name("test_asgi.py")


@pytest.mark.process
@pytest.mark.slow
def test_the_table_holds_on_releases_of_a_year_ago(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(OLDER)}
    version = subprocess.run(
        [sys.executable, "-c", "import starlette, fastapi; print(starlette.__version__, fastapi.__version__)"],
        capture_output=True, text=True, check=True, env=environment)
    assert version.stdout.split() == ["0.50.0", "0.122.0"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'older'}"]
    done = subprocess.run([*command, str(TABLE)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
