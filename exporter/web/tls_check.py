"""The strict check of `tls_server_config`: what each key may hold, what must fit, what cannot be had here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from exporter.strict_yaml import Section, flag, hidden_kind, kind, nearest, one_of, text
from exporter.web.tls import CIPHERS, CLIENT_AUTH, CURVES, VERSIONS, TlsError, TlsSettings, make_context

T = TypeVar("T")

TLS_KEYS = (
    "cert", "key", "client_ca", "cert_file", "key_file", "client_ca_file", "client_auth_type",
    "client_allowed_sans", "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites",
    "curve_preferences",
)  # fmt: skip
OLD_VERSIONS = ("TLS10", "TLS11")
UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
TLS13_CIPHERS = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def check_tls(section: Section, read: Callable[[str], str]) -> TlsSettings:
    """Check the section, with the files it names, which `read` reads or raises `ValueError`. Blocks."""
    document = section.document
    certificate = _pem(section, "cert", read)
    key = _pem(section, "key", read)
    for name in ("cert", "key"):
        if not section.has(name) and not section.has(f"{name}_file"):
            document.add(section.path, f"needs {name}_file, or {name} with the PEM text itself")
    no_sans: tuple[str, ...] = ()
    client_ca = _pem(section, "client_ca", read)
    sans = section.take("client_allowed_sans", _listed(text, empty=False), no_sans)
    client_auth = _client_auth(section)
    minimum = section.take("min_version", _version, "TLS12")
    maximum = section.take("max_version", _version, "TLS13")
    if minimum > maximum:
        document.add(
            section.at("min_version"), f"{minimum} is above max_version ({maximum}); nobody could connect"
        )
    settings = TlsSettings(
        certificate=certificate or "",
        key=key or "",
        client_ca=client_ca,
        client_auth=client_auth,
        allowed_sans=sans,
        minimum=minimum,
        maximum=maximum,
        ciphers=section.take("cipher_suites", _listed(_cipher), no_sans),
        prefer_server_ciphers=section.take("prefer_server_cipher_suites", flag, True),
        curve=section.take("curve_preferences", _curve, None),
    )
    if certificate is not None and key is not None:
        try:
            make_context(settings)
        except TlsError as error:
            for name, fault in error.faults.items():
                document.add(section.at(name if section.has(name) else f"{name}_file"), fault)
    return settings


def _pem(section: Section, key: str, read: Callable[[str], str]) -> str | None:
    """The PEM text under `key` or in the file under `key_file`; None if there is none to be had."""
    in_file = f"{key}_file"
    if section.has(key) and section.has(in_file):
        section.document.add(section.at(in_file), f"and {key} are both given; keep one")
        return None
    if section.has(in_file):
        return section.take(in_file, lambda value: read(text(value)), None)
    return section.take(key, _pem_text, None)


def _pem_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'must be PEM text under "|", not {hidden_kind(value)}')
    return value


def _client_auth(section: Section) -> str:
    """The type of client authentication, which must go with the authority and the names that are given."""
    key, add = "client_auth_type", section.document.add
    chosen = section.take(key, _client_auth_type, "") if section.has(key) else "NoClientCert"
    given = next((name for name in ("client_ca", "client_ca_file") if section.has(name)), None)
    if chosen == "NoClientCert" and given:
        add(section.at(given), f"is not used with {key}: {chosen}; write RequireAndVerifyClientCert there")
    elif chosen not in ("", "NoClientCert") and not given:
        add(
            section.at(key),
            f"{chosen} needs client_ca_file: the authority that signs your clients' certificates",
        )
    sans = "client_allowed_sans"
    if section.has(sans) and chosen not in ("", "RequireAndVerifyClientCert"):
        add(
            section.at(sans),
            f"needs {key}: RequireAndVerifyClientCert; a client without certificate has no name",
        )
    return chosen or "NoClientCert"


def _client_auth_type(value: Any) -> str:
    if value in UNVERIFIED:
        raise ValueError(
            f"{value} is not supported: Python's TLS verifies every certificate that it asks for; write "
            "RequireAndVerifyClientCert, with client_ca_file"
        )
    return one_of(*CLIENT_AUTH)(value)


def _version(value: Any) -> str:
    if value in OLD_VERSIONS:
        raise ValueError(
            f"{value} is not supported: it is broken, and OpenSSL refuses it by default; write TLS12"
        )
    return one_of(*VERSIONS)(value)


def _cipher(value: Any) -> str:
    name = text(value)
    if name in TLS13_CIPHERS:
        raise ValueError(
            f"{name} cannot be chosen: Python's TLS always offers all suites of TLS 1.3; leave it out, "
            "this list is for TLS 1.2"
        )
    if name not in CIPHERS:
        near = nearest(name, CIPHERS)
        hint = f'; did you mean "{near}"?' if near is not None else f"; supported: {', '.join(CIPHERS)}"
        raise ValueError(f"{name} is no cipher suite that is supported{hint}")
    return name


def _curve(value: Any) -> str | None:
    curves = _listed(one_of(*CURVES))(value)
    if len(curves) > 1:
        raise ValueError(
            "can hold one curve only: Python's TLS takes no list; keep one, or leave the key out"
        )
    return curves[0] if curves else None


def _listed(check: Callable[[Any], T], *, empty: bool = True) -> Callable[[Any], tuple[T, ...]]:
    def check_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {kind(value)}")  # noqa: TRY004  one error type
        if not value and not empty:
            raise ValueError("must not be empty; nobody could connect")
        return tuple(check(item) for item in value)

    return check_all
