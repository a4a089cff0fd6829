-- The data contract of sales-exporter: PostgreSQL 14 or newer, schema "sales".
-- It may be run again: what exists already is left as it is.
--
--     sales-exporter schema | psql --single-transaction --set ON_ERROR_STOP=1
--
-- What it does not have, and why:
-- * No CHECK on enums, amounts or currencies. A value outside the documented set is counted by the exporter and reported by
--   `sales-exporter check`; a constraint would refuse the row and the number would silently lack it.
-- * No foreign keys. A log row may arrive before the row that it names, and erasure takes leads away while other rows stay.
--   Orphans are reported by `sales-exporter check`.
--
-- Append-only logs refuse UPDATE (the change key alone may be set anew, see `check`). DELETE stays possible, for erasure:
-- 1. delete the lead and its rows in one transaction, in any order; triggers log what goes (lead_revisions, removals), so
--    that the exporter can take back what it counted. 2. When it has read that (one pass): SELECT sales.purge_removals('1 hour').
-- Purging by a schedule without an argument keeps 30 days, longer than any planned downtime: an exporter whose state is older
-- than the last purge must be rebuilt. TRUNCATE of a log leaves no removals; the exporter notices it by itself.

CREATE SCHEMA IF NOT EXISTS sales;

-- Functions ------------------------------------------------------------------------------------------------------------

-- The change key of mutable tables. An update that changes nothing keeps its key, so that an idempotent upsert is no change.
CREATE OR REPLACE FUNCTION sales.set_changed_tx() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW IS DISTINCT FROM OLD THEN
        NEW.changed_tx := pg_current_xact_id();
    END IF;
    RETURN NEW;
END
$$;

-- Append-only logs: the history that was already counted must not change under the counts.
CREATE OR REPLACE FUNCTION sales.refuse_update() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'removals' THEN
        OLD.removed_tx := NEW.removed_tx;
    ELSE
        OLD.recorded_tx := NEW.recorded_tx;
    END IF;
    IF NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION '%.% is append-only: write a new row instead of changing one', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- The log of leads. Statement triggers: a bulk load pays one INSERT … SELECT, not one call for each row. They run with the
-- rights of their owner, so that an application which may write leads needs no right on the log.
CREATE OR REPLACE FUNCTION sales.revise_inserted_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test, false FROM new_rows;
    RETURN NULL;
END
$$;

-- No nested loop: see log_rekeyed_deals.
CREATE OR REPLACE FUNCTION sales.revise_updated_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test, true FROM old_rows
     WHERE NOT EXISTS (SELECT FROM new_rows WHERE new_rows.lead_id = old_rows.lead_id);
    -- set_changed_tx has marked the rows that really changed.
    INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test, false FROM new_rows
     WHERE changed_tx = pg_current_xact_id();
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.revise_deleted_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test, true FROM old_rows;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.revise_truncated_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test, true FROM sales.leads;
    RETURN NULL;
END
$$;

-- The log of rows that are gone, of any relation. Its arguments: the columns whose values make the removal's key, and the
-- columns that are kept. All others are left out of the facts: free text, and what a table of yours has beside the contract.
CREATE OR REPLACE FUNCTION sales.log_removals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS $$
DECLARE
    key_columns CONSTANT text[] := TG_ARGV[0];
    kept        CONSTANT text[] := TG_ARGV[1];
    left_out    text[];
BEGIN
    IF NOT EXISTS (SELECT FROM old_rows) THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(array_agg(attname::text), '{}') INTO left_out
      FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped AND attname <> ALL (kept);
    INSERT INTO sales.removals (relation, key, facts)
    SELECT TG_TABLE_NAME,
           (SELECT string_agg(coalesce(facts ->> name, ''), chr(31) ORDER BY place)
              FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)),
           facts
           -- OFFSET 0: facts are made once for each row.
      FROM (SELECT to_jsonb(o) - left_out AS facts FROM old_rows AS o OFFSET 0) AS gone;
    RETURN NULL;
END
$$;

