"""The shipped examples: maps that fit the contract, settings that are valid, files that are asked for by name."""

from __future__ import annotations

import pytest
import yaml

from sales_exporter import config
from sales_exporter.errors import DataFileError
from sales_exporter.importer import NAMES, example, fit, load_example
from sales_exporter.importer import map as maps
from tests.importer.support import DATA, write

STAGES = {
    "olist": ("lead", "won"),
    "crm": ("Prospecting", "Engaging", "Won", "Lost"),
    "bank": config.Business().stage_names,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_map_fits_the_contract(name):
    plan = maps.load(example(name).map_file)
    fit.check(plan, name)
    assert {source.file for source in plan.sources.values()} == {path.name for path in (DATA / name).iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_shipped_settings_hold_the_stages_and_nothing_of_the_machine(name):
    path = example(name).settings_file
    settings = config.parse(path.read_text(), str(path))
    assert settings.business.stage_names == STAGES[name]
    assert yaml.safe_load(path.read_text()).keys() == {"business"}


@pytest.mark.parametrize("name", ["olist", "crm"])
def test_every_stage_that_a_map_writes_is_configured(name):
    plan, stages = maps.load(example(name).map_file), STAGES[name]
    logs = [target for target in plan.relations if target.relation == "stage_transitions"]
    assert {target.columns["to_stage"].value for target in logs} - {None} <= set(stages)


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_lies_beside_each_map(name):
    guide = (example(name).map_file.parent / "README.md").read_text()
    assert f"sales-exporter up --data {name} --data.path" in guide


def test_an_unknown_data_set_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(DataFileError, match="no data set named iris; there are olist, crm, bank"):
        load_example("iris", tmp_path, "")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"gone: expected the folder that holds the files of crm"):
        load_example("crm", tmp_path / "gone", "")


def test_a_missing_file_is_asked_for_by_name(tmp_path):
    write(tmp_path, {"sales_pipeline.csv": "a\n"})
    with pytest.raises(DataFileError, match=r"map.yml: sources.products: expected one file products.csv, found none"):
        load_example("crm", tmp_path, "")
