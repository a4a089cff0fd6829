"""The packages of the preview: pinned, with hashes, without addresses; its sources have sound types."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.browser.pages import PREVIEW, Browser


def test_every_package_is_pinned_by_a_hash_and_no_registry_is_named():
    lock = json.loads((PREVIEW / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []
    assert "http" not in {str(package.get("resolved", ""))[:4] for package in packages.values()}


def test_versions_are_exact():
    wanted = json.loads((PREVIEW / "package.json").read_text("utf-8"))["dependencies"]
    assert [name for name, version in wanted.items() if not version[0].isdigit()] == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_types_are_sound(chromium: Browser):
    done = subprocess.run(["npx", "--no-install", "tsc", "--noEmit"], cwd=PREVIEW, capture_output=True, text=True,
                          timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
