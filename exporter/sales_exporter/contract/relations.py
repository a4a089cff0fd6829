"""The contract as typed data: every relation with its columns, key, change key, references and indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ColumnType = Literal["text", "timestamptz", "date", "numeric", "double", "boolean", "int", "jsonb", "xid8"]

Nature = Literal["append-only", "mutable", "dimension"]
"""``append-only``: rows are written once. ``mutable``: rows change. ``dimension``: small, read whole."""

SUBJECTS = ("lead", "deal", "call")
OUTCOMES = ("answered", "no_answer", "busy", "failed", "voicemail", "abandoned")
PERIODS = ("day", "week", "month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``enum``: the documented values (empty: any); ``references``: the relation it points to."""

    name: str
    type: ColumnType
    nullable: bool = False
    enum: tuple[str, ...] = ()
    references: str | None = None
    defaulted: bool = False
    """Whether the shipped table fills it by itself, so that an import may leave it out."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation. ``time``: column of business time; ``change_key``: the transaction that wrote a row."""

    name: str
    nature: Nature
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    change_key: str | None = None
    time: str | None = None
    optional: bool = False

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: the relation has none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def full_name(self) -> str:
        """The qualified name, which needs no quoting."""
        return f"sales.{self.name}"

    @property
    def conflict_target(self) -> str:
        """What stands in ``ON CONFLICT (…)`` for the key; a nullable part of it counts as the empty text."""
        return ", ".join(
            f"coalesce({name}, '')" if self.column(name).nullable else name for name in self.key
        )


def _text(name: str, *, null: bool = False, enum: tuple[str, ...] = (), to: str | None = None) -> Column:
    return Column(name, "text", null, enum, to)


def _time(name: str, *, null: bool = False) -> Column:
    return Column(name, "timestamptz", null)


def _number(name: str, *, null: bool = False) -> Column:
    return Column(name, "double", null)


def _money(name: str, *, null: bool = False) -> Column:
    return Column(name, "numeric", null)


def _flag(name: str) -> Column:
    return Column(name, "boolean", defaulted=True)


_CHANGED = Column("changed_tx", "xid8", defaulted=True)
_RECORDED = Column("recorded_tx", "xid8", defaulted=True)
_LEAD = _text("lead_id", to="leads")
_LEAD_NULL = _text("lead_id", null=True, to="leads")
_REP = _text("rep_id", null=True, to="reps")
_CHANNEL = _text("channel_id", to="channels")
_CHANNEL_NULL = _text("channel_id", null=True, to="channels")
_CAMPAIGN = _text("campaign_id", null=True, to="campaigns")
_SUBJECT = (_text("subject_kind", enum=SUBJECTS), _text("subject_id"))

_ALL = (
    Relation("leads", "mutable", (
        _text("lead_id"), _time("created_at"), _CHANNEL_NULL, _CAMPAIGN, _REP, _flag("is_test"), _CHANGED,
    ), ("lead_id",), "changed_tx", "created_at"),
    # A revision outlives what it names (erasure), so none of its columns is a reference.
    Relation("lead_revisions", "append-only", (
        Column("revision_id", "text", defaulted=True), _text("lead_id"), _text("channel_id", null=True),
        _text("campaign_id", null=True), _text("rep_id", null=True), _flag("is_test"), _flag("deleted"),
        _RECORDED, _time("created_at", null=True),
    ), ("revision_id",), "recorded_tx"),
    # Of the same kind: rows that are gone, of the other relations with a change key. Without it erasure is less exact.
    Relation("removals", "append-only", (
        Column("removal_id", "text", defaulted=True), _text("relation"), _text("key"), Column("facts", "jsonb"),
        Column("removed_at", "timestamptz", defaulted=True), Column("removed_tx", "xid8", defaulted=True),
    ), ("removal_id",), "removed_tx", optional=True),
    Relation("stage_transitions", "append-only", (
        _text("transition_id"), _LEAD, _text("from_stage", null=True), _text("to_stage"),
        _time("occurred_at"), Column("recorded_at", "timestamptz", defaulted=True), _RECORDED, _REP,
        _text("reason", null=True),
    ), ("transition_id",), "recorded_tx", "occurred_at"),
    Relation("deals", "mutable", (
        _text("deal_id"), _LEAD_NULL, _REP, _time("opened_at", null=True), _text("stage"),
        _text("status", enum=("open", "won", "lost")), _money("amount"), _text("currency"),
        Column("expected_close_on", "date", nullable=True), _time("closed_at", null=True),
        _text("lost_reason", null=True), _CHANGED,
    ), ("deal_id",), "changed_tx", "closed_at"),
    Relation("channels", "dimension", (
        _text("channel_id"), _text("name"), _text("kind"),
    ), ("channel_id",)),
    Relation("campaigns", "dimension", (
        _text("campaign_id"), _CHANNEL, _text("name"), Column("starts_on", "date", nullable=True),
        Column("ends_on", "date", nullable=True), _money("budget", null=True),
    ), ("campaign_id",)),
    Relation("spend", "mutable", (
        Column("spend_day", "date"), _CHANNEL, _CAMPAIGN, _money("amount"), _text("currency"), _CHANGED,
    ), ("spend_day", "channel_id", "campaign_id"), "changed_tx", "spend_day"),
    Relation("touches", "append-only", (
        _text("touch_id"), _LEAD, _time("occurred_at"), _CHANNEL, _CAMPAIGN, _text("kind"), _RECORDED,
    ), ("touch_id",), "recorded_tx", "occurred_at"),
    Relation("reps", "dimension", (
        _text("rep_id"), _text("display_name"), _text("team", null=True), _text("kind", enum=("human", "ai")),
        Column("active_from", "date"), Column("active_to", "date", nullable=True),
    ), ("rep_id",)),
    Relation("calls", "append-only", (
        _text("call_id"), _LEAD_NULL, _REP, _CHANNEL_NULL, _text("carrier", null=True),
        _text("agent_kind", enum=("human", "ai")), _text("direction", enum=("inbound", "outbound")),
        _time("started_at"), _time("answered_at", null=True), _time("ended_at"),
        _text("outcome", enum=OUTCOMES),
        Column("success", "boolean", nullable=True), _number("talk_seconds", null=True),
        _number("hold_seconds", null=True), _number("wrap_seconds", null=True),
        _number("first_response_seconds", null=True), _flag("transferred"), _money("cost", null=True),
        _text("currency", null=True), _RECORDED,
    ), ("call_id",), "recorded_tx", "ended_at"),
    Relation("call_judgements", "append-only", (
        _text("judgement_id"), _text("call_id", to="calls"), Column("success", "boolean"), _time("judged_at"),
        _RECORDED,
    ), ("judgement_id",), "recorded_tx", "judged_at"),
    Relation("model_predictions", "append-only", (
        _text("prediction_id"), _text("model"), _text("version"), *_SUBJECT, _time("predicted_at"),
        _number("horizon_seconds"), _number("score"), _number("threshold", null=True), _RECORDED,
    ), ("prediction_id",), "recorded_tx", "predicted_at"),
    Relation("model_outcomes", "append-only", (
        *_SUBJECT, _time("observed_at"), Column("label", "int", enum=("0", "1")),
        Column("is_final", "boolean"), _RECORDED,
    ), ("subject_kind", "subject_id", "observed_at"), "recorded_tx", "observed_at"),
    Relation("targets", "dimension", (
        Column("period_start", "date"), _text("period_kind", enum=PERIODS), _text("metric"),
        _text("team", null=True),
        _money("amount"), _text("currency", null=True),
    ), ("period_start", "period_kind", "metric", "team"), optional=True),
    Relation("fx_rates", "dimension", (
        Column("day", "date"), _text("currency"), _money("rate"),
    ), ("day", "currency")),
    Relation("api_requests", "append-only", (
        _text("request_id"), _time("started_at"), _text("route"), _text("method"), Column("status", "int"),
        _number("duration_seconds"),
    ), ("request_id",), time="started_at", optional=True),
)

