"""The sidecar: reads a Prometheus-compatible API, judges every watched series, publishes bands and raises alerts.

    history ─► series in slots ─► detectors, drift, forecasts ─► fleet (budget, causes) ─► outbox ─► Alertmanager
"""
