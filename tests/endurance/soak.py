"""A soak: an exporter, many gateways with random troubles, scrapes and reloads, and what is left at the end.

`python -m tests.endurance.soak --minutes 20` runs it, prints what it found and exits with 1 if that is
anything: memory that grew, a task, socket or file left over, a counter that differs from the gateways' own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
WARM_SECONDS = 10.0
RELOAD_SECONDS = 20.0
BACK_SECONDS = 330.0  # the longest back-off, and a cycle
FLAT = 0.05
END_SECONDS = 30.0  # five are promised, on a machine that has nothing else to do
COUNTERS = {
    "attempts": "winet2_ws_connection_attempts_total",
    "successes": "winet2_ws_connection_successes_total",
    "failures": "winet2_ws_connection_failures_total",
    "reconnections": "winet2_ws_reconnections_total",
    "received": "winet2_ws_messages_received_total",
    "sent": "winet2_ws_messages_sent_total",
}
SAMPLE = re.compile(r'^(winet2_\w+)\{target="gateway (\d+)"\} ([0-9.e+]+)$', re.MULTILINE)
ONLINE = re.compile(
    r'^winet2_target_state\{(?=[^}]*state="online")(?=[^}]*target="gateway \d+")[^}]*\} 1(?:\.0)?$',
    re.MULTILINE,
)
GHOST = {"name": "ghost", "host": "127.0.0.1:1", "transport": "ws"}  # comes and goes with the reloads


class Child:
    """A program that answers in lines of JSON."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.first = self.hear()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} has ended"
        return json.loads(line)

    def tell(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.hear()

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)


@contextmanager
def child(*command: str) -> Iterator[Child]:
    started = Child(*command)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()
        for pipe in (started.process.stdin, started.process.stdout):
            assert pipe is not None
            pipe.close()


@dataclass
class Figures:
    """What a run came to. `findings` is what should not be; the rest are figures to be published."""

    gateways: int
    seconds: float = 0.0
    scrapes: int = 0
    reloads: int = 0
    troubles: int = 0
    reconnections: int = 0
    failures: int = 0
    messages: int = 0
    apart: int = 0
    memory_first: float = 0.0
    memory_last: float = 0.0
    memory_most: float = 0.0
    cpu_share: float = 0.0
    back_after: float = 0.0
    ended_after: float = 0.0
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def find(self, bad: bool, what: str) -> None:
        if bad:
            self.findings.append(what)

    def lines(self) -> list[str]:
        """The figures as the rows of a table."""
        growth = self.memory_last / self.memory_first - 1.0
        rows = {
            "length": f"{self.seconds / 60:.1f} min, {self.gateways} gateways, half of them over TLS",
            "troubles at gateways": f"{self.troubles}",
            "reconnections": f"{self.reconnections}",
            "attempts that failed": f"{self.failures}",
            "scrapes, reloads": f"{self.scrapes}, {self.reloads}",
            "messages in both directions": f"{self.messages}",
            "messages counted at one end only": f"{self.apart}",
            "memory in the first and in the last quarter": (
                f"{self.memory_first / 1e6:.1f} MB, {self.memory_last / 1e6:.1f} MB ({growth:+.1%})"
            ),
            "most memory": f"{self.memory_most / 1e6:.1f} MB",
            "objects before and after": f"{self.before['objects']}, {self.after['objects']}",
            "tasks before and after": f"{_total(self.before['tasks'])}, {_total(self.after['tasks'])}",
            "open files before and after": f"{_total(self.before['files'])}, {_total(self.after['files'])}",
            "CPU of the exporter, scrapes included": f"{self.cpu_share:.0%} of one core",
            "all readings back after the last trouble": f"{self.back_after:.0f} s",
            "ended after SIGTERM": f"{self.ended_after:.1f} s",
        }
        return [f"| {name} | {value} |" for name, value in rows.items()]


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


