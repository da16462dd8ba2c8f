"""One exporter with a thousand gateways and more, each refreshed every ten seconds.

The gateways are in a process of their own, at addresses 127.x.y.z; scrapes come from this process. The
exporter is `serve` as it is, with a heartbeat beside it that is at rest while CPU time is counted.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import bare
from benchmarks.crowd import Crowd, address, crowd_process
from benchmarks.measure import CLOCK_TICKS, Options, Report, Row, cpu_seconds, require, resident_kilobytes

INTERVAL = 10.0
SCRAPE_SECONDS = 15.0
FLEET = 1000
SMALLEST = 10
SMALLEST_SECONDS = 2.0
MANY = (100, 1000, 2500, 5000, 10_000)  # with --all
WATCH_SECONDS = 45.0
SHORT_WATCH_SECONDS = 15.0
BEAT_SECONDS = 15.0
START_SECONDS = 30.0
LONGEST_START = 300.0

MOST_CPU_PERCENT = 10.0
MOST_KILOBYTES = 80.0
MOST_BLOCKED = 20.0  # ms, in 999 of 1000 beats
MOST_JITTER = 0.5
MOST_UNDER_WAY = 50

HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
    "Accept-Encoding": "gzip",
}
EMPTY = "what is above the same exporter without any target."
BARE = "a bare aiohttp client with as many WebSockets to the same gateways, in a process of its own."
UNDER_WAY = (
    "the most connections at one time whose list of devices was not yet answered, by the gateways' count."
)
BLOCKED = "what 999 of 1000 beats were late by at most, as far as the process was at work in that time."
JITTER = (
    "the most that the time from one refresh of a gateway to its next was off the interval, seen by gateways."
)


class Watched:
    """The exporter with its heartbeat, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process
        self._listening = threading.Event()
        self.warnings: list[str] = []
        self._address = ""
        threading.Thread(target=self._read_log, daemon=True).start()
        require(self._listening.wait(START_SECONDS), f"the exporter listens: {self.warnings}")
        self._http = http.client.HTTPConnection(self._address, timeout=START_SECONDS)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            entry = json.loads(line) if line.startswith("{") else {"level": "error", "msg": line}
            if entry.get("msg") == "listening":
                self._address = entry["addresses"]
                self._listening.set()
            elif entry["level"] in ("warn", "error"):
                self.warnings.append(line)

    def say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """What the heartbeat has seen since it was asked last."""
        assert self._process.stdout is not None
        self.say("tell")
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def scrape(self) -> bytes:
        self._http.request("GET", "/metrics", headers=HEADERS)
        response = self._http.getresponse()
        body = response.read()
        require(response.status == http.client.OK, "a scrape is answered")
        return gzip.decompress(body) if response.headers["Content-Encoding"] == "gzip" else body

    def values(self, name: str) -> list[float]:
        """The values of all samples of that name, by a scrape."""
        pattern = rf"^{name}(?:\{{[^\n]*\}})? ([^ \n]+)$"
        return [float(value) for value in re.findall(pattern, self.scrape().decode("utf-8"), re.MULTILINE)]

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)


