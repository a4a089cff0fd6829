"""The configured senders: whose they are, what they prove it with, and how many requests they may make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sales_exporter.config import IntakeSource, Settings
from sales_exporter.errors import ConfigError
from sales_exporter.intake.mappings import Hints, Vendor, discover
from sales_exporter.intake.signatures import Request, Secret
from sales_exporter.runtime.bucket import Bucket
from sales_exporter.runtime.receiving import PREFIX

LEAST_SECRET = 16
"""Characters that a secret has at least."""


@dataclass(frozen=True, slots=True)
class Source:
    """One sender."""

    name: str
    vendor: Vendor
    secret: Secret
    hints: Hints
    bucket: Bucket
    url: str

    def proves(self, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Whether the request comes from this sender."""
        return self.vendor.proves(Request(self.url, headers, body), self.secret, now)


def sources(settings: Settings) -> dict[str, Source]:
    """The senders of a configuration, with their secrets read.

    Raises:
        ConfigError: one line that names the key and what was expected; never a secret.
    """
    return {name: _source(name, one, settings) for name, one in settings.intake.sources.items()}


def secret_of(path: Path, key: str) -> SecretStr:
    """The one line of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return SecretStr(path.read_text(encoding="utf-8").strip())
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text (given as {key})") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'} (given as {key})") from None


def _source(name: str, given: IntakeSource, settings: Settings) -> Source:
    key, known = f"intake.sources.{name}", discover()
    vendor = known.get(given.mapping)
    if vendor is None:
        raise ConfigError(f"{key}.mapping: no such mapping; there are {', '.join(known)}")
    secret = _secret(key, given, vendor)
    if vendor.signs_url and given.url is None:
        raise ConfigError(f"{key}.url: not set; {vendor.name} signs the address that it calls")
    business, limits = settings.business, settings.intake
    hints = Hints(given.currency or business.reporting_currency, given.agent_kind,
                  {stage.name: stage.kind for stage in business.stages})
    return Source(name, vendor, secret, hints, Bucket(limits.requests_per_second, limits.burst),
                  given.url or f"http://localhost{PREFIX}{name}")


def _secret(key: str, given: IntakeSource, vendor: Vendor) -> Secret:
    if given.bearer_file is not None:
        way, path, field = "bearer", given.bearer_file, f"{key}.bearer_file"
    else:
        assert given.hmac_secret_file is not None
        way, path, field = "hmac", given.hmac_secret_file, f"{key}.hmac_secret_file"
    for possible in vendor.ways:
        if possible == way:
            value = secret_of(path, field)
            if len(value.get_secret_value()) < LEAST_SECRET:
                raise ConfigError(f"{path}: shorter than {LEAST_SECRET} characters (given as {field})")
            return Secret(possible, value)
    other = "bearer_file" if way == "hmac" else "hmac_secret_file"
    raise ConfigError(f"{field}: {vendor.name} does not prove itself that way; give {other}")
