"""Many simulated gateways in a process of their own, each with troubles of its own by chance.

`python -m tests.endurance.fleet` tells its ports as a line of JSON, then obeys lines on standard input and
answers each with a line: `begin`, `calm`, `counts`. It ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from exporter.simulator import SimulatedGateway, load_profile, prepare_certificates

PLAIN, SECURE = "SH5.0RS", "SG10RS"  # a hybrid without login over ws, a string inverter with login over wss
NOON, MIDNIGHT = 12, 0
QUIET_SECONDS = 45.0  # on average, between two troubles of one gateway
LONGEST_TROUBLE = 12.0

# All that goes by itself; refused logins and the like ask for half an hour and are in the matrix of faults.
# A line that is opened anew is what the faults of an opening wait for.
TROUBLES: tuple[tuple[str, ...], ...] = (
    ("drop:times=1",),
    ("drop:times=2:after=3",),
    ("reset:times=1",),
    ("reset:half=1:times=1",),
    ("silence:times=1",),
    ("slow:seconds=2:times=3",),
    ("slow:seconds=8:times=1",),
    ("garbage:times=1",),
    ("split:times=3",),
    ("compact",),
    ("huge:times=1:size=1500000",),
    ("wrong-service:times=1",),
    ("notice:times=2",),
    ("notice:code=100:times=1",),
    ("user-limit",),
    ("token-expired:times=1",),
    ("login-timeout:times=1",),
    ("busy:times=3",),
    ("read-failed:times=3",),
    ("refused-service:times=2",),
    ("no-data:times=2",),
    ("missing-data:times=1",),
    ("no-token:times=1", "drop:times=1"),
    ("redirect:times=1", "drop:times=1"),
    ("upgrade-refused:times=2", "drop:times=1"),
    ("mute:times=1", "reset:times=1"),
    ("certificate-changed:times=1", "drop:times=1"),
    ("no-pong",),
    ("all-zeros:times=2",),
    ("total-steps-back:times=2",),
    ("total-spikes:times=2",),
    ("never-closes:times=1", "garbage:times=1"),
    ("device-vanishes:device=1:times=3",),
    ("gateway-vanishes:seconds=4",),
    ("gateway-vanishes:seconds=1",),
)


def clock_from(hour: int) -> Callable[[], datetime]:
    """A gateway's clock: this hour of a day in summer now, whatever it is outside."""
    began, started = datetime(2026, 6, 21, hour, tzinfo=UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - started)


class Fleet:
    """Its gateways, and the tasks that trouble them.

    With `night` every second string inverter lives by night: when it vanishes, it is taken to be asleep.
    """

    def __init__(self, size: int, seed: int, *, night: bool) -> None:
        plain, secure = load_profile(PLAIN), load_profile(SECURE)
        self.gateways = [
            SimulatedGateway(
                secure if place % 2 else plain,
                tls=bool(place % 2),
                now=clock_from(MIDNIGHT if night and place % 4 == 3 else NOON),
                log_size=1,
            )
            for place in range(size)
        ]
        self._rng = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.troubles = 0

    async def start(self) -> None:
        for gateway in self.gateways:
            await gateway.start()

    async def stop(self) -> None:
        await self.calm()
        await asyncio.gather(*(gateway.stop() for gateway in self.gateways))

    def begin(self) -> None:
        """Let trouble come to each gateway at its own times."""
        for gateway in self.gateways:
            self._tasks.add(asyncio.create_task(self._trouble(gateway, random.Random(self._rng.random()))))

    async def _trouble(self, gateway: SimulatedGateway, rng: random.Random) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(1.0 / QUIET_SECONDS))
            for fault in rng.choice(TROUBLES):
                gateway.inject(fault)
                self.troubles += 1
            await asyncio.sleep(rng.uniform(0.0, LONGEST_TROUBLE))
            await gateway.clear()

    async def calm(self) -> None:
        """No more troubles, and the present ones are over."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()
        await asyncio.gather(*(gateway.clear() for gateway in self.gateways))

    async def obey(self, command: str) -> object:
        match command:
            case "begin":
                self.begin()
            case "calm":
                await self.calm()
            case "counts":
                return {
                    str(gateway.port): gateway.counts.as_dict() | {"tls": gateway.tls}
                    for gateway in self.gateways
                }
        return {"troubles": self.troubles}


async def serve(size: int, seed: int, *, night: bool) -> None:
    fleet = Fleet(size, seed, night=night)
    await fleet.start()
    print(json.dumps([[gateway.port, gateway.tls] for gateway in fleet.gateways]), flush=True)  # noqa: T201
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            print(json.dumps(await fleet.obey(line.decode().strip())), flush=True)  # noqa: T201
    finally:
        await fleet.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=200, metavar="N", help="how many; 200 by default")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what chance begins with")
    parser.add_argument("--night", action="store_true", help="half of the string inverters live by night")
    arguments = parser.parse_args()
    prepare_certificates()
    asyncio.run(serve(arguments.gateways, arguments.seed, night=arguments.night))


if __name__ == "__main__":
    main()
