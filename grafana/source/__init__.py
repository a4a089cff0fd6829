"""Dashboards as code: Python builders of the JSON that Grafana is provisioned with."""
