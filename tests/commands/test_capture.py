"""`capture` and `simulate --replay`: what a gateway said, shown and played without what is private."""

import asyncio
import json
import signal
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.commands import capture
from exporter.simulator import Profile, SimulatedGateway, load_recording, profile_names
from exporter.simulator.replay import FORMAT
from exporter.winet import recording as recording_module
from exporter.winet.recording import Recording
from exporter.winet.redact import Redactor
from tests.commands.running import run, running
from tests.harness import CATALOGUE, OLD, PASSWORD, STRING, THREE_PHASE, Harness, Series, received

UNITS = {unit for factors in CATALOGUE.units.values() for unit in factors} | {"dBm"}
MOMENT = datetime(2026, 6, 1, 12, 45, 30, tzinfo=UTC)  # the car charges, and the battery too


async def take(harness: Harness, gateway: SimulatedGateway, **more: Any) -> Recording:
    (target,) = harness.configuration(harness.target(gateway, **more)).targets
    return await capture.record(target, Redactor(UNITS))


def played(recording: Recording | dict[str, Any], folder: Path) -> Profile:
    document = recording if isinstance(recording, dict) else recording.document
    file = folder / "capture.json"
    file.unlink(missing_ok=True)
    capture.write_privately(file, document, overwrite=False)
    return load_recording(file)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def questions(recording: Recording) -> list[tuple[str, ...]]:
    return [tuple(map(str, exchange["question"].values())) for exchange in recording.document["exchanges"]]


# What is asked ---------------------------------------------------------------------------------------


async def test_capture_asks_every_service_of_every_device_once(harness: Harness) -> None:
    """Three services of each device, the optional ones, the faults of inverters; then it logs out."""
    gateway = await harness.gateway(THREE_PHASE)
    recording = await take(harness, gateway)
    assert questions(recording) == [
        ("connect",), ("login",), ("devicelist", "0"),
        *((service, dev_id) for dev_id in "123" for service in ("real", "real_battery", "direct")),
        ("state",), ("statistics",), ("local",), ("runtime",), ("fault", "1", "0", "20"), ("logout",),
    ]  # fmt: skip
    assert (recording.answered, recording.failure) == (18, None)
    assert [device.model for device in recording.devices] == ["SH10RT", "SBR128", "AC011E-01"]
    assert gateway.counts.pages == 2
    assert recording.document["pages"]["/i18n/en_US.properties"]["lines"] > 100
    assert gateway.counts.max_sockets_open == 1


async def test_capture_over_a_silent_question_goes_on_behind_it(harness: Harness) -> None:
    """The question that got no answer is marked and not asked again; all others are there."""
    gateway = await harness.gateway(THREE_PHASE, faults=["silence:device=2:service=real"])
    recording = await take(harness, gateway)
    assert recording.failure is None
    (silent,) = (e for e in recording.document["exchanges"] if "failure" in e)
    assert (silent["question"], silent["answers"]) == ({"service": "real", "dev_id": "2"}, [])
    assert silent["failure"] == "no_answer"
    assert recording.answered == 18 - 1
    assert len(received(gateway, "login")) == 2


async def test_capture_of_a_gateway_that_keeps_falling_silent_ends(harness: Harness) -> None:
    """A few connections, and what was recorded until then."""
    gateway = await harness.gateway(THREE_PHASE, faults=["silence:service=real", "silence:service=direct"])
    recording = await take(harness, gateway)
    assert recording.failure is not None
    assert len(received(gateway, "login")) == recording_module.MOST_CONNECTIONS


async def test_capture_that_is_thrown_out_ends_at_once(harness: Harness) -> None:
    """Whoever logged in is left alone; what came until then is kept, and the notice with it."""
    gateway = await harness.gateway(THREE_PHASE, faults=["user-limit:service=direct:times=1"])
    recording = await take(harness, gateway)
    assert "somebody else" in str(recording.failure)
    assert recording.devices
    assert recording.document["exchanges"][-1]["answers"][0]["result_code"] == 100


@pytest.mark.parametrize("fault", ["login-refused", "mute", "silence:service=connect"])
async def test_capture_that_does_not_get_in_has_no_devices(harness: Harness, fault: str) -> None:
    """One attempt: wrong passwords lock accounts."""
    gateway = await harness.gateway(STRING, faults=[fault])
    recording = await take(harness, gateway)
    assert (recording.devices, len(received(gateway, "login")) <= 1) == ((), True)
    assert recording.failure is not None


