-- Frappe CRM leads and deals with their status change logs, over its tables in the schema "frappe".
--
-- (Frappe on PostgreSQL keeps them in "public"; from MariaDB, copy them under the same names.)
-- A lead's way goes on in the deal that it is converted into. Junk and Unqualified leads are taken as Lost. Configure:
--
--   business:
--     stages:
--       - {name: New}
--       - {name: Contacted}
--       - {name: Nurture}
--       - {name: Qualified}
--       - {name: Qualification}
--       - {name: Demo/Making}
--       - {name: Proposal/Quotation}
--       - {name: Negotiation}
--       - {name: Ready to Close}
--       - {name: Won, kind: won}
--       - {name: Lost, kind: lost}
--
-- Frappe writes local times of the site: put the zone of System Settings in place of 'UTC' below.
-- For exact incremental reading: sales-exporter schema --alter --table "leads=frappe.tabCRM Lead"
-- --table "deals=frappe.tabCRM Deal", then add the column changed_tx below.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.channels AS
SELECT name::text AS channel_id, name::text AS name, 'source'::text AS kind FROM frappe."tabCRM Lead Source";

CREATE OR REPLACE VIEW sales.reps AS
SELECT name::text AS rep_id,
       coalesce(nullif(full_name, ''), 'no name')::text AS display_name,
       NULL::text AS team,
       'human'::text AS kind,
       creation::date AS active_from,
       CASE WHEN enabled = 0 THEN modified::date END AS active_to
  FROM frappe."tabUser";

CREATE OR REPLACE VIEW sales.leads AS
SELECT name::text AS lead_id,
       creation AT TIME ZONE 'UTC' AS created_at,
       nullif(source, '')::text AS channel_id,
       NULL::text AS campaign_id,
       nullif(lead_owner, '')::text AS rep_id,
       false AS is_test
  FROM frappe."tabCRM Lead";

-- A row of the log is a stay in the status "from", which began on from_date.
CREATE OR REPLACE VIEW sales.stage_transitions AS
SELECT transition_id,
       lead_id,
       lag(stage) OVER (PARTITION BY lead_id ORDER BY occurred_at, transition_id) AS from_stage,
       stage AS to_stage,
       occurred_at,
       occurred_at AS recorded_at,
       rep_id,
       NULL::text AS reason
  FROM (SELECT g.name::text AS transition_id,
               coalesce(d.lead, g.parent)::text AS lead_id,
               CASE WHEN g."from" IN ('Junk', 'Unqualified') THEN 'Lost' ELSE g."from" END::text AS stage,
               g.from_date AT TIME ZONE 'UTC' AS occurred_at,
               nullif(g.log_owner, '')::text AS rep_id
          FROM frappe."tabCRM Status Change Log" AS g
          LEFT JOIN frappe."tabCRM Deal" AS d ON g.parenttype = 'CRM Deal' AND d.name = g.parent
         WHERE g.parenttype = 'CRM Lead' OR nullif(d.lead, '') IS NOT NULL) AS t
 WHERE occurred_at IS NOT NULL AND stage <> '';

CREATE OR REPLACE VIEW sales.deals AS
SELECT d.name::text AS deal_id,
       nullif(d.lead, '')::text AS lead_id,
       nullif(d.deal_owner, '')::text AS rep_id,
       d.creation AT TIME ZONE 'UTC' AS opened_at,
       d.status::text AS stage,
       CASE s.type WHEN 'Won' THEN 'won' WHEN 'Lost' THEN 'lost' ELSE 'open' END AS status,
       coalesce(d.deal_value, 0)::numeric(18, 2) AS amount,
       coalesce(nullif(d.currency, ''), 'USD')::text AS currency,
       CASE WHEN s.type NOT IN ('Won', 'Lost') THEN d.expected_closure_date END AS expected_close_on,
       -- closed_date is a day; the log knows the moment.
       CASE WHEN s.type IN ('Won', 'Lost')
            THEN coalesce((SELECT max(g.from_date) FROM frappe."tabCRM Status Change Log" AS g
                            WHERE g.parenttype = 'CRM Deal' AND g.parent = d.name AND g."from" = d.status),
                          d.closed_date::timestamp, d.modified) AT TIME ZONE 'UTC' END AS closed_at,
       CASE WHEN s.type = 'Lost' THEN nullif(d.lost_reason, '')::text END AS lost_reason
  FROM frappe."tabCRM Deal" AS d
  JOIN frappe."tabCRM Deal Status" AS s ON s.name = d.status;
