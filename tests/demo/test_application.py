"""Whether the example application of the demo can start, and where it is scraped."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from sales_exporter.demo import application
from sales_exporter.demo.layout import Layout
from sales_exporter.errors import StackError


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    with pytest.raises(StackError, match=r"needs uvicorn; install it with: pip install 'sales-exporter\[demo\]'"):
        application.check()


@pytest.mark.parametrize(("there", "wanted"), [
    (True, [{"targets": ["127.0.0.1:19882"],
             "labels": {"cluster": "demo", "tenant": "default", "instance": "localhost:18882"}}]),
    (False, []),
])
def test_the_application_is_a_target_where_there_is_one(there: bool, wanted: list[object], tmp_path: Path):
    layout = Layout(tmp_path, 1000)
    configuration = layout.place_configuration(application=there)
    assert "/prometheus/application.yml" not in configuration.read_text()
    assert json.loads((layout.configuration / "prometheus/targets/application.yml").read_text()) == wanted
