"""The token that a receiver wants to see, from a file that may change while we run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A file with one line, or none."""

    file: Path | None

    def headers(self) -> Mapping[str, str] | None:
        """The header that shows it; None when the file cannot be read or holds no single line."""
        if self.file is None:
            return {}
        try:
            text = self.file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if not text or not text.isprintable():
            log.error("a token cannot be used: the file must hold one line", extra={"file": str(self.file)})
            return None
        return {"Authorization": f"Bearer {text}"}
