"""Prometheus' own lint of everything that is exposed, on data with all relations filled."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from sales_exporter.collectors import discover
from sales_exporter.demo import generator
from tests.support.binaries import need
from tests.support.clocks import FakeClock
from tests.support.databases import Databases
from tests.support.exporting import ready, serving

pytestmark = [pytest.mark.stack, pytest.mark.postgres]

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_promtool_finds_nothing_to_say_about_our_metrics(databases: Databases) -> None:
    database = databases.fresh()
    tables, _ = generator.generate(generator.demo(NOW, leads=900, days=60.0, seed=3))
    generator.load(database.owner.dsn, tables)
    clock = FakeClock(NOW.timestamp())
    async with serving(database.reader.dsn, clock) as exporter:
        await ready(exporter, clock)
        assert {name for name, state in exporter.passes.items() if state.success} == set(discover())
        page = exporter.exposition("text", packed=False, only=None)
    assert lint(page) == ""


def lint(page: bytes) -> str:
    """What promtool says about a page."""
    done = subprocess.run([need("promtool").path, "check", "metrics"], input=page, capture_output=True, check=False)
    return done.stdout.decode() + done.stderr.decode()
