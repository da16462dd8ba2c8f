"""The exporter as a process: started, scraped, ended."""

import base64
import json
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import trustme
from aiohttp import web

from exporter import DEFAULT_PORT
from exporter.cli import main
from exporter.commands.read import read_once
from exporter.config import parse
from exporter.simulator import SimulatedGateway
from tests.commands.running import fetch, run, running

pytestmark = pytest.mark.real

LISTEN = "--web.listen-address=127.0.0.1:0"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
async def test_serve_is_scraped_and_ends_cleanly_by_a_signal(tmp_path: Path, by: signal.Signals) -> None:
    """From a file to metrics; the end logs out at the gateway and exits with 0."""
    async with SimulatedGateway("SH5.0RS") as gateway:
        file = tmp_path / "winet.yml"
        file.write_text(f'targets: [{{host: "127.0.0.1:{gateway.port}", name: roof, transport: ws}}]')
        async with running(f"--config.file={file}", LISTEN, "--log.format=json") as exporter:
            line = await exporter.line('"msg": "listening"')
            address = json.loads(line.string)["addresses"]
            await gateway.until(lambda: gateway.counts.messages_received >= 6)
            assert 'winet2_up{target="roof"} 1.0' in await fetch(f"http://{address}/metrics")
            assert await exporter.end(by) == 0
        assert gateway.log[-2].service == "logout"
        assert '"msg": "shutting down"' in exporter.log
        assert "Traceback" not in exporter.log


async def test_serve_without_a_file_takes_the_target_of_the_environment() -> None:
    """WINET_HOST and its fellows are a configuration; the password stays out of the log."""
    async with SimulatedGateway("SG10RS") as gateway:
        environment = {
            "WINET_HOST": f"127.0.0.1:{gateway.port}",
            "WINET_USERNAME": "user",
            "WINET_PASSWORD": "pw1111",
            "WINET_REFRESH_INTERVAL": "5s",
        }
        async with running(LISTEN, "--log.level=debug", env=environment) as exporter:
            await gateway.until(lambda: gateway.counts.logins == 1)
            assert await exporter.end() == 0
        assert "pw1111" not in exporter.log


async def test_serve_on_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    """A taken port is exit code 1 and one line."""
    async with SimulatedGateway("SH5.0RS") as gateway:
        environment = {"WINET_HOST": "127.0.0.1"}
        code, _, log = await run(f"--web.listen-address=127.0.0.1:{gateway.port}", env=environment)
    assert code == 1
    assert "cannot listen" in log
    assert "in use" in log
    assert "Traceback" not in log


async def test_demo_tells_where_to_look_and_shows_three_targets_up() -> None:
    """The first URL printed is the exporter's, and every simulated gateway is up."""
    async with running("demo", LISTEN) as demo:
        url = (await demo.line(r"^winet-exporter demo: (http://\S+/)$", out=True))[1]
        await demo.line("Ctrl-C", out=True)
        assert "taken" not in demo.out
        for _ in range(3):
            await demo.line('msg="devices listed"')
        page = await fetch(f"{url}metrics")
        while page.count("\nwinet2_up{") > sum(
            f'winet2_up{{target="{n}"}} 1.0' in page for n in ("house", "garage", "farm")
        ):
            page = await fetch(f"{url}metrics")
        assert page.count("\nwinet2_up{") == 3
        assert "winet2_battery_state_of_charge_ratio" in page
        assert await demo.end(signal.SIGINT) == 0
        assert "Traceback" not in demo.log


