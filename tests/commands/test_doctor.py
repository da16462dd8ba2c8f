"""`doctor`: each way to fail is told at its own step, with what to do about it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.commands import doctor, terminal
from exporter.config import Credentials
from exporter.simulator import SimulatedGateway
from exporter.winet import checkup
from exporter.winet.checkup import Step
from tests.commands.running import run
from tests.harness import OLD, PASSWORD, STRING, THREE_PHASE, Harness, received

Server = Callable[[bytes], Awaitable[int]]


async def examine(harness: Harness, target: dict[str, Any]) -> list[Step]:
    return await doctor.examine(harness.configuration(target).targets[0], tell=False)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A TCP server that says a few bytes to everybody, and is no gateway. Returns its port."""
    servers = []

    async def start(answer: bytes) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1024)
            writer.write(answer)
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for one in servers:
        one.close()
        await one.wait_closed()


async def test_healthy_gateway_passes_every_step(harness: Harness) -> None:
    """All eight steps, with the certificate, the pin and the number of readings; at the end a log-out."""
    gateway = await harness.gateway(THREE_PHASE)
    steps = await examine(harness, harness.target(gateway, fingerprints=[gateway.fingerprint]))
    assert [step.name for step in steps] == list(checkup.STEPS)
    assert all(step.ok for step in steps)
    told = {step.name: step.detail for step in steps}
    assert "CN=Sungrow" in told["tls"]
    assert ", pinned, " in told["tls"]
    assert str(gateway.fingerprint) in told["tls"]
    assert told["readings"] == "SH10RT: 65, SBR128: 8, AC011E-01: 19"
    assert received(gateway)[-1].service == "logout"


async def test_log_out_that_fails_spoils_nothing(harness: Harness) -> None:
    """All that was wanted has been read by then."""
    gateway = await harness.gateway(OLD, faults=["drop:service=logout"])
    steps = await examine(harness, harness.target(gateway))
    assert (steps[-1].name, steps[-1].ok) == ("readings", True)


async def test_old_gateway_needs_neither_tls_nor_login(harness: Harness) -> None:
    """What was not needed is neither passed nor failed."""
    gateway = await harness.gateway(OLD)
    steps = await examine(harness, harness.target(gateway))
    assert {step.name: step.ok for step in steps if step.ok is not True} == {"tls": None, "login": None}


async def test_factory_password_in_force_is_pointed_out(harness: Harness) -> None:
    """The public account works: good for reading, and bad for everything else."""
    gateway = await harness.gateway(STRING)
    target = harness.target(gateway)
    del target["credentials"]
    steps = await examine(harness, target)
    (login,) = (step for step in steps if step.name == "login")
    assert login.ok
    assert "public password" in login.advice


@pytest.mark.parametrize("fault, step, advice", [
    ("login-refused", "login", "User name or password is wrong"),
    ("locked", "login", "Wait half an hour"),
    ("must-change-password", "login", "change the factory password"),
    ("must-change-password:flag=0", "login", "change the factory password"),
    ("user-limit:service=devicelist", "devices", "Somebody else logged in"),
    ("user-limit:service=real", "readings", "Somebody else logged in"),
    ("redirect", "websocket", "check the address"),
    ("upgrade-refused:status=404", "websocket", "another server may be at this address"),
    ("mute", "websocket", "said nothing"),
    ("silence:service=connect", "token", "said nothing"),
    ("garbage:service=connect", "token", "another language"),
    ("drop:service=connect", "token", "hung up"),
    ("no-token", "token", "another language"),
    ("silence:service=devicelist", "devices", "said nothing"),
    ("silence:service=real", "readings", "said nothing"),
    ("code:code=211:service=devicelist", "devices", "lists the inverter"),
    ("device-vanishes:device=1", "devices", "lists the inverter"),
    ("read-failed", "readings", "say nothing"),
])  # fmt: skip
async def test_fault_is_told_at_its_step_which_is_the_last(
    harness: Harness, fault: str, step: str, advice: str
) -> None:
    """Everything before has passed, nothing is tried afterwards, and the words fit the cause."""
    gateway = await harness.gateway(STRING, faults=[fault])
    steps = await examine(harness, harness.target(gateway, transport="wss"))
    assert [s.name for s in steps] == list(checkup.STEPS)[: len(steps)]
    assert (steps[-1].name, steps[-1].ok) == (step, False)
    assert all(earlier.ok for earlier in steps[:-1])
    assert advice in steps[-1].advice


