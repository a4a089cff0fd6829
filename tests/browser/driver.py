"""A browser that tests tell what to do, one step at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import PREVIEW, found_chromium

DRIVER = Path(__file__).with_name("driver.mjs")
PACKAGES = PREVIEW / "node_modules"


@dataclass(frozen=True)
class Tab:
    """One page of one browser."""

    process: subprocess.Popen[str]

    async def __call__(self, command: str, **given: Any) -> Any:
        """Do it; fails with what the browser says."""
        return await asyncio.to_thread(self._ask, {"command": command, **given})

    async def fresh(self, width: int = 1280, scheme: str = "light", *, scripts: bool = True,
                    headers: Mapping[str, str] | None = None) -> None:
        """A new page without any past."""
        await self("fresh", width=width, scheme=scheme, scripts=scripts, headers=dict(headers or {}))

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the browser ended"
        told = json.loads(line)
        assert "error" not in told, f"{command}: {told['error']}"
        return told["answer"]


@contextlib.contextmanager
def driven() -> Iterator[Tab]:
    """A browser; skips, with the reason, where one is missing."""
    if not (PACKAGES / "playwright-core").exists():
        pytest.skip("playwright-core is not installed in grafana/preview: the pages are not opened")
    command = ["node", str(DRIVER), found_chromium(), str(PACKAGES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Tab(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
