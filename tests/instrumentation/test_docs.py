"""docs/instrumentation.md: its code runs as printed, and its table has every metric."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sales_exporter.model import Metric

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "instrumentation.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
MODULES = ("http", "llm", "meter", "recorders.calls", "recorders.lane", "recorders.predictions", "recorders.writer",
           "workers", "workers.process")


def told(code: str) -> Any:
    """A block as a parameter. Most frameworks take long to load."""
    return pytest.param(code, marks=pytest.mark.slow) if re.search("fastapi|django|flask", code) else code


@pytest.mark.parametrize("code", [told(code) for code in BLOCKS],
                         ids=lambda code: code.splitlines()[0].split()[1].strip(":"))
def test_code_of_the_guide_runs_as_printed(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in re.findall(r"^from (fastapi|flask|django|aiohttp|sales_exporter[\w.]*)\b", code, flags=re.MULTILINE):
        pytest.importorskip(name, exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics.token").write_text("a token")
    if "django" in code:
        _django()
    exec(compile(code.replace("/tmp/", f"{tmp_path}/"), "docs/instrumentation.md", "exec"), {"__name__": "__main__"})


def test_every_metric_is_in_the_table():
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    found = set()
    for name in MODULES:
        module = __import__(f"sales_exporter.instrumentation.{name}", fromlist=["*"])
        found |= {value.name for value in vars(module).values() if isinstance(value, Metric)}
    assert len(found) > 20
    assert found <= named


def test_files_that_the_guide_names_exist():
    for target in re.findall(r"\]\((\.\./[\w/.]+|[\w-]+\.md)", TEXT):
        assert (ROOT / "docs" / target).exists(), target


def _django() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
