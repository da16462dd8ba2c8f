"""The strict check of a raw configuration: what each key may hold, and what must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.config_values import fingerprint_list, host_and_port, label_map
from exporter.strict_yaml import (
    Document,
    Section,
    duration,
    flag,
    hidden_kind,
    kind,
    one_of,
    secret_text,
    text,
    whole_number,
)

REFRESH_INTERVAL = 10.0
REQUEST_TIMEOUT = 30.0
YIELD_FOR = 300.0
MAX_UNMAPPED = 500
GENTLE_INTERVAL = 10.0  # below it, gateways were seen to hang (reported)

SETTINGS = ("refresh_interval", "request_timeout", "stale_after", "yield_for", "max_unmapped")
TOP_KEYS = (*SETTINGS, "credentials", "targets")
TARGET_KEYS = (
    "host", "name", "credentials", "transport", "verify", "fingerprints", "ca_file", "pipeline",
    "compression", "labels", *SETTINGS,
)  # fmt: skip
TARGET_HINTS = {
    "port": 'write it into host: "192.0.2.10:8082"',
    "username": "name an account of the credentials section: credentials: default",
    "password": "name an account of the credentials section: credentials: default",
}
PASSWORD_KEYS = ("password", "password_file", "password_env")
PLAIN_PORTS = (80, 8082)
TLS_PORT = 443


def default_stale_after(refresh_interval: float, request_timeout: float) -> float:
    return max(5 * refresh_interval, request_timeout + 2 * refresh_interval)


def check(document: Document, folder: Path) -> dict[str, Any]:
    """Check the whole document; mistakes are added to it. Returns plain values for the decoder."""
    top = Section(document, "", {} if document.value is None else document.value, TOP_KEYS)
    accounts = _accounts(document, top, folder)
    targets: list[dict[str, Any]] = []
    entries = top.raw("targets") if top.has("targets") else []
    if not isinstance(entries, list):
        document.add("targets", f'must be a list ("- host: 192.0.2.10"), not {kind(entries)}')
        entries = []
    elif not entries:
        document.add("targets", 'is missing or empty; name at least one gateway: "- host: 192.0.2.10"')
    general = _settings(top, {})
    for place, entry in enumerate(entries):
        path = f"targets[{place}]"
        targets.append(
            _target(Section(document, path, entry, TARGET_KEYS, TARGET_HINTS), accounts, general, folder)
        )
    _check_distinct(document, targets)
    strained = f"faster than every {GENTLE_INTERVAL:g}s strains a WiNet"
    warnings = [
        f"targets[{place}] ({target['name']}): {strained}"
        for place, target in enumerate(targets)
        if target["refresh_interval"] < min(GENTLE_INTERVAL, general["refresh_interval"])
    ]
    if general["refresh_interval"] < GENTLE_INTERVAL:
        warnings.insert(0, f"refresh_interval: {strained}")
    return {"targets": targets, "warnings": tuple(warnings)}


def _accounts(document: Document, top: Section, folder: Path) -> dict[str, dict[str, Any]]:
    raw = top.raw("credentials") if top.has("credentials") else {}
    if not isinstance(raw, Mapping):
        document.add("credentials", f"must map names to accounts, not {hidden_kind(raw)}")
        return {}
    accounts = {}
    for name, entry in raw.items():
        if not isinstance(entry, Mapping):
            wrong = f"must hold a username and a password, not {hidden_kind(entry)}"
            document.add(f"credentials.{name}", wrong)
            continue
        section = Section(document, f"credentials.{name}", entry, ("username", *PASSWORD_KEYS))
        given = [key for key in PASSWORD_KEYS if section.has(key)]
        if not section.has("username"):
            document.add(section.path, "needs a username")
        if len(given) != 1:
            document.add(section.path, f"needs exactly one of {', '.join(PASSWORD_KEYS)}")
        account: dict[str, Any] = {"username": section.take("username", text, "")}
        for key in given:
            account[key] = section.take(key, secret_text if key == "password" else text, "")
        if "password_file" in account:
            account["password_file"] = str(folder / account["password_file"])
        accounts[str(name)] = account
    return accounts


def _settings(section: Section, general: Mapping[str, Any]) -> dict[str, Any]:
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
    }


def _target(
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
        "labels": section.take("labels", label_map, dict[str, str]()),
        **_settings(section, general),
    }
    target["transport"] = by_port if target["transport"] == "auto" else target["transport"]
    target["stale_after"] = target["stale_after"] or default_stale_after(
        target["refresh_interval"], target["request_timeout"]
    )
    if section.has("credentials"):
        name = section.take("credentials", text, "")
        if name and name not in accounts:
            known = f"; known: {', '.join(accounts)}" if accounts else "; there is no credentials section"
            section.document.add(section.at("credentials"), f'there are no credentials named "{name}"{known}')
        target["credentials"] = accounts.get(name)
    _check_tls(section, target)
    return target


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


def _check_distinct(document: Document, targets: list[dict[str, Any]]) -> None:
    """No two targets of one name or one gateway: two sockets to one gateway would throw each other out."""
    names: dict[str, int] = {}
    hosts: dict[str, list[int]] = {}
    for place, target in enumerate(targets):
        if not target["host"]:
            continue
        path, name, host, port = f"targets[{place}]", target["name"], target["host"], target["port"]
        if name in names:
            document.add(f"{path}.name", f'"{name}" is also the name of targets[{names[name]}]; give another')
        for other in hosts.get(host, ()):
            other_port = targets[other]["port"]
            if port == other_port or None in (port, other_port):
                document.add(
                    f"{path}.host", f"is the same gateway as targets[{other}]; name each gateway once"
                )
                break
        names.setdefault(name, place)
        hosts.setdefault(host, []).append(place)
    for name, place in names.items():
        if name in hosts and place not in hosts[name]:
            document.add(
                f"targets[{place}].name", f'"{name}" is the host of targets[{hosts[name][0]}]; give another'
            )
