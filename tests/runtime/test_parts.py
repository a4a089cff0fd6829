"""Parts behind the server's guards: who gets to them, with what, and what is refused before."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import bcrypt
import pytest

from sales_exporter.errors import ConfigError
from tests.support.parts import Notebook, by_name, responders
from tests.support.web import Answer, Shown, ask, site

pytestmark = pytest.mark.process

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOGINS = {"alice": "Basic YWxpY2U6c2VjcmV0", "bob": "Basic Ym9iOnNlY3JldA==",
          "alertmanager": "Basic YWxlcnRtYW5hZ2VyOnNlY3JldA=="}
ACK, FORM_PATH, TOLD = "/api/notes/one/ack", "/notes/one", "/api/told"


@pytest.fixture
def book() -> Notebook:
    return Notebook()


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A web configuration with alice, bob and alertmanager, whose password is secret."""
    secret = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path = tmp_path_factory.mktemp("users") / "web.yml"
    path.write_text("basic_auth_users:\n" + "".join(f"  {name}: {secret}\n" for name in LOGINS))
    return path


async def test_a_part_is_told_who_asks_and_what_the_path_says(book: Notebook, users: Path) -> None:
    async with site(Shown(), parts=[book], config=users, roles=by_name) as address:
        answer = await ask(address, "/api/notes/a%20b/ack", method="POST", body=b'{"comment": "mine"}',
                           headers={**JSON, "Authorization": LOGINS["alice"]})
    assert answer.status == 200
    what, caller, path, sent = book.calls[0]
    assert (what, caller.login, caller.roles) == ("json", "alice", {"viewer", "responder"})
    assert (path, sent) == ({"name": "a b", "action": "ack"}, {"comment": "mine"})


async def test_without_users_the_caller_has_no_name(book: Notebook) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        await ask(address, FORM_PATH, method="POST", headers=FORM, body=b"comment=&owner=%C3%BC")
    what, caller, _, sent = book.calls[0]
    assert (what, caller.login, sent) == ("form", "", {"comment": "", "owner": "ü"})


@pytest.mark.parametrize(
    ("login", "method", "path", "status"),
    [
        ("bob", "GET", "/notes", 200), ("bob", "HEAD", "/notes/one", 200), ("bob", "POST", ACK, 403),
        ("bob", "POST", FORM_PATH, 403), ("bob", "POST", TOLD, 403),
        ("alice", "GET", "/notes", 200), ("alice", "POST", ACK, 200), ("alice", "POST", TOLD, 403),
        ("alertmanager", "POST", TOLD, 200), ("alertmanager", "POST", ACK, 403),
    ],
)
async def test_s6_a_login_does_what_its_roles_say(
    book: Notebook, users: Path, login: str, method: str, path: str, status: int
) -> None:
    async with site(Shown(), parts=[book], config=users, roles=by_name) as address:
        answer = await ask(address, path, method=method, body=b"{}" if method == "POST" else b"",
                           headers={**JSON, "Authorization": LOGINS[login]})
    assert answer.status == status
    assert len(book.calls) == (status == 200)


@pytest.mark.parametrize("path", [ACK, FORM_PATH, TOLD])
async def test_s6_unless_told_nobody_acts(book: Notebook, path: str) -> None:
    async with site(Shown(), parts=[book]) as address:
        assert (await ask(address, path, method="POST", headers=JSON, body=b"{}")).status == 403
        assert (await ask(address, "/notes")).status == 200
    assert [what for what, *_ in book.calls] == ["look"]


@pytest.mark.parametrize("path", ["/notes", "/notes/one", "/notes/history", ACK, FORM_PATH, TOLD])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_s5_without_a_login_no_part_is_reached(book: Notebook, users: Path, path: str, method: str) -> None:
    async with site(Shown(), parts=[book], config=users, roles=responders) as address:
        for wrong in ({}, {"Authorization": "Basic YWxpY2U6d3Jvbmc="}, {"Authorization": "Bearer x"}):
            answer = await ask(address, path, method=method, headers={**JSON, **wrong}, body=b"{}")
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="sales-exporter"')
    assert book.calls == []


