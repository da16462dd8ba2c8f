"""The clock that ages and pauses are counted by."""

from __future__ import annotations

import time

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux only


def steady() -> float:
    """Seconds that nobody can set and that go on while the machine is suspended, where the system can tell.

    `time.monotonic` stands still then: a laptop's readings of yesterday evening would be ten seconds old.
    """
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)
