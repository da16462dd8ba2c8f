"""One WebSocket against a peer that does exactly what a test says, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from exporter.telemetry import Counters, Reason
from exporter.winet import errors
from exporter.winet.connection import MOST_FRAGMENTS, Connection

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


def reply(service: str = "real", code: int = 1, **data: Any) -> str:
    return json.dumps(
        {"result_code": code, "result_msg": "success", "result_data": {"service": service, **data}}
    )


class Peer:
    """A WebSocket server that runs one script a connection, and the client's connection to it."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.ended = asyncio.Event()
        self._script: Script
        self._runner: web.AppRunner
        self._connection: Connection
        self._http = aiohttp.ClientSession()

    async def connect(self, script: Script, answer_seconds: float = 5.0) -> Connection:
        self._script = script
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        socket = await self._http.ws_connect(url, autoping=False, max_msg_size=1 << 20)
        self._connection = Connection(socket, self.counters, answer_seconds)
        return self._connection

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        try:
            await self._script(socket)
        finally:
            self.ended.set()
        return socket

    async def aclose(self) -> None:
        await self._connection.close()
        await self._http.close()
        await self._runner.cleanup()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    await peer.aclose()


def says(*texts: str) -> Script:
    """Answer one question with these messages, then wait for the end."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive_str()
        for text in texts:
            await socket.send_str(text)
        await socket.receive()

    return script


async def test_ask_when_a_reply_comes_in_many_parts_joins_them(peer: Peer) -> None:
    """A document over three messages is one reply, and each message is counted."""
    text = reply(list=[{"data_name": "x", "data_value": "1", "data_unit": ""}])
    connection = await peer.connect(says(text[:20], text[20:50], text[50:]))
    assert (await connection.ask("real", "{}")).data["list"][0]["data_name"] == "x"
    assert peer.counters.messages_received == 3
    assert peer.counters.schema_errors == 0


async def test_ask_when_a_beginning_never_goes_on_takes_the_whole_message_after_it(peer: Peer) -> None:
    """Half a message followed by a whole one is a validation error and a reply."""
    connection = await peer.connect(says(reply()[:30], reply()))
    assert (await connection.ask("real", "{}")).service == "real"
    assert peer.counters.schema_errors == 1
    assert peer.counters.errors == {Reason.INVALID_MESSAGE: 1}


async def test_ask_when_parts_never_end_gives_up(peer: Peer) -> None:
    """More parts than any document has are garbage, in bounded memory."""
    parts = ['{"result_code": 1, "x": "', *["y"] * MOST_FRAGMENTS]
    connection = await peer.connect(says(*parts))
    with pytest.raises(errors.Garbled, match="parts"):
        await connection.ask("real", "{}")


async def test_ask_when_parts_do_not_fit_is_garbled(peer: Peer) -> None:
    """A continuation that makes no JSON ends the question."""
    connection = await peer.connect(says('{"result_code": 1, ', "]]]"))
    with pytest.raises(errors.Garbled):
        await connection.ask("real", "{}")


async def test_ask_when_only_half_an_answer_comes_says_so(peer: Peer) -> None:
    """The time-out of a cut-off answer is counted as what it is."""
    connection = await peer.connect(says(reply()[:30]), answer_seconds=0.05)
    with pytest.raises(errors.NoAnswer, match="only part of an answer") as caught:
        await connection.ask("real", "{}")
    assert caught.value.service == "real"
    assert (peer.counters.request_timeouts, peer.counters.schema_errors) == (1, 1)


async def test_ask_after_a_failure_is_refused(peer: Peer) -> None:
    """A spoilt line is never asked again: the late answer would be taken for the next one."""
    connection = await peer.connect(says("nonsense"))
    with pytest.raises(errors.Garbled):
        await connection.ask("real", "{}")
    with pytest.raises(errors.ConnectionLost):
        await connection.ask("real", "{}")
    assert peer.counters.messages_sent == 1


async def test_ask_that_is_cancelled_spoils_the_line(peer: Peer) -> None:
    """A cancelled question leaves its answer behind, so nothing may follow it."""
    connection = await peer.connect(says())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.ask("real", "{}")
    with pytest.raises(errors.ConnectionLost):
        await connection.ask("real", "{}")


async def test_ask_when_a_reply_names_no_service_takes_it_by_order(peer: Peer) -> None:
    """106 and 301 come without a service: they answer the question under way."""
    connection = await peer.connect(says('{"result_code": 301, "result_msg": "I18N_COMMON_READ_FAILED"}'))
    assert (await connection.ask("real", "{}")).code == 301


async def test_ask_all_matches_by_service_and_the_nameless_to_the_oldest(peer: Peer) -> None:
    """Three questions together: replies in any order find theirs."""

    async def script(socket: web.WebSocketResponse) -> None:
        for _ in range(3):
            await socket.receive_str()
        for text in (reply("direct"), '{"result_code": 301}', reply("real_battery")):
            await socket.send_str(text)
        await socket.receive()

    connection = await peer.connect(script)
    got: dict[str, int] = {}
    await connection.ask_all(
        {"real": "1", "real_battery": "2", "direct": "3"}, lambda service, r: got.__setitem__(service, r.code)
    )
    assert got == {"direct": 1, "real": 301, "real_battery": 1}


@pytest.mark.parametrize(
    "text, error",
    [
        ("normal user limit", errors.UserLimit),
        ("see you", errors.SessionExpired),
        ("", errors.SessionExpired),
    ],
)
async def test_ask_when_a_notice_comes_first_ends_the_session(
    peer: Peer, text: str, error: type[Exception]
) -> None:
    """A push between question and answer is not taken for the answer."""
    notice = json.dumps({"result_code": 100, "result_msg": text, "result_data": {"service": "notice"}})
    connection = await peer.connect(says(notice, reply()))
    with pytest.raises(error):
        await connection.ask("real", "{}")


async def test_ask_when_an_unknown_notice_comes_first_passes_it_over(peer: Peer) -> None:
    """A push of another code is no matter of ours."""
    notice = json.dumps({"result_code": 7, "result_data": {"service": "notice"}})
    connection = await peer.connect(says(notice, reply()))
    assert (await connection.ask("real", "{}")).code == 1
    assert peer.counters.errors == {}


async def test_ask_answers_a_ping_of_the_gateway(peer: Peer) -> None:
    """A gateway that pings gets its pong while it is being asked."""
    pongs: list[bytes] = []

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive_str()
        await socket.ping(b"are you there")
        pongs.append((await socket.receive()).data)
        await socket.send_str(reply())
        await socket.receive()

    connection = await peer.connect(script)
    await connection.ask("real", "{}")
    assert pongs == [b"are you there"]


async def test_ask_when_binary_comes_is_garbled(peer: Peer) -> None:
    """Only text is spoken."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive_str()
        await socket.send_bytes(b"\0")
        await socket.receive()

    connection = await peer.connect(script)
    with pytest.raises(errors.Garbled, match="binary"):
        await connection.ask("real", "{}")
    assert peer.counters.messages_received == 0


