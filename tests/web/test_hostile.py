"""Requests that no scraper sends: they are refused or answered, hold nobody up, and dial nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import config
from exporter.commands.running import Exporter
from exporter.simulator import SimulatedGateway
from exporter.web.operations import Operations
from exporter.web.server import Address, Server
from tests.harness import CATALOGUE, OLD, Harness, config_text

SECONDS = 20.0  # of the loop's time, before an answer that does not come fails its test


@dataclass
class World:
    """A served exporter without targets; `gateway` may be probed, and never should be."""

    port: int
    gateway: SimulatedGateway
    exporter: Exporter

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send raw bytes on a line of its own; status and all of the answer, status 0 for none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(SECONDS):
                answer = await reader.read()
        except ConnectionError:
            answer = b""
        finally:
            writer.close()
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0, answer

    async def get(self, path: str | bytes, *headers: bytes) -> tuple[int, bytes]:
        path = path.encode() if isinstance(path, str) else path
        lines = [b"GET " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
        return await self.send(b"\r\n".join(lines) + b"\r\n\r\n")

    async def check(self) -> None:
        """It lives, has no more sessions than before, and nobody was dialled."""
        status, answer = await self.get("/-/healthy")
        assert (status, answer.endswith(b"Healthy\n")) == (200, True)
        assert self.exporter.pool.names == self.exporter.probe_pool.names == ()
        assert self.gateway.counts.tcp_accepted == 0


@asynccontextmanager
async def serving(harness: Harness) -> AsyncIterator[World]:
    gateway = await harness.gateway(OLD)
    document = config_text({"probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}})
    exporter = Exporter(
        config.parse(document, source="test", folder=Path("/")), CATALOGUE, clock=harness.loop.time
    )
    operations = Operations(
        probe=exporter.probe, discovery=exporter.discovery, configuration=exporter.configuration,
        reload=exporter.reload, pause=exporter.pool.pause, resume=exporter.pool.resume, lifecycle=True,
    )  # fmt: skip
    server = Server(
        exporter.exposition, exporter.pool.statuses, exporter.tasks_alive, clock=harness.loop.time,
        operations=operations,
    )  # fmt: skip
    (address,) = await server.start([Address("127.0.0.1", 0)])
    async with exporter:
        yield World(address.port, gateway, exporter)
        await server.aclose()


@pytest.fixture
async def world(harness: Harness) -> AsyncIterator[World]:
    async with serving(harness) as made:
        yield made


# Too large -------------------------------------------------------------------------------------------

HEAD = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.mark.parametrize("size", [20_000, 1_000_000])
@pytest.mark.parametrize(
    "request_of",
    [
        lambda n: b"GET /" + b"a" * n + HEAD + b"\r\n",
        lambda n: b"GET /metrics" + HEAD + b"X-A: " + b"a" * n + b"\r\n\r\n",
        lambda n: b"GET /metrics" + HEAD + b"a" * n + b": b\r\n\r\n",
        lambda n: b"a" * n + b" /" + HEAD + b"\r\n",
    ],
    ids=["path", "header", "header name", "method"],
)
async def test_request_that_is_too_large_is_refused(
    world: World, request_of: Callable[[int], bytes], size: int
) -> None:
    """With a status of its own, or a closed line if it does not stop sending."""
    status, answer = await world.send(request_of(size))
    assert status in (0, 400, 414, 431), answer[:200]
    assert status or size > 500_000
    assert b"Traceback" not in answer
    await world.check()


@pytest.mark.parametrize("size", [301, 7_000])
async def test_probe_of_an_endless_target_is_400_and_does_not_repeat_it(world: World, size: int) -> None:
    """What was sent is not sent back."""
    status, answer = await world.get(b"/probe?target=" + b"1" * size)
    assert status == 400
    assert b"1" * 300 not in answer
    await world.check()


# Paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%2e%2e/", "//metrics", "///",
        "/metrics/",
        "/metrics//", "/metrics%00", "/metrics%0d%0aX-Evil:1", "/METRICS", "/-/../etc/passwd", "/-/",
        "/config/",
        "/config/../../etc/passwd", "/probe/..%2fconfig", "/.git/config", "/%c0%ae%c0%ae/", "/metrics;x",
        "/api/v1/status/", "/api/v1/../../winet.yml", "/\\..\\winet.yml", "/<script>alert(1)</script>",
    ],
)  # fmt: skip
async def test_path_that_is_no_route_is_404_and_is_not_shown(world: World, path: str) -> None:
    """There are no files behind the server, and no way to write a page through an error."""
    status, answer = await world.get(path)
    assert status in (400, 404), answer[:200]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"X-Evil" not in head
    assert b"<script" not in body
    assert b"root:" not in body
    assert len(body) < 500
    await world.check()


@pytest.mark.parametrize("path", ["/./metrics", "/-/../metrics", "/%2e/metrics", "/%6detrics"])
async def test_path_in_another_writing_is_the_same_route_or_none(world: World, path: str) -> None:
    """Never something else."""
    status, answer = await world.get(path)
    assert status in (200, 404)
    assert (status == 404) or b"winet2_" in answer
    await world.check()


# Not HTTP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
        b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\xff\xfe\r\n\r\n",
        b"GET http://evil.example/metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    ],
)  # fmt: skip
async def test_bytes_that_are_no_request_are_refused(world: World, request_bytes: bytes) -> None:
    """Another protocol, two lengths, a proxy's request: nothing is done and nobody dialled."""
    status, answer = await world.send(request_bytes)
    assert status in (0, 200, 400, 404, 405, 505), answer[:200]
    assert status != 200 or b"winet2_" in answer
    assert b"Reloaded" not in answer
    assert b"Traceback" not in answer
    await world.check()


async def test_clients_that_send_a_byte_a_second_hold_nobody_up(harness: Harness, world: World) -> None:
    """Two hundred of them, and every other request is answered at once; in the end they are, too."""
    lines = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(200)]
    request = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for place in range(len(request)):
        for _, writer in lines:
            writer.write(request[place : place + 1])
        await harness.pass_time(1)
        if place % 10 == 0:
            began = harness.loop.time()
            assert (await world.get("/metrics"))[0] == 200
            assert harness.loop.time() - began < 1
    for reader, writer in lines:
        assert (await reader.read()).endswith(b"Healthy\n")
        writer.close()
    await world.check()


async def test_clients_that_do_not_read_hold_nobody_up(harness: Harness, world: World) -> None:
    """Their answers wait; those of the others do not."""
    lines = [await asyncio.open_connection("127.0.0.1", world.port, limit=1) for _ in range(20)]
    for _, writer in lines:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
    assert (await world.get("/metrics"))[0] == 200
    for _, writer in lines:
        writer.transport.abort()
    await world.check()
