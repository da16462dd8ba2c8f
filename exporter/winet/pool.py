"""All sessions, keyed by target. The only maker of tasks in the device half.

A task is named, held, cancelled and awaited with a limit, so that at the end there is neither a task nor
a socket left.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

import aiohttp

from exporter.config import Target
from exporter.telemetry import Snapshot, TargetStatus
from exporter.winet.dial import make_http_client
from exporter.winet.session import Session

MOST_CONNECTING = 50
FIRST_WITHOUT_DELAY = 20
STARTS_PER_SECOND = 50.0
STOP_SECONDS = 1.7  # for a question under way and the log-out
CANCEL_SECONDS = 1.3  # a little more than closing a socket may take

log = logging.getLogger(__name__)


class Pool:
    """Keeps one session alive per target, from `start()` to `aclose()`.

    `on_change(target)` is called after every cycle, attempt and change of state, in the event loop: it
    must be quick. `clock` is monotonic, `wall` seconds since 1970.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        on_change: Callable[[str], None] = lambda target: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._on_change = on_change
        self._clock = clock
        self._wall = wall
        self._rng = rng or random.Random()
        self._sessions: dict[str, Session] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to live with every target; returns at once."""
        self._http = make_http_client()
        gate = asyncio.Semaphore(MOST_CONNECTING)
        for place, target in enumerate(self._targets):
            session = Session(
                target,
                self._http,
                gate=gate,
                on_change=self._on_change,
                clock=self._clock,
                wall=self._wall,
                rng=self._rng,
            )
            self._sessions[target.name] = session
            delay = self._first_delay(place)
            self._tasks[target.name] = asyncio.create_task(session.run(delay), name=f"winet:{target.name}")
            self._on_change(target.name)

    def _first_delay(self, place: int) -> float:
        """The first targets start at once; later ones spread as far as the cap on openings asks for."""
        return self._rng.uniform(0.0, max(0, place - FIRST_WITHOUT_DELAY) / STARTS_PER_SECOND)

    async def aclose(self) -> None:
        """End every session within three seconds, logged out where the line is up."""
        for name, session in self._sessions.items():
            if not session.stop():
                self._tasks[name].cancel()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CANCEL_SECONDS)
        self._tasks.clear()
        if self._http is not None:
            await self._http.close()
            self._http = None

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
        return tuple(target.name for target in self._targets)

    def status(self, target: str) -> TargetStatus:
        """How it stands with a target now. Raises `KeyError` for a name that is none."""
        return self._sessions[target].status()

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
