"""The bundled boards, drawn from what a real Prometheus says of a simulated day, and looked at."""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.grafana.asking import View
from tests.packages.panels.answers import board_of
from tests.packages.panels.drawing import bundle, drawn
from tests.packages.panels.pictures import PHONE, WIDTH
from tests.packages.panels.plant import BOARDS, viewed
from tests.web.browser import browsing

PANELS = os.environ.get("PANELS", "")
NAMES = [path.stem for path in BOARDS]
pytestmark = [
    pytest.mark.packages,
    pytest.mark.skipif(not PANELS, reason="PANELS is not set: run `make test-packages`"),
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),  # one browser for all
]

# Panels that say "No data" on this day, and have to: there was no year before, no month of a battery,
# no error, no fault and no total that went back. And one plant stands still all day.
EMPTY = {
    "winet-battery": {"Round trip"},
    "winet-energy": {"The year before by month"},
    "winet-gateways": {"Errors by reason"},
    "winet-inverters": {"Fault list", "Totals that went back"},
}
STANDING_STILL = "Inputs of SH10RS(COM1-001)"
# Two or three lines of each of five gateways: their legends have to be scrolled.
CROWDED = {"Attempts and reconnections", "Messages", "Time-outs and worse"}
DRAWN = {"timeseries", "barchart", "state-timeline"}  # what has to have more than words
# What Grafana writes for a unit, after a figure.
WRITTEN = {
    "watt": r"[kM]?W",
    "kwatth": r"[kMG]?Wh",
    "percentunit": r"%",
    "celsius": r"°C",
    "volt": r"V",
    "amp": r"A",
    "hertz": r"Hz",
    "ohm": r"[kM]?Ω",
    "voltamp": r"k?VA",
    "voltampreact": r"k?VAr",
    "degree": r"°",
    "dBm": r"dbm",
    "s": r"(?:[mµn]?s|mins?|hours?|days?|weeks?|years?)",
    "bytes": r"(?:[KMG]i)?B",
    "cps": r"c/s",
}
READABLE = 24  # pixels: letters of about 4 mm at arm's length


@dataclass(frozen=True)
class Look:
    """What could be seen of a board."""

    board: dict[str, Any]
    complaints: list[str]
    panels: list[dict[str, Any]]
    width: int  # what the page takes up


@pytest.fixture(scope="module")
def modules() -> Path:
    folder = Path(PANELS)
    bundle(folder)
    return folder


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    with viewed() as view:
        yield view


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


async def look(browser: Browser, modules: Path, board: dict[str, Any], width: int) -> Look:
    async with drawn(browser, modules, board, width) as page:
        panels = await page.evaluate("seen()")
        taken = await page.evaluate("document.documentElement.scrollWidth")
        return Look(board, page.complaints, panels, taken)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def looks(view: View, browser: Browser, modules: Path) -> dict[str, Look]:
    """Every board, with all rows opened."""
    found = {}
    for path in BOARDS:
        board = board_of(json.loads(path.read_text("utf-8")), view, rows=True)
        found[path.stem] = await look(browser, modules, board, WIDTH)
    return found


@pytest.mark.parametrize("name", NAMES)
async def test_board_when_it_is_drawn_then_nothing_goes_wrong(looks: dict[str, Look], name: str) -> None:
    """Neither the browser nor Grafana's components complain, and each panel is there."""
    assert looks[name].complaints == []
    assert [panel for panel in looks[name].panels if panel["error"]] == []
    asked = sorted(panel["title"] for panel in looks[name].board["panels"] if panel["type"] != "row")
    assert sorted(panel["title"] for panel in looks[name].panels) == asked
    assert looks[name].width == WIDTH


@pytest.mark.parametrize("name", NAMES)
async def test_board_when_a_day_was_lived_then_only_what_nobody_has_is_without_data(
    looks: dict[str, Look], name: str
) -> None:
    """No panel is empty but those of which it is known, and those are."""
    moving = [panel for panel in looks[name].panels if panel["section"] != STANDING_STILL]
    empty = {panel["title"] for panel in moving if panel["empty"]}
    assert empty == EMPTY.get(name, set())


