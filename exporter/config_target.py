"""The strict check of one raw target, and of the settings that may stand above it for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.config_values import (
    fingerprint_list,
    host_and_port,
    label_map,
    number,
    serial_number,
    string_number,
    timezone,
)
from exporter.strict_yaml import Document, Section, duration, flag, kind, one_of, text, whole_number

REFRESH_INTERVAL = 10.0
REQUEST_TIMEOUT = 30.0
YIELD_FOR = 300.0
MAX_UNMAPPED = 500
HTTP_PORT = 80

SETTINGS = (
    "refresh_interval", "request_timeout", "stale_after", "yield_for", "max_unmapped", "gateway_services",
    "timezone", "location",
)  # fmt: skip
TARGET_KEYS = (
    "host", "name", "credentials", "transport", "verify", "fingerprints", "ca_file", "pipeline",
    "compression", "http_port", "devices", "labels", *SETTINGS,
)  # fmt: skip
TARGET_HINTS = {
    "port": 'write it into host: "192.0.2.10:8082"',
    "username": "name an account of the credentials section: credentials: default",
    "password": "name an account of the credentials section: credentials: default",
}
WS_PORT = 8082
PLAIN_PORTS = (80, WS_PORT)
TLS_PORT = 443


def default_stale_after(refresh_interval: float, request_timeout: float) -> float:
    return max(5 * refresh_interval, request_timeout + 2 * refresh_interval)


def own_http_port(port: int | None) -> int:
    """Where a plain gateway's pages are, unless the user says so.

    A port that the user named is the gateway's; on port 80 of a router that forwards it another answers.
    """
    return HTTP_PORT if port in (None, WS_PORT) else port


def check_target(
    document: Document,
    path: str,
    raw: Mapping[str, Any],
    accounts: Mapping[str, Any],
    general: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """Check one target from elsewhere as if it stood in the main file; mistakes are added to the document."""
    return target_of(Section(document, path, raw, TARGET_KEYS, TARGET_HINTS), accounts, general, folder)


def settings_of(section: Section, general: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of this section; what it does not say comes from `general`, then from the defaults."""
    interval = section.take(
        "refresh_interval", duration(5), general.get("refresh_interval", REFRESH_INTERVAL)
    )
    timeout = section.take(
        "request_timeout", duration(1, 600), general.get("request_timeout", REQUEST_TIMEOUT)
    )
    stale = section.take("stale_after", duration(5), general.get("stale_after") or 0.0)
    said_here = section.has("stale_after") or section.has("refresh_interval")
    if said_here and stale and stale < interval:
        section.document.add(
            section.at("stale_after"), f"must not be shorter than the refresh_interval ({interval:g}s)"
        )
    return {
        "refresh_interval": interval,
        "request_timeout": timeout,
        "stale_after": stale,
        "yield_for": section.take("yield_for", duration(10, 3600), general.get("yield_for", YIELD_FOR)),
        "max_unmapped": section.take(
            "max_unmapped", whole_number(0, 100_000), general.get("max_unmapped", MAX_UNMAPPED)
        ),
        "gateway_services": section.take("gateway_services", flag, general.get("gateway_services", True)),
        "timezone": section.take("timezone", timezone, general.get("timezone")),
        "location": _location(section) or general.get("location"),
    }