@contextmanager
def watched_process(configuration: Path, *, plain_loop: bool) -> Iterator[Watched]:
    command = [sys.executable, "-m", "benchmarks.watched"] + ["--plain-loop"] * plain_loop
    command += [f"--config.file={configuration}", "--web.listen-address=127.0.0.1:0", "--log.format=json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Watched(process)
        finally:
            process.terminate()
            process.wait()


def configure(path: Path, port: int, count: int, transport: str) -> None:
    """A configuration with so many gateways; written as JSON, which is YAML."""
    targets = [
        {"name": f"roof{number:05}", "host": f"{address(number)}:{port}", "transport": transport}
        for number in range(count)
    ]
    settings = {
        "refresh_interval": f"{INTERVAL:g}s",
        "target_files": [f"{path.parent}/none*.yml"],
        "targets": targets,
    }
    path.write_text(json.dumps(settings), "utf-8")


@dataclass(slots=True)
class Run:
    """What one fleet was seen to do."""

    count: int
    seconds_to_up: float = 0.0
    cpu_percent: float = 0.0
    kilobytes: float = 0.0
    beats: dict[str, dict[str, Any]] = field(default_factory=dict)
    crowd: dict[str, Any] = field(default_factory=dict)
    most_under_way: int = 0


def empty_kilobytes(folder: Path, *, plain_loop: bool) -> int:
    """Resident memory of an exporter without targets, after two scrapes."""
    configure(folder / "empty.yml", 1, 0, "ws")
    with watched_process(folder / "empty.yml", plain_loop=plain_loop) as exporter:
        for _ in range(2):
            exporter.scrape()
        return resident_kilobytes(exporter.pid)


def run_with(count: int, transport: str, seconds: float, *, plain_loop: bool, beats: float = 0.0) -> Run:
    """Start an exporter with so many gateways and watch it; with `beats`, then its heartbeat so long."""
    found = Run(count)
    tls = transport == "wss"
    with tempfile.TemporaryDirectory() as name, crowd_process(tls=tls, interval=INTERVAL) as crowd:
        folder = Path(name)
        empty = empty_kilobytes(folder, plain_loop=plain_loop)
        path = folder / "winet.yml"
        configure(path, crowd.port, count, transport)
        began = time.monotonic()
        with watched_process(path, plain_loop=plain_loop) as exporter:
            _wait_for_all(crowd, count)
            found.seconds_to_up = time.monotonic() - began
            found.beats["start"] = exporter.told()
            exporter.say("rest")
            _wait_for_metrics(exporter, count)
            crowd.figures()
            found.cpu_percent = _cpu_percent(exporter, seconds)
            found.crowd = crowd.figures()
            found.kilobytes = (resident_kilobytes(exporter.pid) - empty) / count
            if beats:
                exporter.say("beat")
                found.beats["scrapes"] = _with_beats(exporter, beats, exporter.scrape)
                found.beats["reloads"] = _with_beats(exporter, beats, exporter.reload)
            _check(exporter, found)
            found.most_under_way = crowd.figures()["most_under_way"]
    return found


def _wait_for_all(crowd: Crowd, count: int) -> None:
    until = time.monotonic() + LONGEST_START
    while (figures := crowd.figures())["refreshed"] < count:
        require(time.monotonic() < until, f"all gateways are read within {LONGEST_START:g} s: {figures}")
        time.sleep(0.1)


def _wait_for_metrics(exporter: Watched, count: int) -> None:
    """The last gateway has been asked for readings; they are there when it has answered."""
    until = time.monotonic() + INTERVAL
    while exporter.values("winet2_up") != [1.0] * count:
        require(time.monotonic() < until, "every target is up")
        time.sleep(0.1)


def _cpu_percent(exporter: Watched, seconds: float) -> float:
    """CPU of one core in percent, scraped at its usual pace."""
    began, used = time.monotonic(), cpu_seconds(exporter.pid)
    scrape_at = began + SCRAPE_SECONDS / 2
    while (now := time.monotonic()) < began + seconds:
        time.sleep(max(0.0, min(scrape_at, began + seconds) - now))
        if time.monotonic() >= scrape_at:
            exporter.scrape()
            scrape_at += SCRAPE_SECONDS
    return (cpu_seconds(exporter.pid) - used) / (time.monotonic() - began) * 100.0


def _with_beats(exporter: Watched, seconds: float, act: Callable[[], object]) -> dict[str, Any]:
    """What the heartbeat sees while something is done every three seconds."""
    exporter.told()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        act()
        time.sleep(3.0)
    return exporter.told()


def _check(exporter: Watched, found: Run) -> None:
    require(exporter.values("winet2_up") == [1.0] * found.count, "every target stayed up")
    attempts = exporter.values("winet2_ws_connection_attempts_total")
    require(attempts == [1.0] * found.count, "every target stayed connected")
    require(not any(exporter.values("winet2_errors_total")), "nothing went wrong")
    require(found.crowd["open"] == found.count, "each gateway has one connection")
    require(not exporter.warnings, f"nothing is warned of: {exporter.warnings[:3]}")
    power = exporter.values("winet2_ac_active_power_watts")
    require(len(power) == found.count and all(power), "every target shows its power")


def _rows(label: str, found: Run, floor: float | None) -> Iterator[Row]:
    yield Row(f"{label} cpu", "%", found.cpu_percent, limit=_share(found.count), limit_is="ours")
    if floor is None:
        # in a small fleet what the whole process takes for the first one weighs more than the targets
        most = MOST_KILOBYTES if found.count >= FLEET else None
        memory = Row(f"{label} memory", "kB", found.kilobytes, limit=most, limit_is="ours", floor_is=EMPTY)
    else:
        memory = Row(
            f"{label} memory", "kB", found.kilobytes, floor, found.kilobytes / floor,
            limit=MOST_KILOBYTES, limit_is="excess", floor_is=f"{EMPTY} The floor is {BARE}",
        )  # fmt: skip
    yield memory
    limit = START_SECONDS if found.count <= FLEET else None
    yield Row(f"{label} all up", "s", found.seconds_to_up, limit=limit, limit_is="ours")
    under_way = found.most_under_way
    yield Row(f"{label} under way", "", under_way, limit=MOST_UNDER_WAY, limit_is="ours", floor_is=UNDER_WAY)


def _loop_rows(label: str, found: Run) -> Iterator[Row]:
    for part, told in found.beats.items():
        busy = told["busy"].get("p999", 0.0)
        yield Row(
            f"{label} blocked, {part}", "ms", busy, limit=MOST_BLOCKED, limit_is="ours", floor_is=BLOCKED
        )
    jitter = found.crowd["jitter"]
    yield Row(f"{label} jitter", "s", jitter, limit=MOST_JITTER, limit_is="ours", floor_is=JITTER)


def _share(count: int) -> float | None:
    """The limit is set on a thousand targets; others may cost in proportion."""
    return MOST_CPU_PERCENT * count / FLEET if count >= FLEET else None


def _with_floor(
    count: int, transport: str, seconds: float, *, plain_loop: bool, beats: float = 0.0
) -> tuple[Run, float | None]:
    """A run, and what a bare client holds for each connection, which only TLS makes worth knowing."""
    found = run_with(count, transport, seconds, plain_loop=plain_loop, beats=beats)
    if transport == "ws":
        return found, None
    with crowd_process(tls=True, interval=INTERVAL) as crowd:
        return found, bare.kilobytes_each(crowd.port, count, tls=True, plain_loop=plain_loop)


def run(options: Options) -> Report:
    """Both transports with Python's own event loop, and again with uvloop; other sizes if all are wanted."""
    count = SMALLEST if options.smallest else FLEET
    notes = [
        f"{count} gateways, refreshed every {INTERVAL:g} s, one scrape every {SCRAPE_SECONDS:g} s; "
        "memory is that of one target",
        f"CPU time is counted in steps of {100.0 / CLOCK_TICKS / WATCH_SECONDS:.3f} % of a core",
    ]
    rows: list[Row] = []
    for transport, plain_loop in (("ws", True), ("wss", True), ("ws", False), ("wss", False)):
        label = f"{transport}{'' if plain_loop else ' uvloop'}"
        first = not rows
        seconds = SMALLEST_SECONDS if options.smallest else WATCH_SECONDS if first else SHORT_WATCH_SECONDS
        beats = 0.0 if not first else SMALLEST_SECONDS if options.smallest else BEAT_SECONDS
        found, floor = _with_floor(count, transport, seconds, plain_loop=plain_loop, beats=beats)
        rows += _rows(label, found, floor)
        if first:
            rows += _loop_rows(label, found)
        notes.append(f"{label}: {found.crowd} {found.beats}")
    for count in MANY if options.all else ():
        found = run_with(count, "ws", WATCH_SECONDS, plain_loop=False)
        rows += _rows(f"ws uvloop {count}", found, None)
        notes.append(f"ws {count}: {found.crowd}")
    return Report(tuple(rows), tuple(notes))
