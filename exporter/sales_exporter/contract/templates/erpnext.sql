-- ERPNext leads and opportunities, over its tables in the schema "erpnext"; changes of status come from tabVersion.
--
-- (ERPNext on PostgreSQL keeps them in "public"; from MariaDB, copy them under the same names. Track Changes of the
-- doctype Lead must be on, which it is unless somebody switched it off.) Configure:
--
--   business:
--     stages:
--       - {name: Lead}
--       - {name: Open}
--       - {name: Replied}
--       - {name: Interested}
--       - {name: Opportunity}
--       - {name: Quotation}
--       - {name: Converted, kind: won}
--       - {name: Lost Quotation, kind: lost}
--       - {name: Do Not Contact, kind: lost}
--       - {name: Closed, kind: lost}
--       - {name: Lost, kind: lost}
--
-- ERPNext writes local times of the site: put the zone of System Settings in place of 'UTC' below.
-- Version 16 calls the column source of a lead utm_source.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.channels AS
SELECT DISTINCT source::text AS channel_id, source::text AS name, 'source'::text AS kind
  FROM erpnext."tabLead" WHERE source <> '';

CREATE OR REPLACE VIEW sales.reps AS
SELECT name::text AS rep_id,
       coalesce(nullif(full_name, ''), 'no name')::text AS display_name,
       NULL::text AS team,
       'human'::text AS kind,
       creation::date AS active_from,
       CASE WHEN enabled = 0 THEN modified::date END AS active_to
  FROM erpnext."tabUser";

CREATE OR REPLACE VIEW sales.leads AS
SELECT name::text AS lead_id,
       creation AT TIME ZONE 'UTC' AS created_at,
       nullif(source, '')::text AS channel_id,
       NULL::text AS campaign_id,
       nullif(lead_owner, '')::text AS rep_id,
       false AS is_test
  FROM erpnext."tabLead";

-- tabVersion.data is JSON: {"changed": [["status", "Open", "Replied"], …], …}.
CREATE OR REPLACE VIEW sales.stage_transitions AS
WITH change AS (
    SELECT v.name, v.docname, v.creation, v.owner, c.value ->> 1 AS old_status, c.value ->> 2 AS new_status
      FROM erpnext."tabVersion" AS v
     CROSS JOIN LATERAL jsonb_array_elements(v.data::jsonb -> 'changed') AS c (value)
     WHERE v.ref_doctype = 'Lead' AND c.value ->> 0 = 'status'
)
SELECT 'new/' || l.name AS transition_id, l.name::text AS lead_id, NULL::text AS from_stage,
       coalesce((SELECT c.old_status FROM change AS c WHERE c.docname = l.name ORDER BY c.creation, c.name LIMIT 1),
                l.status)::text AS to_stage,
       l.creation AT TIME ZONE 'UTC' AS occurred_at, l.creation AT TIME ZONE 'UTC' AS recorded_at,
       nullif(l.owner, '')::text AS rep_id, NULL::text AS reason
  FROM erpnext."tabLead" AS l
UNION ALL
SELECT 'change/' || c.name, l.name::text, c.old_status, c.new_status, c.creation AT TIME ZONE 'UTC',
       c.creation AT TIME ZONE 'UTC', nullif(c.owner, '')::text, NULL::text
  FROM change AS c
  JOIN erpnext."tabLead" AS l ON l.name = c.docname;

-- The status of an opportunity, not its sales stage, says whether it is over. ERPNext keeps no closing date: it is the
-- last change of the document.
CREATE OR REPLACE VIEW sales.deals AS
SELECT name::text AS deal_id,
       CASE WHEN opportunity_from = 'Lead' THEN party_name END::text AS lead_id,
       nullif(opportunity_owner, '')::text AS rep_id,
       creation AT TIME ZONE 'UTC' AS opened_at,
       CASE status WHEN 'Open' THEN 'Opportunity' ELSE status END::text AS stage,
       CASE WHEN status = 'Converted' THEN 'won' WHEN status IN ('Lost', 'Closed') THEN 'lost' ELSE 'open' END
         AS status,
       coalesce(opportunity_amount, 0)::numeric(18, 2) AS amount,
       coalesce(nullif(currency, ''), 'USD')::text AS currency,
       CASE WHEN status NOT IN ('Converted', 'Lost', 'Closed') THEN expected_closing END AS expected_close_on,
       CASE WHEN status IN ('Converted', 'Lost', 'Closed') THEN modified AT TIME ZONE 'UTC' END AS closed_at,
       CASE WHEN status = 'Lost' THEN nullif(order_lost_reason, '')::text END AS lost_reason
  FROM erpnext."tabOpportunity";
