"""docs/notices.md: its examples are valid, and what it says is what the code does."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sales_exporter.config import Settings, parse
from sales_exporter.sidecar.desk import notice_report
from sales_exporter.sidecar.desk.letters import BOUND, GIVEN_UP_AFTER, PARKED_FOR
from sales_exporter.sidecar.desk.links import LIFE, signing_key
from sales_exporter.sidecar.desk.message import of_notice
from sales_exporter.sidecar.desk.notices import RELAYED_KNOWN
from sales_exporter.sidecar.desk.ntfy import PRIORITY
from sales_exporter.sidecar.desk.payload import EACH
from sales_exporter.sidecar.desk.posting import Posting
from sales_exporter.sidecar.desk.remembered import Remembered
from sales_exporter.sidecar.desk.tokens import Token
from sales_exporter.sidecar.desk.webhook import Webhook
from tests.rules.rulebook import ROOT
from tests.rules.test_rules import PROMETHEUS
from tests.sidecar.desk.telling import NOW, Heard, links, notice, receiver, telling
from tests.sidecar.desk.test_webhook import History, served
from tests.support.binaries import Program
from tests.support.clocks import FakeClock, settle

PAGE = (ROOT / "docs/notices.md").read_text()


def blocks(kind: str, first: str = "") -> list[str]:
    """The fenced examples of a kind that begin with a line."""
    return [text for text in re.findall(rf"```{kind}\n(.+?)```", PAGE, re.S) if text.startswith(first)]


@pytest.mark.parametrize("text", blocks("yaml", "# sales-exporter.yml"))
def test_the_settings_are_valid(text: str) -> None:
    assert isinstance(parse(text, "example"), Settings)


@pytest.mark.stack
def test_alertmanager_takes_the_webhooks(amtool: Program, tmp_path: Path) -> None:
    (example,) = (yaml.safe_load(text) for text in blocks("yaml", "# alertmanager.yml"))
    tree = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    tree["receivers"] = [one for one in tree["receivers"] if one["name"] != "sales-ops"] + example["receivers"]
    tree["templates"] = [str(PROMETHEUS / "templates/*.tmpl")]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(tree))
    done = amtool.run("check-config", tmp_path / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_webhook_has_the_fields_that_are_shown() -> None:
    (text,) = blocks("json")
    sink = Posting("chat", "http://127.0.0.1/", Token(None), links(), _no_session, FakeClock(NOW))
    sent = json.loads(sink.document(of_notice(notice())))
    shown = json.loads(text)
    assert list(shown) == list(sent)
    assert {name: type(value) for name, value in shown.items()} == {name: type(value) for name, value in sent.items()}


def _no_session() -> Any:
    raise AssertionError("nothing is sent")


@pytest.mark.process
async def test_the_first_message_is_sent_as_printed() -> None:
    (command,) = blocks("sh", "curl")
    clock, phone = FakeClock(NOW), Heard()
    async with telling([receiver(phone)], clock) as notices:
        hook = Webhook(History().record, notices, Remembered(None, clock), clock)
        async with served(hook) as (host, port):
            own = command.replace("127.0.0.1:18881", f"{host}:{port}")
            done = await asyncio.to_thread(
                subprocess.run, ["bash", "-c", own], capture_output=True, text=True, check=False)
        await settle()
    assert (done.returncode, done.stderr) == (0, "")
    assert phone.titles == ["Info: Hello from the alert desk."]


@pytest.mark.process
def test_a_key_is_made_as_printed(tmp_path: Path) -> None:
    (command,) = blocks("sh", "openssl")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert len(signing_key(tmp_path / "links.key", None)) == 64


def test_the_numbers_are_those_of_the_code() -> None:
    for severity, priority in PRIORITY.items():
        assert f"| `{severity}` | {priority} |" in PAGE
    assert (LIFE, RELAYED_KNOWN, BOUND, PARKED_FOR, GIVEN_UP_AFTER, EACH) == (86_400, 1_800, 2_000, 600, 86_400, 5)


def test_each_metric_is_named() -> None:
    named = set(re.findall(r"`(sales_notice_[a-z_]+)`", PAGE))
    assert named == {metric.name for metric in notice_report.METRICS} - {"sales_notice_files_set_aside_total"}
