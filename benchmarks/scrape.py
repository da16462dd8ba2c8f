"""A scrape of many targets that were all refreshed since the last one, against whoever has the bytes ready.

Both servers live in this process and take turns; who asks is another process. Nothing but the scrape is
measured: the refreshes before it have a row of their own.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from benchmarks.fleet import Fleet
from benchmarks.hints import busiest_functions
from benchmarks.measure import Comparison, Options, Report, Row, require, take_turns
from benchmarks.scraper import Scraper, scraper_process
from exporter.metrics.exposition import Format
from exporter.metrics.family import Family
from exporter.metrics.formats import Collected, metric_of
from exporter.web import packing
from exporter.web.server import Address, Server

HOME, FLEET = 10, 1_000
SMALLEST = 2, 20
ROUNDS, FEW_ROUNDS = 15, 3
BEAT_SECONDS = 0.001
GZIP = 16 + zlib.MAX_WBITS

BARE = "a bare aiohttp handler that has the same bytes ready."
CLIENT = "prometheus_client.generate_latest over the same samples, handed to it as metrics to be written."
ZLIB = "zlib at level 1 over the same bytes, without any server."
WHEEL = "isal at its quickest level over the same bytes, without any server."
MOST_HOLD_MS = 20.0
MOST_HOME_MS = 2.0


@dataclass(slots=True)
class Both:
    """Our server and the bare one, in front of one fleet."""

    fleet: Fleet
    scraper: Scraper
    port: int
    bare_port: int
    body: bytes

    async def scrape(self, port: int, encoding: str = "identity") -> float:
        """CPU seconds of one scrape."""
        gc.collect()
        began = time.process_time()
        length = await asyncio.to_thread(self.scraper.fetch, port, "/metrics", encoding)
        seconds = time.process_time() - began
        require(abs(length / len(self.body) - 1) < 0.01, "a scrape has a body as long as it should be")
        return seconds

    async def ours(self, encoding: str = "identity") -> float:
        self.fleet.refresh()
        return await self.scrape(self.port, encoding)

    async def bare(self) -> float:
        return await self.scrape(self.bare_port)

    async def longest_hold(self, scrapes: int) -> float:
        """For how many seconds at most a scrape kept others from their turn."""
        longest = 0.0
        for _ in range(scrapes):
            self.fleet.refresh()
            gc.collect()  # what this benchmark leaves behind is not the scrape's
            heart = asyncio.create_task(_longest_gap(), name="heartbeat")
            await asyncio.sleep(5 * BEAT_SECONDS)
            await asyncio.to_thread(self.scraper.fetch, self.port, "/metrics")
            heart.cancel()
            longest = max(longest, await heart)
        return longest


async def _longest_gap() -> float:
    """CPU time of the loop between two beats: what others on the computer do is not the scrape's."""
    longest = 0.0
    try:
        while True:
            began = time.thread_time()
            await asyncio.sleep(BEAT_SECONDS)
            longest = max(longest, time.thread_time() - began)
    except asyncio.CancelledError:
        return longest


@contextmanager
def served(runner: asyncio.Runner, scraper: Scraper, targets: int, *, whole: bool) -> Iterator[Both]:
    fleet = Fleet(targets, whole=whole)
    for _ in range(3):  # so that lifetime totals are believed
        fleet.refresh()
    body = fleet.exposition.render(Format.TEXT)
    server = Server(fleet.exposition, dict, lambda: True)
    (address,) = runner.run(server.start([Address("127.0.0.1", 0)]))
    application = web.Application()
    headers = {"Content-Type": Format.TEXT.value}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    application.router.add_get("/metrics", answer)
    bare = web.AppRunner(application, access_log=None)
    runner.run(bare.setup())
    runner.run(web.TCPSite(bare, "127.0.0.1", 0).start())
    try:
        yield Both(fleet, scraper, address.port, bare.addresses[0][1], body)
    finally:
        runner.run(server.aclose())
        runner.run(bare.cleanup())


