"""The programs that the tests of the desk run."""

from __future__ import annotations

from tests.support.binaries import alertmanager, amtool

__all__ = ["alertmanager", "amtool"]
