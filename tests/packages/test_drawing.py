"""The page that draws boards: Grafana's components, and what imitates others, show what the answers say."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error

from tests.packages.panels.drawing import bundle, drawn
from tests.web.browser import browsing

PANELS = os.environ.get("PANELS", "")
pytestmark = [
    pytest.mark.packages,
    pytest.mark.skipif(not PANELS, reason="PANELS is not set: run `make test-packages`"),
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),  # one browser for all
]

START = 1_781_647_200  # 2026-06-17 00:00 in Berlin
STEP = 600
HOUR = 3600
MAPPED = [
    {
        "type": "value",
        "options": {"1": {"text": "Running", "color": "green"}, "0": {"text": "Off", "color": "red"}},
    }
]
WATTS = {"unit": "watt"}


@pytest.fixture(scope="module")
def modules() -> Path:
    folder = Path(PANELS)
    bundle(folder)
    return folder


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


def series(values: dict[int, float], **labels: str) -> dict[str, Any]:
    """One series by seconds of the day, as Prometheus' range queries give it."""
    return {"metric": labels, "values": [[START + at, str(value)] for at, value in values.items()]}


def answer(*result: dict[str, Any], legend: str = "{{device}}", **more: Any) -> dict[str, Any]:
    ordinary = {"refId": "A", "legendFormat": legend, "format": "time_series", "step": STEP}
    return {**ordinary, "result": list(result), **more}


def board(kind: str, *answers: dict[str, Any], defaults: Any = None, **more: Any) -> dict[str, Any]:
    """A board of one panel, about the first twelve hours of a day."""
    panel = {
        "type": kind,
        "title": "Panel",
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
        "fieldConfig": {"defaults": defaults or {}, "overrides": more.pop("overrides", [])},
        "options": more.pop("options", {}),
        "answers": list(answers),
        "from": START * 1000,
        "to": (START + 12 * HOUR) * 1000,
        **more,
    }
    return {"title": "Board", "panels": [panel], "theme": "light", "timeZone": "Europe/Berlin"}


async def looked_at(browser: Browser, modules: Path, board: dict[str, Any]) -> dict[str, Any]:
    async with drawn(browser, modules, board, 900) as page:
        (seen,) = await page.evaluate("seen()")
        assert page.complaints == []
        return dict(seen)


def growing(count: int = 72) -> dict[int, float]:
    return {index * STEP: 100.0 * index for index in range(count)}


async def test_panel_when_nothing_was_found_then_it_says_so(browser, modules):
    """An empty panel is told from one that shows something."""
    seen = await looked_at(browser, modules, board("timeseries", answer(), defaults=WATTS))
    assert (seen["empty"], seen["marks"], seen["error"]) == (True, 0, None)
    assert "No data" in seen["text"]


async def test_graph_when_it_is_drawn_then_axis_and_legend_are_grafanas(browser, modules):
    """Units are scaled, names come from labels, the axis is in the viewer's time."""
    seen = await looked_at(
        browser, modules, board("timeseries", answer(series(growing(), device="east")), defaults=WATTS)
    )
    words = seen["text"].splitlines()
    assert {"east", "0 W", "4 kW", "02:00", "10:00"} <= set(words)
    assert seen["marks"] > 300
    assert not seen["empty"]


async def test_graph_when_a_field_is_turned_over_and_coloured_then_it_is(browser, modules):
    """Overrides do in the picture what they do in Grafana."""
    turned = [{"matcher": {"id": "byName", "options": "east"}, "properties": [
        {"id": "custom.transform", "value": "negative-Y"}, {"id": "unit", "value": "kwatth"}]}]  # fmt: skip
    found = answer(series(growing(), device="east"))
    seen = await looked_at(browser, modules, board("timeseries", found, defaults=WATTS, overrides=turned))
    assert "-4 MWh" in seen["text"].splitlines()


