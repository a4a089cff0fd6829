"""SQL of rows as they were: a relation as a snapshot saw it, with the rows that were removed since."""

from __future__ import annotations

from collections.abc import Collection

REMOVALS = "removals"


def visible(key: str, snapshot: str = "old") -> str:
    """Whether the change key is visible in the snapshot that is the parameter of that name."""
    return f"pg_visible_in_snapshot({key}, %({snapshot})s::pg_snapshot)"


def fresh(key: str, snapshot: str = "old") -> str:
    """Whether it is not; the first half lets an index on the key answer."""
    return f"{key} >= pg_snapshot_xmin(%({snapshot})s::pg_snapshot) AND NOT {visible(key, snapshot)}"


def removed(relation: str, snapshot: str = "old") -> str:
    """Rows of a relation that were deleted since the snapshot, with ``removal_key`` before the relation's columns."""
    return (
        f"SELECT removal.key AS removal_key, r.* FROM sales.{REMOVALS} AS removal"  # noqa: S608
        f" CROSS JOIN LATERAL jsonb_populate_record(NULL::sales.{relation}, removal.facts) AS r"
        f" WHERE removal.relation = '{relation}' AND {fresh('removal.removed_tx', snapshot)}"
    )


def as_of(relation: str, key: str, columns: str, relations: Collection[str], *, past: bool) -> str:
    """FROM item: the columns of a relation now, or as the snapshot ``old`` saw them (``past``).

    ``key`` is its change key. Conditions on the columns reach the table's indexes.
    """
    if not past:
        return f"(SELECT {columns} FROM sales.{relation})"  # noqa: S608  (names of the contract)
    here = f"SELECT {columns} FROM sales.{relation} WHERE {visible(key)}"  # noqa: S608  (names of the contract)
    if REMOVALS not in relations:
        return f"({here})"
    gone = f"SELECT {columns} FROM ({removed(relation)}) AS gone WHERE {visible(key)}"  # noqa: S608  (as above)
    return f"({here} UNION ALL {gone})"
