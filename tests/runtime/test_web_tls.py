"""TLS: versions, ciphers, curves, client certificates, and certificates that change under a running server."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from tests.support.parts import Notebook, responders
from tests.support.web import Answer, Authority, Shown, ask, connected, site

pytestmark = pytest.mark.process

TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
VERIFIED = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
OPTIONAL = TLS + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    folder = tmp_path_factory.mktemp("issued")
    authority.issue(folder, "server", "localhost", "127.0.0.1", rsa_key=True)
    (folder / "ca.pem").write_text(authority.pem)
    return folder


@pytest.fixture
def folder(tmp_path: Path, issued: Path) -> Path:
    """A folder of the test's own with server.crt, server.key and ca.pem."""
    return Path(shutil.copytree(issued, tmp_path / "own"))


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


async def over(folder: Path, text: str, tls: ssl.SSLContext | None) -> Answer:
    async with site(Shown(), config=written(folder, text)) as address:
        return await ask(address, tls=tls)


async def test_scrape_over_tls(folder: Path, authority: Authority) -> None:
    assert (await over(folder, TLS, authority.client())).status == 200


async def test_inline_certificate_and_key(folder: Path, authority: Authority) -> None:
    inline = {name: (folder / file).read_text().replace("\n", "\n    ")
              for name, file in (("cert", "server.crt"), ("key", "server.key"))}
    text = "tls_server_config:\n" + "".join(f"  {name}: |\n    {pem}\n" for name, pem in inline.items())
    assert (await over(folder, text, authority.client())).status == 200


async def test_plain_request_to_a_tls_server_gets_nothing(folder: Path) -> None:
    assert (await over(folder, TLS, None)).status == 0


async def test_tls_client_of_a_plain_server_fails(folder: Path, authority: Authority) -> None:
    with pytest.raises(ssl.SSLError):
        await over(folder, "", authority.client())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_s5_tls_1_1_is_refused(folder: Path, authority: Authority) -> None:
    client = authority.client()
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await over(folder, TLS, client)


@pytest.mark.parametrize(
    ("extra", "version", "spoken"),
    [
        ("", ssl.TLSVersion.TLSv1_2, True), ("", ssl.TLSVersion.TLSv1_3, True),
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_2, False),
        ("  max_version: TLS12\n", ssl.TLSVersion.TLSv1_3, False),
        ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", ssl.TLSVersion.TLSv1_2, False),
        ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", ssl.TLSVersion.TLSv1_3, True),
    ],
)
async def test_versions_follow_the_configuration(
    folder: Path, authority: Authority, extra: str, version: ssl.TLSVersion, spoken: bool
) -> None:
    client = authority.client()
    client.minimum_version = client.maximum_version = version
    if spoken:
        assert (await over(folder, TLS + extra, client)).status == 200
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await over(folder, TLS + extra, client)


SOME = ("  max_version: TLS12\n  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
        "  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n")
