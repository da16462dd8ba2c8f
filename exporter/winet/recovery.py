"""When to try a gateway again. Pure: failures and a clock's reading in, a pause out.

Gateways are small computers: a client that comes back too soon keeps them down, and one that repeats a
wrong password locks the account. So every pause has a floor, grows, is spread by chance and is forgotten
slowly.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from exporter.telemetry import State
from exporter.winet import errors

LONGEST_BACK_OFF = 300.0
HEALTHY_SECONDS = 60.0
ACCESS_PAUSE = 1800.0
LONGEST_ACCESS_PAUSE = 86400.0
LONGEST_YIELD = 3600.0
TAKEN_AGAIN_SECONDS = 600.0
SLEEP_RETRY = 300.0
SOONEST_RETRY = 2.0  # after the last attempt, whoever asks for it
UNDISTURBED_SECONDS = 3600.0


class Pause(NamedTuple):
    """What to do until the next attempt, and for how many seconds."""

    state: State
    seconds: float

    @property
    def may_be_cut_short(self) -> bool:
        """Whether a person may ask for the next try: it spares no account, and nobody who logged in."""
        return self.state in (State.BACKING_OFF, State.ASLEEP)

    def cut_short(self) -> Pause:
        return self._replace(seconds=min(self.seconds, SOONEST_RETRY))


class Recovery:
    """The history of failures with one target, as far as it decides the next pause."""

    __slots__ = (
        "_failures",
        "_healthy_at",
        "_online_at",
        "_refusals",
        "_rng",
        "_token_retried",
        "_yield_for",
        "_yield_pause",
    )

    def __init__(self, yield_for: float, rng: random.Random) -> None:
        self._yield_for = yield_for
        self._rng = rng
        self._failures = 0
        self._refusals = 0
        self._yield_pause = 0.0
        self._online_at: float | None = None
        self._healthy_at: float | None = None
        self._token_retried = False

    @property
    def failures(self) -> int:
        """Failures in a row that the next back-off reckons with."""
        return self._failures

    @property
    def refusals(self) -> int:
        """Logins refused in a row; the next pause after one reckons with them."""
        return self._refusals

    def longest_pause_left(self) -> float:
        """What the latest pause after a refusal can have been; a wall clock that was set may say more."""
        return min(ACCESS_PAUSE * 2.0 ** min(max(self._refusals - 1, 0), 16), LONGEST_ACCESS_PAUSE)

    def refused_before(self, refusals: int) -> None:
        """So many logins were refused before this process began."""
        self._refusals = refusals

    def online(self, now: float) -> None:
        """Login, if there is one, went well."""
        if self._online_at is None:
            self._online_at = now
        self._refusals = 0

    def credentials_changed(self) -> None:
        """What was refused is not what will be sent."""
        self._refusals = 0

    def fruitless_cycle(self) -> None:
        """A cycle ended without a reading: the healthy time begins anew."""
        self._healthy_at = None

    def complete_snapshot(self, now: float) -> None:
        """A cycle ended with readings, and every question that was due has been answered."""
        if self._healthy_at is None:
            self._healthy_at = now
        if now - self._healthy_at >= HEALTHY_SECONDS:
            self._failures = 0
            self._token_retried = False

    def pause_after(
        self, error: Exception, now: float, *, others_answered: bool = False, asleep: bool = False
    ) -> Pause:
        """The pause that `error` asks for. With `others_answered` only one device failed: no growth.

        `asleep` says that the gateway is expected to be gone until the sun rises.
        """
        self._healthy_at = None
        if isinstance(error, errors.AccessError):
            return self._access_pause(error)
        if isinstance(error, errors.UserLimit):
            return self._yield(now)
        if isinstance(error, errors.TokenExpired) and not self._token_retried:
            self._token_retried = True
            return Pause(State.CONNECTING, 0.0)
        if asleep:
            return Pause(State.ASLEEP, SLEEP_RETRY - self._rng.uniform(0.0, 0.05 * SLEEP_RETRY))
        seconds = 1.0 + self._rng.uniform(0.0, min(2.0 ** min(self._failures, 16), LONGEST_BACK_OFF - 1.0))
        if not others_answered:
            self._failures += 1
        return Pause(State.BACKING_OFF, seconds)

    def _access_pause(self, error: errors.AccessError) -> Pause:
        state = State.LOCKED if isinstance(error, errors.AccountLocked) else State.REFUSED
        if isinstance(error, errors.PasswordChangeRequired):
            return Pause(state, ACCESS_PAUSE)  # a person is at work on it; no reason to stay away longer
        seconds = min(ACCESS_PAUSE * 2.0 ** min(self._refusals, 16), LONGEST_ACCESS_PAUSE)
        self._refusals += 1
        return Pause(state, seconds)

    def _yield(self, now: float) -> Pause:
        """Leave the gateway to whoever logged in; longer if they come back soon after we did."""
        undisturbed = 0.0 if self._online_at is None else now - self._online_at
        self._online_at = None  # thrown out before we are in again: no time undisturbed
        if not self._yield_pause or undisturbed >= UNDISTURBED_SECONDS:
            self._yield_pause = self._yield_for
        elif undisturbed < TAKEN_AGAIN_SECONDS:
            self._yield_pause = min(2.0 * self._yield_pause, LONGEST_YIELD)
        return Pause(State.YIELDED, self._yield_pause)
