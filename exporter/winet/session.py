"""The life with one target: connect, log in, list the devices, refresh again and again, recover.

`run()` is one coroutine that the pool makes a task of; it owns no task of its own. What goes wrong arrives
in one place, as one of the classes of `errors`, and `Recovery` turns it into a pause.
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
from exporter.winet.night import Night
from exporter.winet.recovery import Pause, Recovery
from exporter.winet.survey import INTERVAL_SECONDS, Survey

PASSWORD_LOOK_SECONDS = 15.0

Clock = Callable[[], float]


class Session:
    """Everything about one target. Its values are read by the pool; only `run` changes them."""

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
    ) -> None:
        self.target = target
        self.counters = Counters()
        self._dialer = Dialer(target, http)
        self._recovery = Recovery(target.yield_for, rng)
        self._gate = gate
        self._on_change = on_change
        self._clock = clock
        self._wall = wall
        self._log = TargetLog(logging.getLogger(__name__), target.name)
        self._survey = Survey(target.refresh_interval, self._dialer, self.counters, self._log, clock, wall)
        self._cycle = Cycle(target, self.counters, self._survey, clock, wall)
        self._night = Night(target.location, target.devices)
        self._turn = asyncio.Lock()  # one thing at a time: WebSocket questions and HTTP pages
        self._opening = False
        self._state = State.STARTING
        self._login = Login(target, self._log)
        self._since = clock()
        self._scheme = ""
        self._info = self._make_info()
        self._retry_at: float | None = None
        self._error: errors.WinetError | None = None
        self._failing_since: float | None = None
        self._expiry: float | None = None
        self._certificate: tls.Certificate | None = None
        self._nap = Nap(clock)
        self._idle = Idle(self._nap, self._log, clock)

    # What others may read or ask -------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot | None:
        return self._cycle.snapshot

    def status(self) -> TargetStatus:
        return TargetStatus(
            info=self._info,
            state=self._state,
            since=self._since,
            counters=self.counters,
            had_first_cycle=self.counters.refreshes > 0,
            last_refresh_wall=self.snapshot.taken_wall if self.snapshot else None,
            refresh_seconds=self._cycle.seconds,
            certificate_expiry_wall=self._expiry,
            fingerprint=self._certificate.fingerprint if self._certificate else None,
            retry_at=self._retry_at,
            failing_since=self._failing_since,
            error=str(self._error) if self._error else "",
            advice=self._error.advice if self._error else "",
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
        while not self._nap.ended:
            error = await self._one_life()
            if error is None or self._nap.ended:
                return
            now = self._clock()
            pause = self._recovery.pause_after(
                error,
                now,
                others_answered=self._cycle.others_answered or self._survey.blamed,
                asleep=self._failing_since is not None and self._night.explains(error, now, self._wall()),
            )
            self._report_failure(error, pause)
            self._retry_at = now + pause.seconds
            self._enter(pause.state)
            await self._sit_out(pause)
            self._retry_at = None

    async def _one_life(self) -> errors.WinetError | None:
        """One connection from its opening to its end. Returns why it ended; None if it was asked to."""
        connection: Connection | None = None
        self._cycle.others_answered = self._survey.blamed = False
        try:
            async with self._gate:
                if self._nap.ended:
                    return None
                self._opening = True
                connection = await self._connect()
                await self._note_certificate()
                self._enter(State.AUTHENTICATING)
                token = await self._login.perform(connection, self._cycle, plain=self._scheme == "ws")
                self._opening = False
            self._recovery.online(self._clock())
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
        self._info = self._make_info()
        level = logging.INFO if self._failing_since is None else logging.DEBUG
        self._log.log(
            level, "connected", extra={"endpoint": str(endpoint), "attempt": self.counters.attempts}
        )
        return Connection(socket, self.counters, self.target.request_timeout)

    async def _note_certificate(self) -> None:
        """Keep the certificate's end and notice that it is another one than before."""
        certificate = self._dialer.certificate
        if certificate is None or certificate == self._certificate:
            return
        if self._certificate is not None:
            self.counters.certificate_changes += 1
            self._log.warning("certificate changed", extra={"fingerprint": certificate.fingerprint})
        self._certificate = certificate
        self._expiry = await asyncio.to_thread(tls.expiry, certificate)

    # Refreshing ------------------------------------------------------------------------------------

    async def _refresh_until_stopped(self, connection: Connection, token: str) -> None:
        self._enter(State.ONLINE)
        self._survey.connected()
        due = self._clock()
        while not self._nap.ended:
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
            if self._failing_since is not None:
                outage = round(self._clock() - self._failing_since, 1)
                self._log.info("recovered", extra={"outage_seconds": outage})
            self._failing_since = self._error = None
        if self._cycle.complete:
            self._recovery.complete_snapshot(self._clock())
        else:
            self._recovery.fruitless_cycle()

    async def _sit_out(self, pause: Pause) -> None:
        """Rest; after a refused login, look now and then whether the password has been corrected."""
        until = self._clock() + pause.seconds
        account = self.target.credentials
        may_change = False
        if pause.state in (State.REFUSED, State.LOCKED) and account is not None:
            may_change = account.password_file is not None
        while not self._nap.ended and (left := until - self._clock()) > 0:
            await self._nap.rest(min(left, PASSWORD_LOOK_SECONDS) if may_change else left)
            if may_change and await asyncio.to_thread(self._login.password_changed):
                self._recovery.credentials_changed()
                self._log.info("password changed; trying it")
                return

    # Telling ---------------------------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._state, self._since = state, self._clock()
        self._on_change(self.target.name)

    def _report_failure(self, error: errors.WinetError, pause: Pause) -> None:
        """WARNING for the first failure of an outage or a new kind of failure, DEBUG for repeats.

        At nightfall nothing is wrong: INFO, and once more when it is clear that the gateway sleeps.
        """
        asleep, was_asleep = pause.state is State.ASLEEP, self._state is State.ASLEEP
        repeated = self._error is not None and type(self._error) is type(error) and asleep is was_asleep
        self._error = error
        level = logging.INFO if asleep else logging.WARNING
        if self._failing_since is None:
            self._failing_since = self._clock()
            self._night.lost(self.snapshot, self._clock(), self._wall())
            if self._night.may_be_falling(error):
                level = logging.INFO
        self._log.log(
            logging.DEBUG if repeated or (asleep and was_asleep) else level,
            "asleep" if asleep else "connection failed",
            extra={"reason": error.reason, "error": error, "retry_in_seconds": round(pause.seconds, 1)},
        )