class Soak:
    """One run."""

    def __init__(self, gateways: int, seed: int, folder: Path) -> None:
        self.figures = Figures(gateways)
        self._rng = random.Random(seed)
        self._file = folder / "winet.yml"
        self._seed = seed
        self._edition = 0
        self._fleet: Child
        self._exporter: Child

    def run(self, seconds: float) -> Figures:
        """The whole of it; about so long, and up to six minutes more until all gateways are back."""
        size = str(self.figures.gateways)
        with child("tests.endurance.fleet", "--gateways", size, "--seed", str(self._seed)) as self._fleet:
            self._write()
            with child("tests.endurance.watched", str(self._file)) as self._exporter:
                self._live(seconds)
        return self.figures

    def _live(self, seconds: float) -> None:
        figures, process = self.figures, psutil.Process(self._exporter.process.pid)
        self._until_all_are_up()
        figures.before = self._census_at_rest()
        self._until_all_are_up()
        self._fleet.tell("begin")
        cpu = process.cpu_times()
        began = time.monotonic()
        memory = self._scrape_and_reload(began + seconds, process)
        figures.seconds = time.monotonic() - began
        spent = process.cpu_times()
        self._weigh(memory)
        figures.cpu_share = (spent.user + spent.system - cpu.user - cpu.system) / figures.seconds
        figures.troubles = self._fleet.tell("calm")["troubles"]
        calm = time.monotonic()
        self._write()
        self._reload()
        self._until_all_are_up()
        figures.back_after = time.monotonic() - calm
        figures.after = self._census_at_rest(stay=True)
        self._judge()
        self._compare()
        self._end_exporter()
        left = [port for port, counts in self._fleet.tell("counts").items() if counts["sockets_open"]]
        figures.find(bool(left), f"{len(left)} gateways still have a socket")
        figures.find(self._fleet.end() != 0, "the gateways did not end well")

    def _end_exporter(self) -> None:
        figures, process = self.figures, self._exporter.process
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            figures.find(process.wait(END_SECONDS) != 0, "the exporter did not end well")
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR2)  # it tells on stderr where it is
            figures.findings.append(f"the exporter had not ended after {END_SECONDS:g} s")
            time.sleep(1.0)
            return
        figures.ended_after = time.monotonic() - began

    def _scrape_and_reload(self, until: float, process: psutil.Process) -> list[float]:
        """Scrape every second. Returns the resident memory at each scrape after the first few."""
        memory: list[float] = []
        began = next_scrape = time.monotonic()
        next_reload = began + RELOAD_SECONDS
        while (now := time.monotonic()) < until:
            if now >= next_reload:
                next_reload += RELOAD_SECONDS
                self._write(change=True)
                self._reload()
            self._scrape()
            self.figures.scrapes += 1
            if time.monotonic() - began > WARM_SECONDS:
                memory.append(float(process.memory_info().rss))
            next_scrape = max(next_scrape + 1.0, time.monotonic())
            time.sleep(max(next_scrape - time.monotonic(), 0.0))
        return memory

    def _write(self, *, change: bool = False) -> None:
        """The configuration; with `change` some targets have another label, and the ghost comes or goes."""
        self._edition += 1
        targets: list[dict[str, Any]] = []
        for number, (port, tls) in enumerate(self._fleet.first):
            edition = self._edition if change and self._rng.random() < 0.02 else 0
            target = {
                "name": f"gateway {number}",
                "host": f"127.0.0.1:{port}",
                "transport": "wss" if tls else "ws",
                "labels": {"edition": str(edition)},
            }
            targets.append(target | ({"credentials": "default"} if tls else {}))
        if change and self._edition % 2:
            targets.append(GHOST)
        document = {
            "request_timeout": "5s",
            "yield_for": "1m",
            "credentials": {"default": {"username": "user", "password": "pw1111"}},
            "targets": targets,
        }
        self._file.write_text(json.dumps(document), "utf-8")

    def _reload(self) -> None:
        self._ask("/-/reload", method="POST")
        self.figures.reloads += 1

    def _ask(self, path: str, method: str = "GET") -> str:
        url = f"http://127.0.0.1:{self._exporter.first['port']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as response:
            return str(response.read().decode())

    def _scrape(self) -> dict[int, dict[str, float]]:
        """Whatever `/metrics` says of targets as wholes, by their number."""
        found: dict[int, dict[str, float]] = {}
        for name, number, value in SAMPLE.findall(self._ask("/metrics")):
            found.setdefault(int(number), {})[name] = float(value)
        return found

    def _until_all_are_up(self) -> None:
        """Online, with fresh readings."""
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            online = len(ONLINE.findall(self._ask("/metrics")))
            up = sum(of.get("winet2_up") == 1 for of in self._scrape().values())
            if online == up == self.figures.gateways:
                return
            if time.monotonic() > deadline:
                self.figures.findings.append(f"only {online} targets are online again, {up} up")
                return
            time.sleep(1.0)

    def _census_at_rest(self, *, stay: bool = False) -> dict[str, Any]:
        """What the exporter holds while every gateway is left alone; then, unless `stay`, it goes on."""
        names = [f"gateway%20{number}" for number in range(self.figures.gateways)]
        for name in names:
            self._ask(f"/-/pause?target={name}&for=1h", "POST")
        deadline = time.monotonic() + BACK_SECONDS
        while any(counts["sockets_open"] for counts in self._fleet.tell("counts").values()):
            if time.monotonic() > deadline:
                self.figures.findings.append("sockets are left in a pause")
                break
            time.sleep(0.2)
        time.sleep(2.0)  # a web server's keep-alive connections, and closing sockets' last turns
        os.kill(self._exporter.process.pid, signal.SIGUSR1)
        census: dict[str, Any] = self._exporter.hear()
        if not stay:
            for name in names:
                self._ask(f"/-/resume?target={name}", "POST")
        return census

    def _weigh(self, memory: list[float]) -> None:
        figures = self.figures
        quarter = max(len(memory) // 4, 1)
        figures.memory_first = sum(memory[:quarter]) / quarter
        figures.memory_last = sum(memory[-quarter:]) / quarter
        figures.memory_most = max(memory)
        print(f"memory {figures.memory_first:.0f} {figures.memory_last:.0f}", file=sys.stderr)  # noqa: T201

    def _judge(self) -> None:
        figures = self.figures
        growth = figures.memory_last / figures.memory_first - 1.0
        figures.find(growth > FLAT, f"memory grew by {growth:.1%}")
        for kind in ("tasks", "files"):
            before, after = figures.before[kind], figures.after[kind]
            figures.find(before != after, f"{kind} before {before}, after {after}")

    def _compare(self) -> None:
        """The exporter's counters against the gateways' own; every gateway is left alone by now."""
        figures = self.figures
        told, counts = self._scrape(), self._fleet.tell("counts")
        for number, (port, _) in enumerate(self._fleet.first):
            ours = {key: int(told[number][name]) for key, name in COUNTERS.items()}
            theirs = counts[str(port)]
            where = f"gateway {number}: {ours} against {theirs}"
            # an answer to the upgrade that breaks on its way is a failure here and an upgrade there
            unheard = theirs["upgrades"] - ours["successes"]
            figures.find(not 0 <= unheard <= ours["failures"], f"upgrades of {where}")
            figures.find(ours["attempts"] != ours["successes"] + ours["failures"], f"attempts of {where}")
            figures.find(ours["reconnections"] != ours["successes"] - 1, f"reconnections of {where}")
            figures.find(theirs["max_sockets_open"] > 1, f"two sockets at {where}")
            figures.find(theirs["overlapping"] > 0, f"two questions at {where}")
            for mine, other in (("sent", "messages_received"), ("received", "messages_sent")):
                apart = abs(ours[mine] - theirs[other])
                figures.apart += apart
                figures.find(apart > ours["reconnections"], f"messages of {where}")
            figures.messages += ours["sent"] + ours["received"]
            figures.reconnections += ours["reconnections"]
            figures.failures += ours["failures"]


def run(seconds: float, gateways: int, seed: int = 1) -> Figures:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return Soak(gateways, seed, Path(folder)).run(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--gateways", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = run(arguments.minutes * 60.0, arguments.gateways, arguments.seed)
    print("\n".join(figures.lines()))  # noqa: T201
    for finding in figures.findings:
        print(f"FOUND: {finding}")  # noqa: T201
    return bool(figures.findings)


if __name__ == "__main__":
    sys.exit(main())
