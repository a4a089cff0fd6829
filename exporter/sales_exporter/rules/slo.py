"""Service level objectives: what a short file says of each becomes recording rules and alerts on how fast budgets burn.

Each window is computed from raw series: a rule that reads what another of its group records would see old values where
results are written elsewhere (vmalert). The pairs of windows and their rates are those of the SRE workbook for 30 days:
a rate of 14.4 spends 2 % of the budget in an hour, 6 spends 5 % in six hours, 3 spends 10 % in a day, 1 that in three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sales_exporter.config import explain, read_yaml
from sales_exporter.errors import ConfigError
from sales_exporter.rules.durations import seconds, words

PERIOD = "30d"
STEPS = {"5m": "1m", "30m": "1m", "1h": "1m", "2h": "1m", "6h": "5m", "1d": "5m", "3d": "15m", PERIOD: "1h"}
"""Windows, and how finely objectives on time look at each."""
_FAST = ("5m", "30m", "1h", "2h")


_PLACE = re.compile(r"\$[a-z]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows over which a rate must be exceeded: the long one proves it, the short one ends the alert soon."""

    long: str
    short: str
    rate: float
    severity: str
    hold: str
    keep: str


PAIRS = (Pair("1h", "5m", 14.4, "critical", "2m", "15m"), Pair("6h", "30m", 6, "critical", "15m", "30m"),
         Pair("1d", "2h", 3, "warning", "1h", "1h"), Pair("3d", "6h", 1, "warning", "3h", "3h"))

_Team = Literal["platform", "sales-ops", "ml", "exec"]
_Category = Literal["availability", "freshness", "collection", "quality", "capacity", "business", "model", "monitoring"]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
_Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\n]+$")]


class Objective(BaseModel):
    """One objective, as slos.yml has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slo: _Name
    alert: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=80)]
    summary: _Line
    what: _Line
    service: _Name
    team: _Team
    category: _Category
    objective: Annotated[float, Field(ge=0.5, lt=1)]
    labels: tuple[_Name, ...] = ()
    total: Annotated[str, Field(min_length=1)]
    good: str | None = None
    bad: str | None = None
    minimum: Annotated[float, Field(gt=0)]
    minimum_bad: Annotated[float, Field(gt=0)]
    runbook: _Line
    dashboard: _Line

    @model_validator(mode="after")
    def _one_side(self) -> Objective:
        if (self.good is None) == (self.bad is None):
            raise ValueError("expected either good or bad")
        for expr in (self.total, self.good, self.bad):
            if expr is not None and not {"$window", "$by"} <= set(_PLACE.findall(expr)):
                raise ValueError("total, good and bad need $window where the length of the window stands, and $by "
                                 "where the labels stand that are kept")
        return self

    @property
    def budget(self) -> str:
        """Share of events that may be bad, without the noise of floating point."""
        return f"{1 - self.objective:.12g}"


def objectives(text: str, where: str) -> tuple[Objective, ...]:
    """The objectives of a file.

    Raises:
        ConfigError: one line that names the file, the objective, the key and what was expected.
    """
    tree = read_yaml(text, where)
    entries = tree.get("slos")
    if set(tree) != {"slos"} or not isinstance(entries, list):
        raise ConfigError(f"{where}: expected the one key slos, with a list of objectives")
    found: dict[str, Objective] = {}
    for number, entry in enumerate(entries, 1):
        name = entry.get("slo", number) if isinstance(entry, dict) else number
        try:
            one = Objective.model_validate(entry)
        except ValidationError as error:
            raise ConfigError(f"{where}: slo {name}: {explain(error)}") from None
        if one.slo in found or one.alert in {other.alert for other in found.values()}:
            raise ConfigError(f"{where}: slo {name}: another objective has this name or this alert; rename one")
        found[one.slo] = one
    return tuple(found.values())


def recording(every: tuple[Objective, ...]) -> str:
    """The template of the recording rules."""
    text = "groups:\n"
    for one in every:
        text += f"  - name: slo-{one.slo}\n    interval: 1m\n    rules:\n"
        text += _record(one, "slo:objective:ratio", f"vector({one.objective:.12g})", PERIOD)
        text += "".join(_windowed(one, window) for window in _FAST)
        text += f"  - name: slo-{one.slo}-slow\n    interval: 3m\n    rules:\n"
        text += "".join(_windowed(one, window) for window in STEPS if window not in _FAST)
    return text


def alerts(every: tuple[Objective, ...]) -> str:
    """The template of the alerts."""
    text = "groups:\n  - name: slo\n    interval: 1m\n    rules:\n"
    return text + "\n".join([*(_alert(one, pair) for one in every for pair in PAIRS), _ABSENT])


def _windowed(one: Objective, window: str) -> str:
    text = ""
    if window == PERIOD:
        text += _record(one, "slo:error_budget_remaining:ratio", f"1 - (\n{_indented(_burn(one, window))}\n)", window)
    else:
        text += _record(one, "slo:burn_rate:ratio", _burn(one, window), window)
    if window in {PERIOD, *(pair.long for pair in PAIRS)}:
        text += _record(one, "slo:events:increase", _over(one, one.total, window), window)
    return text


def _burn(one: Objective, window: str) -> str:
    """Share of bad events over the share that may be bad; nothing without events."""
    total = _over(one, one.total, window)
    side = _over(one, one.bad if one.bad is not None else one.good or "", window)
    share = f"(\n{_indented(side)}\n  or 0 * (\n{_indented(total, 4)}\n  )\n)\n/ ((\n{_indented(total)}\n) > 0)"
    if one.bad is None:
        share = f"clamp_min(1 - (\n{_indented(share)}\n), 0)"
    return f"(\n{_indented(share)}\n)\n/ {one.budget}"


def _over(one: Objective, expr: str, window: str) -> str:
    step = STEPS[window]
    places = {"$window": window, "$step": step, "$minutes": f"{(seconds(step) or 0) / 60:g}",
              "$by": ", ".join(("cluster", "tenant", *one.labels))}
    return _PLACE.sub(lambda found: places.get(found[0], found[0]), expr.strip())


def _record(one: Objective, name: str, expr: str, window: str) -> str:
    return f"""\
      - record: {name}
        expr: |
{_indented(expr, 10)}
        labels:
          slo: {one.slo}
          service: {one.service}
          team: {one.team}
          window: {window}
