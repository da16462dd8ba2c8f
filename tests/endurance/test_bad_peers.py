"""Peers that break every rule: each costs its own target a bounded time and memory, and a clear word why."""

import asyncio
import gc
import gzip
import json
import struct
import tracemalloc
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import config
from exporter.simulator.frames import Opcode, accept_key, encode
from exporter.telemetry import Reason, State
from exporter.winet import errors
from exporter.winet.cycle import MOST_HELD
from exporter.winet.dial import Dialer, make_http_client
from exporter.winet.pool import Pool
from tests.endurance.peers import Caller, Handler, item, never, peer, reading, reply
from tests.endurance.virtual import VirtualLoop
from tests.harness import OLD, Harness, config_text

MB = 1 << 20
HUGE = 64 * MB
PART = bytes(1 << 16)
MOST_ACCEPTED = 16 * MB  # what both ends' kernels hold is among it
MOST_MEMORY = 24 * MB

# The HTTP part -----------------------------------------------------------------------------------------


def says(head: bytes, body: bytes = b"") -> Handler:
    async def handle(caller: Caller) -> None:
        await caller.head()
        await caller.say(head + body)
        await never(caller)

    return handle


async def wrong_accept(caller: Caller) -> None:
    await caller.head()
    key = accept_key(f"{caller.key}x")
    await caller.say(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {key}\r\n\r\n".encode()
    )
    await never(caller)


