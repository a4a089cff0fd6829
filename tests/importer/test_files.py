"""A malformed file is one error with file, line and column; what the file holds is never repeated."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.errors import DataFileError
from sales_exporter.importer.files import open_table, silent
from sales_exporter.importer.map import Source
from tests.importer.support import check, complaint, plan_of, rows_of

DEALS = """
    sources: {s: {file: s.csv}}
    relations:
      - relation: deals
        source: s
        columns:
          deal_id: id
          stage: stage
          status: stage
          amount: value
          currency: {value: EUR}
          closed_at: closed
"""
SECRET = "canary-4711"


def table(folder: Path, content: bytes, **keys: object) -> Path:
    path = folder / "s.csv"
    path.write_bytes(content)
    return path


def read(path: Path, **keys: object) -> list[tuple[int, int, list[str]]]:
    return [tuple(record) for record in open_table(path, Source.model_validate({"file": "s.csv", **keys})).records(
        "s", silent)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("id,stage,value\n", r":1:closed: expected this column, not in the header"),
        ("id,stage,value,closed,value\n", r":1:value: expected this column, more than once in the header"),
        ("id,stage,value,closed\na,won,canary-4711,\n", r":2:value: expected an amount .*, e.g. 1234.56"),
        ("id,stage,value,closed\na,won,1,\nb,won,2,canary-4711\n", r":3:closed: expected a date or time, e.g. 2024"),
        ("id,stage,value,closed\n,canary-4711,1,\n", r":2:id: expected a value for deals.deal_id, found none"),
        ("id,stage,value,closed\ncanary-4711,won,,\n", r":2:value: expected a value for deals.amount, found none"),
        ("id,stage,value,closed\na,won,1\n", r":2: expected 4 fields, as in the header, found 3"),
        ("id,stage,value,closed\na,won,1,,canary-4711\n", r":2: expected 4 fields, as in the header, found 5"),
        ('id,stage,value,closed\na,won,1,\n"canary-4711,won,1,\n', r":3: expected a closing quote, found the end"),
        ('id,stage,value,closed\n"a"canary-4711,won,1,\n', r":2: expected ',' or the end of the line after a"),
        ('id,stage,value,closed\n"a\nb",won,1,\nc,won,canary-4711,\n', r":4:value: expected an amount"),
        ("id,stage,value,closed\na,won,\0canary-4711,\n", r":2: expected text, found a NUL character"),
        ("", r":1: expected a header line"),
        ("\n\n", r":1: expected a header line"),
        ('"id,canary-4711\n', r":1: expected a closing quote"),
    ],
)
def test_a_malformed_file_is_an_error_with_its_place(tmp_path, body, message):
    (tmp_path / "s.csv").write_text(body, encoding="utf-8")
    with pytest.raises(DataFileError, match=message) as caught:
        check(plan_of(DEALS), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/s.csv:")
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_outside_the_encoding_are_found_by_line_however_far_reading_is_ahead(tmp_path):
    lines = [b"id,stage,value,closed", *[b"a%d,won,1," % n for n in range(400)]]
    lines[321] = b"\xff\xfe,won,1,"
    (tmp_path / "s.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(DataFileError, match=r"s.csv:322: expected text in the encoding utf-8"):
        check(plan_of(DEALS), tmp_path)


def test_a_quote_left_open_early_in_a_long_file_is_found_where_it_opens(tmp_path):
    body = "id,stage,value,closed\n" + '"a,won,1,\n' + "b,won,1,\n" * 20_000
    (tmp_path / "s.csv").write_text(body, encoding="utf-8")
    with pytest.raises(DataFileError, match=r"s.csv:2: expected fields of at most 131072 characters; is a quote left"):
        check(plan_of(DEALS), tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"gone.csv: cannot be read: No such file or directory"):
        open_table(tmp_path / "gone.csv", Source.model_validate({"file": "gone.csv"}))


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        pytest.param(b"a,b\n1,\xc3\xa9\n", {}, id="utf-8"),
        pytest.param(b"\xef\xbb\xbfa,b\n1,\xc3\xa9\n", {}, id="byte-order mark"),
        pytest.param(b"a,b\r\n1,\xe9\r\n", {"encoding": "cp1252"}, id="cp1252 and CRLF"),
        pytest.param("a;b\n1;é\n".encode("utf-16"), {"encoding": "utf-16", "separator": ";"}, id="utf-16"),
        pytest.param(b"a\tb\n1\t'\xc3\xa9'\n", {"separator": "\t", "quote": "'"}, id="tabs and single quotes"),
        pytest.param(b" a , b\n1,\xc3\xa9", {}, id="no end of line, spaces in the header"),
        pytest.param(b"a,b\n\n1,\xc3\xa9\n\n", {}, id="blank lines"),
    ],
)
def test_files_as_they_are_written_elsewhere(tmp_path, content, keys):
    path = table(tmp_path, content)
    opened = open_table(path, Source.model_validate({"file": "s.csv", **keys}))
    assert opened.header == ("a", "b")
    assert [record.fields for record in opened.records("s", silent)] == [["1", "é"]]


def test_lines_count_from_the_header_and_rows_from_below_it(tmp_path):
    path = table(tmp_path, b'a,b\n1,"x\ny"\n\n2,z\n')
    assert read(path) == [(2, 1, ["1", "x\ny"]), (5, 2, ["2", "z"])]


def test_progress_ends_at_the_size_of_the_file(tmp_path):
    heard: list[tuple[int, int, str]] = []
    path = table(tmp_path, b"a,b\n" + b"1,2\n" * 50_000)
    opened = open_table(path, Source.model_validate({"file": "s.csv"}))
    assert sum(1 for _ in opened.records("reading", lambda *step: heard.append(step))) == 50_000
    assert [what for _, _, what in heard] == ["reading"] * 3
    done = [done for done, _, _ in heard]
    assert done == sorted(done)
    assert done[-1] == path.stat().st_size == heard[-1][1]


_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(_ANY_TEXT, _ANY_TEXT), min_size=1, max_size=6))
def test_any_text_comes_through_unchanged(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    with (folder / "s.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("id", "name"), *rows])
    plan = plan_of("""
        sources: {s: {file: s.csv, nulls: []}}
        relations: [{relation: channels, source: s, columns: {channel_id: id, name: name, kind: {value: k}}}]
    """)
    assert [(row["channel_id"], row["name"]) for row in rows_of(plan, folder)] == rows


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_one_clean_error(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "s.csv").write_bytes(content)
    said = complaint(lambda: check(plan_of(DEALS), folder))
    assert said is None or said.startswith(f"{folder}/s.csv:")
