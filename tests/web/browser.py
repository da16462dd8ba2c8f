"""A real Chromium in front of a server, and whatever it complains about."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from exporter.web.server import Address, Server

WAIT_SECONDS = 30.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip


def chromium() -> str:
    """The path of the machine's browser; without it the test fails, and says what to do."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("chromium is not on the PATH: install it, or leave out tests marked `real`")
    return found


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    """The server's URL."""
    (address,) = await server.start([Address("127.0.0.1", 0)])
    try:
        yield f"http://127.0.0.1:{address.port}/"
    finally:
        await server.aclose()


async def until(page: Page, condition: str) -> None:
    """Wait until an expression is true; it is looked at after every change of the document.

    Playwright's own way to wait is forbidden by the page's policy, for the page would have to evaluate text.
    """
    wait = f"""() => new Promise((done) => {{
      const look = () => {{ if ({condition}) {{ watch.disconnect(); done(); }} }};
      const watch = new MutationObserver(look);
      watch.observe(document, {{ attributes: true, characterData: true, childList: true, subtree: true }});
      look();
    }})"""
    async with asyncio.timeout(WAIT_SECONDS):
        await page.evaluate(wait)


@asynccontextmanager
async def opened(browser: Browser, url: str, **context: Any) -> AsyncIterator[Page]:
    """A page that has taken over its first news; no complaint of the browser is left at the end.

    What a test expects to be complained about it takes out of `page.complaints`.
    """
    made = await browser.new_context(**context)
    page = await made.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(f"dialog {dialog.message}"))
    await page.goto(url)
    if context.get("java_script_enabled", True):
        await until(page, "document.getElementById('updated').textContent !== ''")
    try:
        yield page
        assert page.complaints == []
    finally:
        await made.close()
