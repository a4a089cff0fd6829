"""Configuration from file, environment and flags: precedence, and one clear line for each mistake."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.cli.settings import dsn, load, variables
from sales_exporter.config import CONFIG_BYTES, parse
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.exporter import Exporter, moment
from tests.support.clocks import FakeClock

BAD = {
    "no mapping": ("- a\n- b", "expected a mapping"),
    "not YAML": ("web: [", "line 1: not valid YAML"),
    "alias": ("a: &x {}\nweb: *x", "line 2: aliases"),
    "unknown section": ("webb: {}", "webb: unknown key"),
    "unknown key": ("web: {max_request: 1}", "web.max_request: unknown key"),
    "section is a list": ("web: []", "web:"),
    "negative limit": ("web: {max_requests: -1}", "web.max_requests:"),
    "text for a number": ("web: {max_requests: many}", "web.max_requests:"),
    "relative telemetry path": ("web: {telemetry_path: metrics}", "web.telemetry_path:"),
    "no address": ("web: {listen_address: []}", "web.listen_address:"),
    "log level": ("log: {level: loud}", "log.level:"),
    "log format": ("log: {format: xml}", "log.format:"),
    "currency": ("business: {reporting_currency: euro}", "business.reporting_currency:"),
    "zone": ("business: {reporting_timezone: Mars/Base}", "business.reporting_timezone: 'Mars/Base' is no IANA"),
    "zone outside": ("business: {reporting_timezone: ../../etc/passwd}", "business.reporting_timezone:"),
    "window": ("business: {windows: [30]}", "business.windows.0:"),
    "window unit": ("business: {windows: [4w]}", "business.windows.0:"),
    "no windows": ("business: {windows: []}", "business.windows:"),
    "one stage": ("business: {stages: [{name: lead}]}", "business.stages:"),
    "stage kind": ("business: {stages: [{name: a}, {name: b, kind: maybe}]}", "business.stages.1.kind:"),
    "stage twice": ("business: {stages: [{name: a}, {name: a, kind: won}]}", "business.stages: stage names repeat"),
    "nothing won": ("business: {stages: [{name: a}, {name: b}]}", "business.stages: the first stage must be open"),
    "weights": ("business: {rep_score_weights: {win_ratio: 0}}", "business.rep_score_weights: weights"),
    "unknown weight": ("business: {rep_score_weights: {luck: 1}}", "business.rep_score_weights.luck"),
    "channel limit": ("business: {channel_limit: 0}", "business.channel_limit:"),
    "both dsn": ("database: {dsn: a, dsn_file: b}", "database: give dsn or dsn_file"),
    "connections": ("database: {connections: 50}", "database.connections:"),
    "statement timeout": ("database: {statement_timeout: 0}", "database.statement_timeout:"),
    "row budget": ("database: {row_budget: 1}", "database.row_budget:"),
    "collector name": ("collectors: {Funnel!: {}}", "collectors.Funnel!"),
    "collector key": ("collectors: {funnel: {intervall: 3}}", "collectors.funnel.intervall: unknown key"),
    "collector interval": ("collectors: {funnel: {interval: 0}}", "collectors.funnel.interval:"),
    "series": ("limits: {series: 1}", "limits.series:"),
    "date that is none": ("as_of: 2023-02-31", "not valid YAML"),
    "too large": ("# " + "x" * CONFIG_BYTES, "larger than 1 MiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_r18_a_mistake_is_one_line_that_names_file_and_key(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    path = tmp_path / "sales.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_r18_an_unknown_collector_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"collectors\.funel: no such collector; there are .*funnel"):
        Exporter(lambda: (parse("collectors: {funel: {}}", "f.yml"), None), FakeClock())


@pytest.mark.parametrize("missing", ["sales.yml", "folder"])
def test_r18_a_file_that_cannot_be_read_is_named(missing: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=rf"{missing}: .* \(given as --config\.file\)"):
        load(tmp_path / missing, {})


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: b.decode("latin-1"))))
def test_s7_hostile_yaml_is_an_error_of_ours_or_a_configuration(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text, "hostile.yml")


@pytest.mark.parametrize("text", [
    "a: &a [x]\nb: [*a, *a]", "!!python/object/apply:os.system ['true']", "? [a]\n: b", "a: !!binary x", "[" * 2000,
])
def test_s7_yaml_that_attacks_the_parser_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text, "hostile.yml")


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.yml"
    path.write_text("web: {max_requests: 1}\nlog: {level: debug, format: json}")
    monkeypatch.setenv("SALES_EXPORTER_WEB_MAX_REQUESTS", "2")
    monkeypatch.setenv("SALES_EXPORTER_LOG_LEVEL", "warn")
    settings = load(path, {"web.max_requests": 3})
    assert (settings.web.max_requests, settings.log.level, settings.log.format) == (3, "warn", "json")


def test_a_collector_is_switched_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_EXPORTER_COLLECTOR_REPS", "false")
    assert load(None, {}).collectors["reps"].enabled is False


def test_a_wrong_environment_variable_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_EXPORTER_WEB_MAX_REQUESTS", "many")
    with pytest.raises(ConfigError, match=r"^environment: web\.max_requests:"):
        load(None, {})


def test_variables_that_kubernetes_sets_for_a_service_so_named_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_EXPORTER_PORT", "tcp://10.0.0.1:18880")
    assert load(None, {}).web.listen_address == ("127.0.0.1:18880",)


def test_a_list_in_the_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_EXPORTER_SIDECAR_API_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("SALES_EXPORTER_SIDECAR_DESK_RESPONDERS", "ada,bob")
    monkeypatch.setenv("SALES_EXPORTER_SIDECAR_DESK_NOTIFIERS", "alertmanager")
    sidecar = load(None, {}).sidecar
    assert sidecar.api.origins == ("https://a.example", "https://b.example")
    assert (sidecar.desk.responders, sidecar.desk.notifiers) == (("ada", "bob"), ("alertmanager",))


def test_every_setting_of_one_value_has_an_environment_variable() -> None:
    assert dict(variables())["SALES_EXPORTER_WEB_LISTEN_ADDRESS"] == "web.listen_address"
    assert dict(variables())["SALES_EXPORTER_DATABASE_DSN_FILE"] == "database.dsn_file"


@pytest.mark.parametrize("text", ["postgresql://u:hunter2%ZZ@h/d", "password=hunter2 host"])
def test_s1_a_malformed_connection_string_is_an_error_without_the_password(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dsn"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        dsn(load(None, {"database.dsn_file": path}))
    assert str(path) in str(caught.value)
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)


def test_s1_settings_do_not_show_the_connection_string() -> None:
    settings = parse("database: {dsn: 'host=h password=hunter2'}", "f.yml")
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(("text", "seconds"), [
    ("1970-01-02", 86_400), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:01Z", 1),
])
def test_a_moment_without_an_offset_is_utc(text: str, seconds: float) -> None:
    assert moment(text) == seconds


def test_a_moment_in_the_file_needs_no_quotes() -> None:
    assert parse("as_of: 2018-06-01", "f.yml").as_of == "2018-06-01"


def test_r18_a_moment_that_is_none_is_explained() -> None:
    with pytest.raises(ConfigError, match="as_of: expected an ISO 8601 moment such as"):
        moment("yesterday")
