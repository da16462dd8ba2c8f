"""The strict check of a raw configuration: what each key may hold, and what must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.config_target import (
    SETTINGS,
    TARGET_HINTS,
    TARGET_KEYS,
    TLS_PORT,
    WS_PORT,
    settings_of,
    target_of,
)
from exporter.config_values import (
    networks,
    paths,
    ports,
)
from exporter.strict_yaml import (
    Document,
    Section,
    duration,
    flag,
    hidden_kind,
    kind,
    secret_text,
    text,
    whole_number,
)

IDLE_TIMEOUT = 600.0
MOST_PROBED = 1000
GENTLE_INTERVAL = 10.0  # below it, gateways were seen to hang (reported)
TOP_KEYS = (*SETTINGS, "catalogue_files", "credentials", "targets", "target_files", "probe")
PROBE_KEYS = (
    "allow", "ports", "credentials", "send_credentials_unverified", "verify", "fingerprints", "ca_file",
    "idle_timeout", "max_sessions",
)  # fmt: skip
PASSWORD_KEYS = ("password", "password_file", "password_env")


def check(document: Document, folder: Path) -> dict[str, Any]:
    """Check the whole document; mistakes are added to it. Returns plain values for the decoder."""
    top = Section(document, "", {} if document.value is None else document.value, TOP_KEYS)
    accounts = _accounts(document, top, folder)
    targets: list[dict[str, Any]] = []
    entries = top.raw("targets") if top.has("targets") else []
    if not isinstance(entries, list):
        document.add("targets", f'must be a list ("- host: 192.0.2.10"), not {kind(entries)}')
        entries = []
    elif not entries and not top.has("target_files") and not top.has("probe"):
        document.add("targets", 'is missing or empty; name at least one gateway: "- host: 192.0.2.10"')
    general = settings_of(top, {})
    for place, entry in enumerate(entries):
        path = f"targets[{place}]"
        if isinstance(entry, str):
            document.add(path, 'needs its key: "- host: 192.0.2.10"')
            entry = {"host": entry}
        targets.append(
            target_of(Section(document, path, entry, TARGET_KEYS, TARGET_HINTS), accounts, general, folder)
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
    no_files: tuple[str, ...] = ()
    files = [str(folder / file) for file in top.take("catalogue_files", paths, no_files)]
    patterns = [str(folder / pattern) for pattern in top.take("target_files", paths, no_files)]
    return {
        "targets": targets,
        "catalogue_files": files,
        "target_files": patterns,
        "probe": _probe(top, accounts, general, folder),
        "accounts": accounts,
        "settings": general,
        "warnings": tuple(warnings),
    }


def _probe(
    top: Section, accounts: Mapping[str, Any], general: Mapping[str, Any], folder: Path
) -> dict[str, Any] | None:
    """What may be read through /probe beside the named targets."""
    if not top.has("probe"):
        return None
    section = Section(top.document, "probe", top.raw("probe"), PROBE_KEYS)
    no_networks: tuple[str, ...] = ()
    all_ports: tuple[int, ...] = (TLS_PORT, WS_PORT)
    shape = {key: section.raw(key) for key in TARGET_KEYS if section.has(key)}
    # whatever is dialled is a target like any other, and checked as one
    made = target_of(
        Section(top.document, "probe", {"host": "192.0.2.1", **shape}, TARGET_KEYS), accounts, general, folder
    )
    unverified = section.take("send_credentials_unverified", flag, False)
    if made.get("credentials") is not None and made["verify"] == "bypass" and not unverified:
        section.document.add(
            section.at("credentials"),
            "go out to probed addresses only with verify: pinned or strict; "
            "or set send_credentials_unverified: true",
        )
    return {
        "allow": section.take("allow", networks, no_networks),
        "ports": section.take("ports", ports, all_ports),
        "target": made,
        "idle_timeout": section.take("idle_timeout", duration(10), IDLE_TIMEOUT),
        "max_sessions": section.take("max_sessions", whole_number(1, 100_000), MOST_PROBED),
    }


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
