"""The limit of open files, in a process of its own: a limit that was lowered cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

CODE = """
import logging, resource, sys
from sales_exporter.runtime.descriptors import allow
logging.basicConfig(format="%(message)s", stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow(1000)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
TOLD = "fewer connections than web.max_connections are possible"


@pytest.mark.parametrize(
    ("soft", "hard", "said"),
    [(100, 2000, ["1256 2000"]), (1500, 2000, ["1500 2000"]), (100, 1000, [TOLD, "1000 1000"])],
)
def test_the_soft_limit_of_open_files_is_raised_as_far_as_it_may(soft: int, hard: int, said: list[str]) -> None:
    code = CODE.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == said
