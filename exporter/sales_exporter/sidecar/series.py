"""Which series is meant: the watch that asked for it and the labels that it came with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SeriesId:
    """Identity of a watched series: labels sorted by name, without ``__name__``."""

    watch: str
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, watch: str, labels: Mapping[str, str]) -> SeriesId:
        """From the labels as a query answers them."""
        return cls(watch, tuple(sorted((name, value) for name, value in labels.items() if name != "__name__")))

    @property
    def number(self) -> int:
        """A number that is the same in every process and release: what shards and fingerprints hang on."""
        text = "\0".join((self.watch, *(f"{name}\0{value}" for name, value in self.labels)))
        return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

    def label(self, name: str) -> str:
        """One label's value; empty when the series has none such."""
        return dict(self.labels).get(name, "")
