"""`make pictures`: the boards as they are on a simulated day, for docs/pictures."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from tests.grafana.asking import View
from tests.packages.panels.answers import board_of
from tests.packages.panels.drawing import bundle, drawn
from tests.packages.panels.plant import BOARDS, ROOT, viewed
from tests.web.browser import browsing

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1400
PHONE = 390
TALLEST = 1400  # a picture ends below the last panel that fits
# What is chosen for a picture: a home and not all at once, which is one big roof and nothing else to be seen.
HOME = {"site": ["home"], "target": ["house", "garage"]}
CHOSEN: dict[str, dict[str, list[str]]] = {
    "plant": HOME,
    "energy": HOME,
    "battery": HOME,
    "inverters": {"target": ["house", "garage", "cabin"]},
    "gateways": {},
}
# Ranges that suit these days better than the boards' own.
SINCE = {"energy": "now-3d/d", "gateways": "now-24h"}
# where the last panel ends that is whole within a height
END = """(tallest) => Math.max(...[...document.querySelectorAll('[data-panel]')]
    .map((panel) => panel.getBoundingClientRect().bottom).filter((bottom) => bottom <= tallest)) + 8"""


async def picture(
    browser: Browser, modules: Path, board: dict[str, Any], width: int, tallest: int, path: Path
) -> None:
    async with drawn(browser, modules, board, width) as page:
        assert page.complaints == [], page.complaints  # type: ignore[attr-defined]
        height = await page.evaluate(END, tallest)
        await page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height})


async def draw(view: View, modules: Path) -> None:
    """A picture of each board, and one of the first board's first row on a phone."""
    async with browsing() as browser:
        for path in BOARDS:
            name = path.stem.removeprefix("winet-")
            dashboard = json.loads(path.read_text("utf-8"))
            dashboard["time"]["from"] = SINCE.get(name, dashboard["time"]["from"])
            board = board_of(dashboard, replace(view, chosen=CHOSEN[name]))
            await picture(browser, modules, board, WIDTH, TALLEST, PICTURES / f"{name}.png")
            if name == "plant":
                await picture(browser, modules, board, PHONE, 1000, PICTURES / f"{name}-phone.png")


def main() -> None:
    modules = Path(os.environ["PANELS"])
    bundle(modules)
    PICTURES.mkdir(exist_ok=True)
    with viewed() as view:
        asyncio.run(draw(view, modules))


if __name__ == "__main__":
    main()
