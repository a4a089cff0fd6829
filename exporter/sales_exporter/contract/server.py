"""Rules on the server, the role and the connection: facts in, findings out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sales_exporter.contract.catalog import RelationFacts, Role
from sales_exporter.contract.findings import DATABASE, Finding

OLDEST = 140000
"""PostgreSQL 14: xid8 snapshots, CREATE OR REPLACE TRIGGER, client_connection_check_interval."""

SKEW_SECONDS = 30.0
"""Difference of the clocks that is reported; less than a scrape interval of the slowest common set-up."""

ROLE_SETTINGS = (
    "default_transaction_read_only", "statement_timeout", "lock_timeout",
    "idle_in_transaction_session_timeout", "client_connection_check_interval",
)


def server_findings(server: Mapping[str, Any], clock: float) -> Iterator[Finding]:
    """Version, standby, schema and clock. ``clock`` is ours (epoch seconds) when the server told its own."""
    if server["version"] < OLDEST:
        yield _finding(
            "server_version", "error", f"PostgreSQL {server['version'] // 10000} is too old.",
            "Use PostgreSQL 14 or newer.")
    if server["standby"]:
        yield _finding(
            "standby", "warning",
            "This is a standby: it does not know which transactions are running, so the ledger reads an "
            "overlap again and sales_source_exact is 0.",
            "Point database.dsn at the primary, or accept it.")
    if not server["has_schema"]:
        yield _finding("schema_missing", "error", "There is no schema named sales.",
                       "sales-exporter schema | psql")
    elif not server["may_use_schema"]:
        yield _finding("schema_not_readable", "error", "The role may not use the schema sales.",
                       "sales-exporter schema --role | psql")
    skew = server["clock"] - clock
    if abs(skew) > SKEW_SECONDS:
        yield _finding(
            "clock_skew", "error",
            f"The database's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours.",
            "Run a time service (chrony, systemd-timesyncd) on both machines.")


def role_findings(role: Role, present: Mapping[str, RelationFacts]) -> Iterator[Finding]:
    """Rights that are wider than reading the contract, and limits that the role lacks."""
    remedy = "Connect as the role of role.sql: sales-exporter schema --role | psql"
    if role.superuser:
        yield _finding("rights_too_wide", "error", "The role is a superuser.", remedy)
        return
    writable = [name for name, facts in present.items() if facts.writable]
    if writable:
        yield _finding(
            "rights_too_wide", "error", f"The role may change rows of {', '.join(writable)}.", remedy)
    if role.may_create or role.attributes or role.memberships:
        yield _finding(
            "rights_too_wide", "error",
            "The role may do more than read: create objects in sales, manage roles or databases, or use "
            "a predefined role such as pg_read_all_data.", remedy)
    if role.other_relations:
        yield _finding(
            "reads_other_relations", "warning",
            f"The role may read {role.other_relations} relations outside of the contract.",
            "REVOKE SELECT ON … FROM sales_exporter; and look for grants to PUBLIC.")
    lacking = [name for name in ROLE_SETTINGS if name not in role.settings]
    if lacking or role.connections < 0:
        limits = [*lacking, *(["CONNECTION LIMIT"] if role.connections < 0 else [])]
        yield _finding("role_limits", "warning", f"The role lacks the limits {', '.join(limits)}.",
                       "sales-exporter schema --role | psql")


def pooler_findings(ours: Sequence[int], other: int) -> Iterator[Finding]:
    """Whether a pooler hands one server connection to several clients.

    ``ours`` are the backend pids that one client saw outside of a transaction, ``other`` the pid that a second
    client saw inside of one, begun between them. With a session of our own they are one pid, not the other's.
    """
    if len(set(ours)) > 1 or other in ours:
        yield _finding(
            "pooler_transaction_mode", "error",
            "A pooler in transaction mode (PgBouncer pool_mode=transaction) stands in between: settings of a "
            "session, and with them our timeouts, do not stay with us.",
            "Use a direct connection, or a pool with pool_mode=session for this user.")


def _finding(code: str, severity: Any, message: str, remedy: str) -> Finding:
    return Finding(code, severity, DATABASE, message, remedy)
