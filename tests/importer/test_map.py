"""A map is data: what is in it is checked, what is unknown is refused, nothing is evaluated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.errors import DataFileError
from sales_exporter.importer import fit
from sales_exporter.importer import map as maps
from sales_exporter.importer.map import placeholders
from tests.importer.support import complaint, plan_of

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "importing.md"
CHANNELS = """
sources: {{s: {{file: s.csv{source}}}}}
relations:
  - relation: channels
    source: s
    columns: {{channel_id: {column}, name: n, kind: {{value: paid}}}}
"""
LEADS = """
sources: {{s: {{file: s.csv}}}}
relations:
  - relation: leads
    source: s
    columns: {{lead_id: id, created_at: {created}{more}}}
"""


def test_a_text_alone_is_a_column_of_the_file():
    plan = plan_of(CHANNELS.format(source="", column="origin"))
    assert plan.relations[0].columns["channel_id"].column == "origin"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("2018-01-31", "2018-01-31"), ("7", "7"), ("0.5", "0.5"), ("true", "true"), ("no", "false"), ("null", None)],
)
def test_a_constant_is_the_text_that_was_written(written, meant):
    plan = maps.parse(LEADS.format(created=f"{{value: {written}}}", more=""), "map.yml")
    assert plan.relations[0].columns["created_at"].value == meant


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("{a}", (("", "a"),)),
        ("{a}-{b}", (("", "a"), ("-", "b"))),
        ("no {#}", (("no ", "#"),)),
        ("{{a}} {b c}", (("{", None), ("a}", None), (" ", "b c"))),
    ],
)
def test_a_template_is_literal_text_and_columns(template, parts):
    assert placeholders(template) == parts


@pytest.mark.parametrize("template", ["{a", "a}", "{}", "{a!r}", "{a:>9}"])
def test_a_template_has_nothing_but_plain_names_in_braces(template):
    with pytest.raises(ValueError, match="brace"):
        placeholders(template)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", r"map.yml: line 1: not valid YAML"),
        ("- 1", r"map.yml: expected a mapping of keys to values at the top"),
        ("a: &x 1\nb: *x", r"map.yml: line 2: aliases"),
        ("sources: {}\nrelations: []", r"map.yml: sources: "),
        (CHANNELS.format(source=", color: red", column="a"), r"sources.s.color: unknown key"),
        (CHANNELS.format(source=", separator: '::'", column="a"), r"sources.s.separator: "),
        (CHANNELS.format(source=", encoding: klingon", column="a"), r"sources.s.encoding: no text encoding"),
        (CHANNELS.format(source=", encoding: base64", column="a"), r"sources.s.encoding: no text encoding"),
        (CHANNELS.format(source=", zone: Mars/Olympus", column="a"), r"sources.s.zone: no IANA time zone"),
        (CHANNELS.format(source=", thousands: .", column="a"), r"sources.s: decimal and thousands must differ"),
        (CHANNELS.format(source="", column="{column: a, value: b}"), r"channel_id: give one of column, template and"),
        (CHANNELS.format(source="", column="{}"), r"channel_id: give one of"),
        (CHANNELS.format(source="", column="{template: '{a'}"), r"channel_id.template: braces do not match"),
        (CHANNELS.format(source="", column="{column: a, values: {yes: 1}}"), r"channel_id.values: put the keys in quo"),
        (CHANNELS.format(source="", column="{column: a, lookup: {source: x, key: k, take: t}}"), r"no source"),
    ],
)
def test_a_malformed_map_is_one_line_with_the_key(text, message):
    with pytest.raises(DataFileError, match=message) as caught:
        maps.parse(text, "map.yml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "message"),
    [("{}", "give one of equals, in and empty"), ("{in: [a], empty: true}", "give one"), ("{like: a}", "unknown key")],
)
def test_a_condition_is_one_simple_test(condition, message):
    text = CHANNELS.format(source="", column="a") + f"    when: {{x: {condition}}}\n"
    with pytest.raises(DataFileError, match=rf"relations.0.when.x.*{message}"):
        maps.parse(text, "map.yml")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (", amount: a", r"relations.0.columns.amount: leads has no such column; it has lead_id, created_at"),
        (", changed_tx: a", r"relations.0.columns.changed_tx: leads has no such column"),
        (", is_test: {value: perhaps}", r"columns.is_test.value: expected true or false"),
        (", is_test: {value: null}", r"columns.is_test.value: the contract needs a value here"),
        (", is_test: {column: t, default: perhaps}", r"columns.is_test.default: expected true or false"),
        (", is_test: {column: t, values: {ja: perhaps}}", r"columns.is_test.values.ja: expected true or false"),
        (", is_test: {column: t, format: iso}", r"columns.is_test.format: only dates and times have a format"),
        (", rep_id: {column: t, plus_seconds: '{x}'}", r"columns.rep_id.plus_seconds: only a time from the file"),
        (", rep_id: {value: a, default: b}", r"columns.rep_id: a constant value takes nothing else"),
    ],
)
def test_a_map_that_does_not_fit_the_contract_names_the_key(more, message):
    with pytest.raises(DataFileError, match=message):
        plan_of(LEADS.format(created="c", more=more))


def test_a_column_that_the_contract_needs_must_be_mapped():
    with pytest.raises(DataFileError, match=r"relations.0.columns: created_at is missing; leads needs it"):
        plan_of("""
            sources: {s: {file: s.csv}}
            relations: [{relation: leads, source: s, columns: {lead_id: a}}]
        """)


def test_an_unknown_relation_is_answered_with_the_known_ones():
    with pytest.raises(DataFileError, match=r"relations.0.relation: the contract has no such relation; it has leads, "):
        plan_of("""
            sources: {s: {file: s.csv}}
            relations: [{relation: customers, source: s, columns: {lead_id: a}}]
        """)


def test_the_log_that_a_trigger_writes_is_not_imported():
    with pytest.raises(DataFileError, match="the database writes this relation itself when leads is loaded"):
        plan_of("""
            sources: {s: {file: s.csv}}
            relations: [{relation: lead_revisions, source: s, columns: {revision_id: a, lead_id: b}}]
        """)


def test_entries_of_one_relation_name_the_same_columns():
    with pytest.raises(DataFileError, match=r"relations.1.columns.rep_id: expected the same columns as in relations.0"):
        plan_of("""
            sources: {s: {file: s.csv}}
            relations:
              - {relation: leads, source: s, columns: {lead_id: a, created_at: b}}
              - {relation: leads, source: s, columns: {lead_id: a, created_at: b, rep_id: c}}
        """)


@given(st.text(max_size=200))
def test_s7_any_text_as_a_map_is_a_map_or_one_clean_error(text):
    said = complaint(lambda: fit.check(maps.parse(text, "map.yml"), "map.yml"))
    assert said is None or said.startswith("map.yml: ")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_TREES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["column", "value", "template", "lookup", "values", "source", "in", "x"]), inner, max_size=3))


@given(_TREES)
def test_s7_any_tree_as_a_column_is_a_map_or_one_clean_error(tree):
    plan = {"sources": {"s": {"file": "f"}}, "relations": [
        {"relation": "channels", "source": "s", "columns": {"channel_id": tree, "name": "n", "kind": "k"}}]}
    said = complaint(lambda: fit.check(maps.parse(yaml.safe_dump(plan), "map.yml"), "map.yml"))
    assert said is None or said.startswith("map.yml: ")


@pytest.mark.parametrize("section", [maps.Map, maps.Source, maps.Target, maps.Column, maps.Lookup, maps.Condition])
def test_every_key_of_a_map_is_in_the_guide(section):
    guide = GUIDE.read_text(encoding="utf-8")
    for name, field in section.model_fields.items():
        key = field.alias or name
        assert re.search(rf"`{key}[`:]|\b{key}: ", guide), f"{section.__name__}.{key} is missing in {GUIDE.name}"


def test_the_map_in_the_guide_is_a_map():
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    plan_of(example)
