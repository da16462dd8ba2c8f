"""One full refresh of an inverter, to the lines of a scrape, against a bare client and against a public one.

The inverter is a three-phase hybrid without accessories: `real`, `real_battery` and `direct` bring 65
readings. It is simulated in another process. All sides live in this process and take turns, so its CPU
time is the client's. The cycle is driven without the session around it, which would wait for its timer.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from sungrow_websocket import SungrowWebsocket

from benchmarks.gateway import gateway_process
from benchmarks.hints import busiest_functions
from benchmarks.measure import Options, Report, require, take_turns
from exporter.config import Target
from exporter.logs import TargetLog
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition
from exporter.telemetry import Service
from exporter.winet import messages
from exporter.winet.connection import Connection
from exporter.winet.cycle import Cycle
from exporter.winet.dial import Dialer, make_http_client
from exporter.winet.login import Login
from exporter.winet.session import Session
from exporter.winet.survey import Survey

READINGS = 65  # 45 in real, 15 in real_battery, 5 inputs in direct
POWER_KEY, POWER_FAMILY = "I18N_COMMON_TOTAL_ACTIVE_POWER", "winet2_ac_active_power_watts"
LIMIT = 1.5
PUBLIC_LIMIT = 1 / 3
PUBLIC_TIMES = 20  # it opens a connection for each reading, as its users do
ROUNDS = 15
TIMES = 100  # refreshes in one round; with both sides and all rounds the plant's day is not over yet
REQUEST_TIMEOUT = 10.0
REFERENCE = 0.31  # ms of the floor on the machine that the limit was set on
FLOOR = (
    "a bare aiohttp WebSocket client that sends the same questions to the same gateway, one after the other, "
    "and only parses the JSON of each answer: that much any client in Python pays."
)
PUBLIC_FLOOR = (
    "the package sungrow-websocket reading a gateway like it, as its users call it: it opens a WebSocket for "
    "each reading. Its ratio is to be far below 1; its label file was read before."
)


@dataclass(slots=True)
class Ours:
    """The exporter's own parts from the socket to the exposition, wired as `serve` does it."""

    http: aiohttp.ClientSession
    session: Session
    connection: Connection
    cycle: Cycle
    exposition: Exposition
    token: str
    into_samples: bool = False

    @classmethod
    async def connect(cls, port: int) -> Ours:
        target = Target(host="127.0.0.1", port=port, name="roof", transport="ws")
        http = make_http_client()
        # It never runs: it keeps the counters and tells the status, which is part of each update.
        session = Session(
            target, http, gate=asyncio.Semaphore(), on_change=lambda name: None, rng=random.Random(1)
        )
        dialer = Dialer(target, http)
        log = TargetLog(logging.getLogger(__name__), target.name)
        survey = Survey(target.refresh_interval, dialer, session.counters, log, time.monotonic, time.time)
        cycle = Cycle(target, session.counters, survey, time.monotonic, time.time)
        socket, _ = await dialer.open()
        connection = Connection(socket, session.counters, REQUEST_TIMEOUT, cycle.decode)
        token = await Login(target, log).perform(connection, cycle, plain=True)
        return cls(http, session, connection, cycle, Exposition(catalogue.bundled()), token)

    async def refresh(self, times: int) -> None:
        for _ in range(times):
            await self.cycle.refresh(self.connection, self.token)
            if self.into_samples:
                self.exposition.update(self.session.status(), self.cycle.snapshot)

    def check(self, refreshes: int) -> None:
        """Every refresh asked three questions and lost nothing; the newest reading is what is exposed."""
        counters = self.session.counters
        require(counters.refreshes == refreshes, f"{refreshes} refreshes ended")
        require(self.cycle.complete, "the last refresh was complete")
        require(counters.errors == {}, f"nothing went wrong: {counters.errors}")
        # Beside the questions: connect and the list of devices.
        require(counters.messages_sent == 2 + len(Service) * refreshes, "each refresh asks three questions")
        require(counters.messages_received == counters.messages_sent, "each question had one answer")
        require(self.cycle.snapshot is not None, "there is a snapshot")
        (report,) = self.cycle.snapshot.devices if self.cycle.snapshot else ()
        answers = report.answers.values()
        found = sum(len(answer.readings) + len(answer.inputs) for answer in answers)
        require(found == READINGS, f"the snapshot has {READINGS} readings, not {found}")
        (kilowatts,) = (r.value for a in answers for r in a.readings if r.key == POWER_KEY)
        (watts,) = (value for family, _, value in self.exposition.rows() if family.name == POWER_FAMILY)
        require(watts == round(float(kilowatts) * 1000), "the newest power is exposed")

    async def close(self) -> None:
        await self.connection.close()
        await self.http.close()


