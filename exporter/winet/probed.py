"""Sessions that a probe's URL asked for: opened at the first question, closed when nobody asks any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.config import Target
from exporter.telemetry import State
from exporter.winet.pool import Pool

FAILED = (State.BACKING_OFF, State.ASLEEP, State.YIELDED, State.PAUSED, State.REFUSED, State.LOCKED)


class Full(Exception):
    """As many gateways are being asked for as may be at once."""


class Probed:
    """Keeps a pool of probed targets within bounds. `changed(name)` has to be told what the pool tells."""

    def __init__(
        self,
        pool: Pool,
        *,
        idle_timeout: float,
        most: int,
        clock: Callable[[], float],
        on_gone: Callable[[str], None],
    ) -> None:
        self._idle_timeout = idle_timeout
        self._most = most
        self._pool = pool
        self._clock = clock
        self._on_gone = on_gone
        self._used_at: dict[str, float] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._look: asyncio.TimerHandle | None = None

    async def want(self, target: Target, seconds: float) -> None:
        """See that the target is read; wait for its first readings, or its first failure, at most so long.

        Raises `Full` where no idle session can make room.
        """
        name = target.name
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                waiting = self._waiting.setdefault(name, set())
                waiting.add(done)
                try:
                    await self._open(target)
                    if name in self._used_at and not self._settled(name):
                        await done
                finally:
                    waiting.discard(done)
                    if not waiting:
                        self._waiting.pop(name, None)
        except TimeoutError:
            pass  # what is known by now is the answer
        finally:
            if name in self._used_at:
                self._used_at[name] = self._clock()
                self._arm()
        if name not in self._used_at:
            raise Full("the configuration has just changed")

    async def _open(self, target: Target) -> None:
        if target.name not in self._used_at and len(self._used_at) >= self._most:
            idle = [name for name in self._used_at if name not in self._waiting]
            if not idle:
                raise Full(f"{self._most} probed gateways are in use")
            self._close(min(idle, key=self._used_at.__getitem__))
        self._used_at[target.name] = self._clock()
        await self._pool.add(target)
        if target.name not in self._used_at and target.name in self._pool.names:
            self._pool.retire(target.name)  # its rules changed while another of its name was leaving

    def changed(self, name: str) -> None:
        """Something about a target is new: whoever waits for it may go on."""
        if name in self._waiting and self._settled(name):
            self._let_go_on(name)

    def _let_go_on(self, name: str) -> None:
        for done in self._waiting.get(name, ()):
            if not done.done():
                done.set_result(None)

    def _settled(self, name: str) -> bool:
        try:
            return self._pool.snapshot(name) is not None or self._pool.status(name).state in FAILED
        except KeyError:
            return False

    def _arm(self) -> None:
        """Look again when the session that was idle longest has been so for long enough."""
        idle = [at for name, at in self._used_at.items() if name not in self._waiting]
        if self._look is None and idle:
            seconds = min(idle) + self._idle_timeout - self._clock()
            self._look = asyncio.get_running_loop().call_later(max(seconds, 0.0), self._close_idle)

    def _close_idle(self) -> None:
        self._look = None
        oldest = self._clock() - self._idle_timeout
        for name in [n for n, at in self._used_at.items() if at <= oldest and n not in self._waiting]:
            self._close(name)
        self._arm()

    def _close(self, name: str) -> None:
        del self._used_at[name]
        self._let_go_on(name)
        if name in self._pool.names:
            self._pool.retire(name)
        self._on_gone(name)

    def limit(self, *, idle_timeout: float, most: int) -> None:
        """Take over other limits; what is idle for too long by them is closed now."""
        self._idle_timeout, self._most = idle_timeout, most
        self.close()
        self._arm()

    def leave(self, name: str) -> None:
        """Let go of one gateway, for it has become a target."""
        if name in self._used_at:
            self._close(name)

    def close_all(self) -> None:
        """Let go of every probed gateway; the next probe of one begins anew."""
        for name in list(self._used_at):
            self._close(name)

    def close(self) -> None:
        """Look no more; the pool ends the sessions."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
