"""Which number of which dashboard each field of the API is: one row for each field, and nothing else to add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sales_exporter.api.schema import Unit


@dataclass(frozen=True, slots=True)
class Ref:
    """One query of a panel of a shipped dashboard."""

    board: str
    panel: int
    query: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``queries`` are letters of the panel: value, lower bound, upper bound, n; a dot for none.

    With labels in ``by`` it is one number for each combination of them. ``ahead`` names the variable that says how long
    before the moment it is for the number was made: a forecast is what the dashboard will draw then.
    """

    name: str
    unit: Unit
    board: str
    panel: int
    queries: str = "A"
    by: tuple[str, ...] = ()
    level: float | None = None
    ahead: str = ""
    n_of: int = 0
    """Panel of the same dashboard that has n, if another one does."""
    chosen: tuple[tuple[str, str], ...] = ()
    """Variables that have this value for the field, whatever a caller chooses."""

    def ref(self, part: str) -> Ref | None:
        """Where value, lower, upper or n comes from; None without one."""
        letters = self.queries.ljust(4, ".")
        letter = letters[("value", "lower", "upper", "n").index(part)]
        panel = self.n_of if part == "n" and self.n_of else self.panel
        return Ref(self.board, panel, letter) if letter != "." else None

    @property
    def refs(self) -> Mapping[str, Ref]:
        """All of them by part."""
        found = {part: self.ref(part) for part in ("value", "lower", "upper", "n")}
        return {part: ref for part, ref in found.items() if ref is not None}


Sections = Mapping[str, tuple[Field, ...]]

_HOME, _API, _EXPORTER, _MODELS = "sales-home", "sales-api", "sales-exporter", "sales-models"
_CALLS, _FUNNEL, _ROI, _PIPELINE = "sales-calls", "sales-funnel", "sales-roi", "sales-pipeline"
_REPS, _ANOMALIES = "sales-reps", "sales-anomalies"
_LLM = ("gen_ai_provider_name", "gen_ai_request_model", "gen_ai_operation_name")
_ROUTE = ("job", "http_route")
_VERSION = ("model", "version")
_REP = ("rep", "name")
_FORECASTS = {"revenue": "revenue", "pipeline_value": "pipeline_value", "leads_per_rep": "open_leads_per_rep",
              "calls_under_way": "calls_active", "api_requests": "api_throughput"}
"""Watches of the product that are forecast, by what a field calls them."""

