"""Whether processes had as much of the machine as they wanted: what is slow on a busy one is no defect."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil


class Burden:
    """Counts from its making. Processes are known by the names they are given here."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._spent = {name: _spent(pid) for name, pid in pids.items()}
        self._held_up = {name: _held_up(pid) for name, pid in pids.items()}
        self._machine = psutil.cpu_times()

    def _share(self, seconds: float) -> float:
        return seconds / max(time.monotonic() - self._began, 0.01)

    def busy(self, name: str) -> float:
        """CPU time by time; more than 1 with several threads."""
        return self._share(_spent(self._pids[name]) - self._spent[name])

    def held_up(self, name: str) -> float:
        """The share of the time for which its main thread would have run, and others were running."""
        return self._share(_held_up(self._pids[name]) - self._held_up[name])

    def idle(self) -> float:
        """The share of the whole machine that nobody wanted."""
        now, before = psutil.cpu_times(), self._machine
        return float((now.idle - before.idle) / max(sum(now) - sum(before), 0.01))

    def words(self) -> str:
        """All of it in one line."""
        shares = (
            f"{name} ran {self.busy(name):.0%} and was held up {self.held_up(name):.0%} of the time"
            for name in self._pids
        )
        return "; ".join(
            (f"load {os.getloadavg()[0]:.1f}", f"{self.idle():.0%} of the machine idle", *shares)
        )


def _spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _held_up(pid: int) -> float:
    """Seconds in which the main thread waited for a processor: the second figure of the kernel's three."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