async def test_s5_an_open_route_needs_no_login_and_gives_no_roles(book: Notebook, users: Path) -> None:
    async with site(Shown(), parts=[book], config=users, roles=responders) as address:
        for method in ("GET", "POST"):
            answer = await ask(address, "/act/token", method=method, headers={"Sec-Fetch-Site": "cross-site",
                                                                              "Authorization": LOGINS["alice"]})
            assert answer.status == 200
        assert (await ask(address, "/act/token", method="DELETE")).status == 401
    assert [(caller.login, caller.roles) for _, caller, *_ in book.calls] == [("", frozenset())] * 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({}, 200, id="a program"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200, id="our page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="typed by hand"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403, id="a neighbour"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="an old browser on another site"),
        pytest.param({"Origin": "null"}, 403, id="an origin that hides"),
        pytest.param({"Host": "rebound.example", "Origin": "http://rebound.example",
                      "Sec-Fetch-Site": "same-origin"}, 403, id="a name bound to this machine"),
        pytest.param({"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}, 403,
                     id="a host that a stranger forwards"),
    ],
)
@pytest.mark.parametrize("path", [ACK, FORM_PATH])
async def test_s6_what_another_site_sends_is_refused(
    book: Notebook, path: str, sent: dict[str, str], status: int
) -> None:
    kind, body = (JSON, b"{}") if path == ACK else (FORM, b"comment=x")
    async with site(Shown(), parts=[book], roles=responders) as address:
        answer = await ask(address, path, method="POST", headers={**kind, **sent}, body=body)
    assert answer.status == (303 if status == 200 and path == FORM_PATH else status)
    assert len(book.calls) == (status == 200)


async def test_s6_another_site_cannot_use_the_login_of_a_browser(book: Notebook, users: Path) -> None:
    async with site(Shown(), parts=[book], config=users, roles=by_name) as address:
        answer = await ask(address, FORM_PATH, method="POST", body=b"comment=x", headers={
            **FORM, "Authorization": LOGINS["alice"], "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
    assert (answer.status, answer.body) == (403, b"another site may not do this\n")
    assert book.calls == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/plain", b'{"comment": "x"}'), ("", b"{}"), ("application/x-www-form-urlencoded", b"{}"),
     ("multipart/form-data; boundary=x", b"--x--"), ("application/json; charset=latin-1", b"{}"),
     ("application/json-patch+json", b"[]"), ("text/json", b"{}")],
)
async def test_s6_json_is_taken_as_json_only(book: Notebook, kind: str, body: bytes) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        answer = await ask(address, ACK, method="POST", headers={"Content-Type": kind}, body=body)
    assert (answer.status, answer.headers["accept-post"]) == (415, "application/json")
    assert book.calls == []


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=UTF-8",
                                  'application/json;charset="utf-8"'])
async def test_json_may_name_its_signs(book: Notebook, kind: str) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        assert (await ask(address, ACK, method="POST", headers={"Content-Type": kind}, body=b"{}")).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nul", b"NaN", b'{"a": Infinity}', b'{"a": 1, "a": 2}', b"\xff", b'"\\ud800"', b"[" * 900,
     b"9" * 900 + b"e", b'{"a": "\x00"}'],
)
async def test_r16_what_is_no_json_is_400(book: Notebook, body: bytes) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        answer = await ask(address, ACK, method="POST", headers={"Content-Length": str(len(body)), **JSON}, body=body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert book.calls == []


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=%ff", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(65))])
async def test_r16_what_is_no_form_is_400(book: Notebook, body: bytes) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        answer = await ask(address, FORM_PATH, method="POST", headers=FORM, body=body)
    assert answer.status == 400
    assert book.calls == []


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(book: Notebook) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        for path, kind in ((ACK, JSON), (FORM_PATH, FORM)):
            answer = await ask(address, path, method="POST", headers=kind, body=b"x" * 1001)
            assert (answer.status, answer.headers["connection"]) == (413, "close")
        at_limit = json.dumps("x" * 998).encode()
        assert (await ask(address, ACK, method="POST", headers=JSON, body=at_limit)).status == 200


async def test_refusals_of_routes_for_programs_are_problem_details(book: Notebook, users: Path) -> None:
    alice, bob = ({"Authorization": LOGINS[name]} for name in ("alice", "bob"))
    async with site(Shown(), parts=[book], config=users, roles=by_name) as address:
        answers = [
            await ask(address, ACK, method="POST"), await ask(address, ACK, method="POST", headers=bob),
            await ask(address, "/api/nothing", headers=bob), await ask(address, ACK, headers=bob),
            await ask(address, ACK, method="POST", headers=alice, body=b"{}"),
        ]
    assert [answer.status for answer in answers] == [401, 403, 404, 405, 415]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
    assert json.loads(answers[2].body) == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "not found"}
    assert answers[0].headers["www-authenticate"] == 'Basic realm="sales-exporter"'
    assert answers[3].headers["allow"] == "POST"


