"""What each word of a map does to a row."""

from __future__ import annotations

import pytest

from sales_exporter.errors import DataFileError
from sales_exporter.importer import bind
from tests.importer.support import check, plan_of, rows_of, write

CALLS = """
    sources:
      calls: {{file: calls.csv, nulls: ["", "n/a"]}}
      people: {{file: people.csv}}
    relations:
      - relation: calls
        source: calls
        {more}
        columns:
          call_id: id
          agent_kind: {{value: human}}
          direction: {{value: outbound}}
          started_at: at
          ended_at: at
          outcome: {{value: answered}}
          {column}
"""


def made(folder, column, calls, people="name,id\n", more=""):
    write(folder, {"calls.csv": calls, "people.csv": people})
    return rows_of(plan_of(CALLS.format(column=column, more=more)), folder)


def values(folder, column, calls, people="name,id\n", more=""):
    name = column.split(":")[0]
    return [row[name] for row in made(folder, column, calls, people, more)]


def test_null_tokens_of_the_source_are_no_value(tmp_path):
    calls = "id,at,c\n1,2024-01-01,x\n2,2024-01-01,\n3,2024-01-01,n/a\n"
    assert values(tmp_path, "carrier: c", calls) == ["x", None, None]


def test_a_default_stands_in_for_no_value(tmp_path):
    column = "carrier: {column: c, default: none}"
    assert values(tmp_path, column, "id,at,c\n1,2024-01-01,x\n2,2024-01-01,\n") == ["x", "none"]


def test_values_replace_whole_texts_and_leave_the_others(tmp_path):
    column = "carrier: {column: c, values: {a: b, gone: null}}"
    calls = "id,at,c\n1,2024-01-01,a\n2,2024-01-01,aa\n3,2024-01-01,gone\n"
    assert values(tmp_path, column, calls) == ["b", "aa", None]


def test_replaced_values_have_the_type_of_their_column(tmp_path):
    column = "success: {column: c, values: {ja: true, nein: false}}"
    assert values(tmp_path, column, "id,at,c\n1,2024-01-01,ja\n2,2024-01-01,nein\n3,2024-01-01,yes\n") == [
        "true", "false", "true"]


def test_a_template_joins_columns_and_the_row_number(tmp_path):
    column = "carrier: {template: '{c}/{id} no. {#}'}"
    assert values(tmp_path, column, "id,at,c\n7,2024-01-01,x\n8,2024-01-01,y\n") == ["x/7 no. 1", "y/8 no. 2"]


def test_a_template_with_an_empty_part_is_no_value(tmp_path):
    assert values(tmp_path, "carrier: {template: '{c}-{id}'}", "id,at,c\n7,2024-01-01,n/a\n") == [None]


def test_row_numbers_count_rows_of_the_file_whatever_is_taken(tmp_path):
    rows = made(tmp_path, "carrier: {template: '{#}'}", "id,at,c\n1,2024-01-01,no\n2,2024-01-01,go\n",
                more="when: {c: {equals: go}}")
    assert [(row["call_id"], row["carrier"]) for row in rows] == [("2", "2")]


def test_seconds_of_a_column_move_a_time(tmp_path):
    column = "answered_at: {column: at, plus_seconds: '{ring}'}"
    assert values(tmp_path, column, "id,at,ring\n1,2024-01-01 09:00,12.5\n2,2024-01-01 09:00,\n") == [
        "2024-01-01T09:00:12.500000+00:00", None]


def test_seconds_that_are_no_number_are_named_by_the_column_of_the_time(tmp_path):
    with pytest.raises(DataFileError, match=r"calls.csv:2:at: expected a number, e.g. 1234.56"):
        values(tmp_path, "answered_at: {column: at, plus_seconds: '{ring}'}", "id,at,ring\n1,2024-01-01,soon\n")


