"""The compose file and the Dockerfile, read for the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name for name, service in SERVICES.items() if "build" in service}
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}


@dataclass(frozen=True, slots=True)
class Mount:
    """One volume of a service."""

    source: str
    target: str
    mode: str

    @property
    def is_path(self) -> bool:
        """Whether it is a path of the host rather than a named volume."""
        return self.source.startswith(".")


def mounts(service: dict[str, Any]) -> list[Mount]:
    """All volumes of a service."""
    return [Mount(*(*text.split(":"), "rw")[:3]) for text in service.get("volumes", [])]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the Dockerfile: its base, and its instructions as (word, rest)."""

    name: str
    base: str
    steps: tuple[tuple[str, str], ...]

    def last(self, word: str) -> str | None:
        """The rest of the last instruction of this kind."""
        found = [rest for step, rest in self.steps if step == word]
        return found[-1] if found else None


def dockerfile() -> dict[str, Stage]:
    """Stages by name, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in re.sub(r"\\\n", "", text).splitlines() if line.strip()]
    stages: dict[str, Stage] = {}
    for word, rest in lines:
        if word == "FROM":
            base, _, name = rest.split()
            stages[name] = Stage(name, base, ())
        else:
            stages[name] = Stage(name, stages[name].base, (*stages[name].steps, (word, rest)))
    return stages


def hand_overs() -> dict[str, tuple[int, list[str]]]:
    """What the one-shot service gives to whom: receiver to (uid, secrets)."""
    script = SERVICES["secrets"]["command"][2]
    found = re.findall(r"^hand (\w+) (\d+) (.+)$", script, flags=re.MULTILINE)
    return {receiver: (int(uid), names.split()) for receiver, uid, names in found}