async def test_refusals_of_pages_are_plain_words(book: Notebook) -> None:
    async with site(Shown(), parts=[book]) as address:
        answers = [await ask(address, "/notes", method="PUT"), await ask(address, "/notes/a/b")]
    assert [(answer.status, answer.body) for answer in answers] == [
        (405, b"method not allowed\n"), (404, b"not found\n")]


async def test_methods_of_all_routes_of_a_path_are_allowed(book: Notebook) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        answer = await ask(address, "/notes/one", method="DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_s6_every_answer_of_a_part_has_strict_headers(book: Notebook) -> None:
    async with site(Shown(), parts=[book], roles=responders) as address:
        answers: list[Answer] = [
            await ask(address, "/notes"), await ask(address, "/notes/history"), await ask(address, "/act/token"),
            await ask(address, ACK, method="POST", headers=JSON, body=b"{}"),
            await ask(address, ACK, method="POST", headers=JSON, body=b"{"),
            await ask(address, FORM_PATH, method="POST", headers=FORM, body=b"a=b"),
            await ask(address, ACK, method="POST", headers={"Origin": "null"}), await ask(address, "/api/nothing"),
        ]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 400, 303, 403, 404]
    for answer in answers:
        assert answer.headers["server"] == "sales-exporter"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "deny"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert answer.headers["content-security-policy"].startswith("default-src ")


async def test_a_part_may_have_a_policy_and_caching_of_its_own(book: Notebook) -> None:
    async with site(Shown(), parts=[book]) as address:
        look, history = await ask(address, "/notes"), await ask(address, "/notes/history")
    assert look.headers["content-security-policy"] == "default-src 'self'"
    assert (look.headers["cache-control"], history.headers["cache-control"]) == ("no-store", "private, no-cache")
    # With no referrer at all, browsers would send the origin of our own forms as null.
    assert look.headers["referrer-policy"] == "same-origin"


async def test_headers_of_the_web_configuration_hold_for_parts_too(book: Notebook, tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    config.write_text("http_server_config: {headers: {X-Frame-Options: sameorigin, X-Content-Type-Options: nosniff,"
                      " Strict-Transport-Security: max-age=5, Content-Security-Policy: ''}}")
    async with site(Shown(), parts=[book], config=config) as address:
        headers = (await ask(address, "/notes")).headers
    assert (headers["x-frame-options"], headers["strict-transport-security"]) == ("sameorigin", "max-age=5")
    assert "content-security-policy" not in headers


async def test_behind_a_proxy_paths_are_answered_with_the_prefix_and_without(book: Notebook) -> None:
    outside = "https://ops.example.com/sales/"
    async with site(Shown(), parts=[book], roles=responders, external_url=outside) as address:
        for path in ("/notes", "/sales/notes"):
            assert (await ask(address, path)).body == b"/sales/notes"
        assert (await ask(address, "/sales/-/healthy")).status == 200
        for path in ("/", "/sales", "/sales/"):
            assert b'href="/sales/metrics"' in (await ask(address, path)).body
        assert [(await ask(address, path)).status for path in ("/salesnotes", "/sales/sales/notes")] == [404, 404]
        answer = await ask(address, "/sales" + ACK, method="POST", body=b"{}", headers={
            **JSON, "Host": "10.0.0.5:18881", "Origin": "https://ops.example.com", "Sec-Fetch-Site": "same-origin"})
        assert answer.status == 200
        assert (await ask(address, "/sales/api/told")).headers["content-type"] == "application/problem+json"


async def test_landing_page_links_to_what_a_part_speaks_of(book: Notebook) -> None:
    async with site(Shown(), parts=[book]) as address:
        assert b'<a href="/notes"><b>/notes</b><span>what was noted</span></a>' in (await ask(address, "/")).body


@pytest.mark.parametrize("path", ["/notes", "/notes/metrics"])
async def test_telemetry_path_of_a_part_is_refused(book: Notebook, path: str) -> None:
    with pytest.raises(ConfigError, match=rf"^web\.telemetry_path: {path} is taken$"):
        async with site(Shown(), parts=[book], telemetry_path=path):
            pass


async def test_s1_refusals_of_parts_are_logged_by_template(book: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with site(Shown(), parts=[book]) as address:
            await ask(address, "/api/notes/canary-1/canary-2?canary-3", method="POST")
    told = [(record.route, record.status) for record in caplog.records if record.message == "request refused"]  # type: ignore[attr-defined]
    assert told == [("/api/notes/{name}/{action}", 403)]
    assert not any("canary" in str(vars(record)) for record in caplog.records)