BOTH = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize(
    ("extra", "offered", "chosen"),
    [
        (SOME, "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        (SOME, BOTH, "ECDHE-RSA-AES128-GCM-SHA256"),
        (SOME + "  prefer_server_cipher_suites: false\n", BOTH, "ECDHE-RSA-AES256-GCM-SHA384"),
        (SOME, "ECDHE-RSA-CHACHA20-POLY1305", None),
    ],
    ids=["one", "the server chooses", "the client chooses", "none in common"],
)
async def test_ciphers_follow_the_configuration(
    folder: Path, authority: Authority, extra: str, offered: str, chosen: str | None
) -> None:
    client = authority.client()
    client.set_ciphers(offered)
    if chosen is None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await over(folder, TLS + extra, client)
        return
    async with site(Shown(), config=written(folder, TLS + extra)) as address:
        assert await cipher(address, client) == chosen


async def cipher(address: tuple[str, int], tls: ssl.SSLContext) -> str:
    """The cipher that a handshake arrives at."""
    async with connected(address, tls=tls) as (_, writer):
        return str(writer.get_extra_info("cipher")[0])


@pytest.mark.parametrize(("curve", "spoken"), [("secp521r1", True), ("secp384r1", False)])
async def test_curve_follows_the_configuration(folder: Path, authority: Authority, curve: str, spoken: bool) -> None:
    client = authority.client()
    client.set_ecdh_curve(curve)
    text = TLS + "  min_version: TLS13\n  curve_preferences: [CurveP521]\n"
    if spoken:
        assert (await over(folder, text, client)).status == 200
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await over(folder, text, client)


async def refused(folder: Path, text: str, tls: ssl.SSLContext) -> bool:
    """Whether a server with this configuration ends the connection."""
    async with site(Shown(), config=written(folder, text)) as address:
        return await ends(address, tls)


async def ends(address: tuple[str, int], tls: ssl.SSLContext) -> bool:
    """Whether the server ends the connection. In TLS 1.3 a client may learn so only when it reads."""
    try:
        return (await ask(address, tls=tls)).status == 0
    except (ssl.SSLError, ConnectionError):
        return True


async def test_s5_client_with_a_certificate_of_the_authority_gets_in(folder: Path, authority: Authority) -> None:
    mine = authority.client(*authority.issue(folder, "prometheus"))
    assert (await over(folder, VERIFIED, mine)).status == 200


async def test_s5_client_without_a_certificate_is_refused_when_one_is_required(
    folder: Path, authority: Authority
) -> None:
    assert await refused(folder, VERIFIED, authority.client())


@pytest.mark.parametrize("text", [VERIFIED, OPTIONAL])
async def test_s5_client_with_a_certificate_of_another_authority_is_refused(
    folder: Path, authority: Authority, text: str
) -> None:
    stranger = authority.client(*Authority("Other CA").issue(folder, "stranger"))
    assert await refused(folder, text, stranger)


async def test_client_without_a_certificate_gets_in_when_it_is_optional(folder: Path, authority: Authority) -> None:
    assert (await over(folder, OPTIONAL, authority.client())).status == 200


@pytest.mark.parametrize(
    ("sans", "allowed", "let_in"),
    [
        (("prometheus.example",), ["prometheus.example"], True),
        (("other.example", "prometheus.example"), ["prometheus.example"], True),
        (("::1",), ["::1"], True),
        (("10.0.0.7",), ["10.0.0.7"], True),
        (("ops@example.com",), ["ops@example.com"], True),
        (("spiffe://example.com/prometheus",), ["spiffe://example.com/prometheus"], True),
        (("prometheus.example",), ["bad.example"], False),
        (("x.prometheus.example",), ["prometheus.example"], False),
        ((), ["prometheus.example"], False),
        (("prometheus.example",), [], False),
    ],
)
async def test_s5_client_needs_an_allowed_name(
    folder: Path, authority: Authority, sans: tuple[str, ...], allowed: list[str], let_in: bool
) -> None:
    mine = authority.client(*authority.issue(folder, "prometheus", *sans))
    text = VERIFIED + f"  client_allowed_sans: {allowed}\n"
    if let_in:
        assert (await over(folder, text, mine)).status == 200
    else:
        assert await refused(folder, text, mine)


async def test_s5_new_certificate_is_used_without_a_restart(folder: Path, authority: Authority) -> None:
    new = Authority("New CA")
    async with site(Shown(), config=written(folder, TLS)) as address:
        assert (await ask(address, tls=authority.client())).status == 200
        new.issue(folder, "server", "localhost")
        assert (await ask(address, tls=new.client())).status == 200
        with pytest.raises(ssl.SSLError):
            await ask(address, tls=authority.client())


async def test_s5_half_written_certificate_leaves_the_old_one_in_force(folder: Path, authority: Authority) -> None:
    new = Authority("New CA")
    certificate, key = folder / "server.crt", folder / "server.key"
    async with site(Shown(), config=written(folder, TLS)) as address:
        old_key = key.read_bytes()
        new.issue(folder, "server", "localhost")
        new_key = key.read_bytes()
        key.write_bytes(old_key)
        assert (await ask(address, tls=authority.client())).status == 200
        certificate.write_text(certificate.read_text()[:200])
        assert (await ask(address, tls=authority.client())).status == 200
        new.issue(folder, "server", "localhost")
        assert key.read_bytes() != new_key
        assert (await ask(address, tls=new.client())).status == 200


async def test_s5_requirement_of_client_certificates_counts_at_once(folder: Path, authority: Authority) -> None:
    async with site(Shown(), config=written(folder, TLS)) as address:
        assert (await ask(address, tls=authority.client())).status == 200
        written(folder, VERIFIED)
        mine = authority.client(*authority.issue(folder, "prometheus"))
        assert (await ask(address, tls=mine)).status == 200
        assert await ends(address, authority.client())


@pytest.mark.parametrize("text", ["", "basic_auth_users: {}\n"])
async def test_s5_tls_cannot_be_taken_away_from_a_running_server(
    folder: Path, authority: Authority, text: str
) -> None:
    async with site(Shown(), config=written(folder, TLS)) as address:
        written(folder, text)
        answer = await ask(address, "/", tls=authority.client())
        assert answer.status == 200
        assert "TLS cannot be taken away without a restart" in answer.body.decode()
        assert (await ask(address)).status == 0


async def test_s6_reload_is_open_to_verified_client_certificates(folder: Path, authority: Authority) -> None:
    shown = Shown()
    mine = authority.client(*authority.issue(folder, "prometheus"))
    async with site(shown, config=written(folder, VERIFIED), enable_lifecycle=True) as address:
        assert (await ask(address, "/-/reload", method="POST", tls=mine)).status == 200
    assert shown.reloads == 1


async def test_s5_client_certificates_cannot_be_taken_away_from_a_running_server(
    folder: Path, authority: Authority
) -> None:
    async with site(Shown(), config=written(folder, VERIFIED)) as address:
        written(folder, TLS)
        assert await ends(address, authority.client())
        mine = authority.client(*authority.issue(folder, "prometheus"))
        page = (await ask(address, "/", tls=mine)).body.decode()
    assert "verified client certificates cannot be taken away without a restart" in page


async def test_s6_over_tls_a_form_of_a_plain_page_is_refused(folder: Path, authority: Authority) -> None:
    book = Notebook()
    async with site(Shown(), config=written(folder, TLS), parts=[book], roles=responders) as address:
        for origin, status in (("https://localhost", 303), ("http://localhost", 403)):
            answer = await ask(address, "/notes/one", method="POST", tls=authority.client(), body=b"a=b", headers={
                "Origin": origin, "Content-Type": "application/x-www-form-urlencoded"})
            assert answer.status == status
    assert len(book.calls) == 1
