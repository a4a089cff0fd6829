-- The role that the webhook intake writes with: it adds rows of the kinds that events bring, changes leads and deals, and
-- keeps its own tables. It reads nothing of the contract but the keys of leads and deals, and deletes nothing of it.
-- Run it after the schema and `schema --intake`, in each database that holds the contract:
--
--     sales-exporter schema --intake-role | psql --single-transaction --set ON_ERROR_STOP=1
--
-- The role is made without LOGIN and without a password. Give it both once; running this file again keeps them:
--
--     ALTER ROLE sales_intake LOGIN;   then   \password sales_intake

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_intake') THEN
        CREATE ROLE sales_intake;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the cluster: another database was faster
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'sales_intake'
                AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'role sales_intake exists and may do more than write events; drop it or choose another cluster'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Three: the intake holds one, replay one, one is spare.
ALTER ROLE sales_intake CONNECTION LIMIT 3;
ALTER ROLE sales_intake SET statement_timeout = '10s';
ALTER ROLE sales_intake SET lock_timeout = '2s';
ALTER ROLE sales_intake SET idle_in_transaction_session_timeout = '10s';
DO $$
BEGIN
    ALTER ROLE sales_intake SET client_connection_check_interval = '1s';
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE WARNING 'this server cannot watch for vanished clients; an abandoned query runs until statement_timeout';
END
$$;

DO $$
BEGIN
    EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO sales_intake', pg_catalog.current_database());
END
$$;
GRANT USAGE ON SCHEMA sales, sales_intake TO sales_intake;
REVOKE ALL ON ALL TABLES IN SCHEMA sales FROM sales_intake;
REVOKE ALL ON ALL TABLES IN SCHEMA sales_intake FROM sales_intake;

GRANT INSERT (call_id, lead_id, rep_id, channel_id, carrier, agent_kind, direction, started_at, answered_at, ended_at,
              outcome, success, talk_seconds, hold_seconds, wrap_seconds, first_response_seconds, transferred, cost,
              currency) ON sales.calls TO sales_intake;
GRANT INSERT (judgement_id, call_id, success, judged_at) ON sales.call_judgements TO sales_intake;
GRANT INSERT (transition_id, lead_id, from_stage, to_stage, occurred_at, rep_id, reason)
    ON sales.stage_transitions TO sales_intake;

-- To find the row that an event changes, its key has to be read.
GRANT SELECT (lead_id), INSERT (lead_id, created_at, channel_id, campaign_id, rep_id, is_test),
      UPDATE (created_at, channel_id, campaign_id, rep_id, is_test) ON sales.leads TO sales_intake;
GRANT SELECT (deal_id),
      INSERT (deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, expected_close_on, closed_at,
              lost_reason),
      UPDATE (lead_id, rep_id, opened_at, stage, status, amount, currency, expected_close_on, closed_at, lost_reason)
    ON sales.deals TO sales_intake;

GRANT SELECT, INSERT, DELETE ON sales_intake.events TO sales_intake;
GRANT SELECT, INSERT, UPDATE ON sales_intake.as_of TO sales_intake;
GRANT SELECT, INSERT, UPDATE, DELETE ON sales_intake.dead_letters TO sales_intake;
