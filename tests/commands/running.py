"""The installed program as a process of its own, and what it says."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

ENOUGH_SECONDS = 40  # before a hanging process fails its test


class Running:
    """A started `winet-exporter`; its standard error is kept in `log`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""
        self.out = ""

    async def line(self, pattern: str, *, out: bool = False) -> re.Match[str]:
        """Read standard error (or output) until a line matches."""
        stream = self.process.stdout if out else self.process.stderr
        assert stream is not None
        async with asyncio.timeout(ENOUGH_SECONDS):
            while text := (await stream.readline()).decode():
                if out:
                    self.out += text
                else:
                    self.log += text
                if match := re.search(pattern, text):
                    return match
        raise AssertionError(f"no line {pattern!r} in:\n{self.out}{self.log}")

    async def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code; what was printed until then is kept."""
        self.process.send_signal(by)
        async with asyncio.timeout(ENOUGH_SECONDS):
            out, log = await self.process.communicate()
        self.out += out.decode()
        self.log += log.decode()
        return self.process.returncode or 0


@asynccontextmanager
async def running(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Start `python -m exporter …`; it is killed if the test leaves it alive."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "exporter", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean_environment(), **(env or {})},
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    async with running(*arguments, env=env) as command, asyncio.timeout(ENOUGH_SECONDS):
        out, log = await command.process.communicate()
        return command.process.returncode or 0, out.decode(), log.decode()


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("WINET_")}


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.text()
