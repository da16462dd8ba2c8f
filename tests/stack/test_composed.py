"""The programs of the compose file, run without containers: its commands, files and health checks do."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands.running import running
from tests.prometheus import Server, tool, until
from tests.stack.files import run
from tests.stack.test_compose import FILE, PORTS, SCRAPING, SERVICES, binds, stores

PROMETHEUS3, PROMTOOL3 = os.environ.get("PROMETHEUS3", ""), os.environ.get("PROMTOOL3", "")
LOOK = 0.1

needs_prometheus3 = pytest.mark.skipif(
    not PROMETHEUS3 or not PROMTOOL3, reason="PROMETHEUS3 and PROMTOOL3 name none"
)


class Started(NamedTuple):
    """Where a service's program listens, and its health check without the program's name."""

    address: str
    check: list[str]


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def composed(
    name: str, program: str, checker: str, folder: Path, others: Mapping[str, str] | None = None
) -> Iterator[Started]:
    """A service's program with its command and files, once it is healthy.

    It gets an address of its own; `others` has those of the services that it looks for. Prometheus is also
    quicker than composed.
    """
    folder.mkdir()
    service, address = SERVICES[name], free_address()
    places = {target: str((FILE.parent / source).resolve()) for source, target in binds(service).items()}
    places[next(iter(stores(service).values()))] = str(folder / "store")
    if name == "prometheus":
        text = SCRAPING.read_text("utf-8").replace("/etc/prometheus/rules", places["/etc/prometheus/rules"])
        quicker = {
            "interval: 15s": "interval: 1s",
            "timeout: 10s": "timeout: 1s",
            "interval: 30s": "interval: 1s",
        }
        own = {f"127.0.0.1:{PORTS[name]}": address}
        for old, new in {**quicker, **own, **(others or {})}.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "prometheus.yml").write_text(text, "utf-8")
        places["/etc/prometheus/prometheus.yml"] = str(folder / "prometheus.yml")
    words = []
    for word in service["command"]:
        flag, equals, value = word.partition("=")
        folders = [target for target in places if value == target or value.startswith(f"{target}/")]
        for target in folders[:1]:
            value = places[target] + value.removeprefix(target)
        words.append(f"{flag}{equals}{value}")
    _, _, *check = [
        word.replace(f"127.0.0.1:{PORTS[name]}", address) for word in service["healthcheck"]["test"]
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *words, f"--web.listen-address={address}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        while run(checker, *check)[0] != 0:  # as an engine does it; the test's own time limit ends it
            assert process.poll() is None, (folder / "log").read_text("utf-8")
            time.sleep(LOOK)
        yield Started(address, check)
    finally:
        process.kill()
        process.wait()


@pytest.mark.real
def test_alertmanager_when_it_is_started_as_composed_then_its_health_check_succeeds(tmp_path):
    """With the repository's configuration and template; once it is gone, the check fails."""
    programs = (tool("prometheus-alertmanager"), tool("amtool"))
    with composed("alertmanager", *programs, tmp_path / "alertmanager") as alertmanager:
        assert alertmanager.check[-2:] == ["config", "show"]
    assert run(tool("amtool"), *alertmanager.check)[0] != 0


@pytest.mark.packages
@needs_prometheus3
async def test_stack_when_the_demo_is_started_as_composed_then_every_part_finds_the_others(tmp_path):
    """Prometheus 3 scrapes exporter, Alertmanager and itself, and its rules work."""
    async with running("demo", "--web.listen-address=127.0.0.1:0") as demo:
        exporter = (await demo.line(r"demo: http://(\S+)/", out=True))[1]
        with ExitStack() as stack:
            alertmanager: Started = await asyncio.to_thread(
                stack.enter_context,
                composed(
                    "alertmanager", tool("prometheus-alertmanager"), tool("amtool"), tmp_path / "alertmanager"
                ),
            )
            others = {"exporter:10182": exporter, "alertmanager:9093": alertmanager.address}
            prometheus: Started = await asyncio.to_thread(
                stack.enter_context,
                composed("prometheus", PROMETHEUS3, PROMTOOL3, tmp_path / "prometheus", others),
            )
            asked = Server(f"http://{prometheus.address}")

            def up() -> bool:
                found = asked.targets()
                return len(found) == 3 and {target["health"] for target in found} == {"up"}

            def ruled() -> bool:
                return bool(asked.query("site:winet2_pv_power_watts:sum > 0", time.time()))

            await until(up)
            await until(ruled)
            scraped = {target["labels"]["job"]: target["scrapeUrl"] for target in asked.targets()}
            assert scraped == {
                "winet": f"http://{exporter}/metrics",
                "prometheus": f"http://{prometheus.address}/metrics",
                "alertmanager": f"http://{alertmanager.address}/metrics",
            }
            found = asked.data("alertmanagers")["activeAlertmanagers"]
            assert [one["url"] for one in found] == [f"http://{alertmanager.address}/api/v2/alerts"]
            assert [rule["name"] for rule in asked.rules() if rule["health"] == "err"] == []
        assert run(PROMTOOL3, *prometheus.check)[0] != 0
        assert await demo.end() == 0
