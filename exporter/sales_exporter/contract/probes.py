"""Rules on rows: a probe is a condition that no row may meet; one statement counts many in one scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from sales_exporter.contract.catalog import RelationFacts
from sales_exporter.contract.findings import Severity
from sales_exporter.contract.relations import Column, Relation
from sales_exporter.contract.shape import ACCEPTED

FUTURE = "5 minutes"
"""Tolerance before a row counts as being of the future."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A rule: rows that meet ``condition`` break it. ``message`` follows the number of rows that do."""

    code: str
    severity: Severity
    condition: sql.Composable
    message: str
    remedy: str
    columns: tuple[str, ...] = ()


def row_probes(relation: Relation, facts: RelationFacts) -> Iterator[Probe]:
    """All probes that the columns at hand allow. Parameters: ``stages`` (text array)."""
    for column in relation.columns:
        found = facts.columns.get(column.name)
        if found is not None and found.readable and found.type in ACCEPTED[column.type]:
            yield from _column_probes(relation, column, required=found.required)
    for probe in _RULES.get(relation.name, ()):
        if facts.has(*probe.columns):
            yield probe


def _column_probes(relation: Relation, column: Column, *, required: bool) -> Iterator[Probe]:
    name = sql.Identifier(column.name)
    if not required and not column.nullable:
        yield _null(relation, column)
    if column.enum:
        yield Probe(
            "unknown_value", "error",
            sql.SQL("{}::text <> ALL ({})").format(name, sql.Literal(list(column.enum))),
            f"with a {column.name} other than {', '.join(column.enum)}: no metric by {column.name} has them.",
            f"Map them in the view. {_look(column.name, relation.full_name)}")
    if column.type in {"numeric", "double"}:
        yield Probe(
            "not_finite", "error", sql.SQL("{} IN ('NaN', 'Infinity', '-Infinity')").format(name),
            f"where {column.name} is NaN or infinite.",
            f"Correct them, or write NULLIF({column.name}, 'NaN') in the view.")
    if column.type == "timestamptz":
        yield Probe(
            "future_rows", "warning",
            sql.SQL("{} > now() + {}::interval").format(name, sql.Literal(FUTURE)),
            f"where {column.name} lies in the future: they count when that moment comes.",
            "Look at time zones in the import (a local time read as UTC) and at the writer's clock.")
    if column.name == "currency":
        yield Probe(
            "bad_currency", "error", sql.SQL("{} !~ '^[A-Z]{{3}}$'").format(name),
            "whose currency is no ISO 4217 code of three capitals.", "In the view, write: upper(trim(currency))")


def _null(relation: Relation, column: Column) -> Probe:
    condition = sql.SQL("{} IS NULL").format(sql.Identifier(column.name))
    if column.name == relation.change_key:
        return Probe(
            "change_key_null", "error", condition, f"whose change key {column.name} is NULL: nobody sees them.",
            f"UPDATE {relation.full_name} SET {column.name} = DEFAULT"  # noqa: S608  (text for people)
            f" WHERE {column.name} IS NULL;")
    return Probe(
        "null_value", "error", condition, f"where {column.name} is NULL; the contract says it never is.",
        f"Fill it, or leave the rows out in the view: WHERE {column.name} IS NOT NULL")


def _look(column: str, table: str) -> str:
    return f"To see them: SELECT {column}, count(*) FROM {table} GROUP BY 1;"  # noqa: S608  (text for people)


def _rule(
    code: str, severity: Severity, condition: LiteralString, message: str, remedy: str, *columns: str
) -> Probe:
    return Probe(code, severity, sql.SQL(condition), message, remedy, columns)


def _stage(column: LiteralString, where: str, table: str) -> Probe:
    return _rule(
        "unknown_stage", "error", column + " <> ALL (%(stages)s)",
        f"{where} a stage that the configuration does not know.",
        f"Add them to business.stages, or map them in the view. {_look(column, table)}", column)


_RULES: dict[str, tuple[Probe, ...]] = {
    "stage_transitions": (
        _stage("to_stage", "into", "sales.stage_transitions"),
        _stage("from_stage", "out of", "sales.stage_transitions"),
    ),
    "deals": (
        _stage("stage", "in", "sales.deals"),
        _rule("closed_at_mismatch", "error",
              "CASE status WHEN 'open' THEN closed_at IS NOT NULL"
              " WHEN 'won' THEN closed_at IS NULL WHEN 'lost' THEN closed_at IS NULL END",
              "that are open with a closed_at, or closed without one.",
              "closed_at is set exactly when a deal is won or lost; correct the rows or the view.",
              "status", "closed_at"),
        _rule("time_order", "warning", "closed_at < opened_at", "that closed before they opened.",
              "Correct the times, or leave opened_at NULL: the deal then counts in no duration.",
              "opened_at", "closed_at"),
    ),
    "campaigns": (
        _rule("time_order", "warning", "ends_on < starts_on", "that end before they start.",
              "Correct the dates.", "starts_on", "ends_on"),
    ),
    "reps": (
        _rule("time_order", "warning", "active_to < active_from", "that leave before they come.",
              "Correct the dates.", "active_from", "active_to"),
    ),
    "calls": (
        _rule("time_order", "error",
              "ended_at < started_at OR answered_at NOT BETWEEN started_at AND ended_at",
              "that end before they start, or are answered outside of that span.",
              "Correct the times; a NULL answered_at means the call was not answered.",
              "started_at", "answered_at", "ended_at"),
        _rule("negative_seconds", "error",
              "least(talk_seconds, hold_seconds, wrap_seconds, first_response_seconds) < 0",
              "with a negative duration.", "Correct them, or write NULL for what is not known.",
              "talk_seconds", "hold_seconds", "wrap_seconds", "first_response_seconds"),
        _rule("cost_without_currency", "error", "cost IS NOT NULL AND currency IS NULL",
              "with a cost but no currency.", "In the view, write the currency as a constant: 'USD' AS currency",
              "cost", "currency"),
    ),
    "model_predictions": (
        _rule("score_out_of_range", "error", "score NOT BETWEEN 0 AND 1 OR threshold NOT BETWEEN 0 AND 1",
              "whose score or threshold is no probability.",
              "Write probabilities from 0 to 1, not percentages.",
              "score", "threshold"),
        _rule("bad_horizon", "error", "horizon_seconds <= 0", "without a positive horizon.",
              "The horizon says after how many seconds no outcome means 0.", "horizon_seconds"),
    ),
    "fx_rates": (
        _rule("bad_rate", "error", "rate <= 0", "that are not positive.",
              "A rate says how many units of the reporting currency one unit is worth.", "rate"),
    ),
    "api_requests": (
        _rule("raw_path", "warning", "route ~ '[?#]|/[0-9]+(/|$)|[0-9a-fA-F]{8}-|@'",
              "whose route looks like a raw path.", "Log the route's template, such as /orders/{id}.", "route"),
    ),
}
