"""The operator's routes on a real port, in front of a real exporter: what they do and what they refuse."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import config
from exporter.commands.running import Exporter, Shard
from exporter.commands.serve import Options, operations_of
from exporter.simulator import SimulatedGateway
from exporter.targets import in_shard
from exporter.web.operations import scrape_deadline
from exporter.web.server import Address, Server
from tests.harness import CATALOGUE, OLD, PASSWORD, STRING, Harness, received, series

Begin = Callable[..., Awaitable["World"]]


class World:
    """A running exporter with its server, and a configuration file that can be rewritten."""

    def __init__(
        self, harness: Harness, exporter: Exporter, url: str, http: aiohttp.ClientSession, file: Path
    ) -> None:
        self.harness = harness
        self.exporter = exporter
        self.url = url
        self.http = http
        self.file = file

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.post(self.url + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def metrics(self, path: str = "/metrics") -> dict[Any, float]:
        """Samples of our own families by name and labels."""
        status, text = await self.get(path, Accept="application/openmetrics-text")
        assert status == 200, text
        return {k: v for k, v in series(parse_openmetrics(text)).items() if k[0].startswith("winet2_")}

    async def up(self, path: str = "/metrics") -> dict[str, float]:
        found = await self.metrics(path)
        return {dict(labels)["target"]: value for (n, labels), value in found.items() if n == "winet2_up"}

    async def until_up(self, *names: str) -> None:
        """Wait until these targets have been read."""
        await self.harness.until(lambda: all(self.exporter.pool.snapshot(name) for name in names))

    def rewrite(self, document: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(document))


@pytest.fixture
async def begin(harness: Harness, tmp_path: Path) -> AsyncIterator[Begin]:
    """Start an exporter for a configuration; all is ended after the test."""
    ends: list[Callable[[], Awaitable[None]]] = []

    async def start(document: dict[str, Any], *, lifecycle: bool = True, **more: Any) -> World:
        file = tmp_path / "winet.yml"
        file.write_text(json.dumps(document))
        exporter = Exporter(
            config.load(file), CATALOGUE, load=lambda: config.load(file), clock=harness.loop.time,
            on_change=lambda _: harness.look(), **more,
        )  # fmt: skip
        operations = operations_of(exporter, Options(lifecycle, "solar.example.org"))
        server = Server(
            exporter.exposition, exporter.pool.statuses, exporter.tasks_alive, clock=harness.loop.time,
            operations=operations, background=(exporter.watch,),
        )  # fmt: skip
        (address,) = await server.start([Address("127.0.0.1", 0)])
        await exporter.__aenter__()
        http = aiohttp.ClientSession()

        async def end() -> None:
            await http.close()
            await server.aclose()
            await exporter.__aexit__()

        ends.append(end)
        return World(harness, exporter, f"http://127.0.0.1:{address.port}", http, file)

    yield start
    for end in ends:
        await end()


def target(gateway: SimulatedGateway, name: str, **more: Any) -> dict[str, Any]:
    account = {"credentials": "default"} if gateway.profile.login_required else {}
    transport = "wss" if gateway.tls else "ws"
    return {"host": f"{gateway.host}:{gateway.port}", "name": name, "transport": transport, **account, **more}


ACCOUNTS = {"default": {"username": "user", "password": "pw1111"}}


# Probes ----------------------------------------------------------------------------------------------


async def test_probe_of_an_allowed_address_opens_one_session_and_then_answers_from_the_cache(
    harness: Harness, begin: Begin
) -> None:
    """The first one waits for the first readings; nothing of it is in /metrics."""
    named, other = await harness.gateway(OLD), await harness.gateway(OLD)
    world = await begin(
        {
            "targets": [target(named, "roof")],
            "probe": {"allow": ["127.0.0.0/8"], "ports": [other.port]},
        }
    )
    place = f"127.0.0.1:{other.port}"
    for _ in range(3):
        found = await world.metrics(f"/probe?target={place}")
        assert found["winet2_up", (("target", place),)] == 1
        assert not any("process_" in name or "config" in name for name, _ in found)
    assert other.counts.upgrades == 1
    assert set(await world.up()) == {"roof"}


async def test_probe_of_a_named_target_uses_its_session(harness: Harness, begin: Begin) -> None:
    """By its name, its host, or its address and port: never two sockets to one gateway."""
    gateway = await harness.gateway(STRING)
    world = await begin(
        {
            "credentials": ACCOUNTS,
            "targets": [target(gateway, "roof")],
            "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]},
        }
    )
    await world.until_up("roof")
    for name in ("roof", "127.0.0.1", f"127.0.0.1:{gateway.port}", f"[::ffff:127.0.0.1]:{gateway.port}"):
        assert await world.up(f"/probe?target={name}") == {"roof": 1}
    assert gateway.counts.upgrades == 1


@pytest.mark.parametrize(
    "query",
    [
        "", "?target=", "?target=%20", "?target=a&target=b", "?target=evil.example", "?target=localhost:PORT",
        "?target=127.0.0.1:9", "?target=10.0.0.1:PORT", "?target=http://127.0.0.1:PORT/",
        "?target=//127.0.0.1", "?target=user:pw@127.0.0.1:PORT", "?target=127.1:PORT",
        "?target=2130706433:PORT", "?target=0x7f.1:PORT",
        "?target=0177.0.0.1:PORT", "?target=127.0.0.1%00:PORT", "?target=127.0.0.1:PORT%0d%0aX:1",
        "?target=[::1]:PORT", "?target=169.254.169.254", "?target=../../etc/passwd", "?target=" + "a" * 400,
        "?target=127.0.0.1:99999", "?target=%E2%91%A0.0.0.1", "?target=127.0.0.1",
        "?target=[fe80::1%25eth0]:PORT",
    ],
)  # fmt: skip
async def test_probe_of_anything_else_is_400_and_dials_nobody(
    harness: Harness, begin: Begin, query: str
) -> None:
    """Names are never resolved, and nothing but allowed addresses and ports is contacted."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [], "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}})
    status, text = await world.get("/probe" + query.replace("PORT", str(gateway.port)))
    assert status == 400, text
    assert world.exporter.probe_pool.names == ()
    assert gateway.counts.tcp_accepted == 0


