"""The web configuration: what is refused and how that reads, who gets in, and what a change does."""

from __future__ import annotations

import asyncio
import base64
import logging
import statistics
import time
from pathlib import Path

import bcrypt
import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.runtime.web_auth import Gate
from sales_exporter.runtime.web_config import WebConfig
from tests.support.clocks import FakeClock
from tests.support.web import Authority, Shown, ask, served, site

pytestmark = pytest.mark.process

CANARY = "canary-4711"


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


ALICE = hashed("alice123")
BOB = hashed("bob123")
USERS = f"basic_auth_users:\n  alice: {ALICE}\n  bob: {BOB}\n"


def basic(user: str, password: str | bytes) -> dict[str, str]:
    raw = user.encode() + b":" + (password.encode() if isinstance(password, str) else password)
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """A folder with server.crt, server.key, other.key, locked.key, ca.pem and text.pem."""
    folder = tmp_path_factory.mktemp("pair")
    authority.issue(folder, "server", "localhost")
    authority.issue(folder, "other", "localhost")
    authority.issue(folder, "locked", "localhost", password=b"secret")
    (folder / "ca.pem").write_text(authority.pem)
    (folder / "text.pem").write_text("no certificate")
    return folder


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
HTTP = "http_server_config:\n  headers:\n    "

