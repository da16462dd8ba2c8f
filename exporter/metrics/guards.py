"""What history forbids: totals that step back, jump, or begin at nought, and power beyond all measure.

Pure; one guard per series.

In Prometheus a total that dips to 0 for one scrape adds the whole lifetime again when it returns, and one
wrong spike is a mountain in every graph of that day. So such a value is held off, no sample at all, until
it has lasted long enough to be true.
"""

from __future__ import annotations

from enum import Enum, auto

LASTING_CYCLES = 3
FREE_GROWTH_JOULES = 3.6e6  # 1 kWh: what any total may grow by between two readings
UNKNOWN_RATED_WATTS = 100_000.0
RATED_POWER_MARGIN = 3.0
POWER_MARGIN = 1.5


class Verdict(Enum):
    ACCEPTED = auto()
    HELD_OFF = auto()
    RESET = auto()  # accepted after it lasted, and the total has gone back


class TotalGuard:
    """The history of one total. `at` is monotonic seconds, values are joules."""

    __slots__ = ("_at", "_held", "_held_at", "_held_times", "_value")

    def __init__(self) -> None:
        self._value: float | None = None
        self._at = 0.0
        self._held: float | None = None
        self._held_at = 0.0
        self._held_times = 0

    def judge(self, value: float, at: float, rated_watts: float | None = None) -> Verdict:
        """Whether a new reading may be shown. A suspicious one is believed when it has lasted."""
        if value == 0.0 and self._value:
            return (
                Verdict.HELD_OFF
            )  # a total that has counted never is nothing again, however long it says so
        if self._value is None:
            plausible = value != 0.0
        else:
            plausible = _grows(self._value, value, at - self._at, rated_watts)
        if plausible:
            self._accept(value, at)
            return Verdict.ACCEPTED
        lasts = self._held is not None and (
            value == self._held or _grows(self._held, value, at - self._held_at, rated_watts)
        )
        self._held_times = self._held_times + 1 if lasts else 1
        self._held, self._held_at = value, at
        if self._held_times < LASTING_CYCLES:
            return Verdict.HELD_OFF
        went_back = self._value is not None and value < self._value
        self._accept(value, at)
        return Verdict.RESET if went_back else Verdict.ACCEPTED

    def confirm(self, at: float) -> None:
        """The value that was accepted last has been read again."""
        self._at = at
        self._held, self._held_times = None, 0

    def _accept(self, value: float, at: float) -> None:
        self._value, self._at = value, at
        self._held, self._held_times = None, 0


class PowerGuard:
    """The history of one power: far above what the device is built for, it is believed only if it lasts."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times = 0

    def accepts(self, watts: float, rated_watts: float | None) -> bool:
        """Whether a new reading may be shown; with an unknown rating every one."""
        if rated_watts is None or abs(watts) <= POWER_MARGIN * rated_watts:
            self._times = 0
            return True
        self._times += 1
        return self._times >= LASTING_CYCLES


def _grows(before: float, after: float, seconds: float, rated_watts: float | None) -> bool:
    """Whether a total can have gone from one value to the other in that time."""
    most = max(
        FREE_GROWTH_JOULES, RATED_POWER_MARGIN * (rated_watts or UNKNOWN_RATED_WATTS) * max(seconds, 0.0)
    )
    return before <= after <= before + most