@pytest.mark.parametrize(
    ("when", "taken"),
    [
        ("{c: {equals: go}}", ["1"]),
        ("{c: {in: [go, stop]}}", ["1", "2"]),
        ("{c: {empty: true}}", ["3", "4"]),
        ("{c: {empty: false}}", ["1", "2"]),
        ("{c: {empty: false}, id: {in: ['2', '3']}}", ["2"]),
        ("{id: {in: [2, 3]}}", ["2", "3"]),
    ],
)
def test_only_rows_that_meet_all_conditions_are_taken(tmp_path, when, taken):
    calls = "id,at,c\n1,2024-01-01,go\n2,2024-01-01,stop\n3,2024-01-01,\n4,2024-01-01,n/a\n"
    assert values(tmp_path, "carrier: c", calls, more=f"when: {when}") is not None
    assert [row["call_id"] for row in made(tmp_path, "carrier: c", calls, more=f"when: {when}")] == taken


def test_rows_that_are_not_taken_may_be_malformed(tmp_path):
    calls = "id,at,c\n1,2024-01-01,go\n2,not a day,stop\n"
    assert len(made(tmp_path, "carrier: c", calls, more="when: {c: {equals: go}}")) == 1


def test_a_lookup_takes_a_value_from_another_file(tmp_path):
    column = "rep_id: {column: who, values: {Bob: Robert}, lookup: {source: people, key: '{name}', take: 'rep-{id}'}}"
    assert values(tmp_path, column, "id,at,who\n1,2024-01-01,Ann\n2,2024-01-01,Bob\n3,2024-01-01,\n",
                  "name,id\nAnn,7\nRobert,8\n") == ["rep-7", "rep-8", None]


def test_a_lookup_by_row_number(tmp_path):
    column = "rep_id: {column: who, lookup: {source: people, key: '{#}', take: '{name}'}}"
    assert values(tmp_path, column, "id,at,who\n1,2024-01-01,2\n", "name,id\nAnn,7\nBob,8\n") == ["Bob"]


def test_a_looked_up_value_is_written_as_in_the_file_that_it_is_from(tmp_path):
    write(tmp_path, {"pipeline.csv": "id,product\n1,A\n", "prices.csv": "product;price\nA;1.234,50\n"})
    plan = plan_of("""
        sources:
          pipeline: {file: pipeline.csv}
          prices: {file: prices.csv, separator: ";", decimal: ",", thousands: "."}
        relations:
          - relation: deals
            source: pipeline
            columns:
              deal_id: id
              stage: {value: new}
              status: {value: open}
              amount: {column: product, lookup: {source: prices, key: "{product}", take: "{price}"}}
              currency: {value: EUR}
    """)
    assert rows_of(plan, tmp_path)[0]["amount"] == "1234.50"


def test_a_lookup_without_a_match_is_an_error_that_says_what_to_do(tmp_path):
    column = "rep_id: {column: who, lookup: {source: people, key: '{name}', take: '{id}'}}"
    with pytest.raises(DataFileError, match=r"calls.csv:2:who: expected a value that people.csv has; replace it under"):
        values(tmp_path, column, "id,at,who\n1,2024-01-01,Eve\n", "name,id\nAnn,7\n")


@pytest.mark.parametrize(("default", "value"), [("null", None), ("nobody", "nobody")])
def test_a_default_stands_in_for_a_lookup_without_a_match(tmp_path, default, value):
    column = f"rep_id: {{column: who, lookup: {{source: people, key: '{{name}}', take: '{{id}}'}}, default: {default}}}"
    assert values(tmp_path, column, "id,at,who\n1,2024-01-01,Eve\n", "name,id\nAnn,7\n") == [value]


def test_a_key_with_two_values_in_a_lookup_file_is_refused(tmp_path):
    column = "rep_id: {column: who, lookup: {source: people, key: '{name}', take: '{id}'}}"
    with pytest.raises(DataFileError, match=r"people.csv:3:\{name\}: expected each key once, found one again with"):
        values(tmp_path, column, "id,at,who\n1,2024-01-01,Ann\n", "name,id\nAnn,7\nAnn,8\n")


