"""Simulated gateways and the exporter's halves put together as the program does it, all open to view."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coverage import Coverage
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import config
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition, Format
from exporter.simulator import Event, Profile, SimulatedGateway
from exporter.winet.pool import Pool
from tests.eavesdropper import EAR

OLD = "SH5.0RS"
STRING = "SG10RS"
THREE_PHASE = "SH10RT"
LARGE = "SG110CX"
NIGHT = "SH10RS_"
MORNING = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
PASSWORD = 'a pass word, äöü and "quotes"'  # nowhere else in the project
CATALOGUE = catalogue.bundled()

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Harness:
    """`await gateway(profile)` and `await start(target…)`; the rest is looking and waiting for events."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        EAR.lines.clear()
        self.starts_at = MORNING
        self.slept = 0.0
        self.frozen_at = 0.0
        self.gateways: list[SimulatedGateway] = []
        self.pool: Pool
        self.exposition: Exposition
        self.changes = 0
        self.states: list[tuple[str, str]] = []
        self.pipelined = False
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._tasks_before = asyncio.all_tasks()
        self._running = False
        self.may_lose_sessions = False

    def now(self) -> datetime:
        """The plant's time: goes with the loop's clock."""
        return self.starts_at + timedelta(seconds=self.loop.time() - self.began)

    def clock(self) -> float:
        """The exporter's clock: like the loop's, and goes on while the machine sleeps."""
        return self.loop.time() + self.slept

    async def gateway(self, profile: str | Profile = OLD, **options: Any) -> SimulatedGateway:
        gateway = SimulatedGateway(profile, now=self.now, **options)
        self.gateways.append(gateway)
        await gateway.start()
        return gateway

    async def start(self, *targets: dict[str, Any], seed: int = 1) -> None:
        """Run the exporter for these targets, written as in a configuration file."""
        await self.run(self.configuration(*targets), seed)

    async def run(self, settings: config.Config, seed: int = 1) -> None:
        self.exposition = Exposition(
            CATALOGUE, clock=self.clock, wall=lambda: self.frozen_at or self.now().timestamp()
        )
        self.pool = Pool(
            settings.targets,
            on_change=self._changed,
            clock=self.clock,
            wall=lambda: self.now().timestamp(),
            rng=random.Random(seed),
        )
        self._running = True
        await self.pool.start()

    @staticmethod
    def configuration(*targets: dict[str, Any]) -> config.Config:
        accounts = {
            "default": {"username": "user", "password": "pw1111"},
            "own": {"username": "user", "password": PASSWORD},
        }
        text = config_text({"credentials": accounts, "targets": list(targets)})
        return config.parse(text, source="test", folder=Path("/"))

    def target(self, gateway: SimulatedGateway, name: str = "roof", **more: Any) -> dict[str, Any]:
        """The configuration of a gateway by its own transport, with credentials if it wants a login."""
        target: dict[str, Any] = {
            "host": f"{gateway.host}:{gateway.port}",
            "name": name,
            "transport": "wss" if gateway.tls else "ws",
        }
        if gateway.profile.login_required:
            target["credentials"] = "default"
        return target | more

    def _changed(self, target: str) -> None:
        status = self.pool.status(target)
        if not self.states or self.states[-1] != (target, status.state):
            self.states.append((target, status.state))
        self.exposition.update(status, self.pool.snapshot(target))
        self.changes += 1
        self.look()

    def look(self) -> None:
        """See whether somebody waits for what is so now."""
        for condition, future in tuple(self._waiting):
            if not future.done() and condition():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, looked at after every change of a session."""
        if condition():
            return
        entry = (condition, self.loop.create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        finally:
            self._waiting.remove(entry)

    async def cycles(self, count: int = 1, target: str = "roof") -> None:
        """Wait for so many further refresh cycles to end."""
        until = self.value("winet2_refreshes_total", target=target) + count
        await self.until(lambda: self.value("winet2_refreshes_total", target=target) >= until)

    async def state(self, state: str, target: str = "roof") -> None:
        await self.until(lambda: self.pool.status(target).state == state)

    async def pass_time(self, seconds: float) -> None:
        """Let the jumping clock go on by so much; everything that falls due in it happens."""
        done = self.loop.create_future()
        self.loop.call_later(seconds, done.set_result, None)
        await done

    def metrics(self) -> Series:
        """What `/metrics` says now, in a strict reading of both formats, which must agree."""
        self.frozen_at = self.now().timestamp()
        openmetrics = series(parse_openmetrics(self.exposition.render(Format.OPENMETRICS).decode()))
        text = series(parse_text(self.exposition.render(Format.TEXT).decode()))
        self.frozen_at = 0.0
        own = {key: value for key, value in openmetrics.items() if key[0].startswith("winet2_")}
        assert own == {key: value for key, value in text.items() if key[0].startswith("winet2_")}
        return own

    def value(self, name: str, **labels: str) -> float:
        """The one sample of that name whose labels include these. A missing one counts as a failed test."""
        found = self.values(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {found}"
        return next(iter(found.values()))

    def values(self, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        wanted = labels.items()
        return {key: value for (n, key), value in self.metrics().items() if n == name and wanted <= set(key)}

    def errors(self, target: str = "roof") -> dict[str, float]:
        """What `winet2_errors_total` has counted, by reason, without the noughts."""
        found = self.values("winet2_errors_total", target=target)
        return {dict(key)["reason"]: value for key, value in found.items() if value}

    def counts_agree(self, gateway: SimulatedGateway, target: str = "roof", apart: int = 0) -> bool:
        """Whether both ends counted the same messages, but for `apart` broken off in the middle."""
        counters = self.pool.status(target).counters
        return (
            abs(counters.messages_sent - gateway.counts.messages_received) <= apart
            and abs(counters.messages_received - gateway.counts.messages_sent) <= apart
            and counters.successes == gateway.counts.upgrades
            and counters.attempts == counters.successes + counters.failures
            and counters.reconnections == max(0, counters.successes - 1)
        )

    async def stop(self) -> None:
        """End the exporter; nothing of it may be left."""
        if self._running:
            self._running = False
            assert self.may_lose_sessions or self.pool.tasks_alive(), "a session ended on its own"
            await self.pool.aclose()

    async def aclose(self) -> None:
        await self.stop()
        for gateway in self.gateways:
            await gateway.stop()
        left = asyncio.all_tasks() - self._tasks_before
        assert not [task for task in left if task.get_name().startswith("winet:")], left
        secrets = {PASSWORD}.union(*map(EAR.secrets_of, self.gateways))
        assert EAR.heard(secrets) == []
        for gateway in self.gateways:
            assert gateway.counts.max_sockets_open <= 1, "two sockets to one gateway"
            assert self.pipelined or gateway.counts.overlapping == 0, "two questions at once"
            for event in received(gateway):
                assert event.service == "login" or "passwd" not in event.text, "a password outside the login"


@contextmanager
def unmeasured() -> Iterator[None]:
    """No coverage meanwhile: it would double the time, and what runs here is covered by faster tests."""
    measuring = Coverage.current()
    if measuring is not None:
        measuring.stop()
    try:
        yield
    finally:
        if measuring is not None:
            measuring.start()


def received(gateway: SimulatedGateway, service: str | None = None) -> list[Event]:
    """What a gateway was asked, in order."""
    return [e for e in gateway.log if e.direction == "in" and service in (None, e.service)]


def series(families: Any) -> Series:
    """All samples by name and labels; a series given twice is a failed test."""
    found: Series = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def config_text(document: dict[str, Any]) -> str:
    """A configuration file; JSON is YAML."""
    import json

    return json.dumps(document)
