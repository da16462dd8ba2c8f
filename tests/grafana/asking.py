"""Asks Prometheus what a board asks, as Grafana does: variables put in, ranges and steps worked out."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.prometheus import Server

COLUMNS = 24
# what Grafana rounds an interval to, in seconds
STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|([A-Za-z_]\w*))")  # $1 is PromQL's

Chosen = Mapping[str, str | list[str]]  # values of variables, by name; of one that is not there or empty, all


@dataclass(frozen=True)
class View:
    """Who looks at a board: at which Prometheus, when, where, how wide, and what is chosen."""

    server: Server
    at: float  # the moment of "now", in seconds
    zone: ZoneInfo
    width: int = 1400
    points: int = 0  # of a graph; else as many as it is wide
    scrape_seconds: int = 15
    theme: str = "dark"
    chosen: Chosen = field(default_factory=dict)


def seconds(duration: str) -> int:
    """`15s`, `1h` or `1d` in seconds."""
    number, unit = re.fullmatch(r">?(\d+)([smhdwMy])", duration).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def moment(text: str, view: View, *, end: bool = False) -> float:
    """`now-24h`, `now/d` or `now-1d/d` as seconds; the end of a range is rounded up."""
    words = re.fullmatch(r"now((?:[+-]\d+[smhdwMy])*)(?:/([dwMy]))?", text)
    assert words is not None, f"no moment that is known here: {text}"
    then = datetime.fromtimestamp(view.at, view.zone)
    for sign, number, unit in re.findall(r"([+-])(\d+)([smhdwMy])", words[1]):
        by = int(number) * (1 if sign == "+" else -1)
        if unit in "My":  # months have no fixed length
            months = then.year * 12 + then.month - 1 + by * (12 if unit == "y" else 1)
            then = then.replace(year=months // 12, month=months % 12 + 1, day=min(then.day, 28))
        elif unit in "dw":  # at the same time of the clock, which may have changed
            then += timedelta(seconds=by * UNITS[unit])
        else:
            then = datetime.fromtimestamp(then.timestamp() + by * UNITS[unit], view.zone)
    if words[2]:
        then = _start(then, words[2])
        if end:
            longer = {"d": 1, "w": 7, "M": 31, "y": 366}[words[2]]
            then = _start(then + timedelta(days=longer), words[2]) - timedelta(seconds=1)
    return then.timestamp()


def _start(then: datetime, unit: str) -> datetime:
    day = then.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1 if unit in "My" else day.day, month=1 if unit == "y" else day.month)


class Variables:
    """The values of a board's variables; "All" is what a board starts with."""

    def __init__(self, board: Mapping[str, Any], view: View) -> None:
        self._view = view
        self._range = time_range({}, board["time"], view)
        self._all = {one["name"]: one for one in board.get("templating", {}).get("list", [])}
        self._values: dict[str, str] = {}
        self._texts: dict[str, str] = {}  # as titles have it: names in the place of serial numbers
        for name in self._all:  # a variable may use those before it
            self._values[name] = self._value(name)

    def _value(self, name: str) -> str:
        variable = self._all[name]
        chosen = self._view.chosen.get(name) or None  # nothing is all
        values = [chosen] if isinstance(chosen, str) else chosen
        if values is None and variable["type"] != "query":
            current = variable.get("current", {}).get("value", variable.get("query", ""))
            values = current if isinstance(current, list) else [current]
        if values is None and variable.get("allValue"):
            return str(variable["allValue"])
        if values is None:
            values = list(self.options(name))[: None if variable.get("includeAll") else 1]
        if variable.get("multi"):
            escaped = [_escaped(value) for value in values]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        return str(values[0]) if values else ""

    def options(self, name: str) -> dict[str, str]:
        """What can be chosen, with the text that is shown for it: the answers to the variable's query."""
        variable = self._all[name]
        query = variable["query"]
        start, end = self._range
        text = self.fill(
            query["query"] if isinstance(query, dict) else query, {"__range": f"{int(end - start)}s"}
        )
        if words := re.fullmatch(r"label_values\((.+),\s*(\w+)\)", text):
            times = {"start": start, "end": end}
            values = self._view.server.data(f"label/{words[2]}/values", **{"match[]": words[1]}, **times)
            return {value: value for value in values if value}
        words = re.fullmatch(r"query_result\((.+)\)", text)
        assert words is not None, f"no query of a variable that is known here: {text}"
        pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
        found = []
        for one in self._view.server.data("query", query=words[1], time=end)["result"]:
            labels = ",".join(f'{label}="{value}"' for label, value in one["metric"].items())
            if match := pattern.search(f"{{{labels}}} {one['value'][1]}"):
                found.append((match["text"], match["value"]))
        return {value: text for text, value in sorted(found)}

    def fill(self, text: str, more: Mapping[str, str]) -> str:
        """The text with variables put in; what is unknown stays as it is."""
        values = {**self._values, **more}
        return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), text)

    def title(self, text: str) -> str:
        """The same for people."""
        return self.fill(text, self._texts)

    def chosen(self, name: str, value: str, text: str) -> "Variables":
        """The same with one value chosen, as in a row that is repeated."""
        other = copy.copy(self)
        other._values = {**self._values, name: _escaped(value)}
        other._texts = {**self._texts, name: text}
        return other


