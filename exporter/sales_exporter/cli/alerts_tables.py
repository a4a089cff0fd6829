"""Alerts and their history as tables in a terminal. Text of others is shown as text: no markup, no control signs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sales_exporter.runtime.landing import span
from sales_exporter.sidecar.desk.model import Case, Event
from sales_exporter.sidecar.fleet.quantities import line
from sales_exporter.sidecar.pages.words import lasted, sentence, severity, standing, subject, title, who

SHORT = 8
"""Signs of a fingerprint that are shown."""
STYLES = {"critical": "bold red", "warning": "yellow", "info": "blue", "other": "dim"}
_WIDE = 200


def console() -> Console:
    """Standard output: as wide as the terminal, and wide where there is none."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def alerts(cases: Sequence[Case], now: float) -> Table:
    """One row for each alert."""
    table = Table("severity", "for", "what", "who has it", "team", "fingerprint", box=None, pad_edge=False)
    for case in cases:
        table.add_row(
            Text(severity(case), STYLES[severity(case)]), Text(lasted(case, now)), _what(case), _who(case, now),
            _text(case.labels.get("team", "")), Text(case.fingerprint[:SHORT], "dim"))
    return table


def events(found: Sequence[Event]) -> Table:
    """One row for each event, the newest first."""
    table = Table("when", "alert", "what happened", "why", "fingerprint", box=None, pad_edge=False)
    for event in found:
        labels = event.labels
        about = " ".join(filter(None, (labels.get("alertname", ""), labels.get("entity", ""))))
        table.add_row(Text(moment(event.at)), _text(about), _text(sentence(event)), _text(event.why),
                      Text(event.fingerprint[:SHORT], "dim"))
    return table


def told(case: Case, now: float) -> str:
    """How an alert stands, on one line."""
    return line(f"{case.fingerprint[:SHORT]} {case.alertname}: {_who(case, now).plain}")


def moment(at: float) -> str:
    """A moment in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _what(case: Case) -> Text:
    about = line(" ".join(filter(None, (case.alertname, subject(case)))))
    return Text.assemble(_text(title(case)), "\n", Text(about, "dim"))


def _who(case: Case, now: float) -> Text:
    kind, words = standing(case), line(who(case))
    if kind == "unattended" and case.next_step_at is not None:
        words += f", escalates in {span(max(0.0, case.next_step_at - now))}"
    if kind == "snoozed" and case.until is not None:
        words += f" for {span(max(0.0, case.until - now))}"
    return Text(words, "bold" if kind == "unattended" else "green" if kind == "acknowledged" else "dim")


def _text(words: str) -> Text:
    return Text(line(words))
