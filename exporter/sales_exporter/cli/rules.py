"""``rules``: the rule files, rendered from templates, thresholds and objectives."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sales_exporter.cli.rules_backtest import backtest
from sales_exporter.errors import ConfigError, UsageError
from sales_exporter.files import shipped
from sales_exporter.rules import slo
from sales_exporter.rules.render import Check, Form, Template, rendered, unused
from sales_exporter.rules.thresholds import Value, dashboards, overlaid, thresholds

rules = typer.Typer(no_args_is_help=True)
rules.command("backtest")(backtest)

THRESHOLDS, DASHBOARDS, OBJECTIVES, TEMPLATES = "thresholds.yml", "dashboards.yml", "slos.yml", "templates"
_SHOWN = 40
"""Lines of a difference that are shown."""


@rules.callback()
def _rules() -> None:
    """The rule files of Prometheus: made from templates and thresholds."""


@rules.command("render")
def render(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Folder with thresholds.yml and templates. Default: alert_rules, where there is "
                                      "one, else the one that this program came with."),
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option("--thresholds", help="File with thresholds of your own, only those that you change: they take the "
                                          "place of those in thresholds.yml."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for alerts and recording. Default: that of the templates.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 when the files are not as they would be.")
    ] = False,
    keep_firing_for: Annotated[
        bool, typer.Option("--keep-firing-for/--no-keep-firing-for", help="Whether alerts outlast a short lull; "
                                                                          "vmalert takes that from 1.112 on.")
    ] = True,
    mimir: Annotated[
        bool, typer.Option("--mimir", help="For the ruler of Mimir (mimirtool rules load): each file is a namespace.")
    ] = False,
) -> None:
    """Write the rule files: limits of thresholds.yml go into rules and texts, objectives of slos.yml become rules.

    Everything is rendered and checked before the first file is written. Reload Prometheus afterwards.

    \b
    sales-exporter rules render                              after a change of thresholds.yml
    sales-exporter rules render --check                      in CI: the files are what they should be
    sales-exporter rules render --thresholds own.yml --out /etc/prometheus/sales

    Exit status: 0 written or as it should be, 1 --check found differences, 2 a file is wrong.
    """
    home = folder or (Path("alert_rules") if Path("alert_rules").is_dir() else shipped("alert_rules"))
    form = Form(keep_firing_for, mimir)
    if out is None and form != Form() and not check:
        raise UsageError("rules render: --mimir and --no-keep-firing-for need --out: what is in the folder is for "
                         "Prometheus")
    files = made(home, own, form)
    target = out or home
    if check:
        found = differences(files, target)
        typer.echo(found or f"{len(files)} rule files are as they should be")
        raise typer.Exit(1 if found else 0)
    write(files, target)
    typer.echo(f"{len(files)} rule files are in {target}")


def made(home: Path, own: Path | None, form: Form) -> dict[str, str]:
    """Text of each rule file by its place, such as ``alerts/api.yml``.

    Raises:
        ConfigError: one line that names the file, the key and what to do.
    """
    values = limits(home, own)
    templates = [Template(path.relative_to(home / TEMPLATES).as_posix(), str(path), _read(path))
                 for path in sorted((home / TEMPLATES).rglob("*.yml"))]
    if not templates:
        raise ConfigError(f"{home / TEMPLATES}: no templates there; give the folder that has them as --folder")
    templates += _objectives(home)
    for name in unused(templates, values):
        file = DASHBOARDS if name.startswith("dashboards.") else THRESHOLDS
        raise ConfigError(f"{home / file}: {name.removeprefix('dashboards.')}: unknown key: no template asks for it")
    parse = parser()
    return {template.name: rendered(template, values, parse, form) for template in templates}


def _objectives(home: Path) -> list[Template]:
    """Templates made of the objectives; none without such a file."""
    path = home / OBJECTIVES
    if not path.exists():
        return []
    found = slo.objectives(_read(path), str(path))
    return [Template("alerts/slo.yml", str(path), slo.alerts(found), OBJECTIVES),
            Template("recording/slo.yml", str(path), slo.recording(found), OBJECTIVES)]


def limits(home: Path, own: Path | None) -> Mapping[str, Value]:
    """Thresholds in force and dashboards, by ``family.key``."""
    found = thresholds(_read(home / THRESHOLDS), str(home / THRESHOLDS))
    if own is not None:
        found = overlaid(found, thresholds(_read(own), str(own)), str(own))
    return {**found, **dashboards(_read(home / DASHBOARDS), str(home / DASHBOARDS))}


def parser() -> Check | None:
    """What parses expressions, where promql-parser is installed."""
    try:
        import promql_parser  # noqa: PLC0415
    except ImportError:
        typer.echo("rules render: expressions are not parsed: pip install 'sales-exporter[check]', or try the "
                   "files with promtool check rules", err=True)
        return None

    def parse(expr: str) -> None:
        promql_parser.parse(expr)

    return parse


def differences(files: Mapping[str, str], target: Path) -> str:
    """What differs between the files on disk and those that would be written; empty when nothing does."""
    lines: list[str] = []
    for name, text in files.items():
        path = target / name
        before = _read(path) if path.is_file() else ""
        lines += difflib.unified_diff(before.splitlines(), text.splitlines(), str(path), "rendered", n=0, lineterm="")
    lines += [f"{path}: no template makes this file" for kind in sorted({name.partition("/")[0] for name in files})
              for path in sorted((target / kind).glob("*.yml")) if path.relative_to(target).as_posix() not in files]
    more = f"\n… {len(lines) - _SHOWN} more lines" if lines[_SHOWN:] else ""
    return "\n".join(lines[:_SHOWN]) + more


def write(files: Mapping[str, str], target: Path) -> None:
    """Write drafts of all files first, which then take their places: what cannot be written changes nothing.

    Raises:
        UsageError: the folder cannot be written to.
    """
    drafts: dict[Path, Path] = {}
    try:
        for name, text in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            drafts[path] = path.with_name(f".{path.name}.new")
            drafts[path].write_text(text, "utf-8")
        for path, draft in drafts.items():
            os.replace(draft, path)
    except OSError as error:
        raise UsageError(f"rules render: --out {target}: {error.strerror}; give a folder to write to") from None
    finally:
        for draft in drafts.values():
            with contextlib.suppress(OSError):
                draft.unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}; give its folder as --folder") from None