async def test_graph_when_a_series_has_a_gap_then_nothing_is_drawn_there(browser, modules):
    """A gap is a gap, in the first series and in all others."""
    whole = series(growing(), device="whole")
    ends = [*range(0, HOUR, STEP), *range(11 * HOUR, 12 * HOUR, STEP)]
    broken = series({at: 5000.0 for at in ends}, device="broken")
    grey = [{"matcher": {"id": "byName", "options": "whole"}, "properties": [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "#808080"}}]}]  # fmt: skip
    async with drawn(
        browser, modules, board("timeseries", answer(whole, broken), overrides=grey), 900
    ) as page:
        marks = await page.evaluate("""() => {
            const canvas = document.querySelector('canvas');
            const coloured = (from, to) => {
                const [left, width] = [canvas.width * from, canvas.width * (to - from)];
                const { data } = canvas.getContext('2d').getImageData(left, 0, width, canvas.height);
                return [...Array(data.length / 4).keys()].filter((at) => {
                    const [red, green, blue, alpha] = data.subarray(4 * at, 4 * at + 4);
                    return alpha > 16 && Math.max(red, green, blue) - Math.min(red, green, blue) > 24;
                }).length;
            };
            return [coloured(0, 0.25), coloured(0.25, 0.8), coloured(0.8, 1)];
        }""")
    assert [count > 20 for count in marks] == [True, False, True]
    assert marks[1] == 0


async def test_graph_when_its_line_cannot_be_seen_then_it_has_no_marks(browser, modules):
    """Grid and numbers are not taken for something that is drawn."""
    hidden = {**WATTS, "custom": {"lineWidth": 0, "showPoints": "never"}}
    found = answer(series(growing(), device="east"))
    seen = await looked_at(browser, modules, board("timeseries", found, defaults=hidden))
    assert "4 kW" in seen["text"].splitlines()
    assert seen["marks"] == 0


async def test_figure_when_a_threshold_is_passed_then_value_and_name_are_shown(browser, modules):
    """The last value, in words that a person reads."""
    steps = {"mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 0.5}]}
    found = answer(series({0: 0.2, STEP: 0.87}, device="east"))
    ratio = {"unit": "percentunit", "thresholds": steps}
    made = board("stat", found, defaults=ratio, options={"textMode": "value_and_name"})
    async with drawn(browser, modules, made, 900) as page:
        (seen,) = await page.evaluate("seen()")
        green = await page.get_by_text("87", exact=False).last.evaluate("(e) => getComputedStyle(e).color")
    assert {"east", "87%"} <= set(seen["text"].splitlines())
    red, leaf, blue = (int(part) for part in green.removeprefix("rgb(").rstrip(")").split(","))
    assert leaf > max(red, blue)


async def test_bars_when_there_are_several_then_each_has_name_and_value(browser, modules):
    """One bar for each series."""
    found = answer(series({0: 500}, device="east"), series({0: 1500}, device="west"))
    seen = await looked_at(
        browser, modules, board("bargauge", found, defaults=WATTS, options={"orientation": "horizontal"})
    )
    assert {"east", "500 W", "west", "1.50 kW"} <= set(seen["text"].splitlines())


async def test_table_when_queries_are_merged_then_columns_have_their_names_and_units(browser, modules):
    """Two queries make one row for each device."""
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "renameByName": {"Value #A": "PV", "Value #B": "Load"},
            },
        },
    ]
    overrides = [
        {"matcher": {"id": "byName", "options": "PV"}, "properties": [{"id": "unit", "value": "watt"}]}
    ]
    one = answer(series({0: 2500}, device="east"), format="table", step=0)
    two = answer(series({0: 0.4}, device="east"), format="table", step=0, refId="B")
    seen = await looked_at(
        browser, modules, board("table", one, two, overrides=overrides, transformations=transformations)
    )
    words = seen["text"].splitlines()
    assert {"device", "PV", "Load", "east", "2.50 kW", "0.400"} <= set(words), words
    assert not {"Time", "Value #A"} & set(words)


async def test_timeline_when_states_follow_each_other_then_equal_ones_are_one_and_gaps_stay(browser, modules):
    """Blocks have the mapped texts; where nobody knew anything there is no block."""
    values = {at: float(at < 2 * HOUR) for at in range(0, 4 * HOUR, STEP)} | {
        at: 1.0 for at in range(8 * HOUR, 9 * HOUR, STEP)
    }
    made = board("state-timeline", answer(series(values, device="east")), defaults={"mappings": MAPPED})
    async with drawn(browser, modules, made, 900) as page:
        blocks = await page.evaluate("""() => [...document.querySelectorAll('[data-state]')].map((one) => {
            const { left, right } = one.getBoundingClientRect();
            return [one.dataset.state, left, right]; })""")
    assert [state for state, _, _ in blocks] == ["Running", "Off", "Running"]
    (_, begin, turn), (_, turned, end), (_, again, last) = blocks
    hour = (turn - begin) / 2
    assert turned == pytest.approx(turn)
    assert (end - turned) / hour == pytest.approx(2, abs=0.1)
    assert (again - end) / hour == pytest.approx(4, abs=0.1)
    assert (last - again) / hour == pytest.approx(1, abs=0.1)


