"""The whole program at rest: CPU time and memory of `serve` with one gateway, and how soon it has metrics.

Everything is a process of its own: the gateway, the exporter, and two that import what the exporter imports
and do nothing, as floors of its memory. Last comes what the import of the program itself costs.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from benchmarks.gateway import gateway_process
from benchmarks.hints import imports_by_memory
from benchmarks.measure import (
    CLOCK_TICKS,
    Options,
    Report,
    Row,
    cpu_seconds,
    require,
    resident_kilobytes,
    take_turns,
)
from exporter.commands.process import fast_loop

SECONDS = 45.0
SMALLEST_SECONDS = 12.0
REFRESH_SECONDS = 10
SCRAPE_SECONDS = 15.0
STARTS = 5  # for the time to the first metrics; the last one stays for the rest
START_SECONDS = 30.0  # longer and something is wrong
POLL_SECONDS = 0.005  # between two looks for the first metrics
MOST_CPU_PERCENT = 0.5
MOST_KILOBYTES_ABOVE = 8192
MOST_SECONDS_TO_METRICS = 1.0
MOST_IMPORT_RATIO = 1.2
IMPORTS = 9  # of each side

PLAIN_DEPENDENCIES = "import aiohttp, aiohttp.web, prometheus_client, dataclasses_json, yaml"
if fast_loop() is not None:
    PLAIN_DEPENDENCIES += ", uvloop"  # where it is installed, `serve` uses it
PLAIN_FLOOR = (
    "a Python that has imported the dependencies of any line and does nothing: all above it is ours."
)
PROGRAM = "import exporter.cli, exporter.commands.serve as serve\nserve.process.fast_loop()"
IMPORT_FLOOR = "the import of the dependencies that `serve` imports for a plain line, alone."

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


class Exporter:
    """A running `serve`, seen as Prometheus sees it: over one connection that is kept."""

    def __init__(self, process: subprocess.Popen[str], began: float) -> None:
        self.pid = process.pid
        host, port = _listening(process)
        self._http = http.client.HTTPConnection(host, port, timeout=START_SECONDS)
        while not self.up():
            require(time.monotonic() - began < START_SECONDS, "there are metrics soon after the start")
            time.sleep(POLL_SECONDS)
        self.seconds_to_metrics = time.monotonic() - began

    def scrape(self) -> dict[str, list[float]]:
        """The values of all samples, by name."""
        self._http.request("GET", "/metrics", headers={"Accept": ACCEPT})
        response = self._http.getresponse()
        body = response.read().decode("utf-8")
        require(response.status == http.client.OK, "a scrape is answered")
        found: dict[str, list[float]] = {}
        for family in text_string_to_metric_families(body):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(float(sample.value))
        return found

    def up(self) -> bool:
        return self.scrape().get("winet2_up") == [1.0]

    def close(self) -> None:
        self._http.close()


def _listening(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Where it listens, by its own log."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("msg") == "listening":
            host, _, port = str(entry["addresses"]).rpartition(":")
            return host, int(port)
    raise RuntimeError("the exporter has ended:\n" + "".join(seen))


@contextmanager
def exporter_process(configuration: Path) -> Iterator[Exporter]:
    command = [
        sys.executable, "-m", "exporter", "serve", f"--config.file={configuration}",
        "--web.listen-address=127.0.0.1:0", "--log.format=json",
    ]  # fmt: skip
    began = time.monotonic()
    # Its log has a few lines after the start, far less than what a pipe holds unread.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        exporter = None
        try:
            exporter = Exporter(process, began)
            yield exporter
        finally:
            if exporter is not None:
                exporter.close()
            process.terminate()
            process.wait()


def memory_of(statement: str) -> int:
    """Resident memory of a Python that has run this statement, in kB."""
    command = [sys.executable, "-c", f"{statement}\nprint(flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        held = resident_kilobytes(process.pid)
        process.communicate(b"\n")
    return held


def import_seconds(statement: str) -> float:
    """CPU time of a statement in a Python of its own, without what Python itself takes to start."""
    code = f"import time; began = time.process_time()\n{statement}\nprint(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def run(options: Options) -> Report:
    seconds, starts = (SMALLEST_SECONDS, 1) if options.smallest else (SECONDS, STARTS)
    rows: list[Row] = []
    for transport in ("ws", "wss"):
        with gateway_process(tls=transport == "wss") as port, tempfile.TemporaryDirectory() as folder:
            configuration = _configure(Path(folder), port, transport)
            with exporter_process(configuration):
                pass  # the first start may have to read from the disk
            latencies = []
            for _ in range(starts):
                with exporter_process(configuration) as exporter:
                    latencies.append(exporter.seconds_to_metrics)
            with exporter_process(configuration) as exporter:
                percent, held = _watch(exporter, seconds)
        floor = memory_of(PLAIN_DEPENDENCIES)
        rows += (
            Row(f"{transport} idle cpu", "%", percent, limit=MOST_CPU_PERCENT, limit_is="ours"),
            Row(
                f"{transport} idle memory", "kB", held, floor, held / floor,
                limit=MOST_KILOBYTES_ABOVE, limit_is="excess", floor_is=PLAIN_FLOOR,
            ),
            Row(f"{transport} first metrics", "s", sorted(latencies)[len(latencies) // 2],
                limit=MOST_SECONDS_TO_METRICS, limit_is="ours"),
        )  # fmt: skip
    imports = take_turns(
        lambda: import_seconds(PROGRAM),
        lambda: import_seconds(PLAIN_DEPENDENCIES),
        1 if options.smallest else IMPORTS,
    )
    rows.append(imports.row("import", "ms", 1e-3, MOST_IMPORT_RATIO, IMPORT_FLOOR))
    notes = [
        f"one gateway, refreshed every {REFRESH_SECONDS} s and scraped every {SCRAPE_SECONDS:g} s, "
        f"watched for {seconds:g} s; CPU time is counted in steps of {100.0 / CLOCK_TICKS / seconds:.3f} %",
        "first metrics: process start to the first scrape with winet2_up 1",
    ]
    if options.profile:
        notes += imports_by_memory(PLAIN_DEPENDENCIES, "exporter.commands.serve")
    return Report(tuple(rows), tuple(notes))


def _configure(folder: Path, port: int, transport: str) -> Path:
    target = {"name": "roof", "host": f"127.0.0.1:{port}", "transport": transport}
    path = folder / "winet.yaml"
    path.write_text(json.dumps({"refresh_interval": f"{REFRESH_SECONDS}s", "targets": [target]}), "utf-8")
    return path


def _watch(exporter: Exporter, seconds: float) -> tuple[float, int]:
    """CPU in percent of one core and resident kB of an exporter that has started."""
    before = exporter.scrape()["winet2_refreshes_total"]
    began, used = time.monotonic(), cpu_seconds(exporter.pid)
    scrape_at = began
    while (now := time.monotonic()) < began + seconds:
        scrape_at += SCRAPE_SECONDS
        time.sleep(max(0.0, min(scrape_at, began + seconds) - now))
        if scrape_at <= began + seconds:
            exporter.scrape()
    used = cpu_seconds(exporter.pid) - used
    percent = used / (time.monotonic() - began) * 100.0
    held = resident_kilobytes(exporter.pid)
    found = exporter.scrape()
    refreshes = found["winet2_refreshes_total"][0] - before[0]
    require(refreshes >= seconds // REFRESH_SECONDS, "it went on refreshing")
    require(found["winet2_up"] == [1.0], "the target stayed up")
    require(found["winet2_ws_connection_attempts_total"] == [1.0], "it stayed connected")
    require(not any(found["winet2_errors_total"]), "nothing went wrong")
    return percent, held