async def test_ask_when_the_message_is_too_large_is_garbled(peer: Peer) -> None:
    """A message above a megabyte is not kept."""
    connection = await peer.connect(says("x" * (1 << 20) + "y"))
    with pytest.raises(errors.Garbled, match="cannot be read"):
        await connection.ask("real", "{}")


async def test_ask_when_the_peer_closes_says_with_which_code(peer: Peer) -> None:
    """A clean close is a lost connection."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive_str()
        await socket.close(code=1012)

    connection = await peer.connect(script)
    with pytest.raises(errors.ConnectionLost, match="1012"):
        await connection.ask("real", "{}")
    with pytest.raises(errors.ConnectionLost):
        await connection.ping()


async def test_listen_counts_useless_text_and_goes_on(peer: Peer) -> None:
    """Noise between questions costs nobody anything; a take-over ends the session."""
    limit = json.dumps(
        {"result_code": 100, "result_msg": "normal user limit", "result_data": {"service": "notice"}}
    )

    async def script(socket: web.WebSocketResponse) -> None:
        for text in ("noise", reply("other"), limit):
            await socket.send_str(text)
        await socket.receive()

    connection = await peer.connect(script)
    with pytest.raises(errors.UserLimit):
        await connection.listen()
    assert peer.counters.messages_received == 3
    assert peer.counters.schema_errors == 1
    assert peer.counters.errors == {Reason.INVALID_MESSAGE: 2}


async def test_listen_can_be_interrupted_and_the_line_asked_again(peer: Peer) -> None:
    """Waiting between two cycles loses no message and spoils nothing."""
    connection = await peer.connect(says(reply()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await connection.listen()
    assert (await connection.ask("real", "{}")).code == 1


async def test_close_of_a_chatty_peer_ends_within_its_limit(peer: Peer) -> None:
    """A peer that talks on and never answers the close frame is dropped."""

    async def script(socket: web.WebSocketResponse) -> None:
        try:
            while True:
                await socket.send_str("still here")
                await asyncio.sleep(0)
        except (ConnectionError, aiohttp.ClientError):
            pass

    connection = await peer.connect(script)
    await connection.close()
    await peer.ended.wait()


async def test_ask_again_when_a_second_reply_is_waiting_spoils_the_line(peer: Peer) -> None:
    """A reply sent twice would be taken for the next device's, and shift all behind it."""

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive_str()
        await socket.send_str(reply())
        await socket.send_str(reply())
        await socket.receive()

    connection = await peer.connect(script)
    await connection.ask("real", "{}")
    with pytest.raises(errors.Garbled, match="two replies"):
        await connection.ask("real", "{}")
    assert peer.counters.messages_sent == 1


