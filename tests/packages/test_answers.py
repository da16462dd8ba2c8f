"""What is asked to draw a board: times, steps, variables and repeated rows as Grafana has them."""

import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.grafana.asking import Variables, View, moment
from tests.packages.panels.answers import board_of
from tests.prometheus import Server

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 17, 15, 30, tzinfo=BERLIN)  # a Wednesday
SOURCE = {
    "name": "datasource",
    "type": "datasource",
    "query": "prometheus",
    "current": {"value": "prometheus"},
}
PRICE = {"name": "price", "type": "textbox", "query": "0.30", "current": {"value": "0.30"}}


def chooses(name: str, query: str, **more: Any) -> dict[str, Any]:
    multi = {"multi": True, "includeAll": True, "current": {"value": ["$__all"]}}
    return {"name": name, "type": "query", "query": query, **multi, **more}


TARGET = chooses("target", "label_values(winet2_up, target)", allValue=".+")
DEVICE = chooses(
    "device",
    'query_result(winet2_device_info{target=~"$target"})',
    regex='/device="(?<value>[^"]+)".*,name="(?<text>[^"]+)"/',
)


@contextmanager
def asked() -> Iterator[tuple[View, list[tuple[str, dict[str, str]]]]]:
    """A server that notes the questions, and knows two devices and no samples."""
    questions: list[tuple[str, dict[str, str]]] = []
    devices = [{"device": "A1", "name": "east", "x": "1"}, {"device": "A(2)", "name": "west", "x": "1"}]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.removeprefix("/api/v1/").partition("?")
            questions.append((path, dict(urllib.parse.parse_qsl(query))))
            data: Any = {"result": []}
            if "winet2_device_info" in questions[-1][1].get("query", ""):
                result = [
                    {"metric": {"__name__": "winet2_device_info", **one}, "value": [0, "1"]}
                    for one in devices
                ]
                data = {"result": result}
            if path.startswith("label/"):
                data = ["house", "b.arn"]
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, name="asked")
        thread.start()
        try:
            yield (
                View(Server(f"http://127.0.0.1:{server.server_port}"), NOW.timestamp(), BERLIN, width=1200),
                questions,
            )
        finally:
            server.shutdown()
            thread.join()


def panel(expr: str = "up", **more: Any) -> dict[str, Any]:
    place = {"x": 0, "y": 0, "w": 12, "h": 4}
    target = {"refId": "A", "expr": expr, "range": True, **more.pop("target", {})}
    return {"type": "timeseries", "title": "Panel", "gridPos": place, "targets": [target], **more}


def dashboard(*panels: dict[str, Any], since: str = "now-24h", variables: Any = ()) -> dict[str, Any]:
    time = {"from": since, "to": "now"}
    return {"title": "Board", "time": time, "templating": {"list": list(variables)}, "panels": list(panels)}


@pytest.mark.parametrize("text, end, day, hour", [
    ("now", False, (6, 17), 15.5),
    ("now-90m", False, (6, 17), 14),
    ("now/d", False, (6, 17), 0),
    ("now-1d/d", False, (6, 16), 0),
    ("now/w", False, (6, 15), 0),
    ("now/M", False, (6, 1), 0),
    ("now-1M/M", False, (5, 1), 0),
    ("now-2y/y", False, (1, 1), 0),
    ("now/d", True, (6, 18), 0),
    ("now-1M/M", True, (6, 1), 0),
])  # fmt: skip
def test_moment_when_it_is_relative_then_it_is_rounded_where_the_viewer_is(text, end, day, hour):
    """Days, weeks, months and years begin at the viewer's midnight; the end of a range is the last second."""
    view = View(Server(""), NOW.timestamp(), BERLIN)
    expected = datetime(2024 if "y" in text else 2026, *day, tzinfo=BERLIN).timestamp() + hour * 3600
    assert moment(text, view, end=end) == expected - end


def test_moment_when_the_clocks_change_then_hours_are_hours_and_days_are_dates():
    """A day before is at the same time of the clock, 24 hours before is not."""
    view = View(Server(""), datetime(2026, 3, 29, 15, 30, tzinfo=BERLIN).timestamp(), BERLIN)
    assert moment("now-1d", view) == datetime(2026, 3, 28, 15, 30, tzinfo=BERLIN).timestamp()
    assert moment("now-24h", view) == datetime(2026, 3, 28, 14, 30, tzinfo=BERLIN).timestamp()


def test_moment_when_it_is_unknown_then_it_says_so():
    """A range that cannot be drawn is not drawn wrong."""
    with pytest.raises(AssertionError, match="tomorrow"):
        moment("tomorrow", View(Server(""), 0, BERLIN))


