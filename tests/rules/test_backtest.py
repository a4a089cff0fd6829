"""Rules tried on the past: the pure parts, against Prometheus' own stepwise procedure where there is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.errors import ConfigError
from sales_exporter.rules import exported, told
from sales_exporter.rules.book import Alert, Book, Recording, read
from sales_exporter.rules.firing import Episode, Grid, episodes, labels_of
from sales_exporter.rules.inline import inlined, momentary, names
from sales_exporter.rules.replay import Column, Outcome, Span

GRID = Grid(1_000.0, 60.0, 40)
LABELS = (("stage", "lead"),)


def alert(hold: float = 0, keep: float = 0, **labels: str) -> Alert:
    return Alert("Slow", "x > 1", hold, keep, labels)


def present(*places: int) -> np.ndarray:
    values = np.full(GRID.count, np.nan)
    values[list(places)] = 5.0
    return values


@dataclass
class Stepwise:
    """One alert, evaluated moment by moment as the manual of Prometheus tells it: the reference."""

    hold: float
    keep: float
    since: float | None = None
    firing: bool = False
    missing_since: float | None = None
    states: list[str] = field(default_factory=list)

    def step(self, at: float, there: bool) -> None:
        if there:
            self.missing_since = None
            if self.since is None:
                self.since = at
            self.firing = self.firing or at - self.since >= self.hold
        elif self.since is not None:
            if self.missing_since is None:
                self.missing_since = at
            if not self.firing or at - self.missing_since >= self.keep:
                self.since, self.firing, self.missing_since = None, False, None
        self.states.append("firing" if self.firing else "pending" if self.since is not None else "")


def states(found: list[Episode]) -> list[str]:
    """The state at each moment of the grid."""
    told = [""] * GRID.count
    for one in found:
        for place in range(GRID.count):
            at = GRID.at(place)
            if one.since <= at and (one.until is None or at < one.until):
                told[place] = "firing" if one.fired is not None and at >= one.fired else "pending"
    return told


@given(st.lists(st.booleans(), min_size=GRID.count, max_size=GRID.count),
       st.sampled_from([0, 30, 60, 90, 180, 600]), st.sampled_from([0, 30, 60, 150, 600]))
def test_episodes_are_what_a_step_by_step_evaluation_makes(there: list[bool], hold: float, keep: float) -> None:
    reference = Stepwise(hold, keep)
    for place, one in enumerate(there):
        reference.step(GRID.at(place), one)
    values = np.where(there, 2.0, np.nan)
    assert states(episodes(LABELS, values, GRID, alert(hold, keep))) == reference.states


def test_an_alert_without_for_fires_at_once_and_ends_with_its_result() -> None:
    assert episodes(LABELS, present(3, 4), GRID, alert()) == [
        Episode(LABELS, GRID.at(3), GRID.at(3), GRID.at(5), 5.0)]


def test_what_lasts_to_the_end_has_no_end() -> None:
    (found,) = episodes(LABELS, present(38, 39), GRID, alert(hold=60))
    assert (found.fired, found.until) == (GRID.at(39), None)


def test_labels_of_the_rule_join_those_of_the_series_and_templates_are_filled_in() -> None:
    rule = alert(severity="{{ $labels.how }}", team="ml", empty="{{$labels.nothing}}")
    found = labels_of({"__name__": "x", "how": "critical", "team": "other"}, rule)
    assert found == (("how", "critical"), ("severity", "critical"), ("team", "ml"))


RECORDED = (
    Recording("job:errors:rate5m", "sum by (job) (rate(errors_total[5m]))", interval=30.0),
    Recording("job:ratio", "job:errors:rate5m / job:all:rate5m", {"kind": "a$b"}),
    Recording("job:all:rate5m", "sum by (job) (rate(all_total[5m]))"),
)


@pytest.mark.parametrize(("expr", "parts"), [
    ("job:errors:rate5m > 1", ["(sum by (job) (rate(errors_total[5m])))"]),
    ("avg_over_time(job:errors:rate5m[1h])", ["[1h:30000ms]"]),
    ("avg_over_time(job:all:rate5m[1h])", ["[1h:60000ms]"]),
    ("max_over_time(job:errors:rate5m[1d:10m] offset 1w)", ["[1d:10m] offset 1w"]),
    ("job:errors:rate5m offset 7d", ["last_over_time(", "[30000ms:30000ms] offset 7d)"]),
    ("job:errors:rate5m offset -5m", ["offset -5m)"]),
    ("job:errors:rate5m @ 100", ["@ 100)"]),
    ("job:errors:rate5m @ end()", ["@ end())"]),
    ('job:errors:rate5m{job="a"}', ['and on (job) label_replace(vector(1), "job", "a", "", "")']),
    ('job:errors:rate5m{job!~"a|b",job!=""}', ["unless on (backtest_matches)", "unless on (job)"]),
    ("job:ratio", ['label_replace(', '"kind", "a$$b"', "rate(errors_total[5m])", "rate(all_total[5m])"]),
    ("sum by (job) (up) unless on (job) job:all:rate5m", ["sum by (job) (up)", "rate(all_total[5m])"]),
])
def test_recorded_names_give_way_to_what_they_are_made_from(expr: str, parts: list[str]) -> None:
    found = inlined(expr, RECORDED, 60.0)
    # It can be parsed, and no recorded name is left.
    promql_parser.parse(found)
    assert not {rule.name for rule in RECORDED} & set(names(found))
    for part in parts:
        assert part in found


def test_of_rules_with_one_name_only_those_with_fitting_labels_are_evaluated() -> None:
    rules = [Recording("burn", f"x{number}", {"slo": "a" if number < 2 else "b", "window": f"{number % 2 + 1}h"})
             for number in range(4)]
    assert "x3" in (one := inlined('burn{slo="b",window="2h"} > 1', rules, 60.0))
    assert not {"x0", "x1", "x2"} & set(names(one))
    # Nothing is left to be asked of the series.
    assert " and on (" not in one
    assert set(names(inlined('burn{slo=~"a|c"}', rules, 60.0))) == {"x0", "x1"}
    assert set(names(inlined('burn{slo!="a",window!~"1.*"}', rules, 60.0))) == {"x3"}
    assert names(inlined('burn{slo="none"}', rules, 60.0)) == []
    promql_parser.parse(inlined('rate(burn{slo="none"}[5m])', rules, 60.0))


@pytest.mark.parametrize("expr", [
    "sum by (errors) (x)", 'label_replace(x, "a", "job:ratio", "b", "")', 'x{name="job:ratio"}', "rate(x[5m]) # errors",
])
def test_labels_and_texts_are_no_metrics(expr: str) -> None:
    rules = (*RECORDED, Recording("errors", "y"), Recording("name", "y"))
    assert inlined(expr, rules, 60.0) == expr


@pytest.mark.parametrize(("expr", "expected"), [
    ("job:ratio > 1", "last_over_time(job:ratio{}[59999ms]) > 1"),
    ('job:ratio{job="a", kind!~"b|c"} offset 7d', 'last_over_time(job:ratio{job="a", kind!~"b|c"}[59999ms] offset 7d)'),
    ("max_over_time((job:ratio)[1d:30m])", "max_over_time((last_over_time(job:ratio{}[59999ms]))[1d:30m])"),
    ("avg_over_time(job:ratio[1h]) / up", "avg_over_time(job:ratio[1h]) / up"),
])
def test_a_recorded_value_of_blocks_counts_for_one_step(expr: str, expected: str) -> None:
    assert momentary(expr, RECORDED, 60.0) == expected
    promql_parser.parse(expected)


def test_rules_that_use_each_other_in_a_circle_are_refused() -> None:
    circle = (Recording("a", "b + 1"), Recording("b", "a + 1"))
    with pytest.raises(ValueError, match="circle"):
        inlined("a", circle, 60.0)


SPAN = Span(1_000.0 + 60 * 10, 1_000.0 + 60 * 39, 60.0)


def outcome(hold: float, *places: int) -> Outcome:
    rule = alert(hold, severity="warning")
    return Outcome(rule, tuple(episodes((("severity", "warning"), *LABELS), present(*places), GRID, rule)))


def test_the_grid_of_a_span_begins_early_enough_and_ends_with_it() -> None:
    grid = SPAN.grid(150)
    assert (grid.start, grid.end) == (SPAN.since - 180, SPAN.until)


def test_a_table_has_the_loudest_first_and_counts_what_for_kept_quiet() -> None:
    rows = told.rows([outcome(60, 12, 20), outcome(0, 12, 20, 30)], SPAN)
    assert [(row[0], row[1], row[-1]) for row in rows] == [("Slow (warning)", "3", "0"), ("Slow (warning)", "0", "2")]


def test_what_is_written_is_what_prometheus_would_have_written() -> None:
    column = Column("job:x", (("job", 'a"b'),), np.array([np.nan] * 29 + [1.5]))
    lines = list(exported.lines([outcome(60, 12, 13, 14)], [column], SPAN))
    labels = 'alertname="Slow",severity="warning",stage="lead"'
    at = [f"{GRID.at(place):.3f}" for place in (12, 13, 14)]
    assert lines == [
        f'ALERTS{{{labels},alertstate="pending"}} 1 {at[0]}\n', f"ALERTS_FOR_STATE{{{labels}}} {at[0]} {at[0]}\n",
        f'ALERTS{{{labels},alertstate="firing"}} 1 {at[1]}\n', f"ALERTS_FOR_STATE{{{labels}}} {at[0]} {at[1]}\n",
        f'ALERTS{{{labels},alertstate="firing"}} 1 {at[2]}\n', f"ALERTS_FOR_STATE{{{labels}}} {at[0]} {at[2]}\n",
        f'job:x{{job="a\\"b"}} 1.5 {SPAN.until:.3f}\n', "# EOF\n"]


def test_a_folder_is_read_without_what_is_no_rule_file(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("groups: [{name: g, interval: 30s, rules: [{alert: A, expr: 1, for: 1m}]}]")
    (tmp_path / "b.yaml").write_text("groups: [{name: g, rules: [{record: r, expr: x, labels: {a: b}}]}]")
    (tmp_path / "thresholds.yml").write_text("a: 1")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: $x, for: $y}]}]")
    assert read([tmp_path]) == Book((Alert("A", "1", 60.0, 0.0, {}, 30.0),), (Recording("r", "x", {"a": "b"}),))


@pytest.mark.parametrize(("text", "said"), [
    ("a: [", "not YAML"), ("a: 1", "no groups"), ("groups: [{name: g, rules: [{alert: A}]}]", "without expr"),
    ("groups: [{name: g, rules: [{alert: A, expr: x, for: soon}]}]", "no duration"),
])
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"x.yml.*{said}"):
        read([path])


def test_an_alert_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="Nope"):
        Book((alert(),), ()).named(["Nope"])
