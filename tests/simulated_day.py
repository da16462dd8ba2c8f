"""A day and a night of five kinds of gateways, scraped once a minute, in the storage of a real Prometheus.

The exporter lives through it over real sockets on the jumping clock, configured as a careful user would: with
location, time zone, sites, names, rated powers and groups of strings. The scrapes become blocks, and the
recording rules of `examples/` are evaluated over them, level after level: a rule sees only what is stored.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from exporter.metrics.exposition import Format
from exporter.simulator import Plant
from tests.harness import LARGE, MORNING, NIGHT, OLD, STRING, THREE_PHASE, Harness, unmeasured
from tests.jumping_loop import JumpingLoop
from tests.prometheus import Backfill, Server, make_blocks, server

RULES = sorted((Path(__file__).parent.parent / "examples/prometheus/rules").glob("winet-*.yml"))

STEP = 60
HOUR = 3600
DAY = 24 * HOUR
START = int(MORNING.timestamp())  # ten in the morning, UTC
JOB = "winet"
INSTANCE = "127.0.0.1:10182"
MOST_JUMPS = 60_000
NOTHING = "scrape_configs: []\n"
KEPT_EVENTS = 1000
ZONE = "Atlantic/Madeira"  # an hour ahead of UTC in summer; the sun is up there when it is in the plants
LOCATION = {"latitude": 32.7, "longitude": -16.9}
MIDNIGHT = START + 13 * HOUR
DUSK, DAWN = (
    MIDNIGHT - 10260,
    MIDNIGHT + 24540,
)  # 20:09 and 5:49 UTC: when the string inverters switch off and on

# What each target is, and what a user says of it.
TARGETS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "house": (
        THREE_PHASE,
        {
            "labels": {"site": "home"},
            "devices": {
                "A2300000201": {
                    "name": "SH10RT",
                    "rated_power_watts": 10000,
                    "strings": {
                        1: {"name": "upper row", "group": "east"},
                        2: {"name": "lower row", "group": "east"},
                    },
                }
            },
        },
    ),
    "garage": (
        STRING,
        {
            "labels": {"site": "home"},
            "devices": {"A2400000101": {"name": "SG10RS", "rated_power_watts": 10000}},
        },
    ),
    "barn": (
        LARGE,
        {
            "labels": {"site": "farm"},
            "devices": {
                "A2100000301": {
                    "name": "SG110CX",
                    "rated_power_watts": 110000,
                    "strings": {n: {"name": f"row {n}", "group": "roof"} for n in range(1, 13)},
                }
            },
        },
    ),
    "cabin": (OLD, {"labels": {"site": "cabin"}, "devices": {"A2200000001": {"rated_power_watts": 5000}}}),
    "nightly": (NIGHT, {}),  # its clock stands still at night, and nobody said anything of it
}
UNSAID = ("nightly",)
SLEEPERS = ("garage", "barn")


class SimulatedDay:
    """What was lived through: until when, and the plants that it was of."""

    def __init__(self, folder: Path, hours: int) -> None:
        self.end = START + hours * HOUR
        self.plants: dict[str, Plant] = {}
        parts = folder / "families"
        parts.mkdir()
        self.backfill = Backfill(parts)

    def scraped(self, seconds: int, body: str) -> None:
        """Keep a scrape as Prometheus would: with the labels of the job."""
        family = head = ""
        for line in body.splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2] if line != "# EOF" else ""
                family, head = name, (head if name == family else "") + line + "\n"
            else:
                self.backfill.describe(family, head)
                self.backfill.add(family, _with_job(line), seconds)


def _with_job(line: str) -> str:
    job = f'job="{JOB}",instance="{INSTANCE}"'
    series, _, value = line.rpartition(" ")
    if series.endswith("}"):
        name, _, labels = series.partition("{")
        return f"{name}{{{job},{labels} {value}"
    return f"{series}{{{job}}} {value}"


@contextmanager
def lived(folder: Path, wanted: Collection[str], hours: int = 24) -> Iterator[tuple[SimulatedDay, Server]]:
    """Live through the day, and a Prometheus that remembers it, with the recorded metrics that are wanted."""
    day = SimulatedDay(folder, hours)
    with unmeasured(), asyncio.Runner(debug=False, loop_factory=lambda: JumpingLoop(MOST_JUMPS)) as runner:
        runner.run(_live(day))
    _store(day.backfill, folder)
    for level in levels(RULES, wanted):
        parts = folder / level[0].record.replace(":", "_")
        parts.mkdir()
        recorded = Backfill(parts)
        with _remembering(folder) as running:
            for rule in level:
                _record(rule, day.end, running, recorded)
        _store(recorded, folder)
    with _remembering(folder) as running:
        yield day, running


def _store(samples: Backfill, folder: Path) -> None:
    scrapes = folder / "samples.om"
    samples.join(scrapes)
    make_blocks(scrapes, folder / "data")
    scrapes.unlink()


@contextmanager
def _remembering(folder: Path) -> Iterator[Server]:
    """Prometheus on what is stored so far.

    Backfilled series have no markers where they end. So it looks no further back than to the last scrape, and
    takes a series for gone at the very scrape that a living Prometheus would.
    """
    with server(folder / "data", folder, NOTHING, f"--query.lookback-delta={STEP - 1}s") as running:
        yield running


async def _live(day: SimulatedDay) -> None:
    harness = Harness()
    try:
        gateways = {
            name: await harness.gateway(profile, log_size=KEPT_EVENTS)
            for name, (profile, _) in TARGETS.items()
        }
        day.plants = {name: gateway.plant for name, gateway in gateways.items()}
        for name in SLEEPERS:
            gateway = gateways[name]
            for night in range(0, day.end - START, DAY):
                evening, morning = (harness.began + at + night - START for at in (DUSK, DAWN))
                harness.loop.call_at(evening, gateway.inject, "gateway-vanishes")
                harness.loop.call_at(morning, gateway.clear, "gateway-vanishes")
        common = {"refresh_interval": "60s", "timezone": ZONE}
        await harness.start(
            *(
                harness.target(
                    gateway, name, **common, **({} if name in UNSAID else {"location": LOCATION}), **said
                )
                for (name, gateway), (_, said) in zip(gateways.items(), TARGETS.values(), strict=True)
            )
        )
        harness.exposition.reloaded(successful=True)
        for seconds in range(START, day.end + 1, STEP):
            due = asyncio.Event()
            harness.loop.call_at(harness.began + seconds - START, due.set)
            await due.wait()
            day.scraped(seconds, harness.exposition.render(Format.OPENMETRICS).decode())
    finally:
        await harness.aclose()


@dataclass(frozen=True)
class Rule:
    """A recording rule, and how many seconds are between its evaluations."""

    record: str
    expr: str
    labels: Mapping[str, str]
    interval: int


def rules_in(files: Iterable[Path]) -> list[Rule]:
    """All recording rules of some files."""
    groups = (group for file in files for group in yaml.safe_load(file.read_text("utf-8"))["groups"])
    return [
        Rule(
            rule["record"], rule["expr"], rule.get("labels", {}), _seconds(group.get("interval", f"{STEP}s"))
        )
        for group in groups
        for rule in group["rules"]
        if "record" in rule
    ]


def levels(files: Iterable[Path], wanted: Collection[str]) -> list[list[Rule]]:
    """The rules that some metrics need, in an order in which each finds stored what it asks for."""
    rules = rules_in(files)
    needs: dict[str, set[str]] = {rule.record: set() for rule in rules}
    for rule in rules:
        needs[rule.record] |= metrics_of(rule.expr) & needs.keys()
    missing = set(wanted) & needs.keys()
    while more := {name for one in missing for name in needs[one]} - missing:
        missing |= more
    found: list[list[Rule]] = []
    while missing:
        ready = {name for name in missing if not needs[name] & missing}
        assert ready, f"rules that need each other: {missing}"
        found.append([rule for rule in rules if rule.record in ready])
        missing -= ready
    return found


def _record(rule: Rule, end: int, running: Server, recorded: Backfill) -> None:
    """Evaluate a rule over the whole time."""
    step = max(STEP, rule.interval)
    recorded.describe(rule.record, f"# TYPE {rule.record} gauge\n")
    for labels, values in running.range(rule.expr, START, end, step).items():
        all_labels = {name: value for name, value in labels if name != "__name__"} | rule.labels
        series = rule.record + _written(all_labels)
        for seconds, value in values.items():
            recorded.add(rule.record, f"{series} {value!r}", seconds)


def _written(labels: Mapping[str, str]) -> str:
    def quoted(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    return "{" + ",".join(f"{name}={quoted(value)}" for name, value in sorted(labels.items())) + "}"


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": HOUR, "d": DAY}[duration[-1]]


def metrics_of(expression: str) -> set[str]:
    """Names of the metrics that a PromQL expression asks for."""
    found: set[str] = set()
    waiting: list[Any] = [promql_parser.parse(expression)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        elif isinstance(node, promql_parser.MatrixSelector):
            waiting.append(node.vector_selector)
        else:
            children = (getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "args"))
            for child in children:
                waiting += child if isinstance(child, list) else [] if child is None else [child]
    return found
