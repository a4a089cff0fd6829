"""A small database that keeps the contract: some rows in every relation, as literals."""

from __future__ import annotations

ROWS = """
INSERT INTO sales.channels VALUES ('web', 'Website', 'inbound'), ('ads', 'Ads', 'paid');
INSERT INTO sales.campaigns VALUES ('spring', 'ads', 'Spring', '2026-03-01', '2026-04-01', 1000);
INSERT INTO sales.reps VALUES ('ann', 'Ann', 'north', 'human', '2025-01-01', NULL),
    ('bot', 'Bot', NULL, 'ai', '2025-06-01', '2026-06-01');
INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id, rep_id, is_test) VALUES
    ('l1', '2026-03-02 10:00Z', 'ads', 'spring', 'ann', false),
    ('l2', '2026-03-03 11:00Z', NULL, NULL, NULL, false),
    ('l3', '2026-03-03 12:00Z', 'web', NULL, 'bot', true);
UPDATE sales.leads SET rep_id = 'ann' WHERE lead_id = 'l2';
INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at, rep_id, reason) VALUES
    ('t1', 'l1', NULL, 'lead', '2026-03-02 10:00Z', NULL, NULL),
    ('t2', 'l1', 'lead', 'contact', '2026-03-03 10:00Z', 'ann', NULL),
    ('t3', 'l1', 'contact', 'won', '2026-03-09 10:00Z', 'ann', 'price'),
    ('t4', 'l2', NULL, 'lead', '2026-03-03 11:00Z', NULL, NULL);
INSERT INTO sales.deals (deal_id, lead_id, rep_id, opened_at, stage, status, amount, currency, expected_close_on,
        closed_at, lost_reason) VALUES
    ('d1', 'l1', 'ann', '2026-03-03 10:00Z', 'won', 'won', 1200.50, 'EUR', '2026-03-10', '2026-03-09 10:00Z', NULL),
    ('d2', 'l2', NULL, NULL, 'contact', 'open', 300, 'USD', NULL, NULL, NULL),
    ('d3', NULL, 'bot', '2026-03-04 10:00Z', 'lost', 'lost', 80, 'USD', NULL, '2026-03-08 10:00Z', 'budget');
INSERT INTO sales.spend (spend_day, channel_id, campaign_id, amount, currency) VALUES
    ('2026-03-02', 'ads', 'spring', 50, 'EUR'), ('2026-03-08', 'ads', NULL, 10, 'USD');
INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, campaign_id, kind) VALUES
    ('o1', 'l1', '2026-03-01 09:00Z', 'ads', 'spring', 'click'),
    ('o2', 'l1', '2026-03-02 09:00Z', 'web', NULL, 'visit');
INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind) VALUES
    ('o3', 'l2', '2026-03-02 09:00Z', 'web', 'visit');
DELETE FROM sales.touches WHERE touch_id = 'o3';
INSERT INTO sales.calls (call_id, lead_id, rep_id, channel_id, carrier, agent_kind, direction, started_at, answered_at,
        ended_at, outcome, success, talk_seconds, first_response_seconds, cost, currency) VALUES
    ('c1', 'l1', 'ann', 'web', 'acme', 'human', 'outbound', '2026-03-08 09:00:00Z', '2026-03-08 09:00:05Z',
        '2026-03-08 09:03:05Z', 'answered', true, 180, 1.5, 0.0085, 'USD'),
    ('c2', NULL, 'bot', NULL, NULL, 'ai', 'inbound', '2026-03-08 10:00:00Z', NULL, '2026-03-08 10:00:20Z',
        'no_answer', NULL, NULL, NULL, NULL, NULL);
INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at) VALUES
    ('j1', 'c1', false, '2026-03-09 08:00Z');
INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at,
        horizon_seconds, score, threshold) VALUES
    ('p1', 'win', '1', 'lead', 'l1', '2026-03-02 10:01Z', 2592000, 0.7, 0.5),
    ('p2', 'win', '1', 'lead', 'l2', '2026-03-03 11:01Z', 2592000, 0.2, NULL);
INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final) VALUES
    ('lead', 'l1', '2026-03-09 10:00Z', 1, true);
INSERT INTO sales.targets VALUES ('2026-01-01', 'quarter', 'revenue', NULL, 10000, 'EUR'),
    ('2026-03-01', 'month', 'deals', 'north', 5, NULL);
INSERT INTO sales.fx_rates VALUES ('2026-03-08', 'USD', 0.92), ('2026-03-09', 'USD', 0.93);
INSERT INTO sales.api_requests VALUES ('r1', '2026-03-09 10:00Z', '/leads/{id}', 'GET', 200, 0.012);
"""
