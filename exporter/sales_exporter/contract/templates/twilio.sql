-- Twilio calls, as Airbyte syncs the Calls resource into the table twilio.calls.
--
-- (Fivetran calls it twilio.call, with id, parent_call_id, created_at and updated_at for sid, parent_call_sid,
-- date_created and date_updated.) A call that is put through has a second leg, a child with parent_call_sid: it is the
-- same conversation, so it is counted once, with the costs of all legs, as transferred.
-- Twilio does not know whether a person or a machine of yours talks: agent_kind is a constant, change it if need be.
-- For exact incremental reading: sales-exporter schema --alter --table calls=twilio.calls, then add recorded_tx below;
-- prices come in some minutes after the call, so let the sync write a row when the price is there.

CREATE SCHEMA IF NOT EXISTS sales;

-- duration is the time from the answer to the end, empty when nobody answered. price is negative, and NULL at first.
CREATE OR REPLACE VIEW sales.calls AS
SELECT c.sid::text AS call_id,
       NULL::text AS lead_id,
       NULL::text AS rep_id,
       NULL::text AS channel_id,
       'twilio'::text AS carrier,
       'human'::text AS agent_kind,
       CASE WHEN c.direction::text LIKE 'outbound%' OR c.direction::text = 'trunking-originating' THEN 'outbound'
            ELSE 'inbound' END AS direction,
       coalesce(c.start_time, c.date_created) AS started_at,
       CASE WHEN c.status = 'completed' AND c.duration IS NOT NULL
            THEN greatest(coalesce(c.start_time, c.date_created),
                          coalesce(c.end_time, c.date_updated) - make_interval(secs => c.duration::double precision))
            END AS answered_at,
       greatest(coalesce(c.end_time, c.date_updated, c.date_created), c.start_time, c.date_created) AS ended_at,
       CASE WHEN c.status = 'completed' AND c.answered_by::text LIKE 'machine%' THEN 'voicemail'
            WHEN c.status = 'completed' THEN 'answered'
            WHEN c.status = 'no-answer' THEN 'no_answer'
            WHEN c.status = 'canceled' AND c.direction::text LIKE 'inbound%' THEN 'abandoned'
            WHEN c.status = 'canceled' THEN 'failed'
            ELSE c.status END::text AS outcome,
       NULL::boolean AS success,
       CASE WHEN c.status = 'completed' THEN c.duration::double precision END AS talk_seconds,
       NULL::double precision AS hold_seconds,
       NULL::double precision AS wrap_seconds,
       NULL::double precision AS first_response_seconds,
       legs.number > 0 AS transferred,
       -(c.price::numeric + legs.price) AS cost,
       CASE WHEN c.price IS NOT NULL THEN upper(c.price_unit::text) END AS currency
  FROM twilio.calls AS c
 CROSS JOIN LATERAL (
       SELECT count(*) AS number, coalesce(sum(l.price::numeric), 0) AS price
         FROM twilio.calls AS l WHERE l.parent_call_sid = c.sid) AS legs
 WHERE c.parent_call_sid IS NULL
   AND c.status IN ('completed', 'busy', 'no-answer', 'canceled', 'failed');
