"""The dashboard API: its table against the shipped dashboards, its answers against Prometheus, and its guards."""