async def test_demo_whose_port_is_taken_says_so_and_which_it_has() -> None:
    """Else the commands of the README would ask another program."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # taken by somebody else: as good
            other.bind(("127.0.0.1", DEFAULT_PORT))
            other.listen()
        async with running("demo") as demo:
            port = (await demo.line(r"^winet-exporter demo: http://127.0.0.1:(\d+)/$", out=True))[1]
            told = await demo.line(r"taken", out=True)
            assert told.string == f"  port 10182 is taken by another program, so this is port {port}\n"
            assert port != "10182"
            assert await demo.end() == 0


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_serve_and_demo_with_a_web_configuration_speak_tls_and_ask_for_a_password(
    command: str, tmp_path: Path
) -> None:
    """What the file says is in force from the first request on; the health check needs no login."""
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    file = tmp_path / "web.yml"
    file.write_text(
        "tls_server_config: {cert_file: both.pem, key_file: both.pem}\n"
        f"basic_auth_users: {{alice: {bcrypt.hashpw(b'pw', bcrypt.gensalt(4)).decode()}}}\n"
    )
    words = [command, LISTEN, f"--web.config.file={file}"]
    async with running(*words, env={"WINET_HOST": "127.0.0.1:9"}) as exporter:
        address = (await exporter.line(r"addresses=(\S+)"))[1]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        statuses = []
        async with aiohttp.ClientSession() as http:
            for user in ("alice", "bob"):
                encoded = base64.b64encode(f"{user}:pw".encode()).decode()
                login = {"Authorization": f"Basic {encoded}"}
                url = f"https://{address}/metrics"
                async with http.get(url, ssl=context, headers=login) as answer:
                    statuses.append(answer.status)
        assert statuses == [200, 401]
        assert (await run("healthcheck", f"https://{address}/-/healthy"))[0] == 0
        if command == "demo":
            await exporter.line(rf"demo: https://{address}/$", out=True)
        assert await exporter.end() == 0
    assert "the cost of the hash is below 10" in exporter.log
    assert "Traceback" not in exporter.log


@pytest.mark.parametrize("command", ["serve", "demo", "check-config"])
def test_web_configuration_with_a_mistake_is_refused_with_line_and_remedy(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No start with less protection than was asked for, and no password in the message."""
    monkeypatch.setenv("WINET_HOST", "192.0.2.1")
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_users:\n  alice: swordfish\n")
    assert main([command, f"--web.config.file={file}"]) == 1
    captured = capsys.readouterr()
    assert "line 2: basic_auth_users.alice: must be a bcrypt hash" in captured.err
    assert "swordfish" not in captured.err + captured.out


async def test_simulate_is_a_gateway_with_faults_at_run_time() -> None:
    """The printed address can be read, and a fault can be put in force from outside."""
    async with running(
        "simulate", "--profile", "SG10RS", "--fault", "silence:times=1:service=real"
    ) as simulator:
        address = (await simulator.line(r"at wss://(\S+)/ws/", out=True))[1]
        await simulator.line("read it", out=True)
        assert "fingerprints" in simulator.out
        assert "pw1111" in simulator.out
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"https://{address}/simulator", ssl=context) as answer,
        ):
            assert (await answer.json())["faults"] == ["silence:times=1:service=real"]
        assert await simulator.end() == 0


# read ------------------------------------------------------------------------------------------------


async def test_read_prints_every_reading_as_a_table() -> None:
    """Device by device: key, value, unit and the metric it becomes."""
    async with SimulatedGateway("SH5.0RS") as gateway:
        code, out, log = await run("read", f"127.0.0.1:{gateway.port}", "--transport=ws")
    assert code == 0
    assert "SH5.0RS(COM1-001)  A2200000001  hybrid" in out
    assert "SBR128(COM1-200)" in out
    assert any(
        line.split()[0] == "I18N_COMMON_TOTAL_DCPOWER" and line.split()[2:] == ["kW", "winet2_pv_power_watts"]
        for line in out.splitlines()
        if line.startswith("  ")
    )
    assert "thrown out" in log


async def test_read_as_json_logs_in_with_a_password_from_the_environment() -> None:
    """`--json` is for programs: nothing else is on standard output."""
    async with SimulatedGateway("SG10RS", accounts={"me": "secret one"}) as gateway:
        code, out, log = await run(
            "read",
            f"127.0.0.1:{gateway.port}",
            "--username=me",
            "--json",
            env={"WINET_PASSWORD": "secret one"},
        )
        assert gateway.counts.logins == 1
    assert code == 0
    (device,) = json.loads(out)["devices"]
    assert device["kind"] == "inverter"
    assert {"winet2_pv_power_watts", None} <= {r["metric"] for r in device["readings"]} | {None}
    assert "secret one" not in out + log


