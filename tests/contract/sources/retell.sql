CREATE SCHEMA retell;
CREATE TABLE retell.calls (call_id text PRIMARY KEY, call jsonb NOT NULL);
INSERT INTO retell.calls VALUES
('r1', '{"call_type": "phone_call", "call_status": "ended", "direction": "outbound", "agent_id": "a1", "agent_name": "Sam",
  "start_timestamp": 1772355600000, "end_timestamp": 1772355720500, "disconnection_reason": "user_hangup",
  "metadata": {"lead_id": "l1"}, "call_analysis": {"call_successful": true, "in_voicemail": false, "call_summary": "canary"},
  "latency": {"e2e": {"p50": 800, "values": [700, 900]}}, "call_cost": {"combined_cost": 12.5}}'),
('r2', '{"call_type": "phone_call", "call_status": "not_connected", "direction": "outbound", "agent_id": "a1",
  "end_timestamp": 1772355720500, "disconnection_reason": "dial_busy"}'),
('r3', '{"call_type": "web_call", "call_status": "ended", "agent_id": "a1", "start_timestamp": 1772355600000,
  "end_timestamp": 1772355660000, "disconnection_reason": "call_transfer", "call_analysis": {"call_successful": false}}'),
('r4', '{"call_type": "phone_call", "call_status": "ongoing", "direction": "inbound", "agent_id": "a1",
  "start_timestamp": 1772355600000}'),
('r5', '{"call_type": "phone_call", "call_status": "ended", "direction": "outbound", "agent_id": "a1",
  "start_timestamp": 1772355600000, "end_timestamp": 1772355660000, "disconnection_reason": "agent_hangup",
  "call_analysis": {"in_voicemail": true, "call_successful": false}}'),
('r6', '{"call_type": "phone_call", "call_status": "not_connected", "direction": "outbound", "agent_id": "a1",
  "end_timestamp": 1772355720500, "disconnection_reason": "invalid_destination"}');