async def test_probe_without_a_probe_section_allows_named_targets_only(
    harness: Harness, begin: Begin
) -> None:
    """By default nothing can be probed that is not in the file."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    assert (await world.get("/probe?target=roof"))[0] == 200
    assert (await world.get("/probe?target=127.0.0.2:8082"))[0] == 400


async def test_probe_of_a_dead_gateway_is_200_with_up_0(harness: Harness, begin: Begin) -> None:
    """The scrape worked; the gateway did not. It does not wait for the deadline to know."""
    gateway = await harness.gateway(OLD)
    port = gateway.port
    await gateway.stop()
    world = await begin({"targets": [], "probe": {"allow": ["127.0.0.0/8"], "ports": [port]}})
    assert await world.up(f"/probe?target=127.0.0.1:{port}") == {f"127.0.0.1:{port}": 0}


async def test_probe_of_a_silent_gateway_ends_before_prometheus_gives_up(
    harness: Harness, begin: Begin
) -> None:
    """The scrape's own deadline, less half a second."""
    gateway = await harness.gateway(OLD, faults=["silence:service=connect"])
    world = await begin({"targets": [], "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}})
    began = harness.loop.time()
    status, _ = await world.get(
        f"/probe?target=127.0.0.1:{gateway.port}", **{"X-Prometheus-Scrape-Timeout-Seconds": "3"}
    )
    assert status == 200
    assert 2.4 <= harness.loop.time() - began < 3


@pytest.mark.parametrize(
    "header, seconds",
    [(None, 10), ("", 10), ("10", 9.5), ("0.4", 0.5), ("60", 29.5), ("nan", 10), ("inf", 10), ("-1", 10),
     ("x", 10)],
)  # fmt: skip
def test_scrape_deadline_when_a_header_is_given_then_it_is_kept_within_bounds(header, seconds):
    """Half a second is for the way back."""
    assert scrape_deadline(header) == seconds


async def test_probe_that_nobody_repeats_is_closed_after_its_idle_time(
    harness: Harness, begin: Begin
) -> None:
    """Logged out; the next probe opens it anew."""
    gateway = await harness.gateway(OLD)
    world = await begin(
        {
            "targets": [],
            "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port], "idle_timeout": "1m"},
        }
    )
    path = f"/probe?target=127.0.0.1:{gateway.port}"
    await world.up(path)
    await harness.pass_time(45)
    await world.up(path)
    await harness.pass_time(45)
    assert gateway.counts.sockets_open == 1
    await harness.pass_time(20)
    assert gateway.counts.sockets_open == 0
    assert received(gateway, "logout")
    assert list((await world.up(path)).values()) == [1]
    assert gateway.counts.upgrades == 2


async def test_probe_with_all_sessions_taken_makes_room_by_closing_the_oldest(
    harness: Harness, begin: Begin
) -> None:
    """`max_sessions` is never exceeded."""
    gateways = [await harness.gateway(OLD) for _ in range(3)]
    world = await begin(
        {
            "targets": [],
            "probe": {"allow": ["127.0.0.0/8"], "ports": [g.port for g in gateways], "max_sessions": 2},
        }
    )
    for gateway in gateways:
        await world.up(f"/probe?target=127.0.0.1:{gateway.port}")
        await harness.pass_time(1)
    await gateways[0].until(lambda: gateways[0].counts.sockets_open == 0)
    assert len(world.exporter.probe_pool.names) == 2


async def test_probe_by_many_at_once_opens_one_socket_each(harness: Harness, begin: Begin) -> None:
    """Five hundred scrapes of three gateways, with room for two: everybody gets an answer."""
    gateways = [await harness.gateway(OLD, faults=["slow:service=connect:seconds=1"]) for _ in range(3)]
    ports = [g.port for g in gateways]
    world = await begin(
        {"targets": [], "probe": {"allow": ["127.0.0.0/8"], "ports": ports, "max_sessions": 2}}
    )
    asked = [world.get(f"/probe?target=127.0.0.1:{ports[n % 3]}") for n in range(500)]
    statuses = [status for status, _ in await asyncio.gather(*asked)]
    assert set(statuses) == {200, 503}
    assert all(gateway.counts.max_sockets_open <= 1 for gateway in gateways)


async def test_probe_with_credentials_sends_them_over_the_pinned_line_only(
    harness: Harness, begin: Begin
) -> None:
    """Another certificate gets no login."""
    right, wrong = (
        await harness.gateway(STRING),
        await harness.gateway(STRING, faults=["certificate-changed"]),
    )
    world = await begin(
        {
            "credentials": ACCOUNTS,
            "targets": [],
            "probe": {
                "allow": ["127.0.0.0/8"], "ports": [right.port, wrong.port], "credentials": "default",
                "verify": "pinned", "fingerprints": [right.fingerprint],
            },
        }
    )  # fmt: skip
    assert list((await world.up(f"/probe?target=127.0.0.1:{right.port}")).values()) == [1]
    assert list((await world.up(f"/probe?target=127.0.0.1:{wrong.port}")).values()) == [0]
    assert right.counts.logins == 1
    assert received(wrong) == []


async def test_probe_after_its_rules_changed_is_opened_anew(harness: Harness, begin: Begin) -> None:
    """What is no longer allowed is closed, and a corrected pin counts at once."""
    gateway = await harness.gateway(OLD)
    rules = {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}
    world = await begin({"targets": [], "probe": rules})
    path = f"/probe?target=127.0.0.1:{gateway.port}"
    await world.up(path)
    world.rewrite({"targets": [], "probe": rules})
    assert (await world.post("/-/reload"))[0] == 200
    assert gateway.counts.sockets_open == 1
    world.rewrite({"targets": [], "probe": {**rules, "allow": ["10.0.0.0/8"]}})
    assert (await world.post("/-/reload"))[0] == 200
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert (await world.get(path))[0] == 400


async def test_probe_of_a_gateway_that_is_named_by_a_reload_never_has_two_sockets(
    harness: Harness, begin: Begin
) -> None:
    """The session that a probe opened makes way for the target's own."""
    gateway = await harness.gateway(OLD)
    rules = {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}
    world = await begin({"targets": [], "probe": rules})
    await world.up(f"/probe?target=127.0.0.1:{gateway.port}")
    world.rewrite({"targets": [target(gateway, "roof")], "probe": rules})
    assert (await world.post("/-/reload"))[0] == 200
    await world.until_up("roof")
    assert gateway.counts.max_sockets_open == 1
    assert world.exporter.probe_pool.names == ()


async def test_probe_of_a_target_that_is_just_being_removed_waits_for_its_end(
    harness: Harness, begin: Begin
) -> None:
    """A log-out that takes its time is no reason to open a second socket."""
    gateway = await harness.gateway(OLD, faults=["slow:service=logout:seconds=1"])
    rules = {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}
    world = await begin({"targets": [target(gateway, "roof")], "probe": rules})
    await world.until_up("roof")
    world.rewrite({"targets": [], "probe": rules})
    reload, _ = await asyncio.gather(
        world.post("/-/reload"), world.up(f"/probe?target=127.0.0.1:{gateway.port}")
    )
    assert reload[0] == 200
    assert gateway.counts.max_sockets_open == 1
    place = f"127.0.0.1:{gateway.port}"
    assert (await world.up(f"/probe?target={place}")) == {place: 1}


async def test_probe_and_discovery_go_on_while_a_changed_target_logs_out(
    harness: Harness, begin: Begin
) -> None:
    """A scrape during a reload is no failed scrape, and the list of targets is never empty."""
    gateway = await harness.gateway(OLD, faults=["slow:service=logout:seconds=1"])
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    world.rewrite({"targets": [target(gateway, "roof", labels={"site": "home"})]})

    async def scrapes() -> list[tuple[int, int]]:
        found = []
        for _ in range(10):
            await harness.pass_time(0.1)
            probe, listed = await world.get("/probe?target=roof"), await world.get("/sd")
            found.append((probe[0], len(json.loads(listed[1]))))
        return found

    answer, found = await asyncio.gather(world.post("/-/reload"), scrapes())
    assert answer[0] == 200
    assert set(found) == {(200, 1)}


async def test_probe_that_waits_while_its_rules_change_is_told_so(harness: Harness, begin: Begin) -> None:
    """Not an empty page after the whole deadline."""
    gateway = await harness.gateway(OLD, faults=["silence:service=connect"])
    rules = {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}
    world = await begin({"targets": [], "probe": rules})

    async def change() -> tuple[int, str]:
        await gateway.until(lambda: gateway.counts.messages_received > 0)
        world.rewrite({"targets": [], "probe": {**rules, "max_sessions": 7}})
        return await world.post("/-/reload")

    began = harness.loop.time()
    probe, reload = await asyncio.gather(world.get(f"/probe?target=127.0.0.1:{gateway.port}"), change())
    assert (probe[0], reload[0]) == (503, 200)
    assert harness.loop.time() - began < 9  # five of them ask for TLS


async def test_probe_that_waits_longer_than_the_idle_time_costs_no_processor(
    harness: Harness, begin: Begin
) -> None:
    """The look for idle sessions leaves out those that somebody waits for."""
    mute, other = await harness.gateway(OLD, faults=["silence:service=connect"]), await harness.gateway(OLD)
    world = await begin(
        {
            "targets": [],
            "probe": {"allow": ["127.0.0.0/8"], "ports": [mute.port, other.port], "idle_timeout": "10s"},
        }
    )
    looks = 0
    probed = world.exporter._probed
    assert probed is not None
    look = probed._close_idle

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    probed._close_idle = counted  # type: ignore[method-assign]
    long = {"X-Prometheus-Scrape-Timeout-Seconds": "30"}

    async def another() -> None:
        await mute.until(lambda: mute.counts.messages_received > 0)
        await world.up(f"/probe?target=127.0.0.1:{other.port}")

    await asyncio.gather(world.get(f"/probe?target=127.0.0.1:{mute.port}", **long), another())
    assert looks <= 3


async def test_ready_before_the_targets_have_begun_is_503(harness: Harness, begin: Begin) -> None:
    """An exporter that knows no target yet is not ready."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    assert await world.get("/-/ready") == (200, "Ready\n")
    world.exporter.begun = False
    assert await world.get("/-/ready") == (503, "Starting\n")
    assert (await world.post("/-/reload"))[0] == 500


async def test_request_that_is_no_http_is_not_quoted_in_the_log(
    harness: Harness, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody's password may be in it."""
    world = await begin({"targets": [{"host": "127.0.0.1:1", "transport": "ws"}]})
    port = int(world.url.rpartition(":")[2])
    for line in (b"Authorization: Basic U0VDUkVU\x01x", b"Authorization : Basic U0VDUkVU"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")
        assert b"400" in await reader.readline()
        writer.close()
    assert "a request that is no HTTP" in caplog.text
    assert "U0VDUkVU" not in caplog.text


# Discovery, configuration ----------------------------------------------------------------------------


async def test_sd_lists_every_target_as_prometheus_wants_it(harness: Harness, begin: Begin) -> None:
    """Names for /probe, own labels as meta labels."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof", labels={"site": "home"})]})
    async with world.http.get(world.url + "/sd") as answer:
        assert answer.content_type == "application/json"
        assert await answer.json() == [
            {
                "targets": ["roof"],
                "labels": {
                    "__meta_winet_host": f"127.0.0.1:{gateway.port}",
                    "__meta_winet_label_site": "home",
                },
            }
        ]


async def test_config_shows_everything_but_secrets(harness: Harness, begin: Begin) -> None:
    """A file that can be read back, and no password in it."""
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    world = await begin(
        {
            "credentials": {"own": {"username": "user", "password": PASSWORD}},
            "targets": [target(gateway, "roof", credentials="own")],
        }
    )
    _, text = await world.get("/config")
    assert PASSWORD not in text
    shown = yaml.safe_load(text)
    assert shown["targets"][0]["name"] == "roof"
    assert shown["targets"][0]["credentials"]["password"] == "<secret>"


async def test_metrics_that_are_large_are_packed_if_asked_for(harness: Harness, begin: Begin) -> None:
    """`gzip;q=0` is a no."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    for wish, packed in (("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False),
                         ("gzip;q=0, *", False), ("identity", False), ("", False)):  # fmt: skip
        async with world.http.get(world.url + "/metrics", headers={"Accept-Encoding": wish}) as answer:
            assert (answer.headers.get("Content-Encoding") == "gzip") is packed, wish
            assert "winet2_up" in await answer.text()


# Reload ----------------------------------------------------------------------------------------------


async def test_reload_keeps_what_did_not_change_and_forgets_what_is_gone(
    harness: Harness, begin: Begin
) -> None:
    """Sockets and counters of the one, no series of the other."""
    stays, goes, comes = [await harness.gateway(OLD) for _ in range(3)]
    world = await begin({"targets": [target(stays, "stays"), target(goes, "goes")]})
    await world.until_up("stays", "goes")
    before = await world.metrics()
    world.rewrite({"targets": [target(stays, "stays"), target(comes, "comes")]})
    assert await world.post("/-/reload") == (200, "Reloaded\n")
    await world.until_up("comes")
    after = await world.metrics()
    assert {dict(labels).get("target") for _, labels in after} == {"stays", "comes", None}
    name = ("winet2_ws_messages_sent_total", (("target", "stays"),))
    assert after[name] >= before[name]
    assert stays.counts.upgrades == 1
    assert after["winet2_config_last_reload_successful", ()] == 1
    await goes.until(lambda: goes.counts.sockets_open == 0)


async def test_reload_of_a_bad_file_is_refused_whole(harness: Harness, begin: Begin) -> None:
    """Every mistake is in the answer, the old configuration stays, and a metric tells."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    good = (await world.metrics())["winet2_config_last_reload_success_timestamp_seconds", ()]
    world.rewrite({"targets": [{"host": "a", "nam": "x"}, {"hots": "b"}]})
    status, text = await world.post("/-/reload")
    assert status == 500
    assert "targets[0].nam" in text
    assert "targets[1].hots" in text
    found = await world.metrics()
    assert found["winet2_up", (("target", "roof"),)] == 1
    assert found["winet2_config_last_reload_successful", ()] == 0
    assert found["winet2_config_last_reload_success_timestamp_seconds", ()] == good
    assert gateway.counts.upgrades == 1


async def test_refused_reload_is_on_the_status_page_until_one_is_taken(
    harness: Harness, begin: Begin, tmp_path: Path
) -> None:
    """Everybody may read file, number and line of the mistakes, and nothing of what was written there."""
    gateway = await harness.gateway(OLD)
    document = {"targets": [target(gateway, "roof")]}
    world = await begin(document)

    async def told() -> tuple[Any, str]:
        _, text = await world.get("/api/v1/status")
        _, page = await world.get("/")
        return json.loads(text)["exporter"]["refused_reload"], page

    refused, page = await told()
    assert (refused, "was refused" in page.partition("<script>")[0]) == (None, False)
    world.file.write_text(f"targets: [{{host: a,\n  verify: {PASSWORD!r}, {PASSWORD!r}: b}}]")
    _, answer = await world.post("/-/reload")
    await harness.pass_time(300)
    refused, page = await told()
    assert refused["error"] == f"{world.file}: 2 mistakes, the first in line 2"
    assert refused["age_seconds"] == pytest.approx(300, abs=1)
    assert "A new configuration was refused 5\u00a0min ago; the old one stays in force." in page
    assert f"<bdi>{refused['error']}</bdi>" in page
    assert "a pass word" in answer  # told to who may reload, and nobody else
    assert "a pass word" not in page + json.dumps(refused)
    world.rewrite(document)
    await world.post("/-/reload")
    assert (await told())[0] is None


@pytest.mark.parametrize(
    "catalogue, words",
    [("keys: 7", "catalogue.yml: mistakes, the first in line 1"), (None, "catalogue.yml: mistakes")],
)
async def test_reload_refused_for_its_catalogue_is_told_by_that_files_name(
    begin: Begin, tmp_path: Path, catalogue: str | None, words: str
) -> None:
    """As the log has it, less what the file holds."""
    document: dict[str, Any] = {"targets": [{"host": "192.0.2.1"}]}
    world = await begin(document)
    file = tmp_path / "catalogue.yml"
    if catalogue is not None:
        file.write_text(catalogue)
    world.rewrite({**document, "catalogue_files": [str(file)]})
    assert (await world.post("/-/reload"))[0] == 500
    document = json.loads((await world.get("/api/v1/status"))[1])
    assert document["exporter"]["refused_reload"]["error"] == f"{tmp_path}/{words}"


async def test_reload_with_other_catalogue_files_maps_what_is_at_hand_anew(
    harness: Harness, begin: Begin, tmp_path: Path
) -> None:
    """No reading is lost, and no socket."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    (tmp_path / "own.yml").write_text(
        "families:\n  roof_power_watts: {help: x, unit: watts, keys: [I18N_COMMON_TOTAL_DCPOWER]}\n"
    )
    world.rewrite({"targets": [target(gateway, "roof")], "catalogue_files": ["own.yml"]})
    assert (await world.post("/-/reload"))[0] == 200
    names = {name for name, _ in await world.metrics()}
    assert "winet2_roof_power_watts" in names
    assert "winet2_pv_power_watts" not in names
    assert gateway.counts.upgrades == 1


