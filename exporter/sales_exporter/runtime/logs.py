"""Log lines as logfmt or JSON on standard error: one event, its keys and values, no secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from sales_exporter.config import Log

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class Lines(logging.Formatter):
    """Formats a record with its extra keys."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self._layout = layout

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": {"WARNING": "warn", "CRITICAL": "error"}.get(record.levelname, record.levelname.lower()),
            "logger": record.name.removeprefix("sales_exporter."),
            "msg": record.getMessage(),
        }
        fields.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        if self._layout == "json":
            return json.dumps(fields, default=str, ensure_ascii=False)
        return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


def configure(settings: Log) -> None:
    """Send this package's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(settings.format))
    logging.basicConfig(level=_LEVELS[settings.level], handlers=[handler], force=True)
    # The driver and the HTTP server log addresses and parts of requests; ours say what matters.
    for noisy in ("aiohttp", "psycopg", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, _LEVELS[settings.level]))


def _quoted(text: str) -> str:
    if text and text.isprintable() and not set(text) & set(' "='):
        return text
    return json.dumps(text, ensure_ascii=False)
