"""Memory that a pass has used goes back to the machine; where the C library cannot do it, nothing breaks."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from sales_exporter.runtime import memory

# The settings are the process's own: each test has one of its own.
MEASURED = """
from pathlib import Path
from sales_exporter.runtime import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

memory.give_back()
start = resident()
large = [bytearray(memory.LARGE + 1) for _ in range(600)]
held = resident()
del large
print(held - start, resident() - start)
small = [bytearray(memory.LARGE // 4) for _ in range(2_000)]
pinned = small[-1]
held = resident()
del small
memory.trim()
print(held - start, resident() - start)
"""


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
def test_what_was_large_goes_back_at_once_and_the_rest_when_trimmed() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        held, left = map(int, line.split())
        assert held > 100
        assert left < 20


class Bare:
    """A C library without the extensions of glibc."""

    def __init__(self, name: object) -> None:
        pass


def unloadable(name: object) -> None:
    raise OSError("no dynamic loading")


@pytest.mark.parametrize("library", [Bare, unloadable])
def test_another_c_library_is_left_as_it_is(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", library)
    memory.give_back()
    memory.trim()
