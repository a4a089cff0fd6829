CREATE SCHEMA salesforce;
CREATE TABLE salesforce."user" (id text PRIMARY KEY, name text, email text, department text, is_active boolean,
    created_date timestamptz, last_modified_date timestamptz);
CREATE TABLE salesforce.lead (id text PRIMARY KEY, email text, created_date timestamptz, lead_source text, owner_id text,
    status text, is_deleted boolean, is_converted boolean, converted_opportunity_id text);
CREATE TABLE salesforce.campaign (id text PRIMARY KEY, name text, type text, start_date date, end_date date,
    budgeted_cost double precision, actual_cost double precision, is_deleted boolean);
CREATE TABLE salesforce.campaign_member (id text PRIMARY KEY, campaign_id text, lead_id text, status text,
    created_date timestamptz, is_deleted boolean);
CREATE TABLE salesforce.opportunity (id text PRIMARY KEY, owner_id text, created_date timestamptz, stage_name text,
    is_closed boolean, is_won boolean, amount double precision, close_date timestamp, last_stage_change_date timestamptz,
    campaign_id text, is_deleted boolean);
CREATE TABLE salesforce.opportunity_history (id text PRIMARY KEY, opportunity_id text, stage_name text,
    amount double precision, created_date timestamptz, created_by_id text, is_deleted boolean);
INSERT INTO salesforce."user" VALUES
    ('005A', 'Ada Ross', 'canary@example.com', 'North', true, '2025-01-02Z', '2026-01-01Z'),
    ('005B', 'Bo Lund', 'canary@example.com', NULL, false, '2025-01-02Z', '2026-02-01Z');
INSERT INTO salesforce.lead VALUES
    ('00Q1', 'canary@example.com', '2026-03-01 09:00Z', 'Web', '005A', 'Qualified', false, true, '0061'),
    ('00Q2', 'canary@example.com', '2026-03-02 09:00Z', NULL, '00G1', 'New', false, false, NULL),
    ('00Q3', 'canary@example.com', '2026-03-02 09:00Z', 'Web', '005A', 'New', true, false, NULL);
INSERT INTO salesforce.campaign VALUES ('7011', 'Fair', 'Conference', '2026-02-01', '2026-02-03', 500, 600, false);
INSERT INTO salesforce.campaign_member VALUES ('00v1', '7011', '00Q1', 'Responded', '2026-02-20 09:00Z', false);
INSERT INTO salesforce.opportunity VALUES
    ('0061', '005A', '2026-03-03 09:00Z', 'Closed Won', true, true, 900, '2026-03-09', '2026-03-08 15:00Z', '7011', false),
    ('0062', '005B', '2026-03-03 09:00Z', 'Prospecting', false, false, NULL, '2026-06-30', NULL, NULL, false);
INSERT INTO salesforce.opportunity_history VALUES
    ('0081', '0061', 'Prospecting', 900, '2026-03-03 09:00Z', '005A', false),
    ('0082', '0061', 'Prospecting', 950, '2026-03-04 09:00Z', '005A', false),
    ('0083', '0061', 'Closed Won', 900, '2026-03-08 15:00Z', '005A', false);
