"""Large scrapes over a real port: streamed, packed, asked for their length only, and given up."""

import asyncio
import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics import catalogue
from exporter.metrics.columns import Kept
from exporter.metrics.exposition import Exposition, Format
from exporter.telemetry import Counters, State, TargetInfo, TargetStatus
from exporter.web import packing
from exporter.web.scrapes import SMALL
from exporter.web.server import Address, Server

TARGETS = 1500
LENGTH = "Content-Length"


def status_of(number: int, state: State = State.ONLINE) -> TargetStatus:
    info = TargetInfo(f"roof{number}", "192.0.2.10", "ws", "bypass", {}, 50.0, 500)
    return TargetStatus(info, state, 0.0, Counters(attempts=number))


class Served:
    """A server in front of so many targets that none of them has ever answered."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.exposition = Exposition(catalogue.bundled(), lambda: self.now, lambda: 1.78e9)
        for number in range(TARGETS):
            self.exposition.update(status_of(number), None)
        self.server = Server(self.exposition, dict, lambda: True)
        self.url = ""

    def ours(self) -> list[bytes]:
        return ours(self.exposition.render(Format.TEXT))


def ours(body: bytes) -> list[bytes]:
    """Without what the exporter tells of its process, which is never the same twice."""
    return [line for line in body.split(b"\n") if b"winet2_" in line]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    (address,) = await made.server.start([Address("127.0.0.1", 0)])
    made.url = f"http://127.0.0.1:{address.port}/metrics"
    yield made
    await made.server.aclose()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    plain = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(auto_decompress=False, headers=plain) as session:
        yield session


@pytest.mark.wire
@pytest.mark.parametrize("scrapes", [1, 3])
async def test_scrape_when_it_is_large_then_its_length_is_told_and_nothing_is_missing(
    served: Served, http: aiohttp.ClientSession, scrapes: int
) -> None:
    """The pieces are the body, the first time and when columns are kept from the scrape before."""
    for _ in range(scrapes):
        async with http.get(served.url) as answer:
            body = await answer.read()
            assert "Transfer-Encoding" not in answer.headers
            assert int(answer.headers[LENGTH]) == len(body) > 8 * SMALL
            assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        assert ours(body) == served.ours()
    names = [family.name for family in parse_text(body.decode())]
    assert len(set(names)) == len(names) > 20


@pytest.mark.wire
async def test_scrape_when_only_its_head_is_wanted_then_the_length_is_that_of_the_body(
    served: Served, http: aiohttp.ClientSession
) -> None:
    """Give or take the digits of what the process tells of itself; the connection can be used again."""
    async with http.get(served.url) as answer:
        length = len(await answer.read())
    for _ in range(2):
        async with http.head(served.url) as head:
            assert head.status == 200
            assert abs(int(head.headers[LENGTH]) - length) < 200
            assert await head.read() == b""


@pytest.mark.wire
@pytest.mark.parametrize("changing", [1, 2, TARGETS])
async def test_scrape_when_it_is_packed_then_it_unpacks_to_the_same(
    served: Served, http: aiohttp.ClientSession, library: str, changing: int
) -> None:
    """By the library of the extra and by Python's own, whatever of it was packed before."""
    for state in (State.ONLINE, State.LOCKED, State.ONLINE):
        async with http.get(served.url, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            packed = await answer.read()
            assert int(answer.headers[LENGTH]) == len(packed)
        body = gzip.decompress(packed)
        assert ours(body) == served.ours()
        assert len(packed) < len(body) / 5
        for number in range(0, TARGETS, changing):
            served.exposition.update(status_of(number, state), None)


@pytest.mark.wire
async def test_scrape_when_the_reader_stalls_then_others_are_served_and_it_gets_what_was_true(
    served: Served, http: aiohttp.ClientSession
) -> None:
    """A slow reader holds up nobody, and what happens meanwhile is not mixed into its body."""
    before = served.ours()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.split(":")[2].split("/")[0]))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    for number in range(0, TARGETS, 2):
        served.exposition.update(status_of(number, State.LOCKED), None)
    async with http.get(served.url) as answer:
        assert ours(await answer.read()) == served.ours() != before
    body = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    assert f"Content-Length: {len(body)}".encode() in head
    assert ours(body) == before


@pytest.mark.wire
async def test_scrape_when_the_reader_goes_away_then_the_next_one_is_served(
    served: Served, http: aiohttp.ClientSession
) -> None:
    """Nothing is left of a scrape that was given up."""
    for _ in range(3):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(served.url.split(":")[2].split("/")[0])
        )
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await writer.wait_closed()
    async with http.get(served.url) as answer:
        assert ours(await answer.read()) == served.ours()


# Packing ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "zlib":
        monkeypatch.setattr(packing, "library", lambda: zlib)
    return str(request.param)


_texts = st.binary(max_size=300) | st.sampled_from([b"winet2_up 1.0\n" * 5000, b"x" * 70_000])


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(_texts | st.builds(Kept, _texts), max_size=8))
def test_packed_when_any_pieces_are_unpacked_then_they_are_one(
    library: str, pieces: list[bytes | Kept]
) -> None:
    """Any gzip reads it, checksum and length included; the second time too, when some were packed before."""
    plain = b"".join(piece if isinstance(piece, bytes) else piece.lines for piece in pieces)
    for _ in range(2):
        assert gzip.decompress(packing.packed(iter(pieces))) == plain


def test_packed_when_something_is_kept_then_it_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not changed costs no more than its bytes in the packed body."""
    kept = Kept(os.urandom(1000))
    first = packing.packed(iter([b"a", kept, b"b"]))
    made = kept.packed
    assert packing.packed(iter([b"a", kept, b"b"])) == first
    assert kept.packed is made


def test_packed_when_kept_pieces_are_neighbours_then_nothing_stands_between_them(library: str) -> None:
    """An empty block after each would be a tenth of what a short one takes."""
    kept = [Kept(b"kept\n" * 100), Kept(b"more\n" * 100)]
    lengths = [len(packing.packed(iter(some))) for some in ([], kept[:1], kept[1:], kept)]
    assert lengths[3] - lengths[0] == lengths[1] - lengths[0] + lengths[2] - lengths[0]


@pytest.mark.real
def test_packed_when_gzip_itself_reads_it_then_nothing_is_wrong(library: str) -> None:
    """The program, which is stricter than most libraries."""
    pieces = [b"head\n", Kept(b"kept\n" * 1000), Kept(b"more\n"), b"tail\n"]
    done = subprocess.run(
        ["gzip", "-dc"], input=packing.packed(iter(pieces)), capture_output=True, check=True
    )
    assert done.stdout == b"head\n" + b"kept\n" * 1000 + b"more\ntail\n"
    assert done.stderr == b""


def test_library_when_the_extra_is_installed_then_it_is_taken() -> None:
    """Otherwise the tests above would compare zlib with itself."""
    assert packing.library().__name__ == "isal.isal_zlib"


@pytest.mark.real
def test_library_when_the_extra_is_missing_then_python_packs() -> None:
    """Nothing but speed is lost."""
    code = (
        "import sys, gzip, zlib; sys.modules['isal'] = None\n"
        "from exporter.web import packing\n"
        "assert packing.library() is zlib\n"
        "assert gzip.decompress(packing.packed(iter([b'a', b'b']))) == b'ab'\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
