"""Verifies that a database keeps the data contract, and explains each defect with what to do about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pydantic import SecretStr

from sales_exporter.config import Business
from sales_exporter.contract import catalog
from sales_exporter.contract.catalog import RelationFacts
from sales_exporter.contract.findings import DATABASE, Finding, Report
from sales_exporter.contract.questions import Question, questions
from sales_exporter.contract.relations import RELATIONS
from sales_exporter.contract.server import pooler_findings, role_findings, server_findings
from sales_exporter.contract.session import (
    STATEMENT_SECONDS,
    Locked,
    Refused,
    Session,
    Unfinished,
    Unreachable,
    backends,
)
from sales_exporter.contract.shape import shape_findings
from sales_exporter.contract.statements import SAMPLE_ROWS, sampled

_STOP = frozenset({"server_version", "schema_missing", "schema_not_readable"})
"""After these there is nothing that could be looked at."""


class Checker:
    """One check of one database. ``clock`` tells our time (epoch seconds); ``seconds`` bounds each statement."""

    def __init__(
        self, dsn: SecretStr, business: Business, clock: Callable[[], float],
        seconds: float = STATEMENT_SECONDS,
    ) -> None:
        self._dsn = dsn
        self._business = business
        self._clock = clock
        self._seconds = seconds
        self._present: dict[str, RelationFacts] = {}

    def run(self) -> Report:
        """Everything that was found. A lost connection ends the check with a finding, not an exception."""
        findings: list[Finding] = []
        try:
            with contextlib.closing(Session(self._dsn, self._seconds)) as session:
                for finding in self._look(session):
                    findings.append(finding)  # noqa: PERF402  (what was found before a broken connection stays)
        except Unreachable as error:
            findings.append(error.finding)
        except (Unfinished, Locked, Refused):
            findings.append(Finding(
                "not_checked", "error", DATABASE, "The catalog of the database did not answer.",
                "Run the check when the database is quiet; nothing after this point was checked."))
        # Nothing was looked at when nothing is there: that is told by a finding, not by a list of all relations.
        absent = tuple(name for name in RELATIONS if self._present and name not in self._present)
        return Report(tuple(findings), tuple(self._present), absent)

    def _look(self, session: Session) -> Iterator[Finding]:
        before = self._clock()
        (server,) = session.fetch(catalog.SERVER)
        # Half of the way there and back: a slow network must not look like skew.
        first = tuple(server_findings(server, (before + self._clock()) / 2))
        yield from first
        if any(finding.code in _STOP for finding in first):
            return
        yield from self._pooler(session)
        self._present = catalog.relations(session.fetch)
        yield from role_findings(catalog.role(session.fetch), self._present)
        if not self._present:
            yield Finding("schema_empty", "error", DATABASE, "The schema sales holds no relation of the contract.",
                          "sales-exporter schema | psql")
            return
        yield from shape_findings(self._present)
        for facts in self._present.values():
            yield from self._rows(session, facts)

    def _pooler(self, session: Session) -> Iterator[Finding]:
        try:
            yield from pooler_findings(*backends(self._dsn, session))
        except Unreachable:
            yield Finding(
                "not_checked", "warning", DATABASE,
                "Whether a pooler stands in between was not checked: that takes a second connection.",
                "Run the check again when the role has a free connection.")

    def _rows(self, session: Session, facts: RelationFacts) -> Iterator[Finding]:
        if sampled(facts):
            yield Finding(
                "sampled", "info", facts.name,
                f"About {facts.rows:,.0f} rows: rules were checked on a sample of {SAMPLE_ROWS:,}.",
                "Nothing; a rare defect may lie outside of the sample.")
        try:
            for question in questions(RELATIONS[facts.name], self._present, self._business):
                yield from self._ask(session, facts.name, question)
        except Locked:
            yield Finding(
                "not_checked", "warning", facts.name,
                "Not checked to the end: another session holds a lock on it, or on a relation it refers to.",
                "Run the check again when that session is through; pg_locks shows it.")

    def _ask(self, session: Session, relation: str, question: Question) -> Iterator[Finding]:
        try:
            (answer,) = session.fetch(
                question.statement, stages=list(self._business.stage_names),
                reporting=self._business.reporting_currency)
        except Unfinished:
            yield Finding(
                "not_checked", "warning", relation,
                f"Not checked: {question.what} (no answer within {self._seconds:g} s).",
                "Run the check when the database is quiet; a view may lack an index below it.")
        except Refused as error:
            yield Finding(
                "not_readable", "error", relation,
                f"The database refused to read it (SQLSTATE {error.code}) for: {question.what}.",
                "Read the view with psql as sales_exporter; the error then names the place.")
        else:
            for place, rule in enumerate(question.rules):
                if number := answer[f"n{place}"]:
                    yield Finding(rule.code, rule.severity, relation, f"{number:,} {_noun(rule.message)}{rule.message}",
                                  rule.remedy)


def _noun(message: str) -> str:
    """``rows`` before a message that does not name what it counts."""
    return "" if message.startswith(("keys", "values", "currencies", "pairs")) else "rows "