async def test_capture_without_pages_says_what_came_instead(harness: Harness) -> None:
    """Where the port of the pages is closed, or another server answers, the rest is recorded."""
    gateway, gone = await harness.gateway(OLD), await harness.gateway(OLD)
    await gone.stop()
    recording = await take(harness, gateway, http_port=gone.port)
    assert list(recording.document["pages"].values()) == [{"failure": "unreachable"}] * 2
    assert recording.answered == 14


async def test_capture_of_a_page_that_is_no_json_keeps_nothing_of_it(harness: Harness) -> None:
    """Another server's page could hold anything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n<html>secret</html>\n\n")
        writer.close()

    gateway = await harness.gateway(OLD)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    recording = await take(harness, gateway, http_port=server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    assert recording.document["pages"] == {
        "/about/list": {"status": 200, "failure": "garbled"},
        "/i18n/en_US.properties": {"status": 200, "lines": 2},
    }


@pytest.mark.real
@pytest.mark.parametrize("words", [["doctor"], ["capture", "-o", "FILE"], ["read"]])
async def test_ctrl_c_ends_a_command_that_waits_for_a_gateway(words: list[str], tmp_path: Path) -> None:
    """Exit code 130, the gateway is left, no traceback, no file."""
    words = [word.replace("FILE", str(tmp_path / "x.json")) for word in words]
    async with SimulatedGateway(OLD, faults=["silence:service=real"]) as gateway:
        async with running(*words, f"127.0.0.1:{gateway.port}", "--transport=ws") as command:
            await gateway.until(lambda: any(event.service == "real" for event in gateway.log))
            assert await command.end(signal.SIGINT) == 130
        await gateway.until(lambda: gateway.counts.sockets_open == 0)
    assert "Traceback" not in command.log
    assert left(tmp_path) == []


async def test_capture_of_a_device_list_that_is_refused_has_no_devices(harness: Harness) -> None:
    """The refusal is no device."""
    gateway = await harness.gateway(OLD, faults=["code:code=211:service=devicelist"])
    recording = await take(harness, gateway)
    assert recording.devices == ()


# What is written -------------------------------------------------------------------------------------


def hostile(document: Any, secrets: list[str], field: str = "") -> Any:
    """A secret in every text, and one more field in every object; the session still works."""
    if isinstance(document, dict):
        after = {name: hostile(value, secrets, name) for name, value in document.items()}
        if "question" not in document and "exchanges" not in document and "service" not in document:
            name, value = f"secretName{len(secrets)}x", f"secretValue{len(secrets)}x"
            secrets += [name, value]
            after[name] = value
        return after
    if isinstance(document, list):
        return [hostile(entry, secrets, field) for entry in document]
    if isinstance(document, str) and field not in (
        "service",
        "dev_id",
        "format",
        "transport",
        "type",
        "count",
    ):
        secrets.append(f"secretText{len(secrets)}x")
        return secrets[-1]
    return document


@pytest.mark.parametrize("profile", [OLD, THREE_PHASE])
async def test_capture_of_a_gateway_that_tells_secrets_everywhere_tells_none(
    harness: Harness, profile: str, tmp_path: Path
) -> None:
    """Over the wire: in every text of every reply and page, and in fields that nobody knows."""
    first = await take(harness, await harness.gateway(profile))
    secrets: list[str] = []
    document = first.document | {
        part: hostile(first.document[part], secrets) for part in ("exchanges", "pages")
    }
    for exchange, good in zip(document["exchanges"], first.document["exchanges"], strict=True):
        exchange["question"] = good["question"]
        for answer in exchange["answers"]:
            answer["result_msg"] = "success" if answer["result_code"] == 1 else answer["result_msg"]
    gateway = await harness.gateway(played(document, tmp_path))
    recording = await take(harness, gateway)
    sent = "".join(event.text for event in gateway.log if event.direction == "out")
    assert sum(secret in sent for secret in secrets) > 200
    text = json.dumps(recording.document, ensure_ascii=False)
    assert not [secret for secret in secrets if secret in text]
    assert recording.answered >= first.answered - 1


async def test_capture_has_neither_password_nor_token_nor_address(harness: Harness) -> None:
    """The login is there, and nothing that would repeat it."""
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    recording = await take(harness, gateway, credentials="own")
    text = json.dumps(recording.document, ensure_ascii=False)
    for event in gateway.log:
        if event.direction in ("open", "close"):
            continue
        token = json.loads(event.text).get("result_data", {}).get("token") or json.loads(event.text).get(
            "token"
        )
        assert not token or token not in text
    for secret in (
        PASSWORD,
        "user",
        "192.0.2.22",
        "A2400000101",
        "127.0.0.1",
        str(gateway.port),
        gateway.fingerprint,
    ):
        assert f'"{secret}"' not in text
    assert recording.document["login"] is True


@pytest.mark.real
async def test_capture_as_a_command_writes_a_private_file_once(tmp_path: Path) -> None:
    """Mode 0600, nothing else left behind; an existing file is safe without --force."""
    file = tmp_path / "roof.json"
    async with SimulatedGateway(OLD) as gateway:
        words = ["capture", f"127.0.0.1:{gateway.port}", "--transport=ws", "-o", str(file)]
        code, out, log = await run(*words)
        assert code == 0
        assert "SH5.0RS: dev_type 35, dev_code 3343" in out
        assert "questions answered" in out
        assert f"simulate --replay {file}" in out
        assert "thrown out" in log
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert left(tmp_path) == ["roof.json"]
        before = gateway.counts.tcp_accepted
        code, _, log = await run(*words)
        assert (code, "--force overwrites it" in log) == (2, True)
        assert gateway.counts.tcp_accepted == before
        file.write_text("old")
        code, _, _ = await run(*words, "--force")
        assert (code, json.loads(file.read_text())["format"]) == (0, FORMAT)
        gateway.inject("user-limit:service=direct")
        code, out, log = await run(*words, "--force")
        assert (code, "before its time" in log) == (1, True)
    code, out, log = await run(*words[:-1], str(tmp_path / "other.json"))
    assert (code, out, left(tmp_path)) == (1, "", ["roof.json"])
    assert "nothing listens on this port" in log
    code, _, log = await run(*words[:-1], str(tmp_path / "none" / "x.json"))
    assert (code, "cannot write" in log) == (2, True)


def test_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Nor is half a file left."""
    file = tmp_path / "roof.json"
    file.write_text("somebody's")
    with pytest.raises(FileExistsError):
        capture.write_privately(file, {}, overwrite=False)
    assert file.read_text() == "somebody's"
    assert left(tmp_path) == ["roof.json"]


