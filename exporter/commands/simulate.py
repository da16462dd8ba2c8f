"""`simulate`: one simulated gateway until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from datetime import datetime
from pathlib import Path

from exporter import logs
from exporter.simulator import SimulatedGateway, accelerated, load_profile, load_recording, profile_names


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    if arguments.list_profiles:
        print("\n".join(profile_names()))
        return 0
    try:
        if not 0 < arguments.speed < float("inf"):
            raise ValueError("--speed must be more than 0")
        if not 0 <= arguments.port <= 65535:
            raise ValueError("--port must be from 0 to 65535")
        gateway = SimulatedGateway(
            load_recording(Path(arguments.replay)) if arguments.replay else load_profile(arguments.profile),
            host=arguments.host,
            port=arguments.port,
            tls=arguments.tls,
            now=accelerated(datetime.now().astimezone(), arguments.speed),
            faults=arguments.fault,
        )
    except (ValueError, OSError) as error:
        print(f"winet-exporter simulate: {error}", file=sys.stderr)
        return 2
    return asyncio.run(simulate(gateway))


async def simulate(gateway: SimulatedGateway) -> int:
    try:
        await gateway.start()
    except OSError as error:
        print(f"winet-exporter simulate: cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    end = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, end.set)
    scheme = "https" if gateway.tls else "http"
    try:
        print(f"{gateway.profile.name} at {gateway.url}")
        if gateway.fingerprint is not None:
            print(f'  fingerprints: ["{gateway.fingerprint}"]')
        for user, password in gateway.profile.accounts.items():
            print(f"  account: {user} / {password}")
        print(f"  its state and faults: {scheme}://{gateway.host}:{gateway.port}/simulator")
        print(
            f"  read it: winet-exporter read {gateway.host}:{gateway.port}"
            f" --transport={'wss' if gateway.tls else 'ws'}",
            flush=True,
        )
        await end.wait()
    finally:
        await gateway.stop()
    return 0
