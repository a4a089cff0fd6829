"""What a check found: findings with a remedy each, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import wrap
from typing import Literal

Severity = Literal["error", "warning", "info"]

DATABASE = "database"
"""Stands in for the relation in findings about the server, the role or the configuration."""

_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. No field holds a value from a row, a DSN or a driver's text."""

    code: str
    severity: Severity
    relation: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, with the relations that were there to check, in the contract's order."""

    findings: tuple[Finding, ...]
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    watches: int = 0
    """Watches of the sidecar that were tried; their findings stand under names of their own, after the relations."""

    @property
    def exit_status(self) -> int:
        """1 when there is an error, else 0."""
        return int(self.count("error") > 0)

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def as_text(self) -> str:
        """Findings by relation, the worst first, each followed by what to do."""
        return "\n".join([*self._lines(), self._summary()])

    def as_json(self) -> str:
        """One object: ``ok``, counts by severity, relations present and absent, findings."""
        return json.dumps({
            "ok": self.exit_status == 0,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("info"),
            "relations": {"present": self.present, "absent": self.absent},
            **({"watches": self.watches} if self.watches else {}),
            "findings": [asdict(finding) for finding in self._sorted()],
        }, indent=2)

    def _sorted(self) -> list[Finding]:
        named = (finding.relation for finding in self.findings)
        order = dict.fromkeys((DATABASE, *self.present, *self.absent, *named))
        places = {name: place for place, name in enumerate(order)}
        return sorted(self.findings, key=lambda f: (places[f.relation], _ORDER[f.severity], f.code))

    def _lines(self) -> Iterator[str]:
        for relation, findings in groupby(self._sorted(), key=lambda finding: finding.relation):
            yield relation
            for finding in findings:
                head = f"  {finding.severity:<8}"
                yield from wrap(
                    f"{finding.message} [{finding.code}]", _WIDTH, initial_indent=head,
                    subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False)
                # Never wrapped: a remedy holds statements that are copied from here.
                yield f"{' ' * len(head)}-> {finding.remedy}"
            yield ""

    def _summary(self) -> str:
        relations = f"{len(self.present)} relation{'' if len(self.present) == 1 else 's'} checked"
        if self.absent:
            relations += f", absent: {', '.join(self.absent)}"
        if self.watches:
            relations += f"; {self.watches} watch{'' if self.watches == 1 else 'es'} tried"
        if not self.findings:
            return f"The contract holds: {relations}, nothing found."
        counts = ", ".join(
            f"{self.count(severity)} {word}{'' if self.count(severity) == 1 else 's'}"
            for severity, word in _WORDS.items()
        )
        return f"{counts}; {relations}."


_WORDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