def target_of(
    section: Section, accounts: Mapping[str, Any], general: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    if not section.has("host"):
        section.document.add(section.path, "needs a host: the gateway's name or address")
    nowhere: tuple[str, int | None] = ("", None)
    host, port = section.take("host", host_and_port, nowhere)
    by_port = "ws" if port in PLAIN_PORTS else "wss" if port == TLS_PORT else "auto"
    no_pins: tuple[str, ...] = ()
    fingerprints = section.take("fingerprints", fingerprint_list, no_pins)
    implied = "pinned" if fingerprints else "strict" if section.has("ca_file") else "bypass"
    target = {
        "host": host,
        "port": port,
        "name": section.take("name", text, section.raw("host") if host else ""),
        "transport": section.take("transport", one_of("auto", "wss", "ws"), by_port),
        "verify": section.take("verify", one_of("bypass", "pinned", "strict"), implied),
        "fingerprints": fingerprints,
        "ca_file": str(folder / section.take("ca_file", text, "")) if section.has("ca_file") else None,
        "pipeline": section.take("pipeline", flag, False),
        "compression": section.take("compression", flag, False),
        "http_port": section.take("http_port", whole_number(1, 65535), own_http_port(port)),
        "devices": _own_devices(section),
        "labels": section.take("labels", label_map, dict[str, str]()),
        **settings_of(section, general),
    }
    target["transport"] = by_port if target["transport"] == "auto" else target["transport"]
    target["stale_after"] = target["stale_after"] or default_stale_after(
        target["refresh_interval"], target["request_timeout"]
    )
    if section.has("credentials"):
        name = section.take("credentials", _account_name, "")
        if name and name not in accounts:
            known = f"; known: {', '.join(accounts)}" if accounts else "; there is no credentials section"
            section.document.add(section.at("credentials"), f'there are no credentials named "{name}"{known}')
        target["credentials"] = accounts.get(name)
    _check_tls(section, target)
    return target


def _account_name(value: Any) -> str:
    if isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004  one error type
            "is the name of an account: write the account into the credentials section at the top, and its "
            "name here: credentials: default"
        )
    return text(value)


def _check_tls(section: Section, target: Mapping[str, Any]) -> None:
    add, verify = section.document.add, target["verify"]
    if verify == "pinned" and not target["fingerprints"] and not section.has("fingerprints"):
        add(section.at("verify"), 'pinned needs fingerprints: ["AA:BB:…"] (64 hex digits, SHA-256)')
    if verify != "pinned" and target["fingerprints"]:
        add(
            section.at("fingerprints"),
            f"are not used with verify: {verify}; write verify: pinned or drop them",
        )
    if verify != "strict" and target["ca_file"]:
        add(section.at("ca_file"), f"is not used with verify: {verify}; write verify: strict or drop it")
    if verify != "bypass" and target["transport"] == "ws":
        add(section.at("verify"), f"{verify} needs TLS; write transport: wss or verify: bypass")


def _below(section: Section, key: str, example: str) -> Mapping[Any, Any]:
    """The mapping under a key; empty where there is none, or where it is something else (which is noted)."""
    raw = section.raw(key) if section.has(key) else {}
    if isinstance(raw, Mapping):
        return raw
    section.document.add(section.at(key), f"must be a mapping such as {example}, not {kind(raw)}")
    return {}


def _location(section: Section) -> dict[str, float] | None:
    if not _below(section, "location", "{latitude: 52.5, longitude: 13.4}") and section.raw("location") != {}:
        return None
    keys = ("latitude", "longitude")
    place = Section(section.document, section.at("location"), section.raw("location"), keys)
    for key in keys:
        if not place.has(key):
            section.document.add(place.path, f"needs a {key} in degrees")
    return {
        "latitude": place.take("latitude", number(-90, 90), 0.0),
        "longitude": place.take("longitude", number(-180, 180), 0.0),
    }


def _own_devices(section: Section) -> dict[str, Any]:
    """What the user calls devices and strings, by serial number."""
    document, found = section.document, {}
    for serial, entry in _below(section, "devices", '"A220…": {name: east}').items():
        keys = ("name", "rated_power_watts", "strings")
        device = Section(document, f"{section.at('devices')}.{serial}", entry, keys)
        strings = {}
        for place, content in _below(device, "strings", "{1: {name: garage, group: east}}").items():
            string = Section(document, f"{device.at('strings')}.{place}", content, ("name", "group"))
            named = {key: string.take(key, text, "") for key in ("name", "group")}
            strings[_checked_key(string, place, string_number)] = named
        found[_checked_key(device, serial, serial_number)] = {
            "name": device.take("name", text, ""),
            "rated_power_watts": device.take("rated_power_watts", number(1, 1e9), 0.0) or None,
            "strings": strings,
        }
    return found


def _checked_key(section: Section, key: Any, check: Callable[[Any], str]) -> str:
    try:
        return check(key)
    except ValueError as error:
        section.document.add(section.path, str(error))
        return str(key)
