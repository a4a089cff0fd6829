"""Settings that the sidecar can work with: their files are there, and their numbers fit together."""

from __future__ import annotations

from sales_exporter.config import Settings
from sales_exporter.errors import ConfigError
from sales_exporter.runtime.roles import refuse_strangers
from sales_exporter.sidecar.desk.links import signing_key
from sales_exporter.sidecar.desk.policy import configured
from sales_exporter.sidecar.fleet.budget import pages_per_week
from sales_exporter.sidecar.watches.files import load as load_watches


def checked(settings: Settings) -> Settings:
    """Settings that the sidecar can work with.

    Raises:
        ConfigError: a file of watches, the escalation policy, the key of links, the budget or the shard cannot be
            used, or strangers could act on alerts.
    """
    refuse_strangers(settings)
    configured(settings)
    signing_key(settings.sidecar.desk.key_file, None)
    load_watches(settings.sidecar.watches, settings.sidecar.default_watches)
    pages_per_week(settings.sidecar.false_alarm_budget)
    number, _, of = settings.sidecar.shard.partition("/")
    if int(number) > int(of):
        raise ConfigError(f"sidecar.shard: {settings.sidecar.shard}: the first number must not be above the second")
    return settings
