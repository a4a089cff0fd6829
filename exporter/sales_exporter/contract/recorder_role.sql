-- The role that recorders of an application connect with: it adds rows to four relations, and does and sees nothing else.
-- Run it after the schema, in each database that holds the contract, and again when relations or columns are added:
--
--     sales-exporter schema --recorder-role | psql --single-transaction --set ON_ERROR_STOP=1
--
-- The role is made without LOGIN and without a password. Give it both once; running this file again keeps them:
--
--     ALTER ROLE sales_recorder LOGIN;   then   \password sales_recorder

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_recorder') THEN
        CREATE ROLE sales_recorder;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the cluster: another database was faster
END
$$;

DO $$
BEGIN
    -- Taking these away needs rights that a managed database does not give; refusing needs none.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_recorder'
                AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'role sales_recorder exists and may do more than record; drop it or choose another cluster'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- One connection for each process of the application. More workers than this? Raise it; those without one wait their turn.
ALTER ROLE sales_recorder CONNECTION LIMIT 32;
-- The backstop; every batch sets its own, shorter ones.
ALTER ROLE sales_recorder SET statement_timeout = '30s';
ALTER ROLE sales_recorder SET lock_timeout = '5s';
ALTER ROLE sales_recorder SET idle_in_transaction_session_timeout = '15s';
DO $$
BEGIN
    ALTER ROLE sales_recorder SET client_connection_check_interval = '1s';
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE WARNING 'this server cannot watch for vanished clients; an abandoned statement runs until statement_timeout';
END
$$;

DO $$
DECLARE
    relation  text;
    wanted    text[];
    present   text;
    -- Without the change key: it is the server's to set. No SELECT: rows are added with ON CONFLICT DO NOTHING and no
    -- target, which reads nothing in the role's name.
    recorded  CONSTANT jsonb := '{
        "calls": ["call_id", "lead_id", "rep_id", "channel_id", "carrier", "agent_kind", "direction", "started_at",
            "answered_at", "ended_at", "outcome", "success", "talk_seconds", "hold_seconds", "wrap_seconds",
            "first_response_seconds", "transferred", "cost", "currency"],
        "call_judgements": ["judgement_id", "call_id", "success", "judged_at"],
        "model_predictions": ["prediction_id", "model", "version", "subject_kind", "subject_id", "predicted_at",
            "horizon_seconds", "score", "threshold"],
        "model_outcomes": ["subject_kind", "subject_id", "observed_at", "label", "is_final"]
    }';
BEGIN
    EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO sales_recorder', pg_catalog.current_database());
    GRANT USAGE ON SCHEMA sales TO sales_recorder;
    REVOKE ALL ON ALL TABLES IN SCHEMA sales FROM sales_recorder;
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA sales FROM sales_recorder;
    FOR relation, wanted IN
        SELECT key, ARRAY(SELECT pg_catalog.jsonb_array_elements_text(value)) FROM pg_catalog.jsonb_each(recorded)
    LOOP
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ') INTO present
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = pg_catalog.to_regclass('sales.' || relation)
           AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (wanted);
        IF present IS NOT NULL THEN
            EXECUTE pg_catalog.format('GRANT INSERT (%s) ON sales.%I TO sales_recorder', present, relation);
        END IF;
    END LOOP;
END
$$;