def test_distinct_rows_make_a_dimension_and_rows_without_a_key_are_passed_over(tmp_path):
    write(tmp_path, {"s.csv": "origin\nsocial\n\"\"\nunknown\nsocial\n"})
    plan = plan_of("""
        sources: {s: {file: s.csv}}
        relations:
          - {relation: channels, source: s, distinct: true,
             columns: {channel_id: origin, name: origin, kind: {value: k}}}
    """)
    assert [row["channel_id"] for row in rows_of(plan, tmp_path)] == ["social", "unknown"]


def test_a_part_of_a_key_that_may_be_empty_is_no_missing_key(tmp_path):
    write(tmp_path, {"s.csv": "day,channel,campaign\n2024-01-01,social,\n2024-01-01,social,\n2024-01-01,,spring\n"})
    plan = plan_of("""
        sources: {s: {file: s.csv}}
        relations:
          - {relation: spend, source: s, distinct: true,
             columns: {spend_day: day, channel_id: channel, campaign_id: campaign, amount: {value: 1},
                       currency: {value: EUR}}}
    """)
    assert [(row["channel_id"], row["campaign_id"]) for row in rows_of(plan, tmp_path)] == [("social", None)]


def test_values_outside_the_documented_set_are_kept_and_counted(tmp_path):
    write(tmp_path, {"s.csv": "id,status\n1,won\n2,paused\n3,paused\n"})
    plan = plan_of("""
        sources: {s: {file: s.csv}}
        relations:
          - relation: deals
            source: s
            columns: {deal_id: id, stage: status, status: status, amount: {value: 1}, currency: {value: EUR}}
    """)
    report = check(plan, tmp_path)
    assert [count.read for count in report.counts] == [3]
    assert report.warnings == (
        "deals.status: 2 rows hold a value outside open, won, lost; they are loaded as they are",)


def test_one_file_feeds_several_relations(tmp_path):
    write(tmp_path, {"s.csv": "id,at,origin\n1,2024-01-01,social\n2,2024-01-02,social\n"})
    plan = plan_of("""
        sources: {s: {file: s.csv}}
        relations:
          - {relation: leads, source: s, columns: {lead_id: id, created_at: at, channel_id: origin}}
          - {relation: channels, source: s, distinct: true,
             columns: {channel_id: origin, name: origin, kind: {value: k}}}
    """)
    assert [(count.relation, count.read) for count in check(plan, tmp_path).counts] == [("leads", 2), ("channels", 1)]


ONE = """
sources: {s: {file: leads-*.csv}}
relations: [{relation: leads, source: s, columns: {lead_id: a, created_at: b}}]
"""


def test_a_map_with_one_source_takes_the_one_file_whatever_its_name(tmp_path):
    path = tmp_path / "download (3).csv"
    path.touch()
    assert bind(plan_of(ONE), "map.yml", [path]) == {"s": path}


def test_a_source_finds_its_file_in_a_folder_by_pattern(tmp_path):
    for name in ("leads-2024.csv", "deals-2024.csv"):
        (tmp_path / name).touch()
    assert bind(plan_of(ONE), "map.yml", [tmp_path]) == {"s": tmp_path / "leads-2024.csv"}


def test_two_files_for_one_source_are_refused(tmp_path):
    for name in ("leads-1.csv", "leads-2.csv"):
        (tmp_path / name).touch()
    with pytest.raises(DataFileError, match=r"sources.s: expected one file leads-\*.csv, found .*1.csv, .*2.csv"):
        bind(plan_of(ONE), "map.yml", [tmp_path])


def test_a_file_that_no_source_takes_is_refused(tmp_path):
    for name in ("leads-1.csv", "other.csv"):
        (tmp_path / name).touch()
    with pytest.raises(DataFileError, match=r"other.csv: no source of map.yml takes a file of this name"):
        bind(plan_of(ONE), "map.yml", [tmp_path / "leads-1.csv", tmp_path / "other.csv"])
