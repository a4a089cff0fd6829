"""Observability for AI sales automation: sales rows in PostgreSQL become Prometheus series."""

__version__ = "0.1.0"