BAD = [
    ("[]", "expected a mapping"),
    ("hWkNKCp3fvIx3jKnsaBI TuEjdwNS8A2vYdFbiKqr", "expected a mapping"),
    ("a: [", "line 1: not valid YAML"),
    ("tls_server_config: &a {}\nhttp_server_config: *a", "line 2: aliases"),
    ("tls_server_confg: {}", "tls_server_confg: unknown key"),
    ("tls_server_config:\n  cert_filse: server.crt", "tls_server_config.cert_filse: unknown key"),
    ("tls_server_config: yes", "tls_server_config: "),
    ("tls_server_config:\n  key_file: server.key", "tls_server_config: missing one of cert or cert_file"),
    ('tls_server_config:\n  cert_file: ""\n  key_file: server.key', "missing one of cert or cert_file"),
    ('tls_server_config:\n  cert: ""\n  key_file: server.key', "missing one of cert or cert_file"),
    ("tls_server_config:\n  cert_file: server.crt", "missing one of key or key_file"),
    ('tls_server_config:\n  cert_file: server.crt\n  key: ""', "missing one of key or key_file"),
    ("tls_server_config:\n  client_auth_type: NoClientCert", "missing one of cert or cert_file"),
    (TLS + "  cert: x", "give cert or cert_file, not both"),
    (TLS + f"  key: {CANARY}", "give key or key_file, not both"),
    ("tls_server_config:\n  cert_file: nofile\n  key_file: server.key", "tls_server_config.cert_file: cannot read"),
    ("tls_server_config:\n  cert_file: server.crt\n  key_file: nofile", "tls_server_config.key_file: cannot read"),
    ("tls_server_config:\n  cert_file: server.crt\n  key_file: other.key", "can be used: key values mismatch"),
    ("tls_server_config:\n  cert_file: text.pem\n  key_file: server.key", "not a pair that can be used"),
    ("tls_server_config:\n  cert_file: locked.crt\n  key_file: locked.key", "not a pair that can be used"),
    (f"tls_server_config:\n  cert_file: server.crt\n  key: {CANARY}", "not a pair that can be used"),
    (TLS + "  client_auth_type: x", "tls_server_config.client_auth_type: expected one of"),
    (TLS + "  client_auth_type: RequestClientCert", "RequestClientCert lets any certificate in"),
    (TLS + "  client_auth_type: RequireAnyClientCert", "RequireAnyClientCert lets any certificate in"),
    (TLS + "  client_auth_type: RequireClientCert", "RequireClientCert lets any certificate in"),
    (TLS + "  client_auth_type: RequireAndVerifyClientCert", "RequireAndVerifyClientCert needs client_ca_file"),
    (TLS + "  client_ca_file: ca.pem", "client_ca_file needs a client_auth_type"),
    (TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: nofile", "client_ca_file: cannot read"),
    (TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: /dev/null", "client_ca_file: holds no cert"),
    (TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca: x", "client_ca: holds no certificate"),
    (TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca: x\n  client_ca_file: ca.pem", "not both"),
    (TLS + "  client_allowed_sans: [a]", "client_allowed_sans needs a client_auth_type"),
    (TLS + "  min_version: TLS111", "tls_server_config.min_version: unknown TLS version"),
    (TLS + "  min_version: TLS11", "tls_server_config.min_version: TLS11 is broken"),
    (TLS + "  max_version: TLS10", "tls_server_config.max_version: TLS10 is broken"),
    (TLS + "  min_version: TLS13\n  max_version: TLS12", "max_version is older"),
    (TLS + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]", "cipher_suites.0: unknown cipher"),
    (TLS + "  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]", "cipher_suites.0: unknown cipher"),
    (TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12", "cipher_suites names none"),
    (TLS + "  curve_preferences: [CurveP257]", "tls_server_config.curve_preferences.0: "),
    (TLS + "  curve_preferences: [CurveP256, X25519]", "curve_preferences must name exactly one curve"),
    (HTTP + "X-Content-Type-Options: sniff", "http_server_config.headers: X-Content-Type-Options must be nosniff"),
    (HTTP + "X-Frame-Options: foo", "X-Frame-Options must be deny or sameorigin"),
    (HTTP + "Content-Type: foo", "http_server_config.headers: expected headers out of"),
    (HTTP + '"Strict-Transport-Security": "a\\r\\nX: y"', "must be printable ASCII on one line"),
    ("http_server_config:\n  http2: perhaps", "http_server_config.http2: "),
    (f"basic_auth_users:\n  john: {CANARY}", "basic_auth_users.john: not a bcrypt hash"),
    (f"basic_auth_users:\n  john: {ALICE[:-1]}", "basic_auth_users.john: not a bcrypt hash"),
    (f"basic_auth_users:\n  john: {ALICE.replace('$04$', '$99$')}", "basic_auth_users.john: not a bcrypt hash"),
    (f'basic_auth_users:\n  "jo:hn": {ALICE}', "basic_auth_users: a user name with a colon"),
    ("basic_auth_users: [john]", "basic_auth_users: "),
    ("rate_limit:\n  interval: soon", "rate_limit.interval: expected a duration"),
    ("rate_limit:\n  interval: 1s", "rate_limit: with a burst of 0"),
    ("rate_limit:\n  interval: 1s\n  burst: -1", "rate_limit.burst: "),
    ("#" + "x" * (1 << 20), "larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[f"{i}-{message[:40]}" for i, (_, message) in enumerate(BAD)])
def test_r18_bad_web_configuration_is_one_line_with_file_and_key(pair: Path, text: str, message: str) -> None:
    path = written(pair, text)
    with pytest.raises(ConfigError) as caught:
        WebConfig(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert message in line
    assert "\n" not in line
    assert CANARY not in line
    assert ALICE[7:30] not in line


def test_r18_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nofile\.yml: cannot be read: No such file or directory$"):
        WebConfig(tmp_path / "nofile.yml")
    with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
        WebConfig(tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigError, match=r"latin\.yml: not UTF-8$"):
        WebConfig(tmp_path / "latin.yml")


@pytest.mark.parametrize(
    "text",
    [
        "", "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n", TLS, USERS, TLS + USERS,
        TLS + "  client_auth_type: VerifyClientCertIfGiven", TLS + "  prefer_server_cipher_suites: false",
        TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  client_allowed_sans: [a]",
        TLS + "  curve_preferences: [X25519]", TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]",
        TLS + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, TLS_CHACHA20_POLY1305_SHA256]",
        HTTP + "X-XSS-Protection: 1", "http_server_config:\n  http2: false",
        "rate_limit:\n  interval: 1m30s\n  burst: 20", "rate_limit:\n  interval: 0",
    ],
)
def test_good_web_configuration_is_taken(pair: Path, text: str) -> None:
    assert WebConfig(written(pair, text)).defect == ""


async def test_s5_without_a_login_nothing_is_shown(tmp_path: Path) -> None:
    shown = Shown()
    async with site(shown, config=written(tmp_path, USERS)) as address:
        for target in ("/metrics", "/", "/-/healthy", "/-/ready", "/nothing"):
            answer = await ask(address, target)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="sales-exporter"')
    assert shown.asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (basic("alice", "alice123"), 200),
        (basic("bob", "bob123"), 200),
        ({"Authorization": basic("alice", "alice123")["Authorization"].replace("Basic", "bAsIc")}, 200),
        (basic("alice", "bob123"), 401),
        (basic("alice", ""), 401),
        (basic("alice", "alice1234"), 401),
        (basic("Alice", "alice123"), 401),
        (basic("nonexistent", "nonexistent"), 401),
        (basic("", ""), 401),
        (basic("alice", b"alice123\0"), 401),
        (basic("alice", b"\xff\xfe"), 401),
        (basic("alice", "x" * 73), 401),
        ({"Authorization": "Basic"}, 401),
        ({"Authorization": "Basic !!!"}, 401),
        ({"Authorization": "Basic YWxpY2U="}, 401),
        ({"Authorization": "Bearer " + basic("alice", "alice123")["Authorization"][6:]}, 401),
    ],
)
async def test_s5_only_a_user_with_their_password_gets_in(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with site(Shown(), config=written(tmp_path, USERS)) as address:
        for _ in range(2):
            assert (await ask(address, headers=headers)).status == status


async def test_s5_password_of_73_bytes_never_matches_by_its_first_72(tmp_path: Path) -> None:
    config = written(tmp_path, f"basic_auth_users:\n  alice: {hashed('x' * 72)}\n")
    async with site(Shown(), config=config) as address:
        assert (await ask(address, headers=basic("alice", "x" * 72))).status == 200
        assert (await ask(address, headers=basic("alice", "x" * 73))).status == 401


async def test_s5_hash_and_password_cannot_be_shifted_into_each_other(tmp_path: Path) -> None:
    """CVE-2022-46146: a remembered answer for one user and password served for another pair."""
    async with site(Shown(), config=written(tmp_path, USERS)) as address:
        for _ in range(2):
            assert (await ask(address, headers=basic("alice" + ALICE, "alice123"))).status == 401
            assert (await ask(address, headers=basic("alice", ALICE + "alice123"))).status == 401
            assert (await ask(address, headers=basic("alic", "ealice123"))).status == 401
        assert (await ask(address, headers=basic("alice", "alice123"))).status == 200


async def test_s5_password_behind_the_comparison_of_unknown_users_lets_nobody_in() -> None:
    gate, users = Gate(), {b"alice": ALICE.encode()}
    login = basic("nobody", "alice123")["Authorization"]
    assert [await gate.admits(users, login) for _ in range(2)] == [False, False]


async def test_s5_many_logins_at_once_each_get_their_own_answer(tmp_path: Path) -> None:
    async with site(Shown(), config=written(tmp_path, USERS), max_connections_per_address=100) as address:
        right = [ask(address, headers=basic("alice", "alice123")) for _ in range(25)]
        wrong = [ask(address, headers=basic("alice", f"alice{i}")) for i in range(25)]
        answers = await asyncio.gather(*right, *wrong)
    assert [answer.status for answer in answers] == [200] * 25 + [401] * 25


async def test_s5_unknown_user_costs_as_much_as_a_known_one() -> None:
    gate, users = Gate(), {b"alice": hashed("alice123", 8).encode(), b"bob": hashed("bob123", 8).encode()}

    async def cost(user: str, password: str) -> float:
        # CPU time of the whole process: other programs of the machine are not in it.
        began = time.process_time()
        assert not await gate.admits(users, basic(user, password)["Authorization"])
        return time.process_time() - began

    known, unknown, long = [], [], []
    for i in range(15):
        known.append(await cost("alice", f"wrong-{i}"))
        unknown.append(await cost(f"user-{i}", "wrong"))
        long.append(await cost("alice", f"{i:080}"))
    medians = [statistics.median(costs) for costs in (known, unknown, long)]
    assert max(medians) / min(medians) < 1.2


async def test_s5_loop_is_free_while_a_hash_is_computed() -> None:
    gate, users = Gate(), {b"alice": hashed("alice123", 10).encode()}
    logins = [asyncio.create_task(gate.admits(users, basic("alice", str(i))["Authorization"])) for i in range(5)]
    longest, last = 0.0, time.monotonic()
    while not all(login.done() for login in logins):
        await asyncio.sleep(0)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < 0.25
    assert not any(login.result() for login in logins)


async def test_s5_guesses_do_not_push_out_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, users = Gate(), {b"alice": ALICE.encode()}
    right = basic("alice", "alice123")["Authorization"]
    assert await gate.admits(users, right)
    for i in range(150):
        await gate.admits(users, basic("alice", str(i))["Authorization"])
    monkeypatch.setattr(bcrypt, "checkpw", None)
    assert await gate.admits(users, right)


async def test_s5_changed_password_counts_at_once(tmp_path: Path) -> None:
    config = written(tmp_path, USERS)
    async with site(Shown(), config=config) as address:
        assert (await ask(address, headers=basic("alice", "alice123"))).status == 200
        written(tmp_path, f"basic_auth_users:\n  alice: {hashed('new-password')}\n")
        assert (await ask(address, headers=basic("alice", "alice123"))).status == 401
        assert (await ask(address, headers=basic("alice", "new-password"))).status == 200
        assert (await ask(address, headers=basic("bob", "bob123"))).status == 401


async def test_s1_passwords_and_hashes_are_in_no_log_and_on_no_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = hashed(CANARY)
    config = written(tmp_path, f"basic_auth_users:\n  alice: {secret}\n")
    pages = []
    with caplog.at_level(logging.DEBUG):
        async with site(Shown(), config=config) as address:
            pages.append(await ask(address, headers=basic("alice", CANARY + "wrong")))
            written(tmp_path, f"basic_auth_users:\n  alice: {secret}\n  bob: {CANARY}\n")
            pages.append(await ask(address, "/", headers=basic("alice", CANARY)))
    assert [page.status for page in pages] == [401, 200]
    for text in (*(str(vars(record)) for record in caplog.records), *(str(page) for page in pages)):
        assert CANARY not in text
        assert secret[7:] not in text


async def test_r17_bad_change_keeps_the_old_configuration_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = written(tmp_path, USERS)
    login = basic("alice", "alice123")
    async with site(Shown(), config=config) as address:
        written(tmp_path, "basic_auth_users:\n  alice: nonsense\n")
        for _ in range(3):
            page = (await ask(address, "/", headers=login)).body.decode()
        assert "Web configuration not reloaded." in page
        assert "basic_auth_users.alice: not a bcrypt hash" in page
        written(tmp_path, USERS + "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n")
        answer = await ask(address, "/", headers=login)
        assert "Web configuration not reloaded." not in answer.body.decode()
        assert answer.headers["x-frame-options"] == "sameorigin"
    assert [record.message for record in caplog.records if "web configuration" in record.message] == [
        "web configuration not reloaded"]


@pytest.mark.parametrize("text", ["", "http_server_config: {}\n"])
async def test_s5_emptied_file_does_not_open_the_door(tmp_path: Path, text: str) -> None:
    config = written(tmp_path, USERS)
    async with site(Shown(), config=config) as address:
        written(tmp_path, text)
        assert (await ask(address)).status == 401
        config.unlink()
        assert (await ask(address)).status == 401
        assert (await ask(address, headers=basic("alice", "alice123"))).status == 200


async def test_users_may_be_added_to_a_running_server(tmp_path: Path) -> None:
    config = written(tmp_path, "")
    async with site(Shown(), config=config) as address:
        assert (await ask(address)).status == 200
        written(tmp_path, USERS)
        assert (await ask(address)).status == 401


async def test_headers_are_added_replaced_and_when_blank_left_out(tmp_path: Path) -> None:
    config = written(tmp_path, HTTP + """X-Frame-Options: sameorigin
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Content-Security-Policy: ""
""")
    async with site(Shown(), config=config) as address:
        headers = (await ask(address, "/")).headers
    assert headers["x-frame-options"] == "sameorigin"
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert headers["x-xss-protection"] == "1"
    assert "content-security-policy" not in headers


async def test_rate_limit_refuses_what_is_above_the_burst_until_time_has_passed(tmp_path: Path) -> None:
    clock = FakeClock()
    config = written(tmp_path, "rate_limit:\n  interval: 10s\n  burst: 2\n")
    async with site(Shown(), config=config, clock=clock) as address:
        assert [(await ask(address)).status for _ in range(3)] == [200, 200, 429]
        await clock.advance(10)
        assert [(await ask(address)).status for _ in range(2)] == [200, 429]


async def test_s6_reload_needs_lifecycle_a_login_and_the_same_site(tmp_path: Path) -> None:
    shown, login = Shown(), basic("alice", "alice123")
    async with site(shown, config=written(tmp_path, USERS), enable_lifecycle=True) as address:
        assert (await ask(address, "/-/reload", method="POST")).status == 401
        cross = await ask(address, "/-/reload", method="POST", headers={**login, "Sec-Fetch-Site": "cross-site"})
        assert cross.status == 403
        assert (await ask(address, "/-/reload", headers=login)).status == 405
        assert shown.reloads == 0
        assert (await ask(address, "/-/reload", method="POST", headers=login)).body == b"reloaded\n"
        assert shown.reloads == 1


async def test_r17_reload_of_a_bad_configuration_says_what_is_wrong(tmp_path: Path) -> None:
    shown = Shown()
    shown.reload_defect = "sales-exporter.yml: web.max_requests: unknown key"
    async with site(shown, config=written(tmp_path, USERS), enable_lifecycle=True) as address:
        answer = await ask(address, "/-/reload", method="POST", headers=basic("alice", "alice123"))
    assert (answer.status, answer.body.decode()) == (500, f"not reloaded: {shown.reload_defect}\n")


async def test_server_is_reached_again_after_a_change(tmp_path: Path) -> None:
    config = written(tmp_path, "")
    async with site(Shown(), config=config) as address:
        for _ in range(3):
            written(tmp_path, "http_server_config:\n  headers:\n    X-XSS-Protection: 1\n")
            await served(address)
