"""`demo`: the exporter with three simulated gateways, from mid-morning on and faster than life."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import DEFAULT_PORT, config, logs
from exporter.commands.serve import check_path, load_security, parse_address, serve, spell_address
from exporter.metrics import catalogue
from exporter.simulator import SimulatedGateway, accelerated
from exporter.web.server import Address

if TYPE_CHECKING:
    from exporter.web.security import Security

PLANT = {"house": "SH5.0RS", "garage": "SG10RS", "farm": "SH10RT"}
START_HOUR = 10
REFRESH = "5s"
DEFAULT_ADDRESS = Address("127.0.0.1", DEFAULT_PORT)


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        if not 0 < arguments.speed < float("inf"):
            raise ValueError("--speed must be more than 0")
        addresses = [parse_address(text) for text in arguments.listen or []] or [_free(DEFAULT_ADDRESS)]
        check_path(arguments.telemetry_path)
        security = load_security(arguments.web_config_file)
    except config.ConfigError as error:
        print(f"winet-exporter demo: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"winet-exporter demo: {error}", file=sys.stderr)
        return 2
    taken = not arguments.listen and addresses != [DEFAULT_ADDRESS]
    return asyncio.run(demo(addresses, arguments.telemetry_path, arguments.speed, security, taken=taken))


def _free(address: Address) -> Address:
    """The address, or the same with any free port if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return address._replace(port=0)
    return address


async def demo(
    addresses: list[Address],
    telemetry_path: str,
    speed: float,
    security: Security | None = None,
    *,
    taken: bool = False,
) -> int:
    """Run until a signal. `taken` says that the usual port is another program's."""
    scheme = "http" if security is None or security.ssl_context is None else "https"
    morning = datetime.now().astimezone().replace(hour=START_HOUR, minute=0, second=0, microsecond=0)
    now = accelerated(morning, speed)
    async with AsyncExitStack() as stack:
        gateways = {
            name: await stack.enter_async_context(SimulatedGateway(profile, now=now))
            for name, profile in PLANT.items()
        }

        def tell(bound: list[Address]) -> None:
            where = spell_address(bound[0])
            print(f"winet-exporter demo: {scheme}://{where}/")
            if taken:
                port = bound[0].port
                print(f"  port {DEFAULT_PORT} is taken by another program, so this is port {port}")
            print(f"  metrics: curl -s {scheme}://{where}{telemetry_path}")
            for name, gateway in gateways.items():
                print(f"  {name}: {gateway.profile.name} at {gateway.url}")
            print("  Ctrl-C ends it.", flush=True)

        known = catalogue.bundled()
        settings = configuration(gateways)
        return await serve(settings, known, addresses, telemetry_path, security=security, on_ready=tell)


def configuration(gateways: dict[str, SimulatedGateway]) -> config.Config:
    """What a user would write for these gateways: the plain one, the others over TLS with their accounts."""
    lines = [f"refresh_interval: {REFRESH}", "credentials:"]
    targets = ["targets:"]
    for name, gateway in gateways.items():
        targets += [
            f'  - host: "{gateway.host}:{gateway.port}"',
            f"    name: {name}",
            f"    transport: {'wss' if gateway.tls else 'ws'}",
            f"    http_port: {gateway.port}",
        ]
        if gateway.profile.login_required:
            username, password = next(iter(gateway.profile.accounts.items()))
            lines.append(f'  {name}: {{username: "{username}", password: "{password}"}}')
            targets.append(f"    credentials: {name}")
        if gateway.fingerprint is not None:
            targets.append(f'    fingerprints: ["{gateway.fingerprint}"]')
    text = "\n".join([*lines, *targets])
    return config.parse(text, source="demo", folder=Path.cwd())
