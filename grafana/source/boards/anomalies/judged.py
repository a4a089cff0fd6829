"""What is odd: the series that alarm, one of them inside its range, and when which one was."""

from __future__ import annotations

from dataclasses import replace

from grafana.source.boards.anomalies.asked import BEGINS, highest, judged, most, told, values
from grafana.source.boards.anomalies.headline import START
from grafana.source.panels import BLUE, GREY, ORANGE, Figure, Line, Say, lines, linked, rows, states, worded
from grafana.source.plots import by_label
from grafana.source.promql import SEVERITIES, ranked, selector
from grafana.source.sdk import model, units

CHOSEN = {"watch": "$watch", "series": "$series"}
SHOWN = 5
"""Series that a panel shows at most."""
HERE = "/d/sales-anomalies?var-cluster=$cluster&var-tenant=$tenant&var-watch=${__value.text}&${__url_time_range}"


def odd_now() -> model.Panel:
    def figure(name: str) -> str:
        return told(f"{judged(name)} and on (watch, series) {judged('sales_anomaly_active')} == 1")

    panel = rows(
        Say(6, "Odd now",
            "Series that alarm: the value that was judged last, what was expected, the range in which a single sample "
            "was expected, and the confidence: the chance that in a day nothing of all that is watched looks as odd "
            "by chance. A click on the watch shows it below.",
            "Nothing is odd now"),
        {"watch": "Watch", "what": "Of"},
        Figure("Value", figure("sales_anomaly_level"), units.Short, 2, width=80),
        Figure("Expected", figure("sales_anomaly_expected"), units.Short, 2, width=85),
        Figure("From", figure("sales_anomaly_lower"), units.Short, 2, width=70),
        Figure("To", figure("sales_anomaly_upper"), units.Short, 2, width=70),
        Figure("Confidence", figure("sales_anomaly_confidence_ratio"), units.PercentUnit, 1, width=115),
        sort="Confidence", hidden=("series",), widths={"Watch": 125},
    )
    return linked(panel, "Watch", "Show it in its range", HERE)


def findings() -> model.Panel:
    finding = f"max by (severity, kind, entity, watch) ({selector('sales_finding_active')}) == 1"
    # What is odd of several series with nothing in common has no entity.
    finding = f'label_replace({finding}, "entity", "all", "entity", "^$")'
    panel = rows(
        Say(7, "Findings that stand",
            "What is raised as an alert: an anomaly of one or more series with one cause, drift of a model, advice to "
            "train it anew, or a capacity that runs out.",
            "No finding stands"),
        {"severity": "Severity", "kind": "Kind", "entity": "What", "watch": "Watch"},
        Figure("Stands", values(ranked(finding), "entity"), units.NoUnit, 0), sort="Severity", descending=False,
        hidden=("Value",), widths={"Severity": 80, "Kind": 90, "Watch": 125},
    )
    return worded(panel, "Severity", SEVERITIES)


def level() -> model.Panel:
    return lines(
        Say(8, "$watch in its range",
            "The chosen series as it was judged, inside the range in which a single sample was expected then, and the "
            "value that was expected. The range narrows as the sidecar learns; after a lasting change it follows "
            "within a stated time.",
            "Choose a watch and a series above; a series shows up with its first tick"),
        units.Short,
        Line("Value", judged("sales_anomaly_level", **CHOSEN), BLUE),
        replace(Line("Expected", judged("sales_anomaly_expected", **CHOSEN), GREY, dashed=True),
                lower=judged("sales_anomaly_lower", **CHOSEN), upper=judged("sales_anomaly_upper", **CHOSEN)),
        decimals=2,
    )


def chosen_score() -> model.Panel:
    return lines(
        Say(9, "How odd $watch was",
            "Score of the chosen series; from 0.5 on it begins to alarm. One odd sample among usual ones does not "
            "reach it.",
            "Choose a watch and a series above"),
        units.NoUnit,
        Line("Score", judged("sales_anomaly_score", **CHOSEN), ORANGE),
        Line("Begins to alarm", f"0 * {judged('sales_anomaly_score', **CHOSEN)} + {BEGINS}", GREY, dashed=True),
        decimals=2,
    )


def strips() -> model.Panel:
    odd = most(judged("sales_anomaly_active"), highest("sales_anomaly_active"), SHOWN)
    return states(
        Say(10, "When what was odd",
            f"At most {SHOWN} of the series that alarmed within the time range, and when.",
            "Nothing alarmed within the time range"),
        f"1 - ({told(odd)})", "{{watch}} {{what}}", "usual", "odd",
    )


def scores() -> model.Panel:
    return by_label(
        Say(11, "Highest scores",
            f"The {SHOWN} series with the highest scores of the time range: what came near to an alarm, too. From 0.5 "
            "on a series begins to alarm.",
            f"No series is judged: {START}"),
        units.NoUnit, (told(most(judged("sales_anomaly_score"), highest("sales_anomaly_score"), SHOWN)),
                       "{{watch}} {{what}}"), decimals=2, many=False, by_name=False,
    )
