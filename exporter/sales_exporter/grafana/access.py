"""Who may see which folder, as a file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sales_exporter.errors import ConfigError

OTHERS = "others"
LEVELS = {"view": 1, "edit": 2}
"""Grafana's numbers for what somebody may do."""


class Team(BaseModel):
    """A team's start page, by the uid of a dashboard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: str = Field(min_length=1, max_length=40)


class Access(BaseModel):
    """Teams, and what each may do in each folder; ``others`` in a folder is everybody with a login."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teams: dict[str, Team] = Field(min_length=1)
    folders: dict[str, dict[str, Literal["nothing", "view", "edit"]]] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> Access:
        for folder, levels in self.folders.items():
            for name in levels.keys() - self.teams.keys() - {OTHERS}:
                raise ValueError(f"folders.{folder}.{name}: no such team; name it under teams first")
            if levels.get(OTHERS) == "edit":
                raise ValueError(f"folders.{folder}.{OTHERS}: may be nothing or view")
        return self


def read(path: Path) -> Access:
    """The access file.

    Raises:
        ConfigError: it cannot be read, is no YAML, or has a key or value that is not known; names file and key.
    """
    try:
        return Access.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(": ".join(filter(None, [str(path), ".".join(map(str, first["loc"])), said]))) from None
