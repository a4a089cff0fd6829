"""`rules render`: what is committed is what comes out, limits change in one place, and mistakes are named."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sales_exporter.cli.rules import rules
from sales_exporter.errors import ConfigError, UsageError
from sales_exporter.rules.durations import seconds, words
from sales_exporter.rules.render import PLACEHOLDER
from sales_exporter.rules.thresholds import thresholds
from tests.rules.rulebook import RULES, RUNBOOKS, alerts

FILES = sorted(path.relative_to(RULES).as_posix() for path in RULES.glob("[ar]*/*.yml"))


def run(*arguments: str | Path) -> str:
    """The output of a run that succeeds; a mistake comes out as the error that the command line would print."""
    done = CliRunner().invoke(rules, ["render", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of what is rendered from."""
    for name in ("templates",):
        shutil.copytree(RULES / name, tmp_path / "pack" / name)
    for name in ("thresholds.yml", "dashboards.yml", "slos.yml"):
        shutil.copy(RULES / name, tmp_path / "pack")
    return tmp_path / "pack"


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """A YAML file with a change to it."""
    tree = yaml.safe_load(path.read_text())
    change(tree)
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def test_the_committed_files_are_what_is_rendered() -> None:
    assert "as they should be" in run("--folder", RULES, "--check")


def test_a_copy_is_rendered_byte_by_byte(pack: Path, tmp_path: Path) -> None:
    run("--folder", pack, "--out", tmp_path / "out")
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.yml"))
    assert written == FILES
    assert [name for name in FILES if (tmp_path / "out" / name).read_bytes() != (RULES / name).read_bytes()] == []


def test_check_tells_a_file_that_was_edited_and_one_that_no_template_makes(pack: Path) -> None:
    run("--folder", pack)
    edited = pack / "alerts/reps.yml"
    edited.write_text(edited.read_text().replace("> 3\n", "> 4\n"))
    (pack / "alerts/own.yml").write_text("groups: []\n")
    before = edited.read_bytes()
    done = CliRunner().invoke(rules, ["render", "--folder", str(pack), "--check"])
    assert done.exit_code == 1
    assert "> 4" in done.output
    assert "own.yml: no template makes this file" in done.output
    assert edited.read_bytes() == before