-- Removed is also a row whose key an update has changed. The argument: the columns that are kept. No nested loop: a plan that
-- plpgsql kept from a statement of one row would compare each row with each other in a statement of many.
CREATE OR REPLACE FUNCTION sales.log_rekeyed_deals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO sales.removals (relation, key, facts)
    SELECT 'deals', o.deal_id,
           (SELECT jsonb_object_agg(name, value) FROM jsonb_each(to_jsonb(o)) AS f (name, value)
             WHERE name = ANY (TG_ARGV[0]::text[]))
      FROM old_rows AS o
     WHERE o.deal_id IS NOT NULL AND NOT EXISTS (SELECT FROM new_rows AS n WHERE n.deal_id = o.deal_id);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.log_rekeyed_spend() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO sales.removals (relation, key, facts)
    SELECT 'spend', concat_ws(chr(31), to_jsonb(o) ->> 'spend_day', o.channel_id, coalesce(o.campaign_id, '')),
           (SELECT jsonb_object_agg(name, value) FROM jsonb_each(to_jsonb(o)) AS f (name, value)
             WHERE name = ANY (TG_ARGV[0]::text[]))
      FROM old_rows AS o
     WHERE o.spend_day IS NOT NULL AND o.channel_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM new_rows AS n
                        WHERE n.spend_day = o.spend_day AND n.channel_id = o.channel_id
                          AND coalesce(n.campaign_id, '') = coalesce(o.campaign_id, ''));
    RETURN NULL;
END
$$;

-- Deletes removals that are older, and all revisions of leads that were deleted by then. Returns how many rows went. Keep
-- more than your longest transaction: removed_at is the time at which a transaction began.
CREATE OR REPLACE FUNCTION sales.purge_removals(older_than interval DEFAULT '30 days') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until     CONSTANT timestamptz := now() - older_than;
    -- Revisions bear no time: they are older when a removal that goes was not written before them.
    last_tx   xid8;
    removals  bigint;
    revisions bigint;
BEGIN
    SELECT removed_tx INTO last_tx FROM sales.removals
     WHERE removed_at < until
       AND removed_tx < ALL (SELECT removed_tx FROM sales.removals WHERE removed_at >= until)
     ORDER BY removed_tx DESC LIMIT 1;
    DELETE FROM sales.removals WHERE removed_at < until;
    GET DIAGNOSTICS removals = ROW_COUNT;
    DELETE FROM sales.lead_revisions AS r
     USING sales.lead_revisions AS d
     WHERE r.lead_id = d.lead_id AND d.deleted AND d.recorded_tx <= last_tx
       AND NOT EXISTS (SELECT FROM sales.lead_revisions AS later
                        WHERE later.lead_id = d.lead_id AND later.revision_id > d.revision_id);
    GET DIAGNOSTICS revisions = ROW_COUNT;
    RETURN removals + revisions;
END
$$;

-- Firing a trigger needs no EXECUTE; without it nobody can hang these functions on a table of his own. Grant the purge to the
-- role that is to run it.
REVOKE ALL ON FUNCTION sales.revise_inserted_leads(), sales.revise_updated_leads(), sales.revise_deleted_leads(),
    sales.revise_truncated_leads(), sales.log_removals(), sales.log_rekeyed_deals(), sales.log_rekeyed_spend(),
    sales.purge_removals(interval) FROM PUBLIC;

-- Relations ------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS sales.leads (
    lead_id     text PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    channel_id  text,
    campaign_id text,
    rep_id      text,
    is_test     boolean NOT NULL DEFAULT false,
    changed_tx  xid8 NOT NULL DEFAULT pg_current_xact_id()
);

-- Ids from one sequence, padded so that they sort as text: the last revision of a lead is the one with the greatest id.
-- The sequence is drawn from under the lead's row lock; recorded_tx is not, and may be out of order between transactions.
CREATE SEQUENCE IF NOT EXISTS sales.lead_revision_number;

