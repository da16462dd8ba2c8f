"""The boards as Grafana reads them: panels, queries, variables, and what it writes for its macros."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import promql_parser

from grafana.boards import DASHBOARDS
from tests.grafana.asking import Chosen, Variables, View, ask, macros
from tests.prometheus import Server

SCRAPE_SECONDS = 60
DAY = 86400
POINTS = 288  # of a graph: a step of five minutes for a day
ALL: list[str] = []
EVERYTHING: Chosen = {}  # a choice of nothing in particular: all of everything
NOBODY = View(Server(""), DAY, ZoneInfo("UTC"))  # asks nothing

Answer = list[tuple[dict[str, str], dict[int, float]]]  # labels, and values by time


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    panel: "Panel"
    json: Mapping[str, Any]

    @property
    def expr(self) -> str:
        return str(self.json["expr"])

    @property
    def where(self) -> str:
        """What a message calls it."""
        return f"{self.panel.where}/{self.json['refId']}"


@dataclass(frozen=True)
class Panel:
    board: "Board"
    section: str
    json: Mapping[str, Any]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def where(self) -> str:
        return f"{self.board.uid}/{self.section}/{self.title}"

    @cached_property
    def targets(self) -> list[Target]:
        return [Target(self, target) for target in self.json.get("targets", [])]


@dataclass(frozen=True)
class Board:
    json: Mapping[str, Any]

    @property
    def uid(self) -> str:
        return str(self.json["uid"])

    @cached_property
    def panels(self) -> list[Panel]:
        """All that show something, those in collapsed rows too."""
        return [Panel(self, title, panel) for title, panel in self._walk() if panel["type"] != "row"]

    @property
    def targets(self) -> list[Target]:
        return [target for panel in self.panels for target in panel.targets]

    @cached_property
    def rows(self) -> list[Mapping[str, Any]]:
        return [panel for panel in self.json["panels"] if panel["type"] == "row"]

    def _walk(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        section = ""
        for panel in self.json["panels"]:
            section = panel["title"] if panel["type"] == "row" else section
            yield section, panel
            yield from ((section, inner) for inner in panel.get("panels", []))

    @cached_property
    def variables(self) -> dict[str, Mapping[str, Any]]:
        return {variable["name"]: variable for variable in self.json["templating"]["list"]}


@dataclass(frozen=True)
class Viewer:
    """Who looks at the boards: `now` and the length of the time range in seconds, and a time zone."""

    server: Server
    now: int
    length: int
    zone: ZoneInfo
    chosen: Chosen = field(default_factory=dict)

    def ask(self, target: Target) -> Answer:
        """The series of a panel's query."""
        panel = target.panel
        variables = Variables({**panel.board.json, "time": self._time}, self._view)
        found = ask(panel.json, target.json, self._time, variables, self._view).result
        return [
            (one["metric"], {int(at): float(value) for at, value in one.get("values") or [one["value"]]})
            for one in found
        ]

    def options(self, board: Board, name: str) -> dict[str, str]:
        """What a variable offers: what is written, by value."""
        return Variables({**board.json, "time": self._time}, self._view).options(name)

    @property
    def _time(self) -> dict[str, str]:
        return {"from": f"now-{self.length}s", "to": "now"}

    @property
    def _view(self) -> View:
        return View(
            self.server,
            self.now,
            self.zone,
            points=POINTS,
            scrape_seconds=SCRAPE_SECONDS,
            chosen=self.chosen,
        )


def boards() -> list[Board]:
    return [Board(json.loads(path.read_text("utf-8"))) for path in sorted(DASHBOARDS.glob("*.json"))]


def filled(text: str, board: Board) -> str:
    """A query as Grafana sends it of a day with everything chosen, for parsers."""
    made = Variables(board.json, NOBODY).fill(text, macros(0, DAY, DAY // POINTS, SCRAPE_SECONDS))
    unknown = re.findall(r"\$\{?[A-Za-z_]\w*", made)
    assert not unknown, (board.uid, unknown)
    return made


def plain(target: Target) -> str:
    """A query of a panel for parsers."""
    return filled(target.expr, target.panel.board)


def selectors(
    node: promql_parser.Expr, *, within_ranges: bool = True
) -> Iterator[promql_parser.VectorSelector]:
    """All selectors of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        if within_ranges:
            yield node.vector_selector
    else:
        for name in ("expr", "lhs", "rhs", "param", "args"):
            child = getattr(node, name, None)
            for one in child if isinstance(child, list) else [] if child is None else [child]:
                yield from selectors(one, within_ranges=within_ranges)
