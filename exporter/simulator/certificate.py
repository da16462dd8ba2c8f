"""Self-signed certificates with the properties of a gateway's.

RSA 2048 and SHA-256, issuer equal to subject, CA:FALSE, three key usages, ten years, and only the addresses
of the access point and of the gateway itself: never the one by which a client on the LAN reaches it (reported
by one owner of a WiNet-S P026, who found the same certificate on all of them). TLS versions and ciphers are
not known: OpenSSL's own.
"""

import datetime
import functools
import ipaddress
import ssl
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_ADDRESSES = ("169.254.12.12", "11.11.11.1", "127.0.0.1")
_LIFETIME = datetime.timedelta(days=3650)
_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server needs to present a certificate, and what a client sees of it."""

    context: ssl.SSLContext
    fingerprint: str
    """SHA-256 of the certificate, `AA:BB:…`."""


def prepare_certificates() -> None:
    """Make both certificates of this process; the keys take a moment, so call it in a thread."""
    identity()
    changed_identity()


def certificates_ready() -> bool:
    """Whether `prepare_certificates` has nothing left to do."""
    return _made.cache_info().currsize == 2


def identity() -> Identity:
    """The certificate that all gateways of this process share, as all real ones are said to share one."""
    with _making:
        return _made("usual")


def changed_identity() -> Identity:
    """Another certificate with the same names: what a client sees after the maker has renewed it."""
    with _making:
        return _made("changed")


@functools.cache
def _made(_which: str) -> Identity:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _self_signed(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        # The ssl module loads keys from files only.
        path = Path(folder, "gateway.pem")
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(path)
    return Identity(context, certificate.fingerprint(hashes.SHA256()).hex(":").upper())


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "AnHui"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "HeFei"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Sungrow"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Sungrow"),
        ]
    )
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(yesterday)
        .not_valid_after(yesterday + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(_key_usage(), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(text)) for text in _ADDRESSES]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