async def endless_headers(caller: Caller) -> None:
    await caller.head()
    await caller.say(b"HTTP/1.1 101 Switching Protocols\r\n")
    for number in range(HUGE // 1024):
        await caller.say(b"X-%d: %s\r\n" % (number, b"x" * 1000))


async def one_long_header(caller: Caller) -> None:
    await caller.head()
    await caller.say(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
    for _ in range(HUGE // len(PART)):
        await caller.say(b"x" * len(PART))


async def slow_headers(caller: Caller) -> None:
    """Slowloris from the other side: always one more byte."""
    await caller.head()
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 1000:
        await caller.say(bytes([byte]))
        await asyncio.sleep(1.0)


async def endless_continue(caller: Caller) -> None:
    await caller.head()
    while True:
        await caller.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.5)


async def hangs_up(caller: Caller) -> None:
    await caller.head()


BAD_UPGRADES: dict[str, tuple[Handler, Reason]] = {
    "wrong accept": (wrong_accept, Reason.UPGRADE_REFUSED),
    "a web page": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"), Reason.UPGRADE_REFUSED,
    ),
    "an endless web page": (says(b"HTTP/1.1 200 OK\r\n\r\n", PART * 64), Reason.UPGRADE_REFUSED),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Reason.UPGRADE_REFUSED),
    "no protocol": (says(bytes(range(256)) * 16), Reason.UPGRADE_REFUSED),
    "101 to nothing": (says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Reason.UPGRADE_REFUSED),
    "endless headers": (endless_headers, Reason.UPGRADE_REFUSED),
    "one long header": (one_long_header, Reason.UPGRADE_REFUSED),
    "slow headers": (slow_headers, Reason.NO_ANSWER),
    "endless 100 Continue": (endless_continue, Reason.NO_ANSWER),
    "silence": (never, Reason.NO_ANSWER),
    "the end": (hangs_up, Reason.UPGRADE_REFUSED),
    "a redirect": (
        says(b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        Reason.REDIRECT,
    ),
}  # fmt: skip


# The WebSocket part ------------------------------------------------------------------------------------


def frame(first: int, length: int) -> bytes:
    """A frame's head that promises so many bytes."""
    return struct.pack("!BBQ", first, 127, length)


def answers(say: Handler) -> Handler:
    """A WebSocket that treats the first question so."""

    async def handle(caller: Caller) -> None:
        await caller.upgrade()
        await caller.question()
        await say(caller)
        await never(caller)

    return handle


async def huge_message(caller: Caller) -> None:
    await caller.say(frame(0x81, HUGE))
    for _ in range(HUGE // len(PART)):
        await caller.say(PART)


async def huge_in_pieces(caller: Caller) -> None:
    await caller.say(frame(0x01, len(PART)) + PART)
    for _ in range(HUGE // len(PART)):
        await caller.say(frame(0x00, len(PART)) + PART)


async def empty_pieces(caller: Caller) -> None:
    """Half a million frames that add nothing, and never the last."""
    await caller.say(b"\x01\x00")
    for _ in range(16):
        await caller.say(b"\x00\x00" * 32_768)


async def slow_frame(caller: Caller) -> None:
    """A byte every five seconds: something always comes, an answer never."""
    await caller.say(b"\x81\x7e\x10\x00")
    while True:
        await caller.say(b"{")
        await asyncio.sleep(5.0)


async def flood(caller: Caller) -> None:
    """Twenty thousand notices that nobody asked for, as fast as they are taken."""
    notice = encode(Opcode.TEXT, reply("notice", code=103).encode())
    for _ in range(20):
        await caller.say(notice * 1000)


async def pings(caller: Caller) -> None:
    for _ in range(20):
        await caller.say(encode(Opcode.PING, b"x" * 100) * 1000)


def text(document: str) -> Handler:
    async def say(caller: Caller) -> None:
        await caller.text(document)

    return say


def bomb() -> Handler:
    """64 MB that come as 64 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(HUGE)) + packer.flush(zlib.Z_SYNC_FLUSH)

    async def handle(caller: Caller) -> None:
        await caller.head()
        await caller.say(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Extensions: permessage-deflate\r\n"
            f"Sec-WebSocket-Accept: {accept_key(caller.key)}\r\n\r\n".encode()
        )
        await caller.reader.read(1)  # the question, packed
        await caller.say(frame(0xC1, len(packed) - 4) + packed[:-4])
        await never(caller)

    return handle


DEEP = '{"result_code":1,"result_msg":"success","result_data":' + "[" * 200_000
BAD_TALKERS: dict[str, tuple[Handler, Reason]] = {
    "64 MB in one frame": (answers(huge_message), Reason.GARBLED),
    "64 MB in pieces": (answers(huge_in_pieces), Reason.GARBLED),
    "64 MB packed": (bomb(), Reason.GARBLED),
    "pieces without end": (answers(empty_pieces), Reason.NO_ANSWER),
    "a slow frame": (answers(slow_frame), Reason.NO_ANSWER),
    "a flood of notices": (answers(flood), Reason.GARBLED),
    "a flood of pings": (answers(pings), Reason.GARBLED),
    "deep nesting": (answers(text(DEEP + "]" * 200_000 + "}")), Reason.GARBLED),
    "a deep beginning": (answers(text(DEEP)), Reason.GARBLED),
    "a long number": (answers(text('{"result_code":' + "1" * 900_000 + "}")), Reason.GARBLED),
    "a reserved frame": (answers(lambda caller: caller.say(b"\x83\x01x")), Reason.GARBLED),
    "a masked frame": (answers(lambda caller: caller.say(b"\x81\x81abcdx")), Reason.GARBLED),
    "no UTF-8": (answers(lambda caller: caller.say(b"\x81\x02\xff\xfe")), Reason.GARBLED),
    "a long ping": (answers(lambda caller: caller.say(b"\x89\x7e\x10\x00" + bytes(4096))), Reason.GARBLED),
    "a negative length": (answers(lambda caller: caller.say(frame(0x81, (1 << 64) - 1))), Reason.GARBLED),
}


async def lived_with(harness: Harness, handler: Handler, reason: Reason, **more: Any) -> None:
    """Meet a bad peer with a good gateway beside it, and see to all that must hold."""
    good = await harness.gateway(OLD)
    async with peer(handler) as bad:
        tracemalloc.start()
        try:
            await harness.start(
                {"host": bad.address, "name": "bad", "transport": "ws", **more},
                harness.target(good, "good"),
            )
            await harness.until(lambda: harness.pool.status("bad").state is State.BACKING_OFF)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        status = harness.pool.status("bad")
        assert set(status.counters.errors) <= {reason, Reason.INVALID_MESSAGE}
        assert status.counters.errors[reason] == 1
        assert status.error
        assert bad.accepted < MOST_ACCEPTED
        assert most < MOST_MEMORY
        await harness.cycles(3, "good")
        assert harness.errors("good") == {}
        assert good.counts.upgrades == 1
        assert harness.counts_agree(good, "good")
        await harness.stop()


@pytest.mark.parametrize("name", BAD_UPGRADES)
async def test_upgrade_when_the_peer_is_no_gateway_then_it_is_told_and_bounded(
    harness: Harness, name: str
) -> None:
    """Whatever sits at the address: one word why, few bytes taken, and 20 s at the longest."""
    began = harness.loop.time()
    await lived_with(harness, *BAD_UPGRADES[name])
    status = harness.pool.status("bad")
    assert status.counters.attempts == status.counters.failures + status.counters.successes
    assert status.counters.failures >= 1
    assert harness.loop.time() - began < 20 + 3 * 10 + 5


@pytest.mark.parametrize("name", BAD_TALKERS)
async def test_session_when_the_peer_breaks_the_protocol_then_it_is_told_and_bounded(
    harness: Harness, name: str
) -> None:
    """Whatever comes over an open line: one word why, few bytes taken, and no more than a question's time."""
    began = harness.loop.time()
    await lived_with(harness, *BAD_TALKERS[name], compression=True)
    assert harness.loop.time() - began < 30 + 3 * 10 + 5


async def test_session_when_lists_have_no_end_then_a_bounded_part_is_used(harness: Harness) -> None:
    """Twenty thousand devices and readings, all in messages of less than a megabyte."""
    entries = reply("real", list=[reading(f"K{n}", "1", "V") for n in range(15_000)])
    devices = reply("devicelist", list=[item(n, f"S{n}", 21) for n in range(6_000)])

    def answer(question: Mapping[str, Any]) -> str:
        match question["service"]:
            case "connect":
                return reply("connect", token="T")
            case "devicelist":
                return devices
            case "real":
                return entries
            case service:
                return reply(service, code=211)

    async def handle(caller: Caller) -> None:
        await caller.upgrade()
        await caller.converse(answer)

    good = await harness.gateway(OLD)
    async with peer(handle) as bad:
        await harness.start(
            {"host": bad.address, "name": "bad", "transport": "ws", "gateway_services": False},
            harness.target(good, "good"),
        )
        await harness.until(lambda: harness.pool.status("bad").counters.refreshes >= 2)
        assert harness.pool.status("bad").device_count == 64
        shown = len(list(harness.exposition.rows("bad")))
        assert shown < 500 + 64 * 10 + 200, "the series of unknown keys are limited"
        assert harness.errors("good") == {}
        await harness.stop()


async def test_session_when_every_device_says_all_it_can_then_a_bounded_part_is_held(
    harness: Harness,
) -> None:
    """64 hybrids whose every answer fills its megabyte: not 64 MB, nor three times that."""
    words = [
        reply("real", list=[reading(f"K{n}", "x" * 850, "V") for n in range(1000)]),
        reply("real", list=[reading(f"K{n}", "1", "V" * 850) for n in range(1000)]),
        reply("real", list=[reading(f"K{n}", "x" * 190, "V" * 190) for n in range(1000)]),
    ]
    devices = reply("devicelist", list=[item(n, f"S{n}", 44) for n in range(64)])
    asked = 0

    def answer(question: Mapping[str, Any]) -> str:
        nonlocal asked
        match question["service"]:
            case "connect":
                return reply("connect", token="T")
            case "devicelist":
                return devices
            case "real":
                asked += 1
                return words[asked % 3]
            case service:
                return reply(service, code=211)

    async def handle(caller: Caller) -> None:
        await caller.upgrade()
        await caller.converse(answer)

    async with peer(handle) as bad:
        tracemalloc.start()
        try:
            await harness.start(
                {"host": bad.address, "name": "bad", "transport": "ws", "gateway_services": False}
            )
            await harness.until(lambda: harness.pool.status("bad").counters.refreshes >= 1)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        snapshot = harness.pool.snapshot("bad")
        assert snapshot is not None
        readings = [r for report in snapshot.devices for a in report.answers.values() for r in a.readings]
        assert len(readings) == MOST_HELD
        assert max(len(r.value) + len(r.unit) for r in readings) <= 400
        assert held < MOST_MEMORY
        await harness.stop()


# Pages -------------------------------------------------------------------------------------------------


async def endless_page(caller: Caller) -> None:
    await caller.head()
    await caller.say(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(HUGE // len(PART)):
        await caller.say(b"KEY=value\n" * 6000)


async def endless_chunks(caller: Caller) -> None:
    await caller.head()
    await caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(HUGE // len(PART)):
        await caller.say(b"10000\r\n" + PART + b"\r\n")


PACKED = gzip.compress(bytes(HUGE))


async def packed_page(caller: Caller) -> None:
    """64 MB that come as 64 kB, though nobody asked for it to be packed."""
    await caller.head()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(PACKED)}\r\n\r\n"
    await caller.say(head.encode() + PACKED)
    await never(caller)


async def slow_page(caller: Caller) -> None:
    await caller.head()
    await caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await caller.say(b"x")
        await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    "handler, error",
    [
        (endless_page, errors.Garbled),
        (endless_chunks, errors.Garbled),
        (packed_page, errors.Garbled),
        (slow_page, errors.NoAnswer),
        (endless_headers, errors.Garbled),
        (hangs_up, errors.ConnectionLost),
        (says(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), errors.RedirectRefused),
        (says(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), errors.Rejected),
        (says(b"guru meditation\r\n\r\n"), errors.Garbled),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("path, most", [("/i18n/en_US.properties", 4 * MB), ("/about/list", 1 << 16)])
async def test_fetch_when_the_page_is_bad_then_it_costs_a_bounded_time_and_memory(
    harness: Harness, handler: Handler, error: type[errors.WinetError], path: str, most: int
) -> None:
    """A page is read up to its limit, for half a minute, and no further."""
    async with peer(handler) as bad, make_http_client() as http:
        host, port = bad.address.split(":")
        target = {"host": f"{host}:1", "name": "bad", "transport": "ws", "http_port": int(port)}
        (settled,) = harness.configuration(target).targets
        began = harness.loop.time()
        tracemalloc.start()
        try:
            with pytest.raises(error):
                await Dialer(settled, http).fetch(path, most)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert bad.accepted < MOST_ACCEPTED
        assert peak < MOST_MEMORY
        assert harness.loop.time() - began < 31


# Anything ----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [b"\x81\x00", b"\x01\x02{}", b"\x00\x01x", b"\x80\x00", b"\x88\x02\x03\xe8", b"\x89\x00", b"\x8a\x00",
     b"\x82\x01a", b"\xc1\x03abc", b"\x81\x7e\xff\xff", b"\x81\x7f" + b"\xff" * 8]
)  # fmt: skip
FRAGMENTS = st.one_of(
    st.binary(max_size=300),
    WORDS,
    st.text(max_size=100).map(lambda t: encode(Opcode.TEXT, t.encode("utf-8", "replace"))),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["result_code", "result_data", "result_msg", "service", "list", "token"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda document: encode(Opcode.TEXT, json.dumps(document).encode())),
)


@pytest.mark.wire
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(FRAGMENTS, min_size=1, max_size=6))
def test_session_when_anything_comes_over_the_line_then_it_goes_on_living(pieces: list[bytes]) -> None:
    """No bytes, whole frames or none, end a session or are taken for a defect of ours."""

    async def handle(caller: Caller) -> None:
        await caller.upgrade()
        await caller.question()
        for piece in pieces:
            await caller.say(piece)
        await never(caller)

    async def live() -> None:
        loop = asyncio.get_running_loop()
        failed = asyncio.Event()
        async with peer(handle) as bad:
            text = config_text({"targets": [{"host": bad.address, "name": "bad", "transport": "ws"}]})
            targets = config.parse(text, source="fuzz", folder=Path("/")).targets

            def look(name: str) -> None:
                if pool.status(name).state not in (State.STARTING, State.CONNECTING, State.AUTHENTICATING):
                    failed.set()

            pool = Pool(targets, on_change=look, clock=loop.time, wall=lambda: 1.8e9)
            await pool.start()
            async with asyncio.timeout(120):
                await failed.wait()
            status = pool.status("bad")
            assert pool.tasks_alive()
            assert Reason.INTERNAL not in status.counters.errors
            assert status.state is State.ONLINE or status.error
            await pool.aclose()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(most_jumps=10_000)) as runner:
        runner.run(live())
