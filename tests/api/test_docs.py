"""docs/api.md: every command runs as it is printed, every path and limit is as it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from sales_exporter.api.asked import ChosenPast
from sales_exporter.api.operations import DOCUMENT, ROOT
from sales_exporter.api.schema import State, Unit
from sales_exporter.config import Api
from sales_exporter.runtime.clock import SystemClock
from tests.api.desk import case, holding
from tests.api.prometheus import Prometheus, serving
from tests.api.serving import Address, api
from tests.support.web import ask

pytestmark = pytest.mark.process

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PLACE = "127.0.0.1:18881"
FOLLOWED = re.compile(r"(curl -fsSN --max-time) 20 (\S+)")
"""A stream that is read for a while: its end is 28, the time that curl may take."""
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    desk = holding(case(team="platform"))
    async with serving(Prometheus(listed="24h")) as prometheus, api(prometheus.url, desk, SystemClock()) as where:
        yield where


@pytest.mark.parametrize("block", BLOCKS)
async def test_commands_run_as_printed(address: Address, block: str) -> None:
    script = FOLLOWED.sub(r"{ \1 3 \2 || [ $? = 28 ]; }", block.replace(PLACE, f"{address[0]}:{address[1]}"))
    shell = await asyncio.create_subprocess_exec(
        "bash", "-eu", "-o", "pipefail", "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "no_proxy": address[0]})
    said, complaint = await asyncio.wait_for(shell.communicate(), 30)
    assert shell.returncode == 0, complaint
    assert said


async def test_every_path_is_documented(address: Address) -> None:
    document = json.loads((await ask(address, DOCUMENT)).body)
    for path in document["paths"]:
        assert path.removeprefix(ROOT).rpartition("/")[2] in TEXT, path
    statuses = {status for paths in document["paths"].values() for operation in paths.values()
                for status in operation["responses"]}
    assert {status for status in statuses - {"200"} if status not in TEXT} == set()


def test_limits_units_and_states_are_as_documented() -> None:
    defaults = Api()
    assert f"`sidecar.api.refresh` seconds ({defaults.refresh:g})" in TEXT
    assert f"`sidecar.api.streams` is the number of open streams ({defaults.streams})" in TEXT
    points = ChosenPast.model_fields["points"]
    assert f"{points.default} by default, 2,000 at most" in TEXT
    for word in (*get_args(Unit), *get_args(State)):
        assert f"`{word}`" in TEXT, word