async def test_another_certificate_than_the_pinned_one_is_named(harness: Harness) -> None:
    """Both fingerprints are told, and nothing has been sent."""
    gateway = await harness.gateway(STRING)
    steps = await examine(harness, harness.target(gateway, fingerprints=["AB" * 32]))
    assert (steps[-1].name, steps[-1].ok) == ("tls", False)
    assert str(gateway.fingerprint) in steps[-1].detail
    assert "AB:AB" in steps[-1].detail
    assert "fingerprint HOST" in steps[-1].advice
    assert gateway.counts.messages_received == 0


async def test_certificate_that_no_ca_signed_fails_the_strict_check(harness: Harness) -> None:
    """`strict` is told what it would need."""
    gateway = await harness.gateway(STRING)
    steps = await examine(harness, harness.target(gateway, verify="strict"))
    assert (steps[-1].name, steps[-1].ok) == ("tls", False)
    assert "verify: pinned" in steps[-1].advice


async def test_password_over_a_plain_line_is_withheld_and_that_is_told(harness: Harness) -> None:
    """Nothing secret went out, and the words name the way to allow it."""
    gateway = await harness.gateway(STRING, tls=False, accounts={"user": PASSWORD})
    steps = await examine(harness, harness.target(gateway, transport="auto", credentials="own"))
    assert (steps[-1].name, steps[-1].ok) == ("login", False)
    assert "--transport=ws" in steps[-1].advice
    assert received(gateway, "login") == []


async def test_factory_account_that_is_refused_asks_for_an_account(harness: Harness) -> None:
    """Without credentials the remedy is to give some, not to check them."""
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    target = harness.target(gateway)
    del target["credentials"]
    steps = await examine(harness, target)
    assert "--username" in steps[-1].advice


async def test_missing_password_file_is_no_fault_of_the_gateway(harness: Harness, tmp_path: Any) -> None:
    """Told at the login, and nothing is sent."""
    gateway = await harness.gateway(STRING)
    settings = harness.configuration(harness.target(gateway)).targets[0]
    account = Credentials(username="user", password_file=str(tmp_path / "none"))
    steps = await doctor.examine(replace(settings, credentials=account), tell=False)
    assert (steps[-1].name, steps[-1].ok) == ("login", False)
    assert "readable file" in steps[-1].advice
    assert received(gateway, "login") == []


@pytest.mark.parametrize("asked, open_port, advice", [
    ("ws", "TLS_PORT", "wants TLS"),
    ("wss", "PLAIN_PORT", "speaks no TLS yet"),
])  # fmt: skip
async def test_closed_port_beside_an_open_one_tells_which_transport_is_wanted(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, asked: str, open_port: str, advice: str
) -> None:
    """A firmware update closes one port and opens another; that is what the words say."""
    gateway = await harness.gateway(STRING if asked == "ws" else OLD)
    gone = await harness.gateway(OLD)
    await gone.stop()
    monkeypatch.setattr(checkup, open_port, gateway.port)
    steps = await examine(harness, {"host": f"127.0.0.1:{gone.port}", "name": "roof", "transport": asked})
    assert (steps[-1].name, steps[-1].ok) == ("ports", False)
    assert f"{gone.port} closed" in steps[-1].detail
    assert advice in steps[-1].advice


async def test_address_without_any_open_port_is_no_gateway(harness: Harness) -> None:
    """A machine that refuses is there, but is no WiNet."""
    gone = await harness.gateway(OLD)
    await gone.stop()
    steps = await examine(harness, harness.target(gone))
    assert (steps[-1].name, steps[-1].ok) == ("ports", False)
    assert "no port of a WiNet is open" in steps[-1].advice