async def test_reload_under_load_loses_no_scrape(harness: Harness, begin: Begin) -> None:
    """Scrapes go on while targets come and go, and the unchanged one is in each of them."""
    stays, other = await harness.gateway(OLD), await harness.gateway(STRING)
    world = await begin({"credentials": ACCOUNTS, "targets": [target(stays, "stays")]})
    await world.until_up("stays")
    for turn in range(5):
        more = [target(other, f"other{turn}")] if turn % 2 else []
        world.rewrite({"credentials": ACCOUNTS, "targets": [target(stays, "stays"), *more]})
        reload = world.post("/-/reload")
        scrapes = [world.up() for _ in range(10)]
        answer, *ups = await asyncio.gather(reload, *scrapes)
        assert answer[0] == 200
        assert all(up["stays"] == 1 for up in ups)
    assert stays.counts.upgrades == 1
    assert other.counts.max_sockets_open <= 1


# Target files, shards --------------------------------------------------------------------------------


async def test_target_files_are_followed_while_the_exporter_runs(
    harness: Harness, begin: Begin, tmp_path: Path
) -> None:
    """A new file brings targets, a bad one changes nothing, a deleted one takes them away."""
    gateway = await harness.gateway(STRING)
    file = tmp_path / "more.json"
    world = await begin({"credentials": ACCOUNTS, "targets": [], "target_files": ["*.json"]})
    group = {
        "targets": [f"127.0.0.1:{gateway.port}"],
        "labels": {"site": "farm", "__winet_name": "barn", "__winet_transport": "wss",
                   "__winet_credentials": "default"},
    }  # fmt: skip
    file.write_text(json.dumps([group]))
    await harness.pass_time(6)
    await world.until_up("barn")
    file.write_text("[{")
    await harness.pass_time(6)
    assert world.exporter.pool.names == ("barn",)
    assert gateway.counts.upgrades == 1
    file.unlink()
    await harness.pass_time(6)
    assert world.exporter.pool.names == ()