async def test_bar_chart_when_days_are_added_up_by_month_then_bars_are_the_sums(browser, modules):
    """Grafana's transformations make the months; bars stand on nought, the negative ones hang."""
    day = 24 * HOUR
    grown = {-20 * day: 10.0, -10 * day: 20.0, 0: 40.0}  # the first is in May
    sums = {name: {"aggregations": ["sum"], "operation": "aggregate"} for name in ("PV", "Export")}
    convert = {
        "conversions": [{"targetField": "Time", "destinationType": "string", "dateFormat": "YYYY-MM"}],
        "fields": {},
    }
    transformations = [
        {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
        {"id": "convertFieldType", "options": convert},
        {
            "id": "groupBy",
            "options": {"fields": {"Time": {"aggregations": [], "operation": "groupby"}} | sums},
        },
        {"id": "organize", "options": {"renameByName": {f"{name} (sum)": name for name in sums}}},
    ]
    pv = answer(series(grown), legend="PV")
    export = answer(series({at: -value / 2 for at, value in grown.items()}), legend="Export", refId="B")
    made = board("barchart", pv, export, defaults={"unit": "kwatth"}, transformations=transformations)
    async with drawn(browser, modules, made, 900) as page:
        bars = await page.evaluate("""() => [...document.querySelectorAll('[data-bar]')].map((one) => {
            const { y, height } = one.querySelector('rect').getBBox();
            return [one.dataset.bar, y, y + height]; })""")
        (seen,) = await page.evaluate("seen()")
    assert {"2026-05", "2026-06", "PV", "Export"} <= set(seen["text"].splitlines())
    assert [label for label, _, _ in bars] == ["10 kWh", "-5 kWh", "60 kWh", "-30 kWh"]
    (_, top, nought), (_, hangs, _), (_, higher, stands), _ = bars
    assert nought == pytest.approx(hangs) == pytest.approx(stands)
    assert (stands - higher) / (nought - top) == pytest.approx(6, abs=0.2)


async def test_panel_when_nothing_can_draw_its_kind_then_it_is_an_error(browser, modules):
    """A kind of panel that is new to the page is not passed over."""
    made = board("heatmap", answer(series(growing(), device="east")))
    async with drawn(browser, modules, made, 900) as page:
        (seen,) = await page.evaluate("seen()")
        assert page.complaints
    assert "no drawing for a panel of the type heatmap" in str(seen["error"])


async def test_page_when_it_is_narrow_then_panels_are_below_each_other(browser, modules):
    """As on a phone, in the order of reading."""
    made = board("stat", answer(series({0: 1.0}, device="east")))
    (first,) = made["panels"]
    made["panels"] = [
        {**first, "title": title, "gridPos": {"x": x, "y": y, "w": 12, "h": 4}}
        for title, x, y in (("c", 0, 4), ("b", 12, 0), ("a", 0, 0))
    ]
    tops = """[...document.querySelectorAll('[data-panel]')].map((one) =>
        [one.dataset.panel, one.offsetTop, one.offsetLeft, one.offsetWidth])"""
    async with drawn(browser, modules, made, 390) as page:
        assert await page.evaluate(tops) == [["a", 8, 0, 374], ["b", 160, 0, 374], ["c", 312, 0, 374]]
    async with drawn(browser, modules, made, 1400) as page:
        assert await page.evaluate(tops) == [["a", 8, 0, 688], ["b", 8, 696, 688], ["c", 160, 0, 688]]


async def test_board_when_it_cannot_be_drawn_then_the_page_says_so(browser, modules):
    """A mistake in the page is not an empty picture."""
    with pytest.raises(Error, match="panels"):
        async with drawn(browser, modules, {"title": "Board", "theme": "light", "timeZone": "UTC"}):
            pass
