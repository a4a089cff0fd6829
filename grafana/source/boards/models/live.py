"""What applications score and ask of language models, and more on versions: rows that are closed at first."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.source.board import Folded
from grafana.source.boards.models.asked import CHOSEN, NO_LABELS, VERSION, said
from grafana.source.panels import Figure, Say, rows
from grafana.source.plots import Known, buckets, by_label
from grafana.source.promql import placed
from grafana.source.sdk import model, units

NO_RECORDER = "No application records predictions: use the model recorder (docs/instrumentation.md)"
NO_CALL = "No call of a language model in this time range: time them with llm_timer (docs/instrumentation.md)"
STEP, RANGE = "$__rate_interval", "$__range"
LANGUAGE = "gen_ai_request_model"
TOKENS, CALLS = "gen_ai_client_token_usage", "gen_ai_client_operation_duration_seconds"


def folded() -> Iterator[Folded]:
    """The closed rows. Instances of applications do different work, so they add up."""
    yield Folded(101, "Quality by version, over time", [
        (7, [(8, _quality(30, "AUC", "auc_ratio", units.Short, "The chance that one that came true was scored above "
                          "one that did not, ties half. 0.5 is a coin; the alert looks at the lower bound.")),
             (8, _quality(31, "Brier score", "brier_score", units.Short,
                          "Mean squared distance of the score from the label; 0 is perfect.")),
             (8, _quality(32, "Calibration error", "calibration_error_ratio", units.PercentUnit,
                          "Mean distance of the mean score from the share that came true over ten bins. Never "
                          "negative, so few labels alone raise it."))]),
        (6, [(24, bounds())]), (6, [(24, tests())]),
    ])
    yield Folded(102, "In the applications, live", [(8, [(12, scores()), (12, predicted())])])
    yield Folded(103, "Language models", [(8, [(8, asked()), (8, latency()), (8, tokens())])])


def _quality(number: int, title: str, name: str, unit: str, what: str) -> model.Panel:
    return by_label(Say(number, title, f"{what} By version, over the labels that became mature in the 30 days before.",
                        NO_LABELS),
                    unit, (said(f"sales_model_{name}"), VERSION), decimals=3 if unit == units.Short else 1, many=False)


def bounds() -> model.Panel:
    columns = [(title, name, suffix) for title, name in (("Precision", "precision"), ("Recall", "recall"))
               for suffix in ("_lower", "_upper")]
    auc = [Figure(f"AUC {word}", said(f"sales_model_auc_ratio{suffix}"), units.Short, 3)
           for word, suffix in (("from", "_lower"), ("to", "_upper"))]
    return rows(
        Say(33, "Bounds by version, 30 d",
            "95 % bounds of precision and recall (Wilson) and of AUC (DeLong on the logit scale), over the labels that "
            "became mature in the last 30 days.",
            NO_LABELS),
        {"model": "Model", "version": "Version"},
        *(Figure(f"{title} {'from' if suffix == '_lower' else 'to'}", said(f"sales_model_{name}_ratio{suffix}"),
                 units.PercentUnit, 1) for title, name, suffix in columns), *auc, sort="Model", descending=False)


def tests() -> model.Panel:
    return rows(
        Say(34, "Have scores moved?",
            "Predictions of the version's first 30 days and of the last 7 days, and how likely differences as large as "
            "theirs are if nothing had moved: Kolmogorov-Smirnov, and a test that draws whole days, because scores of "
            "a day are alike. With many predictions small for differences that do not matter.",
            "Needs 100 predictions of the last 7 days and of a version's first 30 days"),
        {"model": "Model", "version": "Version"},
        Figure("Reference", said("sales_model_scores", part="reference"), units.LocaleFormat, 0),
        Figure("Last 7 d", said("sales_model_scores", part="current"), units.LocaleFormat, 0),
        Figure("KS, p", said("sales_model_score_ks_p_value"), units.Short, 4),
        Figure("Days, p", said("sales_model_score_shift_p_value"), units.Short, 4), sort="Last 7 d")


def scores() -> model.Panel:
    return buckets(
        Say(40, "Scores of the applications",
            "How many predictions had which score, of all chosen models, in 20 even buckets: darker is more. Scores "
            "that gather at one place no longer tell cases apart.", NO_RECORDER),
        f"sum by (le) (increase({placed('sales_app_prediction_score_bucket', **CHOSEN)}[{STEP}]))", units.Short,
        interval="5m")


def predicted() -> model.Panel:
    rate = f"sum by (model, version) (rate({placed('sales_app_predictions_total', **CHOSEN)}[{STEP}]))"
    return by_label(
        Say(41, "Predictions a minute, live",
            "Predictions per minute that the applications made, by model and version, before they are in the database.",
            NO_RECORDER),
        units.CountsPerMinute, (f"60 * {rate}", VERSION), interval="1m", many=False)


def asked() -> model.Panel:
    rate = f"sum by ({LANGUAGE}) (rate({placed(f'{CALLS}_count')}[{STEP}]))"
    return by_label(
        Say(42, "Calls a minute",
            "Finished calls of language models per minute, by the model that was asked for.", NO_CALL),
        units.CountsPerMinute, (f"60 * {rate}", f"{{{{{LANGUAGE}}}}}"), interval="1m", many=False)


def latency() -> model.Panel:
    rate = f"sum by (le, {LANGUAGE}) (rate({placed(f'{CALLS}_bucket')}[{STEP}]))"
    return by_label(
        Say(43, "Latency, p95",
            "Time from a call of a language model to the end of its answer: 19 of 20 calls took this or less.",
            NO_CALL),
        units.Seconds, (f"histogram_quantile(0.95, {rate}) >= 0", f"{{{{{LANGUAGE}}}}}"), interval="1m", many=False)


def tokens() -> model.Panel:
    by = f"{LANGUAGE}, gen_ai_token_type"
    return by_label(
        Say(44, "Tokens a minute",
            "Tokens as the provider bills them, per minute, by language model and by whether they went in or came out.",
            NO_CALL),
        units.Short, (f"60 * sum by ({by}) (rate({placed(f'{TOKENS}_sum')}[{STEP}]))",
                      f"{{{{{LANGUAGE}}}}} {{{{gen_ai_token_type}}}}"), interval="1m", many=False,
        known=(Known(".+ output", dashed=True),))
