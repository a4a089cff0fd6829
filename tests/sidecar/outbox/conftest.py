"""The program that the tests of the outbox run."""

from __future__ import annotations

from tests.support.binaries import alertmanager

__all__ = ["alertmanager"]
