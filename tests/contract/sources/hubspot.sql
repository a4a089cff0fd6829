CREATE SCHEMA hubspot;
CREATE TABLE hubspot.owner (owner_id bigint PRIMARY KEY, email text, first_name text, last_name text, type text,
    created_at timestamptz, updated_at timestamptz, portal_id bigint, _fivetran_synced timestamptz);
CREATE TABLE hubspot.contact (id bigint PRIMARY KEY, property_email text, property_firstname text,
    property_createdate timestamptz, property_hs_analytics_source text, property_hubspot_owner_id bigint,
    _fivetran_deleted boolean, _fivetran_synced timestamptz);
CREATE TABLE hubspot.contact_property_history (contact_id bigint, name text, "timestamp" timestamptz, value text,
    source text, source_id text, _fivetran_synced timestamptz, PRIMARY KEY (contact_id, name, "timestamp"));
CREATE TABLE hubspot.deal (deal_id bigint PRIMARY KEY, portal_id bigint, deal_pipeline_id text,
    deal_pipeline_stage_id text, is_deleted boolean, owner_id bigint, property_dealname text,
    property_amount double precision, property_deal_currency_code text, property_closedate timestamptz,
    property_createdate timestamptz, property_closed_lost_reason text, _fivetran_synced timestamptz);
CREATE TABLE hubspot.deal_contact (deal_id bigint, contact_id bigint, _fivetran_synced timestamptz);
CREATE TABLE hubspot.deal_pipeline_stage (stage_id text, pipeline_id text, label text, display_order int,
    probability double precision, active boolean, closed_won boolean, _fivetran_deleted boolean);
INSERT INTO hubspot.owner VALUES (7, 'canary@example.com', 'Ada', 'Ross', 'PERSON', '2025-01-02 03:00Z', now(), 1, now());
INSERT INTO hubspot.contact VALUES
    (1, 'canary@example.com', 'Canary', '2026-03-01 09:00Z', 'PAID_SEARCH', 7, false, '2026-03-02Z'),
    (2, 'canary@example.com', 'Canary', '2026-03-02 09:00Z', NULL, NULL, NULL, '2026-03-02Z'),
    (3, 'canary@example.com', 'Canary', '2026-03-02 09:00Z', 'OFFLINE', NULL, true, '2026-03-02Z');
INSERT INTO hubspot.contact_property_history VALUES
    (1, 'lifecyclestage', '2026-03-01 09:00Z', 'lead', 'FORM', NULL, '2026-03-02Z'),
    (1, 'lifecyclestage', '2026-03-04 10:00Z', 'customer', 'DEALS', NULL, '2026-03-05Z'),
    (1, 'email', '2026-03-01 09:00Z', 'canary@example.com', 'FORM', NULL, '2026-03-02Z'),
    (2, 'lifecyclestage', '2026-03-02 09:00Z', 'lead', 'FORM', NULL, '2026-03-03Z'),
    (3, 'lifecyclestage', '2026-03-02 09:00Z', 'lead', 'FORM', NULL, '2026-03-03Z');
INSERT INTO hubspot.deal_pipeline_stage VALUES ('qualifiedtobuy', 'default', 'Qualified', 1, 0.4, true, false, false),
    ('closedwon', 'default', 'Won', 2, 1, true, true, false), ('closedlost', 'default', 'Lost', 3, 0, true, false, false);
INSERT INTO hubspot.deal VALUES
    (10, 1, 'default', 'closedwon', false, 7, 'x', 1200.5, 'EUR', '2026-03-04 10:00Z', '2026-03-02 10:00Z', NULL, now()),
    (11, 1, 'default', 'closedlost', NULL, 7, 'x', 80, NULL, '2026-03-05 10:00Z', '2026-03-02 10:00Z', 'price', now()),
    (12, 1, 'default', 'qualifiedtobuy', false, NULL, 'x', NULL, 'EUR', '2026-05-05 10:00Z', '2026-03-03Z', NULL, now()),
    (13, 1, 'default', 'qualifiedtobuy', true, NULL, 'x', 5, 'EUR', NULL, '2026-03-03Z', NULL, now());
INSERT INTO hubspot.deal_contact VALUES (10, 1, now()), (10, 2, now());