async def test_read_with_a_wrong_password_tells_what_to_do(tmp_path: Path) -> None:
    """Exit code 1, the reason and the advice; one login only."""
    password = tmp_path / "password"
    password.write_text("wrong\n")
    async with SimulatedGateway("SG10RS") as gateway:
        code, out, log = await run(
            "read", f"127.0.0.1:{gateway.port}", "--username=user", f"--password-file={password}"
        )
        assert gateway.counts.logins_refused == 1
    assert (code, out) == (1, "")
    assert "wrong user name or password (115)" in log
    assert "User name or password is wrong. Check both" in log
    assert "password_file" not in log


async def test_read_of_a_host_that_is_not_there_fails_with_its_reason() -> None:
    """Nobody listens: exit code 1 and words."""
    code, _, log = await run("read", "127.0.0.1:9", "--transport=ws")
    assert code == 1
    assert "Connect call failed" in log or "refused" in log


async def test_read_of_a_configured_target_uses_its_configuration(tmp_path: Path) -> None:
    """HOST may be the name of a target; another name is wrong usage."""
    async with SimulatedGateway("SG10RS") as gateway:
        file = tmp_path / "winet.yml"
        file.write_text(
            f'credentials: {{default: {{username: user, password: "pw1111"}}}}\n'
            f'targets: [{{host: "127.0.0.1:{gateway.port}", name: garage, credentials: default, '
            f'fingerprints: ["{gateway.fingerprint}"]}}]'
        )
        code, out, _ = await run("read", "garage", f"--config.file={file}")
        assert (code, "SG10RS" in out) == (0, True)
        code, _, log = await run("read", "cellar", f"--config.file={file}")
    assert code == 2
    assert "no target named 'cellar'" in log


# healthcheck -----------------------------------------------------------------------------------------


async def test_read_unmapped_is_a_catalogue_file_that_works(tmp_path: Path) -> None:
    """What it prints can be used as it is; then nothing of it is left over."""
    async with SimulatedGateway("SH10RT") as gateway:
        place = f"127.0.0.1:{gateway.port}"
        password = {"WINET_USERNAME": "user", "WINET_PASSWORD": "pw1111"}
        code, draft, log = await run("read", place, "--unmapped", env=password)
        assert (code, "labels are not to be had" in log) == (0, False)
        assert '"Charger Temperature" of C2300000203' in draft
        own, file = tmp_path / "own.yml", tmp_path / "winet.yml"
        own.write_text(draft)
        file.write_text(
            "credentials: {default: {username: user, password: pw1111}}\n"
            f'catalogue_files: [own.yml]\ntargets: [{{host: "{place}", name: roof, credentials: default}}]\n'
        )
        code, table, _ = await run("read", "roof", f"--config.file={file}")
        assert "winet2_charger_temperature_celsius" in table
        code, left, _ = await run("read", "roof", f"--config.file={file}", "--unmapped", "--json")
        assert {entry["key"] for entry in json.loads(left)} == {
            "I18N_CONFIG_KEY_2042",
            "I18N_COMMON_CHARGING_TIME_THIS_TIME_GXOAWHSE",
            "I18N_COMMON_CHARGER_WORK_MODE",
            "I18N_COMMON_CHARGER_LOCK_STATE",
        }


async def test_read_unmapped_without_labels_says_so_and_goes_on() -> None:
    """Where the pages are closed, keys stand for themselves."""
    async with SimulatedGateway("SH5.0RS") as gateway, SimulatedGateway("SH5.0RS") as other:
        await other.stop()
        text = f'{{targets: [{{host: "127.0.0.1:{gateway.port}", transport: ws, http_port: {other.port}}}]}}'
        settings = parse(text, source="test", folder=Path.cwd())
        snapshot, _, labels = await read_once(settings.targets[0], with_labels=True)
        assert snapshot is not None
        assert labels == {}


