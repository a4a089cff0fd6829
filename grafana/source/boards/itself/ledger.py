"""The ledger and the database behind it: exact or not, how far behind, how large."""

from __future__ import annotations

from grafana.source.panels import BLUE, ORANGE, RED, TEXT, Figure, Say, rows, stats
from grafana.source.plots import by_label
from grafana.source.promql import selector
from grafana.source.sdk import model, units

STEP = "$__rate_interval"
KEEP = "No ledger: no business collector runs, or the exporter is not scraped (docs/ledger.md)"


def exact() -> model.Panel:
    wrong = f"sum ({selector('sales_audit_mismatch_cells')})"
    inexact = f"count ({selector('sales_source_exact')} == 0) or 0 * count ({selector('sales_source_exact')})"
    return stats(
        Say(4, "Figures that differ",
            "Cells that differed from a recomputation in the last hourly audit of a sample: any is an error. And "
            "sources that cannot be read exactly, such as a standby.",
            "No audit yet: the first comes within an hour of the first fill"),
        Figure("differ", wrong, units.LocaleFormat, 0, ((0, BLUE), (1, RED))),
        Figure("not exact", inexact, units.LocaleFormat, 0, ((0, TEXT), (1, ORANGE))),
    )


def lag() -> model.Panel:
    return by_label(
        Say(9, "How far behind the database is",
            "Seconds since each relation could last be read, plus the replay delay of a standby; those that were "
            "behind within the time range, and the server itself.",
            "No source was looked at yet (docs/data-contract.md)"),
        units.Seconds,
        (f"max by (source) ({selector('sales_source_lag_seconds')}) and on (source) "
         f"(max by (source) (max_over_time({selector('sales_source_lag_seconds')}[$__range] @ end())) > 0 "
         f'or max by (source) ({selector("sales_source_lag_seconds", source="postgres")}))', "{{source}}"),
        decimals=1, many=False,
    )


def listed() -> model.Panel:
    def by(name: str, how: str = "max") -> str:
        return f"{how} by (source) ({selector(name)})"

    return rows(
        Say(21, "Sources of the ledger",
            "Each source: how much of its first fill is done, the cells that it has, whether it is read exactly (1), "
            "how long the last fold took, and how many rows were folded within the time range.", KEEP),
        {"source": "Source"},
        Figure("Filled", by("sales_ledger_fill_ratio", "min"), units.PercentUnit, 0, ((0, ORANGE), (1, BLUE)), 80),
        Figure("Cells", by("sales_ledger_cells"), units.LocaleFormat, 0, width=90),
        Figure("Exact", by("sales_source_exact", "min"), units.NoUnit, 0, ((0, ORANGE), (1, BLUE)), 80),
        Figure("Last fold", by("sales_fold_duration_seconds"), units.Seconds, 2, width=100),
        Figure("Rows folded", f"max by (source) (increase({selector('sales_fold_rows_total')}[$__range]))",
               units.LocaleFormat, 0, width=110),
        sort="Cells",
    )


def folded() -> model.Panel:
    return by_label(
        Say(22, "Rows folded", "Rows read each second to fold what changed, by source, a first fill included.", KEEP),
        units.RowsPerSecond, (f"max by (source) (rate({selector('sales_fold_rows_total')}[{STEP}]))", "{{source}}"),
        decimals=1,
    )


def audits() -> model.Panel:
    return by_label(
        Say(23, "Cells that differed",
            "Cells that differed from a recomputation in the last audit, by source; 0 is right.",
            "No audit yet: the first comes within an hour of the first fill"),
        units.LocaleFormat, (f"max by (source) ({selector('sales_audit_mismatch_cells')})", "{{source}}"), decimals=0,
        many=False,
    )


def size() -> model.Panel:
    return by_label(
        Say(24, "Size of the state", "Bytes of the ledger on disk, by exporter; it is what a restart begins with.",
            "Nothing is kept on disk: give --storage.path (docs/ledger.md)"),
        units.BytesIEC, (f"max by (instance) ({selector('sales_ledger_state_bytes')})", "{{instance}}"), decimals=1,
        many=False,
    )


def violations() -> model.Panel:
    found = f"sum by (relation, rule) (increase({selector('sales_contract_violations_total')}[$__range]))"
    return rows(
        Say(25, "Rows that break the data contract",
            "Rows found within the time range that break a rule of the contract, by relation and rule. "
            "`sales-exporter check` explains each and shows examples.",
            "No row broke the contract"),
        {"relation": "Relation", "rule": "Rule"}, Figure("Rows", f"{found} > 0", units.LocaleFormat, 0, width=80),
        sort="Rows",
    )
