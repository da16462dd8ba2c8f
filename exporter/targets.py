"""Where targets come from beside the main file: Prometheus' target files, shards, and the URL of a probe."""

from __future__ import annotations

import glob
import hashlib
import ipaddress
import json
import logging
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from exporter import config_target
from exporter.config import Config, ConfigError, Probe, Target
from exporter.config_values import host_and_port
from exporter.strict_yaml import Document, Mistake, Section, kind

SETTING = "__winet_"  # labels with this beginning are settings of the target, as in the main file
SETTINGS = (
    "name", "credentials", "transport", "verify", "refresh_interval", "request_timeout", "stale_after",
    "yield_for", "timezone", "fingerprints", "ca_file",
)  # fmt: skip
LARGEST_FILE = 16 << 20
USUAL = {config_target.TLS_PORT, config_target.WS_PORT}  # of one gateway, by its firmware

log = logging.getLogger(__name__)


class NotAllowed(ValueError):
    """A probe's target that is neither named in the configuration nor allowed by it."""


def in_shard(name: str, shard: int, total: int) -> bool:
    """Whether a target is this shard's. With one shard more, only that one's share moves."""
    return total == 1 or shard == max(
        range(total), key=lambda n: hashlib.sha256(f"{n}\0{name}".encode()).digest()
    )


def probed(text: str, settings: Config) -> Target:
    """The target that a probe's URL names. Raises `NotAllowed`; nothing is looked up or dialled for that.

    It is a configured target's name or host, or a literal address that `probe` allows.
    """
    for target in settings.targets:
        if text in (target.name, target.host):
            return target
    try:
        host, port = host_and_port(text)
    except ValueError:
        host, port = "", None
    for target in settings.targets:
        if host and target.host == host and _same_port(port, target.port):
            return target
    if settings.probe is None:
        raise NotAllowed("it is no target of the configuration, and there is no probe section")
    try:
        address = ipaddress.ip_address(host)
        if "%" in host:  # a zone: it may be any text, and each would be a session of its own
            raise ValueError
    except ValueError:
        raise NotAllowed("it is no target of the configuration and no literal address") from None
    return _pattern(settings.probe, address, port)


def _same_port(one: int | None, other: int | None) -> bool:
    """Whether two ports of one address lead to one gateway; None are the usual ones."""
    return one == other or {one, other} <= {None, *USUAL}


def _pattern(
    probe: Probe, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None
) -> Target:
    if not any(address in ipaddress.ip_network(network) for network in probe.allow):
        raise NotAllowed("its address is not in probe.allow")
    open_ports = [p for p in (config_target.TLS_PORT, config_target.WS_PORT) if p in probe.ports]
    if port is None and len(open_ports) != len(USUAL):
        if not open_ports:
            raise NotAllowed("it needs a port, one of probe.ports")
        port = open_ports[0]
    if port is not None and port not in probe.ports:
        raise NotAllowed("its port is not in probe.ports")
    if port in USUAL and len(open_ports) == len(USUAL):
        port = None  # a gateway has one session, whichever of its two ports is named
    name = str(address)
    if port is not None:
        name = f"[{name}]:{port}" if address.version == 6 else f"{name}:{port}"
    transport = probe.target.transport
    if probe.target.credentials is None and probe.target.verify == "bypass" and transport == "auto" and port:
        transport = {config_target.TLS_PORT: "wss", config_target.WS_PORT: "ws"}.get(port, "auto")
    # the plain pages of a gateway are on port 80, which nobody allowed
    return replace(
        probe.target, host=str(address), port=port, name=name, transport=transport,
        http_port=port or config_target.WS_PORT,
    )  # fmt: skip


class _Known(NamedTuple):
    stamp: tuple[int, int]
    targets: tuple[Target, ...]


