"""The real servers: from PATH, else from the distribution's packages, unpacked without root or maintainer scripts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sales_exporter.errors import StackError

PROGRAMS = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
PACKAGES = ("prometheus", "prometheus-alertmanager")
# Debian's Alertmanager opens its templates below this path, whatever the working directory is.
_ALERTMANAGER_DATA = b"/usr/share/prometheus/alertmanager"
_INSTALL = (
    "install Prometheus and Alertmanager so that prometheus, promtool, alertmanager and amtool are on PATH "
    "(Debian, Ubuntu: apt-get install prometheus prometheus-alertmanager; elsewhere: the archives of "
    "https://prometheus.io/download/)"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Binaries:
    """Paths of the programs, and the web assets and data folder where they come unpacked."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path
    root: Path | None = None

    def prometheus_flags(self) -> list[str]:
        """Flags that make an unpacked Prometheus find its pages."""
        if self.root is None:
            return []
        share = self.root / "usr/share/prometheus/web"
        return [f"--web.local-assets={share}/"] if share.is_dir() else []

    @property
    def alertmanager_folder(self) -> Path | None:
        """Working directory that an unpacked Alertmanager needs."""
        return self.root / "usr/share/prometheus/alertmanager" if self.root is not None else None


def obtain(storage: Path, say: Say) -> Binaries:
    """The programs, from PATH or unpacked below ``storage``.

    Raises:
        StackError: they can neither be found nor fetched; says what to install from where.
    """
    on_path = {name: _which(names) for name, names in PROGRAMS.items()}
    if all(on_path.values()):
        found = {name: path for name, path in on_path.items() if path is not None}
        return Binaries(**found, root=_unpacked(found["alertmanager"]))
    root = storage.resolve() / "servers"
    if not (root / "complete").exists():
        _fetch(root, say)
    unpacked = {name: _within(root, names) for name, names in PROGRAMS.items()}
    missing = [name for name, path in unpacked.items() if path is None]
    if missing:
        raise StackError(f"{', '.join(missing)} not found after unpacking the packages; {_INSTALL}")
    return Binaries(**{name: path for name, path in unpacked.items() if path is not None}, root=root)


def _which(names: tuple[str, ...]) -> Path | None:
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    return None


def _unpacked(program: Path) -> Path | None:
    """The folder in which the program's package was unpacked, if it is not the machine's own."""
    root = program.resolve().parent.parent.parent
    return root if root != Path("/") and (root / "usr/share/prometheus").is_dir() else None


def _within(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / "usr/bin" / name for name in names if (root / "usr/bin" / name).exists()), None)


def _fetch(root: Path, say: Say) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise StackError(f"{tool} is missing, so the servers cannot be fetched; {_INSTALL}")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        work = Path(folder)
        # apt's own sandbox user must be able to write here; it falls back to the caller where it cannot.
        options = _download(work, list(PACKAGES), say)
        extras = sorted({name for deb in work.glob("*.deb") for name in _assets(deb)})
        if extras:
            say("fetching the pages of Prometheus")
            _apt(work, [*options, "download", *extras])
        for deb in sorted(work.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(deb), str(root)], work)
    _relocate(root / "usr/bin/prometheus-alertmanager")
    (root / "complete").touch()


def _download(work: Path, packages: list[str], say: Say) -> list[str]:
    """Download with the machine's package lists, else with fresh ones of our own; returns apt's options."""
    say("fetching Prometheus and Alertmanager (apt-get download)")
    if _apt(work, ["download", *packages]):
        return []
    say("reading the package lists")
    state = work / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    folders = {"State": f"{state}/state", "Cache": f"{state}/cache", "State::status": "/var/lib/dpkg/status"}
    options = [f"-oDir::{name}={path}" for name, path in folders.items()]
    if not (_apt(work, [*options, "update"]) and _apt(work, [*options, "download", *packages])):
        raise StackError(f"apt-get could not download {' and '.join(packages)}; {_INSTALL}")
    return options


def _assets(deb: Path) -> list[str]:
    """Packages of scripts and fonts that this one depends on: its pages need them."""
    command = ["dpkg-deb", "-f", str(deb), "Depends"]
    depends = subprocess.run(command, capture_output=True, text=True, check=False)
    names = re.findall(r"\b((?:libjs|fonts)-[a-z0-9.+-]+)", depends.stdout)
    return [*names, "libjs-d3"] if names else []


def _relocate(program: Path) -> None:
    """Make our private copy read its data files from its working directory, by a path of the same length."""
    if program.exists():
        code = program.read_bytes()
        here = b"." + b"/" * (len(_ALERTMANAGER_DATA) - 1)
        program.write_bytes(code.replace(_ALERTMANAGER_DATA, here))


def _apt(work: Path, arguments: list[str]) -> bool:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    sandbox = "-oAPT::Sandbox::User=root" if os.geteuid() == 0 else "-qq"
    done = subprocess.run(["apt-get", "-qq", sandbox, *arguments], cwd=work, env=environment,  # noqa: S607
                          capture_output=True, check=False)
    return done.returncode == 0


def _run(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"{command[0]} failed: {done.stderr.strip()[-200:]}")
