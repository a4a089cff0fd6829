"""Watches: what is asked of Prometheus, and what an anomaly in it means to whom."""
