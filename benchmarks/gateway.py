"""A simulated gateway in a process of its own, so that its CPU time is not taken for the exporter's.

`python -m benchmarks.gateway` tells its port on standard output, and ends when its standard input does:
it cannot outlive the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from exporter.simulator import Profile, SimulatedGateway, load_profile

PROFILE = "SH10RT"  # a hybrid with three phases
MORNING = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
STEP = timedelta(seconds=10.0) / 3  # a refresh has three questions and is due every ten seconds


def hybrid_alone() -> Profile:
    """The inverter without the devices beside it, open to all: three questions bring all its readings."""
    profile = load_profile(PROFILE)
    return dataclasses.replace(profile, devices=profile.devices[:1], login_required=False)


def stepping_time() -> Callable[[], datetime]:
    """A plant's time that goes on with each question, however fast they come.

    So from one refresh to the next as many readings change as would in life.
    """
    steps = itertools.count()
    return lambda: MORNING + next(steps) * STEP


@contextmanager
def gateway_process(*, tls: bool) -> Iterator[int]:
    """Run the gateway; gives its port on 127.0.0.1."""
    command = [sys.executable, "-m", "benchmarks.gateway", "--tls" if tls else "--no-tls"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait()


async def serve(tls: bool) -> None:
    gateway = SimulatedGateway(hybrid_alone(), tls=tls, now=stepping_time(), log_size=1)
    async with gateway:
        print(gateway.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=False)
    asyncio.run(serve(parser.parse_args().tls))
