"""The TLS half of a web configuration: what exporter-toolkit's keys mean to Python's ssl, and what it cannot do."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sales_exporter.config import Section
from sales_exporter.errors import ConfigError

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_CIPHERS_13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_CLIENTS = {
    "": ssl.CERT_NONE, "NoClientCert": ssl.CERT_NONE, "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireClientCert", "RequireAnyClientCert")


def _version(name: str) -> str:
    if name in ("TLS10", "TLS11"):
        raise ValueError(f"{name} is broken and not offered; use TLS12 or TLS13")
    if name not in _VERSIONS:
        raise ValueError("unknown TLS version; use TLS12 or TLS13")
    return name


def _client_auth(name: str) -> str:
    if name in _UNVERIFIED:
        raise ValueError(f"{name} lets any certificate in, which protects nothing; use RequireAndVerifyClientCert")
    if name not in _CLIENTS:
        raise ValueError(f"expected one of {', '.join(filter(None, _CLIENTS))}")
    return name


def _cipher(name: str) -> str:
    if name not in _CIPHERS and name not in _CIPHERS_13:
        raise ValueError("unknown cipher; expected a name of Go's crypto/tls with ECDHE, or of TLS 1.3")
    return name


Version = Annotated[str, AfterValidator(_version)]
Cipher = Annotated[str, AfterValidator(_cipher)]


class Tls(Section):
    """``tls_server_config``. Files are looked for beside the web configuration."""

    cert: str = Field("", description="Certificate chain in PEM, inline.")
    key: SecretStr = Field(SecretStr(""), description="Private key in PEM, inline.")
    client_ca: str = Field("", description="Certificates in PEM that sign those of clients, inline.")
    cert_file: str = Field("", description="File with the certificate chain in PEM.")
    key_file: str = Field("", description="File with the private key in PEM.")
    client_ca_file: str = Field("", description="File with the certificates that sign those of clients.")
    client_auth_type: Annotated[str, AfterValidator(_client_auth)] = Field(
        "", description="NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert.")
    client_allowed_sans: tuple[str, ...] | None = Field(
        None, description="Names, addresses or URIs, one of which a client's certificate must carry.")
    min_version: Version = Field("TLS12", description="Oldest version that is spoken.")
    max_version: Version = Field("TLS13", description="Newest version that is spoken.")
    cipher_suites: tuple[Cipher, ...] | None = Field(None, description="Ciphers of TLS 1.2, by their Go names.")
    curve_preferences: tuple[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"], ...] | None = Field(
        None, description="The curve of the key exchange; exactly one.")
    prefer_server_cipher_suites: bool = Field(True, description="Choose by our order of ciphers.")

    @property
    def enabled(self) -> bool:
        """Whether anything here asks for TLS."""
        return any((self.cert, self.key.get_secret_value(), self.client_ca, self.cert_file, self.key_file,
                    self.client_ca_file, self.client_auth_type))

    @property
    def authenticates(self) -> bool:
        """Whether only clients with a certificate that was verified get in."""
        return self.client_auth_type == "RequireAndVerifyClientCert"

    @model_validator(mode="after")
    def _whole(self) -> Tls:
        if self.enabled:
            self._check_pair()
            self._check_clients()
        return self._check_algorithms()

    def _check_pair(self) -> None:
        for inline, file, name in ((self.cert, self.cert_file, "cert"),
                                   (self.key.get_secret_value(), self.key_file, "key")):
            if not inline and not file:
                raise ValueError(f"missing one of {name} or {name}_file")
            if inline and file:
                raise ValueError(f"give {name} or {name}_file, not both")

    def _check_clients(self) -> None:
        verifies = _CLIENTS[self.client_auth_type] is not ssl.CERT_NONE
        if (self.client_ca or self.client_ca_file) and not verifies:
            raise ValueError("client_ca_file needs a client_auth_type that verifies: RequireAndVerifyClientCert")
        if self.client_ca and self.client_ca_file:
            raise ValueError("give client_ca or client_ca_file, not both")
        if self.client_allowed_sans is not None and not verifies:
            raise ValueError("client_allowed_sans needs a client_auth_type that verifies: RequireAndVerifyClientCert")
        if self.authenticates and not (self.client_ca or self.client_ca_file):
            raise ValueError("RequireAndVerifyClientCert needs client_ca_file, or any public certificate gets in")

    def _check_algorithms(self) -> Tls:
        if _VERSIONS[self.min_version] > _VERSIONS[self.max_version]:
            raise ValueError("max_version is older than min_version")
        if self.cipher_suites and self.max_version == "TLS12" and not self.ciphers_12:
            raise ValueError("cipher_suites names none of TLS 1.2, and max_version allows nothing newer")
        if self.curve_preferences is not None and len(self.curve_preferences) != 1:
            raise ValueError("curve_preferences must name exactly one curve; Python's TLS takes no list")
        return self

    @property
    def ciphers_12(self) -> list[str]:
        """OpenSSL's names of the chosen ciphers of TLS 1.2. Those of TLS 1.3 cannot be chosen, as in Go."""
        return [_CIPHERS[name] for name in self.cipher_suites or () if name in _CIPHERS]

    def files(self, home: Path) -> tuple[Path, ...]:
        """The files that a context is made from."""
        return tuple(home / name for name in (self.cert_file, self.key_file, self.client_ca_file) if name)

    def allows(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a verified client certificate carries an allowed name. None was asked for, or none was given: yes."""
        if self.client_allowed_sans is None or not certificate:
            return True
        names = {_plain(kind, str(value)) for kind, value in certificate.get("subjectAltName", ())}
        return not names.isdisjoint(self.client_allowed_sans)


def context(tls: Tls, home: Path, where: str) -> ssl.SSLContext:
    """What handshakes are made with.

    Raises:
        ConfigError: a file cannot be read, is no PEM, or certificate and key do not belong together.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = _VERSIONS[tls.min_version]
    made.maximum_version = _VERSIONS[tls.max_version]
    made.set_alpn_protocols(["http/1.1"])
    made.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.ciphers_12:
        made.set_ciphers(":".join(tls.ciphers_12))
    elif tls.cipher_suites:
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    if tls.curve_preferences is not None:
        made.set_ecdh_curve(_CURVES[tls.curve_preferences[0]])
    _load_pair(made, tls, home, where)
    _load_clients(made, tls, home, where)
    return made


def _load_pair(made: ssl.SSLContext, tls: Tls, home: Path, where: str) -> None:
    for name in ("cert_file", "key_file"):
        _readable(getattr(tls, name), home, f"{where}: tls_server_config.{name}")
    try:
        with _inline(tls) as folder:
            certificate = home / tls.cert_file if tls.cert_file else folder / "cert"
            key = home / tls.key_file if tls.key_file else folder / "key"
            # An empty password: without one, OpenSSL would ask for it on the terminal.
            made.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or "not PEM, or encrypted").replace("_", " ").lower()
        raise ConfigError(
            f"{where}: tls_server_config.cert_file, key_file: not a pair that can be used: {reason}"
        ) from None


