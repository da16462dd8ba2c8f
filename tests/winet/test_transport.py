"""Which line is opened, what is checked before anything is sent, and what is never done."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from exporter.winet import dial, errors, tls
from tests.harness import OLD, PASSWORD, STRING, Harness, received

OTHER_PIN = "AB" * 32


async def test_auto_with_a_tls_gateway_talks_tls_and_logs_in(harness: Harness) -> None:
    """On a port of unknown kind TLS is tried first."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, transport="auto"))
    await harness.cycles()
    assert harness.value("winet2_target_info", transport="wss") == 1
    assert gateway.counts.logins == 1


async def test_auto_with_a_plain_gateway_falls_back_in_the_same_attempt(harness: Harness) -> None:
    """The question for TLS is no attempt of its own, and later attempts go straight to the plain port."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway, transport="auto"))
    await harness.cycles()
    assert harness.value("winet2_target_info", transport="ws") == 1
    assert harness.value("winet2_ws_connection_attempts_total") == 1
    assert harness.errors() == {}
    before = gateway.counts.tcp_accepted
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    assert gateway.counts.tcp_accepted == before + 1


async def test_auto_after_tls_was_seen_never_talks_plain_again(harness: Harness) -> None:
    """A plain gateway in the place of one that spoke TLS gets no upgrade, however long it waits."""
    secure = await harness.gateway(STRING)
    await harness.start(harness.target(secure, transport="auto"))
    await harness.cycles()
    port = secure.port
    await secure.stop()
    await harness.state("backing_off")
    plain = await harness.gateway(OLD, port=port)
    await harness.pass_time(3600)
    assert plain.counts.tcp_accepted > 3
    assert plain.counts.upgrades == plain.counts.messages_received == 0
    assert harness.errors()["no_answer"] >= 3  # a plain server waits for the rest of what TLS began


async def test_auto_over_plain_withholds_configured_credentials(harness: Harness) -> None:
    """Over plain the session tries without login; on 401 it is refused and says what to do."""
    gateway = await harness.gateway(STRING, tls=False, accounts={"user": PASSWORD})
    await harness.start(harness.target(gateway, transport="auto", credentials="own"))
    await harness.state("refused")
    assert received(gateway, "login") == []
    assert harness.errors() == {"login_required": 1}
    assert "transport: ws" in harness.pool.status("roof").advice


async def test_auto_over_plain_reads_an_old_gateway_without_its_credentials(harness: Harness) -> None:
    """Old firmware needs no login, so none is sent."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway, transport="auto", credentials="own"))
    await harness.cycles()
    assert received(gateway, "login") == []
    assert harness.value("winet2_up") == 1


async def test_ws_by_the_users_word_logs_in_over_plain(harness: Harness) -> None:
    """Who names the transport may send credentials over it."""
    gateway = await harness.gateway(STRING, tls=False, accounts={"user": PASSWORD})
    await harness.start(harness.target(gateway, transport="ws", credentials="own"))
    await harness.cycles()
    assert gateway.counts.logins == 1


async def test_auto_with_a_port_that_is_mute_to_tls_gives_it_five_seconds(harness: Harness) -> None:
    """On a named port a TLS handshake without answer counts as refused, and plain is tried."""
    openings = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        openings.append((await reader.read(1), harness.loop.time()))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await harness.start({"host": f"127.0.0.1:{port}", "name": "roof"})
    await harness.state("backing_off")
    await harness.stop()
    server.close()
    await server.wait_closed()
    (first, first_at), (second, second_at) = openings
    assert (first, second) == (b"\x16", b"G")  # a TLS handshake, then GET
    assert second_at - first_at == pytest.approx(5, abs=0.5)


async def test_pinned_with_the_right_certificate_connects(harness: Harness) -> None:
    """One of several pins will do."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, fingerprints=[OTHER_PIN, gateway.fingerprint]))
    await harness.cycles()
    assert harness.value("winet2_target_info", verify="pinned") == 1


@pytest.mark.parametrize("transport", ["wss", "auto"])
async def test_pinned_with_another_certificate_sends_nothing_and_names_both(
    harness: Harness, transport: str
) -> None:
    """A mismatch is a failure of its own, before a byte of ours, and nothing else is tried."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, transport=transport, fingerprints=[OTHER_PIN]))
    await harness.state("backing_off")
    error = harness.pool.status("roof").error
    assert str(gateway.fingerprint) in error
    assert "AB:AB:AB" in error
    await harness.pass_time(600)
    assert set(harness.errors()) == {"certificate_mismatch"}
    assert gateway.counts.upgrades == gateway.counts.upgrades_refused == 0
    assert gateway.counts.messages_received == 0


