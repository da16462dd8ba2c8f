"""The floor of a fleet's memory: bare aiohttp WebSockets to a crowd, in a process that does nothing else.

`python -m benchmarks.bare --port=N --count=N [--tls] [--plain-loop]` prints its kilobytes before and with the
connections, and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys

import aiohttp

from benchmarks.crowd import address
from benchmarks.measure import resident_kilobytes
from exporter.telemetry import Service
from exporter.winet import messages

AT_ONCE = 50
ROUNDS = 2


async def connect(
    http: aiohttp.ClientSession, url: str, gate: asyncio.Semaphore
) -> aiohttp.ClientWebSocketResponse:
    """A WebSocket on which everything that a refresh needs was asked and parsed twice."""
    async with gate:
        socket = await http.ws_connect(url, ssl=False)

        async def ask(request: str) -> dict[str, str]:
            await socket.send_str(request)
            answer: dict[str, str] = json.loads((await socket.receive()).data)["result_data"]
            return answer

        token = (await ask(messages.connect_request()))["token"]
        await ask(messages.device_list_request(token))
        for _ in range(ROUNDS):
            for service in Service:
                await ask(messages.reading_request(token, service, "1"))
        return socket


async def hold(port: int, count: int, tls: bool) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        gc.collect()
        print(resident_kilobytes(os.getpid()), flush=True)
        gate = asyncio.Semaphore(AT_ONCE)
        scheme = "wss" if tls else "ws"
        urls = [f"{scheme}://{address(number)}:{port}/ws/home/overview" for number in range(count)]
        sockets = await asyncio.gather(*(connect(http, url, gate) for url in urls))
        gc.collect()
        print(resident_kilobytes(os.getpid()), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await asyncio.gather(*(socket.close() for socket in sockets))


def kilobytes_each(port: int, count: int, *, tls: bool, plain_loop: bool) -> float:
    """What one connection of the bare client holds."""
    command = [sys.executable, "-m", "benchmarks.bare", f"--port={port}", f"--count={count}"]
    command += ["--tls"] * tls + ["--plain-loop"] * plain_loop
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        before, held = int(process.stdout.readline()), int(process.stdout.readline())
        process.stdin.close()
        process.wait()
    return (held - before) / count


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--plain-loop", action="store_true")
    arguments = parser.parse_args()
    if arguments.plain_loop:
        sys.modules["uvloop"] = None  # type: ignore[assignment]
    from exporter.commands.process import fast_loop, raise_open_files

    raise_open_files()
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(hold(arguments.port, arguments.count, arguments.tls))
