"""SIGTERM finds targets in every state there is, and the exporter ends, logged out where it was logged in."""

import asyncio
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.simulator import SimulatedGateway
from exporter.telemetry import State
from exporter.winet.pool import MOST_CONNECTING
from tests.commands.running import Running, fetch, running

PLAIN, LOGIN = "SH5.0RS", "SG10RS"
# the faults that a gateway has from the beginning, and what becomes of its target
FATES = {
    "quiet": (PLAIN, [], State.ONLINE),
    "asked": (PLAIN, ["silence:service=real"], State.ONLINE),
    "stubborn": (PLAIN, ["never-closes"], State.ONLINE),
    "paused": (PLAIN, [], State.PAUSED),
    "authenticating": (LOGIN, ["silence:service=login"], State.AUTHENTICATING),
    "turned away": (PLAIN, ["upgrade-refused"], State.BACKING_OFF),
    "asleep": (LOGIN, [], State.ASLEEP),
    "yielded": (PLAIN, ["user-limit"], State.YIELDED),
    "refused": (LOGIN, ["login-refused"], State.REFUSED),
    "locked": (LOGIN, ["locked"], State.LOCKED),
}
CROWD = MOST_CONNECTING + 20  # so many at addresses that never answer: some stand in line behind the others


def midnight() -> dict[str, float]:
    """A place on the equator where it is about midnight now."""
    hours = time.time() / 3600.0 % 24.0
    return {"latitude": 0.0, "longitude": (-15.0 * hours + 180.0) % 360.0 - 180.0}


@contextmanager
def deaf() -> Iterator[int]:
    """A port on every local address that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))
        listening.listen(2 * CROWD)
        yield listening.getsockname()[1]


def target(name: str, gateway: SimulatedGateway) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "host": f"127.0.0.1:{gateway.port}",
        "transport": "wss" if gateway.tls else "ws",
        "refresh_interval": "5s",
        "request_timeout": "5m",  # who is silent in mid-question shall be so until the end
    }
    if gateway.tls:
        found["credentials"] = "default"
    if name == "asleep":
        found["location"] = midnight()
    return found


async def until(exporter: Running, base: str, reached: Callable[[dict[str, str]], bool]) -> None:
    """Wait until the states of the targets, by their names, are what they should be."""
    while True:
        listed = json.loads(await fetch(f"{base}/api/v1/status?limit=1000"))["targets"]
        states = {status["name"]: status["state"] for status in listed}
        if reached(states):
            return
        assert exporter.process.returncode is None, states
        await asyncio.sleep(0.2)


@pytest.mark.real
@pytest.mark.timeout(180)
async def test_serve_when_targets_are_in_every_state_then_sigterm_ends_it(tmp_path: Path) -> None:
    """Nobody is waited for: not who is silent in mid-question, not who stands in line, not a reload."""
    file = tmp_path / "winet.yml"
    document: dict[str, Any] = {"credentials": {"default": {"username": "user", "password": "pw1111"}}}
    async with AsyncExitStack() as stack:
        gateways = {
            name: await stack.enter_async_context(SimulatedGateway(profile, faults=faults))
            for name, (profile, faults, _) in FATES.items()
        }
        document["targets"] = [target(name, gateway) for name, gateway in gateways.items()]
        file.write_text(json.dumps(document), "utf-8")
        exporter = await stack.enter_async_context(
            running(
                f"--config.file={file}",
                "--web.listen-address=127.0.0.1:0",
                "--web.enable-lifecycle",
                "--log.format=json",
            )
        )
        line = await exporter.line('"msg": "listening"')
        base = f"http://{json.loads(line.string)['addresses']}"
        asleep = gateways["asleep"]
        await asleep.until(lambda: asleep.counts.messages_received >= 6)
        asleep.inject("gateway-vanishes")
        async with aiohttp.ClientSession() as http:
            await http.post(f"{base}/-/pause?target=paused&for=1h")
        wanted = {name: str(state) for name, (_, _, state) in FATES.items()}
        await until(exporter, base, lambda states: states == wanted)
        port = stack.enter_context(deaf())
        document["targets"] += [
            {"name": f"deaf {n}", "host": f"127.0.1.{n}:{port}", "transport": "ws"} for n in range(1, CROWD)
        ]
        file.write_text(json.dumps(document), "utf-8")
        exporter.process.send_signal(signal.SIGHUP)
        # the one that waits for its login is among those that may be under way at once
        await until(
            exporter,
            base,
            lambda states: (
                {name: states[name] for name in wanted} == wanted
                and Counter(states.values())[State.CONNECTING] == MOST_CONNECTING - 1
            ),
        )
        assert await exporter.end() == 0
        assert "Traceback" not in exporter.log
        assert gateways["quiet"].log[-2].service == "logout"
