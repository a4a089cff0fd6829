-- Retell AI calls, stored as the API's call object in a table retell.calls (call_id text PRIMARY KEY, call jsonb).
--
-- The object is what GET /v2/get-call/{call_id} returns and what the webhook call_analyzed brings as call. Set
-- metadata.lead_id when you create a call, so that it can be joined to its lead.
-- For exact incremental reading: sales-exporter schema --alter --table calls=retell.calls, then add recorded_tx below.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.reps AS
SELECT DISTINCT ON (call ->> 'agent_id')
       call ->> 'agent_id' AS rep_id,
       coalesce(call ->> 'agent_name', 'Retell agent') AS display_name,
       'voice agents'::text AS team,
       'ai'::text AS kind,
       (to_timestamp((call ->> 'end_timestamp')::double precision / 1000) AT TIME ZONE 'UTC')::date AS active_from,
       NULL::date AS active_to
  FROM retell.calls
 WHERE call ->> 'agent_id' IS NOT NULL AND call ->> 'end_timestamp' IS NOT NULL
 ORDER BY call ->> 'agent_id', (call ->> 'end_timestamp')::double precision;

-- Times are milliseconds since 1970; the cost is in US cents; latencies are milliseconds.
CREATE OR REPLACE VIEW sales.calls AS
SELECT call_id,
       call #>> '{metadata,lead_id}' AS lead_id,
       call ->> 'agent_id' AS rep_id,
       NULL::text AS channel_id,
       CASE WHEN call ->> 'call_type' = 'web_call' THEN 'web' END AS carrier,
       'ai'::text AS agent_kind,
       coalesce(call ->> 'direction', 'inbound') AS direction,
       started_at,
       CASE WHEN outcome = 'answered' THEN started_at END AS answered_at,
       ended_at,
       outcome,
       (call #>> '{call_analysis,call_successful}')::boolean AS success,
       CASE WHEN outcome = 'answered' THEN extract(epoch FROM ended_at - started_at)::double precision END
         AS talk_seconds,
       NULL::double precision AS hold_seconds,
       NULL::double precision AS wrap_seconds,
       (call #>> '{latency,e2e,values,0}')::double precision / 1000 AS first_response_seconds,
       reason IN ('call_transfer', 'transfer_bridged') AS transferred,
       (call #>> '{call_cost,combined_cost}')::numeric / 100 AS cost,
       'USD'::text AS currency
  FROM (SELECT c.call_id, c.call,
               coalesce(c.call ->> 'disconnection_reason', '') AS reason,
               to_timestamp(coalesce(c.call ->> 'start_timestamp', c.call ->> 'end_timestamp')::double precision / 1000)
                 AS started_at,
               to_timestamp((c.call ->> 'end_timestamp')::double precision / 1000) AS ended_at,
               CASE WHEN c.call ->> 'disconnection_reason' IN ('dial_no_answer', 'user_declined') THEN 'no_answer'
                    WHEN c.call ->> 'disconnection_reason' = 'dial_busy' THEN 'busy'
                    WHEN c.call ->> 'disconnection_reason' IN ('voicemail_reached', 'machine_detected')
                      OR c.call #>> '{call_analysis,in_voicemail}' = 'true' THEN 'voicemail'
                    WHEN c.call ->> 'disconnection_reason' IN ('registered_call_timeout', 'error_user_not_joined')
                      THEN 'abandoned'
                    WHEN c.call ->> 'call_status' = 'not_connected' OR c.call ->> 'start_timestamp' IS NULL
                      OR c.call ->> 'disconnection_reason' IN (
                          'dial_failed', 'invalid_destination', 'telephony_provider_permission_denied',
                          'telephony_provider_unavailable', 'sip_routing_error', 'no_valid_payment',
                          'concurrency_limit_reached', 'no_concurrency_fallback', 'marked_as_spam', 'scam_detected')
                      THEN 'failed'
                    ELSE 'answered' END AS outcome
          FROM retell.calls AS c
         WHERE c.call ->> 'end_timestamp' IS NOT NULL) AS ended;
