"""Exporter, Prometheus and Alertmanager together, sixty times as fast, and what befalls the gateways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerting.alertmanager import Alertmanager, Hook, alertmanager, hook
from tests.alerting.examples import DAY, FASTER, RULES, TEMPLATES, routes
from tests.alerting.faster import faster_rules
from tests.alerting.plant import Gateway, exporter_of
from tests.prometheus import Server
from tests.prometheus import server as prometheus_server

LOOK = 0.2
PATIENCE_SECONDS = 150


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one gateway, the alert that it raises, and who is told."""

    alert: str
    receiver: str
    target: str
    begin: Callable[["Live"], object]
    end: Callable[["Live"], object]


class Live:
    """What runs."""

    def __init__(
        self, gateways: list[Gateway], prometheus: Server, manager: Alertmanager, messages: Hook, folder: Path
    ) -> None:
        self.gateways = {gateway.name: gateway for gateway in gateways}
        self.prometheus = prometheus
        self.alertmanager = manager
        self.hook = messages
        self.folder = folder
        self.during: list[dict[str, Any]] = []
        """What Alertmanager held of the gateway that was gone."""
        self._begun: set[Fault] = set()
        self._ended: set[Fault] = set()

    async def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """What a query gives now, by some of the labels."""
        return await asyncio.to_thread(self.prometheus.now, expression, *labels)

    async def until(self, expression: str, expected: int) -> None:
        """Ask Prometheus until a query is about so many targets; the test's own time limit ends it."""
        while len(await self.values(expression, "target")) != expected:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)  # Prometheus tells nobody when it has seen something

    def begin(self, fault: Fault) -> None:
        """Let it go wrong, once."""
        if fault not in self._begun:
            self._begun.add(fault)
            fault.begin(self)

    def end(self, fault: Fault) -> None:
        """Let it be right again, once."""
        if fault not in self._ended:
            self._ended.add(fault)
            fault.end(self)

    async def told(self, fault: Fault, status: str = "firing") -> dict[str, Any]:
        """The message that says so; waited for."""

        def fits(path: str, payload: dict[str, Any]) -> bool:
            return path == f"/{fault.receiver}" and any(
                alert["status"] == status
                and (alert["labels"]["alertname"], alert["labels"].get("target"))
                == (fault.alert, fault.target)
                for alert in payload["alerts"]
            )

        return (await self.hook.message(fits, PATIENCE_SECONDS))[1]

    def messages(self, target: str) -> list[dict[str, Any]]:
        """All that anybody was told of a target."""
        return [
            payload
            for _, payload in self.hook.messages
            if any(alert["labels"].get("target") == target for alert in payload["alerts"])
        ]

    def all_messages(self) -> list[tuple[str, str, str]]:
        """Every message: the receiver, its status, and the names of the alerts in it."""
        return [
            (
                path.lstrip("/"),
                payload["status"],
                " ".join(sorted({alert["labels"]["alertname"] for alert in payload["alerts"]})),
            )
            for path, payload in self.hook.messages
        ]


def _prometheus_yml(exporter: str, manager: Alertmanager, folder: Path) -> str:
    names = []
    for path in sorted(RULES.glob("*.yml")):
        names.append(f"faster-{path.name}")
        (folder / names[-1]).write_text(faster_rules(path.read_text("utf-8"), FASTER), "utf-8")
    assert names, f"there are no rules in {RULES}"
    return (
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: [{', '.join(names)}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: [{manager.url.removeprefix('http://')!r}]}}]}}]}}\n"
        f"scrape_configs: [{{job_name: winet, static_configs: [{{targets: [{exporter!r}]}}]}}]\n"
    )


@asynccontextmanager
async def live(gateways: list[Gateway], folder: Path) -> AsyncIterator[Live]:
    """Start everything; Alertmanager's clock shows day."""
    (folder / TEMPLATES.name).write_text(TEMPLATES.read_text("utf-8"), "utf-8")
    async with AsyncExitStack() as stack:
        messages = await stack.enter_async_context(hook())
        manager = await stack.enter_async_context(alertmanager(routes(messages.url, DAY), folder))
        process, address = await stack.enter_async_context(exporter_of(gateways, folder))
        (folder / "data").mkdir()
        prometheus: Server = await asyncio.to_thread(
            stack.enter_context,
            prometheus_server(folder / "data", folder, _prometheus_yml(address, manager, folder)),
        )
        yield Live(gateways, prometheus, manager, messages, folder)
        assert await process.end() == 0
        assert "Traceback" not in process.log
