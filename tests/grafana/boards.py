"""The boards as Grafana reads them: panels, queries, variables, and what it writes for its macros."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import promql_parser

from grafana.boards import DASHBOARDS

SCRAPE_SECONDS = 60
ALL: list[str] = []
EVERYTHING: Mapping[str, str | list[str]] = {}  # a choice of nothing in particular: all of everything
DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    panel: "Panel"
    json: Mapping[str, Any]

    @property
    def expr(self) -> str:
        return str(self.json["expr"])

    @property
    def least_step(self) -> int:
        """Seconds that are between two points at least."""
        return seconds(self.json["interval"]) if "interval" in self.json else 0

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


def boards() -> list[Board]:
    return [Board(json.loads(path.read_text("utf-8"))) for path in sorted(DASHBOARDS.glob("*.json"))]


def filled(text: str, board: Board, chosen: Mapping[str, str | list[str]], *, step: int, length: int) -> str:
    """A query as Grafana sends it: `chosen` are values of variables; of those it does not name, all."""
    rate = max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)
    values = {
        "__rate_interval": f"{rate}s",
        "__interval": f"{step}s",
        "__range": f"{length}s",
        "__range_s": str(length),
    } | {name: _value(variable, chosen.get(name)) for name, variable in board.variables.items()}

    def value(match: re.Match[str]) -> str:
        return values[match[1] or match[2]]

    return re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", value, text)  # $1 is PromQL's


def plain(target: Target) -> str:
    """A query of a day with everything chosen, for parsers."""
    return filled(target.expr, target.panel.board, EVERYTHING, step=300, length=86400)


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


def _value(variable: Mapping[str, Any], chosen: str | list[str] | None) -> str:
    if chosen in (None, ALL):
        if variable.get("includeAll"):
            return str(variable["allValue"])
        return str(variable["current"]["value"])
    if isinstance(chosen, str):
        return _escaped(chosen) if variable.get("includeAll") else chosen
    return f"({'|'.join(map(_escaped, chosen))})"


def _escaped(value: str) -> str:
    """Of a value within a regular expression within quotes."""
    return re.sub(r"[$^*{}\[\]'+?.()|\\]", r"\\\\\g<0>", value)


def seconds(duration: str) -> int:
    return int(duration[:-1]) * DURATION[duration[-1]]
