"""The gateway as a test uses it: its life, its counts, its log, its switches."""

import ast
import asyncio
import json
import ssl
import struct
from dataclasses import FrozenInstanceError
from datetime import timedelta
from importlib.resources import files

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

import exporter.simulator
from exporter.simulator import SimulatedGateway, load_profile
from exporter.simulator.certificate import certificates_ready

from .conftest import FORCED, OLD, Client, Dial, noon


def test_imports_nothing_of_the_exporter() -> None:
    """Not a line of the exporter's own codec is used on this end."""
    for path in files(exporter.simulator).iterdir():
        if not path.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if "exporter" in name and "exporter.simulator" not in name]


async def test_addresses(dial: Dial) -> None:
    """The address tells scheme, host and port; TLS can be forced on and off against the profile."""
    async with SimulatedGateway(FORCED, host="127.0.3.7", tls=False) as gateway:
        assert gateway.url == f"ws://127.0.3.7:{gateway.port}/ws/home/overview"
        assert (gateway.tls, gateway.fingerprint) == (False, None)
        assert gateway.profile is load_profile(FORCED)
        await dial(gateway, "login")
    async with SimulatedGateway(load_profile(OLD), host="::1", tls=True) as gateway:
        assert gateway.url.startswith("wss://[::1]:")
        assert len(gateway.fingerprint or "") == 95
        await dial(gateway)
        gateway.inject("gateway-vanishes")
        await gateway.clear()
        await dial(gateway)


async def test_restart_keeps_the_port(dial: Dial) -> None:
    """A gateway that is stopped and started again is where it was."""
    gateway = SimulatedGateway(OLD)
    await gateway.start()
    port = gateway.port
    await gateway.stop()
    await gateway.start()
    assert gateway.port == port
    await dial(gateway)
    await gateway.stop()
    await gateway.stop()


@pytest.mark.parametrize("profile", [OLD, FORCED])
async def test_stop_waits_for_nobody(dial: Dial, profile: str) -> None:
    """With clients that talk, wait, or never read, stopping is quick and leaves no task."""
    gateway = SimulatedGateway(profile, faults=["huge:size=30000000:service=ping", "silence:service=state"])
    await gateway.start()
    clients: list[Client] = [await dial(gateway) for _ in range(3)]
    await clients[1].send("state")
    await clients[2].send("ping")
    await gateway.until(lambda: gateway.counts.messages_received == 5)
    mute_reader, mute = await asyncio.open_connection(gateway.host, gateway.port)
    await gateway.until(lambda: gateway.counts.tcp_accepted == 4)
    async with asyncio.timeout(1):
        await gateway.stop()
    assert gateway.counts.sockets_open == 0
    mine = [task for task in asyncio.all_tasks() if "simulator" in task.get_name()]
    assert mine == []
    mute.close()
    with pytest.raises(ConnectionError):
        await mute_reader.readexactly(1)


async def test_stop_ends_a_socket_that_nobody_reads() -> None:
    """A connection that is closed but not yet empty is gone too after the stop."""
    async with SimulatedGateway(OLD, faults=["huge:size=30000000:service=ping"]) as gateway:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port, limit=1024)
        writer.write(
            b"GET /ws/home/overview HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: x\r\n\r\n\x81\x92" + bytes(4) + b'{"service":"ping"}'
        )
        await gateway.until(lambda: gateway.counts.messages_sent == 1)
        writer.write(b"\x88\x80" + bytes(4))
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        async with asyncio.timeout(1):
            await gateway.stop()
        writer.close()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(30_000_000)


async def test_stop_while_vanished_or_returning() -> None:
    """A gateway that is away, or on its way back, can be stopped like any other."""
    for fault in ("gateway-vanishes", "gateway-vanishes:seconds=60"):
        async with SimulatedGateway(OLD) as gateway:
            gateway.inject(fault)
    async with SimulatedGateway(OLD) as gateway:
        gateway.inject("gateway-vanishes")
        gateway.clear()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_counts_and_log(dial: Dial) -> None:
    """Every message is counted, and logged in order with connection, service, device and text."""
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        await client.ask("real", dev_id="2")
        await client.socket.close()
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        await dial(gateway)
        shown = [(event.connection, event.direction, event.service, event.dev_id) for event in gateway.log]
        assert shown == [
            (1, "open", "", ""),
            (1, "in", "connect", ""),
            (1, "out", "connect", ""),
            (1, "in", "real", "2"),
            (1, "out", "real", "2"),
            (1, "close", "", ""),
            (2, "open", "", ""),
            (2, "in", "connect", ""),
            (2, "out", "connect", ""),
        ]
        assert json.loads(gateway.log[3].text)["dev_id"] == "2"
        assert json.loads(gateway.log[4].text)["result_data"]["count"] == 8
        assert [event.at for event in gateway.log] == sorted(event.at for event in gateway.log)
        with pytest.raises(FrozenInstanceError):
            gateway.log[0].service = "other"  # type: ignore[misc]
        assert gateway.counts.as_dict() == {
            "tcp_accepted": 2,
            "upgrades": 2,
            "upgrades_refused": 0,
            "sockets_open": 1,
            "max_sockets_open": 1,
            "messages_received": 3,
            "messages_sent": 3,
            "logins": 0,
            "logins_refused": 0,
            "overlapping": 0,
            "pages": 0,
            "pings": 0,
        }


