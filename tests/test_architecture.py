"""The table of allowed imports: dependencies point one way, and applications pay for nothing that they do not use."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "exporter" / "sales_exporter"

BASE = {"errors", "files", "model"}
ALLOWED = {
    "errors": set[str](),
    "files": {"errors"},
    "model": {"errors"},
    "config": {"errors"},
    "stats": BASE,
    "contract": BASE | {"config"},
    "ledger": BASE | {"stats"},
    "collectors": BASE | {"config", "stats", "ledger", "__init__"},
    "runtime": BASE | {"config", "collectors", "ledger", "__init__"},
    "instrumentation": BASE | {"runtime"},
    "intake": BASE | {"config", "contract", "collectors", "runtime", "__init__"},
    "sidecar": BASE | {"config", "stats", "collectors", "runtime", "__init__"},
    "api": BASE | {"config", "grafana", "runtime", "sidecar", "__init__"},
    "importer": BASE | {"config", "contract"},
    "rules": BASE | {"config"},
    "catalogue": BASE | {"collectors", "config", "instrumentation", "sidecar"},
    "grafana": BASE | {"catalogue", "collectors"},
    "demo": BASE | {"config", "stats", "contract", "collectors", "ledger", "runtime", "importer", "instrumentation",
                    "rules", "sidecar", "__init__"},
}
ASKS = re.compile(r"\btime\s*\.\s*time\b")
HEAVY = ("scipy.stats", "pandas", "aiohttp", "rich")


@cache
def modules() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def statements(body: list[Any]) -> Iterator[ast.AST]:
    """Statements at any depth. To look into their expressions as well would take five times as long."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, inner, []))


@cache
def imports(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in statements(ast.parse(path.read_text()).body):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
    return tuple(found)


def rooms_of(path: Path) -> set[str]:
    """The rooms that a module imports from."""
    ours = [name.split(".") for name in imports(path) if name.startswith("sales_exporter.")]
    return {"__init__" if parts[1] == "__version__" else parts[1] for parts in ours}


def test_every_room_is_in_the_table() -> None:
    assert {room(path) for path in modules()} - {"cli", "__main__", "__init__"} == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_imports_point_one_way(name: str) -> None:
    found = {str(path.relative_to(PACKAGE)): rooms_of(path) - ALLOWED[name] - {name}
             for path in modules() if room(path) == name}
    assert {path: rooms for path, rooms in found.items() if rooms} == {}


def test_no_module_but_the_clock_asks_for_the_time() -> None:
    askers = {
        str(path.relative_to(PACKAGE)) for path in modules() if ASKS.search(path.read_text())
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "time" and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    }
    # The stack runner builds real objects for the command line and stamps what it writes with the real time. What
    # applications import takes the clock as an argument whose default this is.
    assert askers <= {
        "runtime/clock.py", "demo/stack.py", "cli/stack.py", "cli/generate.py", "instrumentation/exemplars.py",
        "instrumentation/recorders/recorder.py"}


def test_special_functions_come_from_one_place() -> None:
    askers = {
        str(path.relative_to(PACKAGE)) for path in modules()
        if any(name.partition(".")[0] == "scipy" for name in imports(path))
    }
    assert askers == {"stats/special.py"}


@pytest.mark.slow
def test_modules_of_numpy_that_nobody_uses_are_not_read_until_somebody_does() -> None:
    code = """
import sys
import sales_exporter.runtime.exporter, sales_exporter.collectors
sales_exporter.collectors.discover()
print(*[name for name in ("numpy.testing._private", "numpy.f2py.crackfortran", "unittest") if name in sys.modules])
from numpy.testing import assert_array_equal
import numpy.f2py
assert_array_equal([1], [1])
print(callable(numpy.f2py.get_include), numpy.testing is sys.modules["numpy.testing"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["", "True True", ""]


@pytest.mark.slow
def test_modules_of_numpy_that_are_there_stay_as_they_are() -> None:
    code = ("import numpy.testing as there; import sales_exporter.stats.special, sys; "
            "print(sys.modules['numpy.testing'] is there, type(there).__name__)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "module"]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sales_exporter.runtime.exporter", "sales_exporter.runtime.exposition"])
def test_the_exporter_does_not_load_what_is_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_exposition_needs_the_standard_library_only() -> None:
    code = ("import sys; before = set(sys.modules); import sales_exporter.runtime.exposition; "
            "print(*{m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sales_exporter"]


@pytest.mark.slow
def test_an_application_needs_prometheus_client_and_nothing_else() -> None:
    code = """
import sys, importlib
before = set(sys.modules)
import sales_exporter.instrumentation as rooms
for name in rooms.__all__:
    getattr(rooms, name)
for name in ("asgi", "wsgi", "handlers", "pages", "llm", "recorders", "workers"):
    importlib.import_module(f"sales_exporter.instrumentation.{name}")
rooms.Recorder(), rooms.SalesMetrics(None), rooms.SalesMetricsWSGI(None)
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["prometheus_client", "sales_exporter"]
