"""What makes two alerts, or two notices, the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

_OFFSET, _PRIME, _SEPARATOR = 0xCBF29CE484222325, 0x100000001B3, 0xFF
_MASK = (1 << 64) - 1


def fingerprint(labels: Mapping[str, str]) -> str:
    """Sixteen hex digits of the labels, the same that Alertmanager shows for them.

    FNV-1a over names and values in the order of names, each followed by a separator (prometheus/common, model).
    """
    total = _OFFSET
    for name in sorted(labels):
        for part in (name, labels[name]):
            for byte in (*part.encode(), _SEPARATOR):
                total = ((total ^ byte) * _PRIME) & _MASK
    return f"{total:016x}"


def idempotency_key(group: Mapping[str, str], alerts: Iterable[tuple[str, float]], status: str) -> str:
    """The key of a notice: equal for a repetition in any order, different when anything that matters differs.

    Args:
        group: labels that the alerts of the notice have in common.
        alerts: fingerprint and start (epoch seconds) of each alert; repeated ones count once.
        status: firing or resolved.
    """
    # Milliseconds, as starts are sent: what a receiver read and gave back has the same key.
    told = sorted({(name, round(start * 1000)) for name, start in alerts})
    text = json.dumps([sorted(group.items()), told, status])
    return hashlib.sha256(text.encode()).hexdigest()
