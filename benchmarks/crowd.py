"""Thousands of simulated gateways in one process, each at its own address: `python -m benchmarks.crowd`.

They are `exporter.simulator`'s in what they say, and leave out what a benchmark has no use for: faults,
journals, a task for each. All have one plant, whose answers are printed once a second. So the process is
light enough to stand beside the exporter on a computer with two cores.

A word a line on standard input asks for figures, one JSON line each; the end of the input ends the process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from benchmarks.gateway import MORNING, hybrid_alone
from exporter.simulator import plant as simulator
from exporter.simulator.accounts import Accounts
from exporter.simulator.answers import Reply, listing, success
from exporter.simulator.certificate import identity, prepare_certificates
from exporter.simulator.faults import ActiveFaults
from exporter.simulator.frames import Opcode, accept_key, encode
from exporter.simulator.journal import Counts
from exporter.simulator.printing import Json, pretty
from exporter.simulator.replies import Answerer, Question

SERVICES = ("real", "real_battery", "direct")
BACKLOG = 4096


def address(number: int) -> str:
    """The address of one gateway: 127.1.0.1, 127.1.0.2 … with 250 in each row."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


def serial(number: int) -> str:
    return f"A22{number:08}"


@dataclass(slots=True)
class Figures:
    """What all gateways of the process have seen."""

    accepted: int = 0
    open: int = 0
    questions: int = 0
    refreshed: int = 0  # gateways that have been asked for readings at all
    under_way: int = 0  # accepted, and the list of devices not yet answered
    most_under_way: int = 0
    jitters: list[float] = field(default_factory=list)  # of each refresh: seconds off the interval


NAMES = ("accepted", "open", "questions", "refreshed", "most_under_way")


class Plant:
    """The answers of one moment, ready to be sent."""

    def __init__(self) -> None:
        profile = hybrid_alone()
        (self.device,) = profile.devices
        self._began = time.monotonic()
        accounts = Accounts({}, login_required=False, uuid_tokens=profile.uuid_tokens, clock=time.monotonic)
        plant = simulator.Plant(profile.plant)
        faults = ActiveFaults(())
        self._answerer = Answerer(profile, plant, accounts, faults, Counts(), self.now, lambda number: None)
        self.greeting = self._answerer.answer(Question("connect"), 0)
        self._token = accounts.connect(0)
        self._second = -1
        self._frames: dict[str, bytes] = {}

    def now(self) -> datetime:
        return MORNING + timedelta(seconds=int(time.monotonic() - self._began))

    def frame(self, service: str) -> bytes:
        second = int(time.monotonic() - self._began)
        if second != self._second:
            self._second = second
            self._frames = {name: framed(self._answer(name)) for name in SERVICES}
        return self._frames[service]

    def _answer(self, service: str) -> Reply:
        return self._answerer.answer(Question(service, self._token, self.device.dev_id), 0)

    def devices(self, number: int) -> bytes:
        entries: list[Json] = [{**self.device.item, "dev_sn": serial(number)}]
        return framed(listing("devicelist", entries))


def framed(reply: Reply) -> bytes:
    return encode(Opcode.TEXT, reply.text.encode())


LOGGED_OUT = framed(success("logout", {}))
PING = encode(Opcode.TEXT, pretty({"result_code": 1, "result_msg": "success"}).encode())


class Line(asyncio.Protocol):
    """One connection, from the upgrade to its end."""

    def __init__(self, plant: Plant, figures: Figures, interval: float) -> None:
        self._plant = plant
        self._figures = figures
        self._interval = interval
        self._data = b""
        self._upgraded = False
        self._opening = True
        self._refreshed_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._figures.accepted += 1
        self._figures.open += 1
        self._figures.under_way += 1
        self._figures.most_under_way = max(self._figures.most_under_way, self._figures.under_way)

    def connection_lost(self, error: Exception | None) -> None:
        self._figures.open -= 1
        self._opened()

    def _opened(self) -> None:
        self._figures.under_way -= self._opening
        self._opening = False

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            if not end:
                self._data = head
                return
            self._upgrade(head.decode("latin-1"))
        while (taken := self._take_frame()) is not None:
            self._receive(*taken)

    def _upgrade(self, head: str) -> None:
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        accept = accept_key(headers["Sec-WebSocket-Key"])
        self._transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._upgraded = True

    def _take_frame(self) -> tuple[int, bytes] | None:
        """A whole frame off the data; questions are shorter than 64 kB."""
        data = self._data
        if len(data) < 6:
            return None
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        end = start + 4 + length
        if len(data) < end:
            return None
        mask = (data[start : start + 4] * (length // 4 + 1))[:length]
        body = (int.from_bytes(data[start + 4 : end]) ^ int.from_bytes(mask)).to_bytes(length)
        self._data = data[end:]
        return data[0] & 0x0F, body

    def _receive(self, opcode: int, body: bytes) -> None:
        if opcode == Opcode.PING:
            self._transport.write(encode(Opcode.PONG, body))
        elif opcode == Opcode.CLOSE:
            self._transport.close()
        elif opcode == Opcode.TEXT:
            self._figures.questions += 1
            self._transport.write(self._answer(json.loads(body)["service"]))

    def _answer(self, service: str) -> bytes:
        match service:
            case "connect":
                return framed(self._plant.greeting)
            case "devicelist":
                self._opened()
                host, _ = self._transport.get_extra_info("sockname")
                _, block, row, place = map(int, host.split("."))
                return self._plant.devices((block - 1) * 62_500 + row * 250 + place - 1)
            case "real":
                self._note_refresh()
        if service in SERVICES:
            return self._plant.frame(service)
        return LOGGED_OUT if service == "logout" else PING

    def _note_refresh(self) -> None:
        now = time.monotonic()
        if self._refreshed_at:
            self._figures.jitters.append(abs(now - self._refreshed_at - self._interval))
        else:
            self._figures.refreshed += 1
        self._refreshed_at = now


async def serve(interval: float, tls: bool) -> None:
    plant, figures = Plant(), Figures()
    if tls:
        prepare_certificates()
    gc.freeze()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Line(plant, figures, interval),
        "0.0.0.0",
        0,
        ssl=identity().context if tls else None,
        backlog=BACKLOG,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        jitters, figures.jitters = sorted(figures.jitters), []
        told = {name: getattr(figures, name) for name in NAMES}
        worst = jitters[-1] if jitters else 0.0
        usual = jitters[len(jitters) * 99 // 100] if jitters else 0.0
        print(
            json.dumps({**told, "refreshes": len(jitters), "jitter": worst, "jitter_p99": usual}), flush=True
        )


class Crowd:
    """The process, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def figures(self) -> dict[str, Any]:
        """What it has seen; jitters are those since the last question."""
        assert self._process.stdin is not None
        self._process.stdin.write("figures\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found


@contextmanager
def crowd_process(*, tls: bool, interval: float) -> Iterator[Crowd]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.crowd",
        f"--interval={interval}",
        "--tls" if tls else "--no-tls",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Crowd(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=False)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.interval, arguments.tls))
