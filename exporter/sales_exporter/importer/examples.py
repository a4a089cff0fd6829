"""The real data sets that this project knows by name: their maps, their settings, where their files lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from sales_exporter.errors import DataFileError
from sales_exporter.importer import map as maps
from sales_exporter.importer.files import Progress, silent
from sales_exporter.importer.run import bind, import_files

Name = Literal["olist", "crm", "bank"]
NAMES: tuple[str, ...] = get_args(Name)

FOLDERS = {"olist": "olist-funnel", "crm": "crm-opportunities", "bank": "bank-calls"}
"""Name of each set's folder among others."""


@dataclass(frozen=True, slots=True)
class Example:
    """The map and the settings shipped for a data set."""

    map_file: Path
    settings_file: Path


def example(name: str) -> Example:
    """What is shipped for the data set of that name.

    Raises:
        DataFileError: there is no such data set.
    """
    if name not in NAMES:
        raise DataFileError(f"no data set named {name}; there are {', '.join(NAMES)}")
    here = Path(__file__)
    # A wheel carries the folder inside the package; in a checkout it is at the top, where readers look for it.
    for home in (here.parents[1] / "shipped", here.parents[3]):
        folder = home / "examples" / name
        if (folder / "map.yml").is_file():
            return Example(folder / "map.yml", folder / "sales-exporter.yml")
    raise DataFileError(f"the map of the data set {name} is not in this installation")


def load_example(name: str, folder: Path, dsn: str, progress: Progress = silent) -> datetime:
    """Load a data set into the contract's tables and return the day after its last event, 00:00 UTC.

    ``folder`` holds the set's files, or a folder of the set's usual name that does. What is loaded already stays.

    Raises:
        DataFileError: no such set, a file is missing or malformed.
        ConfigError: the database cannot be reached or written.
    """
    map_file = example(name).map_file
    if not folder.is_dir():
        raise DataFileError(f"{folder}: expected the folder that holds the files of {name}")
    plan = maps.load(map_file)
    inner = folder / FOLDERS[name]
    where = inner if inner.is_dir() else folder
    files = bind(plan, str(map_file), [where])
    report = import_files(plan, str(map_file), files, dsn, progress)
    if report.as_of is None:
        raise DataFileError(f"{where}: the files of {name} hold no event")
    return report.as_of
