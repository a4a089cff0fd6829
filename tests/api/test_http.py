"""The API over HTTP: who may ask what, how often, and how it is refused."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from sales_exporter.api.table import METRICS
from tests.api.desk import AT, case, holding
from tests.api.prometheus import Prometheus, serving
from tests.api.serving import Address, api
from tests.support.clocks import FakeClock
from tests.support.desk import MemoryDesk
from tests.support.strategies import HOSTILE
from tests.support.web import Answer, ask, send

pytestmark = pytest.mark.process

CASE = "/api/dashboard/alerts/00000000000000a1"
PERFORMANCE = "/api/dashboard/performance/current"
ACTIVE = "/api/dashboard/alerts/active"
PAST = "/api/dashboard/performance/history"


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    async with serving(Prometheus()) as server:
        yield server


@pytest.fixture
def desk() -> MemoryDesk:
    return holding(case(), case("00000000000000b2", "warning"))


@pytest.fixture
async def address(prometheus: Prometheus, desk: MemoryDesk) -> AsyncIterator[Address]:
    async with api(prometheus.url, desk, FakeClock(AT)) as where:
        yield where


async def post(address: Address, path: str, body: object, **headers: str) -> Answer:
    text = json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Host": "127.0.0.1", "Connection": "close", "Content-Type": "application/json",
            "Content-Length": str(len(text)), **named}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return await send(address, "\r\n".join(lines).encode() + b"\r\n\r\n" + text)


def problem(answer: Answer) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.body)
    assert set(found) == {"type", "title", "status", "detail"}
    assert found["status"] == answer.status
    return found


async def test_performance_has_every_field_of_its_sections(address: Address) -> None:
    answer = await ask(address, PERFORMANCE)
    found = json.loads(answer.body)
    assert (answer.status, found["version"], found["as_of"], found["refresh"]) == (200, 1, AT, 10.0)
    assert set(found) == {"version", "as_of", "refresh", "system", "api", "models", "calls"}
    assert found["api"]["latency_p95"]["value"] == 1.0


async def test_business_has_the_open_cases_beside_the_numbers(address: Address) -> None:
    found = json.loads((await ask(address, "/api/dashboard/business/comprehensive")).body)
    assert {"key_metrics", "funnel", "roi", "pipeline", "reps", "forecasts", "insights", "recommendations"} < set(found)
    assert [one["annotations"]["summary"] for one in found["alerts"]] == ["revenue is low", "revenue is low"]


@pytest.mark.parametrize("method", ["lttb", "minmax"])
async def test_the_past_has_as_many_points_as_wanted(address: Address, method: str) -> None:
    answer = await ask(address, f"{PAST}?metric=api.latency_p95&range=7d&points=100&method={method}")
    found = json.loads(answer.body)
    (line,) = found["lines"]
    assert 95 <= len(line["points"]) <= 100
    assert (line["points"][0][0], line["points"][-1][0]) == (found["start"], found["end"]) == (AT - 604_788, AT)


async def test_all_lines_together_have_no_more_points_than_wanted(prometheus: Prometheus, address: Address) -> None:
    prometheus.rows = 300
    for wanted, lines in ((10, 1), (500, 50), (2_000, 200)):
        target = f"{PAST}?metric=api.route_latency_p95&range=1h&points={wanted}"
        found = json.loads((await ask(address, target)).body)
        assert (len(found["lines"]), found["left_out"]) == (lines, 300 - lines)
        assert sum(len(line["points"]) for line in found["lines"]) <= wanted


async def test_a_gap_stays_a_gap(prometheus: Prometheus, address: Address) -> None:
    prometheus.gap = range(100, 200)
    answer = await ask(address, f"{PAST}?metric=api.latency_p95&range=1h&points=60")
    (line,) = json.loads(answer.body)["lines"]
    missing = [at for at, value in line["points"] if value is None]
    assert missing
    assert min(missing) >= AT - 3_600 + 100 * 15
    assert max(missing) < AT - 3_600 + 200 * 15


async def test_each_name_of_a_field_has_a_past(address: Address) -> None:
    answers = [await ask(address, f"{PAST}?metric={name}&range=1h") for name in METRICS]
    assert [name for name, answer in zip(METRICS, answers, strict=True) if answer.status != 200] == []


@pytest.mark.parametrize(("query", "status", "words"), [
    ("", 400, "metric"), ("metric=api.latency_p95&range=1y", 400, "range"), ("metric=api.nothing", 404, "no such"),
    ("metric=api.latency_p95&part=lower", 404, "has no lower; it has value"),
    ("metric=api.latency_p95&points=2001", 400, "points"), ("metric=api.latency_p95&colour=red", 400, "colour"),
    ("metric=api.latency_p95&metric=api.requests", 400, "more than once"),
    ("metric=api.latency_p95&cluster=%22%7D", 400, "cluster"), ("metric=api.latency_p95&job=.*", 400, "job"),
])
async def test_what_cannot_be_asked_is_said_without_repeating_it(
    address: Address, query: str, status: int, words: str
) -> None:
    found = problem(await ask(address, f"{PAST}?{query}"))
    assert found["status"] == status
    assert words in found["detail"]
    assert '"}' not in found["detail"]


async def test_without_prometheus_the_numbers_say_so_and_the_past_is_a_problem(
    prometheus: Prometheus, address: Address
) -> None:
    prometheus.status = 503
    answer = await ask(address, PERFORMANCE)
    assert (answer.status, json.loads(answer.body)["api"]["latency_p95"]["state"]) == (200, "error")
    answer = await ask(address, f"{PAST}?metric=api.latency_p95")
    assert (problem(answer)["status"], answer.headers["retry-after"]) == (503, "5")


async def test_the_active_alerts_can_be_chosen(address: Address) -> None:
    def fingerprints(answer: Answer) -> list[str]:
        return [one["fingerprint"] for one in json.loads(answer.body)["alerts"]]

    assert fingerprints(await ask(address, ACTIVE)) == ["00000000000000a1", "00000000000000b2"]
    assert fingerprints(await ask(address, f"{ACTIVE}?severity=warning")) == ["00000000000000b2"]
    assert fingerprints(await ask(address, f"{ACTIVE}?state=acknowledged")) == []
    assert fingerprints(await ask(address, f"{ACTIVE}?team=sales-ops")) == ["00000000000000a1", "00000000000000b2"]
    assert fingerprints(await ask(address, f"{ACTIVE}?team=platform")) == []


@pytest.mark.parametrize(("action", "body", "kind", "changed"), [
    ("acknowledge", {"comment": "mine"}, "acknowledged", {"state": "acknowledged", "acknowledged_by": "ada"}),
    ("unacknowledge", {}, "unacknowledged", {"state": "firing"}),
    ("resolve", {}, "resolved", {"state": "resolved", "ends_at": AT}),
    ("snooze", {"seconds": 3600}, "snoozed", {"state": "snoozed", "until": AT + 3600}),
    ("assign", {"owner": "bob"}, "assigned", {"owner": "bob"}),
    ("comment", {"comment": "seen before"}, "commented", {"comment": "seen before"}),
])
async def test_an_action_answers_with_the_alert_as_it_is_then(
    address: Address, desk: MemoryDesk, action: str, body: dict[str, object], kind: str, changed: dict[str, object]
) -> None:
    answer = await post(address, f"{CASE}/{action}", {**body, "by": "ada"})
    assert answer.status == 200
    assert json.loads(answer.body).items() >= changed.items()
    assert [(event.kind, event.by, event.via) for event in desk.events] == [(kind, "ada", "api")]


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()])
async def test_s8_words_of_people_come_back_as_they_are_or_not_at_all(address: Address, text: str) -> None:
    answer = await post(address, f"{CASE}/comment", {"comment": text})
    if answer.status == 200:
        assert json.loads(answer.body)["comment"] == text
        history = await ask(address, "/api/dashboard/alerts/history")
        assert json.loads(history.body)["events"][0]["why"] == text
        assert history.headers["x-content-type-options"] == "nosniff"
    else:
        assert problem(answer)["status"] in (400, 413, 422)


async def test_s8_an_alert_with_hostile_labels_hides_no_other(prometheus: Prometheus) -> None:
    labels = {f"label_{number}": text for number, text in enumerate(HOSTILE)}
    async with api(prometheus.url, holding(case(**labels), case("00000000000000b2")), FakeClock(AT)) as address:
        first, second = json.loads((await ask(address, ACTIVE)).body)["alerts"]
    assert first["labels"].items() >= labels.items()
    assert second["fingerprint"] == "00000000000000b2"


async def test_who_says_no_name_is_somebody_and_our_command_line_is_known(address: Address, desk: MemoryDesk) -> None:
    await post(address, f"{CASE}/acknowledge", {}, User_Agent="sales-exporter/1.0")
    assert [(event.by, event.via) for event in desk.events] == [("somebody", "cli")]


async def test_the_history_goes_page_by_page(address: Address) -> None:
    for number in range(5):
        await post(address, f"{CASE}/comment", {"comment": f"word {number}"})
    first = json.loads((await ask(address, "/api/dashboard/alerts/history?limit=3")).body)
    rest = json.loads((await ask(address, f"/api/dashboard/alerts/history?limit=3&before={first['next']}")).body)
    assert [event["why"] for event in (*first["events"], *rest["events"])] == [f"word {4 - one}" for one in range(5)]
    assert rest["next"] is None


async def test_times_are_those_of_the_last_thirty_days(address: Address) -> None:
    found = json.loads((await ask(address, "/api/dashboard/alerts/times")).body)
    assert (found["until"] - found["since"], found["acknowledge_median"]) == (30 * 86_400, 240.0)
    assert found["flapping"][0]["times"] == 3


@pytest.mark.parametrize(("path", "body", "status", "words"), [
    (f"{CASE}/snooze", {}, 422, "seconds"), (f"{CASE}/snooze", {"seconds": 1}, 422, "seconds"),
    (f"{CASE}/comment", {"comment": ""}, 422, "comment"), (f"{CASE}/assign", {"owner": "a\nb"}, 422, "owner"),
    (f"{CASE}/acknowledge", [], 422, "the body"), (f"{CASE}/acknowledge", {"who": "me"}, 422, "who"),
    ("/api/dashboard/alerts/00000000000000c3/resolve", {}, 404, "no such alert"),
    ("/api/dashboard/alerts/nonsense/resolve", {}, 404, "no such alert"),
])
async def test_an_action_that_cannot_be_done_is_a_problem(
    address: Address, desk: MemoryDesk, path: str, body: object, status: int, words: str
) -> None:
    found = problem(await post(address, path, body))
    assert found["status"] == status
    assert words in found["detail"]
    assert desk.events == []


async def test_what_makes_no_sense_for_the_alert_is_a_conflict_in_the_words_of_the_desk(address: Address) -> None:
    await post(address, f"{CASE}/resolve", {})
    assert problem(await post(address, f"{CASE}/acknowledge", {})) == {
        "type": "about:blank", "title": "Conflict", "status": 409, "detail": "the alert is over"}


async def test_s6_a_body_that_is_no_small_json_is_refused(address: Address, desk: MemoryDesk) -> None:
    target = f"{CASE}/acknowledge"
    assert problem(await post(address, target, {}, Content_Type="text/plain"))["status"] == 415
    assert problem(await post(address, target, {"comment": "x" * 70_000}))["status"] == 413
    answer = await send(address, f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: "
                                 "application/json\r\nContent-Length: 20000\r\n\r\n".encode() + b"[" * 20_000)
    assert problem(answer)["status"] == 400
    assert desk.events == []


@pytest.mark.parametrize("headers", [
    {"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
async def test_another_site_cannot_act(address: Address, desk: MemoryDesk, headers: Mapping[str, str]) -> None:
    assert problem(await post(address, f"{CASE}/acknowledge", {}, **headers))["status"] == 403
    assert desk.events == []


async def test_with_users_the_login_acts_and_only_responders_do(
    prometheus: Prometheus, desk: MemoryDesk, tmp_path: Path
) -> None:
    config = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    config.write_text(f"basic_auth_users: {{ada: '{hashed}', bob: '{hashed}'}}\n")

    def login(name: str) -> str:
        return "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()

    async with api(prometheus.url, desk, FakeClock(AT), config, desk_={"responders": ["ada"]}) as address:
        assert problem(await ask(address, ACTIVE))["status"] == 401
        assert (await ask(address, ACTIVE, headers={"Authorization": login("bob")})).status == 200
        refusal = problem(await post(address, f"{CASE}/acknowledge", {}, Authorization=login("bob")))
        assert (refusal["status"], "responder" in refusal["detail"]) == (403, True)
        answer = await post(address, f"{CASE}/acknowledge", {"by": "eve"}, Authorization=login("ada"))
        assert json.loads(answer.body)["acknowledged_by"] == "ada"


async def test_an_answer_is_not_sent_again_as_long_as_it_is_right(address: Address) -> None:
    first = await ask(address, PERFORMANCE)
    again = await ask(address, PERFORMANCE, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert first.headers["cache-control"] == "private, no-cache"
    await post(address, f"{CASE}/acknowledge", {})
    assert (await ask(address, PERFORMANCE, headers={"If-None-Match": '"other"'})).status == 200


async def test_a_large_answer_is_packed_for_those_who_take_it(address: Address) -> None:
    plain = await ask(address, PERFORMANCE)
    packed = await ask(address, PERFORMANCE, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert (packed.headers["vary"], packed.headers["etag"]) == ("Accept-Encoding", plain.headers["etag"])
    assert len(packed.body) < len(plain.body) / 5


async def test_a_head_has_the_headers_alone(address: Address) -> None:
    answer = await ask(address, PERFORMANCE, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 1_000


async def test_a_caller_who_asks_too_often_waits(prometheus: Prometheus, desk: MemoryDesk) -> None:
    clock = FakeClock(AT)
    async with api(prometheus.url, desk, clock, api={"requests_per_second": 0.5, "burst": 2}) as address:
        assert [(await ask(address, ACTIVE)).status for _ in range(2)] == [200, 200]
        answer = await ask(address, ACTIVE)
        assert (problem(answer)["status"], answer.headers["retry-after"]) == (429, "2")
        assert (await ask(address, ACTIVE, local="127.0.0.2")).status == 200
        await clock.advance(2.0)
        assert (await ask(address, ACTIVE)).status == 200


async def test_other_sites_may_read_only_if_they_are_named(prometheus: Prometheus, desk: MemoryDesk) -> None:
    ours = {"Origin": "https://board.example"}
    async with api(prometheus.url, desk, FakeClock(AT)) as address:
        assert "access-control-allow-origin" not in (await ask(address, ACTIVE, headers=ours)).headers
        assert problem(await ask(address, ACTIVE, method="OPTIONS", headers=ours))["status"] == 405
    async with api(prometheus.url, desk, FakeClock(AT), api={"origins": ["https://board.example"]}) as address:
        answer = await ask(address, ACTIVE, headers=ours)
        assert answer.headers["access-control-allow-origin"] == "https://board.example"
        assert answer.headers["vary"] == "Accept-Encoding, Origin"
        assert "access-control-allow-origin" not in (
            await ask(address, ACTIVE, headers={"Origin": "https://evil.example"})).headers
        before = await ask(address, ACTIVE, method="OPTIONS", headers=ours)
        assert (before.status, before.headers["access-control-allow-methods"]) == (204, "GET, HEAD")
        assert (await post(address, f"{CASE}/acknowledge", {}, **ours)).status == 403


async def test_behind_a_proxy_the_document_names_the_prefix(prometheus: Prometheus, desk: MemoryDesk) -> None:
    outside = {"external_url": "https://sales.example/ops"}
    async with api(prometheus.url, desk, FakeClock(AT), desk_=outside) as address:
        found = json.loads((await ask(address, "/api/openapi.json")).body)
        assert found["servers"] == [{"url": "/ops"}]


@pytest.mark.parametrize(("target", "method", "status"), [
    ("/api/nothing", "GET", 404), (PERFORMANCE, "DELETE", 405), (f"{CASE}/acknowledge", "GET", 405)])
async def test_every_refusal_below_api_is_a_problem(address: Address, target: str, method: str, status: int) -> None:
    assert problem(await ask(address, target, method=method))["status"] == status
