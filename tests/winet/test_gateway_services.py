"""The optional services over real sockets: introduced gently, each refusal kept in mind, nothing lost."""

import asyncio
import re

import pytest
from yarl import URL

from exporter.simulator import SimulatedGateway
from exporter.winet import errors
from exporter.winet.dial import LARGEST_PAGE, Dialer, make_http_client
from tests.harness import OLD, STRING, Harness, received

OPTIONAL = {"state", "statistics", "local", "runtime", "fault"}
ALL_INTRODUCED = 300 + 5 * 600 + 60


def asked(gateway: SimulatedGateway) -> list[str]:
    """The optional services that were asked, in order."""
    return [event.service for event in received(gateway) if event.service in OPTIONAL]


@pytest.mark.parametrize("profile", [OLD, STRING])
async def test_services_with_a_healthy_gateway_tell_of_it(harness: Harness, profile: str) -> None:
    """Faults, cloud, plant, versions: each where the gateway has it."""
    gateway = await harness.gateway(profile, log_size=100_000)
    await harness.start(harness.target(gateway, timezone="UTC", refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED)
    about = {entry["data_name"]: entry["data_value"] for entry in gateway.profile.about}
    info = {
        "serial": about["I18N_COMMON_DEVICE_SN"],
        "hardware": about["I18N_COMMON_VERSION"],
        "firmware": about["I18N_COMMON_APPLI_SOFT_VERSION"],
    }
    assert harness.value("winet2_gateway_info", **info) == 1
    assert harness.value("winet2_target_info", firmware=info["firmware"]) == 1
    assert harness.value("winet2_gateway_faults") == harness.value("winet2_gateway_alarms") == 0
    assert harness.value("winet2_gateway_cloud_connected") == float(gateway.profile.state["cloud_conn_sts"])
    rated = float(gateway.profile.statistics["rated_power"]) * 1000
    assert harness.value("winet2_plant_rated_power_watts") == rated
    assert harness.value("winet2_plant_power_watts") > 0
    assert harness.value("winet2_plant_power_limit_watts") > 0
    assert harness.value("winet2_plant_devices", state="online") == len(gateway.profile.devices)
    assert harness.value("winet2_plant_devices", state="offline") == 0
    assert abs(harness.value("winet2_gateway_clock_offset_seconds")) <= 60
    signal = next(p.value.text for p in gateway.profile.local if p.key == "I18N_COMMON_WIFI_SIGNAL_STRN")
    assert list(harness.values("winet2_gateway_wifi_signal_dbm").values()) == (
        [] if signal == "--" else [float(str(signal))]
    )
    assert harness.values("winet2_device_fault") == {}
    assert harness.errors() == {}
    assert "runtime" not in asked(gateway)


async def test_services_with_a_young_session_are_introduced_one_by_one(harness: Harness) -> None:
    """The first after five minutes, a new one every ten, each at most once a minute."""
    gateway = await harness.gateway(OLD, log_size=100_000)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    await harness.pass_time(280)
    assert asked(gateway) == []
    await harness.pass_time(40)
    assert asked(gateway) == ["state"]
    await harness.pass_time(560)
    assert set(asked(gateway)) == {"state"}
    assert len(asked(gateway)) == pytest.approx(10, abs=1)
    assert gateway.counts.pages == 0
    await harness.pass_time(3 * 600)
    assert set(asked(gateway)) == {"state", "statistics", "local"}
    assert gateway.counts.pages == 1


async def test_services_with_the_setting_off_are_never_asked(harness: Harness) -> None:
    """`gateway_services: false` leaves the gateway alone."""
    gateway = await harness.gateway(OLD, log_size=100_000)
    await harness.start(harness.target(gateway, gateway_services=False, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED)
    assert asked(gateway) == []
    assert gateway.counts.pages == 0


async def test_services_with_silence_cost_one_line_and_are_given_up(harness: Harness) -> None:
    """A gateway that chokes on a question does so once; its readings go on."""
    gateway = await harness.gateway(
        OLD, log_size=100_000, faults=["silence:service=state", "silence:service=statistics"]
    )
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED + 120)
    assert asked(gateway).count("state") == asked(gateway).count("statistics") == 1
    assert harness.value("winet2_ws_reconnections_total") == 2
    assert harness.errors() == {"no_answer": 2}
    assert harness.value("winet2_up") == 1
    assert harness.values("winet2_gateway_faults") == {}
    assert set(asked(gateway)) == {"state", "statistics", "local", "fault", "runtime"}
    assert harness.value("winet2_plant_devices", state="online") == 1  # runtime tells in place of statistics


@pytest.mark.parametrize("code", [211, 401])
async def test_services_with_a_refusal_are_not_asked_again_that_day(harness: Harness, code: int) -> None:
    """Neither is the session ended, nor a login repeated."""
    gateway = await harness.gateway(OLD, log_size=100_000, faults=[f"code:service=state:code={code}"])
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(3600)
    assert asked(gateway).count("state") == 1
    assert harness.value("winet2_ws_reconnections_total") == 0


async def test_services_with_lines_that_break_now_and_then_go_on(harness: Harness) -> None:
    """What has answered before is not given up for a line that was lost."""
    gateway = await harness.gateway(OLD, log_size=100_000)
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED)
    for service in ("state", "statistics", "local", "fault"):
        gateway.inject(f"reset:service={service}:times=1")
        await harness.pass_time(400)
    assert harness.value("winet2_gateway_faults") == 0
    assert harness.value("winet2_plant_power_watts") > 0
    assert "runtime" not in asked(gateway)


