"""All sessions, keyed by target. The only maker of tasks in the device half.

A task is named, held, cancelled and awaited with a limit, so that at the end there is neither a task nor
a socket left.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

import aiohttp

from exporter.config import Target
from exporter.telemetry import Counters, Snapshot, TargetStatus
from exporter.winet.dial import PLAIN_PORT, TLS_PORT, make_http_client
from exporter.winet.errors import WinetError
from exporter.winet.memory import Memory
from exporter.winet.session import Session

MOST_CONNECTING = 50
BREATH_EVERY = 10
FIRST_WITHOUT_DELAY = 20
STARTS_PER_SECOND = 50.0
STOP_SECONDS = 1.7  # for a question under way and the log-out
CANCEL_SECONDS = 1.3  # a little more than closing a socket may take

log = logging.getLogger(__name__)


class Lines:
    """One lock for each gateway, known by its address. Who holds it may have a socket to it."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def of(self, target: Target) -> asyncio.Lock:
        """The usual two ports of an address are one gateway."""
        usual = target.port in (None, TLS_PORT, PLAIN_PORT)
        place = target.host if usual else f"{target.host}:{target.port}"
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        return lock


class Pool:
    """Keeps one session alive per target, from `start()` to `aclose()`.

    `on_change(target)` is called after every cycle, attempt and change of state, in the event loop: it
    must be quick. `clock` is monotonic, `wall` seconds since 1970. Pools that share a `gate` share its limit
    on connections under way; pools that share `lines` never open two sockets to one gateway between them.
    `memory` is what earlier processes knew of the gateways.
    """

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        on_change: Callable[[str], None] = lambda target: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        gate: asyncio.Semaphore | None = None,
        memory: Memory | None = None,
        lines: Lines | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._on_change = on_change
        self._tell = self._changed  # one for all sessions
        self._clock = clock
        self._wall = wall
        self._rng = rng or random.Random()
        self._memory = memory or Memory()
        self._lines = lines or Lines()
        self._gate = gate or asyncio.Semaphore(MOST_CONNECTING)
        self._sessions: dict[str, Session] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._applying = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to live with every target; returns at once."""
        self._http = make_http_client()
        for place, target in enumerate(self._targets):
            self._begin(target, self._first_delay(place))

    def _begin(self, target: Target, delay: float = 0.0, counters: Counters | None = None) -> Session:
        if self._http is None:
            raise RuntimeError("the pool has not been started, or is closed")
        session = self._sessions[target.name] = Session(
            target,
            self._http,
            gate=self._gate,
            on_change=self._tell,
            clock=self._clock,
            wall=self._wall,
            rng=self._rng,
            counters=counters,
            memory=self._memory,
            line=self._lines.of(target),
        )
        self._tasks[target.name] = asyncio.create_task(session.run(delay), name=f"winet:{target.name}")
        self._on_change(target.name)
        return session

    def _changed(self, name: str) -> None:
        """Pass on what a session tells, unless it is on its way out."""
        if name in self._sessions:
            self._on_change(name)

    def _first_delay(self, place: int) -> float:
        """The first targets start at once; later ones spread as far as the cap on openings asks for."""
        return self._rng.uniform(0.0, max(0, place - FIRST_WITHOUT_DELAY) / STARTS_PER_SECOND)

    async def apply(self, targets: Iterable[Target]) -> frozenset[str]:
        """Live with these targets from now on. Returns the names of those that are no longer among them.

        A target that is the same keeps its session. A changed one is logged out and begun anew with its
        counters and its pause, and only then: there are never two sockets to one gateway.
        """
        async with self._applying:
            wanted = {target.name: target for target in targets}
            old = dict(self._sessions)
            ending = [name for name, session in old.items() if wanted.get(name) != session.target]
            await self._end(ending)
            new = [target for name, target in wanted.items() if name not in self._sessions]
            for place, target in enumerate(new):
                if place % BREATH_EVERY == 0:
                    await asyncio.sleep(0)  # a thousand beginnings would hold everything else up
                before = old.get(target.name)
                session = self._begin(
                    target, self._first_delay(place), before.counters if before is not None else None
                )
                if before is not None and before.pause_left:
                    session.pause(before.pause_left)
            return frozenset(old) - frozenset(wanted)

    async def add(self, target: Target) -> None:
        """Live with one target more; if one of its name is just leaving, that is waited for.

        One of its name that is not the same is let go of first.
        """
        if target.name in self._sessions and self._sessions[target.name].target != target:
            self.retire(target.name)
        leaving = self._leaving.get(target.name)
        if leaving is not None:
            await asyncio.wait((leaving,))
        if target.name not in self._sessions:
            self._begin(target)

    def retire(self, name: str) -> None:
        """Let go of a target, without waiting for it to be logged out."""
        session, task = self._sessions.pop(name), self._tasks.pop(name)
        self._leaving[name] = task
        task.add_done_callback(lambda _: self._leaving.pop(name, None))
        task.add_done_callback(_tell_of_defect)
        if not session.stop():
            task.cancel()

    async def aclose(self) -> None:
        """End every session within three seconds, logged out where the line is up."""
        sessions = dict(self._sessions)
        await self._end(list(self._tasks))
        self._sessions = sessions  # how they ended can still be read
        if self._http is not None:
            await self._http.close()
            self._http = None

    def let_all_go(self) -> set[asyncio.Task[None]]:
        """Ask every session to end. Returns the tasks that are on their way out."""
        for name in list(self._sessions):
            self.retire(name)
        return set(self._leaving.values())

    async def _end(self, names: Iterable[str]) -> None:
        """End some sessions within three seconds."""
        for name in names:
            self.retire(name)
        await _ended(set(self._leaving.values()))

    def pause(self, target: str, seconds: float) -> None:
        """Leave a gateway alone for a while. Raises `KeyError` for a name that is none."""
        self._sessions[target].pause(seconds)

    def resume(self, target: str) -> bool:
        """End a pause, a back-off or a sleep; False if there is none. Raises `KeyError` for a wrong name."""
        return self._sessions[target].resume()

    async def __aenter__(self) -> Pool:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # What others may read --------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sessions)

    def status(self, target: str) -> TargetStatus:
        """How it stands with a target now. Raises `KeyError` for a name that is none."""
        return self._sessions[target].status()

    def failure(self, target: str) -> WinetError | None:
        """The newest failure of a target's present outage; None without one."""
        return self._sessions[target].failure

    def snapshot(self, target: str) -> Snapshot | None:
        """The newest readings of a target; None before there are any."""
        return self._sessions[target].snapshot

    async def labels(self, target: str) -> Mapping[str, str]:
        """What a gateway calls its keys, by its own file, asked for now. Raises `WinetError`."""
        return await self._sessions[target].labels()

    def statuses(self) -> Mapping[str, TargetStatus]:
        return {name: session.status() for name, session in self._sessions.items()}

    def tasks_alive(self) -> bool:
        """False if a session's task ended on its own, which only a defect could bring about."""
        return not any(task.done() for task in self._tasks.values())


async def close_together(*pools: Pool) -> None:
    """End all sessions of several pools within three seconds."""
    await _ended({task for pool in pools for task in pool.let_all_go()})
    for pool in pools:
        await pool.aclose()


def _tell_of_defect(task: asyncio.Task[None]) -> None:
    """A session ends by itself only through a defect."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a session had ended on its own", exc_info=error)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for tasks that were asked to end, and cancel those that do not."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)
