"""docs/data-contract.md names every relation, column, finding and template that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sales_exporter import contract
from sales_exporter.contract.relations import RELATIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "data-contract.md").read_text()


@pytest.mark.parametrize("name", RELATIONS)
def test_relation_is_documented_with_its_columns(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}`(?: \(optional\))? \| ([^|]*) \|", TEXT, re.MULTILINE)
    assert row.split(", ") == [c.name + "?" * c.nullable for c in RELATIONS[name].columns]


@pytest.mark.parametrize("name", RELATIONS)
def test_values_of_enums_are_documented(name: str) -> None:
    for column in RELATIONS[name].columns:
        for value in column.enum:
            assert f"`{value}`" in TEXT or (column.name == "label" and "label is 0 or 1" in TEXT)


def test_every_finding_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "exporter/sales_exporter/contract").glob("*.py"))
    codes = set(re.findall(r'"([a-z_]+)",\s+"(?:error|warning|info)"', source))
    codes |= set(re.findall(r'"(\w+)", "warning" if', source))
    documented = set(re.findall(r"`([a-z_]+)`", TEXT.split("| code | what it means |")[1]))
    assert len(codes) > 35
    assert codes - {"error", "warning", "info"} - documented == set()


@pytest.mark.parametrize("name", contract.templates())
def test_template_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT.split("| template | expects |")[1]
