"""The image builds from its context alone, and its program lives within the limits of its container."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from sales_exporter.demo.postgres import free_port
from tests.compose.files import ROOT, SERVICES, dockerfile

CONTEXT = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
COPIED = [source for stage in ("build", "build-application") for word, rest in dockerfile()[stage].steps
          if word == "COPY" for source in rest.split()[:-1]]
UID = SERVICES["exporter"]["user"].split(":")[0]


def test_everything_that_is_copied_is_in_the_context():
    for source in COPIED:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in CONTEXT, source


def test_nothing_but_the_product_is_in_the_context():
    assert not {"secrets", ".git", ".venv", ".sales-exporter", "tests", "docs"} & set(CONTEXT)
    assert {source.split("/")[0] for source in COPIED} == set(CONTEXT)


def test_everything_that_the_package_carries_is_copied():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["force-include"]) <= set(COPIED)


def test_final_image_is_the_exporter_and_starts_it():
    *_, last = dockerfile().values()
    assert last.name == "exporter"
    assert last.last("CMD") == '["serve", "--web.listen-address=0.0.0.0:18880"]'
    assert "healthcheck" in (last.last("HEALTHCHECK") or "")


@pytest.mark.slow
def test_package_builds_from_the_context_alone(tmp_path: Path):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    for source in COPIED:
        target = tmp_path / "source" / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")]
    done = subprocess.run(command, cwd=tmp_path / "source", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "wheel").glob("sales_exporter-*.whl"))) == 1


def test_application_is_the_example_and_is_in_the_package():
    stage = dockerfile()["application"]
    assert "--from=build-application /source/examples/app /srv/application" in [rest for _, rest in stage.steps]
    assert stage.last("WORKDIR") == "/srv/application"
    assert stage.last("ENTRYPOINT") == '["uvicorn"]'
    assert json.loads(stage.last("CMD") or "") == SERVICES["application"]["command"]
    assert (ROOT / "examples/app/app.py").exists()


@pytest.mark.stack
def test_s10_exporter_serves_under_the_limits_of_its_container(tmp_path: Path):
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs root, unshare and setpriv to make the container's limits")
    for part in (tmp_path, *tmp_path.parents):
        if part.name.startswith(("pytest-", "test_")):
            part.chmod(0o711)
    dsn, port = tmp_path / "dsn", free_port()
    dsn.write_text("host=127.0.0.1 port=1 dbname=sales user=sales_exporter password=x")
    os.chown(dsn, int(UID), int(UID))
    dsn.chmod(0o400)
    limits = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
              "--no-new-privs"]
    serve = [sys.executable, "-B", "-m", "sales_exporter", "serve", f"--web.listen-address=127.0.0.1:{port}",
             f"--database.dsn-file={dsn}"]
    if subprocess.run([*limits, sys.executable, "-c", "import sales_exporter.cli"], capture_output=True, cwd="/",
                      check=False).returncode:
        pytest.skip(f"uid {UID} cannot reach this Python environment")
    read_only = "mount --make-rprivate / && mount -o remount,bind,ro / && mount -t tmpfs tmpfs /tmp && "
    volume = tmp_path / "volume"
    volume.mkdir()
    read_only += f"mount -t tmpfs -o uid={UID},gid={UID},mode=0700 tmpfs {volume} && "
    inside = ["unshare", "--mount", "sh", "-c", read_only + "exec " + shlex.join([*limits, *serve])]
    if str(tmp_path).startswith("/tmp") or sys.prefix.startswith("/tmp"):
        inside[-1] = inside[-1].replace("mount -t tmpfs tmpfs /tmp && ", "")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "SALES_EXPORTER_STORAGE_PATH": str(volume)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(inside, cwd="/", env=environment, stdout=log, stderr=log)
    try:
        page = _page(process, f"http://127.0.0.1:{port}/metrics", tmp_path / "log")
        assert 'sales_source_up{source="postgres"} 0' in page
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert f"Uid:\t{UID}\t" in status
        assert "NoNewPrivs:\t1" in status
    finally:
        process.terminate()
        assert process.wait(10) == 0


def _page(process: subprocess.Popen[bytes], url: str, log: Path) -> str:
    """The metrics once the first look at the source has failed."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            text = ""
        if "sales_source_up" in text:
            return text
        time.sleep(0.1)
    if "Operation not permitted" in log.read_text() or "permission denied" in log.read_text():
        pytest.skip("mounts are not allowed here")
    raise AssertionError(log.read_text(errors="replace")[-800:])