async def test_services_with_a_busy_gateway_are_asked_again(harness: Harness) -> None:
    """201 and 301 pass."""
    gateway = await harness.gateway(OLD, log_size=100_000, faults=["code:service=state:code=201:times=1"])
    await harness.start(harness.target(gateway))
    await harness.cycles()
    await harness.pass_time(420)
    assert harness.value("winet2_gateway_faults") == 0


async def test_services_with_a_fault_raised_show_it(harness: Harness) -> None:
    """The count is for alerts; the list, whose fields are assumed, names the code."""
    gateway = await harness.gateway(OLD, log_size=100_000, faults=["device-fault:code=038"])
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED)
    assert harness.value("winet2_gateway_faults") == 1
    assert harness.value("winet2_device_fault", code="038") == 1
    gateway.clear("device-fault")
    await harness.pass_time(120)
    assert harness.values("winet2_device_fault") == {}
    assert harness.value("winet2_gateway_faults") == 0


async def test_services_with_an_unknown_fault_row_ask_for_a_capture(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted each time, told once, with names of fields and no value."""
    gateway = await harness.gateway(OLD, log_size=100_000, faults=["device-fault:odd=1:code=4711"])
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(ALL_INTRODUCED)
    told = [record for record in caplog.records if "fault list" in record.getMessage()]
    assert len(told) == 1
    assert "kind, number" in told[0].getMessage()
    assert "4711" not in caplog.text
    assert harness.errors()["invalid_reading"] > 1
    assert harness.values("winet2_device_fault") == {}


async def test_services_with_an_answer_that_ages_are_gone_with_it(harness: Harness) -> None:
    """What the gateway said of itself is not shown for ever."""
    gateway = await harness.gateway(OLD, log_size=100_000)
    await harness.start(harness.target(gateway))
    await harness.cycles()
    await harness.pass_time(400)
    assert harness.value("winet2_gateway_faults") == 0
    await gateway.stop()
    await harness.pass_time(60)
    assert harness.values("winet2_up") != {}
    assert harness.value("winet2_gateway_faults") == 0
    await harness.pass_time(200)
    assert harness.values("winet2_gateway_faults") == {}


# Pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [OLD, STRING])
async def test_labels_with_a_running_session_come_between_two_questions(
    harness: Harness, profile: str
) -> None:
    """Over the transport that the WebSocket speaks, with its pin."""
    gateway = await harness.gateway(profile)
    pins = {"fingerprints": [gateway.fingerprint]} if gateway.tls else {}
    await harness.start(harness.target(gateway, **pins))
    await harness.cycles()
    labels = await harness.pool.labels("roof")
    assert labels["I18N_COMMON_TOTAL_DCPOWER"]
    assert len(labels) > 50
    await harness.cycles(2)
    assert harness.errors() == {}


async def test_labels_with_another_certificate_are_not_read(harness: Harness) -> None:
    """A page is checked as the WebSocket is."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, fingerprints=[gateway.fingerprint]))
    await harness.cycles()
    gateway.inject("certificate-changed")
    with pytest.raises(errors.CertificateMismatch):
        await harness.pool.labels("roof")


async def served(answer: bytes, *, then_wait: bool = False) -> tuple[asyncio.Server, int]:
    """A server that reads a request and sends some bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if then_wait:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    "answer, error, words",
    [
        (http("302 Found", b"", "Location: http://192.0.2.1/"), errors.RedirectRefused, "redirect"),
        (http("404 Not Found"), errors.Rejected, "HTTP 404"),
        (http("200 OK", b"x" * (LARGEST_PAGE + 1)), errors.Garbled, "more than"),
        (b"", errors.ConnectionLost, "closed the connection"),
        (b"nonsense\r\n\r\n", errors.WinetError, "127.0.0.1"),
        (http("200 OK", b"abc")[:-1], errors.ConnectionLost, "127.0.0.1"),
    ],
    ids=["redirect", "not found", "huge", "closed", "no HTTP", "cut off"],
)
async def test_fetch_with_a_bad_answer_fails_in_our_words(
    harness: Harness, answer: bytes, error: type[Exception], words: str
) -> None:
    """Whatever answers there, the failure is one of ours and nothing is followed."""
    server, port = await served(answer)
    async with server, make_http_client() as client:
        target = harness.configuration({"host": "127.0.0.1", "http_port": port, "transport": "ws"}).targets[0]
        with pytest.raises(error, match=re.escape(words)):
            await Dialer(target, client).fetch("/about/list")


async def test_fetch_with_silence_ends_after_the_request_timeout(harness: Harness) -> None:
    """No page is waited for longer than an answer."""
    server, port = await served(b"HTTP/1.1 200 OK\r\n", then_wait=True)
    async with make_http_client() as client:
        target = harness.configuration({"host": "127.0.0.1", "http_port": port, "transport": "ws"}).targets[0]
        with pytest.raises(errors.NoAnswer, match="within 30 s"):
            await Dialer(target, client).fetch("/about/list")
    server.close()


async def test_fetch_with_text_that_is_no_utf8_reads_the_rest(harness: Harness) -> None:
    """One wrong byte costs itself."""
    server, port = await served(http("200 OK", b"A=1\nB=\xff\n"))
    async with server, make_http_client() as client:
        target = harness.configuration({"host": "127.0.0.1", "http_port": port, "transport": "ws"}).targets[0]
        assert await Dialer(target, client).fetch("/x") == "A=1\nB=\ufffd\n"


def test_fetch_with_a_named_port_asks_it_for_the_pages() -> None:
    """8082 and 443 have their pages elsewhere or beside them; a port of its own is the gateway's."""
    hosts = {"192.0.2.1": 80, "192.0.2.1:8082": 80, "192.0.2.1:80": 80, "192.0.2.1:9000": 9000}
    for host, port in hosts.items():
        assert Harness.configuration({"host": host}).targets[0].http_port == port
    assert Harness.configuration({"host": "192.0.2.1:9000", "http_port": 81}).targets[0].http_port == 81
    assert str(URL.build(scheme="http", host="2001:db8::1", port=81)) == "http://[2001:db8::1]:81"
