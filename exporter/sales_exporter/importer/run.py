"""One import from start to end: files found for the sources of a map, read, checked, loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from sales_exporter.errors import DataFileError
from sales_exporter.importer import fit
from sales_exporter.importer.files import Progress, open_table, silent
from sales_exporter.importer.load import Counts, Report, load, unknown_values
from sales_exporter.importer.map import Map
from sales_exporter.importer.rows import Rows, lookups_in, make_rows


def import_files(
    plan: Map, where: str, files: Mapping[str, Path], dsn: str, progress: Progress = silent, *,
    commit: bool = True,
) -> Report:
    """Load ``files`` (by source) as the map ``plan`` says; ``where`` names the map in errors.

    All or nothing, and the same again changes nothing. ``commit=False`` does all of it and undoes it.

    Raises:
        DataFileError: the map or a file is malformed.
        ConfigError: the database cannot be reached or written.
    """
    return load(_entries(plan, where, files, progress), dsn, progress, commit=commit)


def check_files(plan: Map, where: str, files: Mapping[str, Path], progress: Progress = silent) -> Report:
    """Read and convert every row without a database. Keys with two contents are found only by a load.

    Raises:
        DataFileError: the map or a file is malformed.
    """
    entries = _entries(plan, where, files, progress)
    read: Counter[str] = Counter()
    for rows in entries:
        read[rows.relation.name] += sum(1 for _ in rows.read(progress))
    return Report(tuple(Counts(name, rows) for name, rows in read.items()), unknown_values(entries), None)


def bind(plan: Map, where: str, given: Sequence[Path]) -> dict[str, Path]:
    """Which of the given files, or files in given folders, each source of the map is.

    A map with one source takes the one file whatever its name is.

    Raises:
        DataFileError: a source without a file or with several, or a file that no source takes.
    """
    files = [path for path in given if not path.is_dir()]
    folders = [path for path in given if path.is_dir()]
    inside = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    if len(plan.sources) == 1 and len(files) == 1 and not inside:
        return {next(iter(plan.sources)): files[0]}
    found: dict[str, Path] = {}
    for name, source in plan.sources.items():
        fitting = [path for path in (*files, *inside) if fnmatch(path.name, source.file)]
        if len(fitting) != 1:
            listed = ", ".join(map(str, fitting)) if fitting else f"none in {', '.join(map(str, given))}"
            raise DataFileError(f"{where}: sources.{name}: expected one file {source.file}, found {listed}")
        found[name] = fitting[0]
    if idle := [path for path in files if path not in found.values()]:
        raise DataFileError(f"{idle[0]}: no source of {where} takes a file of this name")
    return found


def _entries(plan: Map, where: str, files: Mapping[str, Path], progress: Progress) -> list[Rows]:
    fit.check(plan, where)
    tables = {name: open_table(files[name], source) for name, source in plan.sources.items()}
    lookups = lookups_in(tables, progress)
    return [make_rows(target, tables, lookups) for target in plan.relations]
