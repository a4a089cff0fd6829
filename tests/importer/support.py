"""Small files and maps for the importer's tests."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from sales_exporter.errors import DataFileError
from sales_exporter.importer import Report, bind, check_files, fit, import_files
from sales_exporter.importer import map as maps
from sales_exporter.importer.files import open_table, silent
from sales_exporter.importer.rows import lookups_in, make_rows

DATA = Path(__file__).resolve().parents[1] / "data"


def plan_of(text: str) -> maps.Map:
    """A map from indented YAML, held against the contract."""
    plan = maps.parse(textwrap.dedent(text), "map.yml")
    fit.check(plan, "map.yml")
    return plan


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files of indented text and return their folder."""
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def rows_of(plan: maps.Map, folder: Path, entry: int = 0) -> list[dict[str, str | None]]:
    """The rows that one entry of a map makes of the files in a folder."""
    tables = {name: open_table(folder / source.file, source) for name, source in plan.sources.items()}
    rows = make_rows(plan.relations[entry], tables, lookups_in(tables, silent))
    return [dict(zip(rows.columns, values, strict=True)) for _, values in rows.read(silent)]


def load(plan: maps.Map, folder: Path, dsn: str, *, commit: bool = True) -> Report:
    """Import the files in a folder."""
    return import_files(plan, "map.yml", bind(plan, "map.yml", [folder]), dsn, commit=commit)


def complaint(attempt: Callable[[], object]) -> str | None:
    """What a refused file or map is told; None when it is taken. Any other exception passes."""
    try:
        attempt()
    except DataFileError as error:
        return str(error)
    return None


def check(plan: maps.Map, folder: Path) -> Report:
    """Read the files in a folder without a database."""
    return check_files(plan, "map.yml", bind(plan, "map.yml", [folder]))
