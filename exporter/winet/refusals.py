"""Refused logins and seen TLS, carried over restarts of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.config import Target
from exporter.telemetry import State
from exporter.winet import errors
from exporter.winet.dial import Dialer
from exporter.winet.login import Login
from exporter.winet.memory import Memory, new_salt
from exporter.winet.recovery import Pause, Recovery


class Remembered:
    """What one session leaves to the next process, and takes over from the last one."""

    __slots__ = ("_dialer", "_login", "_memory", "_record", "_recovery", "_wall")

    def __init__(
        self,
        target: Target,
        memory: Memory,
        dialer: Dialer,
        login: Login,
        recovery: Recovery,
        wall: Callable[[], float],
    ) -> None:
        self._memory = memory
        self._record = memory.record(f"{target.host}:{target.port or ''}")
        self._dialer = dialer
        self._login = login
        self._recovery = recovery
        self._wall = wall
        dialer.tls_seen = dialer.tls_seen or self._record.tls_seen

    async def pause_at_start(self) -> Pause | None:
        """What is left of a refusal, unless its account was changed since."""
        record = self._record
        if not record.state:
            return None
        if not await asyncio.to_thread(self._login.refused_before, record.salt, record.digest):
            return None
        self._recovery.refused_before(record.refusals)
        left = min(record.until - self._wall(), self._recovery.longest_pause_left())
        return Pause(State(record.state), left) if left > 0 else None

    async def note_failure(self, error: errors.WinetError, pause: Pause) -> None:
        """Write down what a restart must not undo: a refusal, and that TLS was spoken before any failure."""
        record = self._record
        changed = record.tls_seen is not self._dialer.tls_seen
        record.tls_seen = self._dialer.tls_seen
        # what was withheld was not refused, and another transport may be the remedy
        if isinstance(error, errors.AccessError) and not isinstance(error, errors.CredentialsWithheld):
            await self._refused(pause)
            changed = True
        if changed:
            await self._memory.save()

    async def _refused(self, pause: Pause) -> None:
        record = self._record
        record.salt = record.salt or new_salt()
        record.digest = await asyncio.to_thread(self._login.digest, record.salt)
        record.state, record.until = str(pause.state), self._wall() + pause.seconds
        record.refusals = self._recovery.refusals

    async def note_online(self) -> None:
        """A login that works ends what was remembered against it."""
        record = self._record
        if record.tls_seen is not self._dialer.tls_seen or record.state:
            record.tls_seen = self._dialer.tls_seen
            record.state, record.until, record.refusals = "", 0.0, 0
            await self._memory.save()
