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
-- 1. delete the lead (its trigger writes the revision "deleted"), 2. wait until the exporter has read that revision (one pass),
-- 3. delete the lead's rows in the logs. Its rows in lead_revisions hold ids alone; they go last, or stay.

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
    OLD.recorded_tx := NEW.recorded_tx;
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
    INSERT INTO sales.lead_revisions (lead_id, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, channel_id, campaign_id, rep_id, is_test, false FROM new_rows;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.revise_updated_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, channel_id, campaign_id, rep_id, is_test, true FROM old_rows
     WHERE NOT EXISTS (SELECT FROM new_rows WHERE new_rows.lead_id = old_rows.lead_id);
    -- set_changed_tx has marked the rows that really changed.
    INSERT INTO sales.lead_revisions (lead_id, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, channel_id, campaign_id, rep_id, is_test, false FROM new_rows
     WHERE changed_tx = pg_current_xact_id();
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.revise_deleted_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, channel_id, campaign_id, rep_id, is_test, true FROM old_rows;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION sales.revise_truncated_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sales.lead_revisions (lead_id, channel_id, campaign_id, rep_id, is_test, deleted)
    SELECT lead_id, channel_id, campaign_id, rep_id, is_test, true FROM sales.leads;
    RETURN NULL;
END
$$;

-- Firing a trigger needs no EXECUTE; without it nobody can hang these functions on a table of his own.
REVOKE ALL ON FUNCTION sales.revise_inserted_leads(), sales.revise_updated_leads(), sales.revise_deleted_leads(),
    sales.revise_truncated_leads() FROM PUBLIC;

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
    recorded_tx xid8 NOT NULL DEFAULT pg_current_xact_id()
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
CREATE INDEX IF NOT EXISTS leads_created_at ON sales.leads (created_at);
CREATE INDEX IF NOT EXISTS deals_changed_tx ON sales.deals (changed_tx);
CREATE INDEX IF NOT EXISTS deals_open_stage ON sales.deals (stage) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS deals_closed_at ON sales.deals (closed_at);
CREATE INDEX IF NOT EXISTS touches_lead ON sales.touches (lead_id, occurred_at);
CREATE INDEX IF NOT EXISTS calls_recorded_tx ON sales.calls (recorded_tx);
CREATE INDEX IF NOT EXISTS calls_started_at ON sales.calls (started_at);
CREATE INDEX IF NOT EXISTS model_predictions_subject ON sales.model_predictions (subject_kind, subject_id);
CREATE INDEX IF NOT EXISTS model_predictions_recorded_tx ON sales.model_predictions (recorded_tx);
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
