"""The status page in a real browser: live, searchable, safe and readable."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page

from exporter.metrics.exposition import Exposition
from exporter.simulator import SimulatedGateway
from exporter.telemetry import Location, State
from exporter.web.server import Server
from exporter.winet.pool import Pool
from tests.harness import CATALOGUE, Harness
from tests.web.browser import browsing, opened, serving, until
from tests.web.plants import WALL, Plants
from tests.web.test_page import fill

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202egnp"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

# All visible text against what is behind it, as WCAG reckons it.
CONTRAST = """() => {
  const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgba = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  let looked = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    looked += 1;
    const style = getComputedStyle(element);
    const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [one, two] = [lum(colour), lum(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) poor.push([texts.currentNode.data, ratio]);
  }
  return { looked, poor };
}"""

WIDE = """[...document.querySelectorAll("#cards *")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map((element) => element.outerHTML.slice(0, 80))"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


@pytest.fixture
def plants() -> Plants:
    return Plants()


def various(plants: Plants) -> None:
    """A target of every kind that a page can show."""
    plants.house("house", fingerprint="AA:" * 31 + "AA", certificate_expiry_wall=WALL + 1e7,
                 location=Location(0.0, 60.0))  # fmt: skip
    faulty = plants.device("inverter", "A1", pv=8.87, today=36, state="I18N_COMMON_FAULT")
    plants.add("garage", devices=[faulty, plants.device("inverter", "A2", online=False)])
    plants.add("attic", State.REFUSED, None, error="the login was refused", advice="Check the password.",
               retry_at=plants.now + 1800.0, failing_since=plants.now - 60.0)  # fmt: skip
    plants.add("silent", devices=None, had_first_cycle=True)
    plants.add(
        "barn", State.ASLEEP, error="connection refused", labels={"site": "field", "owner": "Ann & Bob"}
    )
    plants.add("n" * 200, State.YIELDED, None, host="h" * 200)
    fill(plants, HOSTILE)


async def texts(page: Page, selector: str = "#cards h2") -> list[str]:
    return await page.locator(selector).all_text_contents()


# What is shown ---------------------------------------------------------------------------------------


async def test_page_when_the_gateway_moves_then_its_values_follow_without_a_reload(browser):
    """A simulated gateway, the real session, the real page: the number changes, the document stays."""
    hour = 9
    settings = None
    async with SimulatedGateway("SH5.0RS", now=lambda: datetime(2026, 6, 1, hour, tzinfo=UTC)) as gateway:
        settings = Harness.configuration(
            {"host": f"127.0.0.1:{gateway.port}", "name": "roof", "transport": "ws", "refresh_interval": "5s"}
        )
        exposition = Exposition(CATALOGUE)
        pool = Pool(
            settings.targets, on_change=lambda name: exposition.update(pool.status(name), pool.snapshot(name))
        )
        server = Server(exposition, pool.statuses, pool.tasks_alive)
        async with pool, serving(server) as url, opened(browser, url) as page:
            await until(page, "document.querySelector('.flow')")
            await page.evaluate("window.mark = document.querySelector('[data-target=roof]')")
            await page.click("summary")
            before = await page.locator(".flow").get_attribute("aria-label")
            hour = 12
            await until(page, f"document.querySelector('.flow').getAttribute('aria-label') !== {before!r}")
            after = await page.locator(".flow").get_attribute("aria-label")
            assert f"PV {gateway.plant.power('pv', datetime(2026, 6, 1, 12, tzinfo=UTC)):.2f}" in after
            assert await page.evaluate("window.mark === document.querySelector('[data-target=roof]')")
            assert await page.locator("details").get_attribute("open") is not None


async def test_page_when_the_script_takes_over_then_nothing_changes(browser, plants):
    """The cards that the script builds are those that the server wrote, node for node."""
    various(plants)
    shape = """() => {
      const read = (node) => node.nodeType === Node.TEXT_NODE ? node.data : [node.nodeName,
        [...node.attributes].map(({ name, value }) => `${name}=${value}`).sort(), [...node.childNodes]
          .filter((child) => child.nodeType !== Node.TEXT_NODE || child.data).map(read)];
      const cards = document.getElementById("cards").cloneNode(true);
      cards.normalize();
      return JSON.stringify(read(cards));
    }"""
    async with serving(plants.server()) as url:
        async with opened(browser, url, java_script_enabled=False) as page:
            written = await page.evaluate(shape)
            assert len(await texts(page)) == 7
        async with opened(browser, url) as page:
            await page.evaluate("document.getElementById('cards').replaceChildren()")
            await page.click("#search button")
            await until(page, "document.getElementById('cards').children.length === 7")
            assert await page.evaluate(shape) == written


async def test_page_when_a_reload_is_refused_then_it_says_so_in_the_words_of_the_server(browser, plants):
    """It comes and goes while the page is open; whoever opens it meanwhile reads the same."""
    plants.house()
    notice = "document.getElementById('reload')"
    async with serving(plants.server()) as url, opened(browser, url, viewport=PHONE) as page:
        assert not await page.locator("#reload").is_visible()
        plants.exposition.reloaded(successful=False, error=f"{HOSTILE}.yml: one mistake {'n' * 200}")
        plants.now += 300.0
        await page.click("#search button")
        await until(page, f"!{notice}.hidden")
        shown = await page.locator("#reload").inner_html()
        assert "refused 5\u00a0min ago" in await page.inner_text("#reload")
        assert f"{HOSTILE}.yml: one mistake" in await page.inner_text("#reload")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (await page.evaluate(CONTRAST))["poor"] == []
        async with opened(browser, url, java_script_enabled=False) as other:
            assert await other.locator("#reload").inner_html() == shown
        plants.exposition.reloaded(successful=True)
        await page.click("#search button")
        await until(page, f"{notice}.hidden")


async def test_page_when_names_are_hostile_then_nothing_of_them_runs(browser, plants):
    """Neither as the server writes them nor as the script does; what is put in all the same, does not run."""
    fill(plants, HOSTILE)
    async with serving(plants.server(lifecycle=True)) as url, opened(browser, url) as page:
        await page.fill("#q", HOSTILE[:30])
        await until(page, "location.search.includes('q=')")
        assert await texts(page) == [HOSTILE]
        assert await page.locator("#cards script, #cards img").count() == 0
        assert await page.locator("button[data-action=pause]").count() == 1
        await page.evaluate("""() => document.body.append(Object.assign(document.createElement("script"),
          { textContent: "document.title = 'broken'" }))""")
        assert await page.title() == "(1) winet-exporter"
        assert "Content Security Policy" in page.complaints.pop()


async def test_page_when_there_are_a_thousand_targets_then_they_are_searched_and_paged(browser, plants):
    """Those with a problem first; search, state and page are asked of the server, and stay in the address."""
    for number in range(1000):
        plants.add(f"t{number:03}", State.LOCKED if number == 777 else State.ONLINE)
    async with serving(plants.server()) as url, opened(browser, url) as page:
        names = await texts(page)
        assert (names[0], len(names)) == ("t777", 24)
        assert await page.title() == "(1) winet-exporter"
        await page.click("#next")
        await until(page, "document.querySelector('#cards h2').textContent === 't023'")
        assert await page.inner_text("#where") == "25 to 48 of 1000"
        await page.fill("#q", "99")
        await until(page, "document.querySelectorAll('#cards h2').length === 19")
        assert "19 of 19 matching" in await page.inner_text("#summary")
        assert not await page.locator("#next").is_visible()
        await page.reload()
        assert (await page.input_value("#q"), len(await texts(page))) == ("99", 19)
        await page.fill("#q", "")
        await page.select_option("#state", "locked")
        await until(page, "document.querySelectorAll('#cards h2').length === 1")
        assert await texts(page) == ["t777"]
        await page.fill("#q", "nowhere")
        await until(page, "document.getElementById('nothing').checkVisibility()")


async def test_page_when_the_order_changes_then_the_focus_stays_with_its_target(browser, plants):
    """Who is about to press a button does not press that of another target."""
    plants.house("a")
    plants.house("b")
    async with serving(plants.server(lifecycle=True)) as url, opened(browser, url) as page:
        await page.focus("[data-target=b] button")
        plants.house("b", state=State.LOCKED)
        await page.evaluate("document.getElementById('search').requestSubmit()")
        await until(page, "document.querySelector('#cards h2').textContent === 'b'")
        assert await page.evaluate("document.activeElement.closest('[data-target]')?.dataset.target") == "b"


async def test_page_when_there_is_no_script_then_search_and_pages_work(browser, plants):
    """Form and links are the server's."""
    for number in range(30):
        plants.house(f"t{number:02}")
    async with serving(plants.server()) as url, opened(browser, url, java_script_enabled=False) as page:
        assert len(await texts(page)) == 24
        assert await page.locator(".flow").count() == 24
        assert "Without JavaScript" in await page.inner_text("#search")
        await page.click("#next")
        assert len(await texts(page)) == 6
        await page.fill("#q", "t07")
        await page.click("#search button")
        assert await texts(page) == ["t07"]


# Asking ----------------------------------------------------------------------------------------------


async def test_page_when_the_exporter_is_gone_then_it_says_so_and_old_power_is_no_power(browser, plants):
    """A word at once, no values after a minute, and all is well once it is back."""
    plants.house()
    async with serving(plants.server()) as url, opened(browser, url) as page:
        await page.clock.install()
        await page.reload()
        await until(page, "document.getElementById('updated').textContent")
        await page.route("**/api/v1/status*", lambda route: route.abort())
        await page.clock.run_for(5000)
        await until(page, "document.getElementById('trouble').textContent.includes('cannot be reached')")
        assert "What is shown is of " in await page.inner_text("#trouble")
        assert await page.locator(".flow").count() == 1
        for _ in range(13):
            async with page.expect_event("requestfailed"):
                await page.clock.run_for(5000)
        await until(page, "!document.querySelector('.flow')")
        await page.unroute("**/api/v1/status*")
        await page.clock.run_for(5000)
        await until(page, "document.querySelector('.flow') && document.getElementById('trouble').hidden")
        page.complaints[:] = [text for text in page.complaints if "ERR_FAILED" not in text]


@pytest.mark.parametrize("body, words", [
    ('{"error": "not you"}', "(401): not you."), ("<html>", "(401): "),
])  # fmt: skip
async def test_page_when_it_is_refused_then_it_tells_in_words(browser, plants, body, words):
    """A proxy may ask for a password all of a sudden."""
    plants.add()
    async with serving(plants.server()) as url, opened(browser, url) as page:
        await page.route("**/api/v1/status*", lambda route: route.fulfill(status=401, body=body))
        await page.click("#search button")
        await until(page, f"document.getElementById('trouble').textContent.includes({words!r})")
        page.complaints[:] = [text for text in page.complaints if "401" not in text]


async def test_page_when_nobody_looks_then_it_does_not_ask(browser, plants):
    """Hidden it is quiet; shown again it asks at once."""
    plants.add()
    hide = """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange")); }"""
    async with serving(plants.server()) as url, opened(browser, url) as page:
        asked: list[str] = []
        await page.clock.install()
        await page.reload()
        await until(page, "document.getElementById('updated').textContent")
        page.on("request", lambda request: asked.append(request.url))
        await page.evaluate(hide, True)
        await page.clock.run_for(60_000)
        assert asked == []
        async with page.expect_response("**/api/v1/status*"):
            await page.evaluate(hide, False)
        async with page.expect_response("**/api/v1/status*"):
            await page.clock.run_for(6000)


async def test_page_when_a_proxy_puts_it_under_a_path_then_it_still_works(browser, plants):
    """All addresses are relative."""
    plants.house()
    outer = web.Application()
    outer.add_subapp("/solar/", plants.server().make_app())
    runner = web.AppRunner(outer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        async with opened(browser, f"http://127.0.0.1:{port}/solar/") as page:
            for link in await page.locator(".top a").all():
                address = await link.evaluate("element => element.href")
                assert address.startswith(f"http://127.0.0.1:{port}/solar/")
                assert (await page.request.get(address)).status in (200, 503)
    finally:
        await runner.cleanup()


# Buttons ---------------------------------------------------------------------------------------------


class Lifecycle:
    """What stands behind the buttons: remembers what was posted, answers as told."""

    def __init__(self, plants: Plants) -> None:
        self.plants = plants
        self.posted: list[str] = []
        self.status = 200

    def app(self) -> web.Application:
        app = self.plants.server(lifecycle=True).make_app()
        app.router.add_post("/-/pause", self.answer)
        app.router.add_post("/-/resume", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        self.posted.append(request.path_qs)
        if self.status == 200:
            state = State.PAUSED if request.path == "/-/pause" else State.ONLINE
            self.plants.house(request.query["target"], state=state)
        return web.Response(status=self.status, text="<b>not from here</b>\n")


async def test_buttons_when_they_are_pressed_then_the_target_is_paused_and_resumed(
    browser, plants, aiohttp_server
):
    """The page posts to its own origin, tells a refusal in words, and the focus stays."""
    plants.house("roof & barn")
    lifecycle = Lifecycle(plants)
    server: Any = await aiohttp_server(lifecycle.app())
    async with opened(browser, str(server.make_url("/"))) as page:
        await page.focus("[data-action=pause]")
        await page.keyboard.press("Enter")
        await until(page, "document.querySelector('.actions p').textContent === 'Paused.'")
        await until(page, "document.querySelector('[data-action=resume]') === document.activeElement")
        assert await texts(page, ".state") == ["paused"]
        await page.click("[data-action=resume]")
        await until(page, "document.querySelector('.actions p').textContent === 'Resumed.'")
        assert lifecycle.posted == ["/-/pause?target=roof+%26+barn&for=15m", "/-/resume?target=roof+%26+barn"]
        refusals = {403: "does not allow this (403): <b>", 404: "cannot do this (404)", 500: "answers 500"}
        for lifecycle.status, words in refusals.items():
            await page.click("[data-action=pause]")
            await until(page, f"document.querySelector('.actions p').textContent.includes({words!r})")
        await page.route("**/-/pause*", lambda route: route.abort())
        await page.click("[data-action=pause]")
        await until(page, "document.querySelector('.actions p').textContent.includes('cannot be reached')")
        page.complaints.clear()


@pytest.mark.parametrize("state", [State.BACKING_OFF, State.ASLEEP])
async def test_buttons_when_a_try_is_waited_for_then_one_asks_for_it_now(
    browser, plants, aiohttp_server, state
):
    """Beside the other, which stays in its place; the wait after a refused login has none."""
    plants.house("roof", state=state, retry_at=plants.now + 200.0)
    plants.house("attic", state=State.REFUSED, retry_at=plants.now + 200.0)
    plants.house("barn", state=State.CONNECTING)
    lifecycle = Lifecycle(plants)
    server: Any = await aiohttp_server(lifecycle.app())
    async with opened(browser, str(server.make_url("/"))) as page:
        await page.wait_for_selector("[data-action=resume]")
        assert await texts(page, "[data-action=resume]") == ["Try now"]
        assert len(await texts(page, "[data-action=pause]")) == 3
        await page.click("[data-target=roof] [data-action=resume]")
        note = "document.querySelector('[data-target=roof] .actions p').textContent"
        await until(page, f"{note} === 'Asked to try.'")
        assert await texts(page, "[data-action=resume]") == []
        assert lifecycle.posted == ["/-/resume?target=roof"]


async def test_buttons_when_the_server_has_no_lifecycle_then_there_are_none(browser, plants):
    """No button that could only be refused."""
    plants.house()
    async with serving(plants.server()) as url, opened(browser, url) as page:
        assert await page.locator("[data-action]").count() == 0


# Looks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 320, "height": 600}, PHONE, DESKTOP])
async def test_page_when_it_is_seen_anywhere_then_it_fits_and_can_be_read(browser, plants, viewport, scheme):
    """No scrolling sideways even with endless names, and every text has contrast, by day and by night."""
    various(plants)
    options = {"viewport": viewport, "color_scheme": scheme}
    async with serving(plants.server(lifecycle=True)) as url, opened(browser, url, **options) as page:
        await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert await page.evaluate(WIDE) == []
        contrast = await page.evaluate(CONTRAST)
        assert contrast["looked"] > 80
        assert contrast["poor"] == []
        back = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(15, 19, 24)") == (scheme == "dark")


@pytest.mark.parametrize("motion, moves", [("reduce", False), ("no-preference", True)])
async def test_flow_when_motion_is_unwanted_then_nothing_moves(browser, plants, motion, moves):
    """The arrows tell the direction anyway."""
    plants.house()
    async with serving(plants.server()) as url, opened(browser, url, reduced_motion=motion) as page:
        assert await page.evaluate("document.getAnimations().length > 0") is moves


async def test_page_when_it_is_used_without_a_mouse_then_everything_has_a_name(browser, plants):
    """Landmarks, labels, headings, and a picture that can be read out; focus is seen."""
    various(plants)
    async with serving(plants.server(lifecycle=True)) as url, opened(browser, url) as page:
        tree = await page.locator("body").aria_snapshot()
        for part in ("banner", 'navigation "Exporter"', "main", "search", 'searchbox "Name, host or label"',
                     'combobox "State"', 'heading "house" [level=2]', 'navigation "Pages"', 'img "PV 3.50 kW',
                     'button "Pause for 15 min: house"', "contentinfo"):  # fmt: skip
            assert part in tree, part
        await page.keyboard.press("Tab")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
