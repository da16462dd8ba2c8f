"""The rules in a real Prometheus that scrapes a real exporter: labels meet that no story has made up."""

import asyncio
import json
import os
import re
import time
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from exporter.simulator import SimulatedGateway
from tests.commands.running import running
from tests.prometheus import Server
from tests.prometheus import server as prometheus_server
from tests.rules import rule_files
from tests.rules.rule_files import FILES

PROMETHEUS3 = os.environ.get("PROMETHEUS3", "")
LOOK = 0.2
LOAD = "site:winet2_load_power_watts:balance"
QUICK = "1s"

Sample = dict[tuple[tuple[str, str], ...], float]


async def until(condition: Callable[[], bool]) -> None:
    """Ask until it is so; the test's own time limit ends it."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110  the condition is a question over the network
        await asyncio.sleep(LOOK)


def rule_states(prometheus: Server) -> list[dict[str, Any]]:
    """Every rule as Prometheus has it, with its health and its last error."""
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/rules", timeout=30) as answer:
        return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]


def value(prometheus: Server, expression: str) -> Sample:
    return prometheus.query(expression, time.time())


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("", marks=pytest.mark.real, id="installed"),
        pytest.param(
            PROMETHEUS3,
            marks=[
                pytest.mark.packages,
                pytest.mark.skipif(not PROMETHEUS3, reason="PROMETHEUS3 names no Prometheus 3"),
            ],
            id="3",
        ),
    ],
)
async def test_rules_when_prometheus_follows_an_exporter_then_each_is_evaluated_without_error(
    program, tmp_path
):
    """A hybrid with battery and charger, a string inverter on its site, and a gateway without a site."""
    (tmp_path / "data").mkdir()
    names = []
    for path in FILES:
        names.append(str(tmp_path / path.name))
        text = re.sub(r"(?m)^    interval: \w+$", f"    interval: {QUICK}", path.read_text("utf-8"))
        (tmp_path / path.name).write_text(text, "utf-8")
    async with AsyncExitStack() as stack:
        ports = [
            (await stack.enter_async_context(SimulatedGateway(profile))).port
            for profile in ("SH5.0RS", "SH10RS", "SH5.0RS")
        ]
        (tmp_path / "winet.yml").write_text(
            "refresh_interval: 5s\ntimezone: Europe/Berlin\n"
            "location: {latitude: 52.5, longitude: 13.4}\ntargets:\n"
            f"  - {{host: '127.0.0.1:{ports[0]}', name: roof, transport: ws, labels: {{site: home}}}}\n"
            f"  - {{host: '127.0.0.1:{ports[1]}', name: barn, transport: ws, labels: {{site: home}}}}\n"
            f"  - {{host: '127.0.0.1:{ports[2]}', name: shed, transport: ws}}\n"
        )
        process = await stack.enter_async_context(
            running(f"--config.file={tmp_path / 'winet.yml'}", "--web.listen-address=127.0.0.1:0")
        )
        address = (await process.line(r"addresses=(\S+)"))[1]
        config = (
            f"global: {{scrape_interval: {QUICK}, scrape_timeout: {QUICK}, evaluation_interval: {QUICK}}}\n"
            f"rule_files: {json.dumps(names)}\n"
            "scrape_configs:\n"
            f"  - {{job_name: winet, static_configs: [{{targets: ['{address}']}}]}}\n"
        )
        prometheus: Server = await asyncio.to_thread(
            stack.enter_context,
            prometheus_server(tmp_path / "data", tmp_path, config, program=program or None),
        )

        def told() -> bool:
            return {dict(labels).get("site", "") for labels in value(prometheus, LOAD)} == {
                "home",
                "",
            } and len(value(prometheus, "device:winet2_pv_energy_kwh:local_day")) == len(ports)

        await until(told)
        states = await asyncio.to_thread(rule_states, prometheus)
        load = await asyncio.to_thread(value, prometheus, f'{LOAD}{{site="home"}}')
        parts = await asyncio.to_thread(
            value, prometheus, "sum(winet2_load_power_watts{target=~'roof|barn'})"
        )
        assert await process.end() == 0
    assert [(rule["name"], rule["lastError"]) for rule in states if rule["health"] != "ok"] == []
    assert len(states) == len(rule_files.rules())
    assert list(load.values()) == pytest.approx(list(parts.values()), rel=0.2)
