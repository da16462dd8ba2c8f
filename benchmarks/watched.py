"""The exporter's `serve` with a heartbeat in its event loop: `python -m benchmarks.watched FLAGS…`.

A beat is due every few milliseconds. What it is late by is how long the loop did not come round; how much CPU
time the process took meanwhile tells whether that was its own doing. On standard input, `tell` asks for what
was seen, as a line of JSON, and begins anew; `rest` and `beat` end and begin the heartbeat.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

from exporter import cli
from exporter.commands import serve

BEAT_SECONDS = 0.005


class Heartbeat:
    """Late beats of the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._cpu = 0.0
        self._late: list[float] = []
        self._busy: list[float] = []
        self._loop.add_reader(sys.stdin.fileno(), self._told)
        self._next()

    def _told(self) -> None:
        words = os.read(sys.stdin.fileno(), 4096).decode()
        if not words:
            self._loop.remove_reader(sys.stdin.fileno())
        for word in words.split():
            if word == "tell":
                self._tell()
            elif word == "beat" and self._timer is None:
                self._next()
            elif word == "rest" and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _next(self) -> None:
        self._due, self._cpu = self._loop.time() + BEAT_SECONDS, time.process_time()
        self._timer = self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        late = self._loop.time() - self._due
        self._late.append(late)
        self._busy.append(min(max(late, 0.0), time.process_time() - self._cpu))
        self._next()

    def _tell(self) -> None:
        late, busy = figures(self._late), figures(self._busy)
        told = {
            "beats": len(self._late),
            "late": late,
            "busy": busy,
            "full_collections": gc.get_stats()[2]["collections"],
        }
        self._late, self._busy = [], []
        print(json.dumps(told), flush=True)


def figures(seconds: list[float]) -> dict[str, float]:
    """Median, 99th and 99.9th percentile, and the most, in milliseconds."""
    if not seconds:
        return {}
    ordered = [1000.0 * second for second in sorted(seconds)]
    at = {"median": 0.5, "p99": 0.99, "p999": 0.999}
    return {**{name: ordered[int(len(ordered) * part)] for name, part in at.items()}, "most": ordered[-1]}


def main() -> int:
    flags = sys.argv[1:]
    if flags[:1] == ["--plain-loop"]:
        del flags[0]
        sys.modules["uvloop"] = None  # type: ignore[assignment]  # as if it were not installed
    arguments = cli.make_parser().parse_args(["serve", *flags])
    return serve.run(arguments, lambda: beats.append(Heartbeat()))


beats: list[Heartbeat] = []

if __name__ == "__main__":
    sys.exit(main())
