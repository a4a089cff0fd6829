"""The map that --map-template prints is a map: as printed, and with everything optional switched on."""

from __future__ import annotations

import re

import pytest

from sales_exporter.contract.relations import RELATIONS
from sales_exporter.errors import DataFileError
from sales_exporter.importer import fit, map_template
from sales_exporter.importer import map as maps
from sales_exporter.importer.map import Source

IMPORTED = sorted(RELATIONS.keys() - {"lead_revisions", "removals"})
OPTION = re.compile(r"^( +)# ([a-z_]+: )", re.MULTILINE)


@pytest.mark.parametrize("relation", IMPORTED)
def test_a_template_is_a_map_as_it_is_printed(relation):
    plan = maps.parse(map_template(relation), "template")
    fit.check(plan, "template")
    assert plan.relations[0].relation == relation


@pytest.mark.parametrize("relation", IMPORTED)
def test_a_template_with_everything_optional_switched_on_names_all_there_is(relation):
    plan = maps.parse(OPTION.sub(r"\1\2", map_template(relation)), "template")
    fit.check(plan, "template")
    assert plan.sources["export"].model_fields_set == Source.model_fields.keys()
    assert plan.sources["export"] == Source.model_validate({"file": f"{relation}.csv"})
    assert set(plan.relations[0].columns) == {c.name for c in RELATIONS[relation].columns if c.type != "xid8"}
    assert plan.relations[0].distinct
    assert set(plan.relations[0].when) == {"a", "b"}


@pytest.mark.parametrize("relation", ["customers", "lead_revisions", "removals"])
def test_a_relation_that_cannot_be_imported_is_answered_with_those_that_can(relation):
    with pytest.raises(DataFileError, match=r"no relation of that name can be imported; there are leads, stage_trans"):
        map_template(relation)