def test_check_config_reads_target_files_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the running exporter would only log is an error here."""
    (tmp_path / "winet.yml").write_text("target_files: [more.yml]\n")
    more = tmp_path / "more.yml"
    pin = ":".join(["AB"] * 32)
    labels = f"{{__winet_verify: pinned, __winet_fingerprints: '{pin}, {pin}'}}"
    more.write_text(f"- targets: [192.0.2.1, 192.0.2.2]\n  labels: {labels}\n")
    assert main(["check-config", str(tmp_path / "winet.yml")]) == 0
    assert "good, 2 targets" in capsys.readouterr().out
    more.write_text("- targts: [192.0.2.1]\n")
    assert main(["check-config", str(tmp_path / "winet.yml")]) == 1
    assert "more.yml" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "check-config", "read"])
async def test_catalogue_file_with_a_mistake_is_refused_with_file_and_line(
    command: str, tmp_path: Path
) -> None:
    """At start, by every command that would use it."""
    (tmp_path / "own.yml").write_text("families:\n  up: {help: x, unit: watts, keys: [X]}\n")
    file = tmp_path / "winet.yml"
    file.write_text("catalogue_files: [own.yml]\ntargets: [{host: 192.0.2.1, name: roof}]\n")
    words = {"serve": ["serve", f"--config.file={file}"], "check-config": ["check-config", str(file)],
             "read": ["read", "roof", f"--config.file={file}"]}  # fmt: skip
    code, _, log = await run(*words[command])
    assert code == (2 if command == "read" else 1)
    assert "own.yml" in log
    assert "line 2" in log


async def test_healthcheck_takes_any_answer_for_life() -> None:
    """200 and 401 are alive, 503 and silence are not."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    codes = [(await run("healthcheck", f"{url}/{status}"))[0] for status in (200, 401, 503)]
    await runner.cleanup()
    assert codes == [0, 0, 1]
    code, _, log = await run("healthcheck", f"{url}/200")
    assert code == 1
    assert log.startswith("unhealthy:")


