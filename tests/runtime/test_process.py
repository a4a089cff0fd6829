"""The exporter as a process: signals, exit codes, and a bad start explained in one line."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sales_exporter.demo.postgres import free_port

pytestmark = pytest.mark.process


class Process:
    """``sales-exporter serve`` on a free port, without a source."""

    def __init__(self, folder: Path, *flags: str, configuration: str = "") -> None:
        self.port = free_port()
        self.config = folder / "sales.yml"
        self.config.write_text(configuration or f"web: {{listen_address: ['127.0.0.1:{self.port}']}}")
        self.log = folder / "log"
        command = [sys.executable, "-m", "sales_exporter", "serve", f"--config.file={self.config}", *flags]
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)

    def ask(self, path: str = "/metrics") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def wait(self, wanted: str, path: str = "/metrics", seconds: float = 20) -> float:
        """Seconds until ``wanted`` is in the answer."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            with contextlib.suppress(OSError):
                if wanted in self.ask(path):
                    return time.monotonic() - began
            assert self.child.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"{wanted!r} did not come; {self.log.read_text()}")

    def end(self, how: signal.Signals) -> int:
        self.child.send_signal(how)
        return self.child.wait(10)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path)
    yield started
    if started.child.poll() is None:
        started.end(signal.SIGKILL)


def test_r1_it_serves_within_seconds_without_any_source(process: Process) -> None:
    process.wait("system_memory_utilization_ratio")
    assert 'sales_source_up{source="postgres"} 0' in process.ask()


def test_r17_sigterm_ends_it_within_five_seconds_with_status_0(process: Process) -> None:
    process.wait("system_memory_utilization_ratio")
    began = time.monotonic()
    assert process.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5


def test_r17_sighup_reads_the_configuration_again_and_keeps_the_old_one_when_it_is_bad(process: Process) -> None:
    process.wait('sales_exporter_collector_interval_seconds{collector="reps"}')
    good = process.config.read_text()
    process.config.write_text(good + "\nwebb: {}")
    process.child.send_signal(signal.SIGHUP)
    process.wait("sales_exporter_config_last_reload_successful 0")
    assert "webb: unknown key" in process.log.read_text()
    process.config.write_text(good + "\ncollectors: {reps: {enabled: false}}")
    process.child.send_signal(signal.SIGHUP)
    process.wait("sales_exporter_config_last_reload_successful 1")
    assert 'collector="reps"' not in process.ask()


@pytest.mark.parametrize(("flags", "configuration", "expected"), [
    (["--web.listen-address=127.0.0.1:{busy}"], "", "127.0.0.1:{busy}"),
    (["--web.listen-address=nowhere"], "", "nowhere"),
    (["--collector.funel"], "", "--collector.funel: no such collector"),
    (["--as-of=yesterday"], "", "as_of: expected an ISO 8601 moment"),
    (["--log.level=loud"], "", "flags: log.level:"),
    (["--web.config.file=/no/such/file"], "", "/no/such/file"),
    (["--database.dsn-file=/no/such/file"], "", "/no/such/file"),
    ([], "collectors: {funel: {}}", "sales.yml"),
    (["--no-such-flag"], "", "--no-such-flag: no such option"),
])
def test_r18_a_bad_start_is_one_line_and_status_2(
    flags: list[str], configuration: str, expected: str, tmp_path: Path
) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        process = Process(tmp_path, *(flag.format(busy=port) for flag in flags), configuration=configuration)
        assert process.child.wait(20) == 2
    log = process.log.read_text()
    assert expected.format(busy=port) in log
    assert len(log.strip().splitlines()) == 1, log
    assert "Traceback" not in log


def test_s1_the_password_appears_nowhere_when_everything_fails(tmp_path: Path) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("host=127.0.0.1 port=1 user=canary-user password=canary-secret dbname=sales")
    process = Process(tmp_path, f"--database.dsn-file={secret}", "--log.level=debug")
    process.wait('collector_success{collector="funnel"} 0')
    told = process.ask() + process.ask("/") + process.log.read_text()
    process.end(signal.SIGTERM)
    assert "canary" not in told + process.log.read_text()


def test_the_health_check_tells_a_server_from_none(process: Process) -> None:
    process.wait("system_memory_utilization_ratio")
    command = [sys.executable, "-m", "sales_exporter", "healthcheck", "--url"]
    alive = subprocess.run([*command, f"http://127.0.0.1:{process.port}/-/healthy"], check=False, capture_output=True)
    dead = subprocess.run([*command, f"http://127.0.0.1:{free_port()}/-/healthy"], check=False, capture_output=True)
    assert (alive.returncode, dead.returncode) == (0, 1)


def test_the_configuration_can_be_checked_without_serving(tmp_path: Path) -> None:
    process = Process(tmp_path, "--config.check")
    assert process.child.wait(20) == 0
    assert process.log.read_text() == "configuration is valid\n"
