CREATE TABLE public.utm_source (id int PRIMARY KEY, name varchar);
CREATE TABLE public.res_currency (id int PRIMARY KEY, name varchar);
CREATE TABLE public.res_company (id int PRIMARY KEY, name varchar, currency_id int);
CREATE TABLE public.res_partner (id int PRIMARY KEY, name varchar, email varchar);
CREATE TABLE public.crm_team (id int PRIMARY KEY, name jsonb);
CREATE TABLE public.res_users (id int PRIMARY KEY, partner_id int, sale_team_id int, active boolean,
    create_date timestamp, write_date timestamp);
CREATE TABLE public.crm_stage (id int PRIMARY KEY, name jsonb, sequence int, is_won boolean);
CREATE TABLE public.crm_lost_reason (id int PRIMARY KEY, name jsonb);
CREATE TABLE public.crm_lead (id int PRIMARY KEY, name varchar, email_from varchar, type varchar, user_id int,
    company_id int, stage_id int, active boolean, probability double precision, expected_revenue numeric,
    source_id int, lost_reason_id int, date_closed timestamp, date_conversion timestamp, date_last_stage_update timestamp,
    date_deadline date, create_date timestamp, create_uid int, write_uid int);
CREATE TABLE public.ir_model_fields (id int PRIMARY KEY, model varchar, name varchar);
CREATE TABLE public.mail_message (id int PRIMARY KEY, model varchar, res_id int, date timestamp, create_uid int);
CREATE TABLE public.mail_tracking_value (id int PRIMARY KEY, field_id int, old_value_integer int, new_value_integer int,
    old_value_char varchar, new_value_char varchar, mail_message_id int);
INSERT INTO utm_source VALUES (1, 'Newsletter');
INSERT INTO res_currency VALUES (1, 'EUR');
INSERT INTO res_company VALUES (1, 'Us', 1);
INSERT INTO res_partner VALUES (5, 'Ada Ross', 'canary@example.com');
INSERT INTO crm_team VALUES (1, '{"en_US": "North"}');
INSERT INTO res_users VALUES (2, 5, 1, true, '2025-01-02', '2025-01-02');
INSERT INTO crm_stage VALUES (1, '{"en_US": "New", "de_DE": "Neu"}', 1, false), (2, '{"en_US": "Qualified"}', 2, NULL),
    (4, '{"en_US": "Won"}', 4, true);
INSERT INTO crm_lost_reason VALUES (1, '{"en_US": "Too expensive"}');
INSERT INTO crm_lead VALUES
    (1, 'x', 'canary@example.com', 'opportunity', 2, 1, 4, true, 100, 700, 1, NULL, '2026-03-05 10:00', NULL,
        '2026-03-05 10:00', NULL, '2026-03-01 09:00', 2, 2),
    (2, 'x', 'canary@example.com', 'opportunity', NULL, NULL, 2, false, 0, 50, NULL, 1, '2026-03-06 10:00',
        '2026-03-03 09:00', '2026-03-03 10:00', '2026-04-01', '2026-03-02 09:00', 2, 2),
    (3, 'x', 'canary@example.com', 'lead', NULL, 1, 1, true, 10, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        '2026-03-02 09:00', 2, 2);
INSERT INTO ir_model_fields VALUES (100, 'crm.lead', 'stage_id'), (101, 'crm.lead', 'user_id'), (102, 'task', 'stage_id');
INSERT INTO mail_message VALUES (1, 'crm.lead', 1, '2026-03-03 10:00', 2), (2, 'crm.lead', 1, '2026-03-05 10:00', 2),
    (3, 'crm.lead', 2, '2026-03-03 10:00', 2), (4, 'task', 1, '2026-03-03 10:00', 2);
INSERT INTO mail_tracking_value VALUES (1, 100, 1, 2, 'Neu', 'Qualified', 1), (2, 100, 2, 4, 'Qualified', 'Won', 2),
    (3, 100, 1, 2, 'New', 'Qualified', 3), (4, 101, 0, 2, '', 'Ada Ross', 3), (5, 102, 1, 2, 'a', 'b', 4);
