"""``detect``: a CSV in, a judged CSV out."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from sales_exporter.cli.detect import HEADER, detect
from sales_exporter.errors import DataFileError, UsageError


def write(path, rows):
    path.write_text("timestamp,value\n" + "".join(f"{at},{value}\n" for at, value in rows), "utf-8")
    return path


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def series(days, seed=1):
    noise = np.random.default_rng(seed).standard_normal(days * 24)
    return [(1_704_067_200 + 3_600 * index, f"{50 + one:.3f}") for index, one in enumerate(noise)]


def test_rows_come_back_in_order_with_their_judgement(tmp_path):
    rows = series(3)
    detect(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    found = read(tmp_path / "out.csv")
    assert tuple(found[0]) == HEADER
    assert [(row["timestamp"], row["value"]) for row in found] == [(str(at), value) for at, value in rows]
    assert float(found[-1]["lower"]) < float(found[-1]["expected"]) < float(found[-1]["upper"])


def test_a_spike_is_an_anomaly(tmp_path):
    rows = series(20)
    rows[-3] = (rows[-3][0], "500")
    detect(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert [row["is_anomaly"] for row in read(tmp_path / "out.csv")[-4:-1]] == ["0", "1", "0"]


def test_an_empty_value_is_missing_and_not_judged(tmp_path):
    rows = series(3)
    rows[60] = (rows[60][0], "")
    detect(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    row = read(tmp_path / "out.csv")[60]
    assert (row["value"], row["expected"], float(row["score"]), row["is_anomaly"]) == ("", "", 0.0, "0")


def test_what_follows_changes_no_judgement(tmp_path):
    rows = series(5)
    detect(write(tmp_path / "whole.csv", rows), tmp_path / "whole-out.csv")
    detect(write(tmp_path / "part.csv", rows[:80]), tmp_path / "part-out.csv")
    assert read(tmp_path / "whole-out.csv")[:80] == read(tmp_path / "part-out.csv")


def test_a_batch_judges_each_as_alone(tmp_path):
    for index, days in enumerate((3, 5)):
        write(tmp_path / f"{index}.csv", series(days, seed=index))
    batch = tmp_path / "batch.tsv"
    batch.write_text("".join(f"{tmp_path}/{index}.csv\t{tmp_path}/{index}-out.csv\n" for index in (0, 1)))
    detect(batch=batch)
    detect(tmp_path / "0.csv", tmp_path / "alone.csv")
    assert read(tmp_path / "0-out.csv") == read(tmp_path / "alone.csv")
    assert len(read(tmp_path / "1-out.csv")) == 120


def test_times_are_iso_8601_or_seconds_of_the_epoch(tmp_path):
    rows = series(2)
    iso = [(str(np.datetime64(at, "s")).replace("T", " "), value) for at, value in rows]
    detect(write(tmp_path / "a.csv", rows), tmp_path / "a-out.csv")
    detect(write(tmp_path / "b.csv", iso), tmp_path / "b-out.csv")
    left, right = read(tmp_path / "a-out.csv"), read(tmp_path / "b-out.csv")
    assert [row["expected"] for row in left] == [row["expected"] for row in right]


def test_a_file_of_a_header_only_gives_one(tmp_path):
    detect(write(tmp_path / "in.csv", []), tmp_path / "out.csv")
    assert read(tmp_path / "out.csv") == []


@pytest.mark.parametrize(("text", "message"), [
    ("when,value\n1,2\n", "line 1: expected the columns timestamp and value"),
    ("", "line 1: expected the columns timestamp and value"),
    ("timestamp,value\nyesterday,2\n", "row 1: expected a time"),
    ("timestamp,value\n1,two\n", "row 1: expected a time"),
    ("timestamp,value\ninf,2\n", "row 1: expected a time"),
])
def test_a_malformed_file_is_one_line_that_names_it_and_the_place(tmp_path, text, message):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(DataFileError, match=rf"in\.csv, {message}"):
        detect(tmp_path / "in.csv", tmp_path / "out.csv")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"gone\.csv: No such file"):
        detect(tmp_path / "gone.csv", tmp_path / "out.csv")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"out\.csv: No such file"):
        detect(write(tmp_path / "in.csv", series(1)), tmp_path / "nowhere" / "out.csv")


def test_a_malformed_batch_names_its_line(tmp_path):
    (tmp_path / "batch.tsv").write_text("a.csv b.csv\n")
    with pytest.raises(DataFileError, match=r"line 1: expected IN\.csv<TAB>OUT\.csv"):
        detect(batch=tmp_path / "batch.tsv")


@pytest.mark.parametrize("given", [{}, {"source": "in.csv"}, {"source": "in.csv", "target": "out.csv", "batch": "b"}])
def test_files_or_a_batch_are_needed(given):
    with pytest.raises(UsageError, match="give IN"):
        detect(**given)
