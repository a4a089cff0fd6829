"""All ways to acknowledge lead to the same state: page, API, command line and signed link, over a real Alertmanager."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.remembered import Remembered
from tests.support import shop as shops
from tests.support.binaries import Program
from tests.support.shop import Shop, Sidecar, eventually, fetch, started

pytestmark = [pytest.mark.stack, pytest.mark.slow]

KEY = "0123456789abcdef" * 4
TOKEN = re.compile(r'name="token" value="([^"]+)"')
Act = Callable[[Sidecar, str], None]


@contextlib.contextmanager
def company(alertmanager: Program, folder: Path) -> Iterator[tuple[Sidecar, str]]:
    """A sidecar and the address of its Alertmanager. Without Prometheus: people decide about alerts all the same."""
    shop, config, key = Shop(), folder / "sales-exporter.yml", folder / "links.key"
    key.write_text(KEY)
    with shop.open() as port, shops.alertmanager(alertmanager, folder, port) as url:
        config.write_text(yaml.safe_dump({"sidecar": {
            "prometheus": {"url": "http://127.0.0.1:1"}, "alertmanagers": [url], "default_watches": False,
            "desk": {"without_login": "responder", "key_file": str(key)}}}))
        with started(Sidecar(folder, config, folder / "storage")) as running:
            yield running, url


@pytest.fixture(scope="module")
def world(alertmanager: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sidecar, str]]:
    with company(alertmanager, tmp_path_factory.mktemp("company")) as found:
        yield found


def posted(url: str, body: bytes, kind: str) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def raised(alertmanager_url: str, alertname: str) -> None:
    alert = {"labels": {"alertname": alertname, "severity": "warning", "team": "sales-ops", "cluster": "demo"},
             "annotations": {"summary": f"{alertname} is wrong."}}
    posted(f"{alertmanager_url}/api/v2/alerts", json.dumps([alert]).encode(), "application/json")


def by_page(sidecar: Sidecar, fingerprint: str) -> None:
    page = f"{sidecar.url}/alerts/{fingerprint}"
    token = TOKEN.search(fetch(page))
    assert token is not None
    shown = posted(f"{page}/acknowledge", urlencode({"token": token[1], "name": "ada", "comment": "on it"}).encode(),
                   "application/x-www-form-urlencoded")
    assert "ada has it." in unescape(shown)


def by_api(sidecar: Sidecar, fingerprint: str) -> None:
    posted(f"{sidecar.url}/api/dashboard/alerts/{fingerprint}/acknowledge",
           json.dumps({"by": "ada", "comment": "on it"}).encode(), "application/json")


def by_command(sidecar: Sidecar, fingerprint: str) -> None:
    done = subprocess.run([sys.executable, "-m", "sales_exporter", "alerts", "ack", fingerprint[:8], "-m", "on it",
                           "--by", "ada", "--sidecar.url", sidecar.url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()[-5:]) == (0, ": ada"), done.stderr


def by_link(sidecar: Sidecar, fingerprint: str) -> None:
    clock = SystemClock()
    url = Links(sidecar.url, KEY.encode(), Remembered(None, clock), clock).acknowledge(fingerprint, "ada")
    assert "Acknowledge this alert?" in fetch(url)
    assert "Acknowledge this alert?" in fetch(url)
    assert "Acknowledged:" in posted(url, b"", "application/x-www-form-urlencoded")
    with pytest.raises(urllib.error.HTTPError, match="410"):
        posted(url, b"", "application/x-www-form-urlencoded")


def known(sidecar: Sidecar, alertname: str) -> dict[str, Any] | None:
    alerts = json.loads(fetch(f"{sidecar.url}/api/dashboard/alerts/active"))["alerts"]
    return next((one for one in alerts if one["alertname"] == alertname), None)


def silence_of(alertmanager_url: str, alertname: str) -> dict[str, Any] | None:
    silences = json.loads(fetch(f"{alertmanager_url}/api/v2/silences"))
    return next((one for one in silences if one["status"]["state"] == "active"
                 and alertname in {each["value"] for each in one["matchers"]}), None)


@pytest.mark.parametrize(("via", "act"), [
    ("page", by_page), ("api", by_api), ("cli", by_command), ("link", by_link)])
def test_every_way_to_acknowledge_leads_to_the_same_state(world: tuple[Sidecar, str], via: str, act: Act) -> None:
    sidecar, alertmanager_url = world
    alertname = f"Wrong{via.capitalize()}"
    raised(alertmanager_url, alertname)
    fingerprint = eventually(lambda: known(sidecar, alertname), "the desk sees the alert")["fingerprint"]
    act(sidecar, fingerprint)
    now = known(sidecar, alertname)
    assert now is not None
    assert (now["state"], now["acknowledged_by"]) == ("acknowledged", "ada")
    silence = eventually(lambda: silence_of(alertmanager_url, alertname), "the alert is silenced")
    assert silence["comment"].startswith("ACK! ada")
    assert {part["name"]: part["value"] for part in silence["matchers"]} == now["labels"]
    history = f"{sidecar.url}/api/dashboard/alerts/history?fingerprint={fingerprint}&limit=1"
    (event,) = json.loads(fetch(history))["events"]
    assert (event["kind"], event["by"], event["via"]) == ("acknowledged", "ada", via)
    assert "ada" in fetch(f"{sidecar.url}/alerts?state=acknowledged")


def test_quiet_is_good_news_once_the_watchdog_arrives(alertmanager: Program, tmp_path: Path) -> None:
    with company(alertmanager, tmp_path) as (sidecar, url):
        eventually(lambda: "The Watchdog, which always fires, does not" in fetch(f"{sidecar.url}/alerts"),
                   "quiet is not called good news")
        raised(url, "Watchdog")
        eventually(lambda: "All quiet" in fetch(f"{sidecar.url}/alerts"), "quiet is good news")