# What is played --------------------------------------------------------------------------------------


def of_devices(metrics: Series, names: dict[str, str]) -> Series:
    """What tells of devices and plant, with serial numbers as places in the list; no clocks, no counts."""
    found = {}
    for (name, labels), value in metrics.items():
        clock = name.endswith(("_timestamp_seconds", "_offset_seconds"))
        if clock or not (
            {"device"} & dict(labels).keys() or name.startswith(("winet2_plant", "winet2_gateway"))
        ):
            continue
        if "certificate" in name:
            continue
        renamed = {key: names.get(text, text) for key, text in labels}
        found[name, tuple(sorted(renamed.items()))] = value
    return found


async def exposition(gateway: SimulatedGateway) -> Series:
    """The metrics of a gateway long after the first look, when every optional service was asked."""
    harness = Harness()
    try:
        await harness.start(harness.target(gateway, refresh_interval="60s"))
        await harness.cycles()
        await harness.pass_time(4200)
        return harness.metrics()
    finally:
        await harness.aclose()


def serials(metrics: Series) -> dict[str, str]:
    """A number for each device, by model, and one for the gateway."""
    found = {}
    for name, labels in metrics:
        told = dict(labels)
        if name == "winet2_device_info":
            found[told["device"]] = told["model"]
        if name == "winet2_gateway_info":
            found[told["serial"]] = "gateway"
    return found


@pytest.mark.parametrize("profile", profile_names())
async def test_recording_of_a_profile_gives_the_same_metrics_as_the_profile(
    harness: Harness, profile: str, tmp_path: Path
) -> None:
    """But for serial numbers: a maintainer sees what the owner sees."""
    gateway = SimulatedGateway(profile, now=lambda: MOMENT)
    async with gateway:
        before = await exposition(gateway)
        recording = await take(harness, gateway)
    async with SimulatedGateway(played(recording, tmp_path)) as replayed:
        assert replayed.tls == gateway.tls
        after = await exposition(replayed)
    assert len(of_devices(before, {})) > 30
    assert of_devices(after, serials(after)) == of_devices(before, serials(before))
    assert not set(serials(before)) & set(serials(after))


@pytest.fixture
async def replay(harness: Harness, tmp_path: Path) -> Profile:
    recording = await take(harness, await harness.gateway(THREE_PHASE))
    return played(recording, tmp_path)


async def test_replay_refuses_what_was_not_recorded(harness: Harness, replay: Profile) -> None:
    """211, as a gateway does with a service that a device lacks."""
    answers = {key: answer for key, answer in replay.recorded.answers.items() if key != ("real", "3")}
    gateway = await harness.gateway(replace(replay, recorded=replace(replay.recorded, answers=answers)))
    await harness.start(harness.target(gateway))
    await harness.cycles()
    assert harness.errors()["unsupported"] == 1
    assert harness.value("winet2_devices") == 3