async def test_log_is_bounded(dial: Dial) -> None:
    """The log keeps the latest events only."""
    async with SimulatedGateway(OLD, log_size=3) as gateway:
        client = await dial(gateway)
        await client.ask("state")
        assert [event.service for event in gateway.log] == ["connect", "state", "state"]


async def test_until(dial: Dial) -> None:
    """Waiting ends with the event; a condition that fails tells the one who waits; one may stop waiting."""
    async with SimulatedGateway(OLD) as gateway:
        await gateway.until(lambda: True)
        waiting = asyncio.create_task(gateway.until(lambda: gateway.counts.upgrades == 1))
        failing = asyncio.create_task(gateway.until(lambda: bool(0 // (1 - gateway.counts.tcp_accepted))))
        given_up = asyncio.create_task(gateway.until(lambda: False))
        await asyncio.sleep(0)
        given_up.cancel()
        await dial(gateway)
        await waiting
        with pytest.raises(ZeroDivisionError):
            await failing
        assert (await asyncio.wait({given_up}))[0]


async def test_plant_follows_the_clock(dial: Dial) -> None:
    """What is read is what the plant says of the moment that the clock shows, at the clock's offset."""
    async with SimulatedGateway(OLD, now=noon) as gateway:
        data = (await (await dial(gateway)).ask("real", dev_id="1"))["result_data"]
        values = {entry["data_name"]: entry["data_value"] for entry in data["list"]}
        total = gateway.plant.total("pv", noon())
        assert values["I18N_COMMON_PV_TOTAL_ENERGY_GENERATION"] == f"{total:.1f}"
        assert gateway.plant.zone.utcoffset(None) == timedelta(hours=2)


async def test_real_time_is_the_default() -> None:
    """Without a clock of its own the plant lives now."""
    gateway = SimulatedGateway(OLD)
    assert gateway.plant.zone.utcoffset(None) is not None


async def test_switches_over_http(http: aiohttp.ClientSession) -> None:
    """Faults can be shown, added and lifted by HTTP; a mistake changes nothing."""
    async with SimulatedGateway(OLD, faults=["busy"]) as gateway:
        base = f"http://{gateway.host}:{gateway.port}/simulator"
        async with http.get(base) as response:
            shown = await response.json()
        assert (shown["profile"], shown["faults"]) == (OLD, ["busy"])
        assert shown["counts"]["tcp_accepted"] == 1
        async with http.post(f"{base}/faults", data="silence:device=2\n\nslow\n") as response:
            assert (await response.json())["faults"] == ["busy", "silence:device=2", "slow"]
        await gateway.until(lambda: len(gateway.faults) == 3)
        async with http.post(f"{base}/faults", data="mute\nslow:seconds=soon") as response:
            assert response.status == 400
            assert "seconds=soon is no number" in await response.text()
        assert len(gateway.faults) == 3
        async with http.delete(f"{base}/faults?fault=slow") as response:
            assert (await response.json())["faults"] == ["busy", "silence:device=2"]
        async with http.delete(f"{base}/faults?fault=sloow") as response:
            assert response.status == 400
        async with http.delete(f"{base}/faults") as response:
            assert (await response.json())["faults"] == []


async def test_vanishing_over_http_is_answered(http: aiohttp.ClientSession) -> None:
    """The one who makes the gateway vanish gets an answer first."""
    async with SimulatedGateway(OLD) as gateway:
        base = f"http://{gateway.host}:{gateway.port}/simulator"
        async with http.post(f"{base}/faults", data="gateway-vanishes") as response:
            assert (await response.json())["faults"] == ["gateway-vanishes"]
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(base)
        await gateway.clear()
        async with http.get(base) as response:
            assert response.status == 200


async def test_bug_in_the_gateway_is_not_hidden(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception ends the connection and reaches the loop's exception handler."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    async with SimulatedGateway(OLD) as gateway:
        client = await dial(gateway)
        monkeypatch.setattr(gateway._answerer, "answer", lambda *_: struct.unpack("!H", b""))
        await client.send("state")
        assert (await client.socket.receive()).type is aiohttp.WSMsgType.CLOSED
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
        await asyncio.sleep(0)
    assert reported == [f"simulator 127.0.0.1:{gateway.port} connection 1 failed"]


async def test_certificate_has_the_real_ones_properties(trusting: ssl.SSLContext) -> None:
    """RSA 2048, SHA-256, self-signed by Sungrow, the three addresses, no authority, ten years."""
    assert certificates_ready()
    async with SimulatedGateway(FORCED) as gateway:
        _, writer = await asyncio.open_connection(gateway.host, gateway.port, ssl=trusting)
        data = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
    certificate = x509.load_der_x509_certificate(data)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert certificate.subject.rfc4514_string() == "CN=Sungrow,OU=Sungrow,L=HeFei,ST=AnHui,C=CN"
    assert certificate.issuer == certificate.subject
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=3650)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["169.254.12.12", "11.11.11.1", "127.0.0.1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert not usage.key_cert_sign