def _escaped(value: str) -> str:
    """A value as it has to be in a regular expression that is in quotes."""
    return re.sub(r"[$^*{}\[\]'+?.()|\\]", r"\\\\\g<0>", value)


@dataclass(frozen=True)
class Asked:
    """The answer to a query of a panel, as Prometheus gave it."""

    step: int  # 0 of one moment
    result: list[dict[str, Any]]


def ask(
    panel: Mapping[str, Any],
    target: Mapping[str, Any],
    time: Mapping[str, str],
    variables: Variables,
    view: View,
) -> Asked:
    """Ask what a query of a panel asks on a board with that range of time."""
    start, end = time_range(panel, time, view)
    step = _step(panel, target, end - start, view)
    query = variables.fill(target["expr"], macros(start, end, step, view.scrape_seconds))
    if target.get("instant"):
        return Asked(0, view.server.data("query", query=query, time=end)["result"])
    # aligned to the step in local time, so that bars of a day begin at midnight
    offset = datetime.fromtimestamp(end, view.zone).utcoffset().total_seconds()  # type: ignore[union-attr]
    first, last = ((one + offset) // step * step - offset for one in (start, end))
    return Asked(
        step, view.server.data("query_range", query=query, start=first, end=last, step=step)["result"]
    )


def time_range(panel: Mapping[str, Any], time: Mapping[str, str], view: View) -> tuple[float, float]:
    """The board's, or a panel's own."""
    since, until = time["from"], time["to"]
    if own := panel.get("timeFrom"):
        since, until = own if own.startswith("now") else f"now-{own}", "now"
    shift = seconds(panel["timeShift"]) if panel.get("timeShift") else 0
    return moment(since, view) - shift, moment(until, view, end=True) - shift


def _step(panel: Mapping[str, Any], target: Mapping[str, Any], length: float, view: View) -> int:
    """As fine as the panel is wide, and not finer than it or the query allows."""
    points = panel.get("maxDataPoints") or view.points or view.width * panel["gridPos"]["w"] // COLUMNS
    least = seconds(target.get("interval") or panel.get("interval") or f"{view.scrape_seconds}s")
    return max(min(STEPS, key=lambda step: abs(step - length / points)), least)


def macros(start: float, end: float, step: int, scrape: int) -> dict[str, str]:
    """Grafana's own variables."""
    return {
        "__interval": f"{step}s",
        "__interval_ms": str(step * 1000),
        "__rate_interval": f"{max(step + scrape, 4 * scrape)}s",
        "__range": f"{int(end - start)}s",
        "__range_s": str(int(end - start)),
        "__from": str(int(start * 1000)),
        "__to": str(int(end * 1000)),
    }
