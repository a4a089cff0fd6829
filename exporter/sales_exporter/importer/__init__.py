"""Brings CSV files into the data contract's tables as a map says: all or nothing, and twice is once."""

from __future__ import annotations

from sales_exporter.importer.examples import NAMES, Example, example, load_example
from sales_exporter.importer.files import Progress, silent
from sales_exporter.importer.load import Counts, Report
from sales_exporter.importer.run import bind, check_files, import_files
from sales_exporter.importer.template import map_template

__all__ = [
    "NAMES", "Counts", "Example", "Progress", "Report", "bind", "check_files", "example", "import_files",
    "load_example", "map_template", "silent",
]
