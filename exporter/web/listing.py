"""Which targets are asked for, and their list: filtered, those with a problem first, a page at a time.

A thousand targets take longer than the event loop may be held up, so others have their turn in between.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.metrics.exposition import Exposition
from exporter.metrics.shown import TargetShown
from exporter.telemetry import State, TargetStatus
from exporter.web.status import Target, has_problem, target_status

MOST = 1000
LONGEST_TEXT = 256
TURN_SECONDS = 0.004  # of work before others have theirs

_PARAMETERS = ("target", "state", "q", "limit", "offset")


class BadQuery(ValueError):
    """A parameter that makes no sense; the message says which and why."""


class NoSuchTarget(LookupError):
    """The one target that was asked for is not there."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Empty texts and no state mean all."""

    target: str = ""
    state: State | None = None
    text: str = ""
    limit: int = 100
    offset: int = 0


class Listing(NamedTuple):
    """A page of targets. `total` is how many match; `states` and `problems` count whatever the state."""

    query: Query
    known: int
    total: int
    problems: int
    states: Mapping[State, int]
    targets: tuple[Target, ...]


def parse_query(parameters: Mapping[str, str], limit: int) -> Query:
    """The query of a URL; `limit` is the default. Raises `BadQuery`."""
    for name in parameters:
        if name not in _PARAMETERS:
            raise BadQuery(f"there is no parameter {name[:40]!r}; there are: {', '.join(_PARAMETERS)}")
    state = parameters.get("state", "")
    if state and state not in {str(known) for known in State}:
        raise BadQuery(f"state: {state[:40]!r} is none of {', '.join(State)}")
    texts = {name: parameters.get(name, "") for name in ("target", "q")}
    for name, text in texts.items():
        if len(text) > LONGEST_TEXT:
            raise BadQuery(f"{name}: longer than {LONGEST_TEXT} characters")
    return Query(
        target=texts["target"],
        state=State(state) if state else None,
        text=texts["q"].strip(),
        limit=_number(parameters, "limit", limit, least=1, most=MOST),
        offset=_number(parameters, "offset", 0, least=0, most=10**6),
    )


def _number(parameters: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,7}", text, re.ASCII) or not least <= int(text) <= most:
        raise BadQuery(f"{name}: {text[:40]!r} is no whole number from {least} to {most}")
    return int(text)


class Turns:
    """Lets others have their turn in the middle of a long work."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._seconds = seconds
        self._began = time.perf_counter()

    async def pause(self) -> None:
        """Call this after each piece of work."""
        if time.perf_counter() - self._began >= self._seconds:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


class Lister:
    """Makes listings. `clock` is the one that statuses are dated by, `wall` tells the time of day."""

    def __init__(
        self,
        exposition: Exposition,
        statuses: Callable[[], Mapping[str, TargetStatus]],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._exposition = exposition
        self._statuses = statuses
        self._clock = clock
        self._wall = wall

    async def list(self, query: Query) -> Listing:
        """The targets that match. Raises `NoSuchTarget`."""
        turns = Turns()
        statuses = self._statuses()
        if query.target and query.target not in statuses:
            raise NoSuchTarget(f"no target is called {query.target[:80]!r}")
        found: list[tuple[int, str, TargetStatus, TargetShown]] = []
        states = dict.fromkeys(State, 0)
        problems = 0
        text = query.text.casefold()
        for name, status in statuses.items():
            if not _matches(query.target, text, status):
                continue
            states[status.state] += 1
            shown = self._exposition.samples(name) or _NOTHING
            problem = has_problem(status, shown)
            problems += problem
            if query.state in (None, status.state):
                found.append((_rank(status.state, problem=problem), name, status, shown))
            await turns.pause()
        found.sort(key=lambda entry: entry[:2])
        now, wall = self._clock(), self._wall()
        targets = []
        for _, _, status, shown in found[query.offset : query.offset + query.limit]:
            targets.append(target_status(status, shown, now, wall))
            await turns.pause()
        return Listing(query, len(statuses), len(found), problems, states, tuple(targets))


_NOTHING = TargetShown(
    up=False, age=None, serial="", hardware="", firmware="", gateway={}, sun_up=None, devices=()
)


def _matches(target: str, text: str, status: TargetStatus) -> bool:
    info = status.info
    if target and info.name != target:
        return False
    labels = (f"{name}={value}" for name, value in info.labels.items())
    return any(text in searched.casefold() for searched in (info.name, info.host, *labels))


def _rank(state: State, *, problem: bool) -> int:
    """What needs a person comes first, what works last."""
    if state in (State.REFUSED, State.LOCKED):
        return 0
    if problem:
        return 1
    if state is State.ONLINE:
        return 4
    return 3 if state is State.ASLEEP else 2
