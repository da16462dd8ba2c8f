"""What is told of failures: each outage once, each new kind of failure once, and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from exporter.logs import TargetLog
from exporter.telemetry import Snapshot, State
from exporter.winet import errors
from exporter.winet.night import Night
from exporter.winet.recovery import Pause


class Outage:
    """The present outage of one target, if there is one. `since` is monotonic.

    `error` is the newest failure, `into` the state that it led to.
    """

    __slots__ = ("_clock", "_log", "_night", "_wall", "error", "into", "since")

    def __init__(
        self, night: Night, log: TargetLog, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.since: float | None = None
        self.error: errors.WinetError | None = None
        self.into: State | None = None
        self._night = night
        self._log = log
        self._clock = clock
        self._wall = wall

    def is_sleep(self, error: errors.WinetError) -> bool:
        """Whether the gateway sleeps. The first failure of an outage is looked at once more before."""
        return self.since is not None and self._night.explains(error, self._clock(), self._wall())

    def failed(
        self, error: errors.WinetError, pause: Pause, before: State, snapshot: Snapshot | None
    ) -> None:
        """WARNING for the first failure of an outage or a new kind of failure, DEBUG for repeats.

        At nightfall nothing is wrong: INFO, and once more when it is clear that the gateway sleeps.
        """
        asleep, was_asleep = pause.state is State.ASLEEP, before is State.ASLEEP
        repeated = self.error is not None and type(self.error) is type(error) and asleep is was_asleep
        self.error, self.into = error, pause.state
        level = logging.INFO if asleep else logging.WARNING
        if self.since is None:
            self.since = self._clock()
            self._night.lost(snapshot, self._clock(), self._wall())
            if self._night.may_be_falling(error):
                level = logging.INFO
        self._log.log(
            logging.DEBUG if repeated or (asleep and was_asleep) else level,
            "asleep" if asleep else "connection failed",
            extra={"reason": error.reason, "error": error, "retry_in_seconds": round(pause.seconds, 1)},
        )

    def over(self) -> None:
        """Readings came."""
        if self.since is not None:
            outage = round(self._clock() - self.since, 1)
            self._log.info("recovered", extra={"outage_seconds": outage})
        self.since = self.error = self.into = None
