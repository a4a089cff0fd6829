-- Odoo CRM (17 or newer), over Odoo's own PostgreSQL tables in the schema "public" or a replica of them.
--
-- Stages are the names of crm_stage in en_US. Odoo has no stage for lost leads (it archives them with probability 0);
-- these views add one called Lost. Configure yours:
--
--   business:
--     stages:
--       - {name: New}
--       - {name: Qualified}
--       - {name: Proposition}
--       - {name: Won, kind: won}
--       - {name: Lost, kind: lost}
--
-- For exact incremental reading: sales-exporter schema --alter --table leads=public.crm_lead
-- --table deals=public.crm_lead, then add the column changed_tx below. Odoo leaves columns alone that it does not know.

CREATE SCHEMA IF NOT EXISTS sales;

CREATE OR REPLACE VIEW sales.channels AS
SELECT id::text AS channel_id, name::text AS name, 'utm_source'::text AS kind FROM public.utm_source;

CREATE OR REPLACE VIEW sales.reps AS
SELECT u.id::text AS rep_id,
       p.name::text AS display_name,
       t.name ->> 'en_US' AS team,
       'human'::text AS kind,
       u.create_date::date AS active_from,
       CASE WHEN NOT u.active THEN u.write_date::date END AS active_to
  FROM public.res_users AS u
  JOIN public.res_partner AS p ON p.id = u.partner_id
  LEFT JOIN public.crm_team AS t ON t.id = u.sale_team_id;

CREATE OR REPLACE VIEW sales.leads AS
SELECT id::text AS lead_id,
       create_date AT TIME ZONE 'UTC' AS created_at,
       source_id::text AS channel_id,
       NULL::text AS campaign_id,
       user_id::text AS rep_id,
       false AS is_test
  FROM public.crm_lead;

-- Tracked changes of stage_id; the first stage is the old value of the first change, or the stage of today.
CREATE OR REPLACE VIEW sales.stage_transitions AS
WITH change AS (
    SELECT v.id, m.res_id, m.date, v.old_value_integer AS old_stage, v.new_value_integer AS new_stage, m.create_uid
      FROM public.mail_tracking_value AS v
      JOIN public.mail_message AS m ON m.id = v.mail_message_id AND m.model = 'crm.lead'
      JOIN public.ir_model_fields AS f ON f.id = v.field_id AND f.model = 'crm.lead' AND f.name = 'stage_id'
)
SELECT 'new/' || l.id AS transition_id, l.id::text AS lead_id, NULL::text AS from_stage,
       s.name ->> 'en_US' AS to_stage, l.create_date AT TIME ZONE 'UTC' AS occurred_at,
       l.create_date AT TIME ZONE 'UTC' AS recorded_at, l.create_uid::text AS rep_id, NULL::text AS reason
  FROM public.crm_lead AS l
  JOIN public.crm_stage AS s
    ON s.id = coalesce((SELECT c.old_stage FROM change AS c WHERE c.res_id = l.id ORDER BY c.date, c.id LIMIT 1),
                       l.stage_id)
UNION ALL
SELECT 'move/' || c.id, l.id::text, o.name ->> 'en_US', n.name ->> 'en_US', c.date AT TIME ZONE 'UTC',
       c.date AT TIME ZONE 'UTC', c.create_uid::text, NULL::text
  FROM change AS c
  JOIN public.crm_lead AS l ON l.id = c.res_id
  JOIN public.crm_stage AS n ON n.id = c.new_stage
  LEFT JOIN public.crm_stage AS o ON o.id = c.old_stage
UNION ALL
SELECT 'lost/' || l.id, l.id::text, s.name ->> 'en_US', 'Lost', l.date_closed AT TIME ZONE 'UTC',
       l.date_closed AT TIME ZONE 'UTC', l.write_uid::text, r.name ->> 'en_US'
  FROM public.crm_lead AS l
  LEFT JOIN public.crm_stage AS s ON s.id = l.stage_id
  LEFT JOIN public.crm_lost_reason AS r ON r.id = l.lost_reason_id
 WHERE NOT l.active AND l.probability = 0 AND l.date_closed IS NOT NULL;

-- Archived opportunities that were not marked lost are left out.
CREATE OR REPLACE VIEW sales.deals AS
SELECT l.id::text AS deal_id,
       l.id::text AS lead_id,
       l.user_id::text AS rep_id,
       coalesce(l.date_conversion, l.create_date) AT TIME ZONE 'UTC' AS opened_at,
       CASE WHEN l.active THEN s.name ->> 'en_US' ELSE 'Lost' END AS stage,
       CASE WHEN NOT l.active THEN 'lost' WHEN s.is_won THEN 'won' ELSE 'open' END AS status,
       coalesce(l.expected_revenue, 0)::numeric(18, 2) AS amount,
       c.name::text AS currency,
       CASE WHEN l.active AND NOT coalesce(s.is_won, false) THEN l.date_deadline END AS expected_close_on,
       CASE WHEN NOT l.active OR s.is_won
            THEN coalesce(l.date_closed, l.date_last_stage_update) AT TIME ZONE 'UTC' END AS closed_at,
       CASE WHEN NOT l.active THEN r.name ->> 'en_US' END AS lost_reason
  FROM public.crm_lead AS l
  JOIN public.crm_stage AS s ON s.id = l.stage_id
  -- A lead of no company is kept in the currency of the first one.
  JOIN public.res_company AS y ON y.id = coalesce(l.company_id, (SELECT min(id) FROM public.res_company))
  JOIN public.res_currency AS c ON c.id = y.currency_id
  LEFT JOIN public.crm_lost_reason AS r ON r.id = l.lost_reason_id
 WHERE l.type = 'opportunity' AND (l.active OR l.probability = 0);
