"""Texts become values of the contract's types, or an error that says what was expected and not what was found."""

from __future__ import annotations

import pytest

from sales_exporter.importer.map import Source
from sales_exporter.importer.values import Expected, converter, later


def source(**keys: object) -> Source:
    return Source.model_validate({"file": "f.csv", **keys})


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", "true"), ("Yes", "true"), (" 1 ", "true"), ("t", "true"), ("no", "false"), ("FALSE", "false")],
)
def test_booleans(text, value):
    assert converter("boolean", source())(text) == value


@pytest.mark.parametrize(
    ("marks", "text", "value"),
    [
        ({}, "1054", "1054"),
        ({}, " -12.50 ", "-12.50"),
        ({"thousands": ","}, "1,234,567.89", "1234567.89"),
        ({"thousands": ","}, "999", "999"),
        ({"decimal": ","}, "1234,56", "1234.56"),
        ({"decimal": ",", "thousands": "."}, "1.234,56", "1234.56"),
        ({"decimal": ",", "thousands": " "}, "12 345", "12345"),
        ({"thousands": "'"}, "-1'000.5", "-1000.5"),
    ],
)
def test_amounts_in_the_marks_of_their_source(marks, text, value):
    assert converter("numeric", source(**marks))(text) == value


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ({}, "1,234"),
        ({}, "12e3"),
        ({}, "NaN"),
        ({}, "1_000"),
        ({}, "USD 5"),
        ({}, "12345678901234567"),
        ({}, "١٢"),
        ({"decimal": ","}, "1234.56"),
        ({"thousands": ","}, "1,23"),
        ({"thousands": ","}, "1,2345"),
        ({"decimal": ",", "thousands": "."}, "1234.56"),
    ],
)
def test_what_is_no_amount_is_refused(marks, text):
    with pytest.raises(Expected, match=r"an amount of at most 16 digits before the decimal mark, e.g. 1234[.,]56"):
        converter("numeric", source(**marks))(text)


@pytest.mark.parametrize(("text", "value"), [("0.5", "0.5"), ("1e-7", "1e-7"), ("-3", "-3")])
def test_numbers(text, value):
    assert converter("double", source())(text) == value


@pytest.mark.parametrize("text", ["inf", "nan", "", "0x1f", "1e999"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Expected):
        converter("double", source())(text)


@pytest.mark.parametrize(("text", "value"), [("42", "42"), ("1.0", "1"), ("-7", "-7")])
def test_whole_numbers(text, value):
    assert converter("int", source())(text) == value


def test_half_is_no_whole_number():
    with pytest.raises(Expected, match=r"a whole number, e.g. 42"):
        converter("int", source())("1.5")


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("UTC", "2018-02-26 19:58:54", "2018-02-26T19:58:54+00:00"),
        ("UTC", "2018-02-26", "2018-02-26T00:00:00+00:00"),
        ("UTC", "2018-02-26T19:58:54.5Z", "2018-02-26T19:58:54.500000+00:00"),
        ("Europe/Berlin", "2018-07-01 12:00", "2018-07-01T10:00:00+00:00"),
        ("Europe/Berlin", "2018-01-01 12:00", "2018-01-01T11:00:00+00:00"),
        ("Europe/Berlin", "2018-07-01T12:00+00:00", "2018-07-01T12:00:00+00:00"),
        pytest.param("Europe/Berlin", "2018-10-28 02:30", "2018-10-28T00:30:00+00:00", id="twice: the first"),
        pytest.param("Europe/Berlin", "2018-03-25 02:30", "2018-03-25T01:30:00+00:00", id="never: as if clocks stood"),
    ],
)
def test_times_lie_in_the_zone_of_their_source(zone, text, moment):
    assert converter("timestamptz", source(zone=zone))(text) == moment


@pytest.mark.parametrize(
    ("formats", "text", "moment"),
    [
        ("%Y-%b-%d", "2008-may-5", "2008-05-05T00:00:00+00:00"),
        ("%d.%m.%Y", "31.12.2024", "2024-12-31T00:00:00+00:00"),
        (["%d.%m.%Y", "iso"], "2024-12-31", "2024-12-31T00:00:00+00:00"),
        ("%m/%d/%Y %I:%M %p", "12/31/2024 05:30 PM", "2024-12-31T17:30:00+00:00"),
    ],
)
def test_times_in_the_formats_of_their_source(formats, text, moment):
    assert converter("timestamptz", source(dates=formats))(text) == moment


def test_the_format_of_a_column_replaces_those_of_its_source():
    convert = converter("timestamptz", source(dates="iso"), ("%d/%m/%y",))
    assert convert("01/02/18") == "2018-02-01T00:00:00+00:00"


@pytest.mark.parametrize("text", ["2018-13-01", "yesterday", "", "31.12.2024", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Expected):
        converter("timestamptz", source())(text)


def test_the_error_shows_an_example_in_the_expected_format():
    with pytest.raises(Expected, match=r"^a date, e.g. 31/12/2024$"):
        converter("date", source(dates="%d/%m/%Y"))("2024-12-31")


def test_a_date_is_the_day_as_written():
    assert converter("date", source(zone="America/New_York"))("2024-12-31 23:30:00") == "2024-12-31"


def test_seconds_are_added_to_a_moment():
    assert later("2009-02-28T00:00:00+00:00", "1875.5") == "2009-02-28T00:31:15.500000+00:00"


def test_seconds_that_leave_the_calendar_are_refused():
    with pytest.raises(Expected, match="years 1 to 9999"):
        later("2009-02-28T00:00:00+00:00", "1e18")
