"""Open deals by rep: who carries how much, and since when."""

from __future__ import annotations

from grafana.source.boards.reps.asked import MOST, busiest, named, open_deals
from grafana.source.panels import Say, bars
from grafana.source.plots import POINTS, by_label
from grafana.source.sdk import model, units

EMPTY = "No open deals with a rep: fill deals.rep_id and deals.status"


def now() -> model.Panel:
    return bars(
        Say(9, "Open deals by rep",
            f"Deals that are open now, whatever their age, by the rep that they name; the {MOST} reps with the most.",
            EMPTY),
        f"sort_desc({of_busiest()})", "{{name}}", units.LocaleFormat)


def over_time() -> model.Panel:
    return by_label(
        Say(10, "Open deals by rep over time",
            "Deals that were open at each point, of the same reps. A line that rises alone is work piling up.",
            EMPTY),
        units.LocaleFormat, (of_busiest(), "{{name}}"), decimals=0, points=POINTS, by_name=False)


def of_busiest() -> str:
    return named(busiest(open_deals("rep"), open_deals("rep")), "name")