def run(options: Options) -> Report:
    home, fleet = SMALLEST if options.smallest else (HOME, FLEET)
    rounds, few = (2, 1) if options.smallest else (ROUNDS, FEW_ROUNDS)
    rows: list[Row] = []
    notes: list[str] = []
    with scraper_process() as scraper, asyncio.Runner() as runner:
        with served(runner, scraper, home, whole=True) as both:
            comparison = _against_bare(runner, both, rounds)
            seconds = sorted(comparison.ours)[rounds // 2]
            rows.append(Row("scrape of a home", "ms", seconds * 1e3, limit=MOST_HOME_MS, limit_is="ours"))
            notes.append(_size(both, home))
        with served(runner, scraper, fleet, whole=False) as both:
            rows.append(_against_bare(runner, both, rounds).row("scrape of a fleet", "ms", 1e-3, 2.0, BARE))
            rows.append(
                _against_client(runner, both, few).row(
                    "scrape and prometheus_client", "ms", 1e-3, 1 / 50, CLIENT
                )
            )
            rows.append(_packed(runner, both, rounds, "fleet"))
            notes.append(_size(both, fleet))
        with served(runner, scraper, fleet, whole=True) as both:
            _check(both)
            rows.append(_against_bare(runner, both, rounds).row("scrape of hybrids", "ms", 1e-3, 2.0, BARE))
            rows.append(_packed(runner, both, rounds, "hybrids"))
            hold = runner.run(both.longest_hold(rounds))
            rows.append(
                Row("longest turn of a scrape", "ms", hold * 1e3, limit=MOST_HOLD_MS, limit_is="ours")
            )
            notes.append(_size(both, fleet))
            rows.append(_update(both.fleet, rounds, fleet))
            if options.profile:
                profiler = cProfile.Profile(time.process_time)
                updates = both.fleet.updates()
                profiler.runcall(lambda: [both.fleet.exposition.update(*one) for one in updates])
                notes += busiest_functions(profiler)
        # not before: a thread in which isal has run packs with zlib at less than half the speed
        for whole, name in ((False, "fleet"), (True, "hybrids")):
            with served(runner, scraper, fleet, whole=whole) as both:
                rows += _packed_with_speed(runner, both, rounds, name)
    rows.append(_memory(home if options.smallest else 100))
    return Report(tuple(rows), tuple(notes))


def _size(both: Both, targets: int) -> str:
    series = sum(1 for line in both.body.split(b"\n") if line and not line.startswith(b"#"))
    return (
        f"{targets} targets, {series} series, {len(both.body) / 1e6:.1f} MB; all refreshed before each scrape"
    )


def _check(both: Both) -> None:
    """The lines that a scrape joins are those that prometheus_client would write."""
    metrics = _metrics(both.fleet)
    expected = generate_latest(Collected(metrics))
    rendered = both.fleet.exposition.render(Format.TEXT)
    require(rendered.startswith(expected), "ready lines are those of prometheus_client")


def _metrics(fleet: Fleet) -> list[Metric]:
    metrics: dict[Family, Metric] = {}
    for family, labels, value in fleet.exposition.rows():
        metric = metrics.get(family)
        if metric is None:
            metric = metrics[family] = metric_of(family)
        metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
    return list(metrics.values())


def _against_bare(runner: asyncio.Runner, both: Both, rounds: int) -> Comparison:
    take_turns(lambda: runner.run(both.ours()), lambda: runner.run(both.bare()), 1)  # warms up both
    return take_turns(lambda: runner.run(both.ours()), lambda: runner.run(both.bare()), rounds)


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _against_client(runner: asyncio.Runner, both: Both, rounds: int) -> Comparison:
    collected = Collected(_metrics(both.fleet))
    return take_turns(
        lambda: runner.run(both.ours()), lambda: _cpu(lambda: generate_latest(collected)), rounds
    )


def _packed(runner: asyncio.Runner, both: Both, rounds: int, name: str) -> Row:
    """With Python alone."""
    fastest = packing.library
    packing.library = lambda: zlib
    floor = lambda: _cpu(lambda: zlib.compress(both.body, 1, GZIP))  # noqa: E731
    try:
        take_turns(lambda: runner.run(both.ours("gzip")), floor, 2)  # then what stays is packed
        comparison = take_turns(lambda: runner.run(both.ours("gzip")), floor, rounds)
    finally:
        packing.library = fastest
    return comparison.row(f"{name} packed", "ms", 1e-3, 1.2, ZLIB)


def _packed_with_speed(runner: asyncio.Runner, both: Both, rounds: int, name: str) -> Iterator[Row]:
    """With the extra, if it is installed."""
    fastest = packing.library()
    if fastest is zlib:
        return
    floor = lambda: _cpu(lambda: fastest.compress(both.body, 0, GZIP))  # noqa: E731
    take_turns(lambda: runner.run(both.ours("gzip")), floor, 2)
    comparison = take_turns(lambda: runner.run(both.ours("gzip")), floor, rounds)
    yield comparison.row(f"{name} packed with speed", "ms", 1e-3, 2.0, WHEEL)


def _update(fleet: Fleet, rounds: int, targets: int) -> Row:
    def once() -> float:
        updates = fleet.updates()
        gc.collect()
        return _cpu(lambda: [fleet.exposition.update(*one) for one in updates]) / targets

    seconds = sorted(once() for _ in range(rounds))[rounds // 2]
    return Row("update of a hybrid", "µs", seconds * 1e6)


def _memory(targets: int) -> Row:
    """What lines take, beside readings and statuses."""
    fleet = Fleet(targets)
    tracemalloc.start()
    try:
        for _ in range(4):
            fleet.refresh()
        gc.collect()
        found = tracemalloc.take_snapshot().filter_traces(
            [
                tracemalloc.Filter(True, f"*/exporter/metrics/{name}.py")
                for name in ("ready", "lines", "columns")
            ]
        )
    finally:
        tracemalloc.stop()
    held = sum(trace.size for trace in found.traces) / targets
    return Row("memory of lines a hybrid", "kB", held / 1024)
