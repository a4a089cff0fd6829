-- Salesforce leads, opportunities, campaigns and users, as Fivetran syncs them into the schema "salesforce".
--
-- (Airbyte keeps Salesforce's own names: write "StageName" for stage_name, "LeadSource" for lead_source and so on.)
-- A lead's way is its creation, then the stages of the opportunity that it was converted into, from OpportunityHistory,
-- which needs no field tracking. Configure the stages of your sales process behind the first one:
--
--   business:
--     stages:
--       - {name: Lead}
--       - {name: Prospecting}
--       - {name: Qualification}
--       - {name: Proposal/Price Quote}
--       - {name: Negotiation/Review}
--       - {name: Closed Won, kind: won}
--       - {name: Closed Lost, kind: lost}
--
-- For exact incremental reading: sales-exporter schema --alter --table leads=salesforce.lead
-- --table deals=salesforce.opportunity, then add the column changed_tx below.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.channels AS
SELECT DISTINCT source AS channel_id, source AS name, 'crm'::text AS kind
  FROM (SELECT lead_source AS source FROM salesforce.lead
        UNION ALL SELECT type FROM salesforce.campaign) AS s
 WHERE source IS NOT NULL;

CREATE OR REPLACE VIEW sales.campaigns AS
SELECT id AS campaign_id,
       type AS channel_id,
       name,
       start_date AS starts_on,
       end_date AS ends_on,
       budgeted_cost::numeric(18, 2) AS budget
  FROM salesforce.campaign
 WHERE NOT is_deleted AND type IS NOT NULL;

CREATE OR REPLACE VIEW sales.touches AS
SELECT m.id AS touch_id,
       m.lead_id,
       m.created_date AS occurred_at,
       c.type AS channel_id,
       m.campaign_id,
       m.status AS kind
  FROM salesforce.campaign_member AS m
  JOIN salesforce.campaign AS c ON c.id = m.campaign_id AND NOT c.is_deleted AND c.type IS NOT NULL
  JOIN salesforce.lead AS l ON l.id = m.lead_id AND NOT l.is_deleted
 WHERE NOT m.is_deleted;

CREATE OR REPLACE VIEW sales.reps AS
SELECT id AS rep_id,
       name AS display_name,
       department AS team,
       'human'::text AS kind,
       (created_date AT TIME ZONE 'UTC')::date AS active_from,
       CASE WHEN NOT is_active THEN (last_modified_date AT TIME ZONE 'UTC')::date END AS active_to
  FROM salesforce."user";

-- Owners may be queues, whose ids begin with 00G: those leads have no rep yet.
CREATE OR REPLACE VIEW sales.leads AS
SELECT id AS lead_id,
       created_date AS created_at,
       lead_source AS channel_id,
       NULL::text AS campaign_id,
       CASE WHEN owner_id LIKE '005%' THEN owner_id END AS rep_id,
       false AS is_test
  FROM salesforce.lead
 WHERE NOT is_deleted;

-- OpportunityHistory also has a row for each change of amount or close date: only changes of the stage count here.
CREATE OR REPLACE VIEW sales.stage_transitions AS
SELECT 'lead/' || id AS transition_id, id AS lead_id, NULL::text AS from_stage, 'Lead'::text AS to_stage,
       created_date AS occurred_at, created_date AS recorded_at, NULL::text AS rep_id, NULL::text AS reason
  FROM salesforce.lead
 WHERE NOT is_deleted
UNION ALL
SELECT transition_id, lead_id, from_stage, to_stage, occurred_at, occurred_at, rep_id, NULL::text
  FROM (SELECT h.id AS transition_id,
               l.id AS lead_id,
               lag(h.stage_name, 1, 'Lead') OVER (PARTITION BY l.id ORDER BY h.created_date, h.id) AS from_stage,
               h.stage_name AS to_stage,
               h.created_date AS occurred_at,
               h.created_by_id AS rep_id
          FROM salesforce.lead AS l
          JOIN salesforce.opportunity_history AS h ON h.opportunity_id = l.converted_opportunity_id
         WHERE NOT l.is_deleted AND NOT h.is_deleted) AS t
 WHERE from_stage IS DISTINCT FROM to_stage;

-- close_date is a day, and people move it: the moment of the last change of stage is when the deal was closed.
-- An opportunity without an amount counts as 0: it is in the counts and lowers the mean.
CREATE OR REPLACE VIEW sales.deals AS
SELECT o.id AS deal_id,
       l.id AS lead_id,
       o.owner_id AS rep_id,
       o.created_date AS opened_at,
       o.stage_name AS stage,
       CASE WHEN o.is_won THEN 'won' WHEN o.is_closed THEN 'lost' ELSE 'open' END AS status,
       coalesce(o.amount, 0)::numeric(18, 2) AS amount,
       -- Organisations with several currencies have o.currency_iso_code; with one, put yours here.
       'USD'::text AS currency,
       CASE WHEN NOT o.is_closed THEN o.close_date::date END AS expected_close_on,
       CASE WHEN o.is_closed
            THEN coalesce(o.last_stage_change_date, o.close_date::timestamp AT TIME ZONE 'UTC') END AS closed_at,
       NULL::text AS lost_reason
  FROM salesforce.opportunity AS o
  LEFT JOIN (SELECT converted_opportunity_id, min(id) AS id FROM salesforce.lead WHERE NOT is_deleted GROUP BY 1) AS l
    ON l.converted_opportunity_id = o.id
 WHERE NOT o.is_deleted;
