"""The programs that the tests of whole stacks run."""

from __future__ import annotations

from tests.support.binaries import alertmanager, prometheus, promtool

__all__ = ["alertmanager", "prometheus", "promtool"]
