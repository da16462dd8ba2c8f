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
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from exporter.winet.dial import OPEN_SECONDS
from exporter.winet.recovery import LONGEST_BACK_OFF
from tests.endurance import missing
from tests.endurance.burden import Burden
from tests.endurance.children import Child, child
from tests.endurance.figures import Figures

WARM = 0.25  # of the time, before memory is looked at: readings are shared until each has changed once
RELOAD_SECONDS = 20.0
CYCLE_SECONDS = 10.0  # to be online and have readings, once the line is up
# whoever was just trying when all became well fails once more, and waits once more
BACK_SECONDS = OPEN_SECONDS + LONGEST_BACK_OFF + 3 * CYCLE_SECONDS
ANSWER_SECONDS = 120.0  # on a machine that is busy out of measure; what it took is told
END_TROUBLE_SECONDS = 60.0  # of new troubles, for SIGTERM to come in the midst of them
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
UP = re.compile(r'^winet2_up\{target="gateway \d+"\} 1(?:\.0)?$', re.MULTILINE)
GHOST = {"name": "ghost", "host": "127.0.0.1:1", "transport": "ws"}  # comes and goes with the reloads


class Soak:
    """One run."""

    def __init__(self, gateways: int, seed: int, folder: Path, *, night: bool = True) -> None:
        self.figures = Figures(gateways)
        self._rng = random.Random(seed)
        self._file = folder / "winet.yml"
        self._seed = seed
        self._night = night
        self._edition = 0
        self._fleet: Child
        self._exporter: Child

    def run(self, seconds: float) -> Figures:
        """The whole of it; about so long, and up to six minutes more until all gateways are back."""
        size = str(self.figures.gateways)
        options = ["--gateways", size, "--seed", str(self._seed), *["--night"] * self._night]
        with child("tests.endurance.fleet", *options) as self._fleet:
            self._write()
            with child("tests.endurance.watched", str(self._file)) as self._exporter:
                self._live(seconds)
        return self.figures

    def _live(self, seconds: float) -> None:
        figures = self.figures
        self._until_all_are_up("the start")
        figures.before = self._census_at_rest()
        self._resume()
        self._until_all_are_up("a pause")
        self._fleet.tell("begin")
        burden = self._burden()
        began = time.monotonic()
        memory = self._scrape_and_reload(began + seconds)
        figures.seconds = time.monotonic() - began
        figures.cpu_share = burden.busy("exporter")
        figures.burden = burden.words()
        self._weigh(memory)
        figures.troubles = self._fleet.tell("calm")["troubles"]
        self._write()
        self._reload()
        self._until_all_are_up("the last trouble")
        figures.after = self._census_at_rest()
        self._judge()
        self._compare()
        self._resume()
        self._end_exporter(min(END_TROUBLE_SECONDS, seconds / 3))
        self._fleet.tell("calm")
        left = [port for port, counts in self._fleet.tell("counts").items() if counts["sockets_open"]]
        figures.find(bool(left), f"{len(left)} gateways still have a socket")
        figures.find(self._fleet.end() != 0, "the gateways did not end well")

    def _end_exporter(self, trouble: float) -> None:
        """SIGTERM while gateways are in trouble, so that it finds targets in all kinds of states."""
        figures, process = self.figures, self._exporter.process
        self._fleet.tell("begin")
        time.sleep(trouble)
        figures.ended_in = dict(Counter(status["state"] for status in self._statuses()))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            figures.find(process.wait(END_SECONDS) != 0, "the exporter did not end well")
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR2)  # it tells on stderr where it is
            figures.find(True, f"the exporter had not ended after {END_SECONDS:g} s")
            time.sleep(1.0)
            return
        figures.ended_after = time.monotonic() - began

    def _burden(self) -> Burden:
        return Burden(exporter=self._exporter.process.pid, fleet=self._fleet.process.pid)

    def _scrape_and_reload(self, until: float) -> list[float]:
        """Scrape every second. Returns the resident memory at each scrape after those that warm up."""
        memory: list[float] = []
        process = psutil.Process(self._exporter.process.pid)
        began = next_scrape = time.monotonic()
        next_reload = began + RELOAD_SECONDS
        while (now := time.monotonic()) < until:
            if now >= next_reload:
                next_reload += RELOAD_SECONDS
                self._write(change=True)
                self._reload()
            before = time.monotonic()
            self._ask("/metrics")
            self.figures.scrapes.append(time.monotonic() - before)
            if time.monotonic() - began > WARM * (until - began):
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
        with urllib.request.urlopen(
            urllib.request.Request(url, method=method), timeout=ANSWER_SECONDS
        ) as response:
            return str(response.read().decode())

    def _scrape(self) -> dict[int, dict[str, float]]:
        """Whatever `/metrics` says of targets as wholes, by their number."""
        found: dict[int, dict[str, float]] = {}
        for name, number, value in SAMPLE.findall(self._ask("/metrics")):
            found.setdefault(int(number), {})[name] = float(value)
        return found

    def _statuses(self) -> list[dict[str, Any]]:
        """How the exporter says that it stands with each gateway."""
        targets: list[dict[str, Any]] = json.loads(self._ask("/api/v1/status?limit=1000"))["targets"]
        return [target for target in targets if target["name"] != GHOST["name"]]

    def _until_all_are_up(self, after: str) -> None:
        """Online, with fresh readings. Pauses that targets are in already may end first."""
        began = time.monotonic()
        burden = self._burden()
        longest = max(BACK_SECONDS, missing.longest_wait(self._statuses()) + 3 * CYCLE_SECONDS)
        while True:
            page = self._ask("/metrics")
            online = len(ONLINE.findall(page))
            up = len(UP.findall(page))
            self.figures.waits[after] = waited = time.monotonic() - began
            if online == up == self.figures.gateways:
                return
            if waited > longest:
                break
            time.sleep(1.0)
        told = missing.tell(self._statuses(), page, self._open_sockets())
        self.figures.find(
            True,
            f"{waited:.0f} s after {after} only {online} targets are online again, {up} up"
            f" ({burden.words()}):\n  " + "\n  ".join(told),
        )

    def _open_sockets(self) -> dict[str, int]:
        counts = self._fleet.tell("counts")
        return {
            f"gateway {number}": counts[str(port)]["sockets_open"]
            for number, (port, _) in enumerate(self._fleet.first)
        }

    def _census_at_rest(self) -> dict[str, Any]:
        """What the exporter holds while every gateway is left alone."""
        for number in range(self.figures.gateways):
            self._ask(f"/-/pause?target=gateway%20{number}&for=1h", "POST")
        deadline = time.monotonic() + BACK_SECONDS
        while any(self._open_sockets().values()):
            if time.monotonic() > deadline:
                left = [name for name, sockets in self._open_sockets().items() if sockets]
                self.figures.find(True, f"sockets are left in a pause at {', '.join(left)}")
                break
            time.sleep(0.2)
        time.sleep(2.0)  # a web server's keep-alive connections, and closing sockets' last turns
        os.kill(self._exporter.process.pid, signal.SIGUSR1)
        census: dict[str, Any] = self._exporter.hear()
        return census

    def _resume(self) -> None:
        for number in range(self.figures.gateways):
            self._ask(f"/-/resume?target=gateway%20{number}", "POST")

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


def run(seconds: float, gateways: int, seed: int = 1, *, night: bool = True) -> Figures:
    """One run in a folder of its own. Without `night` none sleeps: whoever does is away for five minutes."""
    with tempfile.TemporaryDirectory() as folder:
        return Soak(gateways, seed, Path(folder), night=night).run(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, default, meaning in (
        ("minutes", 20.0, "length of the troubles; a run takes some minutes more"),
        ("gateways", 200, "simulated gateways, half of them over TLS"),
        ("seed", 1, "what chance begins with, of which the troubles and the reloads come"),
    ):
        told = f"{meaning}; %(default)g by default"
        parser.add_argument(f"--{flag}", type=type(default), default=default, metavar="N", help=told)
    arguments = parser.parse_args()
    figures = run(arguments.minutes * 60.0, arguments.gateways, arguments.seed)
    print("\n".join(figures.lines()))  # noqa: T201
    for finding in figures.findings:
        print(f"FOUND: {finding}")  # noqa: T201
    return bool(figures.findings)


if __name__ == "__main__":
    sys.exit(main())
