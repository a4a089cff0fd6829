CREATE SCHEMA erpnext;
CREATE TABLE erpnext."tabUser" (name varchar PRIMARY KEY, full_name varchar, enabled smallint, creation timestamp,
    modified timestamp);
CREATE TABLE erpnext."tabLead" (name varchar PRIMARY KEY, email_id varchar, status varchar, source varchar,
    lead_owner varchar, owner varchar, creation timestamp, modified timestamp);
CREATE TABLE erpnext."tabOpportunity" (name varchar PRIMARY KEY, opportunity_from varchar, party_name varchar,
    opportunity_owner varchar, status varchar, sales_stage varchar, opportunity_amount numeric(21, 9), currency varchar,
    transaction_date date, expected_closing date, order_lost_reason text, creation timestamp, modified timestamp);
CREATE TABLE erpnext."tabVersion" (name varchar PRIMARY KEY, ref_doctype varchar, docname varchar, data text,
    owner varchar, creation timestamp);
INSERT INTO erpnext."tabUser" VALUES ('u1', 'Ada Ross', 1, '2025-01-02', '2025-01-02');
INSERT INTO erpnext."tabLead" VALUES
    ('L1', 'canary@example.com', 'Converted', 'Web', 'u1', 'u1', '2026-03-01 09:00', '2026-03-05'),
    ('L2', 'canary@example.com', 'Open', '', '', 'u1', '2026-03-02 09:00', '2026-03-02');
INSERT INTO erpnext."tabOpportunity" VALUES
    ('O1', 'Lead', 'L1', 'u1', 'Converted', 'Prospecting', 400, 'EUR', '2026-03-02', '2026-04-01', NULL,
        '2026-03-02 09:00', '2026-03-05 09:00'),
    ('O2', 'Customer', 'C1', '', 'Open', 'Prospecting', 30, '', '2026-03-02', '2026-04-01', NULL,
        '2026-03-02 09:00', '2026-03-05 09:00');
INSERT INTO erpnext."tabVersion" VALUES
    ('v1', 'Lead', 'L1', '{"added": [], "changed": [["status", "Lead", "Opportunity"], ["email_id", "a", "b"]]}', 'u1',
        '2026-03-02 09:00'),
    ('v2', 'Lead', 'L1', '{"changed": [["status", "Opportunity", "Converted"]]}', 'u1', '2026-03-05 09:00'),
    ('v3', 'Lead', 'L2', '{"changed": [["company_name", "a", "b"]]}', 'u1', '2026-03-05 09:00'),
    ('v4', 'Customer', 'L2', '{"changed": [["status", "Open", "Closed"]]}', 'u1', '2026-03-05 09:00');
