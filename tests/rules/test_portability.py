"""The same rules for other readers: a newer promtool, vmalert of any age, Mimir. Each is tried where its program is.

The programs are looked for in SALES_EXPORTER_BIN and on PATH: ``promtool3`` (any promtool from 3.0 on under that name),
``vmalert``, ``mimirtool``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sales_exporter.cli.rules import rules
from tests.rules.rulebook import CASES, RULES
from tests.support.binaries import Program

pytestmark = pytest.mark.stack

FILES = sorted((*RULES.glob("alerts/*.yml"), *RULES.glob("recording/*.yml")))


def optional(name: str) -> Program:
    """A program that nothing needs; a test that wants it skips without it and says so."""
    places = os.pathsep.join((os.environ.get("SALES_EXPORTER_BIN", ""), os.environ.get("PATH", "")))
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"{name} is neither in SALES_EXPORTER_BIN nor on PATH: the rules were not tried with it")
    return Program(Path(found))


def rendered(out: Path, *flags: str) -> list[Path]:
    """The rule files in another form."""
    done = CliRunner().invoke(rules, ["render", "--folder", str(RULES), "--out", str(out), *flags])
    assert done.exit_code == 0, done.output
    return sorted(out.glob("*/*.yml"))


def judged(vmalert: Program, files: list[Path]) -> str:
    """Empty when vmalert takes the files; else what it says."""
    done = vmalert.run("-dryRun", *(f"-rule={path}" for path in files))
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_a_promtool_of_the_third_line_accepts_the_rules() -> None:
    done = optional("promtool3").run("check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yml")), ids=lambda path: path.stem)
def test_the_cases_hold_with_a_promtool_of_the_third_line(path: Path) -> None:
    done = optional("promtool3").run("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_vmalert_takes_the_rules_and_an_old_one_those_without_keep_firing_for(tmp_path: Path) -> None:
    vmalert = optional("vmalert")
    refused = judged(vmalert, FILES)
    assert refused == "" or "unknown fields in rule: keep_firing_for" in refused
    assert judged(vmalert, rendered(tmp_path, "--no-keep-firing-for")) == ""


def test_vmalert_refuses_what_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum(', for: 5m}]}]\n")
    assert judged(optional("vmalert"), [tmp_path / "wrong.yml"]) != ""


def test_mimirtool_takes_the_rules_as_namespaces(tmp_path: Path) -> None:
    done = optional("mimirtool").run("rules", "check", *rendered(tmp_path, "--mimir"))
    assert done.returncode == 0, done.stdout + done.stderr
