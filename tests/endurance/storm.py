"""A storm: all gateways of a fleet vanish and return together, flap, fall mute, and are well again.

`python -m tests.endurance.storm --gateways 1000` lives through it on a clock made of jumps, prints what came
of it, and exits with 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pvariance
from typing import NamedTuple

import psutil

from exporter import config
from exporter.simulator import SimulatedGateway, load_profile
from exporter.telemetry import State
from exporter.winet.pool import MOST_CONNECTING, Pool
from exporter.winet.recovery import LONGEST_BACK_OFF
from tests.endurance.virtual import VirtualLoop
from tests.harness import config_text

INTERVAL = 60.0
CALM_SECONDS = 900.0
GONE_SECONDS = 3600.0
FLAPS = 10
FLAP_BACK_SECONDS, FLAP_GONE_SECONDS = 15.0, 45.0
MUTE_SECONDS = 3600.0
OPEN_SECONDS = 20.0  # an attempt with a gateway that accepts and then says nothing
BIN_SECONDS = 10.0
FIRST_TRIES = 600.0  # until then the back-offs grow
MOST_DISPERSION = 1.6  # variance by mean of attempts in a bin: 1 by pure chance, much more for waves


class Measured(NamedTuple):
    """Ten calm minutes of exporter and gateways: what they took, and what there was at their end."""

    objects: int = 0
    tasks: int = 0
    events: int = 0
    cpu_seconds: float = 0.0
    resident: int = 0


@dataclass
class Figures:
    """What a storm came to."""

    gateways: int
    hours: float = 0.0
    attempts: dict[str, int] = field(default_factory=dict)
    least_attempts: dict[str, int] = field(default_factory=dict)
    most_attempts: dict[str, int] = field(default_factory=dict)
    most_in_a_second: int = 0
    dispersion: float = 0.0
    most_under_way: int = 0
    back_after: float = 0.0
    before: Measured = field(default_factory=Measured)
    after: Measured = field(default_factory=Measured)
    findings: list[str] = field(default_factory=list)

    def find(self, bad: bool, what: str) -> None:
        if bad:
            self.findings.append(what)

    def _attempts_in(self, phase: str) -> str:
        average = self.attempts[phase] / self.gateways
        least, most = self.least_attempts[phase], self.most_attempts[phase]
        return f"{self.attempts[phase]}; of one {average:.1f} on average, {least} to {most}"

    def lines(self) -> list[str]:
        """The figures as the rows of a table."""
        before, after = self.before, self.after
        rows = {
            "gateways": str(self.gateways),
            "hours lived": f"{self.hours:.1f}",
            "attempts while gone for an hour": self._attempts_in("gone"),
            "attempts in ten flaps": self._attempts_in("flaps"),
            "attempts while mute for an hour": self._attempts_in("mute"),
            "most attempts in one second, after the first minutes": str(self.most_in_a_second),
            "variance by mean of attempts in ten seconds": f"{self.dispersion:.2f}",
            "most connections under way": str(self.most_under_way),
            "all online after the end": f"{self.back_after:.0f} s",
            "objects before and after": f"{before.objects}, {after.objects}",
            "tasks before and after": f"{before.tasks}, {after.tasks}",
            "events in ten minutes before and after": f"{before.events}, {after.events}",
            "CPU for ten minutes before and after": f"{before.cpu_seconds:.1f} s, {after.cpu_seconds:.1f} s",
            "memory before and after": f"{before.resident / 1e6:.0f} MB, {after.resident / 1e6:.0f} MB",
        }
        return [f"| {name} | {value} |" for name, value in rows.items()]


class Storm:
    """One storm over a fleet."""

    def __init__(self, gateways: int, seed: int) -> None:
        self.figures = Figures(gateways)
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(seed)
        self._began = self._loop.time()
        hybrid = load_profile("SH5.0RS")
        profile = replace(hybrid, devices=hybrid.devices[:1])
        self._gateways = [SimulatedGateway(profile, now=self._now, log_size=1) for _ in range(gateways)]
        self._pool: Pool
        self._attempts: dict[str, list[float]] = {}
        self._under_way: set[str] = set()
        self._changes = 0

    def _now(self) -> datetime:
        return datetime(2026, 6, 1, 8, 0, tzinfo=UTC) + timedelta(seconds=self._loop.time() - self._began)

    async def run(self) -> Figures:
        for gateway in self._gateways:
            await gateway.start()
        self._pool = Pool(
            self._targets(),
            on_change=self._note,
            clock=self._loop.time,
            wall=lambda: self._now().timestamp(),
            rng=self._rng,
        )
        await self._pool.start()
        try:
            await self._story()
        finally:
            await self._pool.aclose()
            await asyncio.sleep(1.0)
            sockets = sum(gateway.counts.sockets_open for gateway in self._gateways)
            left = _sessions()
            for gateway in self._gateways:
                await gateway.stop()
        figures = self.figures
        figures.find(sockets > 0, f"{sockets} sockets are left")
        figures.find(left > 0, f"{left} tasks are left")
        return figures

    def _targets(self) -> tuple[config.Target, ...]:
        targets = [
            {
                "name": f"gateway {number}",
                "host": f"127.0.0.1:{gateway.port}",
                "transport": "ws",
                "refresh_interval": f"{INTERVAL:g}s",
                "gateway_services": False,
            }
            for number, gateway in enumerate(self._gateways)
        ]
        return config.parse(config_text({"targets": targets}), source="storm", folder=Path("/")).targets

    def _note(self, target: str) -> None:
        self._changes += 1
        status = self._pool.status(target)
        times = self._attempts.setdefault(target, [])
        times += [self._loop.time()] * (status.counters.attempts - len(times))
        if status.state in (State.CONNECTING, State.AUTHENTICATING):
            self._under_way.add(target)
            self.figures.most_under_way = max(self.figures.most_under_way, len(self._under_way))
        else:
            self._under_way.discard(target)

    async def _story(self) -> None:
        figures = self.figures
        await self._all_online()
        await asyncio.sleep(CALM_SECONDS)
        calm = await self._measure()
        await self._phase("gone", self._gone())
        await self._phase("flaps", self._flaps())
        await self._phase("mute", self._mute())
        ended = self._loop.time()
        await self._lift("mute")
        await self._all_online()
        figures.back_after = self._loop.time() - ended
        figures.find(figures.back_after > 2 * LONGEST_BACK_OFF, "some took too long to be online again")
        await asyncio.sleep(CALM_SECONDS)
        after = await self._measure()
        figures.before, figures.after = calm, after
        self._judge()

    async def _measure(self) -> Measured:
        """What is there after ten minutes, and what these took."""
        changes, spent = self._changes, time.process_time()
        await asyncio.sleep(600.0)
        spent = time.process_time() - spent
        gc.collect()
        resident = psutil.Process().memory_info().rss
        return Measured(len(gc.get_objects()), _sessions(), self._changes - changes, spent, resident)

    async def _phase(self, name: str, happening: Awaitable[None]) -> None:
        print(name, file=sys.stderr, flush=True)  # noqa: T201  ten minutes are long in silence
        before = {target: len(times) for target, times in self._attempts.items()}
        await happening
        made = [len(times) - before[target] for target, times in self._attempts.items()]
        figures = self.figures
        figures.attempts[name] = sum(made)
        figures.least_attempts[name], figures.most_attempts[name] = min(made), max(made)

    async def _gone(self) -> None:
        """An hour in which every attempt is refused."""
        began = self._loop.time()
        self._strike("gateway-vanishes")
        await asyncio.sleep(GONE_SECONDS)
        steady = [at for times in self._attempts.values() for at in times if at > began + FIRST_TRIES]
        bins = Counter(int((at - began) / BIN_SECONDS) for at in steady)
        counts = [bins[b] for b in range(int(FIRST_TRIES / BIN_SECONDS), int(GONE_SECONDS / BIN_SECONDS))]
        self.figures.dispersion = pvariance(counts) / fmean(counts)
        self.figures.most_in_a_second = max(Counter(int(at) for at in steady).values())
        for target, times in self._attempts.items():
            gaps = [later - at for at, later in pairwise([t for t in times if t > began])]
            for failures, gap in enumerate(gaps, start=1):
                most = 1.0 + min(2.0**failures, LONGEST_BACK_OFF - 1.0)
                self.figures.find(
                    not 1.0 <= gap <= most + 0.01, f"{target} waited {gap:.1f} s, not 1 to {most}"
                )
        await self._lift("gateway-vanishes")

    async def _flaps(self) -> None:
        """Back together for some seconds, and gone again."""
        for _ in range(FLAPS):
            await asyncio.sleep(FLAP_BACK_SECONDS)
            self._strike("gateway-vanishes")
            await asyncio.sleep(FLAP_GONE_SECONDS)
            await self._lift("gateway-vanishes")

    async def _mute(self) -> None:
        """An hour in which lines are accepted and nothing is said: each attempt takes its whole time."""
        self._strike("mute")
        for gateway in self._gateways:
            gateway.inject("drop:times=1")
        await asyncio.sleep(MUTE_SECONDS)

    def _strike(self, fault: str) -> None:
        for gateway in self._gateways:
            gateway.inject(fault)

    async def _lift(self, fault: str) -> None:
        await asyncio.gather(*(gateway.clear(fault) for gateway in self._gateways))

    async def _all_online(self) -> None:
        deadline = self._loop.time() + 3600.0
        while any(self._pool.status(name).state is not State.ONLINE for name in self._pool.names):
            if self._loop.time() > deadline:
                self.figures.findings.append("some never came back")
                return
            await asyncio.sleep(1.0)

    def _judge(self) -> None:
        figures = self.figures
        before, after = figures.before, figures.after
        figures.hours = (self._loop.time() - self._began) / 3600.0
        figures.find(figures.most_under_way > MOST_CONNECTING, "more connections under way than may be")
        figures.find(figures.dispersion > MOST_DISPERSION, "attempts come in waves")
        figures.find(before.tasks != after.tasks, "tasks are left over or lost")
        figures.find(after.events > 1.05 * before.events, "more work than before the storm")
        more = after.objects - before.objects
        figures.find(more > 500 + 20 * figures.gateways, f"{more} objects more than before")
        for number, gateway in enumerate(self._gateways):
            counters, counts = self._pool.status(f"gateway {number}").counters, gateway.counts
            where = f"gateway {number}"
            figures.find(counts.max_sockets_open > 1, f"two sockets at {where}")
            figures.find(counts.overlapping > 0, f"two questions at {where}")
            figures.find(counters.successes != counts.upgrades, f"upgrades of {where}")
            figures.find(counters.attempts != counters.successes + counters.failures, f"attempts of {where}")
            for ours, theirs in (
                (counters.messages_sent, counts.messages_received),
                (counters.messages_received, counts.messages_sent),
            ):
                figures.find(abs(ours - theirs) > counters.reconnections, f"messages of {where}")


def _sessions() -> int:
    """How many tasks the pool has alive."""
    return sum(task.get_name().startswith("winet:") for task in asyncio.all_tasks())


def run(gateways: int, seed: int = 1) -> Figures:
    """One storm."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.getLogger("exporter").setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(most_jumps=100_000_000)) as runner:
            return runner.run(_storm(gateways, seed))
    finally:
        logging.getLogger("exporter").setLevel(logging.NOTSET)


async def _storm(gateways: int, seed: int) -> Figures:
    return await Storm(gateways, seed).run()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, default, meaning in (
        ("gateways", 1000, "simulated gateways, each for about a fifth of a second of one core"),
        ("seed", 1, "what chance begins with, of which the pauses come"),
    ):
        told = f"{meaning}; %(default)d by default"
        parser.add_argument(f"--{flag}", type=int, default=default, metavar="N", help=told)
    arguments = parser.parse_args()
    figures = run(arguments.gateways, arguments.seed)
    print("\n".join(figures.lines()))  # noqa: T201
    for finding in figures.findings[:50]:
        print(f"FOUND: {finding}")  # noqa: T201
    return bool(figures.findings)


if __name__ == "__main__":
    sys.exit(main())
