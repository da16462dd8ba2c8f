"""What is checked of a certificate and when, and what is known of it afterwards."""

import datetime
import hashlib
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.winet import tls
from exporter.winet.tls import Certificate, CertificateWatch

ENDS = datetime.datetime(2033, 3, 27, 10, 16, 35, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    """Self-signed, and valid for ten years, like a gateway's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gateway")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(ENDS - datetime.timedelta(days=3650))
        .not_valid_after(ENDS)
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


class Shown:
    """A transport, and the TLS object behind it, as far as a check looks at them."""

    def __init__(self, der: bytes | None) -> None:
        self._der = der

    def get_extra_info(self, name: str) -> object:
        if name == "peername":
            return ("2001:db8::1", 443, 0, 0)
        return None if self._der is None else self

    def getpeercert(self, binary_form: bool) -> bytes | None:
        return self._der if binary_form else None


def test_fingerprint_when_spelled_then_in_capitals_with_colons(der):
    """The way browsers and openssl write it."""
    spelled = Certificate(der).fingerprint
    assert spelled.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert len(spelled) == 95
    assert spelled == spelled.upper()


def test_spell_when_given_digits_then_pairs_are_kept():
    """A colon between each two digits and nowhere else."""
    assert tls.spell("00ab" + "f" * 60) == "00:AB:" + ":".join(["FF"] * 30)


def test_watch_when_nothing_is_pinned_then_every_certificate_passes_and_is_remembered(der):
    """Bypass checks nothing but knows what it saw."""
    watch = CertificateWatch(())
    assert watch.seen is None
    watch.check(Shown(der))
    assert watch.seen == Certificate(der)


@pytest.mark.parametrize("position", [0, 1])
def test_watch_when_the_certificate_is_one_of_the_pins_then_it_passes(der, position):
    """During a change-over either pin will do."""
    pins = ["00" * 32, "00" * 32]
    pins[position] = hashlib.sha256(der).hexdigest()
    CertificateWatch(tuple(pins)).check(Shown(der))


def test_watch_when_another_certificate_is_pinned_then_it_is_refused_and_remembered(der):
    """The refusal tells what was shown, so that it can be pinned if that is right."""
    watch = CertificateWatch(("00" * 32,))
    with pytest.raises(aiohttp.ServerFingerprintMismatch) as caught:
        watch.check(Shown(der))
    assert watch.seen == Certificate(der)
    assert caught.value.got == hashlib.sha256(der).digest()
    assert (caught.value.host, caught.value.port) == ("2001:db8::1", 443)


@pytest.mark.parametrize("change", [lambda der: der[:-1], lambda der: der + b"\x00", lambda der: b""])
def test_watch_when_a_single_byte_differs_then_it_is_another_certificate(der, change):
    """The pin is of the whole certificate."""
    watch = CertificateWatch((hashlib.sha256(der).hexdigest(),))
    with pytest.raises(aiohttp.ServerFingerprintMismatch):
        watch.check(Shown(change(der)))


def test_watch_when_the_line_is_plain_then_there_is_nothing_to_see():
    """Without TLS there is no certificate."""
    watch = CertificateWatch(())
    watch.check(Shown(None))
    assert watch.seen is None


def test_expiry_when_the_certificate_is_readable_then_it_is_its_end(der):
    """Seconds since 1970, from the DER."""
    assert tls.expiry(Certificate(der)) == ENDS.timestamp()


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 40, b"not a certificate", b"0\x82\xff\xff"])
def test_expiry_when_the_certificate_is_unreadable_then_it_is_unknown(garbage):
    """Whatever is shown, no exception comes of it."""
    assert tls.expiry(Certificate(garbage)) is None


def test_strict_context_when_made_then_chain_and_name_are_checked():
    """Strict is Python's own default, with the system's store."""
    context = tls.strict_context(None)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_strict_context_when_a_ca_file_is_given_then_only_it_is_trusted(tmp_path, certificate):
    """An own CA takes the place of the system's store."""
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = tls.strict_context(str(file))
    assert context.cert_store_stats()["x509"] == 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, b"", b"no PEM"])
def test_strict_context_when_the_ca_file_is_of_no_use_then_it_is_an_os_error(tmp_path: Path, content):
    """A missing file and one without a certificate are told apart from a gateway's fault."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OSError, match=r"No such file|PEM|certificate|crl|ASN1"):
        tls.strict_context(str(file))