@dataclass(slots=True)
class Bare:
    """The floor: the same exchange with nothing but aiohttp and json."""

    http: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    requests: tuple[str, ...]
    readings: int = 0

    @classmethod
    async def connect(cls, port: int) -> Bare:
        http = aiohttp.ClientSession()
        socket = await http.ws_connect(f"ws://127.0.0.1:{port}/ws/home/overview")
        await socket.send_str(messages.connect_request())
        token = json.loads((await socket.receive()).data)["result_data"]["token"]
        await socket.send_str(messages.device_list_request(token))
        (device,) = json.loads((await socket.receive()).data)["result_data"]["list"]
        requests = (messages.reading_request(token, service, str(device["dev_id"])) for service in Service)
        return cls(http, socket, tuple(requests))

    async def refresh(self, times: int) -> None:
        for _ in range(times):
            for request in self.requests:
                await self.socket.send_str(request)
                document = json.loads((await self.socket.receive()).data)
            self.readings += document["result_data"]["count"]

    def check(self, refreshes: int) -> None:
        """Only the inputs are counted, which come last: counting all would be work that no floor needs."""
        require(self.readings == 5 * refreshes, "the floor has read the answers to the end")

    async def close(self) -> None:
        await self.socket.close()
        await self.http.close()


@dataclass(slots=True)
class Public:
    """What somebody would use who does not use this: a package from the public index."""

    client: SungrowWebsocket

    @classmethod
    async def connect(cls, port: int) -> Public:
        client = SungrowWebsocket("127.0.0.1", port=port)
        # it would ask port 80 for the gateway's words, and only once
        url = f"http://127.0.0.1:{port}/i18n/en_US.properties"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            lines = (await response.text()).splitlines()
        client.strings = dict(line.split("=", 1) for line in lines if "=" in line)
        return cls(client)

    async def refresh(self, times: int) -> None:
        for _ in range(times):
            data = await self.client.get_data_async()
            # inputs have two entries each, and a key that two services tell has one
            require(len(data) >= READINGS, f"it reads everything, not {len(data)} entries")

    async def close(self) -> None:
        """It keeps nothing open."""


def run(options: Options) -> Report:
    rounds, times = (2, 5) if options.smallest else (ROUNDS, TIMES)
    with (
        gateway_process(tls=False) as port,
        gateway_process(tls=False) as other,  # so many tokens as the public client asks for void all others
        asyncio.Runner() as runner,
    ):
        ours, bare = runner.run(Ours.connect(port)), runner.run(Bare.connect(port))

        def round_of(side: Ours | Bare | Public) -> Callable[[], float]:
            count = times if not isinstance(side, Public) else min(times, PUBLIC_TIMES)

            async def measured() -> float:
                began = time.process_time()
                await side.refresh(count)
                return (time.process_time() - began) / count

            return lambda: runner.run(measured())

        try:
            take_turns(round_of(ours), round_of(bare), 1)  # warms up both
            comparison = take_turns(round_of(ours), round_of(bare), rounds)
            ours.into_samples = True
            with_samples = take_turns(round_of(ours), round_of(bare), rounds)
            public = runner.run(Public.connect(other))
            with_public = take_turns(round_of(ours), round_of(public), rounds)
            ours.check(times * (3 * rounds + 1))
            bare.check(times * (2 * rounds + 1))
            notes = [
                f"SH10RT without accessories: {len(Service)} questions, {READINGS} readings; "
                "CPU time of one refresh",
                f"a reference machine measured {REFERENCE} ms for the floor",
            ]
            if options.profile:
                profiler = cProfile.Profile(time.process_time)  # waiting is no work
                profiler.runcall(round_of(ours))
                notes += busiest_functions(profiler)
        finally:
            runner.run(ours.close())
            runner.run(bare.close())
    rows = (
        comparison.row("refresh, snapshot only", "ms", 1e-3, None, FLOOR),
        with_samples.row("refresh", "ms", 1e-3, LIMIT, "the same; to the lines that a scrape joins."),
        with_public.row("refresh, public client", "ms", 1e-3, PUBLIC_LIMIT, PUBLIC_FLOOR),
    )
    return Report(rows, tuple(notes))
