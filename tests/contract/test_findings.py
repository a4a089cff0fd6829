"""The report: order, words for people, JSON for programs, exit status."""

from __future__ import annotations

import json

from sales_exporter.contract.findings import Finding, Report

ORPHAN = Finding("orphan", "warning", "leads", "3 values of channel_id that channels does not have.", "Load them.")
MISSING = Finding("column_missing", "error", "leads", "The column rep_id is missing.", "Add it.")
RIGHTS = Finding("rights_too_wide", "error", "database", "The role is a superuser.", "Use role.sql.")
NOTE = Finding("sampled", "info", "calls", "About 4,000,000 rows.", "Nothing.")
REPORT = Report((NOTE, ORPHAN, MISSING, RIGHTS), ("leads", "calls"), ("targets",))


def test_text_groups_by_relation_and_puts_the_worst_first() -> None:
    assert REPORT.as_text() == """\
database
  error   The role is a superuser. [rights_too_wide]
          -> Use role.sql.

leads
  error   The column rep_id is missing. [column_missing]
          -> Add it.
  warning 3 values of channel_id that channels does not have. [orphan]
          -> Load them.

calls
  info    About 4,000,000 rows. [sampled]
          -> Nothing.

2 errors, 1 warning, 1 note; 2 relations checked, absent: targets."""


def test_text_of_nothing_says_so() -> None:
    assert Report((), ("leads",), ()).as_text() == "The contract holds: 1 relation checked, nothing found."


def test_long_message_is_wrapped_and_its_remedy_is_not() -> None:
    remedy = "UPDATE sales.deals SET changed_tx = DEFAULT WHERE " + "x " * 80
    text = Report((Finding("code", "error", "deals", "word " * 60, remedy),), ("deals",)).as_text()
    assert f"-> {remedy}" in text
    assert all(len(line) <= 100 for line in text.splitlines() if "->" not in line)


def test_json_has_counts_relations_and_findings() -> None:
    assert json.loads(REPORT.as_json()) == {
        "ok": False, "errors": 2, "warnings": 1, "notes": 1,
        "relations": {"present": ["leads", "calls"], "absent": ["targets"]},
        "findings": [
            {"code": f.code, "severity": f.severity, "relation": f.relation, "message": f.message, "remedy": f.remedy}
            for f in (RIGHTS, MISSING, ORPHAN, NOTE)
        ],
    }


def test_watches_come_after_the_relations_and_are_counted() -> None:
    watch = Finding("no_data", "warning", "watch calls", "The query answers with no series now.", "Wait.")
    report = Report((watch, ORPHAN), ("leads",), watches=2)
    assert report.as_text().splitlines()[0] == "leads"
    assert report.as_text().splitlines()[4] == "watch calls"
    assert report.as_text().endswith("0 errors, 2 warnings, 0 notes; 1 relation checked; 2 watches tried.")
    assert json.loads(report.as_json())["watches"] == 2


def test_only_errors_change_the_exit_status() -> None:
    assert REPORT.exit_status == 1
    assert Report((ORPHAN, NOTE)).exit_status == 0
