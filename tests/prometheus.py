"""A real Prometheus on samples of the past: written down as they come, backfilled, asked over HTTP."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest

READY_SECONDS = 60.0
LOOK_SECONDS = 0.2
RETENTION = "100y"  # nothing is too old to be asked for

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


async def until(condition: Callable[[], bool]) -> None:
    """Ask until it is so; the test's own time limit ends it."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110  the condition is a question over the network
        await asyncio.sleep(LOOK_SECONDS)


def installed_and_newer(variable: str) -> pytest.MarkDecorator:
    """The test with the installed `program`, which is "", and with that of Prometheus 3 in a variable."""
    newer = os.environ.get(variable, "")
    missing = pytest.mark.skipif(not newer, reason=f"{variable} names no program of Prometheus 3")
    return pytest.mark.parametrize(
        "program",
        [
            pytest.param("", marks=pytest.mark.real, id="installed"),
            pytest.param(newer, marks=[pytest.mark.packages, missing], id="3"),
        ],
    )


def tool(name: str) -> str:
    """The path of one of Prometheus' programs; without it the test fails, and says what to do."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not on the PATH: install Prometheus, or leave out tests marked `real`")
    return found


def metric_findings(text: bytes) -> list[str]:
    """What `promtool check metrics` has to say about a body in the text format, as far as it is news."""
    result = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    findings = [line for line in (result.stdout + result.stderr).decode().splitlines() if line]
    # the one name whose word promtool takes for a metric type; it is there only after a total went back
    return [line for line in findings if not line.startswith("winet2_counter_resets_total ")]


def labels_of(series: str) -> dict[str, str]:
    """The labels of a series as it stands in an exposition; escapes are left as they are."""
    return dict(_LABEL.findall(series))


class Backfill:
    """Sample lines of many scrapes, kept on disk by family until they are joined to one OpenMetrics file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._files: dict[str, TextIO] = {}

    def describe(self, family: str, head: str) -> None:
        """Begin a family with its HELP and TYPE, unless it has begun."""
        if family not in self._files:
            file = self._open.enter_context((self._folder / family).open("w", encoding="utf-8"))
            file.write(head)
            self._files[family] = file

    def add(self, family: str, line: str, seconds: int) -> None:
        self._files[family].write(f"{line} {seconds}\n")

    def join(self, path: Path) -> None:
        """One file, family after family."""
        self._open.close()
        with path.open("wb") as whole:
            for family in self._files:
                with (self._folder / family).open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)
            whole.write(b"# EOF\n")

    def close(self) -> None:
        self._open.close()


def make_blocks(openmetrics: Path, folder: Path, longest: str = "2h") -> None:
    """Turn an OpenMetrics file with times into Prometheus' own storage, in blocks up to `longest`."""
    result = subprocess.run(
        [
            *(tool("promtool"), "tsdb", "create-blocks-from", "-q", f"--max-block-duration={longest}"),
            *("openmetrics", openmetrics, folder),
        ],
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, (result.stdout + result.stderr).decode()


class Server:
    """Questions to a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str, at: float) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant query: the value of each series by its sorted labels."""
        result = self._ask("query", query=expression, time=str(at))
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in result}

    def now(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """What a query gives now, by some of the labels."""
        found = self.query(expression, time.time())
        return {
            tuple(dict(series).get(label, "") for label in labels): value for series, value in found.items()
        }

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health and its last error."""
        return [rule for group in self.data("rules")["groups"] for rule in group["rules"]]

    def range(
        self, expression: str, start: float, end: float, step: int
    ) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
        """A range query: the values of each series by time."""
        result = self._ask("query_range", query=expression, start=str(start), end=str(end), step=str(step))
        return {
            tuple(sorted(one["metric"].items())): {int(at): float(value) for at, value in one["values"]}
            for one in result
        }

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped at present, each with its health and its last error."""
        return list(self.data("targets", state="active")["activeTargets"])

    def _ask(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        return list(self.data(path, **parameters)["result"])

    def data(self, path: str, **parameters: Any) -> Any:
        """What is asked of the HTTP API, as it answers."""
        question = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(question, timeout=READY_SECONDS) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]


@contextmanager
def server(
    data: Path,
    folder: Path,
    config: str = "scrape_configs: []\n",
    *flags: str,
    program: str | None = None,
) -> Iterator[Server]:
    """Prometheus on a storage, by default with nothing to scrape; killed in the end, come what may.

    `program` is another Prometheus than the installed one; `flags` are further ones for it.
    """
    (folder / "prometheus.yml").write_text(config, "utf-8")
    url = f"127.0.0.1:{_free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program or tool("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={data}",
                f"--storage.tsdb.retention.time={RETENTION}",
                f"--web.listen-address={url}",
                "--log.level=warn",
                *flags,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(f"http://{url}", process, folder / "prometheus.log")
        yield Server(f"http://{url}")
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"Prometheus did not become ready:\n{log.read_text('utf-8')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
