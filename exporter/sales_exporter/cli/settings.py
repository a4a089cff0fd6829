"""Settings from flags, environment and file, in that order of precedence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from sales_exporter.collectors import discover
from sales_exporter.config import ENVIRONMENT, NOT_TEXT, Section, Settings, build, read_yaml
from sales_exporter.errors import ConfigError

PREFIX = ENVIRONMENT
DEFAULT_FILE = Path("sales-exporter.yml")


def load(config_file: Path | None, flags: Mapping[str, object]) -> Settings:
    """Settings from ``config_file`` (else sales-exporter.yml, where there is one), environment and flags.

    ``flags`` maps dotted keys such as ``web.listen_address`` to values; None means not given.

    Raises:
        ConfigError: one line that names the origin, the key and what was expected.
    """
    tree: dict[str, Any] = {}
    where = "configuration"
    named = config_file or (Path(os.environ[PREFIX + "CONFIG_FILE"]) if PREFIX + "CONFIG_FILE" in os.environ else None)
    path = named or DEFAULT_FILE
    if named is not None or path.exists():
        tree, where = read_yaml(text_of(path, "--config.file"), str(path)), str(path)
        build(tree, where)
    origins = [where]
    for origin, values in (("environment", dict(_environment())), ("flags", flags)):
        given = {key: value for key, value in values.items() if value is not None}
        for key, value in given.items():
            _put(tree, key, value)
        if given:
            origins.append(origin)
            build(tree, origin)
    settings, known = build(tree, " and ".join(origins)), discover()
    for name in settings.collectors:
        if name not in known:
            raise ConfigError(f"{where}: collectors.{name}: no such collector; there are {', '.join(known)}")
    return settings


def dsn(settings: Settings) -> SecretStr | None:
    """The connection string, from the settings or the file that they name; None when neither is given.

    Raises:
        ConfigError: the file cannot be read or holds no valid connection string.
    """
    where, secret = "database.dsn", settings.database.dsn
    if settings.database.dsn_file is not None:
        where = str(settings.database.dsn_file)
        secret = SecretStr(text_of(settings.database.dsn_file, "database.dsn_file").strip())
    if secret is None:
        return None
    try:
        psycopg.conninfo.conninfo_to_dict(secret.get_secret_value())
    except psycopg.Error:
        raise ConfigError(f"{where}: not a valid PostgreSQL connection string, such as "
                          "host=db.example user=sales_exporter dbname=sales password=…") from None
    return secret


def writer_dsn(dsn_file: Path | None) -> SecretStr | None:
    """The connection string of a command that writes: from the file, else from SALES_EXPORTER_DATABASE_DSN.

    Raises:
        ConfigError: the file cannot be read or holds no valid connection string.
    """
    variable = PREFIX + "DATABASE_DSN"
    if dsn_file is not None:
        return dsn(build({"database": {"dsn_file": dsn_file}}, "--dsn-file"))
    return dsn(build({"database": {"dsn": os.environ[variable]}}, variable)) if os.environ.get(variable) else None


def text_of(path: Path, key: str) -> str:
    """The text of a file that the configuration names; ``key`` says where.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text (given as {key})") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'} (given as {key})") from None


def variables() -> Iterator[tuple[str, str]]:
    """Every environment variable that sets a value, with the dotted key that it sets."""
    for key in _leaves(Settings, ""):
        yield PREFIX + key.replace(".", "_").upper(), key
    for name in discover():
        yield f"{PREFIX}COLLECTOR_{name.upper()}", f"collectors.{name}.enabled"


def _environment() -> Iterator[tuple[str, object]]:
    # Variables that we do not know are no error: Kubernetes sets SALES_EXPORTER_PORT and more for a service so named.
    for name, key in variables():
        text = os.environ.get(name)
        if text is not None:
            yield key, [part.strip() for part in text.split(",")] if key in _LISTS else text


_LISTS = ("web.listen_address", "business.windows", "business.conversion_horizons", "sidecar.listen_address",
          "sidecar.alertmanagers", "sidecar.watches", "sidecar.holidays", "sidecar.api.origins",
          "sidecar.desk.notifiers", "sidecar.desk.responders")


def _leaves(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind, key = field.annotation, f"{prefix}{name}"
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _leaves(kind, f"{key}.")
        elif key not in NOT_TEXT:
            yield key


def _put(tree: dict[str, Any], key: str, value: object) -> None:
    *parents, leaf = key.split(".")
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{key}: {parent} is not a mapping")
        tree = inner
    tree[leaf] = value