def test_query_when_it_has_variables_then_they_are_put_in_as_the_source_puts_them():
    """All is the board's own word for it, several are alternatives, and text is text."""
    with asked() as (view, questions):
        expr = 'x{target=~"$target"} * ${price} + y{target=~"${target:regex}",a="$unknown"}[$__rate_interval]'
        board = dashboard(panel(expr), variables=[SOURCE, TARGET, PRICE])
        board_of(board, view)
        board_of(board, replace(view, chosen={"target": ["house", "b.arn"]}))
    asked_for = [question["query"] for path, question in questions if path == "query_range"]
    assert asked_for == [
        'x{target=~".+"} * 0.30 + y{target=~".+",a="$unknown"}[135s]',
        'x{target=~"(house|b\\\\.arn)"} * 0.30 + y{target=~"(house|b\\\\.arn)",a="$unknown"}[135s]',
    ]


def test_query_when_its_range_is_long_then_its_step_is_what_can_be_seen():
    """A panel asks for as many points as it has room for, and not more often than it is told."""
    with asked() as (view, questions):
        often = panel(target={"interval": "1h"})
        board_of(dashboard(panel(), often, panel(interval="2d"), panel(maxDataPoints=100)), view)
    assert [int(question["step"]) for _, question in questions] == [120, 3600, 2 * 86400, 900]


def test_query_when_its_step_is_a_day_then_it_begins_at_midnight():
    """Bars of days are those of the viewer, in summer and winter."""
    with asked() as (view, questions):
        board_of(dashboard(panel(interval="1d"), since="now-7d"), view)
    ((_, question),) = questions
    begins = datetime.fromtimestamp(float(question["start"]), BERLIN)
    assert (begins.day, begins.hour, begins.minute) == (10, 0, 0)


def test_query_when_it_is_instant_then_it_asks_for_the_end():
    """A table shows what is, not what was."""
    with asked() as (view, questions):
        board = board_of(dashboard(panel(target={"instant": True, "format": "table"})), view)
    assert questions == [("query", {"query": "up", "time": str(view.at)})]
    assert board["panels"][0]["answers"] == [
        {"refId": "A", "legendFormat": "", "format": "table", "step": 0, "result": []}
    ]


def test_panel_when_it_has_a_time_of_its_own_then_that_is_asked_for():
    """Beside the board's day there may be a month."""
    with asked() as (view, _):
        panels = [panel(), panel(timeFrom="30d"), panel(timeFrom="now/d"), panel(timeShift="1d")]
        whole, days, today, shifted = board_of(dashboard(*panels, since="now/d"), view)["panels"]
    now = int(view.at * 1000)
    assert (days["from"], days["to"]) == (now - 30 * 86_400_000, now)
    assert (today["from"], today["to"]) == (whole["from"], now)
    assert (whole["to"] - shifted["to"], whole["from"] - shifted["from"]) == (86_400_000, 86_400_000)


@pytest.mark.parametrize("opened", [False, True])
def test_rows_when_they_are_closed_or_opened_then_the_panels_below_make_room(opened):
    """Nothing lies on top of another."""
    inner = panel(gridPos={"x": 0, "y": 99, "w": 12, "h": 5})
    first = {
        "type": "row",
        "title": "Details",
        "collapsed": True,
        "panels": [inner],
        "gridPos": {"y": 4, "h": 1},
    }
    second = {"type": "row", "title": "More", "collapsed": False, "panels": [], "gridPos": {"y": 5, "h": 1}}
    below = panel(gridPos={"x": 0, "y": 6, "w": 12, "h": 3})
    with asked() as (view, _):
        board = board_of(dashboard(panel(), first, second, below), view, rows=opened)
    lines = [(one["title"], one["gridPos"]["y"]) for one in board["panels"]]
    if opened:
        assert lines == [("Panel", 0), ("Details", 4), ("Panel", 5), ("More", 10), ("Panel", 11)]
    else:
        assert lines == [("Panel", 0), ("Details", 4), ("More", 5), ("Panel", 6)]


def test_row_when_it_is_repeated_then_it_is_there_for_each_value():
    """Each device has a row with its own title and its own data."""
    row = {"type": "row", "title": "Device $device", "repeat": "device", "gridPos": {"y": 0, "h": 1}}
    with asked() as (view, questions):
        board = board_of(dashboard(row, panel('x{device=~"$device"}'), variables=[TARGET, DEVICE]), view)
    titles = [one["title"] for one in board["panels"] if one["type"] == "row"]
    assert titles == ["Device east", "Device west"]
    assert [question["query"] for path, question in questions if path == "query_range"] == [
        'x{device=~"A1"}',
        'x{device=~"A\\\\(2\\\\)"}',
    ]


def test_variable_when_its_query_is_of_an_unknown_kind_then_it_says_so():
    """A variable that nobody can answer is not taken for an empty one."""
    with asked() as (view, _), pytest.raises(AssertionError, match="metrics"):
        Variables(dashboard(variables=[chooses("x", "metrics(winet2_.*)")]), view)
