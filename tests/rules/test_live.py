"""The rules in a real Prometheus that scrapes a real exporter: labels meet that no story has made up."""

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack

import pytest

from exporter.simulator import SimulatedGateway
from tests.commands.running import running
from tests.prometheus import Server, installed_and_newer, until
from tests.prometheus import server as prometheus_server
from tests.rules import rule_files
from tests.rules.rule_files import FILES

LOAD = "site:winet2_load_power_watts:balance"
QUICK = "1s"

Sample = dict[tuple[tuple[str, str], ...], float]


def value(prometheus: Server, expression: str) -> Sample:
    return prometheus.query(expression, time.time())


@installed_and_newer("PROMETHEUS3")
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
        states = await asyncio.to_thread(prometheus.rules)
        load = await asyncio.to_thread(value, prometheus, f'{LOAD}{{site="home"}}')
        parts = await asyncio.to_thread(
            value, prometheus, "sum(winet2_load_power_watts{target=~'roof|barn'})"
        )
        assert await process.end() == 0
    assert [(rule["name"], rule["lastError"]) for rule in states if rule["health"] != "ok"] == []
    assert len(states) == len(rule_files.rules())
    assert list(load.values()) == pytest.approx(list(parts.values()), rel=0.2)