class TargetFiles:
    """Files in Prometheus' file_sd format, JSON or YAML. A bad one keeps what it said last.

    `tell` gets each problem once; without it they are logged.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell_to = tell or _log
        self._known: dict[str, _Known] = {}
        self._told: set[str] = set()

    def read(self, settings: Config) -> tuple[Target, ...]:
        """All targets of all files that changed or did not. Blocks. The main file wins over them."""
        paths = sorted({path for pattern in settings.target_files for path in glob.glob(pattern)})  # noqa: PTH207  patterns are absolute
        self._known = {path: known for path, known in self._known.items() if path in paths}
        for path in paths:
            self._read(path, settings)
        names: set[str] = set()
        ports: dict[str, set[int | None]] = {}
        for target in settings.targets:
            names |= {target.name, target.host}
            ports.setdefault(target.host, set()).add(target.port)
        found: list[Target] = []
        for path in paths:
            for target in self._known[path].targets if path in self._known else ():
                there = ports.get(target.host, set())
                same_gateway = bool(there) and (
                    target.port is None or not there.isdisjoint({None, target.port})
                )
                if target.name in names or same_gateway:
                    self._tell(f"{path}: {target.name} is left out, for it is known from elsewhere")
                    continue
                names |= {target.name, target.host}
                ports.setdefault(target.host, set()).add(target.port)
                found.append(target)
        return tuple(found)

    def forget(self) -> None:
        """Read everything anew the next time: the main file has changed."""
        self._known = {path: known._replace(stamp=(0, 0)) for path, known in self._known.items()}
        self._told.clear()

    def _read(self, path: str, settings: Config) -> None:
        try:
            status = Path(path).stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if path in self._known and self._known[path].stamp == stamp:
                return
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                raise ConfigError(path, [Mistake("", "is no regular file", 0)])
            if status.st_size > LARGEST_FILE:
                raise ConfigError(path, [Mistake("", f"has more than {LARGEST_FILE} bytes", 0)])
            text = Path(path).read_text("utf-8")
            self._known[path] = _Known(stamp, parse_file(text, path, settings))
        except (OSError, UnicodeDecodeError) as error:
            self._tell(f"{path}: cannot be read ({error}); what it said before stays")
        except ConfigError as error:
            self._tell(f"{error}\n  what it said before stays")

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._tell_to(problem)


def _log(problem: str) -> None:
    log.error("target file", extra={"fields": {"problem": problem}})


def parse_file(text: str, path: str, settings: Config) -> tuple[Target, ...]:
    """The targets of one file. Raises `ConfigError` with every mistake."""
    document = Document("") if path.endswith(".json") else Document(text)
    if path.endswith(".json"):
        try:
            document.value = json.loads(text)
        except (ValueError, RecursionError) as error:
            document.add("", f"not valid JSON: {error}")
    groups = document.value if isinstance(document.value, list) else []
    if not document.mistakes and not isinstance(document.value, list):
        document.add("", f"must be a list of groups (targets and labels), not {kind(document.value)}")
    raw = [entry for place, group in enumerate(groups) for entry in _group(document, f"[{place}]", group)]
    accounts: dict[str, Any] = {name: {"username": name} for name in settings.accounts}
    folder = Path(path).absolute().parent
    checked = [
        config_target.check_target(document, place, entry, accounts, settings.settings, folder)
        for place, entry in raw
    ]
    if document.mistakes:
        raise ConfigError(path, document.mistakes)
    made = []
    for (_, entry), target in zip(raw, checked, strict=True):
        account = settings.accounts.get(entry.get("credentials", ""))
        made.append(replace(Target.from_dict({**target, "credentials": None}), credentials=account))
    return tuple(made)


def _group(document: Document, path: str, group: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    section = Section(document, path, group, ("targets", "labels"))
    if not isinstance(group, dict):
        return
    hosts, labels = section.raw("targets"), section.raw("labels") or {}
    if not isinstance(hosts, list):
        document.add(section.at("targets"), f'must be a list: ["192.0.2.10"], not {kind(hosts)}')
        return
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        document.add(section.at("labels"), "must map label names to texts")
        return
    settings = {}
    for name, value in labels.items():
        if str(name).startswith(SETTING):
            key = str(name).removeprefix(SETTING)
            if key not in SETTINGS:
                document.add(section.at("labels"), f"{name} is not known; known: {', '.join(SETTINGS)}")
            else:
                settings[key] = value.replace(",", " ").split() if key == "fingerprints" else value
    own = {name: value for name, value in labels.items() if not str(name).startswith("__")}
    for place, host in enumerate(hosts):
        yield f"{section.at('targets')}[{place}]", {"host": host, "labels": own, **settings}
