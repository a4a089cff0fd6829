"""The questions that a check asks about the rows of one relation: a statement and the rules it counts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from sales_exporter.config import Business
from sales_exporter.contract import statements
from sales_exporter.contract.catalog import RelationFacts
from sales_exporter.contract.findings import Severity
from sales_exporter.contract.probes import Probe, row_probes
from sales_exporter.contract.relations import RELATIONS, Relation
from sales_exporter.contract.shape import key_is_unique

Present = Mapping[str, RelationFacts]

_SEEN_ELSEWHERE = sql.SQL("")
"""These rules are in the statement itself."""

_DAY_OF_MONEY: Mapping[str, str] = {"deals": "closed_at", "spend": "spend_day", "calls": "started_at"}
BACKFILL_REVISIONS = (
    "INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test) "
    "SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test FROM sales.leads AS l "
    "WHERE NOT EXISTS (SELECT FROM sales.lead_revisions AS v WHERE v.lead_id = l.lead_id);"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One statement. Its one row has a column ``n0``, ``n1`` … for each rule: how many break it."""

    what: str
    statement: sql.Composable
    rules: tuple[Probe, ...]


def questions(relation: Relation, present: Present, business: Business) -> Iterator[Question]:
    """All questions about the rows of a relation that is present. Parameters: ``stages``, ``reporting``."""
    facts = present[relation.name]
    rules = tuple(row_probes(relation, facts))
    if rules:
        yield Question("the rules on rows", statements.counts(facts, rules), rules)
    yield from _keys(relation, facts)
    yield from _orphans(relation, present)
    yield from _money(relation, present, business)
    if relation.name == "leads" and facts.has("lead_id") and _has(present, "lead_revisions", "lead_id"):
        yield _question("leads without a revision", statements.UNREVISED, "lead_without_revision", "error",
                        "that lead_revisions does not know.", BACKFILL_REVISIONS)


def _keys(relation: Relation, facts: RelationFacts) -> Iterator[Question]:
    if facts.has(*relation.key) and not key_is_unique(relation, facts):
        columns = ", ".join(relation.key)
        yield _question(
            "the uniqueness of the key", statements.duplicates(relation), "duplicate_key", "error",
            f"keys ({columns}) that occur more than once.",
            f"Keep one row of each; in a view: SELECT DISTINCT ON ({columns}) … ORDER BY {columns}, updated_at DESC")
    key = relation.change_key
    if key is not None and facts.has(key) and facts.columns[key].type == "xid8":
        yield _question(
            "change keys of the future", statements.beyond_snapshot(relation, key), "key_beyond_snapshot", "error",
            f"whose {key} is of a transaction that is yet to come (a restored dump): they count as new for ever.",
            f"UPDATE {relation.full_name} SET {key} = DEFAULT"  # noqa: S608  (text for people)
            f" WHERE {key} >= pg_snapshot_xmax(pg_current_snapshot());")


def _orphans(relation: Relation, present: Present) -> Iterator[Question]:
    facts = present[relation.name]
    for column in relation.columns:
        target = RELATIONS.get(column.references or "")
        if target is None or not facts.has(column.name) or not _has(present, target.name, target.key[0]):
            continue
        # Values of different types cannot be compared; the wrong type is a finding of its own.
        if facts.columns[column.name].type != present[target.name].columns[target.key[0]].type:
            continue
        yield _question(
            f"orphans of {column.name}", statements.orphans(facts, column, target),
            "orphan", "warning" if column.nullable else "error",
            f"values of {column.name} that {target.name} does not have.",
            f"Load the missing rows of {target.full_name}, or correct the reference.")


def _money(relation: Relation, present: Present, business: Business) -> Iterator[Question]:
    facts = present[relation.name]
    if relation.name == "fx_rates" or not facts.has("currency"):
        return
    rates = _has(present, "fx_rates", "day", "currency", "rate")
    reporting = business.reporting_currency
    yield _question(
        "rates of currencies", statements.foreign_money(facts, rates=rates), "fx_rate_missing", "error",
        f"currencies without any rate to {reporting}: their money is in no sum.",
        "Load sales.fx_rates (day, currency, rate), or set business.reporting_currency.")
    moment = _DAY_OF_MONEY.get(relation.name)
    if rates and moment is not None and facts.has(moment):
        yield _question(
            "rates by day", statements.days_without_rate(facts, _day(relation, moment, business)),
            "fx_rate_gap", "error",
            f"pairs of day and currency without a rate to {reporting}: that money is in no sum.",
            "Load the missing days of sales.fx_rates; give weekends the rate of the day before.")


def _day(relation: Relation, moment: str, business: Business) -> sql.Composable:
    name = sql.Identifier(moment)
    if relation.column(moment).type == "date":
        return name
    return sql.SQL("({} AT TIME ZONE {})::date").format(name, sql.Literal(business.reporting_timezone))


def _question(
    what: str, statement: sql.Composable, code: str, severity: Severity, message: str, remedy: str
) -> Question:
    return Question(what, statement, (Probe(code, severity, _SEEN_ELSEWHERE, message, remedy),))


def _has(present: Present, relation: str, *columns: str) -> bool:
    facts = present.get(relation)
    return facts is not None and facts.has(*columns)
