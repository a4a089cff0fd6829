-- HubSpot contacts, lifecycle stages, deals and owners, as Fivetran syncs them into the schema "hubspot".
--
-- A lead is a contact; its way is the history of its lifecycle stage. Configure the stages that you use, in order:
--
--   business:
--     stages:
--       - {name: subscriber}
--       - {name: lead}
--       - {name: marketingqualifiedlead}
--       - {name: salesqualifiedlead}
--       - {name: opportunity}
--       - {name: customer, kind: won}
--       - {name: closedwon, kind: won}
--       - {name: closedlost, kind: lost}
--
-- Deals keep the ids of their pipeline's stages (appointmentscheduled, qualifiedtobuy, …): add those that you have.
-- For exact incremental reading: sales-exporter schema --alter --table leads=hubspot.contact
-- --table deals=hubspot.deal --table stage_transitions=hubspot.contact_property_history, then add the columns
-- changed_tx and recorded_tx below.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.channels AS
SELECT DISTINCT lower(property_hs_analytics_source) AS channel_id,
       initcap(replace(property_hs_analytics_source, '_', ' ')) AS name,
       CASE WHEN property_hs_analytics_source LIKE 'PAID%' THEN 'paid'
            WHEN property_hs_analytics_source IN ('EMAIL_MARKETING', 'OTHER_CAMPAIGNS') THEN 'campaign'
            WHEN property_hs_analytics_source = 'OFFLINE' THEN 'offline'
            ELSE 'organic' END AS kind
  FROM hubspot.contact
 WHERE property_hs_analytics_source IS NOT NULL;

CREATE OR REPLACE VIEW sales.reps AS
SELECT owner_id::text AS rep_id,
       coalesce(nullif(trim(concat_ws(' ', first_name, last_name)), ''), owner_id::text) AS display_name,
       NULL::text AS team,
       'human'::text AS kind,
       (created_at AT TIME ZONE 'UTC')::date AS active_from,
       NULL::date AS active_to
  FROM hubspot.owner;

CREATE OR REPLACE VIEW sales.leads AS
SELECT id::text AS lead_id,
       property_createdate AS created_at,
       lower(property_hs_analytics_source) AS channel_id,
       NULL::text AS campaign_id,
       property_hubspot_owner_id::text AS rep_id,
       false AS is_test
  FROM hubspot.contact
 WHERE NOT coalesce(_fivetran_deleted, false);

-- The history lists values; the stage before is the value before. Partitioned by lead_id, so that a question about
-- some leads reads their rows alone.
CREATE OR REPLACE VIEW sales.stage_transitions AS
SELECT concat_ws('/', h.contact_id, to_char(h."timestamp" AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')) AS transition_id,
       h.contact_id::text AS lead_id,
       lag(h.value) OVER (PARTITION BY h.contact_id::text ORDER BY h."timestamp") AS from_stage,
       h.value AS to_stage,
       h."timestamp" AS occurred_at,
       h._fivetran_synced AS recorded_at,
       NULL::text AS rep_id,
       h.source AS reason
  FROM hubspot.contact_property_history AS h
  JOIN hubspot.contact AS c ON c.id = h.contact_id AND NOT coalesce(c._fivetran_deleted, false)
 WHERE h.name = 'lifecyclestage' AND h.value <> '';

-- A deal without an amount counts as 0: it is in the counts and lowers the mean. To leave it out, add
-- AND d.property_amount IS NOT NULL.
CREATE OR REPLACE VIEW sales.deals AS
SELECT d.deal_id::text AS deal_id,
       (SELECT min(dc.contact_id)::text FROM hubspot.deal_contact AS dc WHERE dc.deal_id = d.deal_id) AS lead_id,
       d.owner_id::text AS rep_id,
       d.property_createdate AS opened_at,
       d.deal_pipeline_stage_id AS stage,
       CASE WHEN s.closed_won THEN 'won' WHEN s.probability = 0 THEN 'lost' ELSE 'open' END AS status,
       coalesce(d.property_amount, 0)::numeric(18, 2) AS amount,
       -- Accounts with one currency do not fill this property: put yours here.
       coalesce(d.property_deal_currency_code, 'EUR') AS currency,
       CASE WHEN NOT s.closed_won AND s.probability > 0
            THEN (d.property_closedate AT TIME ZONE 'UTC')::date END AS expected_close_on,
       CASE WHEN s.closed_won OR s.probability = 0 THEN d.property_closedate END AS closed_at,
       d.property_closed_lost_reason AS lost_reason
  FROM hubspot.deal AS d
  JOIN hubspot.deal_pipeline_stage AS s ON s.stage_id = d.deal_pipeline_stage_id AND s.pipeline_id = d.deal_pipeline_id
 WHERE NOT coalesce(d.is_deleted, false);
