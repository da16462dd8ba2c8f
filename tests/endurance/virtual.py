"""A loop whose time is made of jumps only: between two timers none passes, however slow the machine is.

So everything falls due in the same order at the same moment in every run, and a duration is exact.
"""

from tests.jumping_loop import JumpingLoop

SETTLE_SECONDS = 0.0003  # both ends are in this process: what was sent is there


class VirtualLoop(JumpingLoop):
    """Real sockets, and a clock that stands still while anything is left to do."""

    def __init__(self, most_jumps: int) -> None:
        super().__init__(most_jumps)
        self._jumping.settle = SETTLE_SECONDS

    def time(self) -> float:
        return self._jumping.skipped
