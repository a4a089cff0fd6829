CREATE SCHEMA frappe;
CREATE TABLE frappe."tabCRM Lead Source" (name varchar PRIMARY KEY, source_name varchar);
CREATE TABLE frappe."tabUser" (name varchar PRIMARY KEY, full_name varchar, enabled smallint, creation timestamp,
    modified timestamp);
CREATE TABLE frappe."tabCRM Lead" (name varchar PRIMARY KEY, lead_name varchar, email varchar, status varchar,
    source varchar, lead_owner varchar, converted smallint, creation timestamp, modified timestamp);
CREATE TABLE frappe."tabCRM Deal" (name varchar PRIMARY KEY, lead varchar, deal_owner varchar, status varchar,
    deal_value numeric(21, 9), currency varchar, expected_closure_date date, closed_date date, lost_reason varchar,
    creation timestamp, modified timestamp);
CREATE TABLE frappe."tabCRM Deal Status" (name varchar PRIMARY KEY, deal_status varchar, type varchar, position int);
CREATE TABLE frappe."tabCRM Status Change Log" (name varchar PRIMARY KEY, parent varchar, parenttype varchar, idx int,
    "from" varchar, "to" varchar, from_date timestamp, to_date timestamp, log_owner varchar, duration numeric);
INSERT INTO frappe."tabCRM Lead Source" VALUES ('Web', 'Web');
INSERT INTO frappe."tabUser" VALUES ('u1', 'Ada Ross', 1, '2025-01-02', '2025-01-02'),
    ('u2', '', 0, '2025-01-02', '2026-01-05');
INSERT INTO frappe."tabCRM Lead" VALUES
    ('L1', 'Canary', 'canary@example.com', 'Qualified', 'Web', 'u1', 1, '2026-03-01 09:00', '2026-03-02'),
    ('L2', 'Canary', 'canary@example.com', 'Junk', '', '', 0, '2026-03-02 09:00', '2026-03-03');
INSERT INTO frappe."tabCRM Deal" VALUES
    ('D1', 'L1', 'u1', 'Won', 640, 'EUR', '2026-04-01', '2026-03-05', '', '2026-03-03 09:00', '2026-03-06'),
    ('D2', '', '', 'Negotiation', 20, 'EUR', '2026-04-01', NULL, '', '2026-03-03 09:00', '2026-03-06');
INSERT INTO frappe."tabCRM Deal Status" VALUES ('Won', 'Won', 'Won', 6), ('Negotiation', 'Negotiation', 'Ongoing', 4),
    ('Qualification', 'Qualification', 'Open', 1);
INSERT INTO frappe."tabCRM Status Change Log" VALUES
    ('g1', 'L1', 'CRM Lead', 1, 'New', 'Qualified', '2026-03-01 09:00', '2026-03-02 09:00', 'u1', 86400),
    ('g2', 'L1', 'CRM Lead', 2, 'Qualified', '', '2026-03-02 09:00', NULL, 'u1', NULL),
    ('g3', 'D1', 'CRM Deal', 1, 'Qualification', 'Won', '2026-03-03 09:00', '2026-03-05 12:00', 'u1', 183600),
    ('g4', 'D1', 'CRM Deal', 2, 'Won', '', '2026-03-05 12:00', NULL, 'u1', NULL),
    ('g5', 'L2', 'CRM Lead', 1, 'New', 'Junk', '2026-03-02 09:00', '2026-03-02 10:00', '', 3600),
    ('g6', 'L2', 'CRM Lead', 2, 'Junk', '', '2026-03-02 10:00', NULL, '', NULL),
    ('g7', 'D2', 'CRM Deal', 1, 'Negotiation', '', '2026-03-03 09:00', NULL, 'u1', NULL);