@pytest.mark.parametrize("client_certificate", [False, True])
async def test_healthcheck_over_tls_needs_no_trust_and_no_certificate(client_certificate: bool) -> None:
    """An unknown certificate is fine, and a server that asks for ours is alive."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("exporter.invalid").configure_cert(context)
    if client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    code, _, log = await run("healthcheck", f"https://127.0.0.1:{runner.addresses[0][1]}/")
    await runner.cleanup()
    assert (code, log) == (0, "")


# Usage -----------------------------------------------------------------------------------------------


async def test_wrong_flag_with_a_value_never_repeats_the_value() -> None:
    """What was to be a password is on the screen often enough."""
    code, out, log = await run("read", "x", "--password=secret")
    assert (code, out) == (2, "")
    assert "secret" not in log


async def test_word_after_two_dashes_is_no_flag() -> None:
    """A file may be called as it likes."""
    code, _, log = await run("check-config", "--", "--frobnicate")
    assert code == 1
    assert "flag" not in log


@pytest.mark.parametrize(
    "words, message",
    [
        (["serv"], "there is no command 'serv'"),
        (["raed", "x"], "there is no command 'raed'; did you mean read? Commands: serve, demo,"),
        (["frobnicate"], "there is no command 'frobnicate'. Commands: serve, demo,"),
        (["--config.fil=x"], "winet-exporter serve: there is no flag --config.fil; did you mean --config.f"),
        (["serve", "--config", "x"], "did you mean --config.file?\nTry 'winet-exporter serve --help'."),
        (["capture", "x", "--outptu=f"], "there is no flag --outptu; did you mean --output?"),
        (["read", "x", "--password=secret"], "did you mean --password-file?"),
        (["read", "x", "--frobnicate"], "there is no flag --frobnicate\nTry 'winet-exporter read --help'."),
        (["read", "x", "y"], "winet-exporter read: y is one word too many"),
        (["read", "x", "-z"], "winet-exporter read: -z is one word too many"),
        (["--web.listen-address=nonsense", "--config.file=x"], "neither :PORT nor HOST:PORT"),
        (["--web.listen-address=:70000", "--config.file=x"], "neither :PORT nor HOST:PORT"),
        ([], "give --config.file=FILE"),
        (["--web.telemetry-path=metrics", "--config.file=FILE"], "must begin with /"),
        (["--web.telemetry-path=/-/ready", "--config.file=FILE"], "is taken"),
        (["--web.telemetry-path=/api/v1/status", "--config.file=FILE"], "is taken"),
        (["demo", "--speed=0"], "--speed must be more than 0"),
        (["simulate", "--profile=SH"], "SH10RT"),
        (["simulate", "--fault=thunder"], "thunder"),
        (["simulate", "--speed=-1"], "--speed must be more than 0"),
        (["simulate", "--speed=nan"], "--speed must be more than 0"),
        (["simulate", "--port=99999"], "--port must be from 0 to 65535"),
        (["read", "x", "--username=me", "--config.file=FILE"], "exclude each other"),
        (["read", "http://x/"], "must be a name or address"),
        (["read", "x", "--username=me"], "needs a password"),
        (["read", "x", "--password-file=/dev/null"], "needs --username"),
        (["read", "x", "--username=me", "--password-file=/dev/null"], "is no regular file"),
        (["read", "x", "--fingerprint=abc"], "64 hex digits"),
        (["read", "x", "--transport=ws", "--verify=strict"], "strict needs TLS"),
        (["check-config"], "give a FILE, --web.config.file=FILE, or both"),
        (["healthcheck", "ftp://x"], "is no http://"),
        (["healthcheck", "http://x:port"], "is no http://"),
    ],
)
def test_usage_that_is_wrong_exits_with_2_and_says_why(
    words: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong words are answered with the place and the remedy, on standard error."""
    for name in ("WINET_HOST", "WINET_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "winet.yml"
    file.write_text("targets: [{host: 192.0.2.1}]")
    try:
        code = main([word.replace("FILE", str(file)) for word in words])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert code == 2
    assert message in captured.err
    assert captured.out == ""


def test_check_config_of_a_good_file_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good is exit code 0; what strains a gateway is a warning."""
    file = tmp_path / "winet.yml"
    file.write_text("refresh_interval: 5s\ntargets: [{host: 192.0.2.1}]")
    assert main(["check-config", str(file)]) == 0
    captured = capsys.readouterr()
    assert "good, 1 target" in captured.out
    assert "faster than every 10s" in captured.err


def test_check_config_of_a_bad_file_names_every_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad is exit code 1, for the command and for the exporter itself."""
    file = tmp_path / "winet.yml"
    file.write_text("targets:\n  - hots: 192.0.2.1\n  - {host: 192.0.2.2, pipeline: 1}\n")
    for words in (["check-config", str(file)], [f"--config.file={file}"]):
        assert main(words) == 1
        errors = capsys.readouterr().err
        assert 'line 2: targets[0].hots: is not a known key; did you mean "host"?' in errors
        assert "line 3: targets[1].pipeline: must be true or false" in errors


def test_check_config_of_both_files_tells_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The web configuration is checked beside the targets, or alone; one bad of the two is bad."""
    targets, web_file = tmp_path / "winet.yml", tmp_path / "web.yml"
    targets.write_text("targets: [{host: 192.0.2.1}]")
    web_file.write_text("# nothing\n")
    assert main(["check-config", str(targets), f"--web.config.file={web_file}"]) == 0
    captured = capsys.readouterr()
    assert "winet.yml: good, 1 target" in captured.out
    assert "web.yml: good, no TLS, 0 users" in captured.out
    assert "warning: neither tls_server_config nor basic_auth_users" in captured.err
    web_file.write_text(f"basic_auth_users: {{a: {bcrypt.hashpw(b'', bcrypt.gensalt(4)).decode()}}}\n")
    assert main(["check-config", f"--web.config.file={web_file}"]) == 0
    assert "no TLS, 1 user\n" in capsys.readouterr().out
    targets.write_text("targets: []")
    assert main(["check-config", str(targets), f"--web.config.file={web_file}"]) == 1
    captured = capsys.readouterr()
    assert "web.yml: good" in captured.out
    assert "targets: is missing or empty" in captured.err


def test_check_config_of_a_missing_file_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is bad, not a traceback."""
    assert main(["check-config", "/nowhere/winet.yml"]) == 1
    assert "/nowhere/winet.yml" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["serve", "--help"], ["read", "--help"]])
def test_help_is_on_standard_output(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for help, the answer is no error."""
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 0
    assert "winet-exporter" in capsys.readouterr().out


def test_simulate_names_its_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list-profiles` lists and ends."""
    assert main(["simulate", "--list-profiles"]) == 0
    assert "SH5.0RS_WiNet-S_P012" in capsys.readouterr().out.splitlines()