async def test_pinned_after_the_certificate_changed_stays_out(harness: Harness) -> None:
    """A new certificate ends a pinned target until the pin is changed."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, fingerprints=[gateway.fingerprint]))
    await harness.cycles()
    gateway.inject("certificate-changed")
    gateway.inject("drop:service=real:times=1")
    await harness.state("backing_off")
    await harness.pass_time(120)
    assert harness.errors()["certificate_mismatch"] >= 3
    assert gateway.counts.upgrades == 1


async def test_bypass_after_the_certificate_changed_counts_it(harness: Harness) -> None:
    """Without pins a new certificate is noticed and counted; its end is exported."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.value("winet2_gateway_certificate_changes_total") == 0
    ends = harness.value("winet2_gateway_certificate_expiry_timestamp_seconds")
    assert 9 * 365 * 86400 < ends - harness.now().timestamp() < 12 * 365 * 86400
    gateway.inject("certificate-changed")
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles()
    assert harness.value("winet2_gateway_certificate_changes_total") == 1


async def test_redirect_is_not_followed(harness: Harness) -> None:
    """The other address is never called, and the login stays unsent."""
    elsewhere = await harness.gateway(STRING)
    gateway = await harness.gateway(STRING, faults=[f"redirect:to=https://127.0.0.1:{elsewhere.port}/"])
    await harness.start(harness.target(gateway))
    await harness.pass_time(300)
    assert set(harness.errors()) == {"redirect"}
    assert elsewhere.counts.tcp_accepted == 0
    assert gateway.counts.messages_received == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"])