PERFORMANCE: Sections = {
    "system": (
        Field("processor_use", "ratio", _EXPORTER, 44, "A", ("instance",)),
        Field("memory_use", "ratio", _EXPORTER, 44, "B", ("instance",)),
        Field("disk_use", "ratio", _EXPORTER, 45, "A", ("instance", "mountpoint")),
        Field("disk_free", "bytes", _EXPORTER, 45, "B", ("instance", "mountpoint")),
        Field("exporter_memory", "bytes", _EXPORTER, 42, "A", ("instance",)),
        Field("exporters_up", "count", _EXPORTER, 1, "A..B"),
        Field("collectors_failing", "count", _EXPORTER, 2, "A..B"),
        Field("data_age", "seconds", _EXPORTER, 3, "B"),
        Field("series", "count", _EXPORTER, 5),
        Field("sidecar_age", "seconds", _EXPORTER, 15),
    ),
    "api": (
        Field("requests", "requests_per_second", _API, 1),
        Field("error_ratio", "ratio", _API, 2),
        Field("latency_p50", "seconds", _API, 12, "A"),
        Field("latency_p95", "seconds", _API, 12, "B"),
        Field("latency_p99", "seconds", _API, 12, "C"),
        Field("first_byte_p95", "seconds", _API, 4),
        Field("active_requests", "count", _API, 5),
        Field("open_streams", "count", _API, 6, "A"),
        Field("open_websockets", "count", _API, 6, "B"),
        Field("route_latency_p95", "seconds", _API, 15, "A..D", _ROUTE),
        Field("route_error_ratio", "ratio", _API, 15, "E..D", _ROUTE),
        Field("llm_latency_p95", "seconds", _API, 54, "B..A", _LLM),
        Field("llm_error_ratio", "ratio", _API, 54, "C..A", _LLM),
    ),
    "models": (
        Field("accuracy", "ratio", _MODELS, 10, "ABCA", level=0.95, n_of=5),
        Field("baseline_accuracy", "ratio", _MODELS, 10, "D"),
        Field("over_baseline", "percentage_points", _MODELS, 1, "B"),
        Field("precision", "ratio", _MODELS, 12, "A"),
        Field("recall", "ratio", _MODELS, 12, "B"),
        Field("f1", "ratio", _MODELS, 12, "C"),
        Field("auc_lowest", "number", _MODELS, 2, "ABC", level=0.95),
        Field("calibration_error", "ratio", _MODELS, 3, "B"),
        Field("expected_accuracy", "ratio", _MODELS, 7, "ABC", level=0.95),
        Field("drifting_versions", "count", _MODELS, 4, "A"),
        Field("score_psi", "number", _MODELS, 4, "C"),
        Field("labels_pending", "count", _MODELS, 5, "B"),
        Field("predictions_1d", "count", _MODELS, 6, "A"),
        Field("retraining_advised", "count", _MODELS, 8, "A"),
        Field("version_accuracy", "ratio", _MODELS, 9, "C..A", _VERSION),
    ),
    "calls": (
        Field("calls", "count", _CALLS, 1),
        Field("connect_ratio", "ratio", _CALLS, 2),
        Field("connect_ratio_ai", "ratio", _CALLS, 11, "ABC", level=0.95),
        Field("connect_ratio_people", "ratio", _CALLS, 11, "DEF", level=0.95),
        Field("success_ratio", "ratio", _CALLS, 3),
        Field("success_ratio_ai", "ratio", _CALLS, 12, "ABC", level=0.95),
        Field("success_ratio_people", "ratio", _CALLS, 12, "DEF", level=0.95),
        Field("failed_ratio", "ratio", _CALLS, 6, "A..A", n_of=1),
        Field("transferred_ratio", "ratio", _CALLS, 7),
        Field("first_response_ai_p95", "seconds", _CALLS, 5, "A"),
        Field("first_response_people_p95", "seconds", _CALLS, 5, "C"),
        Field("cost_per_success_ai", "currency", _CALLS, 21, "ABC", level=0.95),
        Field("cost_per_success_people", "currency", _CALLS, 21, "DEF", level=0.95),
        Field("outcomes", "count", _CALLS, 9, "A", ("outcome",)),
        Field("answered_ratio", "ratio", _CALLS, 13, "CDEA", ("direction", "agent_kind"), level=0.95),
        Field("under_way", "count", _CALLS, 30, "A", ("direction", "agent_kind")),
    ),
}
"""What runs: machine, applications, models, calls."""

