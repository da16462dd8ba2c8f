"""What is kept of gateways that invent, fail or are asked for once: no more than there is of them now."""

import asyncio
import gc
import logging
import re
import socket
import threading
from collections.abc import Mapping
from itertools import count
from types import FunctionType, ModuleType
from typing import Any

import aiohttp
import pytest

from exporter.metrics.mapping import MOST_UNLISTED
from exporter.winet.connection import Connection
from exporter.winet.memory import Memory
from exporter.winet.names import THREAD_NAME, SystemResolver
from tests.endurance.peers import Caller, item, peer, reading, reply
from tests.harness import OLD, Harness


def living(kind: type) -> list[object]:
    """Every object of a class that somebody still holds."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, kind)]


@pytest.mark.parametrize("fault", ["garbage", "drop", "silence", "token-expired", "user-limit:times=0"])
async def test_session_when_its_line_was_lost_then_nothing_of_the_line_is_kept(
    harness: Harness, fault: str
) -> None:
    """An outage may last for days: the last words of a gateway and its socket must not."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    gateway.inject(f"{fault}:service=real")
    await harness.until(lambda: harness.pool.status("roof").state in ("backing_off", "yielded"))
    assert harness.pool.status("roof").error
    assert living(Connection) == []


@pytest.mark.parametrize("fault", ["reset", "reset:half=1", "drop"])
async def test_session_when_its_line_was_lost_then_no_collection_is_needed_to_be_rid_of_it(
    harness: Harness, fault: str
) -> None:
    """Collections of what is old are rare, and a lost TLS line holds up to 256 kB unknown to them."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    gc.collect()
    gc.disable()
    try:
        gateway.inject(f"{fault}:service=real")
        await harness.until(lambda: harness.pool.status("roof").state == "backing_off")
        left = [thing for thing in gc.get_objects() if isinstance(thing, aiohttp.ClientWebSocketResponse)]
    finally:
        gc.enable()
    assert left == []


def strings_within(*roots: object) -> set[str]:
    """Every text that can be reached from these objects by what they hold."""
    gc.collect()
    seen: set[int] = set()
    found: set[str] = set()
    ahead: list[object] = list(roots)
    while ahead:
        thing = ahead.pop()
        if isinstance(thing, str):
            found.add(thing)
        elif id(thing) not in seen and not isinstance(thing, type | ModuleType | FunctionType | asyncio.Task):
            seen.add(id(thing))
            ahead += gc.get_referents(thing)
            if isinstance(thing, dict):
                ahead += thing  # keys that are text are not among them
    return found


class Inventor:
    """A gateway whose every list has new devices, with new keys, states, inputs and totals that step back."""

    DEVICES = 8
    FIRST_ID = 900_000

    def __init__(self) -> None:
        self._numbers = count(self.FIRST_ID)
        self._asked = 0
        self._since_list = 0
        self.devices = 0

    async def handle(self, caller: Caller) -> None:
        await caller.upgrade()
        await caller.converse(self.answer)

    def answer(self, question: Mapping[str, Any]) -> str:
        self._asked += 1
        self._since_list += 1
        match question["service"]:
            case "connect":
                return reply("connect", token="T")
            case "devicelist":
                self._since_list = 0
                ids = [next(self._numbers) for _ in range(self.DEVICES)]
                self.devices += len(ids)
                return reply("devicelist", list=[item(n, f"N{n}") for n in ids])
            case "real":
                high = self._since_list <= (3 + 2) * self.DEVICES  # two cycles; the first asks for a battery
                entries = [
                    reading("I18N_COMMON_PV_TOTAL_ENERGY_GENERATION", "5000" if high else "100", "kWh"),
                    reading(f"I18N_NEW_{self._asked}", "1", "V"),
                    reading("I18N_COMMON_RUNNING_STATE", f"I18N_COMMON_NEW_{self._asked}"),
                ]
                return reply("real", list=entries)
            case "direct":
                volts = {"voltage": "1", "voltage_unit": "V", "current": "1", "current_unit": "A"}
                return reply("direct", list=[{"name": f"MPPT{self._asked}"} | volts])
            case service:
                return reply(service, code=211)


async def test_session_when_devices_are_new_at_every_list_then_it_knows_those_of_now(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Nowhere is there a word of a device that was listed hours ago, but for the hundred latest."""
    caplog.set_level(logging.CRITICAL)
    inventor = Inventor()
    async with peer(inventor.handle) as server:
        target = {"host": server.address, "name": "roof", "transport": "ws", "refresh_interval": "120s"}
        await harness.start(target | {"gateway_services": False})
        await harness.pass_time(24 * 720)
        resets = harness.values("winet2_counter_resets_total")
        texts = strings_within(harness.pool._sessions["roof"], harness.exposition)
        await harness.stop()
    kept = MOST_UNLISTED + Inventor.DEVICES
    assert inventor.devices > kept + 40
    numbers = {int(n) for text in texts for n in re.findall(r"(?<!\d)(900\d{3})(?!\d)", text)}
    newest = Inventor.FIRST_ID + inventor.devices - 1
    assert max(numbers) == newest
    assert min(numbers) > newest - kept
    assert 0 < len(resets) <= kept


async def test_memory_when_gateways_say_nothing_worth_keeping_then_they_are_forgotten() -> None:
    """A probe's URL names any address of a network: sixteen million of them leave nothing behind."""
    memory = Memory()
    kept = memory.record("10.0.0.1:")
    kept.tls_seen = True
    await memory.save()
    del kept
    for number in range(1000):
        memory.record(f"10.1.{number // 256}.{number % 256}:")
    gc.collect()
    assert len(strings_within(memory)) < 50
    assert memory.record("10.0.0.1:").tls_seen


def test_memory_when_two_ask_for_one_gateway_then_they_share_what_is_known() -> None:
    """What one session learns, another with the same gateway knows, as long as one of them lives."""
    memory = Memory()
    first, second = memory.record("192.0.2.10:"), memory.record("192.0.2.10:")
    first.tls_seen = True
    assert second.tls_seen


async def test_resolver_when_the_system_hangs_then_one_thread_waits_for_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An attempt is given up after 20 s, a look-up perhaps never: the next attempt waits for the same one."""
    released = threading.Event()
    asked: list[str] = []

    def hang(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        released.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolver = SystemResolver()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await resolver.resolve("roof.example", 443, socket.AF_INET)
    assert [thread.name for thread in threading.enumerate()].count(THREAD_NAME) == 1
    waiting = asyncio.create_task(resolver.resolve("roof.example", 8082, socket.AF_INET))
    await asyncio.sleep(0)
    released.set()
    (found,) = await waiting
    assert (found["host"], found["port"], asked) == ("192.0.2.10", 8082, ["roof.example"])
    await resolver.resolve("roof.example", 443, socket.AF_INET)
    assert asked == ["roof.example"] * 2
