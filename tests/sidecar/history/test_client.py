"""The client of the query API: what it sends, what it reads, and how each failure is named."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from sales_exporter.config import QueryApi
from sales_exporter.errors import (
    ConfigError,
    ContractViolation,
    DeadlineExceeded,
    RowBudgetExceeded,
    SourceError,
    SourceUnavailable,
)
from sales_exporter.sidecar.history import answers, client
from sales_exporter.sidecar.history.client import Client, LoginRejected, QueryRejected
from sales_exporter.sidecar.series import SeriesId
from tests.sidecar.history.api import Api, Misbehaviour, refusing, saying, serving
from tests.support.clocks import FakeClock

AT = 1_700_000_040.0


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    series = {"load": [({"__name__": "load", "job": "x", "host": "a"}, lambda at: at / 2)]}
    async with serving(Api(FakeClock(AT), series)) as found:
        yield found


async def ask(api: Api, query: str = "load", **settings: Any) -> answers.Vector:
    async with Client(QueryApi(url=api.url, **settings), api.clock) as asker:
        return await asker.instant(query, AT)


def result(*series: dict[str, object], kind: str = "vector", **more: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": series}, **more}).encode()


async def test_an_instant_answer_is_identities_and_values(api: Api) -> None:
    found = await ask(api)
    assert found.ids("w") == [SeriesId("w", (("host", "a"), ("job", "x")))]
    assert found.values.tolist() == [AT / 2]


async def test_a_range_answer_is_on_its_grid(api: Api) -> None:
    api.series["load"] = [({"host": "a"}, lambda at: None if at == AT + 60 else 1.0)]
    async with Client(QueryApi(url=api.url + "/"), api.clock) as asker:
        found = await asker.range("load", AT, 60, 3)
    assert np.array_equal(found.values, [[1.0, math.nan, 1.0]], equal_nan=True)


async def test_no_login_is_sent_unless_there_is_one(api: Api) -> None:
    await ask(api)
    assert not {"Authorization", "X-Scope-OrgID"} & api.headers[0].keys()


async def test_tenant_and_token_are_sent(api: Api, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    await ask(api, tenant="acme", bearer_file=tmp_path / "token")
    assert api.headers[0]["X-Scope-OrgID"] == "acme"
    assert api.headers[0]["Authorization"] == "Bearer s3cret"


async def test_name_and_password_are_sent(api: Api, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pâss\n", encoding="utf-8")
    await ask(api, user="reader", password_file=tmp_path / "password")
    assert api.headers[0]["Authorization"] == "Basic cmVhZGVyOnDDonNz"


async def test_a_token_that_was_replaced_is_sent_at_once(api: Api, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    async with Client(QueryApi(url=api.url, bearer_file=token), api.clock) as asker:
        await asker.instant("load", AT)
        token.write_text("new")
        await asker.instant("load", AT)
    assert [sent["Authorization"] for sent in api.headers] == ["Bearer old", "Bearer new"]


async def test_a_token_that_cannot_be_read_is_a_failed_login(api: Api, tmp_path: Path) -> None:
    with pytest.raises(LoginRejected, match=r"none: cannot be read \(given as sidecar\.prometheus\.bearer_file\)"):
        await ask(api, bearer_file=tmp_path / "none")


async def test_a_token_of_two_lines_is_a_failed_login(api: Api, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\r\nX-Other: two")
    with pytest.raises(LoginRejected, match=r"token: more than one line"):
        await ask(api, bearer_file=tmp_path / "token")


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.pem: no certificates that can be read"):
        Client(QueryApi(ca_file=tmp_path / "ca.pem"), FakeClock())


@pytest.mark.parametrize(("fault", "kind", "message"), [
    (refusing(400, "bad_data", "1:5: parse\nerror"), QueryRejected, "HTTP 400: 1:5: parse error"),
    (refusing(422, "execution", "too many samples"), QueryRejected, "HTTP 422: too many samples"),
    (refusing(503, "timeout", "query timed out"), DeadlineExceeded, "HTTP 503: query timed out"),
    (refusing(503, "unavailable", "starting up"), SourceUnavailable, "HTTP 503: starting up"),
    (saying(b"slow down", 429), SourceUnavailable, "HTTP 429"),
    (saying(b"", 502), SourceUnavailable, "HTTP 502"),
    (saying(b"", 504), DeadlineExceeded, "HTTP 504"),
    (saying(b"who?", 401), LoginRejected, "HTTP 401"),
    (saying(b"no", 403), LoginRejected, "HTTP 403"),
    (saying(b"<html>", 404), ContractViolation, "HTTP 404; sidecar.prometheus.url is not the address"),
    (saying(b"", 302, Location="/login"), ContractViolation, "HTTP 302; sidecar.prometheus.url is not the address"),
    (saying(b"<html>"), ContractViolation, "not JSON"),
    (saying(b"[]"), ContractViolation, "not an answer of the Prometheus API"),
    (saying(b'{"status": "success", "data": {}}'), ContractViolation, "holds no result"),
    (saying(result(kind="matrix")), ContractViolation, "answers with a matrix"),
    (saying(result({"metric": {}, "histogram": [0, {}]})), ContractViolation, "native histograms"),
    (saying(result({"metric": {}, "value": [0, "x"]})), ContractViolation, "cannot be read"),
    (saying(result({"value": [0, "1"]})), ContractViolation, "has no labels"),
])
async def test_a_failure_has_its_kind(api: Api, fault: Misbehaviour, kind: type[SourceError], message: str) -> None:
    api.down = fault
    with pytest.raises(kind) as caught:
        await ask(api)
    assert type(caught.value) is kind
    assert message in str(caught.value)


async def test_an_answer_that_is_cut_off_is_an_outage(api: Api) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return answer

    api.down = cut
    with pytest.raises(SourceUnavailable):
        await ask(api)


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    async with Client(QueryApi(url="http://127.0.0.1:1"), FakeClock()) as asker:
        with pytest.raises(SourceUnavailable):
            await asker.instant("load", AT)


async def test_a_server_that_does_not_answer_is_given_up_in_time(api: Api) -> None:
    gone = asyncio.Event()

    async def hangs(request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    api.down = hangs
    with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
        await ask(api, timeout=0.1)
    gone.set()


async def test_an_answer_without_end_is_not_read_to_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_BYTES", 1 << 20)
    api.down = saying(b"x" * (3 << 20))
    with pytest.raises(RowBudgetExceeded, match="larger than 1 MiB"):
        await ask(api)


async def test_the_distance_of_the_clocks_is_known_after_an_answer(api: Api) -> None:
    async with Client(QueryApi(url=api.url), api.clock) as asker:
        for ahead, skew in ((300.0, 300.0), (-90.0, -90.0), (1.0, 0.0)):
            api.ahead = ahead
            await asker.instant("load", AT)
            assert asker.skew == skew


@pytest.mark.parametrize(("more", "partial", "texts"), [
    ({}, False, ()),
    ({"isPartial": True}, True, ()),
    ({"warnings": ["store x is away"]}, True, ("store x is away",)),
    ({"warnings": ["PromQL warning: bucket label is missing"]}, False, ("PromQL warning: bucket label is missing",)),
    ({"infos": ["PromQL info: metric might not be a counter"]}, False, ("PromQL info: metric might not be a counter",)),
])
def test_what_is_said_beside_the_data_is_kept(more: dict[str, object], partial: bool, texts: tuple[str, ...]) -> None:
    assert answers.vector(result(**more)).notes == answers.Notes(partial, texts)


def test_a_scalar_is_one_series_without_labels() -> None:
    found = answers.vector(b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "3.5"]}}')
    assert (found.labels, found.values.tolist()) == (((),), [3.5])


def test_samples_off_the_grid_go_to_the_next_moment_of_it() -> None:
    body = result({"metric": {}, "values": [[9.998, "1"], [20.4, "2"], [99, "3"], [-60, "4"]]}, kind="matrix")
    assert np.array_equal(answers.matrix(body, 10, 10, 3).values, [[1, 2, math.nan]], equal_nan=True)