"""


def _alert(one: Objective, pair: Pair) -> str:
    long, short = (f'slo:burn_rate:ratio{{slo="{one.slo}", window="{window}"}}' for window in (pair.long, pair.short))
    events = f'slo:events:increase{{slo="{one.slo}", window="{pair.long}"}}'
    bad = f"{one.minimum_bad / float(one.budget):.12g}"
    length, gone = seconds(pair.long) or 0, (seconds(PERIOD) or 0) / pair.rate
    return f"""\
      - alert: {one.alert}
        expr: |
          {long} > {pair.rate:g}
          and ignoring (window)
          {short} > {pair.rate:g}
          and
          {events} >= {one.minimum:g}
          and
          {long} * {events} >= {bad}
        for: {pair.hold}
        keep_firing_for: {pair.keep}
        labels:
          severity: {pair.severity}
          team: {one.team}
          category: {one.category}
          service: {one.service}
          window: {pair.long}
        annotations:
          summary: {one.summary}
          description: >-
            {one.what}
            The budget of the objective ({one.objective * 100:.10g}% over {words(seconds(PERIOD) or 0)}) was spent
            {{{{ $value | printf `%.1f` }}}} times as fast as it lasts, over {words(length)} (limit {pair.rate:g});
            at the limit all of it is gone in {words(round(gone / 3_600) * 3_600)}.
          runbook_url: {one.runbook}
          dashboard_url: {one.dashboard}
"""


_LINK = "/d/${dashboards.slo}?var-cluster={{ urlquery $labels.cluster }}&var-tenant={{ urlquery $labels.tenant }}"
_ABSENT = f"""\
      # The recorded series, whatever the objective is about: what they are made of has twins of its own.
      - alert: SalesSloMetricsAbsent
        expr: |
          max_over_time((group by (cluster, tenant, slo) (slo:error_budget_remaining:ratio))[1d:30m])
          unless
          group by (cluster, tenant, slo) (slo:error_budget_remaining:ratio)
        for: 10m
        labels:
          severity: warning
          team: platform
          category: monitoring
          service: monitoring
        annotations:
          summary: The budget of an objective is no longer recorded.
          description: >-
            The objective {{{{ $labels.slo }}}} of {{{{ $labels.cluster }}}}/{{{{ $labels.tenant }}}} had an error
            budget within the last day and has none now; alerts on it cannot fire.
          runbook_url: alert_rules/runbooks/SalesSloMetricsAbsent.md
          dashboard_url: {_LINK}
"""


def _indented(text: str, by: int = 2) -> str:
    return re.sub(r"^(?=.)", " " * by, text, flags=re.M)