async def test_listen_to_a_flood_gives_up_and_lets_others_live(peer: Peer) -> None:
    """Endless small messages end the line, and the loop goes round meanwhile."""

    async def script(socket: web.WebSocketResponse) -> None:
        try:
            for _ in range(10_000):
                await socket.send_str("{}")
        except (ConnectionError, aiohttp.ClientError):
            pass

    connection = await peer.connect(script)
    with pytest.raises(errors.Flooded):
        await connection.listen()
    assert peer.counters.messages_received <= 300


async def test_secrets_that_a_reply_repeats_are_hidden_before_anybody_reads_them(peer: Peer) -> None:
    """A password in a message, a name or a key never reaches what is made of it."""
    password = 'pa"ss wörd'
    echo = reply(list=[{"data_name": password, "data_value": "1", "data_unit": "tok-en-1"}])
    connection = await peer.connect(says(echo))
    connection.conceal(password)
    connection.conceal("tok-en-1")
    connection.conceal("x")  # too short to be told from anything else
    shown = str(await connection.ask("real", "{}"))
    assert "wörd" not in shown
    assert "tok-en-1" not in shown
    assert shown.count("(hidden)") == 2


async def write_until_stuck(send: Callable[[], Awaitable[None]]) -> None:
    """Hand over frames until the peer, which reads none, lets no more in."""
    async with asyncio.timeout(0.2):
        while True:
            await send()


async def test_close_of_a_peer_that_does_not_read_leaves_no_socket(peer: Peer) -> None:
    """What it was sent and never read does not keep the connection open."""
    held = asyncio.Event()

    async def script(socket: web.WebSocketResponse) -> None:
        await held.wait()

    connection = await peer.connect(script)
    raw = connection._socket.get_extra_info("socket")
    with pytest.raises((TimeoutError, errors.ConnectionLost)):
        await write_until_stuck(lambda: connection._hand_over(connection._socket.send_str("x" * 1_000_000)))
    await connection.close()
    for _ in range(3):
        await asyncio.sleep(0)  # the turns of the loop that a closed socket takes to be let go
    assert raw.fileno() == -1
    held.set()


async def test_pong_to_a_peer_that_does_not_read_is_a_lost_line(peer: Peer) -> None:
    """A cancelled write leaves aiohttp waiting on a cancelled future: that is no cancel of ours."""
    held = asyncio.Event()

    async def script(socket: web.WebSocketResponse) -> None:
        await held.wait()

    connection = await peer.connect(script)
    for _ in range(3):
        with pytest.raises((TimeoutError, errors.ConnectionLost)):
            await write_until_stuck(lambda: connection._hand_over(connection._socket.pong(b"x" * 120)))
    held.set()