RELATIONS: Mapping[str, Relation] = MappingProxyType({relation.name: relation for relation in _ALL})
"""The contract's relations by name, in the order in which a load may fill them."""


@dataclass(frozen=True, slots=True)
class Index:
    """One shipped index. ``where`` makes it partial, ``include`` adds columns outside of its key."""

    relation: str
    name: str
    columns: tuple[str, ...]
    method: Literal["btree", "brin"] = "btree"
    include: tuple[str, ...] = ()
    where: str = ""


INDEXES = (
    Index("stage_transitions", "stage_transitions_recorded_tx", ("recorded_tx",)),
    Index("stage_transitions", "stage_transitions_lead", ("lead_id", "occurred_at", "transition_id"),
          include=("to_stage",)),
    Index("stage_transitions", "stage_transitions_occurred_at", ("occurred_at",), "brin"),
    Index("lead_revisions", "lead_revisions_recorded_tx", ("recorded_tx",)),
    Index("lead_revisions", "lead_revisions_lead", ("lead_id", "revision_id")),
    Index("removals", "removals_removed_tx", ("removed_tx",)),
    Index("leads", "leads_created_at", ("created_at",)),
    Index("deals", "deals_changed_tx", ("changed_tx",)),
    Index("deals", "deals_open_stage", ("stage",), where="status = 'open'"),
    Index("deals", "deals_closed_at", ("closed_at",)),
    Index("deals", "deals_lead", ("lead_id",)),
    Index("touches", "touches_recorded_tx", ("recorded_tx",)),
    Index("touches", "touches_lead", ("lead_id", "occurred_at")),
    Index("calls", "calls_recorded_tx", ("recorded_tx",)),
    Index("calls", "calls_started_at", ("started_at",)),
    Index("call_judgements", "call_judgements_recorded_tx", ("recorded_tx",)),
    Index("call_judgements", "call_judgements_call", ("call_id",)),
    Index("model_predictions", "model_predictions_subject", ("subject_kind", "subject_id")),
    Index("model_predictions", "model_predictions_recorded_tx", ("recorded_tx",)),
    Index("model_predictions", "model_predictions_predicted_at", ("predicted_at",), "brin"),
    Index("model_outcomes", "model_outcomes_recorded_tx", ("recorded_tx",)),
    Index("spend", "spend_changed_tx", ("changed_tx",)),
)

REMOVAL_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "stage_transitions": ("lead_id",), "deals": ("deal_id",), "spend": ("spend_day", "channel_id", "campaign_id"),
    "touches": ("lead_id",), "calls": ("call_id",), "call_judgements": ("call_id",),
    "model_predictions": ("subject_kind", "subject_id"), "model_outcomes": ("subject_kind", "subject_id"),
})
"""Relations whose deleted rows are written to ``removals``, with what its ``key`` is made of, joined by chr(31)."""

UNLOGGED = frozenset({"reason", "lost_reason"})
"""Free text that no figure needs: it is not kept of a row that is deleted."""

READABLE = """
    SELECT c.relname AS relation
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = 'sales' AND c.relname = ANY (%(names)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
"""
"""Which of ``names`` are present and readable. Rights are on columns: has_table_privilege would say no."""
