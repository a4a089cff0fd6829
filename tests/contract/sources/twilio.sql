CREATE SCHEMA twilio;
CREATE TABLE twilio.calls (sid text PRIMARY KEY, parent_call_sid text, status text, direction text, answered_by text,
    "from" text, "to" text, start_time timestamptz, end_time timestamptz, date_created timestamptz, date_updated timestamptz,
    duration text, price numeric, price_unit text);
INSERT INTO twilio.calls VALUES
    ('CA1', NULL, 'completed', 'inbound', NULL, '+1555', '+1666', '2026-03-01 09:00:00Z', '2026-03-01 09:02:00Z',
        '2026-03-01 08:59:59Z', '2026-03-01 09:02:05Z', '115', -0.0085, 'USD'),
    ('CA2', 'CA1', 'completed', 'outbound-dial', NULL, '+1555', '+1777', '2026-03-01 09:01:00Z', '2026-03-01 09:02:00Z',
        '2026-03-01 09:00:59Z', '2026-03-01 09:02:05Z', '60', -0.014, 'USD'),
    ('CA3', NULL, 'no-answer', 'outbound-api', NULL, '+1666', '+1888', '2026-03-01 10:00:00Z', '2026-03-01 10:00:30Z',
        '2026-03-01 10:00:00Z', '2026-03-01 10:00:31Z', NULL, NULL, 'USD'),
    ('CA4', NULL, 'completed', 'outbound-api', 'machine_start', '+1666', '+1888', '2026-03-01 11:00:00Z',
        '2026-03-01 11:00:20Z', '2026-03-01 11:00:00Z', '2026-03-01 11:00:31Z', '12', -0.014, 'USD'),
    ('CA5', NULL, 'in-progress', 'inbound', NULL, '+1555', '+1666', '2026-03-01 12:00:00Z', NULL,
        '2026-03-01 12:00:00Z', '2026-03-01 12:00:01Z', NULL, NULL, 'USD'),
    ('CA6', NULL, 'canceled', 'inbound', NULL, '+1555', '+1666', NULL, NULL, '2026-03-01 13:00:00Z',
        '2026-03-01 13:00:09Z', NULL, NULL, NULL);
