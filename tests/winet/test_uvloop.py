"""Sessions live on uvloop's event loop as on Python's own."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from exporter import config
from exporter.simulator import SimulatedGateway
from exporter.telemetry import Counters
from exporter.winet.pool import Pool

uvloop = pytest.importorskip("uvloop")
pytestmark = pytest.mark.wire

LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@contextmanager
def gateway_elsewhere(tls: bool, faults: list[str]) -> Iterator[SimulatedGateway]:
    """A gateway on Python's own loop in another thread: simulated ones know no other."""
    gateway = SimulatedGateway("SH5.0RS", tls=tls, faults=faults)
    loop = asyncio.SelectorEventLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(gateway.start(), loop).result(20)
        yield gateway
        gone = asyncio.run_coroutine_threadsafe(gateway.until(lambda: gateway.counts.sockets_open == 0), loop)
        gone.result(20)
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def live(gateway: SimulatedGateway) -> Counters:
    """Refresh once and end."""
    transport = "wss" if gateway.tls else "ws"
    target = config.Target(host="127.0.0.1", port=gateway.port, name="roof", transport=transport)
    refreshed = asyncio.Event()

    def look(name: str) -> None:
        if pool.snapshot(name) is not None:
            refreshed.set()

    pool = Pool([target], on_change=look)
    async with asyncio.timeout(20), pool:
        await refreshed.wait()
    return pool.status("roof").counters


@pytest.mark.parametrize("faults", [[], ["never-closes"]])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
def test_session_refreshes_and_leaves_no_socket(
    loop: str, tls: bool, faults: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Over ws and wss, and from a gateway that never closes: at the end the connection is gone."""
    factory: Callable[[], asyncio.AbstractEventLoop] = LOOPS[loop]
    with gateway_elsewhere(tls, faults) as gateway, asyncio.Runner(loop_factory=factory) as runner:
        counters = runner.run(live(gateway))
    assert (counters.refreshes, counters.errors) == (1, {})
    assert gateway.counts.messages_received == counters.messages_sent
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
