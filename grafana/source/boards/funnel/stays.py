"""How long leads stay in each stage, those who still wait among them, and where they pile up."""

from __future__ import annotations

from grafana.source.boards.funnel.asked import ALL_CHANNELS, WEEK, by_stage
from grafana.source.panels import BLUE, ORANGE, SKY, TEXT, Figure, Line, Say, rows
from grafana.source.promql import growth
from grafana.source.sdk import model, units
from grafana.source.shapes import ranges

EMPTY = "Nothing has left a stage yet: fill sales.stage_transitions (lead_id, to_stage, occurred_at)"
DURATION = "sales_stage_duration_seconds"


def _stay(q: str, suffix: str = "", estimator: str = "km") -> str:
    return by_stage(f"{DURATION}{suffix}", q=q, estimator=estimator, window="$window")


def spans() -> model.Panel:
    return ranges(
        Say(13, "Time in a stage, $window",
            "By Kaplan-Meier: half of those who entered the stage in the window have left it by the end of the first "
            f"part of the bar, nine of ten by its end. Who still waits counts as lasting longer. {ALL_CHANNELS}",
            EMPTY),
        "stage", units.Seconds, Line("At once", f"0 * {_stay('0.5')}", TEXT),
        Line("Half have left", _stay("0.5"), BLUE), Line("Nine of ten", _stay("0.9"), SKY), sort="Half have left")


def figures() -> model.Panel:
    entries = by_stage("sales_stage_entries", window="$window")
    return rows(
        Say(14, "Time in a stage, figures, $window",
            "The time by which half of those who entered in the window have left, by Kaplan-Meier with 95 % bounds, "
            "and nine of ten; empty until so many have. 'Finished only' is the median of those who have left, which "
            f"most tools show: too short while slow ones still wait. {ALL_CHANNELS}",
            EMPTY),
        {"stage": "Stage"},
        Figure("Entered", f"{entries} and {by_stage('sales_stage_open')}", units.LocaleFormat, 0),
        Figure("Median", _stay("0.5"), units.Seconds),
        Figure("95 % from", _stay("0.5", "_lower"), units.Seconds),
        Figure("95 % to", _stay("0.5", "_upper"), units.Seconds),
        Figure("Nine of ten", _stay("0.9"), units.Seconds),
        Figure("Finished only", _stay("0.5", estimator="exited_only"), units.Seconds), sort="Entered")


def waiting() -> model.Panel:
    here = by_stage("sales_stage_open")
    return rows(
        Say(15, "Where leads wait",
            "Open leads by stage, against a week ago, the oldest, the stage's share of all time that leads spent, "
            "how many it holds back (see 'Tightest stage'), and the chance that it is no slower than in the 84 days "
            f"before (Holm over all stages): below 0.01 on two days running it counts as slower. {ALL_CHANNELS}",
            "No open leads: fill sales.stage_transitions"),
        {"stage": "Stage"},
        Figure("Open", here, units.LocaleFormat, 0),
        Figure("vs 7 d ago", growth(here, by_stage("sales_stage_open", WEEK)), units.PercentUnit, 0),
        Figure("Oldest", by_stage("sales_stage_oldest_open_seconds"), units.Seconds, 0),
        Figure("Time share", by_stage("sales_stage_time_share_ratio"), units.PercentUnit, 0),
        Figure("Held back", by_stage("sales_bottleneck_score"), units.LocaleFormat, 0),
        Figure("Slower, p", by_stage("sales_stage_slowdown_p_value"), units.NoUnit, 3, ((0, ORANGE), (0.01, TEXT))),
        sort="Held back")


def means() -> model.Panel:
    def mean(suffix: str = "") -> str:
        return by_stage(f"sales_stage_duration_mean_restricted_seconds{suffix}", horizon="$horizon")

    return rows(
        Say(31, "Mean time in a stage, up to $horizon",
            "Mean time in the stage when longer stays count as the horizon, by Kaplan-Meier with 95 % bounds, of "
            "stays that began in the last two horizons. Unlike medians these add up to the time of the way. "
            f"{ALL_CHANNELS}",
            "Needs stays as old as the horizon"),
        {"stage": "Stage"},
        Figure("Mean", mean(), units.Seconds), Figure("95 % from", mean("_lower"), units.Seconds),
        Figure("95 % to", mean("_upper"), units.Seconds), sort="Mean")
