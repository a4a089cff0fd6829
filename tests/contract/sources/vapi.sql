CREATE SCHEMA vapi;
CREATE TABLE vapi.calls (id text PRIMARY KEY, call jsonb NOT NULL);
INSERT INTO vapi.calls VALUES
('v1', '{"type": "outboundPhoneCall", "status": "ended", "assistantId": "a1", "assistant": {"name": "Sam"}, "phoneCallProvider": "twilio",
  "createdAt": "2026-03-01T09:00:00.000Z", "startedAt": "2026-03-01T09:00:10.000Z", "endedAt": "2026-03-01T09:02:10.000Z",
  "endedReason": "customer-ended-call", "cost": 0.1234, "analysis": {"successEvaluation": "true", "summary": "canary"},
  "assistantOverrides": {"metadata": {"lead_id": "l1"}},
  "artifact": {"performanceMetrics": {"turnLatencies": [{"turnLatency": 850}, {"turnLatency": 900}]}}}'),
('v2', '{"type": "outboundPhoneCall", "status": "ended", "assistantId": "a1", "createdAt": "2026-03-01T10:00:00Z",
  "startedAt": "2026-03-01T10:00:05Z", "endedAt": "2026-03-01T10:00:35Z", "endedReason": "customer-did-not-answer", "cost": 0.01}'),
('v3', '{"type": "inboundPhoneCall", "status": "ended", "assistantId": "a1", "createdAt": "2026-03-01T11:00:00Z",
  "endedAt": "2026-03-01T11:00:01Z", "endedReason": "call.start.error-get-assistant", "cost": 0}'),
('v4', '{"type": "webCall", "status": "in-progress", "assistantId": "a1", "createdAt": "2026-03-01T12:00:00Z",
  "startedAt": "2026-03-01T12:00:00Z"}'),
('v5', '{"type": "outboundPhoneCall", "status": "ended", "assistantId": "a1", "createdAt": "2026-03-01T13:00:00Z",
  "startedAt": "2026-03-01T13:00:05Z", "endedAt": "2026-03-01T13:00:35Z", "endedReason": "voicemail",
  "analysis": {"successEvaluation": "7"}}'),
('v6', '{"type": "inboundPhoneCall", "status": "ended", "assistantId": "a1", "createdAt": "2026-03-01T14:00:00Z",
  "startedAt": "2026-03-01T14:00:00Z", "endedAt": "2026-03-01T14:01:00Z", "endedReason": "assistant-forwarded-call"}');