def test_one_value_changes_rule_and_text_together(tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text("api: {error_warning_ratio: 0.02}\ncalls: {first_response_duration: 1m30s}\n")
    run("--folder", RULES, "--thresholds", own, "--out", tmp_path / "out")
    api, calls = ((tmp_path / "out/alerts" / name).read_text() for name in ("api.yml", "calls.yml"))
    assert "rate10m > 0.02\n" in api
    assert "(limit 2%, clients" in api
    assert re.search(r"\[15m\]\)\)\) > 90\n", calls)
    assert "(limit 1 minute 30 seconds, last" in calls
    untouched = (RULES / "alerts/roi.yml").read_bytes()
    assert (tmp_path / "out/alerts/roi.yml").read_bytes() == untouched


def test_without_keep_firing_for_nothing_else_differs(tmp_path: Path) -> None:
    run("--folder", RULES, "--no-keep-firing-for", "--out", tmp_path)
    for name in FILES:
        lines = [line for line in (RULES / name).read_text().splitlines() if "keep_firing_for:" not in line]
        assert (tmp_path / name).read_text().splitlines() == lines, name


def test_mimir_gets_a_namespace_for_each_file_and_the_same_groups(tmp_path: Path) -> None:
    run("--folder", RULES, "--mimir", "--out", tmp_path)
    trees = {name: yaml.safe_load((tmp_path / name).read_text()) for name in FILES}
    assert len({tree["namespace"] for tree in trees.values()}) == len(FILES)
    assert trees["alerts/api.yml"]["namespace"] == "sales-alerts-api"
    for name, tree in trees.items():
        assert set(tree) == {"namespace", "groups"}
        assert tree["groups"] == yaml.safe_load((RULES / name).read_text())["groups"]


def test_every_group_has_a_name_of_its_own() -> None:
    names = [group["name"] for name in FILES for group in yaml.safe_load((RULES / name).read_text())["groups"]]
    assert len(names) == len({*names})


@pytest.mark.parametrize(("text", "told"), [
    ("api: {error_warning_ratio: 5}", "api.error_warning_ratio: expected a share above 0 and up to 1"),
    ("api: {error_warning_ratio: '5%'}", "api.error_warning_ratio: expected a share above 0 and up to 1"),
    ("api: {error_warning_ratio: true}", "api.error_warning_ratio: expected a share above 0 and up to 1"),
    ("api: {error_minimum: 0}", "api.error_minimum: expected a whole number from 1 on"),
    ("api: {error_minimum: 2.5}", "api.error_minimum: expected a whole number from 1 on"),
    ("api: {latency_duration: 1}", "api.latency_duration: expected a duration above 0, such as 10m or 1d, not 1"),
    ("api: {latency_duration: fast}", "api.latency_duration: expected a duration above 0"),
    ("api: {latency_duration: 0s}", "api.latency_duration: expected a duration above 0"),
    ("exporter: {series_warning_limit: .inf}", "exporter.series_warning_limit: expected a number above 0"),
    ("api: {error_ratio: 0.1}", "api.error_ratio: unknown key; there are api.error_critical_for, "),
    ("apis: {error_ratio: 0.1}", "apis.error_ratio: unknown key; there are api, calls, "),
    ("api: {error: 0.1}", "api.error: unknown key: its last word must be its unit, one of ratio, factor, "),
    ("api: 5", "api: expected keys with values below it"),
    ("[1]", "expected a mapping of keys to values at the top"),
    ("api: {latency_duration: [", "not valid YAML"),
])
def test_a_mistake_in_own_thresholds_names_file_key_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "own.yml"
    own.write_text(text)
    with pytest.raises(ConfigError) as caught:
        run("--folder", RULES, "--thresholds", own, "--out", tmp_path / "out")
    assert str(caught.value).startswith(f"{own}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_critical_limit_must_be_above_the_warning() -> None:
    with pytest.raises(ConfigError, match=r"f: api.x_critical_ratio: 0.1 is not above api.x_warning_ratio \(0.2\)"):
        thresholds("api: {x_warning_ratio: 0.2, x_critical_ratio: 0.1}", "f")


@pytest.mark.parametrize(("old", "new", "told"), [
    ("${reps.workload_factor}\n", "${reps.new_factor}\n", "reps.new_factor: missing key: the template asks for it"),
    ("${reps.workload_factor}\n", "${workload}\n", "${workload}: not a placeholder"),
    ("${reps.workload_factor}\n", "${reps.workload_factor:words}\n", "reps.workload_factor:words: no format for 3"),
    ("> ${reps.workload_factor}", "> > ${reps.workload_factor}", "SalesRepWorkload: not a PromQL expression"),
    ("sum by (cluster, tenant, rep)", "sum by (cluster, tenant, rep", "SalesRepWorkload: not a PromQL expression"),
    ("- alert: SalesRepWorkload", "- alarm: SalesRepWorkload", "a rule without a name"),
    ("groups:", "groups: [", "not valid YAML: "),
    ("groups:", "group:", "groups: expected a list of groups of rules"),
    ("expr: |", "expr: [1]\n        was: |", "SalesRepWorkload: expr: expected a PromQL expression"),
])
def test_a_mistake_in_a_template_names_it_and_writes_nothing(pack: Path, old: str, new: str, told: str) -> None:
    path = pack / "templates/alerts/reps.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        run("--folder", pack)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert not (pack / "alerts").exists()


def test_a_value_that_breaks_an_expression_is_told_with_the_keys_that_it_uses(pack: Path) -> None:
    path = pack / "templates/alerts/reps.yml"
    path.write_text(path.read_text().replace("> ${reps.workload_factor}\n", "> ${reps.workload_for:words}\n"))
    with pytest.raises(ConfigError, match=r"not a PromQL expression: .+; mend the template, or the thresholds that it "
                                          r"uses \(dashboards.reps, reps.workload_factor, reps.workload_for"):
        run("--folder", pack)


def test_a_key_that_no_template_asks_for_is_told(pack: Path) -> None:
    changed(pack / "thresholds.yml", lambda tree: tree["reps"].update(spare_factor=2))
    with pytest.raises(ConfigError, match=r"thresholds.yml: reps.spare_factor: unknown key: no template asks for it"):
        run("--folder", pack)
    shutil.copy(RULES / "thresholds.yml", pack)
    changed(pack / "dashboards.yml", lambda tree: tree.update(spare="sales-home"))
    with pytest.raises(ConfigError, match=r"dashboards.yml: spare: unknown key"):
        run("--folder", pack)


@pytest.mark.parametrize(("key", "value", "told"), [
    ("objective", 99.5, "slo api_availability: objective: Input should be less than 1"),
    ("team", "ops", "slo api_availability: team: Input should be 'platform', 'sales-ops', 'ml' or 'exec'"),
    ("total", "sum(up)", "slo api_availability: total, good and bad need $window"),
    ("good", "sum by ($by) (up[$window])", "slo api_availability: expected either good or bad"),
    ("slo", "api_latency", "slo api_latency: another objective has this name or this alert; rename one"),
    ("minimun", 5, "slo api_availability: minimun: unknown key"),
    ("bad", "sum by ($by) (increase(x[$window]", "slo:burn_rate:ratio: not a PromQL expression"),
])
def test_a_mistake_in_an_objective_names_it(pack: Path, key: str, value: object, told: str) -> None:
    path = changed(pack / "slos.yml", lambda tree: tree["slos"][0].update({key: value}))
    with pytest.raises(ConfigError) as caught:
        run("--folder", pack)
    assert str(caught.value).startswith(f"{path}: ")
    assert told.removeprefix("slo api_availability: ") in str(caught.value)
    assert not (pack / "alerts").exists()


def test_a_folder_that_cannot_be_written_to_keeps_its_files(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("--folder", pack, "--out", out)
    before = {path: path.read_bytes() for path in out.rglob("*.yml")}
    # A folder stands where a draft would: the first files are written, a later one cannot be.
    (out / "recording/.slo.yml.new").mkdir()
    changed(pack / "thresholds.yml", lambda tree: tree["api"].update(error_minimum=70))
    with pytest.raises(UsageError, match=r"rules render: --out .+: .+; give a folder to write to"):
        run("--folder", pack, "--out", out)
    assert {path: path.read_bytes() for path in out.rglob("*.yml")} == before
    assert [path for path in out.rglob(".*.new") if path.is_file()] == []


@pytest.mark.parametrize("flag", ["--mimir", "--no-keep-firing-for"])
def test_a_form_for_others_does_not_replace_what_prometheus_reads(pack: Path, flag: str) -> None:
    with pytest.raises(UsageError, match="need --out"):
        run("--folder", pack, flag)
    assert not (pack / "alerts").exists()


def test_a_folder_without_templates_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"thresholds.yml: No such file or directory; give its folder as --folder"):
        run("--folder", tmp_path)


def test_without_the_parser_it_says_that_expressions_are_not_parsed(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    done = CliRunner().invoke(rules, ["render", "--folder", str(pack)])
    assert done.exit_code == 0
    assert "expressions are not parsed: pip install 'sales-exporter[check]'" in done.output
    assert (pack / "alerts/api.yml").read_bytes() == (RULES / "alerts/api.yml").read_bytes()


def test_every_threshold_has_a_comment_above_it() -> None:
    lines = (RULES / "thresholds.yml").read_text().splitlines()
    bare: list[str] = []
    explained = False
    for line in lines:
        if re.match(r"\s*#", line):
            explained = True
        elif re.match(r"\S", line) or not line.strip():
            explained = False
        elif not explained:
            bare.append(line)
    assert bare == []


def test_no_limit_is_written_into_a_template_that_has_a_key() -> None:
    # A comparison with a number of its own is left for what is no limit: present or not, born or not, a state, a month.
    left = {}
    for path in sorted((RULES / "templates/alerts").glob("*.yml")):
        text = "\n".join(line for line in path.read_text().splitlines()
                         if not line.lstrip().startswith("#") and "month(" not in line)
        found = set(re.findall(r"(?:>=|<=|>|<)(?: bool)? ([0-9][0-9.]*)(?![0-9.]*[a-z])", text))
        left[path.stem] = sorted(found - {"0", "1"})
    assert {name: found for name, found in left.items() if found and name != "meta"} == {}


def test_every_runbook_names_the_thresholds_of_its_alert() -> None:
    keys: dict[str, set[str]] = {}
    for path in sorted((RULES / "templates/alerts").glob("*.yml")):
        for block in re.split(r"(?m)^ +- alert: ", path.read_text())[1:]:
            name = block.split("\n")[0]
            used = {found[1] for found in PLACEHOLDER.finditer(block) if not found[1].startswith("dashboards.")}
            keys[name] = keys.get(name, set()) | used
    assert len([name for name, used in keys.items() if used]) > 50
    for name, used in keys.items():
        text = (RUNBOOKS / f"{name}.md").read_text()
        told = set(re.findall(r"`([a-z]+\.[a-z0-9_]+)`", " ".join(re.findall(r"(?m)^The limits in force.+$", text))))
        assert told == used, name
        assert not used or "[thresholds.yml](../thresholds.yml)" in text, name


def test_an_alert_of_an_objective_leads_to_the_dashboard_of_its_kind() -> None:
    links = {alert.name: alert.annotations["dashboard_url"] for alert in alerts() if "BudgetBurn" in alert.name}
    assert len(links) == len(yaml.safe_load((RULES / "slos.yml").read_text())["slos"])
    assert all("var-cluster={{ urlquery $labels.cluster }}" in link for link in links.values())


@pytest.mark.parametrize(("text", "length"), [
    ("90s", 90), ("1h30m", 5_400), ("7d", 604_800), ("500ms", 0.5), ("0s", 0)])
def test_durations_are_read_as_prometheus_does(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "5", "m", "1m1h", "1.5h", "-5m", " 5m", "5 m", "1x"])
def test_what_prometheus_does_not_take_is_no_duration(text: str) -> None:
    assert seconds(text) is None


@pytest.mark.parametrize(("length", "text"), [
    (1, "1 second"), (90, "1 minute 30 seconds"), (5_400, "1 hour 30 minutes"), (604_800, "7 days"),
    (0.5, "0.5 seconds"), (86_401, "1 day 1 second")])
def test_durations_are_said_in_words(length: float, text: str) -> None:
    assert words(length) == text


