"""Waiting: rests that can be cut short, and an open line that is listened to and kept alive meanwhile."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

from exporter.logs import TargetLog
from exporter.winet import errors, messages
from exporter.winet.connection import Connection

KEEP_ALIVE_SECONDS = 25.0  # idle longer than this, the gateway's own page would have said something
PING_SECONDS = 20.0
MOST_LOST = 2


class Nap:
    """Rests of one session. `end()` ends the present one and all later, `interrupt()` all until `clear()`."""

    __slots__ = ("_clock", "_interrupted", "_timeout", "ended")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._timeout: asyncio.Timeout | None = None
        self._interrupted = False
        self.ended = False

    def over(self) -> bool:
        """Whether nothing new should begin on the line."""
        return self.ended or self._interrupted

    def end(self) -> None:
        self.ended = True
        self._wake()

    def interrupt(self) -> None:
        self._interrupted = True
        self._wake()

    def clear(self) -> None:
        self._interrupted = False

    def _wake(self) -> None:
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(0.0)

    async def rest(self, seconds: float) -> None:
        try:
            async with self.until(self._clock() + seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            pass  # the nap is over
        finally:
            self.up()

    def until(self, when: float) -> asyncio.Timeout:
        """A limit to something endless, to be entered at once: a time, or the end of the naps.

        No coroutine that runs the something: that would take a frame more for as long as a gateway rests.
        After it, `up`.
        """
        left = 0.0 if self.over() else max(when - self._clock(), 0.0)
        self._timeout = asyncio.timeout(left)
        return self._timeout

    def up(self) -> None:
        """What was limited has ended."""
        self._timeout = None


class Idle:
    """What is done on an open line between two cycles; remembers what the gateway does not answer."""

    __slots__ = ("_clock", "_keep_alive", "_log", "_lost_in_a_row", "_nap", "_pings")

    def __init__(self, nap: Nap, log: TargetLog, clock: Callable[[], float]) -> None:
        self._nap = nap
        self._log = log
        self._clock = clock
        self._pings = True
        self._keep_alive = True
        self._lost_in_a_row = 0  # lines that ended at the question that should have kept them

    async def until(self, connection: Connection, when: float) -> None:
        """Listen until then; keep the line and the gateway's session alive meanwhile."""
        next_ping = self._clock() + PING_SECONDS
        next_keep_alive = self._clock() + KEEP_ALIVE_SECONDS
        while not self._nap.over() and (now := self._clock()) < when:
            if self._keep_alive and now >= next_keep_alive:
                await self._keep_session(connection)
                next_keep_alive = now + KEEP_ALIVE_SECONDS
            if self._pings and now >= next_ping:
                self._pings = await connection.ping()
                next_ping = now + PING_SECONDS
                if not self._pings:
                    self._log.debug("no pong; pings end")
            wake_at = min([when] + [next_ping] * self._pings + [next_keep_alive] * self._keep_alive)
            try:
                async with self._nap.until(wake_at):
                    await connection.listen()
            except TimeoutError:
                pass  # the nap is over
            finally:
                self._nap.up()

    async def _keep_session(self, connection: Connection) -> None:
        """The JSON ping of the gateway's own page. A gateway that leaves it unanswered is not asked again.

        One that ends the line instead may have had another reason, but not twice in a row.
        """
        try:
            await connection.ask("ping", messages.ping_request(str(uuid.uuid4())))
        except errors.TransportError as error:
            self._lost_in_a_row += 1
            self._keep_alive = not isinstance(error, errors.NoAnswer) and self._lost_in_a_row < MOST_LOST
            raise
        self._lost_in_a_row = 0
