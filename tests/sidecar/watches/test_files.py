"""Files with watches: what they add, replace, change and switch off, and how their mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.watches.files import load, shipped


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.yml"


def test_without_files_the_watches_are_the_products_own() -> None:
    assert load([]) == shipped()
    assert load([], defaults=False) == ()


def test_a_file_adds_watches(file: Path) -> None:
    file.write_text("watches:\n  - {name: queue, query: queue_length, kind: gauge}\n")
    assert load([file])[-1].name == "queue"
    assert [watch.name for watch in load([file], defaults=False)] == ["queue"]


def test_defaults_hold_for_the_watches_of_their_file(file: Path) -> None:
    file.write_text("defaults: {team: ml, weight: 3}\nwatches:\n"
                    "  - {name: one, query: a}\n  - {name: two, query: b, weight: 1}\n")
    one, two = load([file], defaults=False)
    assert (one.team, one.weight, two.team, two.weight) == ("ml", 3.0, "ml", 1.0)


def test_a_watch_with_the_name_of_a_shipped_one_replaces_it(file: Path) -> None:
    file.write_text("watches:\n  - {name: cpu, query: node_load1}\n")
    (cpu,) = (watch for watch in load([file]) if watch.name == "cpu")
    assert (cpu.query, cpu.limit) == ("node_load1", None)
    assert len(load([file])) == len(shipped())


def test_an_entry_without_a_query_changes_a_shipped_watch(file: Path) -> None:
    file.write_text("defaults: {team: exec}\nwatches:\n  - {name: api_throughput, limit: 500}\n")
    (found,) = (watch for watch in load([file]) if watch.name == "api_throughput")
    (before,) = (watch for watch in shipped() if watch.name == "api_throughput")
    assert found == before.model_copy(update={"limit": 500.0})


def test_a_shipped_watch_can_be_switched_off(file: Path) -> None:
    file.write_text("watches:\n  - {name: cpu, enabled: false}\n")
    assert [watch.name for watch in shipped() if watch.name != "cpu"] == [watch.name for watch in load([file])]


def test_a_watch_of_ones_own_can_be_switched_off(file: Path) -> None:
    file.write_text("watches:\n  - {name: queue, query: queue_length, enabled: false}\n")
    assert load([file], defaults=False) == ()


@pytest.mark.parametrize(("text", "message"), [
    ("watchs: []", "watchs: unknown key; there are defaults and watches"),
    ("watches: {}", "watches: expected a list of watches, each with name and query"),
    ("watches: [3]", "watches.0: expected a mapping with name and query"),
    ("watches: [{query: a}]", "watches.0: name: expected a text such as api_latency"),
    ("defaults: [1]", "defaults: expected a mapping of keys to values"),
    ("defaults: {query: a}", "defaults: name and query belong to a watch of its own; move them there"),
    ("watches: [{name: Big, query: a}]", "Big: name: String should match pattern '^[a-z][a-z0-9_]{0,63}$'"),
    ("watches: [{name: one, query: a, wieght: 2}]", "one: wieght: unknown key"),
    ("watches: [{name: one, query: ''}]", "one: query: String should have at least 1 character"),
    ("watches: [{name: one}]", "one: query: missing, and no watch of that name comes with the product; give a query, "
                               "or mend the name"),
    ("watches: [{name: one, query: a, enabled: maybe}]", "one: enabled: expected true or false"),
    ("watches: [{name: one, query: a}, {name: one, query: b}]",
     "one: name: given twice, first in {file}; rename one of them"),
    ("watches: [{name: one, query: a, kind: guage}]",
     "one: kind: Input should be 'auto', 'gauge', 'rate', 'count', 'ratio', 'sawtooth', 'constant' or 'sparse'"),
    ("watches: [{name: one, query: a, weight: 0}]", "one: weight: Input should be greater than 0"),
    ("watches: [{name: one, query: a, denominator: b}]", "one: (top level): denominator goes with kind: ratio"),
    ("watches: [{name: one, query: a, limit: 3}]", "one: (top level): limit needs a resource and forecast: true"),
    ("watches: [{name: one, query: a, by: [x, x]}]", "one: (top level): by: labels repeat"),
    ("watches: [{name: one, query: a, calendar: {hours: 8-18}}]",
     "one: calendar.hours: '8-18' is no span of a day, such as 08:00-18:00"),
    ("watches: [{name: one, query: a, calendar: {hours: '08:00-24:30'}}]",
     "one: calendar.hours: '08:00-24:30' is no span of a day, such as 08:00-18:00"),
    ("watches: [{name: one, query: a, calendar: {timezone: Mars/Base}}]",
     "one: calendar.timezone: 'Mars/Base' is no IANA time zone, such as Europe/Berlin"),
    ("watches: [", "line 2: not valid YAML: expected the node content, but found '<stream end>'"),
    ("watches: &a []\ndefaults: *a", "line 2: aliases (*name) are not allowed"),
])
def test_a_mistake_is_named_with_file_watch_and_key(file: Path, text: str, message: str) -> None:
    file.write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        load([file])
    assert str(caught.value) == f"{file}: " + message.replace("{file}", str(file))


def test_a_name_given_in_two_files_is_refused(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path / "more.yml"):
        path.write_text("watches: [{name: one, query: a}]\n")
    with pytest.raises(ConfigError, match=r"more\.yml: one: name: given twice, first in .*own\.yml"):
        load([file, tmp_path / "more.yml"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yml: No such file or directory \(given as sidecar\.watches\)"):
        load([tmp_path / "none.yml"])
    (tmp_path / "latin.yml").write_bytes(b"watches: [] # \xe9")
    with pytest.raises(ConfigError, match=r"latin\.yml: not UTF-8 text"):
        load([tmp_path / "latin.yml"])


def test_a_calendar_says_its_span_in_minutes(file: Path) -> None:
    file.write_text("watches: [{name: one, query: a, calendar: {days: [mon], hours: '22:00-06:30'}}]\n")
    assert load([file], defaults=False)[0].calendar.minutes == (1320, 390)


def test_the_words_of_a_watch_are_its_title_or_its_name(file: Path) -> None:
    file.write_text("watches: [{name: queue_length, query: a}, {name: b, query: b, title: calls that wait}]\n")
    assert [watch.words for watch in load([file], defaults=False)] == ["queue length", "calls that wait"]