BUSINESS: Sections = {
    "key_metrics": (
        Field("revenue_won", "currency", _HOME, 1),
        Field("revenue_change", "ratio", _HOME, 1, "B"),
        Field("spend", "currency", _HOME, 2),
        Field("return_on_spend", "ratio", _HOME, 3),
        Field("open_pipeline", "currency", _HOME, 4),
        Field("win_ratio", "ratio", _HOME, 5, "A..C"),
        Field("connect_ratio", "ratio", _HOME, 6),
        Field("model_accuracy", "ratio", _HOME, 7, "A..C"),
        Field("time_to_win", "seconds", _HOME, 15, "A"),
        Field("alerts_critical", "count", _HOME, 8, "A"),
        Field("alerts_warning", "count", _HOME, 8, "B"),
    ),
    "funnel": (
        Field("new_leads_1d", "count", _FUNNEL, 1),
        Field("won_ratio", "ratio", _FUNNEL, 2, "ABCC", level=0.95, n_of=1),
        Field("projected_ratio", "ratio", _FUNNEL, 3, "ABC", level=0.95),
        Field("open_leads", "count", _FUNNEL, 5),
        Field("moved_back_ratio", "ratio", _FUNNEL, 8, "A..B"),
        Field("stages", "count", _FUNNEL, 9, "A", ("stage",)),
        Field("step_ratio", "ratio", _FUNNEL, 10, "CDEA", ("from", "to"), level=0.95),
        Field("lost_ratio", "ratio", _FUNNEL, 11, "CDEA", ("from",), level=0.95),
        Field("stay_median", "seconds", _FUNNEL, 14, "BCDA", ("stage",), level=0.95),
    ),
    "roi": (
        Field("revenue_won", "currency", _ROI, 1, "A..C"),
        Field("spend", "currency", _ROI, 2),
        Field("return_paid_channels", "ratio", _ROI, 3, "ABC", level=0.95),
        Field("cost_per_win", "currency", _ROI, 4, "ABC", level=0.95),
        Field("left_after_spend_and_calls", "currency", _ROI, 5),
        Field("cost_of_calls", "currency", _ROI, 6),
        Field("target_attained", "ratio", _ROI, 8, "A", ("period",)),
        Field("channel_spend", "currency", _ROI, 13, "A", ("channel",)),
        Field("channel_revenue", "currency", _ROI, 13, "B", ("channel",)),
        Field("channel_return", "ratio", _ROI, 13, "DEF", ("channel",), level=0.95),
        Field("channel_cost_per_win", "currency", _ROI, 13, "HIJG", ("channel",), level=0.95),
    ),
    "pipeline": (
        Field("open_value", "currency", _PIPELINE, 1, "A..C"),
        Field("weighted_value", "currency", _PIPELINE, 2, "ABC", level=0.95),
        Field("coverage_month", "multiple", _PIPELINE, 3, "A"),
        Field("coverage_quarter", "multiple", _PIPELINE, 3, "B"),
        Field("win_ratio", "ratio", _PIPELINE, 18, "ABC", level=0.95),
        Field("velocity_per_day", "currency", _PIPELINE, 7),
        Field("deal_value_median", "currency", _PIPELINE, 8, "A..C"),
        Field("stage_value", "currency", _PIPELINE, 10, "B..A", ("stage",)),
        Field("stage_held_back", "number", _PIPELINE, 10, "G", ("stage",)),
    ),
    "reps": (
        Field("order_p_value", "number", _REPS, 1),
        Field("win_ratio", "ratio", _REPS, 2, "ABC", level=0.95),
        Field("rep_win_ratio", "ratio", _REPS, 4, "BCDA", (*_REP, "team"), level=0.95),
        Field("rep_score", "number", _REPS, 4, "K", (*_REP, "team")),
        Field("rep_deal_value", "currency", _REPS, 8, "ABC", _REP, level=0.95),
        Field("rep_cycle", "seconds", _REPS, 8, "DEF", _REP, level=0.95),
        Field("team_win_ratio", "ratio", _REPS, 11, "CDEB", ("team",), level=0.95),
    ),
    "forecasts": (
        Field("revenue", "currency", _PIPELINE, 14, "ABCG", ("period",), level=0.8),
        Field("revenue_band_held", "ratio", _PIPELINE, 14, "D..G", ("period",)),
        Field("revenue_error", "ratio", _PIPELINE, 14, "E..G", ("period",)),
        Field("revenue_month", "currency", _HOME, 24, "ABC", level=0.95),
        *(Field(f"{name}_in_{horizon}", "number", _ANOMALIES, 21, "BCD", level=0.9, ahead="horizon",
                chosen=(("forecast", watch), ("horizon", horizon)))
          for name, watch in _FORECASTS.items() for horizon in ("24h", "7d")),
        Field("watch_error", "number", _ANOMALIES, 23, "A", ("watch", "series", "what")),
        Field("time_to_limit", "seconds", _ANOMALIES, 22, "BAC", ("resource", "series", "what"), level=0.9),
    ),
    "insights": (
        Field("sayings", "number", _ANOMALIES, 12, "A", ("rank", "category", "text")),
        Field("findings", "number", _ANOMALIES, 7, "A", ("severity", "kind", "entity", "watch")),
        Field("series_that_alarm", "count", _ANOMALIES, 1),
    ),
    "recommendations": (
        Field("gain", "number", _HOME, 23, "A..B", ("code", "subject", "unit")),
        Field("estimate", "number", _HOME, 23, "CDEB", ("code", "subject", "unit"), level=0.95),
    ),
}
"""What it brings."""


def named(metric: str) -> Field | None:
    """The field with a name such as ``api.latency_p95``, of either."""
    section, _, name = metric.partition(".")
    fields = (*PERFORMANCE.get(section, ()), *BUSINESS.get(section, ()))
    return next((field for field in fields if field.name == name), None)


METRICS = tuple(f"{section}.{field.name}" for sections in (PERFORMANCE, BUSINESS)
                for section, fields in sections.items() for field in fields)
"""All names, of which the past can be asked."""
