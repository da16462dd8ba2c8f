"""The examples: every file does as it stands, and a real Prometheus finds and scrapes what it describes."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
import yaml

import exporter
from exporter import config
from exporter.cli import main
from exporter.simulator import SimulatedGateway
from exporter.targets import TargetFiles
from tests.commands.running import running
from tests.prometheus import Server, installed_and_newer, tool, until
from tests.prometheus import server as prometheus_server
from tests.web.web_files import HASH, PASSWORD

EXAMPLES = Path(exporter.__file__).parent.parent / "examples"
UNIT = EXAMPLES / "systemd" / "winet-exporter.service"
DEFAULTS = EXAMPLES / "systemd" / "winet-exporter.default"
EXPORTER = "127.0.0.1:10182"  # where the examples look for it
SCRAPES = 3

systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze: install systemd"
)


def example(name: str) -> str:
    return (EXAMPLES / name).read_text("utf-8")


# Files as they stand ---------------------------------------------------------------------------------


@pytest.mark.real
def test_configuration_when_it_is_checked_then_it_is_good(monkeypatch, capsys):
    """Nothing is missing and nothing is unwise, once the password is there that it asks for."""
    monkeypatch.setenv("WINET_PASSWORD", "pw")
    assert main(["check-config", str(EXAMPLES / "winet.yml")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_targets_when_the_example_is_read_then_its_labels_are_settings_and_labels():
    """The main example names it where its comments are put in force; its gateways are others."""
    shown = re.sub(r"(?m)^# (target_files|probe|  \w+)(:.*)$", r"\1\2", example("winet.yml"))
    settings = config.parse(shown, source="winet.yml", folder=EXAMPLES)
    assert settings.probe is not None
    assert settings.probe.allow == ("192.0.2.20/32",)
    found = TargetFiles().read(settings)
    assert [(target.name, target.labels["site"]) for target in found] == [
        ("192.0.2.30", "north"),
        ("192.0.2.31", "north"),
        ("barn-east", "farm"),
    ]
    assert [target.credentials for target in found] == [settings.accounts["default"]] * 2 + [None]
    assert (found[2].transport, found[2].refresh_interval) == ("ws", 30.0)
    assert not {target.host for target in found} & {target.host for target in settings.targets}


@pytest.mark.real
def test_prometheus_yml_when_promtool_checks_it_then_it_is_good(tmp_path):
    """As it stands, with all of its jobs, and with TLS and password in force."""
    for name in ("server-ca.pem", "winet-exporter.password"):
        (tmp_path / name).touch()
    trustme.CA().cert_pem.write_to_path(tmp_path / "server-ca.pem")
    shown = example("prometheus/prometheus.yml")
    for text in (shown, with_all_jobs(shown), with_tls(with_all_jobs(shown))):
        path = tmp_path / "prometheus.yml"
        path.write_text(text, "utf-8")
        result = subprocess.run(
            [tool("promtool"), "check", "config", path], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_yml_when_it_is_used_as_it_stands_then_every_series_is_there_once():
    """One job is in force, the one that the page recommends; the two others are there to be taken."""
    text = example("prometheus/prometheus.yml")
    assert [job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]] == ["winet"]
    assert [job["job_name"] for job in yaml.safe_load(with_all_jobs(text))["scrape_configs"]] == [
        "winet",
        "winet-probe",
        "winet-discovered",
    ]


@pytest.mark.real
@systemd
def test_unit_when_systemd_looks_at_it_then_it_finds_nothing_and_little_is_exposed(tmp_path):
    """No unknown key, no missing program, and an exposure of 2.0 at most."""
    installed = tmp_path / "winet-exporter"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/winet-exporter/bin/winet-exporter", str(installed)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout + rated.stderr


@pytest.mark.real
async def test_unit_when_its_command_is_run_then_the_exporter_takes_it_and_reloads(tmp_path):
    """Its flags are known, those of the defaults file too, and what reloads the service reloads it."""
    line = UNIT.read_text("utf-8").replace("\\\n", "")
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", line, re.MULTILINE)
    (arguments,) = re.findall(r'^ARGS="(.*)"$', DEFAULTS.read_text("utf-8"), re.MULTILINE)
    words = command.replace("%S", str(tmp_path)).replace("$ARGS", arguments).split()
    (folder,) = {word.partition("=")[2].rpartition("/")[0] for word in words if "config.file" in word}
    (tmp_path / "winet.yml").write_text("targets: [{host: 127.0.0.1:9}]\n")
    words = [word.replace(folder, str(tmp_path)).replace(":10182", "127.0.0.1:0") for word in words]
    (by,) = re.findall(r"^ExecReload=/bin/kill -(\w+) \$MAINPID$", line, re.MULTILINE)
    async with running(*words) as process:
        await process.line("listening")
        process.process.send_signal(signal.Signals[f"SIG{by}"])
        await process.line("reloaded")
        assert await process.end() == 0
    assert (tmp_path / "winet-exporter" / "sessions.json").exists()


# A real Prometheus -----------------------------------------------------------------------------------


def with_all_jobs(text: str) -> str:
    """The jobs that are commented out, in force beside the first."""
    return re.sub(r"(?m)^#(?=  )", "", text)


def with_tls(text: str) -> str:
    """What the example's comments hide, in force."""
    shown = re.sub(r"# (scheme|tls_config|basic_auth):", r"\1:", text)
    assert shown.count("tls_config:") == shown.count("basic_auth:") == 4
    return shown.replace("url: http:", "url: https:")


