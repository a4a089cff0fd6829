"""What goes on within an application, in rows that are closed at first: models, recorders, the instrumentation."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.source.board import Folded
from grafana.source.boards.api.asked import LEAST, RANGE, count, level, quantile, rate
from grafana.source.boards.calls.asked import ENDED, UNDER_WAY
from grafana.source.panels import Figure, Say, rows
from grafana.source.plots import by_label
from grafana.source.sdk import model, units

MODEL = "gen_ai_request_model"
CALLS, TOKENS = "gen_ai_client_operation_duration_seconds", "gen_ai_client_token_usage"
NO_CALL = "No call of a language model in this time range: time them with llm_timer (docs/instrumentation.md)"
NO_RECORDER = "No application records anything: use the recorders (docs/instrumentation.md)"


def folded() -> Iterator[Folded]:
    """The closed rows."""
    yield Folded(101, "Language models", [
        (7, [(8, model_calls()), (8, model_failures()), (8, model_latency())]),
        (7, [(8, first_chunk()), (16, models())]),
    ])
    yield Folded(102, "Recorders: calls, predictions and their way to the database", [
        (7, [(8, calls()), (8, active_calls()), (8, predictions())]),
        (7, [(8, queue()), (8, written()), (8, lost())]),
    ])
    yield Folded(103, "Instrumentation", [(7, [(12, surprises()), (12, overflow())])])


def _failed_share(*by: str, over: str) -> str:
    everything = rate(f"{CALLS}_count", *by, over=over, routes=False)
    failed = rate(f"{CALLS}_count", *by, over=over, routes=False, error_type="!")
    return f"({failed} or 0 * {everything}) / ({everything} > 0)"


def model_calls() -> model.Panel:
    return by_label(
        Say(50, "Model calls",
            "Finished calls of language models per second, by the model that was asked for.", NO_CALL),
        units.CountsPerSecond, (rate(f"{CALLS}_count", MODEL, routes=False), f"{{{{{MODEL}}}}}"), decimals=2,
        many=False)


def model_failures() -> model.Panel:
    enough = f"{count(f'{CALLS}_count', MODEL, routes=False)} >= {LEAST}"
    return by_label(
        Say(51, "Model error ratio",
            "Calls that ended with an error (timeouts and refusals of the provider among them), divided by all of the "
            "model. A point needs 20 calls in fifteen minutes (or in one step, if longer).",
            f"Fewer than 20 calls in fifteen minutes. {NO_CALL}"),
        units.PercentUnit, (f"{_failed_share(MODEL, over='$__rate_interval')} and {enough}", f"{{{{{MODEL}}}}}"),
        interval="15m", many=False)


def model_latency() -> model.Panel:
    return by_label(
        Say(52, "Model latency, p95",
            "Time from a call to the end of its answer: 19 of 20 calls of the model took this or less.", NO_CALL),
        units.Seconds, (quantile(0.95, CALLS, MODEL, routes=False), f"{{{{{MODEL}}}}}"), interval="1m", many=False)


def first_chunk() -> model.Panel:
    name = "gen_ai_client_operation_time_to_first_chunk_seconds"
    return by_label(
        Say(53, "Time to first chunk, p95",
            "Time from a call to the first chunk of its streamed answer: 19 of 20 took this or less. Answers that are "
            "not streamed are not in it.",
            "No streamed answer of a model in this time range (llm_timer, stream)"),
        units.Seconds, (quantile(0.95, name, MODEL, routes=False), f"{{{{{MODEL}}}}}"), interval="1m", many=False)


def models() -> model.Panel:
    by = ("gen_ai_provider_name", MODEL, "gen_ai_operation_name")

    def tokens(kind: str) -> str:
        return count(f"{TOKENS}_sum", *by, over=RANGE, routes=False, gen_ai_token_type=kind)

    return rows(
        Say(54, "Models",
            "All calls of the time range by provider, model and operation: how many, how long, the share that ended "
            "with an error, and the tokens as the provider bills them.", NO_CALL),
        {"gen_ai_provider_name": "Provider", MODEL: "Model", "gen_ai_operation_name": "Operation"},
        Figure("Calls", f"{count(f'{CALLS}_count', *by, over=RANGE, routes=False)} > 0", units.LocaleFormat, 0),
        Figure("p95", quantile(0.95, CALLS, *by, over=RANGE, routes=False), units.Seconds, 1),
        Figure("Failed", _failed_share(*by, over=RANGE), units.PercentUnit, 2),
        Figure("Tokens in", tokens("input"), units.Short, 1), Figure("Tokens out", tokens("output"), units.Short, 1),
        sort="Calls")


def calls() -> model.Panel:
    ended = rate("sales_app_calls_total", "agent_kind", "outcome", routes=False)
    return by_label(
        Say(55, "Calls ended",
            "Calls per minute that ended, as the applications saw them, by who called and how it went. A webhook that "
            "comes twice counts twice here and is one row in the database.", NO_RECORDER),
        units.CountsPerMinute, (f"60 * {ended}", "{{agent_kind}} {{outcome}}"), interval="1m", many=False,
        known=ENDED)


def active_calls() -> model.Panel:
    return by_label(
        Say(56, "Calls under way",
            "Calls that go on now, of those that are recorded as they go on, by direction and who calls.", NO_RECORDER),
        units.LocaleFormat,
        (level("sales_app_calls_active", "direction", "agent_kind", routes=False), "{{direction}} {{agent_kind}}"),
        decimals=0, many=False, known=UNDER_WAY)


def predictions() -> model.Panel:
    made = rate("sales_app_predictions_total", "model", "version", routes=False)
    return by_label(
        Say(57, "Predictions",
            "Predictions per minute that the applications made, by model and version, before they are in the database.",
            NO_RECORDER),
        units.CountsPerMinute, (f"60 * {made}", "{{model}} {{version}}"), interval="1m", many=False)


def queue() -> model.Panel:
    return by_label(
        Say(58, "Rows that wait",
            "Rows that were recorded and are neither in the database nor dropped, by instance. Near zero while the "
            "database keeps up; at 20,000 per relation (unless set otherwise) the oldest are dropped.", NO_RECORDER),
        units.LocaleFormat, (level("sales_recorder_queue_rows", "instance", routes=False), "{{instance}}"),
        decimals=0, many=False)


def written() -> model.Panel:
    return by_label(
        Say(59, "Rows written",
            "Rows per second that reached the database, by relation of the data contract.", NO_RECORDER),
        units.RowsPerSecond,
        (rate("sales_recorder_written_rows_total", "relation", routes=False), "{{relation}}"), decimals=2, many=False)


def lost() -> model.Panel:
    dropped = count("sales_recorder_dropped_rows_total", "relation", "reason", routes=False)
    failed = count("sales_recorder_write_errors_total", "reason", routes=False)
    return by_label(
        Say(60, "Rows dropped, attempts that failed",
            "Rows that will never be in the database, by relation and reason, and attempts to write that failed and "
            "are made again, between two points of the plot. docs/metrics.md says what each reason means.",
            "Nothing was dropped and no attempt failed in this time range"),
        units.LocaleFormat, (f"{dropped} > 0", "{{relation}} dropped: {{reason}}"),
        (f"{failed} > 0", "attempt failed: {{reason}}"), decimals=0, interval="1m", many=False)


def surprises() -> model.Panel:
    return by_label(
        Say(61, "Surprises within the instrumentation",
            "Errors within our own code, by the place where they came up, between two points of the plot. The "
            "application was left alone each time, but the numbers above are wrong by as much.",
            "No surprise in this time range: all is well, or no application uses our instrumentation"),
        units.LocaleFormat, (f"{count('instrumentation_errors_total', 'where', routes=False)} > 0", "{{where}}"),
        decimals=0, interval="1m", many=False)


def overflow() -> model.Panel:
    return by_label(
        Say(62, "Observations counted as (other)",
            "Observations per second that went to the label value (other), because the metric has as many label sets "
            "as it may have. Sums stay right; single routes are missing.",
            "Nothing is folded: every series is there"),
        units.CountsPerSecond,
        (f"{rate('instrumentation_label_overflow_total', 'metric', routes=False)} > 0", "{{metric}}"),
        decimals=2, interval="1m", many=False)
