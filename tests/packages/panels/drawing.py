"""Boards in a real Chromium, drawn with Grafana's own components."""

import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Route

HERE = Path(__file__).parent
ORIGIN = "http://panels.invalid"  # every request to it is answered here; nothing leaves the machine
HTML = """<!doctype html><html><head><meta charset="utf-8"><link rel="stylesheet" href="/page.css">
<style>body { margin: 0 }</style></head>
<body><div id="board"></div><script>
window.grafanaBootData = {settings: {}, user: {}}; window.__grafana_public_path__ = "/public/";
</script><script src="/page.js"></script></body></html>"""


def bundle(modules: Path) -> Path:
    """Make the page's script from its sources; `modules` is the folder that has `node_modules`."""
    folder = modules / "bundle"
    made = subprocess.run(
        [
            modules / "node_modules" / ".bin" / "esbuild", HERE / "page.tsx", "--bundle", "--format=iife",
            f"--outfile={folder / 'page.js'}", "--jsx=automatic", "--minify", "--define:global=window",
            '--define:process.env.NODE_ENV="production"', "--log-level=warning",
            *(f"--loader:.{kind}=dataurl" for kind in ("svg", "woff2", "ttf")),
        ],
        env={**os.environ, "NODE_PATH": str(modules / "node_modules")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return folder


@asynccontextmanager
async def drawn(
    browser: Browser, modules: Path, board: dict[str, Any], width: int = 1400
) -> AsyncIterator[Page]:
    """A page with the board on it, painted; `page.complaints` has what the browser complained about."""
    made = await browser.new_context(
        viewport={"width": width, "height": 900}, timezone_id=board["timeZone"], locale="en-GB",
        reduced_motion="reduce",
    )  # fmt: skip
    page = await made.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda message: page.complaints.append(message.text))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        if path == "/":
            await route.fulfill(body=HTML, content_type="text/html")
        else:
            file = _file(path, modules)
            await (route.fulfill(path=file) if file.is_file() else route.fulfill(status=404))

    await made.route("**/*", answer)
    try:
        await page.goto(f"{ORIGIN}/")
        height = await page.evaluate("(board) => draw(board)", board)
        # a browser paints nothing that it believes nobody sees
        await page.set_viewport_size({"width": width, "height": height})
        await page.evaluate("painted()")
        yield page
    finally:
        await made.close()


def _file(path: str, modules: Path) -> Path:
    """What Grafana's server has under a path."""
    packages = modules / "node_modules"
    if icon := re.fullmatch(r"/public/build/img/(icons/.+)", path):
        return packages / "@grafana" / "ui" / "dist" / "public" / "img" / icon[1]
    if font := re.fullmatch(r"/public/fonts/inter/Inter-(\w+)\.woff2", path):
        weight = {"Regular": 400, "Medium": 500}.get(font[1])
        return packages / "@fontsource" / "inter" / "files" / f"inter-latin-{weight}-normal.woff2"
    return modules / "bundle" / path[1:]
