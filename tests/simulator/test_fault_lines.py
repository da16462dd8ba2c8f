"""Faults of the line: answers that never come, ends without a goodbye, doors that stay shut."""

import asyncio
import contextlib
import hashlib
import socket
import ssl

import aiohttp
import pytest

from exporter.simulator import SimulatedGateway

from .conftest import FORCED, OLD, Dial

ENDED = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


def fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).digest().hex(":").upper()


async def test_silence_of_one_device(dial: Dial) -> None:
    """One device's question is never answered; the next one counts as overlapping, and is answered."""
    async with SimulatedGateway(OLD, faults=["silence:device=2"]) as gateway:
        client = await dial(gateway)
        await client.send("real", dev_id="2")
        await gateway.until(lambda: gateway.counts.messages_received == 2)
        assert (await client.ask("real", dev_id="1"))["result_data"]["count"] == 36
        assert (gateway.counts.overlapping, gateway.counts.messages_sent) == (1, 2)


async def test_overlapping_questions_are_served_in_order(dial: Dial) -> None:
    """A question that does not wait is recorded, and still answered after the one before it."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("slow:seconds=0.05:times=1")
        await client.send("state")
        await client.send("local")
        heard = [(await client.hear())["result_data"]["service"] for _ in range(2)]
        assert heard == ["state", "local"]
        assert gateway.counts.overlapping == 1


async def test_slow(dial: Dial) -> None:
    """The answer comes so many seconds after the question, by the loop's clock."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("slow:seconds=0.05")
        await client.ask("state")
        question, answer = list(gateway.log)[-2:]
        assert (question.direction, answer.direction) == ("in", "out")
        assert 0.05 <= answer.at - question.at < 1


async def test_drop(dial: Dial) -> None:
    """Instead of an answer comes a close frame, and the end."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        gateway.inject("drop")
        await client.send("state")
        assert (await client.socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        assert gateway.counts.messages_sent == 1


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("half", [0, 1])
async def test_reset(dial: Dial, half: int, tls: bool) -> None:
    """Instead of an answer, or in the middle of it, the TCP connection is reset."""
    async with SimulatedGateway(OLD, tls=tls) as gateway:
        client = await dial(gateway)
        gateway.inject(f"reset:half={half}")
        await client.send("real", dev_id="1")
        assert (await client.socket.receive()).type in ENDED
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        assert gateway.counts.messages_sent == 1


async def test_reset_is_a_reset() -> None:
    """The peer sees ECONNRESET, no orderly end; and half a frame is less than a frame."""
    async with SimulatedGateway(OLD, faults=["reset:half=1"]) as gateway:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(upgrade())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(b'{"service":"connect"}'))
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(150)
        writer.close()


async def test_close_frame_is_not_answered(dial: Dial) -> None:
    """A clean close is answered by the end of the TCP connection alone."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        await client.socket.close()
        assert client.socket.close_code == 1006
        await gateway.until(lambda: gateway.counts.sockets_open == 0)


async def test_never_closes(dial: Dial) -> None:
    """The close frame is ignored and the TCP connection stays, until the client ends it."""
    async with SimulatedGateway(OLD, faults=["never-closes"]) as gateway:
        patience = aiohttp.ClientWSTimeout(ws_close=0.05)
        client = await dial(gateway, timeout=patience)
        begun = asyncio.get_running_loop().time()
        await client.socket.close()
        assert asyncio.get_running_loop().time() - begun >= 0.05
        await gateway.until(lambda: gateway.counts.sockets_open == 0)


