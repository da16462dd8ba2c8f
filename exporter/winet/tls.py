"""TLS towards gateways: what is checked of a certificate, and what is known of it.

A gateway's certificate is self-signed and never names the address it is reached by (reported by owners),
so host names can only be checked where somebody put an own certificate in front (`verify: strict`).
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass, field

import aiohttp

from exporter.logs import TargetLog
from exporter.telemetry import Counters
from exporter.winet import der


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate a gateway showed. `fingerprint` is its SHA-256 as `AA:BB:…`."""

    der: bytes
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", spell(hashlib.sha256(self.der).hexdigest()))


def spell(digits: str) -> str:
    """64 hex digits in the usual writing: capitals, a colon between each two."""
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2)).upper()


class CertificateWatch(aiohttp.Fingerprint):
    """Sees the certificate after the TLS handshake and before a byte of ours is sent.

    aiohttp asks a `Fingerprint` at exactly that moment; its own compares one digest only. With no `pins`
    every certificate passes and is remembered.
    """

    def __init__(self, pins: tuple[str, ...]) -> None:
        super().__init__(bytes(32))
        self._pins = pins
        self.seen: Certificate | None = None

    def check(self, transport: asyncio.Transport | aiohttp.ClientWebSocketResponse) -> None:
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is None:
            return
        shown: bytes = ssl_object.getpeercert(binary_form=True)
        self.seen = Certificate(shown)
        digest = hashlib.sha256(shown)
        if self._pins and digest.hexdigest() not in self._pins:
            host, port, *_ = transport.get_extra_info("peername")
            raise aiohttp.ServerFingerprintMismatch(self.fingerprint, digest.digest(), host, port)


class CertificateRecord:
    """The certificate that one gateway shows, over its connections."""

    __slots__ = ("_counters", "_log", "expiry", "fingerprint")

    def __init__(self, counters: Counters, log: TargetLog) -> None:
        self._counters = counters
        self._log = log
        self.fingerprint: str | None = None
        self.expiry: float | None = None

    def note(self, shown: Certificate | None) -> None:
        """Keep what is of use of what a connection showed, and notice that it is another one than before."""
        if shown is None or shown.fingerprint == self.fingerprint:
            return
        if self.fingerprint is not None:
            self._counters.certificate_changes += 1
            self._log.warning("certificate changed", extra={"fingerprint": shown.fingerprint})
        self.fingerprint = shown.fingerprint
        self.expiry = expiry(shown)


def strict_context(ca_file: str | None) -> ssl.SSLContext:
    """A context that checks chain and host name, by a CA file or the system's store. Reads files: blocks."""
    return ssl.create_default_context(cafile=ca_file)


def expiry(certificate: Certificate) -> float | None:
    """When the certificate ends, in seconds since 1970; None if it cannot be read."""
    try:
        return der.not_after(certificate.der)
    except ValueError:
        return None


def subject(certificate: Certificate) -> str:
    """Whom the certificate names, such as `CN=Sungrow,O=…`; "" if it cannot be read.

    Blocks at its first call.
    """
    # 9 MB that are of use to a person at a terminal only
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(certificate.der).subject.rfc4514_string()
    except ValueError:
        return ""
