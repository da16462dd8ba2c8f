"""The life with one target: connect, log in, list the devices, refresh again and again, recover.

`run()` is one coroutine that the pool makes a task of; it owns no task of its own. What goes wrong arrives
in one place, as one of the classes of `errors`, and `Recovery` turns it into a pause. It is a little longer
than its fellows, since a life with its states is best read in one piece.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import aiohttp

from exporter.config import Target
from exporter.logs import TargetLog
from exporter.telemetry import Counters, Snapshot, State, TargetInfo, TargetStatus
from exporter.winet import errors, messages, tls
from exporter.winet.connection import Connection
from exporter.winet.cycle import Cycle
from exporter.winet.dial import Dialer
from exporter.winet.idle import Idle, Nap
from exporter.winet.labels import LABELS_PATH, decode_properties
from exporter.winet.login import Login
from exporter.winet.memory import Memory
from exporter.winet.night import Night
from exporter.winet.outage import Outage
from exporter.winet.recovery import Pause, Recovery
from exporter.winet.refusals import Remembered
from exporter.winet.survey import INTERVAL_SECONDS, Survey

PASSWORD_LOOK_SECONDS = 15.0
LONGEST_REST = 300.0  # the loop's timers stand still while the machine sleeps, its clock does not

Clock = Callable[[], float]


class Session:
    """Everything about one target. Its values are read by the pool; only `run` changes them."""

    __slots__ = (
        "_certificate",
        "_clock",
        "_cycle",
        "_dialer",
        "_gate",
        "_idle",
        "_info",
        "_line",
        "_log",
        "_login",
        "_nap",
        "_on_change",
        "_opening",
        "_outage",
        "_paused_until",
        "_recovery",
        "_remembered",
        "_retry_at",
        "_scheme",
        "_since",
        "_state",
        "_survey",
        "_turn",
        "_wait",
        "counters",
        "target",
    )

    def __init__(
        self,
        target: Target,
        http: aiohttp.ClientSession,
        *,
        gate: AbstractAsyncContextManager[object],
        on_change: Callable[[str], None],
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        rng: random.Random,
        counters: Counters | None = None,
        memory: Memory | None = None,
        line: asyncio.Lock | None = None,
    ) -> None:
        self.target = target
        self.counters = counters or Counters()
        self._dialer = Dialer(target, http)
        self._recovery = Recovery(target.yield_for, rng)
        self._gate = gate
        self._line = line or asyncio.Lock()
        self._on_change = on_change
        self._clock = clock
        self._log = TargetLog(logging.getLogger(__name__), target.name)
        self._survey = Survey(target.refresh_interval, self._dialer, self.counters, self._log, clock, wall)
        self._cycle = Cycle(target, self.counters, self._survey, clock, wall)
        night = Night(target.location, target.devices)
        self._outage = Outage(night, self._log, clock, wall)
        self._turn = asyncio.Lock()  # one thing at a time: WebSocket questions and HTTP pages
        self._opening = False
        self._state = State.STARTING
        self._login = Login(target, self._log)
        self._remembered = Remembered(
            target, memory or Memory(), self._dialer, self._login, self._recovery, wall
        )
        self._since = clock()
        self._scheme = ""
        self._info = self._make_info()
        self._retry_at: float | None = None
        self._certificate = tls.CertificateRecord(self.counters, self._log)
        self._wait: tuple[Pause, float] | None = None  # what the last failure asked for, and until when
        self._paused_until: float | None = None
        self._nap = Nap(clock)
        self._idle = Idle(self._nap, self._log, clock)

    # What others may read or ask -------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot | None:
        return self._cycle.snapshot

    @property
    def failure(self) -> errors.WinetError | None:
        return self._outage.error

    def status(self) -> TargetStatus:
        error = self._outage.error
        return TargetStatus(
            info=self._info,
            state=self._state,
            since=self._since,
            counters=self.counters,
            had_first_cycle=self._cycle.had_one,
            last_refresh_wall=self.snapshot.taken_wall if self.snapshot else None,
            refresh_seconds=self._cycle.seconds,
            certificate_expiry_wall=self._certificate.expiry,
            fingerprint=self._certificate.fingerprint,
            retry_at=self._retry_at,
            failing_since=self._outage.since,
            failed_into=self._outage.into,
            error=str(error) if error else "",
            advice=error.advice if error else "",
            device_count=self._cycle.device_count,
        )

    def _make_info(self) -> TargetInfo:
        target = self.target
        return TargetInfo(
            target.name,
            target.host if target.port is None else f"{target.host}:{target.port}",
            self._scheme or target.transport,
            target.verify,
            target.labels,
            target.stale_after,
            target.max_unmapped,
            target.stale_after + INTERVAL_SECONDS + target.refresh_interval,
            target.timezone,
            target.location,
            target.devices,
        )

    def stop(self) -> bool:
        """Ask `run` to end: at once if it rests, else after the question under way, with a log-out.

        False while a session is only being opened: then nothing new should begin, and a cancel is right.
        """
        self._nap.end()
        return not self._opening

    def pause(self, seconds: float) -> None:
        """Leave the gateway alone for a while, logged out, as soon as the question under way is answered."""
        self._paused_until = self._clock() + seconds
        self._nap.interrupt()

    def resume(self) -> bool:
        """End a pause, and a back-off or a sleep: one attempt. False if there is none of them.

        What a refused login or a person at the gateway asked for is waited out all the same.
        """
        ended = self._paused_until is not None
        self._paused_until = None
        if self._wait is not None and self._wait[0].may_be_cut_short:
            pause, until = self._wait
            sooner = pause.cut_short()
            self._wait, ended = (sooner, until - pause.seconds + sooner.seconds), True
        if ended:
            self._nap.interrupt()
        return ended

    @property
    def pause_left(self) -> float:
        """Seconds until a pause ends; 0 without one."""
        return 0.0 if self._paused_until is None else max(self._paused_until - self._clock(), 0.0)

    async def labels(self) -> Mapping[str, str]:
        """What the gateway calls its keys, by its own file, fetched now between two questions.

        Raises `WinetError`: the file may be missing, or the port that it is served on closed.
        """
        async with self._turn:
            return decode_properties(await self._dialer.fetch(LABELS_PATH))

    # The loop --------------------------------------------------------------------------------------

    async def run(self, first_delay: float = 0.0) -> None:
        """Live with the gateway until `stop()`. Raises nothing but `CancelledError`."""
        if first_delay:
            await self._nap.rest(first_delay)
        left = await self._remembered.pause_at_start()
        if left is not None:
            self._log.warning("a login was refused before the restart", extra={"state": left.state})
            self._wait = left, self._clock() + left.seconds
        while not self._nap.ended:
            self._nap.clear()
            if self._paused_until is not None:
                await self._be_paused(self._paused_until)
            elif self._wait is not None:
                await self._sit_out(*self._wait)
            else:
                self._opening = True
                async with self._line:
                    error = await self._one_life()
                if error is not None and not self._nap.ended:
                    await self._remembered.note_failure(error, self._settle(error))

    def _settle(self, error: errors.WinetError) -> Pause:
        """Tell of a failure, and how long to wait because of it."""
        error.let_go()
        now = self._clock()
        pause = self._recovery.pause_after(
            error,
            now,
            others_answered=self._cycle.others_answered or self._survey.blamed,
            asleep=self._outage.is_sleep(error),
        )
        self._outage.failed(error, pause, self._state, self._cycle.last_with_devices)
        self._wait = pause, now + pause.seconds
        return pause

    async def _be_paused(self, until: float) -> None:
        """Rest until then, or until somebody changes their mind."""
        self._retry_at = until
        self._enter(State.PAUSED)
        await self._nap.rest(min(until - self._clock(), LONGEST_REST))
        if self._paused_until is not None and self._clock() >= self._paused_until:
            self._paused_until = None
        self._retry_at = None

    async def _one_life(self) -> errors.WinetError | None:
        """One connection from its opening to its end. Returns why it ended; None if it was asked to."""
        connection: Connection | None = None
        self._cycle.others_answered = self._survey.blamed = False
        try:
            async with self._gate:
                if self._nap.over():
                    return None
                connection = await self._connect()
                self._certificate.note(self._dialer.certificate)
                self._dialer.certificate = None  # a kilobyte of which all that is of use is noted
                if self._nap.over():  # a login would throw out whoever the pause is for
                    return None
                self._enter(State.AUTHENTICATING)
                token = await self._login.perform(connection, self._cycle, plain=self._scheme == "ws")
                self._opening = False
            self._recovery.online(self._clock())
            await self._remembered.note_online()
            await self._refresh_until_stopped(connection, token)
        except errors.WinetError as error:
            self.counters.count(error.reason)
            if (
                isinstance(error, errors.LoginRequired)
                and self._state is State.ONLINE
                and self._login.demanded()
            ):
                return errors.SessionExpired(f"{error}; the next connection logs in")
            return error
        except Exception as error:  # noqa: BLE001  a defect of ours must not end the life with the target
            self._log.error("internal error", exc_info=error)
            self.counters.count(errors.Internal.reason)
            return errors.Internal(f"{type(error).__name__}: {error}")
        finally:
            self._opening = False
            if connection is not None:
                await connection.close()
        return None

    async def _connect(self) -> Connection:
        if self._state is not State.ASLEEP:  # a knock at its door does not wake it
            self._enter(State.CONNECTING)
        self.counters.attempts += 1
        try:
            socket, endpoint = await self._dialer.open()
        except BaseException:
            self.counters.failures += 1
            raise
        self.counters.successes += 1
        if self.counters.successes > 1:
            self.counters.reconnections += 1
        self._scheme = endpoint.scheme
        info = self._make_info()
        if info != self._info:  # else what is known of the target stays the same object for all who look
            self._info = info
        level = logging.INFO if self._outage.since is None else logging.DEBUG
        self._log.log(
            level, "connected", extra={"endpoint": str(endpoint), "attempt": self.counters.attempts}
        )
        return Connection(socket, self.counters, self.target.request_timeout, self._cycle.decode)

    # Refreshing ------------------------------------------------------------------------------------

    async def _refresh_until_stopped(self, connection: Connection, token: str) -> None:
        self._enter(State.ONLINE)
        self._survey.connected()
        due = self._clock()
        while not self._nap.over():
            if self._clock() - due >= self.target.refresh_interval:
                due = self._clock()  # the process stood still: what was missed is not made up for
            async with self._turn:
                await self._refresh(connection, token)
            now = self._clock()
            due = max(due + self.target.refresh_interval, now)
            await self._idle.until(connection, due)
        await connection.ask("logout", messages.logout_request(token))

    async def _refresh(self, connection: Connection, token: str) -> None:
        try:
            await self._cycle.refresh(connection, token)
            self._report_cycle()
        finally:
            self._on_change(self.target.name)
        if self.target.gateway_services and self._cycle.complete and self.snapshot is not None:
            await self._survey.ask(connection, token, self.snapshot)

    def _report_cycle(self) -> None:
        if self._cycle.answered:
            self._outage.over()
        if self._cycle.complete:
            self._recovery.complete_snapshot(self._clock())
        else:
            self._recovery.fruitless_cycle()

    async def _sit_out(self, pause: Pause, until: float) -> None:
        """Rest; after a refused login, look now and then whether the password has been corrected."""
        self._retry_at = until
        self._enter(pause.state)
        account = self.target.credentials
        may_change = False
        if pause.state in (State.REFUSED, State.LOCKED) and account is not None:
            may_change = account.password_file is not None
        longest = PASSWORD_LOOK_SECONDS if may_change else LONGEST_REST
        while not self._nap.over() and (left := until - self._clock()) > 0:
            await self._nap.rest(min(left, longest))
            if may_change and await asyncio.to_thread(self._login.password_changed):
                self._recovery.credentials_changed()
                self._log.info("password changed; trying it")
                break
        if not self._nap.over():
            self._wait = None
        self._retry_at = None

    # Telling ---------------------------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._state, self._since = state, self._clock()
        self._on_change(self.target.name)