@pytest.mark.parametrize("name", NAMES)
async def test_panels_when_they_have_data_then_something_is_drawn(looks: dict[str, Look], name: str) -> None:
    """Graphs have lines, bars or blocks, all else has a figure or a word below its title."""
    for panel in looks[name].panels:
        if panel["empty"]:
            continue
        if panel["kind"] in DRAWN:
            assert panel["marks"] > 0, panel["title"]
        else:
            assert re.search(r"\w", panel["text"].removeprefix(panel["title"])), panel["title"]


@pytest.mark.parametrize("name", NAMES)
async def test_panels_when_they_have_a_unit_then_it_is_written_as_grafana_writes_it(
    looks: dict[str, Look], name: str
) -> None:
    """Beside figures and on axes: 2.45 kW, 87%, 12.3 kWh."""
    units = {panel["title"]: panel["fieldConfig"]["defaults"].get("unit", "none")
             for panel in looks[name].board["panels"] if panel["type"] not in ("row", "table")}  # fmt: skip
    for panel in looks[name].panels:
        unit = units.get(panel["title"], "none")
        if panel["empty"] or unit == "none":
            continue
        written = re.escape(unit.removeprefix("suffix:").strip()) if ":" in unit else WRITTEN[unit]
        words = panel["text"].splitlines()
        assert any(re.fullmatch(rf"-?[\d.,]+\s*{written}", word) for word in words), (panel["title"], words)


@pytest.mark.parametrize("name", NAMES)
async def test_units_when_grafana_is_asked_then_it_knows_them(
    browser: Browser, modules: Path, looks: dict[str, Look], name: str
) -> None:
    """A unit that Grafana does not know is written as it stands, and nobody is told."""
    async with drawn(
        browser, modules, {**looks[name].board, "panels": looks[name].board["panels"][:2]}
    ) as page:
        known = set(await page.evaluate("knownUnits()"))
    text = json.dumps(
        [panel["fieldConfig"] for panel in looks[name].board["panels"] if panel["type"] != "row"]
    )
    used = set(re.findall(r'"unit", "value": "([^"]+)"|"unit": "([^"]+)"', text))
    named = {one or other for one, other in used}
    assert named
    assert {unit for unit in named if not unit.startswith("suffix:")} <= known


@pytest.mark.parametrize("name", NAMES)
async def test_words_when_the_screen_is_wide_then_none_is_cut_off(looks: dict[str, Look], name: str) -> None:
    """Titles, legends and figures have room. Cells and rows may be shortened, many bars be scrolled."""
    for panel in looks[name].panels:
        if panel["kind"] not in ("state-timeline", "table", "bargauge") and panel["title"] not in CROWDED:
            assert panel["cut"] == [], panel["title"]


@pytest.mark.parametrize("name", NAMES)
async def test_tables_when_the_screen_is_wide_then_all_columns_are_on_it(
    looks: dict[str, Look], name: str
) -> None:
    """Nothing has to be scrolled sideways."""
    assert {panel["title"]: panel["beyond"] for panel in looks[name].panels if panel["beyond"] > 0} == {}


async def test_first_row_when_it_is_looked_at_on_a_phone_then_it_can_be_read(
    browser: Browser, modules: Path, view: View
) -> None:
    """Six figures below each other, none cut off, all large, and nothing to be scrolled sideways."""
    (path,) = (path for path in BOARDS if path.stem == "winet-plant")
    board = board_of(json.loads(path.read_text("utf-8")), view)
    seen = await look(browser, modules, board, PHONE)
    assert seen.complaints == []
    assert seen.width <= PHONE
    first = [panel for panel in seen.panels if panel["kind"] == "stat"][:6]
    for panel in first:
        assert not panel["empty"], panel["title"]
        assert panel["cut"] == [], panel["title"]
        assert panel["letters"] >= READABLE, panel["title"]
