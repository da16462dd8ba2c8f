"""A time limit for one question after the other, with one timer for all of them.

`asyncio.timeout` makes a timer for each use, which is a fifth of what a whole question costs. Here a timer
that was set for an earlier question stays, and finds out when it rings whether a later one is still in time.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """`with deadline:` raises `TimeoutError` if its block takes longer than `seconds`.

    All else is as with `asyncio.timeout`: who is cancelled by others meanwhile sees the cancellation.

    For one task at a time, and not within itself. `close` lets the timer go.
    """

    __slots__ = ("_cancelling", "_rang", "_task", "_timer", "_until", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None  # in the block
        self._cancelling = 0
        self._rang = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None or self._task is not None:
            raise RuntimeError("a deadline is for one block of one task at a time")
        loop = task.get_loop()
        self._until = loop.time() + self.seconds
        self._cancelling = task.cancelling()
        self._rang = False
        self._task = task
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._ring)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._rang or task is None:
            return
        cancelled_by_others = task.uncancel() > self._cancelling
        if kind is asyncio.CancelledError and not cancelled_by_others:
            raise TimeoutError from error

    def close(self) -> None:
        """Let the timer go. A block that is under way has no limit any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        task = self._task
        if task is None:
            return
        loop = task.get_loop()
        if loop.time() < self._until:  # it was set for an earlier block
            self._timer = loop.call_at(self._until, self._ring)
        else:
            self._rang = True
            task.cancel()
