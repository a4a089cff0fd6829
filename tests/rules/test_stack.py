"""From a page of metrics to a notice, through the real Prometheus and Alertmanager and the shipped files."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sales_exporter.sidecar.judging.standing import Standing, samples
from sales_exporter.sidecar.outbox.alert import Alert
from tests.rules.stack import Page, Stack, eventually, running
from tests.support.binaries import Program

pytestmark = pytest.mark.stack

GRACE = "--rules.alert.for-grace-period=1m"
METRICS = """\
# TYPE sales_source_up gauge
sales_source_up{source="postgres"} %d
# TYPE sales_stage_oldest_open_seconds gauge
sales_stage_oldest_open_seconds{stage="qualified"} 17280000
# TYPE sales_stage_open gauge
sales_stage_open{stage="qualified"} 40
"""


async def in_state(stack: Stack, alertname: str, state: str = "active") -> dict[str, Any]:
    """Wait until the Alertmanager shows an alert in a state."""
    found = await eventually(lambda: stack.alert(alertname, state), f"{alertname} is {state}")
    assert found is not None
    return found


async def delivered(inbox: Page, receiver: str, alertname: str, status: str = "firing") -> dict[str, Any]:
    """Wait until a receiver was told about an alert."""
    async def told() -> list[dict[str, Any]]:
        return inbox.told(receiver, alertname, status)

    return (await eventually(told, f"{receiver} is told that {alertname} is {status}"))[0]


async def test_alerts_travel_from_the_page_to_the_receivers(
    prometheus: Program, alertmanager: Program, tmp_path: Path
) -> None:
    page, inbox = Page(METRICS % 1), Page("")
    async with running(tmp_path, prometheus, alertmanager, page, inbox, GRACE) as stack:
        await in_state(stack, "Watchdog")
        await delivered(inbox, "heartbeat", "Watchdog")
        stuck = await in_state(stack, "SalesStageStuck")
        assert stuck["labels"].items() >= {"cluster": "demo", "tenant": "default", "stage": "qualified"}.items()

        page.text = METRICS % 0
        await in_state(stack, "SalesSourceDown")
        muted = await in_state(stack, "SalesStageStuck", "suppressed")
        assert muted["status"]["inhibitedBy"] != []

        await page.close()
        await in_state(stack, "SalesExporterDown")
        notice = await delivered(inbox, "platform", "SalesExporterDown")
        assert notice["labels"]["severity"] == "critical"

        page.text = METRICS % 1
        await page.open()
        await delivered(inbox, "platform", "SalesExporterDown", "resolved")
        assert inbox.told("sales-ops", "SalesExporterDown") == []


async def test_a_finding_is_the_same_alert_whether_it_is_pushed_or_raised_by_a_rule(
    prometheus: Program, alertmanager: Program, tmp_path: Path
) -> None:
    pushed = Alert("SalesAnomaly", "critical", 1_000.0, {}, team="sales-ops", category="business", cluster="demo",
                   tenant="default", service="calls", entity='agent_kind="ai"', watch="call_success_ratio")
    (found,) = samples([Standing("anomaly", pushed)])
    pairs = zip(found.metric.labels, found.labels, strict=True)
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in pairs)
    page, inbox = Page(f"sales_finding_active{{{labels}}} 1\nsales_sidecar_push 0\n"), Page("")
    async with running(tmp_path, prometheus, alertmanager, page, inbox, GRACE) as stack:
        raised = await in_state(stack, "SalesAnomaly")
        assert raised["labels"] == pushed.labels
        assert raised["fingerprint"] == pushed.fingerprint
        await delivered(inbox, "sales-ops", "SalesAnomaly")


async def test_r28_a_killed_prometheus_resolves_nothing(
    prometheus: Program, alertmanager: Program, tmp_path: Path
) -> None:
    page, inbox = Page(METRICS % 1), Page("")
    # The trap in small: `for` outlasts the 20 s after which the Alertmanager ends what it no longer hears of. With the
    # default grace period of 10 minutes the new Prometheus would wait for `for` again, and be too late.
    flags = ("--rules.alert.for-grace-period=21s", "--rules.alert.resend-delay=5s")
    # The window reaches back before the kill: the state is restored before the first new scrape.
    times = {"hold": "22s", "window": "10s"}
    async with running(tmp_path, prometheus, alertmanager, page, inbox, *flags, **times) as stack:
        await page.close()
        before = await in_state(stack, "SalesExporterDown")
        await delivered(inbox, "platform", "SalesExporterDown")

        await stack.kill("prometheus")
        killed = (await in_state(stack, "SalesExporterDown"))["updatedAt"]
        await stack.start_prometheus(*flags)

        async def heard_again() -> bool:
            alert = await stack.alert("SalesExporterDown", "active")
            return alert is not None and moment(alert["updatedAt"]) > moment(killed)

        await eventually(heard_again, "the new Prometheus says that it still fires")
        assert inbox.told("platform", "SalesExporterDown", "resolved") == []
        after = await in_state(stack, "SalesExporterDown")
        assert moment(after["startsAt"]) == moment(before["startsAt"])


def moment(text: str) -> datetime:
    """A time stamp of the Alertmanager."""
    return datetime.fromisoformat(text)
