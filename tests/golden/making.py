"""From a gateway's replies to `/metrics` without a socket: the program's own way, but for the line itself."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporter import config
from exporter.logs import TargetLog
from exporter.metrics.exposition import Exposition, Format
from exporter.simulator import Counts, Plant, load_profile, profile_names
from exporter.simulator.accounts import Accounts
from exporter.simulator.faults import ActiveFaults
from exporter.simulator.replies import Answerer, Question
from exporter.telemetry import Counters, State, TargetInfo, TargetStatus
from exporter.winet import messages
from exporter.winet.cycle import Cycle
from exporter.winet.survey import NEW_SECONDS, ORDER, Survey
from tests.harness import CATALOGUE

FOLDER = Path(__file__).parent
REPLIES = FOLDER / "replies"
SUFFIXES = {Format.TEXT: ".txt", Format.OPENMETRICS: ".om"}
MOMENT = datetime(2026, 6, 1, 12, 45, 30, tzinfo=UTC)  # the car charges, and the battery too
CLOCK = 1000.0
NOT_SAID = '{"result_code": 211, "result_msg": "I18N_COMMON_NOT_SUPPORT"}'

ABOUT = "about"  # stands for the gateway's page of that name

Gateway = Callable[[Mapping[str, Any]], str]


def names() -> tuple[str, ...]:
    """Every profile of the simulator, and every folder of replies written by hand."""
    return (*profile_names(), *written_names())


def written_names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in REPLIES.iterdir()))


def simulated(profile: str) -> tuple[Gateway, str]:
    """The simulator's answers at one moment, and the token to ask with."""
    data = load_profile(profile)
    accounts = Accounts(
        data.accounts,
        login_required=data.login_required,
        uuid_tokens=data.uuid_tokens,
        clock=lambda: CLOCK,
    )
    plant = Plant(data.plant, timedelta(0))
    answerer = Answerer(data, plant, accounts, ActiveFaults(), Counts(), lambda: MOMENT, lambda other: None)

    def answer(document: Mapping[str, Any]) -> str:
        if document["service"] == ABOUT:
            return answerer.about()
        return answerer.answer(Question.read(document), 1).text

    token = accounts.connect(1)
    if data.login_required:
        username, password = next(iter(data.accounts.items()))
        _, token = accounts.login(1, token, username, password)
    return answer, token


def written(folder: Path) -> Gateway:
    """Replies out of files: `devicelist.json`, `real_1.json` for the device with dev_id 1, and so on."""

    def answer(document: Mapping[str, Any]) -> str:
        name = "_".join(filter(None, (document["service"], document.get("dev_id"))))
        path = folder / f"{name}.json"
        return path.read_text("utf-8") if path.exists() else NOT_SAID

    return answer


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = CLOCK

    def __call__(self) -> float:
        return self.now


class Line:
    """Stands for connection and dialer: decodes what the gateway answers, one question at a time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def ask(self, service: str, request: str) -> messages.Reply:
        return messages.decode(self._gateway(json.loads(request)))

    async def ask_all(
        self, requests: Mapping[str, str], on_reply: Callable[[str, messages.Reply], None]
    ) -> None:
        for service, request in requests.items():
            on_reply(service, await self.ask(service, request))

    async def fetch(self, path: str, most: int = 0) -> str:
        return self._gateway({"service": ABOUT})


async def refreshed(name: str) -> Exposition:
    """An exposition after one cycle with that gateway, and one round of what only some firmware answers."""
    gateway, token = (
        simulated(name) if name in profile_names() else (written(REPLIES / name), "any token will do")
    )
    line: Any = Line(gateway)
    clock = Clock()
    target = config.Target(host="192.0.2.7", name="roof", timezone="Etc/UTC")
    counters = Counters()
    log = TargetLog(logging.getLogger(__name__), target.name)
    survey = Survey(
        refresh_interval=target.refresh_interval,
        dialer=line,
        counters=counters,
        log=log,
        clock=clock,
        wall=MOMENT.timestamp,
    )
    cycle = Cycle(target, counters, survey, clock, MOMENT.timestamp)
    error = await cycle.list_devices(line, token, logged_in=True)
    assert error is None, error
    await cycle.refresh(line, token)
    assert cycle.snapshot is not None
    for _ in range(2 * len(ORDER)):
        await survey.ask(line, token, cycle.snapshot)
        clock.now += NEW_SECONDS
    snapshot = replace(
        cycle.snapshot,
        devices=tuple(
            replace(report, faults=survey.faults.get(report.device.identity))
            for report in cycle.snapshot.devices
        ),
        gateway=dict(survey.answers),
    )
    status = TargetStatus(
        info=TargetInfo(
            name=target.name,
            host=target.host,
            transport="wss",
            verify=target.verify,
            labels={"site": "home"},
            stale_after=clock.now,
            max_unmapped=target.max_unmapped,
            gateway_stale_after=clock.now,
            timezone=target.timezone,
        ),
        state=State.ONLINE,
        since=CLOCK,
        counters=counters,
        had_first_cycle=True,
        last_refresh_wall=snapshot.taken_wall,
        refresh_seconds=cycle.seconds,
        device_count=cycle.device_count,
    )
    exposition = Exposition(CATALOGUE, clock=clock, wall=MOMENT.timestamp)
    exposition.update(status, snapshot)
    return exposition


def made(name: str) -> dict[Format, str]:
    """What `/metrics` says of the gateway now, in both formats, without what the exporter says of itself."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        exposition = runner.run(refreshed(name))
    return {form: _ours(exposition.render(form).decode()) for form in SUFFIXES}


def path_of(name: str, form: Format) -> Path:
    return FOLDER / f"{name}{SUFFIXES[form]}"


def committed(name: str, form: Format) -> str:
    return path_of(name, form).read_text("utf-8")


def _ours(body: str) -> str:
    """The lines of our own families; the version and the process differ with every machine."""
    kept = []
    for line in body.split("\n"):
        subject = line.removeprefix("# HELP ").removeprefix("# TYPE ")
        own = subject.startswith("winet2_") and not subject.startswith("winet2_exporter_build_info")
        if own or line == "# EOF":
            kept.append(line)
    return "\n".join([*kept, ""])