async def test_proxy_variables_are_not_obeyed(
    harness: Harness, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would see the password; it is never called."""
    proxy = await harness.gateway(OLD)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert proxy.counts.tcp_accepted == 0


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_refused_upgrade_is_told_with_its_status(harness: Harness, status: int) -> None:
    """HTTP instead of a WebSocket is a failure of its own."""
    gateway = await harness.gateway(OLD, faults=[f"upgrade-refused:status={status}"])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    assert harness.errors() == {"upgrade_refused": 1}
    assert str(status) in harness.pool.status("roof").error
    assert harness.value("winet2_ws_connection_failures_total") == 1


@pytest.mark.parametrize("profile", [OLD, STRING])
async def test_mute_gateway_is_given_up_after_twenty_seconds(harness: Harness, profile: str) -> None:
    """An upgrade that is never answered ends by our own limit."""
    gateway = await harness.gateway(profile, faults=["mute"])
    await harness.start(harness.target(gateway))
    await harness.state("backing_off")
    assert harness.loop.time() - harness.began == pytest.approx(20, abs=1)
    assert harness.errors() == {"no_answer": 1}


async def test_wss_to_a_port_that_is_mute_to_tls_says_that_it_may_be_plain(harness: Harness) -> None:
    """A plain server may wait for the end of what it takes for a request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await harness.start({"host": f"127.0.0.1:{port}", "name": "roof", "transport": "wss"})
    await harness.state("backing_off")
    status = harness.pool.status("roof")
    assert status.error == f"no TLS from wss://127.0.0.1:{port} within 20 s"
    assert status.advice.startswith("The port may speak plain ws: set transport: ws or auto")
    assert "power-cycle it" in status.advice
    assert harness.errors() == {"no_answer": 1}
    await harness.stop()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("profile, transport", [(OLD, "ws"), (STRING, "wss")])
async def test_mute_gateway_of_the_right_transport_is_not_told_to_be_plain(
    harness: Harness, profile: str, transport: str
) -> None:
    """It has spoken TLS, or is plain already: it hangs."""
    gateway = await harness.gateway(profile, faults=["mute"])
    await harness.start(harness.target(gateway, transport=transport))
    await harness.state("backing_off")
    assert "plain" not in harness.pool.status("roof").advice


async def test_wss_to_a_server_that_closes_on_tls_says_so(harness: Harness) -> None:
    """The wrong transport is named as such, and never repaired by falling back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await harness.start({"host": f"127.0.0.1:{port}", "name": "roof", "transport": "wss"})
    await harness.state("backing_off")
    assert "does not speak TLS" in harness.pool.status("roof").error
    assert harness.errors() == {"unreachable": 1}
    await harness.stop()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("transport", ["wss", "ws", "auto"])
async def test_refused_connection_is_told_as_refused(harness: Harness, transport: str) -> None:
    """Where nothing listens, nobody can tell whether it would speak TLS."""
    gone = await harness.gateway(STRING)
    await gone.stop()
    await harness.start(harness.target(gone, transport=transport))
    await harness.state("backing_off")
    status = harness.pool.status("roof")
    scheme = "wss" if transport == "wss" else "ws"
    assert status.error == f"{scheme}://127.0.0.1:{gone.port}: Connection refused"
    assert "nothing listens on this port" in status.advice
    assert harness.errors() == {"unreachable": 1}


async def test_auto_whose_tls_port_refuses_asks_the_plain_one(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As old firmware has it: nothing on 443, a WebSocket on 8082."""
    plain, gone = await harness.gateway(OLD), await harness.gateway(STRING)
    await gone.stop()
    monkeypatch.setattr(dial, "TLS_PORT", gone.port)
    monkeypatch.setattr(dial, "PLAIN_PORT", plain.port)
    await harness.start({"host": "127.0.0.1", "name": "roof", "transport": "auto"})
    await harness.cycles()
    assert harness.value("winet2_target_info", transport="ws") == 1
    assert harness.errors() == {}


@pytest.mark.parametrize("scheme", ["wss", "ws"])
def test_refusal_by_one_of_a_names_addresses_is_told_as_refused(scheme: str) -> None:
    """No way to the IPv6 address, and the IPv4 one refuses: one error with two sentences and no number."""
    words = (
        f"Multiple exceptions: [Errno {errno.ENETUNREACH}] Connect call failed ('2001:db8::1', 443, 0, 0), "
        f"[Errno {errno.ECONNREFUSED}] Connect call failed ('192.0.2.1', 443)"
    )
    endpoint = dial.Endpoint(scheme, "roof.example", 443)
    key = ConnectionKey("roof.example", 443, scheme == "wss", True, None, None, None)
    failure = dial._translate(
        aiohttp.ClientConnectorError(key, OSError(words)), endpoint, tls.CertificateWatch(()), ()
    )
    assert type(failure) is errors.PortRefused


# strict ----------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def verified(authority: trustme.CA) -> AsyncIterator[tuple[int, list[aiohttp.typedefs.LooseHeaders]]]:
    """A gateway behind a proxy with a proper certificate: the port, and the upgrades' headers."""
    upgrades: list[aiohttp.typedefs.LooseHeaders] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        upgrades.append(request.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            service = message.json()["service"]
            data = (
                {"service": service, "token": "t"}
                if service == "connect"
                else {"service": service, "list": []}
            )
            await socket.send_json({"result_code": 1, "result_msg": "success", "result_data": data})
        return socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    app = web.Application()
    app.router.add_get("/ws/home/overview", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield runner.addresses[0][1], upgrades
    await runner.cleanup()


async def test_strict_with_a_proper_certificate_connects(
    harness: Harness, authority: trustme.CA, verified: tuple[int, list[object]], tmp_path: Path
) -> None:
    """A CA file and the right host name are all it takes; compression is not offered."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port, upgrades = verified
    await harness.start({"host": f"localhost:{port}", "name": "roof", "ca_file": str(tmp_path / "ca.pem")})
    await harness.state("online")
    assert harness.value("winet2_target_info", verify="strict", transport="wss") == 1
    assert harness.values("winet2_gateway_certificate_expiry_timestamp_seconds")
    assert "Sec-WebSocket-Extensions" not in upgrades[0]
    await harness.stop()


async def test_compression_is_offered_where_it_is_asked_for(
    harness: Harness, verified: tuple[int, list[object]]
) -> None:
    """`compression: true` offers permessage-deflate; a gateway that ignores it is read all the same."""
    port, upgrades = verified
    await harness.start(
        {"host": f"localhost:{port}", "name": "roof", "transport": "wss", "compression": True}
    )
    await harness.state("online")
    assert "permessage-deflate" in upgrades[0]["Sec-WebSocket-Extensions"]
    await harness.stop()


async def test_strict_with_another_host_name_is_refused(
    harness: Harness, authority: trustme.CA, verified: tuple[int, list[object]], tmp_path: Path
) -> None:
    """The host name is checked, and nothing is sent."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port, upgrades = verified
    await harness.start({"host": f"127.0.0.1:{port}", "name": "roof", "ca_file": str(tmp_path / "ca.pem")})
    await harness.state("backing_off")
    assert harness.errors() == {"tls": 1}
    assert upgrades == []


async def test_strict_with_the_factory_certificate_is_refused(harness: Harness) -> None:
    """A self-signed certificate is none that the system trusts."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, verify="strict"))
    await harness.state("backing_off")
    assert harness.errors() == {"tls": 1}
    assert gateway.counts.upgrades == 0


async def test_strict_with_a_missing_ca_file_says_which(harness: Harness) -> None:
    """A file that cannot be read is named."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, ca_file="/nowhere/ca.pem"))
    await harness.state("backing_off")
    assert "/nowhere/ca.pem" in harness.pool.status("roof").error
    assert harness.errors() == {"tls": 1}


async def test_name_that_does_not_resolve_is_told(harness: Harness) -> None:
    """An unknown name is unreachable, in words."""
    await harness.start({"host": "no-such-gateway.invalid", "name": "roof"})
    await harness.state("backing_off")
    assert "no-such-gateway.invalid" in harness.pool.status("roof").error
    assert harness.errors() == {"unreachable": 1}
