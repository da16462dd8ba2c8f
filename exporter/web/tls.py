"""TLS of the server: contexts made from PEM texts, exchanged while it runs, and what is asked of clients."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# Go's names of cipher suites, as the file has them, and OpenSSL's
CIPHERS = {
    f"TLS_ECDHE_{kind}_WITH_{theirs}": f"ECDHE-{kind}-{ours}"
    for kind in ("ECDSA", "RSA")
    for theirs, ours in {
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    }.items()
}
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_NAME_KINDS = ("DNS", "email", "URI", "IP Address")


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """What a context is made of; PEM as text, names as the file has them."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    client_ca: str | None = field(default=None, repr=False)
    client_auth: str = "NoClientCert"
    allowed_sans: tuple[str, ...] = ()
    minimum: str = "TLS12"
    maximum: str = "TLS13"
    ciphers: tuple[str, ...] = ()
    prefer_server_ciphers: bool = True
    curve: str | None = None


class TlsError(Exception):
    """PEM texts that no context can be made of: `faults` maps cert, key and client_ca to what is wrong."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name} {fault}" for name, fault in faults.items()))
        self.faults = faults


class _Line(ssl.SSLObject):
    """One client's TLS; the handshake fails for a client whose certificate has no allowed name."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = cast(Context, self.context)
        if context.outdated:
            raise ssl.SSLError(1, "the TLS settings changed during the handshake")
        if context.allowed_sans and not context.allowed_sans & set(_names(self.getpeercert() or {})):
            raise ssl.SSLError(1, "the client's certificate has no name of client_allowed_sans")


def _names(certificate: Any) -> Iterator[str]:
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "IP Address":  # in OpenSSL's writing, which for IPv6 is not the usual one
            yield str(ipaddress.ip_address(name.strip()))
        elif kind in _NAME_KINDS:
            yield name


class Context(ssl.SSLContext):
    """A server's context. `outdated` once another has taken its place."""

    sslobject_class = _Line
    allowed_sans: frozenset[str] = frozenset()
    outdated = False


class CurrentContext(ssl.SSLContext):
    """What the event loop is given once and for all; each new connection gets the context that is current.

    Loading a new certificate into a context would do for certificates, but an authority, once trusted, cannot
    be taken out of it; and the hook for server names cannot change what is asked of clients.
    """

    _current: Context

    @classmethod
    def of(cls, context: Context) -> CurrentContext:
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._current = context
        return made

    def swap(self, context: Context) -> None:
        self._current.outdated = True
        self._current = context

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self._current.wrap_bio(*arguments, **named)


def make_context(settings: TlsSettings) -> Context:
    """The context for these settings. Raises `TlsError` with all that is wrong with the PEM texts. Blocks."""
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    faults: dict[str, str] = {}
    if not _holds_certificates(settings.certificate):
        faults["cert"] = "holds no certificate in PEM form, or a damaged one"
    try:
        with _as_file(settings.certificate) as certificate, _as_file(settings.key) as key:
            # with no password at hand OpenSSL would ask for one at the terminal
            context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        if not faults:
            faults.update(_fault(settings, error))
    if settings.client_ca is not None:
        if _holds_certificates(settings.client_ca):
            context.load_verify_locations(cadata=_ascii(settings.client_ca))
        else:
            faults["client_ca"] = "holds no certificate in PEM form, or a damaged one"
    if faults:
        raise TlsError(faults)
    context.minimum_version = VERSIONS[settings.minimum]
    context.maximum_version = VERSIONS[settings.maximum]
    context.verify_mode = CLIENT_AUTH[settings.client_auth]
    context.verify_flags |= (
        ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # what the file names is trusted, be it a root or not
    context.allowed_sans = frozenset(settings.allowed_sans)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not settings.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.ciphers:
        context.set_ciphers(":".join(CIPHERS[name] for name in settings.ciphers))
    if settings.curve is not None:
        context.set_ecdh_curve(CURVES[settings.curve])
    return context


def _fault(settings: TlsSettings, error: ssl.SSLError | ValueError) -> dict[str, str]:
    """What is wrong with a key, or with a certificate that OpenSSL can read but will not have."""
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return {"key": "is not the key of this certificate"}
    if reason:
        return {"cert": f"is refused by OpenSSL: {reason.lower().replace('_', ' ')}"}
    if "ENCRYPTED" in settings.key:
        return {"key": "is encrypted; give it without a passphrase"}
    return {"key": "holds no private key in PEM form, or a damaged one"}


def _holds_certificates(pem: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_ascii(pem))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _ascii(pem: str) -> str:
    """PEM without what comments around it may have in other letters."""
    return pem.encode("ascii", "ignore").decode("ascii")


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path under which OpenSSL can read the text, in memory only: a key is not written to a disk."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(text.encode())
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
