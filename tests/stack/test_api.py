"""The dashboard API of the command as users run it: real Prometheus and Alertmanager, and the real alert desk."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support import shop as shops
from tests.support.binaries import Program
from tests.support.shop import Shop, Sidecar, eventually, fetch, started

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ALERTS = "/api/dashboard/alerts"


@pytest.fixture(scope="module")
def alertmanager_url(alertmanager: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, shop = tmp_path_factory.mktemp("receiver"), Shop()
    with shop.open() as port, shops.alertmanager(alertmanager, folder, port) as url:
        yield url


@pytest.fixture(scope="module")
def sidecar(prometheus: Program, alertmanager_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder, shop = tmp_path_factory.mktemp("sidecar"), Shop()
    (folder / "watches.yml").write_text(yaml.safe_dump({"watches": [{
        "name": "orders", "title": "open orders", "query": "max by (shop) (shop_orders)", "kind": "gauge",
        "by": ["shop"]}]}))
    with shop.open() as port, shops.prometheus(prometheus, folder, port) as url:
        config = folder / "sales-exporter.yml"
        config.write_text(yaml.safe_dump({"sidecar": {
            "prometheus": {"url": url}, "alertmanagers": [alertmanager_url], "history": "1d", "default_watches": False,
            "watches": [str(folder / "watches.yml")], "desk": {"without_login": "responder"}, "api": {"refresh": 1}}}))
        with started(Sidecar(folder, config, folder / "storage")) as running:
            yield running


def sent(url: str, body: object) -> Any:
    """The answer to JSON that is posted."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def raised(alertmanager_url: str, alertname: str) -> None:
    """An alert of a rule fires."""
    sent(f"{alertmanager_url}/api/v2/alerts", [{
        "labels": {"alertname": alertname, "severity": "warning", "team": "sales-ops", "cluster": "demo"},
        "annotations": {"summary": "few orders"}}])


def open_case(sidecar: Sidecar, alertname: str) -> dict[str, Any] | None:
    found = json.loads(fetch(f"{sidecar.url}{ALERTS}/active"))["alerts"]
    return next((one for one in found if one["alertname"] == alertname), None)


def silences(alertmanager_url: str, alertname: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(fetch(f"{alertmanager_url}/api/v2/silences"))
    return [one for one in found if one["status"]["state"] == "active"
            and {"alertname": alertname}.items() <= {each["name"]: each["value"] for each in one["matchers"]}.items()]


def test_an_alert_is_acknowledged_through_the_api_and_silent_in_alertmanager(
    sidecar: Sidecar, alertmanager_url: str
) -> None:
    raised(alertmanager_url, "FewOrders")
    case = eventually(lambda: open_case(sidecar, "FewOrders"), "the desk sees the alert")
    path = f"{sidecar.url}{ALERTS}/{case['fingerprint']}"
    answer = sent(f"{path}/acknowledge", {"comment": "on it", "by": "ada"})
    assert (answer["state"], answer["acknowledged_by"], answer["comment"]) == ("acknowledged", "ada", "on it")
    (silence,) = eventually(lambda: silences(alertmanager_url, "FewOrders"), "the alert is silenced")
    assert silence["comment"] == "ACK! ada: on it"
    assert sent(f"{path}/unacknowledge", {"by": "ada"})["state"] == "firing"
    eventually(lambda: not silences(alertmanager_url, "FewOrders"), "the silence is gone")
    history = json.loads(fetch(f"{sidecar.url}{ALERTS}/history?fingerprint={case['fingerprint']}"))["events"]
    assert [(event["kind"], event["by"], event["via"]) for event in history[:2]] == [
        ("unacknowledged", "ada", "api"), ("acknowledged", "ada", "api")]


def test_the_stream_tells_of_a_new_alert(sidecar: Sidecar, alertmanager_url: str) -> None:
    events: list[tuple[float, str]] = []

    def follow() -> None:
        with urllib.request.urlopen(f"{sidecar.url}/api/dashboard/stream/alerts", timeout=30) as stream:
            for line in stream:
                events.append((time.monotonic(), line.decode()))
                if "NewOne" in events[-1][1]:
                    return

    follower = threading.Thread(target=follow)
    follower.start()
    eventually(lambda: any("picture" in line for _, line in events), "the stream begins with a picture")
    raised(alertmanager_url, "NewOne")
    follower.join(30)
    assert not follower.is_alive()
    data = json.loads(events[-1][1].removeprefix("data: "))
    assert (data["name"], data["state"]["annotations"]) == ("change", {"summary": "few orders"})


def test_the_numbers_come_from_the_prometheus_of_the_configuration(sidecar: Sidecar) -> None:
    began = time.time()
    found = json.loads(fetch(f"{sidecar.url}/api/dashboard/performance/current"))
    states = {field["state"] for section in ("system", "api", "models", "calls") for field in found[section].values()}
    # This Prometheus knows a shop, and none of the product's series.
    assert states == {"no_data"}
    assert began <= found["as_of"] <= time.time()


def test_an_action_on_what_nobody_knows_is_a_problem(sidecar: Sidecar) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        sent(f"{sidecar.url}{ALERTS}/0000000000000000/acknowledge", {})
    with refused.value as answer:
        assert (answer.code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_restart_keeps_what_was_decided(sidecar: Sidecar, alertmanager_url: str) -> None:
    raised(alertmanager_url, "Lasting")
    case = eventually(lambda: open_case(sidecar, "Lasting"), "the desk sees the alert")
    sent(f"{sidecar.url}{ALERTS}/{case['fingerprint']}/acknowledge", {"by": "ada"})
    assert sidecar.stop() == 0
    sidecar.start()
    kept = eventually(lambda: open_case(sidecar, "Lasting"), "the case is there again")
    assert (kept["state"], kept["acknowledged_by"]) == ("acknowledged", "ada")
