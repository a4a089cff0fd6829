"""Rows that break the data contract: counted by relation and rule, never dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from sales_exporter.collectors import Collector, Context
from sales_exporter.model import Sample, counter

VIOLATIONS = counter("sales_contract_violations_total", "Rows found to break the data contract since the exporter "
                     "started; rows that were there before count once. sales-exporter check explains each.",
                     "relation", "rule")

Rule = tuple[str, str]

# Each rule counts rows in one relation. ``%(now)s`` is the moment of evaluation, ``%(stages)s`` the configured stages.
RULES: Mapping[Rule, str] = {
    ("stage_transitions", "unknown_stage"):
        "SELECT count(*) FROM sales.stage_transitions WHERE to_stage <> ALL (%(stages)s::text[])",
    ("stage_transitions", "before_creation"):
        "SELECT count(*) FROM sales.stage_transitions t JOIN sales.leads l USING (lead_id)"
        " WHERE t.occurred_at < l.created_at",
    ("deals", "unknown_status"):
        "SELECT count(*) FROM sales.deals WHERE status NOT IN ('open', 'won', 'lost')",
    ("deals", "closed_at_of_status"):
        "SELECT count(*) FROM sales.deals WHERE (status = 'open') <> (closed_at IS NULL)",
    ("deals", "missing_rate"):
        "SELECT count(*) FROM sales.deals d WHERE currency <> %(currency)s AND NOT EXISTS"
        " (SELECT FROM sales.fx_rates f WHERE f.currency = d.currency AND f.day ="
        " (coalesce(d.closed_at, to_timestamp(%(now)s)) AT TIME ZONE %(zone)s)::date)",
    ("spend", "missing_rate"):
        "SELECT count(*) FROM sales.spend s WHERE currency <> %(currency)s AND NOT EXISTS"
        " (SELECT FROM sales.fx_rates f WHERE f.currency = s.currency AND f.day = s.spend_day)",
    ("calls", "unknown_outcome"):
        "SELECT count(*) FROM sales.calls WHERE outcome NOT IN"
        " ('answered', 'no_answer', 'busy', 'failed', 'voicemail', 'abandoned')",
    ("calls", "unknown_agent_kind"):
        "SELECT count(*) FROM sales.calls WHERE agent_kind NOT IN ('human', 'ai')",
    ("calls", "ends_before_start"):
        "SELECT count(*) FROM sales.calls WHERE ended_at < started_at",
    ("model_predictions", "score_outside_0_1"):
        "SELECT count(*) FROM sales.model_predictions WHERE NOT score BETWEEN 0 AND 1",
}
_JOINED = {"before_creation": {"leads"}, "missing_rate": {"fx_rates"}}


class Violations(Collector):
    """Looks through the relations every five minutes; a relation that is absent has no violations."""

    name = "violations"
    interval = 300.0
    metrics = (VIOLATIONS,)

    def __init__(self) -> None:
        self._found: dict[Rule, int] = {}
        self._total: Counter[Rule] = Counter()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """One count for each rule whose relations are there."""
        present = await ctx.db.relations()
        rules = [rule for rule in RULES if {rule[0]} | _JOINED.get(rule[1], set()) <= present]
        if not rules:
            return ()
        parts = [f"SELECT {i} AS rule, ({RULES[rule]}) AS rows" for i, rule in enumerate(rules)]
        business = ctx.business
        rows = await ctx.db.fetch(
            " UNION ALL ".join(parts), now=ctx.now, stages=list(business.stage_names),
            currency=business.reporting_currency, zone=business.reporting_timezone)
        return self._counted({rules[int(row["rule"])]: int(row["rows"]) for row in rows})

    def _counted(self, found: Mapping[Rule, int]) -> Iterator[Sample]:
        """Only what is new since the last pass is added: mended rows take nothing away from a running total."""
        for rule, rows in found.items():
            self._total[rule] += max(0, rows - self._found.get(rule, 0))
            self._found[rule] = rows
            yield VIOLATIONS(self._total[rule], relation=rule[0], rule=rule[1])
