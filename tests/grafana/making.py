"""The blocks of the two weeks, made beside the other tests, which wait more than they compute.

    python -m tests.grafana.making FOLDER
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from sales_exporter.demo.binaries import obtain
from sales_exporter.demo.history import History, Quietly, world
from sales_exporter.demo.processes import die_with_parent
from tests.grafana.boards import ROOT

POLITE = 5
"""What other tests wait for comes first."""
SECONDS, STOP_SECONDS = 900.0, 30.0


class Making:
    """A process that makes them in a folder of its own."""

    def __init__(self) -> None:
        # Not below pytest's folder: PostgreSQL's own user has to get there.
        self._folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
        self._folder.chmod(0o711)
        self._log = self._folder / "making.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, self._folder], cwd=ROOT, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)

    def made(self) -> History:
        """The blocks, as soon as they are there."""
        code = self._process.wait(SECONDS)
        assert code == 0, self._log.read_text(errors="replace")[-2000:]
        found = History.found(self._folder)
        assert found is not None
        return found

    def clear(self) -> None:
        """Stop it and leave nothing."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def main() -> None:
    """Make the blocks in the folder that is given."""
    # It may have been begun with that signal ignored, as shells do in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(signal.SIGINT)
    os.nice(POLITE)
    folder = Path(sys.argv[1])
    world(folder, obtain(ROOT / ".sales-exporter", print), Quietly())
    shutil.rmtree(folder / "postgres", ignore_errors=True)


if __name__ == "__main__":
    main()