async def test_name_that_cannot_be_resolved_is_the_first_step(harness: Harness) -> None:
    """The words name another way to find the gateway."""
    steps = await examine(harness, {"host": "gateway.invalid", "name": "roof"})
    assert [(step.name, step.ok) for step in steps] == [("name", False)]
    assert "discover" in steps[0].advice


async def test_name_is_told_with_its_addresses(harness: Harness) -> None:
    """What a name means to this machine is the first thing to know."""
    gateway = await harness.gateway(OLD)
    steps = await examine(harness, harness.target(gateway, host=f"localhost:{gateway.port}"))
    assert "127.0.0.1" in steps[0].detail


@pytest.mark.parametrize("transport, step, advice", [
    ("wss", "tls", "Nothing speaks TLS there"),
    ("ws", "websocket", "another server may be at this address"),
])  # fmt: skip
async def test_web_server_that_is_no_gateway_is_told_apart(
    harness: Harness, server: Server, transport: str, step: str, advice: str
) -> None:
    """HTTP that opens no WebSocket is another machine's."""
    port = await server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    steps = await examine(harness, {"host": f"127.0.0.1:{port}", "name": "roof", "transport": transport})
    assert (steps[-1].name, steps[-1].ok) == (step, False)
    assert advice in steps[-1].advice


async def test_port_that_is_mute_to_tls_may_be_plain(harness: Harness) -> None:
    """It is open, and hangs only to one who begins with TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    steps = await examine(harness, {"host": f"127.0.0.1:{port}", "name": "roof", "transport": "wss"})
    assert (steps[-1].name, steps[-1].ok) == ("tls", False)
    assert steps[-1].advice.startswith("The port may speak plain ws: try --transport=ws or auto")
    assert "said nothing" in steps[-1].advice
    server.close()
    await server.wait_closed()


async def test_plain_line_to_a_port_with_tls_tells_to_use_tls(harness: Harness) -> None:
    """The most common effect of a firmware update."""
    gateway = await harness.gateway(STRING)
    steps = await examine(harness, harness.target(gateway, transport="ws"))
    assert (steps[-1].name, steps[-1].ok) == ("websocket", False)
    assert "--transport=wss" in steps[-1].advice


async def test_port_that_neither_answers_nor_refuses_is_silent() -> None:
    """A host that drops what it is sent, as one behind a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            assert await checkup.knock("127.0.0.1", port, 0.05) == "silent"
        finally:
            for one in waiting:
                one.close()


async def test_address_out_of_reach_is_told_in_the_systems_words() -> None:
    """No route is not the same as no answer."""
    assert await checkup.knock("255.255.255.255", 443, 1) not in ("open", "closed", "silent")


async def test_ports_that_are_all_silent_mean_no_power_or_no_network(harness: Harness) -> None:
    """The first thing to check is the plug."""
    (target,) = harness.configuration({"host": "192.0.2.1", "name": "roof"}).targets
    step = checkup._judge_ports(target, (), {443: "silent", 8082: "silent"})
    assert "power and network" in step.advice


def test_marks_are_words_where_the_terminal_lacks_the_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ASCII terminal reads the same report."""
    assert doctor.as_text(Step("tls", False, "no", "do")).startswith("✘ tls")

    class Ascii:
        encoding = "ascii"

    monkeypatch.setattr(terminal.sys, "stdout", Ascii())
    text = doctor.as_text(Step("tls", False, "no", "do"))
    assert text.isascii()
    assert text.startswith("FAIL tls")


@pytest.mark.real
async def test_doctor_as_a_command_tells_and_exits_by_what_it_found() -> None:
    """0 and a report for a healthy gateway, 1 and JSON for an ill one, 2 for wrong usage."""
    async with SimulatedGateway(OLD) as gateway:
        place = f"127.0.0.1:{gateway.port}"
        code, out, log = await run("doctor", place, "--transport=ws")
        assert (code, out.count("✔")) == (0, 6)
        assert "thrown out" in log
    code, out, _ = await run("doctor", place, "--transport=ws", "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["steps"][-1]["name"]) == (1, False, "ports")
    code, _, log = await run("doctor", "http://x/")
    assert (code, "must be a name or address" in log) == (2, True)