CREATE TABLE IF NOT EXISTS sales.lead_revisions (
    revision_id text PRIMARY KEY DEFAULT lpad(nextval('sales.lead_revision_number')::text, 19, '0'),
    lead_id     text NOT NULL,
    channel_id  text,
    campaign_id text,
    rep_id      text,
    is_test     boolean NOT NULL DEFAULT false,
    deleted     boolean NOT NULL DEFAULT false,
    recorded_tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at  timestamptz
);
-- Made before this column was: its older revisions hold NULL.
ALTER TABLE sales.lead_revisions ADD COLUMN IF NOT EXISTS created_at timestamptz;

-- Rows that are gone from relations with a change key; leads have revisions instead. jsonb_populate_record reads the facts
-- back.
CREATE SEQUENCE IF NOT EXISTS sales.removal_number;

CREATE TABLE IF NOT EXISTS sales.removals (
    removal_id text PRIMARY KEY DEFAULT lpad(nextval('sales.removal_number')::text, 19, '0'),
    relation   text NOT NULL,
    key        text NOT NULL,
    facts      jsonb NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    removed_tx xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.stage_transitions (
    transition_id text PRIMARY KEY,
    lead_id       text NOT NULL,
    from_stage    text,
    to_stage      text NOT NULL,
    occurred_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    recorded_tx   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    rep_id        text,
    reason        text
);

CREATE TABLE IF NOT EXISTS sales.deals (
    deal_id           text PRIMARY KEY,
    lead_id           text,
    rep_id            text,
    opened_at         timestamptz,
    stage             text NOT NULL,
    status            text NOT NULL,
    amount            numeric(18, 2) NOT NULL,
    currency          text NOT NULL,
    expected_close_on date,
    closed_at         timestamptz,
    lost_reason       text,
    changed_tx        xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.channels (
    channel_id text PRIMARY KEY,
    name       text NOT NULL,
    kind       text NOT NULL
);

CREATE TABLE IF NOT EXISTS sales.campaigns (
    campaign_id text PRIMARY KEY,
    channel_id  text NOT NULL,
    name        text NOT NULL,
    starts_on   date,
    ends_on     date,
    budget      numeric(18, 2)
);

CREATE TABLE IF NOT EXISTS sales.spend (
    spend_day   date NOT NULL,
    channel_id  text NOT NULL,
    campaign_id text,
    amount      numeric(18, 2) NOT NULL,
    currency    text NOT NULL,
    changed_tx  xid8 NOT NULL DEFAULT pg_current_xact_id()
);
-- A primary key cannot hold NULL, and NULLS NOT DISTINCT needs PostgreSQL 15. Upsert with
-- ON CONFLICT (spend_day, channel_id, coalesce(campaign_id, '')).
CREATE UNIQUE INDEX IF NOT EXISTS spend_key ON sales.spend (spend_day, channel_id, coalesce(campaign_id, ''));

CREATE TABLE IF NOT EXISTS sales.touches (
    touch_id    text PRIMARY KEY,
    lead_id     text NOT NULL,
    occurred_at timestamptz NOT NULL,
    channel_id  text NOT NULL,
    campaign_id text,
    kind        text NOT NULL,
    recorded_tx xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.reps (
    rep_id       text PRIMARY KEY,
    display_name text NOT NULL,
    team         text,
    kind         text NOT NULL,
    active_from  date NOT NULL,
    active_to    date
);

-- The cost of one call is often a fraction of a cent; two decimals would round it away.
CREATE TABLE IF NOT EXISTS sales.calls (
    call_id                text PRIMARY KEY,
    lead_id                text,
    rep_id                 text,
    channel_id             text,
    carrier                text,
    agent_kind             text NOT NULL,
    direction              text NOT NULL,
    started_at             timestamptz NOT NULL,
    answered_at            timestamptz,
    ended_at               timestamptz NOT NULL,
    outcome                text NOT NULL,
    success                boolean,
    talk_seconds           double precision,
    hold_seconds           double precision,
    wrap_seconds           double precision,
    first_response_seconds double precision,
    transferred            boolean NOT NULL DEFAULT false,
    cost                   numeric(18, 6),
    currency               text,
    recorded_tx            xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.call_judgements (
    judgement_id text PRIMARY KEY,
    call_id      text NOT NULL,
    success      boolean NOT NULL,
    judged_at    timestamptz NOT NULL,
    recorded_tx  xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.model_predictions (
    prediction_id   text PRIMARY KEY,
    model           text NOT NULL,
    version         text NOT NULL,
    subject_kind    text NOT NULL,
    subject_id      text NOT NULL,
    predicted_at    timestamptz NOT NULL,
    horizon_seconds double precision NOT NULL,
    score           double precision NOT NULL,
    threshold       double precision,
    recorded_tx     xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE IF NOT EXISTS sales.model_outcomes (
    subject_kind text NOT NULL,
    subject_id   text NOT NULL,
    observed_at  timestamptz NOT NULL,
    label        smallint NOT NULL,
    is_final     boolean NOT NULL,
    recorded_tx  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (subject_kind, subject_id, observed_at)
);

CREATE TABLE IF NOT EXISTS sales.targets (
    period_start date NOT NULL,
    period_kind  text NOT NULL,
    metric       text NOT NULL,
    team         text,
    amount       numeric(18, 2) NOT NULL,
    currency     text
);
CREATE UNIQUE INDEX IF NOT EXISTS targets_key
    ON sales.targets (period_start, period_kind, metric, coalesce(team, ''));

-- One unit of the currency is worth this many units of the reporting currency.
CREATE TABLE IF NOT EXISTS sales.fx_rates (
    day      date NOT NULL,
    currency text NOT NULL,
    rate     numeric NOT NULL,
    PRIMARY KEY (day, currency)
);

CREATE TABLE IF NOT EXISTS sales.api_requests (
    request_id       text PRIMARY KEY,
    started_at       timestamptz NOT NULL,
    route            text NOT NULL,
    method           text NOT NULL,
    status           integer NOT NULL,
    duration_seconds double precision NOT NULL
);

-- Indexes --------------------------------------------------------------------------------------------------------------
-- Above 100 million rows, range-partition the logs by month of recorded_at.

CREATE INDEX IF NOT EXISTS stage_transitions_recorded_tx ON sales.stage_transitions (recorded_tx);
CREATE INDEX IF NOT EXISTS stage_transitions_lead
    ON sales.stage_transitions (lead_id, occurred_at, transition_id) INCLUDE (to_stage);
CREATE INDEX IF NOT EXISTS stage_transitions_occurred_at ON sales.stage_transitions USING brin (occurred_at);
CREATE INDEX IF NOT EXISTS lead_revisions_recorded_tx ON sales.lead_revisions (recorded_tx);
CREATE INDEX IF NOT EXISTS lead_revisions_lead ON sales.lead_revisions (lead_id, revision_id);
CREATE INDEX IF NOT EXISTS removals_removed_tx ON sales.removals (removed_tx);
CREATE INDEX IF NOT EXISTS leads_created_at ON sales.leads (created_at);
CREATE INDEX IF NOT EXISTS deals_changed_tx ON sales.deals (changed_tx);
CREATE INDEX IF NOT EXISTS deals_open_stage ON sales.deals (stage) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS deals_closed_at ON sales.deals (closed_at);
CREATE INDEX IF NOT EXISTS deals_lead ON sales.deals (lead_id);
CREATE INDEX IF NOT EXISTS touches_recorded_tx ON sales.touches (recorded_tx);
CREATE INDEX IF NOT EXISTS touches_lead ON sales.touches (lead_id, occurred_at);
CREATE INDEX IF NOT EXISTS calls_recorded_tx ON sales.calls (recorded_tx);
CREATE INDEX IF NOT EXISTS calls_started_at ON sales.calls (started_at);
CREATE INDEX IF NOT EXISTS call_judgements_recorded_tx ON sales.call_judgements (recorded_tx);
CREATE INDEX IF NOT EXISTS call_judgements_call ON sales.call_judgements (call_id);
CREATE INDEX IF NOT EXISTS model_predictions_subject ON sales.model_predictions (subject_kind, subject_id);
CREATE INDEX IF NOT EXISTS model_predictions_recorded_tx ON sales.model_predictions (recorded_tx);
CREATE INDEX IF NOT EXISTS model_predictions_predicted_at ON sales.model_predictions USING brin (predicted_at);
CREATE INDEX IF NOT EXISTS model_outcomes_recorded_tx ON sales.model_outcomes (recorded_tx);
CREATE INDEX IF NOT EXISTS spend_changed_tx ON sales.spend (changed_tx);

-- Triggers -------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE TRIGGER set_changed_tx BEFORE INSERT OR UPDATE ON sales.leads
    FOR EACH ROW EXECUTE FUNCTION sales.set_changed_tx();
CREATE OR REPLACE TRIGGER set_changed_tx BEFORE INSERT OR UPDATE ON sales.deals
    FOR EACH ROW EXECUTE FUNCTION sales.set_changed_tx();
CREATE OR REPLACE TRIGGER set_changed_tx BEFORE INSERT OR UPDATE ON sales.spend
    FOR EACH ROW EXECUTE FUNCTION sales.set_changed_tx();

CREATE OR REPLACE TRIGGER revise_inserted_leads AFTER INSERT ON sales.leads
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.revise_inserted_leads();
CREATE OR REPLACE TRIGGER revise_updated_leads AFTER UPDATE ON sales.leads
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sales.revise_updated_leads();
CREATE OR REPLACE TRIGGER revise_deleted_leads AFTER DELETE ON sales.leads
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.revise_deleted_leads();
CREATE OR REPLACE TRIGGER revise_truncated_leads BEFORE TRUNCATE ON sales.leads
    FOR EACH STATEMENT EXECUTE FUNCTION sales.revise_truncated_leads();

CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.lead_revisions
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.stage_transitions
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.touches
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.calls
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.call_judgements
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.model_predictions
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.model_outcomes
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON sales.removals
    FOR EACH ROW EXECUTE FUNCTION sales.refuse_update();

-- What is kept is the contract's columns but stage_transitions.reason and deals.lost_reason, which no figure needs.
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.stage_transitions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{lead_id}',
        '{transition_id, lead_id, from_stage, to_stage, occurred_at, recorded_at, recorded_tx, rep_id}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.touches
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{lead_id}',
        '{touch_id, lead_id, occurred_at, channel_id, campaign_id, kind, recorded_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.calls
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{call_id}',
        '{call_id, lead_id, rep_id, channel_id, carrier, agent_kind, direction, started_at, answered_at, ended_at,
         outcome, success, talk_seconds, hold_seconds, wrap_seconds, first_response_seconds, transferred, cost,
         currency, recorded_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.call_judgements
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{call_id}',
        '{judgement_id, call_id, success, judged_at, recorded_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.deals
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{deal_id}',
        '{deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, expected_close_on, closed_at,
         changed_tx}');
CREATE OR REPLACE TRIGGER log_rekeyed_deals AFTER UPDATE ON sales.deals
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sales.log_rekeyed_deals(
        '{deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, expected_close_on, closed_at,
         changed_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.model_predictions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{subject_kind, subject_id}',
        '{prediction_id, model, version, subject_kind, subject_id, predicted_at, horizon_seconds, score,
         threshold, recorded_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.model_outcomes
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{subject_kind, subject_id}',
        '{subject_kind, subject_id, observed_at, label, is_final, recorded_tx}');
CREATE OR REPLACE TRIGGER log_removals AFTER DELETE ON sales.spend
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sales.log_removals(
        '{spend_day, channel_id, campaign_id}',
        '{spend_day, channel_id, campaign_id, amount, currency, changed_tx}');
CREATE OR REPLACE TRIGGER log_rekeyed_spend AFTER UPDATE ON sales.spend
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sales.log_rekeyed_spend(
        '{spend_day, channel_id, campaign_id, amount, currency, changed_tx}');