async def test_target_file_that_changes_back_after_a_reload_is_followed(
    harness: Harness, begin: Begin, tmp_path: Path
) -> None:
    """What counts is what is in force, not what was seen before the reload."""
    gateways = [await harness.gateway(OLD), await harness.gateway(OLD)]
    first, second = (
        json.dumps([{"targets": [f"127.0.0.1:{g.port}"], "labels": {"__winet_transport": "ws"}}])
        for g in gateways
    )
    file = tmp_path / "more.json"
    file.write_text(first)
    world = await begin({"target_files": ["more.json"]})
    await harness.pass_time(6)
    (name,) = world.exporter.pool.names
    file.write_text(second + " ")
    assert (await world.post("/-/reload"))[0] == 200
    assert world.exporter.pool.names != (name,)
    file.write_text(first)
    await harness.pass_time(6)
    assert world.exporter.pool.names == (name,)


async def test_probe_of_a_target_file_s_gateway_uses_its_session(
    harness: Harness, begin: Begin, tmp_path: Path
) -> None:
    """By name, host or address, as for the main file: never two sockets to one gateway."""
    gateway = await harness.gateway(OLD)
    labels = {"__winet_name": "barn", "__winet_transport": "ws"}
    group = {"targets": [f"127.0.0.1:{gateway.port}"], "labels": labels}
    (tmp_path / "more.json").write_text(json.dumps([group]))
    world = await begin(
        {"target_files": ["more.json"], "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}}
    )
    await world.until_up("barn")
    for text in ("barn", "127.0.0.1", f"127.0.0.1:{gateway.port}", f"[::ffff:127.0.0.1]:{gateway.port}"):
        assert await world.up(f"/probe?target={text}") == {"barn": 1}
    assert gateway.counts.upgrades == gateway.counts.max_sockets_open == 1


async def test_probe_of_another_shard_s_target_is_400(harness: Harness, begin: Begin, tmp_path: Path) -> None:
    """Be it in the main file or in a target file: its own shard has the one session."""
    gateway = await harness.gateway(OLD)
    (tmp_path / "more.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{gateway.port}"]}]))
    document = {"target_files": ["more.json"], "probe": {"allow": ["127.0.0.0/8"], "ports": [gateway.port]}}
    name = f"127.0.0.1:{gateway.port}"
    foreign = next(n for n in range(2) if not in_shard(name, n, 2))
    world = await begin(document, shard=Shard(foreign, 2))
    status, text = await world.get(f"/probe?target={name}")
    assert (status, "another shard" in text) == (400, True)
    assert gateway.counts.tcp_accepted == 0


