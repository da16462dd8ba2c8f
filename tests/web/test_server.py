"""The HTTP server on a real port, in front of a real pool."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.web.server import Address, Server
from tests.harness import OLD, STRING, Harness, series

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve(harness: Harness) -> AsyncIterator[Serve]:
    """Put a server in front of the harness; returns its URL."""
    servers = []

    async def begin(**options: str) -> str:
        server = Server(
            harness.exposition,
            harness.pool.statuses,
            harness.pool.tasks_alive,
            clock=harness.loop.time,
            **options,
        )
        servers.append(server)
        (address,) = await server.start([Address("127.0.0.1", 0)])
        return f"http://127.0.0.1:{address.port}"

    yield begin
    for server in servers:
        await server.aclose()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_metrics_in_both_formats_have_their_content_type(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """Without a wish plain text, with Prometheus' own header OpenMetrics; both say that Accept decides."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    url = await serve()
    async with http.get(f"{url}/metrics") as plain:
        assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert plain.headers["Vary"] == "Accept, Accept-Encoding"
        assert 'winet2_up{target="roof"} 1.0' in await plain.text()
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    async with http.get(f"{url}/metrics", headers={"Accept": accept}) as openmetrics:
        assert openmetrics.content_type == "application/openmetrics-text"
        found = series(parse_openmetrics(await openmetrics.text()))
        assert found[("winet2_up", (("target", "roof"),))] == 1
    async with http.head(f"{url}/metrics") as head:
        assert head.status == 200
        assert int(head.headers["Content-Length"]) > 1000


async def test_metrics_while_a_gateway_is_silent_are_served_from_the_cache(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """A scrape in the middle of an unanswered question needs no answer of the gateway."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    url = await serve()
    gateway.inject("silence")
    asked = gateway.counts.messages_received
    await gateway.until(lambda: gateway.counts.messages_received > asked)
    began = harness.loop.time()
    async with http.get(f"{url}/metrics") as answer:
        assert "winet2_pv_power_watts{" in await answer.text()
    assert harness.loop.time() - began < 30
    assert gateway.counts.messages_received == asked + 1


async def test_metrics_to_a_post_are_refused_with_what_is_allowed(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """405 names GET and HEAD."""
    await harness.start({"host": "127.0.0.1:1", "name": "roof", "transport": "ws"})
    url = await serve()
    async with http.post(f"{url}/metrics") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"
    async with http.get(f"{url}/nowhere") as answer:
        assert answer.status == 404


async def test_metrics_path_is_the_users_to_choose(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """Another telemetry path serves the metrics, and / may be it."""
    await harness.start({"host": "127.0.0.1:1", "name": "roof", "transport": "ws"})
    for path in ("/solar/metrics", "/"):
        url = await serve(telemetry_path=path)
        async with http.get(f"{url}{path}") as answer:
            assert "winet2_exporter_build_info" in await answer.text()


async def test_ready_waits_for_the_first_cycle_and_then_stays(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """503 names who is waited for; one cycle, or a reason to stay away, makes it 200."""
    slow = await harness.gateway(OLD, faults=["slow:seconds=3:service=connect"])
    refused = await harness.gateway(STRING, faults=["login-refused"])
    await harness.start(harness.target(slow, name="slow"), harness.target(refused, name="refused"))
    url = await serve()
    await harness.state("refused", "refused")
    async with http.get(f"{url}/-/ready") as answer:
        assert answer.status == 503
        assert "slow" in await answer.text()
        assert "refused" not in await answer.text()
    await harness.cycles(1, "slow")
    async with http.get(f"{url}/-/ready") as answer:
        assert answer.status == 200


async def test_ready_when_a_gateway_that_never_came_is_tried_again_then_it_stays_ready(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """What is known to be away is not waited for, in the middle of its next attempt neither."""
    dead = await harness.gateway(OLD, faults=["silence:service=connect"])
    await harness.start(harness.target(dead))
    await harness.state("backing_off")
    await harness.state("authenticating")
    url = await serve()
    async with http.get(f"{url}/-/ready") as answer:
        assert answer.status == 200
    assert harness.pool.status("roof").state == "authenticating"


async def test_healthy_until_a_session_has_ended_on_its_own(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """Health is the life of the sessions, not of the gateways."""
    await harness.start({"host": "127.0.0.1:1", "name": "roof", "transport": "ws"})
    await harness.state("backing_off")
    url = await serve()
    async with http.get(f"{url}/-/healthy") as answer:
        assert answer.status == 200
    task = harness.pool._tasks["roof"]
    task.cancel()
    await harness.pass_time(0.1)
    async with http.get(f"{url}/-/healthy") as answer:
        assert answer.status == 503
    harness.may_lose_sessions = True


async def test_status_page_shows_every_target_and_its_last_error(
    harness: Harness, serve: Serve, http: aiohttp.ClientSession
) -> None:
    """State, error and advice are there, escaped, under a strict policy."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    await harness.start(harness.target(gateway, name="<b>roof</b>"))
    await harness.state("refused", "<b>roof</b>")
    url = await serve()
    async with http.get(f"{url}/") as answer:
        page = (await answer.text()).replace("\u00a0", " ")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "&lt;b&gt;roof&lt;/b&gt;" in page
    assert "<b>roof</b>" not in page
    assert "refused" in page
    assert "next try in 30 min" in page
    assert "Check user name and password" in page


async def test_port_that_is_taken_is_an_error_and_nothing_is_left(harness: Harness, serve: Serve) -> None:
    """The second server on one port raises, and holds no other."""
    await harness.start({"host": "127.0.0.1:1", "name": "roof", "transport": "ws"})
    url = await serve()
    port = int(url.rpartition(":")[2])
    server = Server(harness.exposition, harness.pool.statuses, harness.pool.tasks_alive)
    with pytest.raises(OSError, match="in use"):
        await server.start([Address("127.0.0.1", 0), Address("127.0.0.1", port)])
    assert server._runner.addresses == []