def _load_clients(made: ssl.SSLContext, tls: Tls, home: Path, where: str) -> None:
    made.verify_mode = _CLIENTS[tls.client_auth_type]
    key = f"{where}: tls_server_config.client_ca{'_file' if tls.client_ca_file else ''}"
    _readable(tls.client_ca_file, home, key)
    try:
        if tls.client_ca_file:
            made.load_verify_locations(home / tls.client_ca_file)
        elif tls.client_ca:
            made.load_verify_locations(cadata=tls.client_ca)
        elif made.verify_mode is not ssl.CERT_NONE:
            made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    except (OSError, ValueError):
        raise ConfigError(f"{key}: holds no certificate in PEM") from None


def _readable(file: str, home: Path, key: str) -> None:
    if not file:
        return
    try:
        with (home / file).open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {home / file}: {error.strerror}") from None


@contextlib.contextmanager
def _inline(tls: Tls) -> Iterator[Path]:
    """Inline PEM as files, which is all that Python's ssl reads, in a folder of our own for a moment."""
    inline = (("cert", tls.cert), ("key", tls.key.get_secret_value()))
    if not any(text for _, text in inline):
        yield Path()
        return
    with tempfile.TemporaryDirectory(prefix="sales-exporter-") as folder:
        for name, text in inline:
            if text:
                (Path(folder) / name).write_text(text)
        yield Path(folder)


def _plain(kind: str, value: str) -> str:
    """A name as exporter-toolkit compares it: OpenSSL writes IPv6 addresses long and in capitals."""
    if kind != "IP Address":
        return value
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return value