async def test_shards_divide_the_targets_among_them(harness: Harness, begin: Begin) -> None:
    """Every target is in exactly one."""
    targets = [{"host": f"127.0.1.{n}", "name": f"t{n}", "transport": "ws"} for n in range(20)]
    found = [
        set((await begin({"targets": targets}, shard=Shard(n, 3))).exporter.pool.names) for n in range(3)
    ]
    assert sum(map(len, found)) == len(set().union(*found)) == 20
    assert all(found)


# Lifecycle -------------------------------------------------------------------------------------------


async def test_reload_with_an_unwise_configuration_logs_its_warnings(
    harness: Harness, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the start; a configuration that is refused warns of nothing."""
    world = await begin({"targets": [], "probe": {}})
    world.rewrite({"refresh_interval": "5s", "targets": [], "probe": {}})
    assert (await world.post("/-/reload"))[0] == 200
    found = [r.fields["warning"] for r in caplog.records if r.message == "configuration"]
    assert found == list(world.exporter.settings.warnings)
    assert len(found) == 1
    caplog.clear()
    world.rewrite({"refresh_interval": "5s", "targets": 1})
    assert (await world.post("/-/reload"))[0] == 500
    assert not [r for r in caplog.records if r.message == "configuration"]


NOTHING_TO_RESUME = "Nothing to resume: it is neither paused nor backing off nor asleep\n"


async def test_pause_and_resume_by_route(harness: Harness, begin: Begin) -> None:
    """For as long as the URL says."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    await world.until_up("roof")
    assert await world.post("/-/pause?target=roof&for=15m") == (200, "Paused for 900 s\n")
    await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert (await world.metrics())["winet2_target_state", (("state", "paused"), ("target", "roof"))] == 1
    assert await world.post("/-/resume?target=roof") == (200, "Resumed\n")
    assert await world.post("/-/resume?target=roof") == (200, NOTHING_TO_RESUME)
    await gateway.until(lambda: gateway.counts.upgrades == 2)


@pytest.mark.parametrize(
    "path, status",
    [
        ("/-/pause?target=roof", 400), ("/-/pause?for=1m", 400), ("/-/pause?target=roof&for=0s", 400),
        ("/-/pause?target=roof&for=25h", 400), ("/-/pause?target=roof&for=1", 400),
        ("/-/pause?target=cellar&for=1m", 404), ("/-/resume?target=cellar", 404), ("/-/resume", 400),
    ],
)  # fmt: skip
async def test_pause_with_a_bad_url_says_what_is_wrong(
    harness: Harness, begin: Begin, path: str, status: int
) -> None:
    """And does nothing."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    assert (await world.post(path))[0] == status
    assert world.exporter.pool.status("roof").state != "paused"


@pytest.mark.parametrize("path", ["/-/reload", "/-/pause?target=roof&for=1m", "/-/resume?target=roof"])
@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "solar.example.org"}, 200),
        ({"Host": "solar.example.org", "Origin": "https://solar.example.org"}, 200),
        ({"Host": "localhost:9"}, 200),
    ],
)
async def test_post_from_a_foreign_page_is_refused(
    harness: Harness, begin: Begin, path: str, headers: dict[str, str], status: int
) -> None:
    """Neither another site's form nor a name that somebody points at us can do anything."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]})
    assert (await world.post(path, **headers))[0] == status


@pytest.mark.parametrize("path", ["/-/reload", "/-/pause?target=roof&for=1m", "/-/resume?target=roof"])
async def test_post_without_the_flag_is_forbidden(harness: Harness, begin: Begin, path: str) -> None:
    """As in Prometheus; and GET is no way around it."""
    gateway = await harness.gateway(OLD)
    world = await begin({"targets": [target(gateway, "roof")]}, lifecycle=False)
    assert (await world.post(path))[0] == 403
    async with world.http.get(world.url + path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