@pytest.mark.parametrize("fault, reason", [
    ("silence:service=real:device=1:times=1", "no_answer"), ("read-failed:times=1", "read_failed"),
    ("drop:service=real:times=1", "connection_lost"), ("garbage:service=real:times=1", "garbled"),
])  # fmt: skip
async def test_replay_has_the_usual_faults(
    harness: Harness, replay: Profile, fault: str, reason: str
) -> None:
    """What a plant's gateway can be told to do wrong, a recording's can too."""
    gateway = await harness.gateway(replay, faults=[fault])
    await harness.start(harness.target(gateway))
    await harness.cycles(3)
    assert harness.errors()[reason] == 1


async def test_replay_of_noughts_and_of_totals_that_step(harness: Harness, replay: Profile) -> None:
    """Faults that change values change recorded ones: totals are known by their keys."""
    gateway = await harness.gateway(replay)
    await harness.start(harness.target(gateway))
    await harness.cycles(4)
    name = "winet2_grid_export_energy_joules_total"
    before = harness.value(name)
    gateway.inject("total-steps-back:by=2")
    await harness.cycles(6)
    assert harness.value(name) == pytest.approx(before - 2 * 3.6e6)
    gateway.clear("total-steps-back")
    gateway.inject("total-spikes:by=0")
    gateway.inject("all-zeros")
    await harness.cycles(8)
    assert harness.values(name) == {}


async def test_replay_of_faults_about_devices(harness: Harness, replay: Profile) -> None:
    """A device can vanish from the recorded list, and a fault can be raised."""
    gateway = await harness.gateway(replay, faults=["device-vanishes:device=3", "device-fault"])
    recording = await take(harness, gateway)
    assert [device.model for device in recording.devices] == ["SH10RT", "SBR128"]
    told = json.dumps(recording.document)
    assert '"total_fault": "1"' in told
    assert '"fault_code": "10"' in told
    gateway.clear("device-vanishes")
    gateway.inject("device-vanishes:device=2:service=real")
    recording = await take(harness, gateway)
    codes = {
        tuple(e["question"].values()): e["answers"][-1]["result_code"]
        for e in recording.document["exchanges"]
    }
    assert (codes["real", "1"], codes["real", "2"]) == (1, 301)


@pytest.mark.parametrize("text, word", [
    ("no json", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "no recording"),
    ('{"format": "x"}', "no recording"),
    (json.dumps({"format": FORMAT, "version": 2}), "version 2"),
    (json.dumps({"format": FORMAT, "version": 1}), "damaged"),
    (json.dumps({"format": FORMAT, "version": 1, "exchanges": [7]}), "damaged"),
])  # fmt: skip
def test_replay_of_what_is_no_recording_is_refused_in_words(tmp_path: Path, text: str, word: str) -> None:
    """The file is named, and what is wrong with it."""
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=word) as raised:
        load_recording(file)
    assert str(file) in str(raised.value)


def test_replay_of_a_recording_without_answers_is_a_gateway_that_refuses(tmp_path: Path) -> None:
    """An empty recording is odd, and good."""
    document = {
        "format": FORMAT,
        "version": 1,
        "exchanges": [],
        "pages": {},
        "transport": "ws",
        "login": False,
    }
    profile = played(document, tmp_path)
    assert (profile.model, profile.tls, profile.recorded.labels) == ("", False, False)


async def test_replay_without_pages_has_none(harness: Harness, replay: Profile) -> None:
    """A gateway whose pages were closed has none when it is played."""
    bare = replace(replay.recorded, about=None, labels=False)
    recording = await take(harness, await harness.gateway(replace(replay, recorded=bare)))
    assert {page["status"] for page in recording.document["pages"].values()} == {404}


@pytest.mark.real
async def test_simulate_plays_a_file(tmp_path: Path) -> None:
    """From one command to the other, over a file; a file that is none is wrong usage."""
    file = tmp_path / "roof.json"
    async with SimulatedGateway(STRING) as gateway:
        code, _, _ = await run("capture", f"127.0.0.1:{gateway.port}", "-o", str(file))
        assert code == 0
    async with running("simulate", "--replay", str(file)) as simulator:
        address = (await simulator.line(r"recording roof.json at wss://(\S+)/ws/", out=True))[1]
        code, out, _ = await run("read", address, env={"WINET_USERNAME": "user", "WINET_PASSWORD": "pw1111"})
        assert (code, "winet2_pv_power_watts" in out) == (0, True)
        assert await simulator.end() == 0
    for name in ("none.json", "."):
        code, _, log = await run("simulate", "--replay", str(tmp_path / name))
        assert (code, "Traceback" in log) == (2, False)