async def test_pong(dial: Dial) -> None:
    """Ping frames are counted and answered, unless the fault forbids it; questions go on either way."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway, autoping=False)
        await client.socket.ping(b"a")
        message = await client.socket.receive()
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"a")
        gateway.inject("no-pong")
        await client.socket.ping(b"b")
        await client.send("state")
        assert (await client.socket.receive()).type is aiohttp.WSMsgType.TEXT
        assert gateway.counts.pings == 2


async def test_upgrade_refused(http: aiohttp.ClientSession) -> None:
    """The upgrade is answered with the status asked for, also one that HTTP does not know."""
    async with SimulatedGateway(OLD, faults=["upgrade-refused:status=503:times=1"]) as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(gateway.url)
        assert caught.value.status == 503
        gateway.inject("upgrade-refused:status=499")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(gateway.url)
        assert caught.value.status == 499
        assert (gateway.counts.upgrades, gateway.counts.upgrades_refused) == (0, 2)


async def test_redirect(http: aiohttp.ClientSession) -> None:
    """The upgrade is sent elsewhere."""
    target = "http://127.0.0.2:1/elsewhere"
    async with SimulatedGateway(OLD, faults=[f"redirect:to={target}"]) as gateway:
        async with http.get(gateway.url.replace("ws:", "http:"), allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, target)
        assert gateway.counts.upgrades_refused == 1


async def test_mute(http: aiohttp.ClientSession) -> None:
    """The TCP connection is accepted, the upgrade never answered and counted nowhere."""
    async with SimulatedGateway(OLD, faults=["mute"]) as gateway:
        opening = asyncio.create_task(http.ws_connect(gateway.url))
        await gateway.until(lambda: gateway.counts.tcp_accepted == 1)
        done, _ = await asyncio.wait({opening}, timeout=0.05)
        assert not done
        opening.cancel()
        await asyncio.wait({opening})
        assert (gateway.counts.upgrades, gateway.counts.upgrades_refused) == (0, 0)


async def seen_certificate(gateway: SimulatedGateway, trusting: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(gateway.host, gateway.port, ssl=trusting)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return fingerprint(certificate)


async def test_certificate_changes(trusting: ssl.SSLContext) -> None:
    """Each new connection sees the certificate whose fingerprint the gateway tells."""
    async with SimulatedGateway(FORCED) as gateway:
        usual = gateway.fingerprint
        assert await seen_certificate(gateway, trusting) == usual
        gateway.inject("certificate-changed:times=1")
        changed = gateway.fingerprint
        assert changed != usual
        assert await seen_certificate(gateway, trusting) == changed
        assert gateway.fingerprint == usual
        assert await seen_certificate(gateway, trusting) == usual


async def test_gateway_vanishes_and_returns(dial: Dial, http: aiohttp.ClientSession) -> None:
    """All sockets are reset and new ones refused, until it is cleared: then it is back on the same port."""
    async with SimulatedGateway(OLD) as gateway:
        client, port = await dial(gateway), gateway.port
        gateway.inject("gateway-vanishes")
        assert (await client.socket.receive()).type in ENDED
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(gateway.url)
        await gateway.clear("gateway-vanishes")
        assert gateway.port == port
        assert (await (await dial(gateway)).ask("state"))["result_code"] == 1
        assert gateway.counts.tcp_accepted == 2


async def test_gateway_returns_by_itself(dial: Dial, http: aiohttp.ClientSession) -> None:
    """It can be gone from the start, and come back after a while."""
    async with SimulatedGateway(OLD, faults=["gateway-vanishes:seconds=0.05"]) as gateway:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(gateway.url)
        gateway.inject("gateway-vanishes:seconds=0.01")
        await gateway.until(lambda: not gateway.faults)
        await gateway.clear()
        assert (await (await dial(gateway)).ask("state"))["result_code"] == 1


async def test_gateway_vanishes_again_while_returning(http: aiohttp.ClientSession) -> None:
    """Told to vanish while it is coming back, it stays away; told twice to come back, it comes once."""
    async with SimulatedGateway(OLD) as gateway:
        gateway.inject("gateway-vanishes")
        returning = gateway.clear()
        gateway.inject("gateway-vanishes")
        await returning
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(gateway.url)
        gateway.clear().cancel()
        await gateway.clear()
        async with http.get(f"http://{gateway.host}:{gateway.port}/about/list") as response:
            assert response.status == 200


def upgrade(**spelling: str) -> bytes:
    names = {name: spelling.get(name, name) for name in ("Connection", "Upgrade")}
    key = spelling.get("Key", "Sec-WebSocket-Key")
    return (
        "GET /ws/home/overview HTTP/1.1\r\nHost: gateway\r\n"
        f"{names['Upgrade']}: websocket\r\n{names['Connection']}: Upgrade\r\n"
        f"{key}: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def masked(data: bytes, first: int = 0x81) -> bytes:
    """A client's frame with a mask of noughts."""
    assert len(data) < 126
    return bytes([first, 0x80 | len(data)]) + bytes(4) + data


