"""Asks a real Prometheus what the boards ask, at the moment and in the time zone of a viewer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.grafana.boards import Board, Panel, Target, filled, seconds
from tests.prometheus import Server

POINTS = 288  # of a graph: a step of five minutes for a day

Series = dict[str, str]
Answer = list[tuple[Series, dict[int, float]]]
Chosen = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a board: `now` and the length of the time range in seconds, and a time zone."""

    server: Server
    now: int
    length: int
    zone: ZoneInfo
    chosen: Chosen = field(default_factory=dict)

    def ask(self, target: Target) -> Answer:
        """The series of a panel's query."""
        start, end = self._range(target.panel)
        points = target.panel.json.get("maxDataPoints", POINTS)
        step = max((end - start) // points // 60 * 60, target.least_step, 60)
        query = filled(target.expr, target.panel.board, self.chosen, step=step, length=end - start)
        if target.json.get("instant"):
            return [(dict(labels), {end: value}) for labels, value in self.server.query(query, end).items()]
        # Grafana rounds both ends down to full steps of the viewer's clock, as it is at the end of the range.
        offset = self._local(end).utcoffset() or timedelta()
        shift = int(offset.total_seconds())
        first, last = ((at + shift) // step * step - shift for at in (start, end))
        return [
            (dict(labels), values) for labels, values in self.server.range(query, first, last, step).items()
        ]

    def options(self, board: Board, name: str) -> dict[str, str]:
        """What a variable offers: what is written, by value."""
        variable = board.variables[name]
        query = filled(variable["query"], board, self.chosen, step=60, length=self.length)
        if match := re.fullmatch(r"label_values\((.+?), (\w+)\)", query):
            found = self.server.query(f"last_over_time({match[1]}[{self.length}s])", self.now)
            values = {dict(labels).get(match[2], "") for labels in found} - {""}
            return {value: value for value in values}
        inner = query.removeprefix("query_result(").removesuffix(")")
        pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
        lines = (
            "{" + ",".join(f'{label}="{value}"' for label, value in labels) + f"}} {value} {self.now}000"
            for labels, value in self.server.query(inner, self.now).items()
        )
        return {match["value"]: match["text"] for line in lines if (match := pattern.search(line))}

    def _range(self, panel: Panel) -> tuple[int, int]:
        start, end = self.now - self.length, self.now
        since = panel.json.get("timeFrom")
        if since == "now/y":
            year = self._local(end).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
            start = int(year.timestamp())
        elif since:
            start = end - seconds(since)
        shift = seconds(panel.json["timeShift"]) if "timeShift" in panel.json else 0
        return start - shift, end - shift

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at, self.zone)
