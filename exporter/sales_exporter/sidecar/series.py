"""Which series is meant: the watch that asked for it and the labels that it came with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sales_exporter.model import LABEL_LENGTH


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

    @property
    def text(self) -> str:
        """The labels as one label value, ``channel="email",stage="won"``: empty without any, at most ``LABEL_LENGTH``.

        What does not fit ends in a number that only this series has, so that two series do not become one.
        """
        text = ",".join([f'{name}="{_escaped(value)}"' for name, value in self.labels])
        end = f"…#{self.number:016x}" if len(text) > LABEL_LENGTH else ""
        return f"{text[: LABEL_LENGTH - len(end)]}{end}"

    def label(self, name: str) -> str:
        """One label's value; empty when the series has none such."""
        return dict(self.labels).get(name, "")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
