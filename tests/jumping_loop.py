"""An event loop whose clock jumps: where nothing is left to do but wait for a timer, the timer is due.

So a test lives through half an hour of back-off in a millisecond, over real sockets and without patching
anything. While a thread is at work or a socket has something to say, no time is skipped.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any

from exporter.winet.names import THREAD_NAME

SETTLE_SECONDS = 0.002  # real time in which loopback delivers what was just sent
MOST_JUMPS = 10_000


class _JumpingSelector(selectors.DefaultSelector):
    most_jumps = MOST_JUMPS
    settle = SETTLE_SECONDS
    skipped = 0.0
    jumps = 0
    threads_at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return super().select(None)
        if self.threads_at_work or any(t.name == THREAD_NAME for t in threading.enumerate()):
            return super().select(min(timeout, 0.05))
        ready = super().select(min(timeout, self.settle))
        if not ready:
            self.skipped += timeout
            self.jumps += 1
            assert self.jumps < self.most_jumps, "the test waits for something that never happens"
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """Real sockets, real order of events, no real waiting. A test that lives through days says so."""

    def __init__(self, most_jumps: int = MOST_JUMPS) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.most_jumps = most_jumps
        super().__init__(self._jumping)

    def time(self) -> float:
        return time.monotonic() + self._jumping.skipped

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads_at_work -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncio's
        self._jumping.threads_at_work += 1  # it joins the pool in a thread of its own
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads_at_work -= 1
