"""Every fault of the simulator at every step of a conversation, lived through, and what came of it.

Each scenario has a gateway in trouble and a healthy one beside it in the same pool. After a healthy start
the fault is in force for five minutes, then it is lifted, and nothing is restarted. What must hold in every
scenario is asserted here; what differs becomes a row of docs/faults.md.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from exporter import config
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition
from exporter.simulator import KINDS, SimulatedGateway, load_profile, prepare_certificates
from exporter.telemetry import Service, State
from exporter.winet.pool import Pool
from tests.endurance.virtual import VirtualLoop
from tests.harness import config_text

CATALOGUE = catalogue.bundled()
MEASURED = {family.name for family in CATALOGUE.families}
MORNING = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
INVERTER, BATTERY = "1", "2"
HEALTHY_SECONDS = 100.0
FAULTY_SECONDS = 295.0  # ends between two cycles
LONGEST_WAIT = 3900.0  # nothing but a refusal that is remembered by intent takes longer
STALE_AFTER = 150.0
SEED = 1

ILL, WELL = "ill", "well"
WELL_SECONDS = 60.0
QUIET_SECONDS = 97.3  # ends in the middle of nothing


class Step(NamedTuple):
    """A place in the conversation. `service` is empty for the line itself."""

    name: str
    service: str = ""
    device: str = ""


LINE = Step("line")
CONNECT = Step("connect")
TOKEN = Step("token", "connect")
LOGIN = Step("login", "login")
LIST = Step("list", "devicelist")
QUERIES = (
    Step("real", "real", INVERTER),
    Step("real_battery", "real_battery", INVERTER),
    Step("direct", "direct", INVERTER),
    Step("real of the battery", "real", BATTERY),
)
PING = Step("ping", "ping")
CLOSE = Step("close", "logout")
ANSWERED = (TOKEN, LOGIN, LIST, *QUERIES, PING, CLOSE)
OPENING = (TOKEN, LOGIN, LIST)

# What a fault is tried as, where its name alone is not all there is to it.
FORMS: dict[str, tuple[str, ...]] = {
    "slow": ("slow:seconds=5", "slow:seconds=45"),
    "reset": ("reset", "reset:half=1"),
    "notice": ("notice", "notice:code=100", "notice:code=100:text=normal user limit"),
    "must-change-password": ("must-change-password", "must-change-password:flag=0"),
    "code": ("code:code=104", "code:code=401", "code:code=999"),
    "device-vanishes": (f"device-vanishes:device={BATTERY}",),
    "device-fault": (),  # no trouble in talking; what it brings to the metrics is tested with the services
}
OF_THE_OPENING = ("redirect", "upgrade-refused", "mute", "certificate-changed")


@dataclass(frozen=True)
class Scenario:
    """One fault, at one step, over one transport."""

    fault: str
    step: Step
    tls: bool

    @property
    def transport(self) -> str:
        return "wss" if self.tls else "ws"

    @property
    def written(self) -> str:
        """The fault as the simulator is told, at its step only."""
        if not self.step.service or self.fault.startswith(("gateway-vanishes", "never-closes")):
            return self.fault
        device = f":device={self.step.device}" if self.step.device and "device=" not in self.fault else ""
        return f"{self.fault}:service={self.step.service}{device}"


class Row(NamedTuple):
    """What came of a scenario, in words."""

    state: str
    readings: str
    counted: str
    connections: str
    received: str
    back: str


def scenarios(kind: str) -> Iterator[Scenario]:
    """Every step at which a fault of this name can strike, over both transports."""
    for fault in FORMS.get(kind, (kind,)):
        for step in _steps(kind):
            for tls in (False, True):
                if tls or kind != "certificate-changed":
                    yield Scenario(fault, step, tls)


def _steps(kind: str) -> Iterable[Step]:
    if kind in OF_THE_OPENING:
        return (CONNECT,)
    if kind == "gateway-vanishes":
        return (CONNECT, *ANSWERED)
    if kind == "no-pong":
        return (LINE,)
    if kind == "never-closes":
        return (CLOSE,)
    services = KINDS[kind].services
    assert services is not None
    if kind == "device-vanishes":
        return (LIST, QUERIES[-1])
    return (step for step in ANSWERED if step.service in services)


class Life:
    """One scenario on its way."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        profile = load_profile("SH10RT")
        devices = profile.devices[:2]
        self.ill = SimulatedGateway(replace(profile, devices=devices), tls=scenario.tls, now=self._now)
        self.well = SimulatedGateway("SH5.0RS", now=self._now)
        self._exposition = Exposition(CATALOGUE, clock=self._loop.time, wall=lambda: self._now().timestamp())
        self._changed = asyncio.Event()
        self._taken: dict[tuple[str, str], set[float]] = {}
        self._pool: Pool

    def _now(self) -> datetime:
        return MORNING + timedelta(seconds=self._loop.time() - self._began)

    async def run(self) -> Row:
        """Live through it; the row, after everything that must hold has been seen to."""
        await self.ill.start()
        await self.well.start()
        self._pool = Pool(
            self._targets(),
            on_change=self._note,
            clock=self._loop.time,
            wall=lambda: self._now().timestamp(),
            rng=random.Random(SEED),
        )
        await self._pool.start()
        try:
            row = await self._story()
            assert self._pool.tasks_alive()
        finally:
            await self._pool.aclose()
            await self.ill.stop()
            await self.well.stop()
        return row

    def _targets(self) -> tuple[config.Target, ...]:
        common = {"gateway_services": False}
        ill = {
            "name": ILL,
            "host": f"127.0.0.1:{self.ill.port}",
            "transport": self.scenario.transport,
            "credentials": "default",
            "refresh_interval": "30s",
            "stale_after": f"{STALE_AFTER:g}s",
        }
        well = {
            "name": WELL,
            "host": f"127.0.0.1:{self.well.port}",
            "transport": "ws",
            "refresh_interval": f"{WELL_SECONDS:g}s",
        }
        document = {
            "credentials": {"default": {"username": "user", "password": "pw1111"}},
            "targets": [ill | common, well | common],
        }
        return config.parse(config_text(document), source="matrix", folder=Path("/")).targets

    def _note(self, target: str) -> None:
        self._exposition.update(self._pool.status(target), self._pool.snapshot(target))
        snapshot = self._pool.snapshot(target)
        if target == ILL and snapshot is not None:
            for report in snapshot.devices:
                for service, answer in report.answers.items():
                    self._taken.setdefault((service, report.device.dev_id), set()).add(answer.taken_at)
        self._changed.set()

    async def _story(self) -> Row:
        await asyncio.sleep(HEALTHY_SECONDS)
        readings = self._shown()
        assert readings > 40, readings
        before, upgrades, logged = self._errors(), self.ill.counts.upgrades, len(self.ill.log)
        tally = replace(self._counters(), errors={})
        await self._strike()
        await asyncio.sleep(HEALTHY_SECONDS + FAULTY_SECONDS - (self._loop.time() - self._began))
        row_state, shown = self._pool.status(ILL).state, self._shown()
        self._see_that_nothing_old_is_shown()
        received = Counter(e.service for e in list(self.ill.log)[logged:] if e.direction == "in")
        opened = self.ill.counts.upgrades - upgrades
        lifted = self._loop.time()
        await self.ill.clear()
        back = await self._back(lifted)
        await asyncio.sleep(QUIET_SECONDS)
        after, counters = self._errors(), self._counters()
        self._see_that_all_agrees()
        counted = {reason: int(n - before.get(reason, 0)) for reason, n in after.items()}
        if timeouts := counters.request_timeouts - tally.request_timeouts:
            counted["request time-outs"] = timeouts
        if watchdog := counters.watchdog_triggers - tally.watchdog_triggers:
            counted["watchdog triggers"] = watchdog
        if failed := counters.refresh_failures - tally.refresh_failures:
            counted["empty refreshes"] = failed
        if changes := counters.certificate_changes - tally.certificate_changes:
            counted["certificate changes"] = changes
        return Row(
            str(row_state),
            "all" if shown == readings else f"{shown} of {readings}" if shown else "none",
            ", ".join(f"{reason} {n}" for reason, n in sorted(counted.items()) if n) or "nothing",
            f"{opened} opened, {counters.failures - tally.failures} failed",
            ", ".join(f"{service} {n}" for service, n in sorted(received.items())) or "nothing",
            "at once" if back == 0.0 else "with the next session" if back is None else f"{back:.1f} s",
        )

    async def _strike(self) -> None:
        """Put the fault in force so that it strikes at the step."""
        step = self.scenario.step
        if self.scenario.fault.startswith("gateway-vanishes") and step.service:
            device = f":device={step.device}" if step.device else ""
            self.ill.inject(f"slow:seconds=1:times=1:service={step.service}{device}")
            self._lead_to(step)
            log, seen = self.ill.log, len(self.ill.log)
            await self.ill.until(
                lambda: any(
                    e.direction == "in" and e.service == step.service and step.device in ("", e.dev_id)
                    for e in list(log)[seen:]
                )
            )
            self.ill.inject(self.scenario.fault)
            return
        self.ill.inject(self.scenario.written)
        self._lead_to(step)

    def _lead_to(self, step: Step) -> None:
        """Lose the line for what belongs to its opening, and pause for what belongs to its end."""
        if step in OPENING or (step is CONNECT and self.scenario.fault != "gateway-vanishes"):
            self.ill.inject(f"drop:times=1:service=real:device={INVERTER}")
        elif step is CLOSE:
            self._pool.pause(ILL, 1.0)

    async def _back(self, lifted: float) -> float | None:
        """Seconds until all that was read before has been read again since; None if that does not come."""
        deadline = lifted + LONGEST_WAIT
        while self._loop.time() < deadline:
            snapshot, status = self._pool.snapshot(ILL), self._pool.status(ILL)
            if snapshot is not None and status.state is State.ONLINE:
                answers = {
                    (report.device.dev_id, service): answer.taken_at
                    for report in snapshot.devices
                    for service, answer in report.answers.items()
                }
                if all(answers.get((s.device, Service(s.service)), 0.0) > lifted for s in QUERIES):
                    return max(answers.values()) - lifted
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                break
        return None

    # What must hold ----------------------------------------------------------------------------------

    def _counters(self):  # type: ignore[no-untyped-def]
        return self._pool.status(ILL).counters

    def _errors(self, target: str = ILL) -> dict[str, float]:
        rows = self._exposition.rows(target)
        return {labels[1]: value for family, labels, value in rows if family.name == "winet2_errors_total"}

    def _shown(self) -> int:
        """How many readings `/metrics` has of the gateway in trouble."""
        return sum(family.name in MEASURED for family, _, _ in self._exposition.rows(ILL))

    def _see_that_nothing_old_is_shown(self) -> None:
        snapshot = self._pool.snapshot(ILL)
        assert snapshot is not None
        oldest = self._loop.time() - STALE_AFTER
        fresh = [a for report in snapshot.devices for a in report.answers.values() if a.taken_at >= oldest]
        if not fresh:
            assert self._shown() == 0, "readings older than stale_after are shown"

    def _see_that_all_agrees(self) -> None:
        counters, counts = self._counters(), self.ill.counts
        where = f"{self.scenario.written} over {self.scenario.transport}"
        assert counts.max_sockets_open <= 1, f"{where}: two sockets"
        assert counts.overlapping == 0, f"{where}: two questions at once"
        assert counters.successes == counts.upgrades, where
        assert counters.attempts == counters.successes + counters.failures, where
        assert counters.reconnections == counters.successes - 1, where
        for ours, theirs in (
            (counters.messages_sent, counts.messages_received),
            (counters.messages_received, counts.messages_sent),
        ):
            assert abs(ours - theirs) <= counters.reconnections, f"{where}: {ours} against {theirs}"
        for (service, dev_id), times in self._taken.items():
            said = {
                e.at
                for e in self.ill.log
                if e.direction == "out" and (e.service, e.dev_id) == (service, dev_id)
            }
            assert times <= said, f"{where}: a reading of {service} was taken when none was said"
        self._see_that_the_other_is_well(where)

    def _see_that_the_other_is_well(self, where: str) -> None:
        well, lived = self._pool.status(WELL), self._loop.time() - self._began
        assert not any(self._errors(WELL).values()), where
        assert self.well.counts.upgrades == 1, where
        assert well.counters.refreshes == int(lived / WELL_SECONDS) + 1, f"{where}: the other missed a cycle"
        assert well.counters.messages_received == self.well.counts.messages_sent, where


def rows_of(kind: str) -> dict[Scenario, Row]:
    """Live through every scenario of one fault, all at the same time."""

    async def live() -> dict[Scenario, Row]:
        chosen = list(scenarios(kind))
        rows = await asyncio.gather(*(Life(scenario).run() for scenario in chosen))
        return dict(zip(chosen, rows, strict=True))

    prepare_certificates()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(most_jumps=100_000)) as runner:
        return runner.run(live())
