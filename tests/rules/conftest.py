"""The programs that the tests of the rules run."""

from __future__ import annotations

from tests.support.binaries import alertmanager, amtool, prometheus, promtool

__all__ = ["alertmanager", "amtool", "prometheus", "promtool"]