class Site(NamedTuple):
    """A running exporter: its address, and the places of the gateways that it reads."""

    address: str
    roof: str
    barn: str
    stranger: str


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """An exporter over TLS and with a password: one gateway named, one in a target file, one to be probed."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "server-ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    (tmp_path / "winet-exporter.password").write_text(PASSWORD)
    (tmp_path / "web.yml").write_text(
        "tls_server_config: {cert_file: both.pem, key_file: both.pem}\n"
        f'basic_auth_users: {{prometheus: "{HASH}"}}\n'
    )
    async with AsyncExitStack() as stack:
        roof, barn, stranger = [
            await stack.enter_async_context(SimulatedGateway(profile))
            for profile in ("SH5.0RS", "SH5.0RS", "SG10RS")
        ]
        (tmp_path / "barn.yml").write_text(
            yaml.safe_dump(
                [
                    {
                        "targets": [f"127.0.0.1:{barn.port}"],
                        "labels": {"__winet_name": "barn", "__winet_transport": "ws", "site": "farm"},
                    }
                ]
            )
        )
        (tmp_path / "winet.yml").write_text(
            "targets:\n"
            f"  - {{host: '127.0.0.1:{roof.port}', name: roof, transport: ws, labels: {{site: home}}}}\n"
            "target_files: [barn.yml]\n"
            f"probe: {{allow: [127.0.0.1], ports: [{stranger.port}]}}\n"
        )
        process = await stack.enter_async_context(
            running(
                f"--config.file={tmp_path / 'winet.yml'}",
                f"--web.config.file={tmp_path / 'web.yml'}",
                "--web.listen-address=127.0.0.1:0",
            )
        )
        address = (await process.line(r"addresses=(\S+)"))[1]
        places = [f"127.0.0.1:{gateway.port}" for gateway in (roof, barn, stranger)]
        yield Site(address, *places)
        assert await process.end() == 0
        assert "Traceback" not in process.log


def configuration(site: Site) -> str:
    """The example with the exporter's and the gateway's address put in, and quick."""
    text = with_tls(with_all_jobs(example("prometheus/prometheus.yml")))
    for old, new in (
        (EXPORTER, site.address),
        ("192.0.2.20 ", f"{site.stranger} "),
        ("interval: 15s", "interval: 2s"),
        ("timeout: 10s", "timeout: 2s"),
        ("interval: 1m", "interval: 1s"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


@installed_and_newer("PROMETHEUS3")
async def test_prometheus_when_it_follows_the_example_then_every_gateway_is_up(program, site, tmp_path):
    """Metrics, probes and discovery over TLS with a password: no scrape fails, each target is up."""
    (tmp_path / "data").mkdir()
    expected = {
        ("winet", site.address): 1.0,
        ("winet-probe", "roof"): 1.0,
        ("winet-probe", site.stranger): 1.0,
        ("winet-discovered", "roof"): 1.0,
        ("winet-discovered", "barn"): 1.0,
    }
    with ExitStack() as stack:
        prometheus: Server = await asyncio.to_thread(
            stack.enter_context,
            prometheus_server(tmp_path / "data", tmp_path, configuration(site), program=program or None),
        )

        def scraped() -> bool:
            counts = prometheus.now("count_over_time(up[1h])", "job", "instance")
            ups = prometheus.now("winet2_up", "job", "instance", "target")
            return (
                len(counts) == len(expected)
                and min(counts.values()) >= SCRAPES
                and len(ups) == len(expected) + 1
                and min(ups.values()) == 1.0
            )

        await until(scraped)
        lowest = await asyncio.to_thread(prometheus.now, "min_over_time(up[1h])", "job", "instance", "site")
        shown = await asyncio.to_thread(prometheus.now, "winet2_up", "job", "instance", "target", "site")
        targets = await asyncio.to_thread(prometheus.targets)
    assert {key[:2]: value for key, value in lowest.items()} == expected
    assert {key[1:] for key in lowest if key[0] == "winet-discovered"} == {("roof", "home"), ("barn", "farm")}
    assert shown == {
        ("winet", site.address, "roof", ""): 1.0,
        ("winet", site.address, "barn", ""): 1.0,
        ("winet-probe", "roof", "roof", ""): 1.0,
        ("winet-probe", site.stranger, site.stranger, ""): 1.0,
        ("winet-discovered", "roof", "roof", "home"): 1.0,
        ("winet-discovered", "barn", "barn", "farm"): 1.0,
    }
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")] * len(expected)
    assert all(target["scrapeUrl"].startswith(f"https://{site.address}/") for target in targets)
