-- Vapi calls, stored as the API's call object in a table vapi.calls (id text PRIMARY KEY, call jsonb).
--
-- The object is what GET /call/{id} returns, and what the end-of-call-report brings as message.call (put cost,
-- analysis, artifact, startedAt, endedAt and endedReason of the message into it). Set metadata.lead_id in the
-- assistant's overrides when you place a call, so that it can be joined to its lead.
-- For exact incremental reading: sales-exporter schema --alter --table calls=vapi.calls, then add recorded_tx below.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.reps AS
SELECT DISTINCT ON (call ->> 'assistantId')
       call ->> 'assistantId' AS rep_id,
       coalesce(call #>> '{assistant,name}', 'Vapi assistant') AS display_name,
       'voice agents'::text AS team,
       'ai'::text AS kind,
       ((call ->> 'createdAt')::timestamptz AT TIME ZONE 'UTC')::date AS active_from,
       NULL::date AS active_to
  FROM vapi.calls
 WHERE call ->> 'assistantId' IS NOT NULL AND call ->> 'createdAt' IS NOT NULL
 ORDER BY call ->> 'assistantId', (call ->> 'createdAt')::timestamptz;

-- endedReason says why nobody talked; whatever it says after a start is a call that was answered.
CREATE OR REPLACE VIEW sales.calls AS
SELECT id AS call_id,
       coalesce(call #>> '{assistantOverrides,metadata,lead_id}', call #>> '{metadata,lead_id}') AS lead_id,
       call ->> 'assistantId' AS rep_id,
       NULL::text AS channel_id,
       call ->> 'phoneCallProvider' AS carrier,
       'ai'::text AS agent_kind,
       CASE WHEN call ->> 'type' = 'outboundPhoneCall' THEN 'outbound' ELSE 'inbound' END AS direction,
       coalesce(started_at, created_at) AS started_at,
       CASE WHEN outcome = 'answered' THEN started_at END AS answered_at,
       ended_at,
       outcome,
       CASE call #>> '{analysis,successEvaluation}' WHEN 'true' THEN true WHEN 'false' THEN false END AS success,
       CASE WHEN outcome = 'answered' THEN extract(epoch FROM ended_at - started_at)::double precision END
         AS talk_seconds,
       NULL::double precision AS hold_seconds,
       NULL::double precision AS wrap_seconds,
       -- Milliseconds from the end of the caller's first words to the assistant's first answer.
       (call #>> '{artifact,performanceMetrics,turnLatencies,0,turnLatency}')::double precision / 1000
         AS first_response_seconds,
       coalesce(call ->> 'endedReason' = 'assistant-forwarded-call', false) AS transferred,
       (call ->> 'cost')::numeric AS cost,
       'USD'::text AS currency
  FROM (SELECT c.id, c.call,
               (c.call ->> 'createdAt')::timestamptz AS created_at,
               (c.call ->> 'startedAt')::timestamptz AS started_at,
               (c.call ->> 'endedAt')::timestamptz AS ended_at,
               CASE WHEN c.call ->> 'endedReason' = 'customer-did-not-answer' THEN 'no_answer'
                    WHEN c.call ->> 'endedReason' = 'customer-busy' THEN 'busy'
                    WHEN c.call ->> 'endedReason' = 'voicemail' THEN 'voicemail'
                    WHEN c.call ->> 'startedAt' IS NULL
                      OR c.call ->> 'endedReason' ~ '^(call[.-]start|assistant-(not|request|join)|.*failed-to-connect)'
                      THEN 'failed'
                    ELSE 'answered' END AS outcome
          FROM vapi.calls AS c
         WHERE c.call ->> 'endedAt' IS NOT NULL) AS ended
 WHERE coalesce(started_at, created_at) IS NOT NULL;
