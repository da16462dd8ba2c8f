"""The file of `--web.config.file`, in the format of the Prometheus exporter toolkit, checked strictly.

A key that asks for something this server cannot do is a mistake, never ignored: somebody relies on it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import bcrypt

from exporter.config import ConfigError
from exporter.strict_yaml import (
    Document,
    Mistake,
    Section,
    flag,
    hidden_kind,
    kind,
    one_of,
    text,
    whole_number,
)
from exporter.web.tls import TlsSettings
from exporter.web.tls_check import TLS_KEYS, check_tls

TOP_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
HIGHEST_COST, LOW_COST = 18, 10
HOW_TO_HASH = "docs/security.md has a command that makes one"
LONGEST_FILE = 1 << 20  # bytes
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Signature = tuple[int, ...] | None


class RateLimit(NamedTuple):
    """One request each `interval` seconds, and `burst` at once."""

    interval: float
    burst: int


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """A file without mistakes. `files` are those that were read, with their state at that moment."""

    tls: TlsSettings | None = None
    users: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None
    warnings: tuple[str, ...] = ()
    files: Mapping[Path, Signature] = field(default_factory=dict)


def load(path: Path) -> WebConfig:
    """Read the file and those it names. Raises `ConfigError` with every mistake. Blocks."""
    files = _Files(path.absolute().parent)
    try:
        document = Document(files.read(path.name))
    except ValueError as error:
        raise ConfigError(str(path), [Mistake("", str(error), 0)]) from None
    config = None if document.mistakes else _check(document, files)
    if config is None or document.mistakes:
        raise ConfigError(str(path), document.mistakes)
    return config


def signature(path: Path) -> Signature:
    """Changes whenever the file does; None where there is none. Blocks."""
    try:
        return _signature(path.stat())
    except OSError:
        return None


def _signature(found: os.stat_result) -> Signature:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class _Files:
    """Reads files and keeps what state they were read in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seen: dict[Path, Signature] = {}

    def read(self, name: str) -> str:
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                self.seen[path] = _signature(found)
                if not stat.S_ISREG(found.st_mode):
                    raise ValueError(f"cannot read {path}: it is no regular file")
                content = file.read(LONGEST_FILE + 1)
            if len(content) > LONGEST_FILE:
                raise ValueError(f"cannot read {path}: it is larger than {LONGEST_FILE >> 20} MiB")
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"cannot read {path}: it is not UTF-8 text") from None
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None


def _check(document: Document, files: _Files) -> WebConfig:
    top = Section(document, "", {} if document.value is None else document.value, TOP_KEYS)
    warnings: list[str] = []
    section = _below(document, top, "tls_server_config", TLS_KEYS)
    tls = None if section is None else check_tls(section, files.read)
    users = _users(document, top, warnings)
    headers: dict[str, str] = {}
    http = _below(document, top, "http_server_config", ("http2", "headers"))
    if http is not None:
        if http.take("http2", flag, False):
            warnings.append("http_server_config.http2: this server speaks HTTP/1.1 only, to any client")
        headers = _headers(document, http)
    rate_limit = _rate_limit(document, top)
    if tls is None and not users:
        warnings.append(
            "neither tls_server_config nor basic_auth_users: nothing is encrypted, all are let in"
        )
    elif tls is None:
        warnings.append(
            "basic_auth_users without tls_server_config: passwords cross the network in the clear"
        )
    return WebConfig(
        tls=tls,
        users=users,
        headers=headers,
        rate_limit=rate_limit,
        warnings=tuple(warnings),
        files=files.seen,
    )


def _below(document: Document, above: Section, key: str, known: tuple[str, ...]) -> Section | None:
    """The section under a key; None where there is none. An empty one is a mistake: it protects nothing."""
    if not above.has(key):
        return None
    value = above.raw(key)
    if value is None or value == {}:
        document.add(above.at(key), "is empty; fill it in or leave it out")
        return None
    if not isinstance(value, Mapping):
        document.add(above.at(key), f"must be a mapping (key: value), not {hidden_kind(value)}")
        return None
    return Section(document, above.at(key), value, known)


def _users(document: Document, top: Section, warnings: list[str]) -> dict[bytes, bytes]:
    raw = top.raw("basic_auth_users")
    names = tuple(raw) if isinstance(raw, Mapping) else ()
    section = _below(document, top, "basic_auth_users", names)
    users: dict[bytes, bytes] = {}
    if section is None:
        return users
    for name in raw:
        path = section.at(str(name))
        if not isinstance(name, str):
            document.add(path, "the name of a user must be text; put it in quotes")
        elif not name or ":" in name or not name.isprintable():
            document.add(path, "the name of a user must be printable, not empty and without a colon")
        users[str(name).encode()] = hashed = section.take(str(name), _bcrypt_hash, b"")
        if hashed and int(hashed[4:6]) < LOW_COST:
            warnings.append(f"{path}: the cost of the hash is below {LOW_COST}: quick to guess")
    return users


def _bcrypt_hash(value: Any) -> bytes:
    """Never shows the value: people write passwords where hashes belong."""
    match = (
        re.fullmatch(r"\$2[aby]\$([0-9]{2})(\$[./A-Za-z0-9]{53})", value) if isinstance(value, str) else None
    )
    if match is None:
        raise ValueError(f"must be a bcrypt hash ($2b$…, $2y$… or $2a$…, 60 characters); {HOW_TO_HASH}")
    if not 4 <= int(match[1]) <= HIGHEST_COST:
        raise ValueError(
            f"the cost of the hash must be from 4 to {HIGHEST_COST}, not {match[1]}; {HOW_TO_HASH}"
        )
    try:
        bcrypt.checkpw(b"", f"$2b$04{match[2]}".encode())
    except ValueError:
        raise ValueError(f"is a damaged bcrypt hash; {HOW_TO_HASH}") from None
    return match[0].encode()


def _headers(document: Document, http: Section) -> dict[str, str]:
    checks = {
        "Content-Security-Policy": _header_text,
        "X-Frame-Options": one_of("deny", "sameorigin"),
        "X-Content-Type-Options": one_of("nosniff"),
        "X-XSS-Protection": _header_text,
        "Strict-Transport-Security": _header_text,
    }
    section = _below(document, http, "headers", tuple(checks))
    if section is None:
        return {}
    found = {name: section.take(name, check, "") for name, check in checks.items()}
    return {name: value for name, value in found.items() if value}


def _header_text(value: Any) -> str:
    """The value of a header; empty is the same as left out."""
    if value == "":
        return ""
    if not text(value).isascii():
        raise ValueError("must be ASCII text")
    return str(value)


def _rate_limit(document: Document, top: Section) -> RateLimit | None:
    section = _below(document, top, "rate_limit", ("interval", "burst"))
    if section is None:
        return None
    for key in ("interval", "burst"):
        if not section.has(key) and section.raw("interval") != 0:
            document.add(section.path, f"needs {key}")
    interval = section.take("interval", _go_duration, 0.0)
    burst = section.take("burst", whole_number(1, 1_000_000), 1)
    return RateLimit(interval, burst) if interval else None


def _go_duration(value: Any) -> float:
    """A duration as Go writes it, `1s`, `1.5s` or `1m30s`, in seconds; 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    parts = (
        re.findall(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)", value)
        if isinstance(value, str)
        else []
    )
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"must be a duration such as 1s, 100ms or 1m30s, not {kind(value)}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
