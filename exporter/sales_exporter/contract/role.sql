-- The role that sales-exporter connects with: it reads the contract's columns and nothing else.
-- Run it after the schema, in each database that holds the contract, and again when relations or columns are added:
--
--     sales-exporter schema --role | psql --single-transaction --set ON_ERROR_STOP=1
--
-- The role is made without LOGIN and without a password. Give it both once; running this file again keeps them:
--
--     ALTER ROLE sales_exporter LOGIN;   then   \password sales_exporter

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_exporter') THEN
        CREATE ROLE sales_exporter;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the cluster: another database was faster
END
$$;

DO $$
BEGIN
    -- Taking these away needs rights that a managed database does not give; refusing needs none.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_exporter'
                AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'role sales_exporter exists and may do more than read; drop it or choose another cluster'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Five: the exporter holds two, check and audit one each, one is spare.
ALTER ROLE sales_exporter CONNECTION LIMIT 5;
ALTER ROLE sales_exporter SET default_transaction_read_only = on;
-- The backstop; every pass sets its own, shorter one.
ALTER ROLE sales_exporter SET statement_timeout = '30s';
ALTER ROLE sales_exporter SET lock_timeout = '1s';
ALTER ROLE sales_exporter SET idle_in_transaction_session_timeout = '5s';
DO $$
BEGIN
    ALTER ROLE sales_exporter SET client_connection_check_interval = '1s';
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE WARNING 'this server cannot watch for vanished clients; an abandoned query runs until statement_timeout';
END
$$;

DO $$
DECLARE
    relation  text;
    wanted    text[];
    present   text;
    contract  CONSTANT jsonb := '{
        "leads": ["lead_id", "created_at", "channel_id", "campaign_id", "rep_id", "is_test", "changed_tx"],
        "lead_revisions": ["revision_id", "lead_id", "channel_id", "campaign_id", "rep_id", "is_test", "deleted",
            "recorded_tx", "created_at"],
        "removals": ["removal_id", "relation", "key", "facts", "removed_at", "removed_tx"],
        "stage_transitions": ["transition_id", "lead_id", "from_stage", "to_stage", "occurred_at", "recorded_at",
            "recorded_tx", "rep_id", "reason"],
        "deals": ["deal_id", "lead_id", "rep_id", "opened_at", "stage", "status", "amount", "currency",
            "expected_close_on", "closed_at", "lost_reason", "changed_tx"],
        "channels": ["channel_id", "name", "kind"],
        "campaigns": ["campaign_id", "channel_id", "name", "starts_on", "ends_on", "budget"],
        "spend": ["spend_day", "channel_id", "campaign_id", "amount", "currency", "changed_tx"],
        "touches": ["touch_id", "lead_id", "occurred_at", "channel_id", "campaign_id", "kind", "recorded_tx"],
        "reps": ["rep_id", "display_name", "team", "kind", "active_from", "active_to"],
        "calls": ["call_id", "lead_id", "rep_id", "channel_id", "carrier", "agent_kind", "direction", "started_at",
            "answered_at", "ended_at", "outcome", "success", "talk_seconds", "hold_seconds", "wrap_seconds",
            "first_response_seconds", "transferred", "cost", "currency", "recorded_tx"],
        "call_judgements": ["judgement_id", "call_id", "success", "judged_at", "recorded_tx"],
        "model_predictions": ["prediction_id", "model", "version", "subject_kind", "subject_id", "predicted_at",
            "horizon_seconds", "score", "threshold", "recorded_tx"],
        "model_outcomes": ["subject_kind", "subject_id", "observed_at", "label", "is_final", "recorded_tx"],
        "targets": ["period_start", "period_kind", "metric", "team", "amount", "currency"],
        "fx_rates": ["day", "currency", "rate"],
        "api_requests": ["request_id", "started_at", "route", "method", "status", "duration_seconds"]
    }';
BEGIN
    EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO sales_exporter', pg_catalog.current_database());
    GRANT USAGE ON SCHEMA sales TO sales_exporter;
    REVOKE ALL ON ALL TABLES IN SCHEMA sales FROM sales_exporter;
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA sales FROM sales_exporter;
    -- Columns, not tables: a table of yours may hold an e-mail address beside what the contract needs. Whether a relation
    -- can be read is therefore answered by has_any_column_privilege; has_table_privilege says no.
    FOR relation, wanted IN
        SELECT key, ARRAY(SELECT pg_catalog.jsonb_array_elements_text(value)) FROM pg_catalog.jsonb_each(contract)
    LOOP
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ') INTO present
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = pg_catalog.to_regclass('sales.' || relation)
           AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (wanted);
        IF present IS NOT NULL THEN
            EXECUTE pg_catalog.format('GRANT SELECT (%s) ON sales.%I TO sales_exporter', present, relation);
        END IF;
    END LOOP;
END
$$;
