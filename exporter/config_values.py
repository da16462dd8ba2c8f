"""What single values of the configuration may be: checkers that return the value or raise `ValueError`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from exporter.strict_yaml import kind, nearest, no_number, text

# Labels of Prometheus and of the exporter's metrics; a test holds them against these. Discovery puts own
# labels on every series of a target: one of these would push the metric's own aside.
RESERVED_LABELS = (
    "job",
    "instance",
    "target",
    "device",
    "mppt",
    "phase",
    "string",
    "state",
    "reason",
    "family",
    "key",
    "unit",
    "code",
    "host",
    "transport",
    "verify",
    "firmware",
    "hardware",
    "serial",
    "name",
    "group",
    "model",
    "kind",
    "dev_type",
    "dev_code",
    "version",
    "pythonversion",
)


def host_and_port(value: Any) -> tuple[str, int | None]:
    """`name`, `name:port`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`; host in lower case."""
    host = text(value).strip()
    if "://" in host or "/" in host or "@" in host:
        # not repeated here: people put passwords into URLs
        raise ValueError("must be a name or address with an optional :port, such as 192.0.2.10, and no URL")
    port: int | None = None
    try:
        return plain_address(host), None
    except ValueError:
        pass
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]+))?", host)
    if match is None:
        raise ValueError(
            f'"{host}" is no host or host:port; an IPv6 address with a port is written [2001:db8::1]:443'
        )
    if match[2] is not None:
        port = int(match[2])
        if not 1 <= port <= 65535:
            raise ValueError(f"the port must be from 1 to 65535, not {port}")
    name = match[1].lower()
    if name.startswith("["):
        try:
            return plain_address(name[1:-1]), port
        except ValueError:
            raise ValueError(f"{name} is no IPv6 address") from None
    if re.fullmatch(r"[0-9.]+", name):
        try:
            return str(ipaddress.IPv4Address(name)), port
        except ValueError:
            raise ValueError(f"{name} is no IPv4 address") from None
    if len(name) > 253 or not all(
        re.fullmatch(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", part) for part in name.rstrip(".").split(".")
    ):
        raise ValueError(f'"{host}" is no host name')
    return name.rstrip("."), port


def plain_address(text: str) -> str:
    """An address in its one usual writing; an IPv4 address inside an IPv6 one is that IPv4 address."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def fingerprint_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f'must be a list of SHA-256 fingerprints: ["AA:BB:…"], not {kind(value)}')
    return tuple(fingerprint(item) for item in value)


def fingerprint(value: Any) -> str:
    """A SHA-256 fingerprint as 64 lower-case hex digits; colons and case are free."""
    digits = text(value).replace(":", "").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(f"a SHA-256 fingerprint has 64 hex digits, this one has {len(digits)} characters")
    return digits


def label_map(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must map label names to texts, not {kind(value)}")  # noqa: TRY004  one error type
    for name, content in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f'"{name}" is no label name: small letters, digits and _ only, a letter first')
        if name in RESERVED_LABELS:
            raise ValueError(
                f'"{name}" is taken: metrics have a label of that name; choose another, such as "my_{name}"'
            )
        if not isinstance(content, str):
            raise ValueError(f'the value of "{name}" must be text, not {kind(content)}; put it in quotes')  # noqa: TRY004
        if not content.isprintable():
            raise ValueError(f'the value of "{name}" must be printable text on one line')
    return dict(value)


def timezone(value: Any) -> str:
    """A name of the time zone database, such as Europe/Berlin."""
    import zoneinfo  # looks for the system's files, which who names no zone does without

    name = text(value)
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a path, a folder, a name unknown
        pass
    else:
        return name
    near = nearest(name, zoneinfo.available_timezones(), likeness=0.5)
    hint = f'; did you mean "{near}"?' if near is not None else ", such as Europe/Berlin"
    raise ValueError(f'"{name}" is no name of the time zone database{hint}')


def paths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f'must be a list of texts: ["…"], not {kind(value)}')  # noqa: TRY004
    return tuple(text(item) for item in value)


def networks(value: Any) -> tuple[str, ...]:
    """Networks or single addresses, in their usual writing."""
    found = []
    for item in paths(value):
        try:
            found.append(str(ipaddress.ip_network(item)))
        except ValueError as error:
            raise ValueError(f"{item} is no network such as 192.0.2.0/24 ({error})") from None
    return tuple(found)


def ports(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of ports: [443, 8082], not {kind(value)}")  # noqa: TRY004
    if not value or not all(type(port) is int and 0 < port < 65536 for port in value):
        raise ValueError("must be a list of ports: [443, 8082], each from 1 to 65535")
    return tuple(value)


def serial_number(value: Any) -> str:
    """A serial number; one of digits only is a number to YAML, which would drop leading noughts."""
    if not isinstance(value, str):
        raise ValueError(f"{value} is no serial number in text; put it in quotes")  # noqa: TRY004
    return text(value).strip()


def string_number(value: Any) -> str:
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,2}", str(value)):
        raise ValueError(f"{value} is no number of a string (1, 2 …)")
    return str(value)


def number(lowest: float, highest: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise ValueError(f"must be a number from {lowest:g} to {highest:g}, not {no_number(value)}")
        return float(value)

    return check
