"""What the tests of the HTTP server share: something to serve, a raw client, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from sales_exporter.collectors import Pass
from sales_exporter.config import Web
from sales_exporter.errors import ConfigError
from sales_exporter.model import Sample, gauge
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.connections import Bounds
from sales_exporter.runtime.exposition import Format, Renderer, join
from sales_exporter.runtime.landing import EXPORTER
from sales_exporter.runtime.parts import Part
from sales_exporter.runtime.receiving import Intake
from sales_exporter.runtime.roles import Roles, viewers
from sales_exporter.runtime.web import Running, serve
from tests.support.later import Later

x509, hashes = Later("cryptography.x509"), Later("cryptography.hazmat.primitives.hashes")
serialization = Later("cryptography.hazmat.primitives.serialization")
ec, rsa = (Later(f"cryptography.hazmat.primitives.asymmetric.{name}") for name in ("ec", "rsa"))

SERIES = gauge("sales_leads", "Leads.", "stage")


class Shown:
    """A board with one page, that notes what it was asked for."""

    def __init__(self, found: list[Sample] | None = None) -> None:
        self._page = Renderer().render(found if found is not None else [SERIES(3, stage="lead")])
        self.names = frozenset({"funnel", "roi"})
        self.passes: Mapping[str, Pass] = {
            "funnel": Pass(60.0, success=True, last_success=1_700_000_000.0, finished=True)}
        self.ready = True
        self.words = EXPORTER
        self.replay = False
        self.as_of = 1_700_000_000.0
        self.asked: list[tuple[Format, bool, frozenset[str] | None]] = []
        self.reloads = 0
        self.reload_defect = ""

    def exposition(self, kind: Format, packed: bool, only: frozenset[str] | None) -> bytes:
        self.asked.append((kind, packed, only))
        return join([self._page], kind, packed)

    async def reload(self) -> None:
        if self.reload_defect:
            raise ConfigError(self.reload_defect)
        self.reloads += 1


@contextlib.asynccontextmanager
async def site(
    shown: Shown, *, config: Path | None = None, bounds: Bounds | None = None, clock: Clock | None = None,
    intake: Intake | None = None, parts: Sequence[Part] = (), roles: Roles = viewers, external_url: str | None = None,
    **settings: object,
) -> AsyncIterator[tuple[str, int]]:
    """A server on a free port of loopback, as host and port."""
    given = {"listen_address": ("127.0.0.1:0",), "config_file": config, **settings}
    running = await serve(shown, Web.model_validate(given), bounds=bounds, clock=clock, intake=intake, parts=parts,
                          roles=roles, external_url=external_url)
    try:
        yield where(running)
    finally:
        await running.close()


@contextlib.contextmanager
def beside(shown: Shown, **given: Any) -> Iterator[tuple[str, int]]:
    """A server on a loop of its own, for tests that are not coroutines."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    server = site(shown, **given)
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def where(running: Running) -> tuple[str, int]:
    """Host and port of the first address of a server."""
    host, _, port = running.addresses[0].rpartition(":")
    return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def ask(
    address: tuple[str, int], target: str = "/metrics", *, method: str = "GET",
    headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None, local: str | None = None,
    body: bytes = b"",
) -> Answer:
    """One request over a connection of its own, to localhost unless the headers say otherwise."""
    wanted = {"Host": "localhost", "Connection": "close", **({"Content-Length": str(len(body))} if body else {}),
              **(headers or {})}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items())]
    return await send(address, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body, tls=tls, local=local)


async def send(
    address: tuple[str, int], request: bytes, *, tls: ssl.SSLContext | None = None, local: str | None = None
) -> Answer:
    """Send bytes and read until the other side closes. Status 0 means that nothing came back."""
    async with connected(address, tls=tls, local=local) as (reader, writer):
        writer.write(request)
        got = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                got = await reader.read(-1)
    return parsed(got)


async def served(
    address: tuple[str, int], target: str = "/metrics", *, tls: ssl.SSLContext | None = None
) -> None:
    """Wait until a request is answered with 200; fails after ten seconds."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                if (await ask(address, target, tls=tls)).status == 200:
                    return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(
    address: tuple[str, int], *, tls: ssl.SSLContext | None = None, local: str | None = None, limit: int = 1 << 16
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection, from a given address of loopback if wanted."""
    origin = (local, 0) if local is not None else None
    reader, writer = await asyncio.open_connection(
        *address, ssl=tls, server_hostname="localhost" if tls is not None else None, local_addr=origin, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def parsed(got: bytes) -> Answer:
    """An answer from its bytes."""
    head, _, body = got.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    if not line:
        return Answer(0)
    headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
    return Answer(int(line.split(" ")[1]), headers, body)


class Authority:
    """A certificate authority of the tests."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        self._certificate = _sign(self._name, self._name, self._key, self._key, [], authority=True)

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, folder: Path, name: str, *sans: str, rsa_key: bool = False, password: bytes | None = None
              ) -> tuple[Path, Path]:
        """Files with a certificate for the given names, and its key."""
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1()))
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        certificate = _sign(subject, self._name, key, self._key, [_san(san) for san in sans])
        certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        key_file.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
        return certificate_file, key_file

    def client(self, *pair: Path) -> ssl.SSLContext:
        """What a client that trusts this authority connects with."""
        context = ssl.create_default_context(cadata=self.pem)
        if pair:
            context.load_cert_chain(*pair)
        return context


def _sign(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    signer: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], *, authority: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _san(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
