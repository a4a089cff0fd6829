"""Dashboards in a real browser: the preview's tool takes the pictures and says what can be seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREVIEW = ROOT / "grafana" / "preview"
INSTALL_SECONDS, SHOOT_SECONDS = 900, 900
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Browser:
    """The built page and the Chromium that opens it."""

    chromium: str

    def shoot(self, *options: str) -> list[Report]:
        """A report for each dashboard and width, in the order of the dashboards' paths."""
        command = ["node", str(PREVIEW / "shoot.mjs"), "--chromium", self.chromium, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SHOOT_SECONDS, check=False)
        assert done.stdout, done.stderr[-2000:]
        reports: list[Report] = json.loads(done.stdout)
        return reports


def found_chromium() -> str:
    """Where Chromium is; skips, with the reason, where it is missing."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    chromium = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if chromium is None:
        pytest.skip("Chromium is neither on PATH nor in CHROMIUM: nothing is drawn")
    return chromium


def browser() -> Browser:
    """The browser with the newest page; skips, with the reason, where Node.js, npm or Chromium are missing."""
    for program in ("node", "npm", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH: the dashboards are not drawn")
    chromium = found_chromium()
    made = subprocess.run(["make", "--silent", "grafana/preview/dist/index.html"], cwd=ROOT, capture_output=True,
                          text=True, timeout=INSTALL_SECONDS, check=False)
    # Without a registry there are no packages; a broken page must not pass for that.
    installed = (PREVIEW / "node_modules" / ".installed").exists()
    if made.returncode and not installed:
        pytest.skip(f"the packages of the preview cannot be installed: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stderr[-2000:]
    return Browser(chromium)