async def raw(gateway: SimulatedGateway, data: bytes) -> bytes:
    """Send bytes and read until the end."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    writer.write(data)
    received = b""
    try:
        received = await reader.read()
    except ConnectionResetError:
        pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return received


@pytest.mark.parametrize(
    "spelling",
    [{"Connection": "connection"}, {"Upgrade": "upgrade"}, {"Key": "sec-websocket-key"}],
    ids=["connection", "upgrade", "key"],
)
async def test_header_names_in_lower_case_are_refused(spelling: dict[str, str]) -> None:
    """A header name in another spelling is as good as none: 400."""
    async with SimulatedGateway(OLD) as gateway:
        assert (await raw(gateway, upgrade(**spelling))).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert (gateway.counts.upgrades, gateway.counts.upgrades_refused) == (0, 1)


async def test_accept_key() -> None:
    """The upgrade is answered with the key of the standard's own example, and nothing is negotiated."""
    async with SimulatedGateway(OLD) as gateway:
        answer = await raw(gateway, upgrade() + masked(b"\x03\xe8", 0x88))
    assert answer == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


async def test_divided_and_long_messages() -> None:
    """A question may come in several frames; binary frames and pongs are passed over."""
    async with SimulatedGateway(OLD) as gateway:
        frames = masked(b"\x00", 0x82) + masked(b"", 0x8A)
        frames += masked(b'{"service":', 0x01) + masked(b'"ping"', 0x00) + masked(b"}", 0x80)
        _, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(upgrade() + frames)
        await gateway.until(lambda: gateway.counts.messages_sent == 1)
        assert gateway.log[-2].text == '{"service":"ping"}'
        for size, head in ((5000, b"\xfe\x13\x88"), (70_000, b"\xff" + (70_000).to_bytes(8))):
            writer.write(b"\x81" + head + bytes(4) + b" " * (size - 2) + b"{}")
        await gateway.until(lambda: gateway.counts.messages_received == 3)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\x01a",
        masked(b"a", 0x83),
        masked(b"a", 0x80),
        masked(b"a", 0x01) + masked(b"b", 0x81),
        b"\x81\xff" + (1 << 40).to_bytes(8),
        b"\x01\xff"
        + (200_000).to_bytes(8)
        + bytes(200_004)
        + b"\x80\xff"
        + (200_000).to_bytes(8)
        + bytes(200_004),
    ],
    ids=["unmasked", "unknown opcode", "no beginning", "interrupted", "endless", "long in pieces"],
)
async def test_broken_frames_end_the_connection(frames: bytes) -> None:
    """A client that breaks the protocol loses its connection; the gateway lives on."""
    async with SimulatedGateway(OLD) as gateway:
        await raw(gateway, upgrade() + frames)
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        assert (gateway.counts.upgrades, gateway.counts.messages_received) == (1, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /simulator/faults HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /simulator/faults HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["TLS", "header", "long body", "bad length", "long head"],
)
async def test_bad_requests_end_the_connection(data: bytes) -> None:
    """What is no request for this server is not answered at all."""
    async with SimulatedGateway(OLD) as gateway:
        assert await raw(gateway, data) == b""


async def test_plain_text_on_a_tls_port() -> None:
    """A gateway that insists on TLS does not answer plain HTTP."""
    async with SimulatedGateway(FORCED) as gateway:
        assert b"HTTP" not in await raw(gateway, b"GET /about/list HTTP/1.1\r\n\r\n")


async def test_peer_leaves_during_the_handshake() -> None:
    """A client that goes away before TLS is up leaves nothing behind."""
    async with SimulatedGateway(FORCED) as gateway:
        with socket.create_connection((gateway.host, gateway.port)):
            await gateway.until(lambda: gateway.counts.tcp_accepted == 1)
        async with asyncio.timeout(1):
            await gateway.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
