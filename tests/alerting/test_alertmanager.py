"""A real Alertmanager with the example's routes: who is told when, in how many messages, and what is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.alerting.alertmanager import Alertmanager, Hook, alertmanager, hook
from tests.alerting.examples import DAY, NIGHT, TEMPLATES, routes
from tests.alerting.inhibition import ALL, INHIBITIONS, silences

pytestmark = pytest.mark.real

LOOK = 0.2
MUTED = r"Notifications not sent, route is within mute time"


def alert(name: str, severity: str, **labels: str) -> dict[str, Any]:
    own = {"severity": severity} if severity else {}
    return {
        "labels": {"alertname": name, "job": "winet", **own, **labels},
        "annotations": {"summary": name},
        "startsAt": datetime.now(UTC).isoformat(),
    }


def told(messages: Hook) -> dict[str, list[str]]:
    """Names of the alerts by receiver."""
    found: dict[str, list[str]] = {}
    for path, payload in messages.messages:
        found.setdefault(path.lstrip("/"), []).extend(one["labels"]["alertname"] for one in payload["alerts"])
    return found


class Manager:
    """Alertmanager with the example's routes, on clocks that show a given hour."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Manager":
        (self._folder / TEMPLATES.name).write_text(TEMPLATES.read_text("utf-8"), "utf-8")
        self.hook = await self._stack.enter_async_context(hook())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, hour: int) -> Alertmanager:
        return await self._stack.enter_async_context(alertmanager(self.routes(hour), self._folder))

    def routes(self, hour: int) -> str:
        return routes(self.hook.url, hour)

    async def told(self, name: str) -> list[str]:
        """Names of all alerts of the message with this one; waited for."""
        _, payload = await self.hook.message(
            lambda path, payload: name in [one["labels"]["alertname"] for one in payload["alerts"]]
        )
        return [one["labels"]["alertname"] for one in payload["alerts"]]


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    async with Manager(tmp_path) as manager:
        yield manager


async def test_alerts_when_it_is_night_then_only_what_is_critical_wakes_somebody(manager):
    """The others are held back, and told by day if they still are so then (by another time zone here)."""
    running = await manager.start(NIGHT)
    await running.post(
        *(alert(name, name.lower(), target="roof") for name in ("Critical", "Warning", "Info"))
    )
    assert await manager.told("Critical") == ["Critical"]
    for severity in ("warning", "info"):
        await running.line(rf'(?=.*flushing).*severity=\\"{severity}\\"')
    await running.line(MUTED, times=2)
    assert told(manager.hook) == {"urgent": ["Critical"]}
    await running.reload(manager.routes(DAY))
    assert await manager.told("Warning") == ["Warning"]
    assert await manager.told("Info") == ["Info"]
    assert told(manager.hook) == {"urgent": ["Critical"], "everyday": ["Warning"], "quiet": ["Info"]}


async def test_alert_when_it_would_be_over_in_the_morning_then_it_is_told_at_night(manager):
    """Another certificate is told of for an hour only."""
    running = await manager.start(NIGHT)
    await running.post(alert("WinetCertificateChanged", "warning", target="roof"))
    assert await manager.told("WinetCertificateChanged") == ["WinetCertificateChanged"]
    assert set(told(manager.hook)) == {"everyday"}


async def test_alerts_when_several_are_of_one_gateway_then_one_message_has_them(manager):
    """Grouped by gateway: one message for each, and for each degree of urgency."""
    running = await manager.start(DAY)
    await running.post(
        *(alert(name, "warning", target=target) for target in ("roof", "barn") for name in ("A", "B")),
        alert("C", "critical", target="roof"),
    )
    for target in ("roof", "barn"):
        _, payload = await manager.hook.message(
            lambda path, payload, target=target: (
                path == "/everyday" and payload["groupLabels"]["target"] == target
            )
        )
        assert sorted(one["labels"]["alertname"] for one in payload["alerts"]) == ["A", "B"]
        assert {one["labels"]["target"] for one in payload["alerts"]} == {target}
    assert await manager.told("C") == ["C"]


async def test_alerts_when_they_are_information_then_those_of_a_site_come_in_one_message(manager):
    """Whatever the number of gateways; another site has its own message."""
    running = await manager.start(DAY)
    await running.post(
        *(alert("I", "info", target=f"roof{number}", site="home") for number in range(50)),
        alert("J", "info", target="barn", site="farm"),
    )
    assert await manager.told("I") == ["I"] * 50
    assert await manager.told("J") == ["J"]
    assert set(told(manager.hook)) == {"quiet"}


async def test_alerts_when_they_have_no_severity_or_another_then_somebody_is_told_at_any_time(manager):
    """What nobody has thought of does not get lost."""
    running = await manager.start(NIGHT)
    await running.post(alert("Bare", ""), alert("Odd", "page"))
    assert sorted(await manager.told("Bare")) == ["Bare", "Odd"]
    assert set(told(manager.hook)) == {"everyday"}


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: " ".join(rule["source_matchers"]))
async def test_alert_when_another_explains_it_then_it_is_inhibited_there_and_nowhere_else(manager, rule):
    """Of the same gateway or device it is silent; of the next one, or in another job, it is told."""
    place = {"job": "winet", "target": "roof", "device": "A1"}
    names = {"alertname": "Own"} if "alertname" in rule["equal"] else {}
    source, target = next(
        ((source, target) for source, target in product(ALL, ALL) if silences(rule, source, target)),
        (ALL[0]._replace(severity="critical"), ALL[0]._replace(severity="warning")),
    )
    elsewhere = [
        {**place, label: "another"} for label in ("job", "target", "device") if label in rule["equal"]
    ]
    running = await manager.start(DAY)

    def made(of: Any, where: dict[str, str]) -> dict[str, Any]:
        return alert(of.alertname, of.severity, **{**where, **names}, scope=of.scope)

    await running.post(made(source, place), *(made(target, where) for where in (place, *elsewhere)))
    while True:
        found = await running.alerts(
            alertname=names.get("alertname", target.alertname), severity=target.severity
        )
        states = {tuple(one["labels"][label] for label in place): one["status"]["state"] for one in found}
        if states.get(tuple(place.values())) == "suppressed":
            break
        await asyncio.sleep(LOOK)  # Alertmanager tells nobody when it has looked at an alert
    assert states == {
        tuple(place.values()): "suppressed",
        **{tuple(where.values()): "active" for where in elsewhere},
    }
