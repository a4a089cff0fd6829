"""The history of one case: who did what when and why, the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from sales_exporter.sidecar.desk.model import Event
from sales_exporter.sidecar.pages.frame import Look
from sales_exporter.sidecar.pages.markup import Html, tag
from sales_exporter.sidecar.pages.words import sentence


def timeline(look: Look, events: Sequence[Event]) -> Html:
    """All events that are given; says so when there are none."""
    inside = tag("ol", *(_entry(look, event) for event in events), class_="timeline") if events else tag(
        "p", "Nothing is written of it yet.", class_="soft")
    return tag("section", tag("h2", "History"), inside, class_="card", id="history", data_live=True)


def _entry(look: Look, event: Event) -> Html:
    return tag("li", tag("span", look.times.ago(event.at), class_="when"),
               tag("div", tag("p", sentence(event)), tag("p", event.why, class_="why") if event.why else None),
               class_=event.kind)
