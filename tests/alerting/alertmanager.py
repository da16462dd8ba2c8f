"""A real Alertmanager, and who gets its messages."""

import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.prometheus import tool

PATIENCE_SECONDS = 50  # before a message that does not come fails its test, and tells of the others
TIME_ZONE = "Europe/Berlin"  # of the messages' times; the example's is the same
TAKEN = {"ok": True, "result": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}}
"""What Telegram answers; webhooks do not mind."""
EXTERNAL_URL = "http://alertmanager.example:9093"


class Alertmanager:
    """Questions to a running Alertmanager, and what it logs."""

    def __init__(self, process: asyncio.subprocess.Process, file: Path) -> None:
        self._process = process
        self._file = file
        self._lines: list[str] = []
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read(), name="alertmanager log")
        self.url = ""

    @property
    def log(self) -> str:
        return "".join(self._lines)

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while line := (await self._process.stderr.readline()).decode():
            async with self._more:
                self._lines.append(line)
                self._more.notify_all()
        async with self._more:
            self._more.notify_all()

    async def line(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until so many lines of the log match, those of the past included; the last of them."""

        def found() -> list[re.Match[str]]:
            return [hit for line in self._lines if (hit := re.search(pattern, line))]

        async with self._more:
            await self._more.wait_for(lambda: len(found()) >= times or self._reading.done())
        hits = found()
        assert len(hits) >= times, self.log
        return hits[-1]

    async def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """What it holds of alerts with these labels; `status` tells which are inhibited."""
        filters = [("filter", f'{name}="{value}"') for name, value in labels.items()]
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/v2/alerts", params=filters) as answer,
        ):
            answer.raise_for_status()
            return list(await answer.json())

    async def post(self, *alerts: dict[str, Any]) -> None:
        """Tell it alerts, as Prometheus would."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/api/v2/alerts", json=alerts) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def reload(self, configuration: str) -> None:
        """Give it another configuration while it runs."""
        self._file.write_text(configuration, "utf-8")
        async with aiohttp.ClientSession() as http, http.post(f"{self.url}/-/reload") as answer:
            assert answer.status == 200, await answer.text()

    async def end(self) -> None:
        """Kill it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def alertmanager(configuration: str, folder: Path) -> AsyncIterator[Alertmanager]:
    """Run Alertmanager with a configuration, in a folder where its templates are; killed in the end."""
    (folder / "alertmanager.yml").write_text(configuration, "utf-8")
    process = await asyncio.create_subprocess_exec(
        tool("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        f"--web.external-url={EXTERNAL_URL}",
        "--web.route-prefix=/",
        "--cluster.listen-address=",
        "--log.level=debug",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
        env={**os.environ, "TZ": TIME_ZONE},
    )
    running = Alertmanager(process, folder / "alertmanager.yml")
    try:
        address = (await running.line(r"Listening on.* address=(\S+)"))[1]
        running.url = f"http://{address}"
        yield running
    finally:
        await running.end()


class Hook:
    """A server that gets the messages: each as (the receiver's path, the payload), in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.url = ""
        self._more = asyncio.Condition()

    async def _post(self, request: web.Request) -> web.Response:
        async with self._more:
            self.messages.append((request.path, await request.json()))
            self._more.notify_all()
        return web.json_response(TAKEN)

    async def message(
        self, fits: Callable[[str, dict[str, Any]], bool], patience: float = PATIENCE_SECONDS
    ) -> tuple[str, dict[str, Any]]:
        """The first message that fits; waited for."""

        def first() -> tuple[str, dict[str, Any]] | None:
            return next((message for message in self.messages if fits(*message)), None)

        try:
            async with asyncio.timeout(patience), self._more:
                await self._more.wait_for(first)
        except TimeoutError:
            raise AssertionError(f"no such message; there were:\n{self!r}") from None
        found = first()
        assert found is not None
        return found

    def __repr__(self) -> str:
        told = [
            (path, payload["status"], [(a["status"], a["labels"]) for a in payload["alerts"]])
            for path, payload in self.messages
        ]
        return "\n".join(map(str, told))


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    """Listen for messages on a free port."""
    here = Hook()
    app = web.Application()
    app.router.add_post("/{receiver:.*}", here._post)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield here
    finally:
        await runner.cleanup()


def rendered(
    template: str, data: dict[str, Any], templates: Path, *, html: bool = False, zone: str = TIME_ZONE
) -> str:
    """What a template of the file makes of a webhook's payload, by the real amtool."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        result = subprocess.run(
            [
                tool("amtool"), "template", "render",
                f"--template.glob={templates}",
                f'--template.text={{{{ template "{template}" . }}}}',
                f"--template.type={'html' if html else 'text'}",
                f"--template.data={file.name}",
            ],
            capture_output=True, text=True, check=False, env={**os.environ, "TZ": zone},
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout
