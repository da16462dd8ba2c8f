"""`discover` and `fingerprint`: gateways found, certificates shown, nothing secret sent."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from exporter import config
from exporter.commands import discover, terminal
from exporter.commands.discover import Found, parse_network
from exporter.simulator import SimulatedGateway
from tests.commands.running import run
from tests.harness import OLD, STRING, received

HERE = parse_network("127.0.0.1/32")


@pytest.mark.parametrize("text", ["192.168.1.0/24", "192.168.1.77/24", "10.0.0.0/20", "172.31.255.0/24",
                                  "169.254.1.0/24", "127.0.0.1", "fd00::/116", "fe80::1", "::1"])  # fmt: skip
def test_network_of_ones_own_is_taken(text: str) -> None:
    """Private, link-local and loopback ranges up to the limit."""
    assert parse_network(text)


@pytest.mark.parametrize("text, word", [
    ("8.8.8.0/24", "not private"), ("192.0.2.0/24", "not private"), ("0.0.0.0/0", "not private"),
    ("100.64.0.0/24", "not private"), ("172.32.0.0/24", "not private"), ("2001:db8::/120", "not private"),
    ("::/0", "not private"), ("10.0.0.0/19", "a /20 at most"), ("fd00::/64", "a /116 at most"),
    ("roof", "is no network"), ("192.168.1.0/33", "is no network"),
])  # fmt: skip
def test_network_of_others_or_too_large_is_refused(text: str, word: str) -> None:
    """Nobody else's network is searched, and none for hours."""
    with pytest.raises(ValueError, match=word):
        parse_network(text)


async def test_gateways_are_found_and_their_configuration_is_good(tmp_path: Path) -> None:
    """What is printed is a configuration that names transport and pin of each."""
    async with SimulatedGateway(STRING) as secure, SimulatedGateway(OLD) as plain:
        found = await discover.search(HERE, (secure.port, plain.port))
        settings = config.parse(discover.as_yaml(found), source="test", folder=tmp_path)
        by_port = {target.port: target for target in settings.targets}
        assert (by_port[secure.port].transport, by_port[plain.port].transport) == ("wss", "ws")
        pin = str(secure.fingerprint).replace(":", "").lower()
        assert by_port[secure.port].fingerprints == (pin,)
        assert by_port[plain.port].fingerprints == ()
        for gateway in (secure, plain):
            assert [event.service for event in received(gateway)] == ["connect"]


async def test_gateway_on_both_of_the_usual_ports_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is the better way in, so the plain port is not asked."""
    async with SimulatedGateway(STRING) as secure, SimulatedGateway(OLD) as plain:
        for module in ("exporter.commands.discover", "exporter.winet.dial"):
            monkeypatch.setattr(f"{module}.TLS_PORT", secure.port)
            monkeypatch.setattr(f"{module}.PLAIN_PORT", plain.port)
        (entry,) = await discover.search(HERE, (secure.port, plain.port))
        assert (entry.host, entry.transport) == ("127.0.0.1", "wss")
        assert plain.counts.tcp_accepted == 0


@pytest.mark.parametrize("fault", ["upgrade-refused", "redirect", "no-token:times=1", "drop:service=connect"])
async def test_what_is_no_gateway_is_passed_over(fault: str) -> None:
    """Another server, or a gateway that cannot talk now, ends nothing."""
    async with SimulatedGateway(STRING, faults=[fault]) as gateway:
        assert await discover.search(HERE, (gateway.port,)) == []


def test_yaml_of_a_strange_certificate_is_still_yaml(tmp_path: Path) -> None:
    """What a certificate says is not to be trusted with line breaks."""
    text = discover.as_yaml([Found("10.0.0.1", 443, "wss", "AB:" * 31 + "AB", "", None)])
    (target,) = config.parse(text, source="test", folder=tmp_path).targets
    assert target.verify == "pinned"
    assert "no subject" in text


def test_address_of_ipv6_is_written_with_brackets() -> None:
    """A port behind an IPv6 address needs them."""
    assert discover._target("fd00::1", 8443).port == 8443
    assert discover._target("fd00::1", 443).transport == "wss"


def test_progress_is_drawn_on_a_terminal_only() -> None:
    """A pipe gets no bar."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    drawn, piped = Terminal(), io.StringIO()
    for stream in (drawn, piped):
        progress = terminal.Progress(2, stream)
        progress.clear()
        progress.step()
        progress.step("1 found")
        progress.clear()
    assert "2/2 1 found" in drawn.getvalue()
    assert piped.getvalue() == ""


@pytest.mark.real
async def test_discover_as_a_command_prints_yaml_or_json_and_says_if_there_is_none(tmp_path: Path) -> None:
    """0 with gateways, 1 without, 2 for a network of others."""
    async with SimulatedGateway(STRING) as gateway:
        words = ["discover", "127.0.0.1/32", f"--port={gateway.port}"]
        code, out, _ = await run(*words)
        assert (code, f'- host: "127.0.0.1:{gateway.port}"' in out) == (0, True)
        code, out, _ = await run(*words, "--json")
        assert (code, json.loads(out)[0]["fingerprint"]) == (0, gateway.fingerprint)
    code, out, log = await run(*words)
    assert (code, out, "no gateway answers" in log) == (1, "", True)
    code, _, log = await run("discover", "8.8.8.8")
    assert (code, "not private" in log) == (2, True)
    code, _, log = await run("discover", "127.0.0.1", "--port=0")
    assert (code, "--port must be" in log) == (2, True)


@pytest.mark.real
async def test_fingerprint_is_the_line_that_pins(tmp_path: Path) -> None:
    """The line can be pasted; the words beside it are on standard error."""
    async with SimulatedGateway(STRING) as gateway:
        place = f"127.0.0.1:{gateway.port}"
        code, out, log = await run("fingerprint", place)
        assert (code, out) == (0, f'fingerprints: ["{gateway.fingerprint}"]\n')
        assert "proves a WiNet, not yours" in log
        file = tmp_path / "winet.yml"
        pin = "AB:" * 31 + "AB"
        file.write_text(f'targets: [{{host: "{place}", name: roof, fingerprints: ["{pin}"]}}]')
        code, out, _ = await run("fingerprint", "roof", f"--config.file={file}", "--json")
        assert (code, json.loads(out)["fingerprint"]) == (0, gateway.fingerprint)
        gateway.inject("upgrade-refused")
        code, out, log = await run("fingerprint", place)
        assert (code, str(gateway.fingerprint) in out, "may be no WiNet" in log) == (0, True, True)
        assert received(gateway) == []


@pytest.mark.real
async def test_fingerprint_without_tls_is_exit_code_1() -> None:
    """Older firmware has no certificate; of a closed port nobody knows."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, out, log = await run("fingerprint", f"127.0.0.1:{port}")
        assert (code, out, "no certificate to pin" in log) == (1, "", True)
    code, out, log = await run("fingerprint", f"127.0.0.1:{port}")
    assert (code, out, "Connection refused" in log, "TLS" in log) == (1, "", True, False)
    assert "nothing listens on this port" in log
    code, _, log = await run("fingerprint", "http://x/")
    assert (code, "must be a name or address" in log) == (2, True)
