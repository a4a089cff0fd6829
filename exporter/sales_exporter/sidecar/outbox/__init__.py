"""Alerts that are decided are stored, sent to every Alertmanager, and sent again until accepted."""

from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.alertmanager import Alertmanager
from sales_exporter.sidecar.outbox.book import Timing
from sales_exporter.sidecar.outbox.outbox import Outbox

__all__ = ["Alert", "Alertmanager", "Outbox", "Timing"]
