"""Each promise that this version makes has a test which bears its id."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROMISED = [*(f"r{n}" for n in range(1, 34)),
            *(f"s{n}" for n in range(1, 12))]
NAMES = [
    name for path in sorted((ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"def (test_[a-z0-9_]+)", path.read_text())
]


@pytest.mark.parametrize("promise", PROMISED)
def test_a_promise_has_a_test_of_its_name(promise: str) -> None:
    assert [name for name in NAMES if name.startswith(f"test_{promise}_")]


def test_s11_the_servers_need_at_most_ten_packages_and_applications_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) == 1
    assert len(project["dependencies"]) + len(project["optional-dependencies"]["server"]) <= 10


@pytest.mark.parametrize("lock", ["server", "app", "demo", "dev"])
def test_s11_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
