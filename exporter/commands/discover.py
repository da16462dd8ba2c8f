"""`discover CIDR`: gateways on a private network, as a configuration that can be used as it is.

An address is worth a WebSocket only if one of its ports is open; a gateway is what answers `connect`. That
takes no login and throws nobody out, and no password is ever sent.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import aiohttp

from exporter import config, logs
from exporter.commands import terminal
from exporter.commands.target_flags import described
from exporter.telemetry import Counters, printable
from exporter.winet import errors, messages, tls
from exporter.winet.checkup import knock
from exporter.winet.connection import Connection
from exporter.winet.dial import PLAIN_PORT, TLS_PORT, Dialer, make_http_client

AT_ONCE = 64
KNOCK_SECONDS = 1.5
GREETING_SECONDS = 15.0
MOST_BITS = {4: 12, 6: 12}  # a /20, a /116
HOME_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
         "fc00::/7", "fe80::/10", "::1/128"),
    )
)  # fmt: skip

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


class Found(NamedTuple):
    """One gateway. `host` has the port where the transport alone would not lead to it."""

    host: str
    port: int
    transport: str
    fingerprint: str | None
    subject: str
    ends: str | None


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        network = parse_network(arguments.network)
        for port in arguments.port:
            if not 1 <= port <= 65535:
                raise ValueError("--port must be from 1 to 65535")
    except ValueError as error:
        print(f"winet-exporter discover: {error}", file=sys.stderr)
        return 2
    found = asyncio.run(search(network, (TLS_PORT, PLAIN_PORT, *arguments.port)))
    if arguments.json:
        print(json.dumps([entry._asdict() for entry in found], indent=2, ensure_ascii=False))
    elif found:
        print(as_yaml(found))
    if not found:
        print(f"winet-exporter discover: no gateway answers in {network}", file=sys.stderr)
        return 1
    return 0


def parse_network(text: str) -> Network:
    """A network of one's own that is small enough to be searched. Raises `ValueError`."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network such as 192.168.1.0/24") from None
    if not any(network.version == home.version and network.subnet_of(home) for home in HOME_NETWORKS):  # type: ignore[arg-type]
        raise ValueError(f"{network} is not private, link-local or loopback: only networks of one's own")
    if network.max_prefixlen - network.prefixlen > MOST_BITS[network.version]:
        least = network.max_prefixlen - MOST_BITS[network.version]
        raise ValueError(f"{network} is too large: a /{least} at most")
    return network


async def search(network: Network, ports: tuple[int, ...]) -> list[Found]:
    """Every gateway in a network, in the order of addresses."""
    hosts = [str(address) for address in network.hosts()]
    progress = terminal.Progress(len(hosts))
    waiting = iter(hosts)
    found: list[Found] = []

    async def work(http: aiohttp.ClientSession, hosts: Iterator[str]) -> None:
        for host in hosts:
            found.extend(await look_at(host, dict.fromkeys(ports), http))
            progress.step(f"{len(found)} found")

    async with make_http_client() as http:
        try:
            async with asyncio.TaskGroup() as workers:
                for number in range(min(AT_ONCE, len(hosts))):
                    workers.create_task(work(http, waiting), name=f"discover:{number}")
        finally:
            progress.clear()
    order = {host: place for place, host in enumerate(hosts)}
    return sorted(found, key=lambda entry: (order[described({"host": entry.host}).host], entry.port))


async def look_at(host: str, ports: dict[int, None], http: aiohttp.ClientSession) -> list[Found]:
    """The gateways at one address; one that speaks TLS is not asked for the plain port too."""
    found: list[Found] = []
    for port in ports:
        if port == PLAIN_PORT and any(entry.host == host for entry in found):
            continue
        if await knock(host, port, KNOCK_SECONDS) != "open":
            continue
        entry = await greet(_target(host, port), http)
        if entry is not None:
            found.append(entry)
    if len(found) > 1:  # several behind one address, as behind a router that forwards ports
        found = [entry._replace(host=_with_port(host, entry.port)) for entry in found]
    return found


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _target(host: str, port: int) -> config.Target:
    """As a user would write it: the usual ports are named by the transport."""
    if port in (TLS_PORT, PLAIN_PORT):
        return described({"host": host, "transport": "wss" if port == TLS_PORT else "ws"})
    return described({"host": _with_port(host, port)})


async def greet(target: config.Target, http: aiohttp.ClientSession) -> Found | None:
    """Ask for a WebSocket and a token; None where no WiNet answers."""
    dialer = Dialer(target, http)
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            websocket, endpoint = await dialer.open()
            connection = Connection(websocket, Counters(), GREETING_SECONDS)
            try:
                messages.decode_handshake(await connection.ask("connect", messages.connect_request()))
            finally:
                await connection.close()
    except (errors.WinetError, TimeoutError):
        return None
    certificate = dialer.certificate if endpoint.scheme == "wss" else None
    return Found(
        target.name,
        endpoint.port,
        endpoint.scheme,
        certificate.fingerprint if certificate else None,
        await asyncio.to_thread(_subject, certificate),
        await asyncio.to_thread(_end, certificate),
    )


def _subject(certificate: tls.Certificate | None) -> str:
    return "" if certificate is None else printable(tls.subject(certificate))


def _end(certificate: tls.Certificate | None) -> str | None:
    ends = None if certificate is None else tls.expiry(certificate)
    return None if ends is None else datetime.fromtimestamp(ends, UTC).date().isoformat()


def as_yaml(found: list[Found]) -> str:
    """Targets for a configuration file."""
    lines = ["targets:"]
    for entry in found:
        lines += [f'  - host: "{entry.host}"', f"    transport: {entry.transport}"]
        if entry.fingerprint is not None:
            lines.append(
                f"    # {entry.subject or 'no subject'}, ends {entry.ends}; a pin proves a WiNet, not yours"
            )
            lines.append(f'    fingerprints: ["{entry.fingerprint}"]')
    return "\n".join(lines)
