"""The pages as they are served: who may look and act, what a form does, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import bcrypt
import pytest

from sales_exporter.sidecar.desk.model import Actor, Event
from tests.sidecar.pages.looks import words
from tests.sidecar.pages.serving import look, post, served, token
from tests.support.cases import ANOMALY, DOWN, NOW, OPEN, OVER, TAKEN
from tests.support.desk import MemoryDesk

DESK = Actor("", "desk")


@pytest.mark.parametrize("target", ["/alerts", "/alerts/history", f"/alerts/{DOWN.fingerprint}",
                                    "/runbooks/SalesSourceDown"])
async def test_a_page_is_html_under_a_strict_policy(target: str) -> None:
    async with served(MemoryDesk(OPEN)) as address:
        answer = await look(address, target)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("target", "status"), [
    ("/alerts/0000000000000000", 404), ("/alerts/xyz", 404), ("/alerts/%22%3E%3Cscript%3E", 404),
    ("/runbooks/Nothing", 404), ("/runbooks/..%2f..%2fx", 404)])
async def test_what_is_not_there_is_said_on_a_page(target: str, status: int) -> None:
    async with served(MemoryDesk(OPEN)) as address:
        answer = await look(address, target)
    assert answer.status == status
    assert b"<script>" not in answer.body


async def test_a_form_acknowledges_and_leads_back_to_the_alert() -> None:
    desk = MemoryDesk(OPEN)
    async with served(desk) as address:
        fields = {"token": await token(address), "comment": "I look\r\nat it", "name": "mara"}
        answer = await post(address, f"/alerts/{DOWN.fingerprint}/acknowledge", fields)
        shown = words((await look(address, answer.headers["location"])).body.decode())
    assert (answer.status, answer.headers["location"]) == (303, f"/alerts/{DOWN.fingerprint}?done=acknowledge")
    assert "Acknowledged: nobody else is called while it fires" in shown
    assert "mara has it. Taken just now. I look at it" in shown
    assert "mara acknowledged it on the page I look at it" in shown


@pytest.mark.parametrize(("name", "fields", "state"), [
    ("unacknowledge", {}, "firing"), ("snooze", {"seconds": "3600"}, "snoozed"), ("resolve", {}, "resolved"),
    ("comment", {"comment": "x"}, "acknowledged"), ("assign", {"owner": "lena"}, "acknowledged")])
async def test_every_form_does_what_it_says(name: str, fields: dict[str, str], state: str) -> None:
    desk = MemoryDesk([TAKEN, DOWN])
    async with served(desk) as address:
        answer = await post(address, f"/alerts/{TAKEN.fingerprint}/{name}", {**fields, "token": await token(address)})
    assert answer.status == 303
    assert (await desk.case(TAKEN.fingerprint)).state == state


async def test_a_press_on_the_list_leads_back_to_the_list() -> None:
    async with served(MemoryDesk(OPEN)) as address:
        answer = await post(address, f"/alerts/{DOWN.fingerprint}/acknowledge",
                            {"token": await token(address), "back": "list"})
    assert answer.headers["location"] == "/alerts?done=acknowledge"


@pytest.mark.parametrize("sent", ["", "482000.00", "x"])
async def test_s5_a_form_without_its_token_does_nothing(sent: str) -> None:
    desk = MemoryDesk(OPEN)
    async with served(desk) as address:
        answer = await post(address, f"/alerts/{DOWN.fingerprint}/acknowledge", {"token": sent})
    assert answer.status == 403
    assert "This form is too old Nothing was done." in words(answer.body.decode())
    assert await desk.case(DOWN.fingerprint) == DOWN


async def test_s5_a_form_of_another_site_does_nothing() -> None:
    desk = MemoryDesk(OPEN)
    async with served(desk) as address:
        fields = {"token": await token(address)}
        target = f"/alerts/{DOWN.fingerprint}/acknowledge"
        assert (await post(address, target, fields, Sec_Fetch_Site="cross-site")).status == 403
        assert (await post(address, target, fields, Origin="https://evil.example")).status == 403
    assert await desk.case(DOWN.fingerprint) == DOWN


async def test_who_only_looks_cannot_act() -> None:
    desk = MemoryDesk(OPEN)
    async with served(desk, may="viewer") as address:
        page = (await look(address, f"/alerts/{DOWN.fingerprint}")).body
        answer = await post(address, f"/alerts/{DOWN.fingerprint}/acknowledge", {"token": "x"})
    assert b"<form" not in page
    assert answer.status == 403
    assert await desk.case(DOWN.fingerprint) == DOWN


async def test_the_login_acts_whatever_name_a_form_gives(tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    users = {name: bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode() for name in ("mara", "lena")}
    config.write_text(json.dumps({"basic_auth_users": users}))
    logins = {name: "Basic " + base64.b64encode(f"{name}:secret".encode()).decode() for name in users}
    desk = MemoryDesk(OPEN)
    async with served(desk, config=config, responders=("mara",)) as address:
        held = await token(address, Authorization=logins["mara"])
        target = f"/alerts/{DOWN.fingerprint}/acknowledge"
        assert (await post(address, target, {"token": held}, Authorization=logins["lena"])).status == 403
        await post(address, target, {"token": held, "name": "lena"}, Authorization=logins["mara"])
    assert (await desk.case(DOWN.fingerprint)).acknowledged_by == "mara"


async def test_what_the_desk_refuses_is_said_in_its_words() -> None:
    async with served(MemoryDesk([OVER, DOWN])) as address:
        answer = await post(address, f"/alerts/{OVER.fingerprint}/acknowledge", {"token": await token(address)})
    assert answer.status == 409
    assert "That is not possible The alert is over. Back to the alert" in words(answer.body.decode())


async def test_a_form_that_is_not_complete_is_refused() -> None:
    async with served(MemoryDesk(OPEN)) as address:
        answer = await post(address, f"/alerts/{DOWN.fingerprint}/comment", {"token": await token(address)})
    assert answer.status == 400
    assert "Nothing was done A comment needs words." in words(answer.body.decode())


async def test_behind_a_prefix_a_form_leads_back_below_it() -> None:
    async with served(MemoryDesk(OPEN), external_url="https://ops.example/sales") as address:
        answer = await post(address, f"/sales/alerts/{DOWN.fingerprint}/acknowledge",
                            {"token": await token(address, "/sales/alerts")}, Origin="https://ops.example")
    assert answer.headers["location"] == f"/sales/alerts/{DOWN.fingerprint}?done=acknowledge"


async def test_strange_queries_show_the_usual_page() -> None:
    async with served(MemoryDesk(OPEN)) as address:
        for query in ("range=forever&kind=x&before=-1", "before=9999999999999999999", "format=exe", "range=%00"):
            assert (await look(address, f"/alerts/history?{query}")).status == 200


async def test_a_file_holds_all_events_over_many_pages_of_the_desk() -> None:
    many = [Event(NOW - 1, ANOMALY.fingerprint, "commented", "mara", "page", str(number), number=number)
            for number in range(1, 2_002)]
    async with served(MemoryDesk([ANOMALY], many)) as address:
        lines = await look(address, "/alerts/history?format=jsonl")
        table = await look(address, "/alerts/history?format=csv")
    assert lines.headers["content-disposition"] == 'attachment; filename="alerts.jsonl"'
    assert lines.body.count(b'"kind": "commented"') == len(many)
    assert table.body.count(b",commented,") == len(many)
    assert b"number,at,kind,by" in table.body
