"""Passwords and tokens of a whole run: nowhere but in the messages to the gateway."""

import json
import random
import signal
import urllib.parse
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter import config
from exporter.config import Credentials, Secret
from exporter.simulator import SimulatedGateway
from exporter.winet.memory import FILE
from exporter.winet.pool import Pool
from tests.commands.running import running
from tests.harness import PASSWORD, STRING, Harness, received

RIGHT, WRONG = 'right "one" äöü-1', 'wrong "one" äöü-2'
LISTEN = "--web.listen-address=127.0.0.1:0"
REQUESTS = [
    ("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/metrics", 200), ("GET", "/probe?target=right", 200),
    ("GET", "/probe?target=wrong", 200), ("GET", "/sd", 200), ("GET", "/config", 200),
    ("GET", "/api/v1/status", 200), ("GET", "/-/healthy", 200), ("GET", "/-/ready", 200),
    ("POST", "/-/reload", 200), ("POST", "/-/pause?target=right&for=1s", 200),
    ("POST", "/-/resume?target=right", 200), ("GET", "/probe", 400), ("GET", "/probe?target=cellar", 400),
    ("POST", "/-/pause?target=right", 400), ("POST", "/-/pause?target=cellar&for=1s", 404),
    ("GET", "/nowhere", 404), ("POST", "/metrics", 405), ("GET", "/-/reload", 405),
]  # fmt: skip


def spellings(secret: str) -> set[str]:
    """A secret as JSON, Python, a URL and hexadecimal digits would show it."""
    return {
        secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1],
        urllib.parse.quote(secret), secret.encode().hex(), secret.replace('"', "&quot;"),
        secret.replace('"', "&#34;"),
    }  # fmt: skip


def tokens(gateway: SimulatedGateway) -> set[str]:
    """Every token that the gateway gave out, and every one that it was sent."""
    found = set()
    for event in gateway.log:
        if event.direction in ("in", "out") and event.text.startswith("{"):
            message = json.loads(event.text)
            data = message.get("result_data")
            for part in (message, data if isinstance(data, dict) else {}):
                found.add(part.get("token"))
    return {token for token in found if token}


async def ask_everything(address: str) -> str:
    """All bodies and headers, in both formats where there are two."""
    seen = ""
    async with aiohttp.ClientSession() as http:
        for accept in ("*/*", "application/openmetrics-text", "text/html"):
            for method, path, status in REQUESTS:
                url = f"http://{address}{path}"
                async with http.request(method, url, headers={"Accept": accept}) as answer:
                    seen += f"{answer.headers}\n{await answer.text()}\n"
                    assert answer.status == status, (method, path, answer.status)
    return seen


@pytest.mark.real
@pytest.mark.parametrize("source", ["password", "password_file", "password_env"])
async def test_run_with_right_and_wrong_passwords_shows_no_secret_anywhere(
    tmp_path: Path, source: str
) -> None:
    """No page, header, log line, stored file, argument, and environment only where the password is there."""
    accounts, environment = {}, {}
    for name, password in (("right", RIGHT), ("wrong", WRONG)):
        value = password
        if source == "password_file":
            value = f"{name}.password"
            (tmp_path / value).write_text(password)
            (tmp_path / value).chmod(0o644)
        elif source == "password_env":
            value = f"SOLAR_{name.upper()}"
            environment[value] = password
        accounts[name] = {"username": "user", source: value}
    async with (
        SimulatedGateway(STRING, accounts={"user": RIGHT}, log_size=100_000) as right,
        SimulatedGateway(STRING, accounts={"user": RIGHT}, log_size=100_000) as wrong,
    ):
        targets = [
            {"host": f"127.0.0.1:{gateway.port}", "name": name, "transport": "wss", "credentials": name}
            for name, gateway in (("right", right), ("wrong", wrong))
        ]
        file = tmp_path / "winet.yml"
        document = {"refresh_interval": "5s", "credentials": accounts, "targets": targets}
        file.write_text(json.dumps(document))
        arguments = (
            f"--config.file={file}", LISTEN, "--log.level=debug", f"--storage.path={tmp_path / 'storage'}",
            "--web.enable-lifecycle", "--log.format=json",
        )  # fmt: skip
        async with running(*arguments, env=environment) as exporter:
            address = json.loads((await exporter.line('"msg": "listening"')).string)["addresses"]
            await wrong.until(lambda: wrong.counts.logins_refused == 1)
            await right.until(lambda: right.counts.messages_received >= 6)
            process = Path(f"/proc/{exporter.process.pid}")
            shown = await ask_everything(address)
            shown += (process / "cmdline").read_text()
            around = (process / "environ").read_text()
            shown += around if source != "password_env" else ""
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.line('"msg": "reloaded"')
            file.write_text("targets: [")
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.line('"msg": "not reloaded"')
            assert await exporter.end() == 0
        shown += exporter.log + exporter.out + (tmp_path / "storage" / FILE).read_text()
        given = tokens(right) | tokens(wrong)
    assert RIGHT in "".join(json.loads(e.text).get("passwd", "") for e in received(right, "login"))
    assert len(given) >= 3
    assert exporter.log.count("chmod 600") >= (4 if source == "password_file" else 0)
    assert '"login refused"' in exporter.log
    assert "refused" in shown
    for secret in (RIGHT, WRONG, *given):
        assert not [text for text in spellings(secret) if text in shown], secret


def test_repr_when_settings_hold_a_password_then_it_is_hidden():
    """Whatever is printed of the configuration, in a traceback or a log, shows none."""
    text = json.dumps(
        {
            "credentials": {"own": {"username": "user", "password": PASSWORD}},
            "targets": [{"host": "192.0.2.1", "credentials": "own"}],
            "probe": {"credentials": "own", "send_credentials_unverified": True},
        }
    )
    settings = config.parse(text, source="test", folder=Path("/"))
    account = Credentials(username="user", password=Secret(PASSWORD))
    things: tuple[Any, ...] = (
        settings, settings.targets, settings.targets[0], settings.probe, settings.accounts, account,
        account.password, settings.to_dict(encode_json=False), settings.targets[0].to_dict(encode_json=False),
    )  # fmt: skip
    for thing in things:
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert not [text for text in spellings(PASSWORD) if text in shown]
    assert settings.targets[0].credentials == account
    assert account.read_password() == PASSWORD


@pytest.mark.parametrize("password", [PASSWORD, "another"])
async def test_status_of_a_session_that_logged_in_holds_no_secret(harness: Harness, password: str) -> None:
    """Neither accepted nor refused credentials are in what the pages are made of."""
    gateway = await harness.gateway(STRING, accounts={"user": password})
    settings = harness.configuration(harness.target(gateway, credentials="own"))
    pool = Pool(
        settings.targets, on_change=lambda _: harness.look(), clock=harness.loop.time, rng=random.Random(1)
    )
    async with pool:
        await harness.until(lambda: pool.status("roof").state in ("online", "refused"))
        await harness.pass_time(20)
        session = pool._sessions["roof"]
        shown = repr(pool.status("roof")) + repr(pool.snapshot("roof")) + repr(vars(session._login))
        shown += repr({name: getattr(session, name) for name in session.__slots__})
    given = tokens(gateway)
    assert given
    for secret in (PASSWORD, *given):
        assert not [text for text in spellings(secret) if text in shown]
