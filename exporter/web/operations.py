"""The operator's routes: probes, discovery, configuration, reload and pauses."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web
from yarl import URL

from exporter.metrics.exposition import Format

LONGEST_SCRAPE = 30.0
DEADLINE_OFFSET = 0.5  # so that the answer is there before Prometheus gives up
DEFAULT_DEADLINE = 10.0
SCRAPE_TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
LONGEST_PAUSE = 86400.0
LONGEST_NAME = 300
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

RenderScrape = Callable[[Format], bytes]
Respond = Callable[[web.Request, RenderScrape], Awaitable[web.StreamResponse]]


class ProbeRefused(Exception):
    """The probe's target may not be read; nothing was dialled or looked up."""


class Overloaded(Exception):
    """There is no room for one more probed gateway."""


class Operations(NamedTuple):
    """What the routes do, wired by the command.

    `probe(target, seconds)` waits until a target is read and returns how to render it; it raises
    `ProbeRefused` or `Overloaded`. `reload()` returns what is wrong, "" if nothing. `pause` and `resume`
    raise `KeyError` for an unknown target. `external_host` is that of --web.external-url.
    """

    probe: Callable[[str, float], Awaitable[RenderScrape]]
    discovery: Callable[[], list[dict[str, Any]]]
    configuration: Callable[[], Awaitable[str]]
    reload: Callable[[], Awaitable[str]]
    pause: Callable[[str, float], None]
    resume: Callable[[str], bool]
    lifecycle: bool = False
    external_host: str = ""
    begun: Callable[[], bool] = lambda: True

    def add_routes(self, app: web.Application, respond: Respond) -> None:
        """Add all of them. `respond` makes the response to a scrape, in the format it asks for."""

        async def probe(request: web.Request) -> web.StreamResponse:
            return await respond(request, await self._probe(request))

        app.router.add_get("/probe", probe)
        app.router.add_get("/sd", self._sd)
        app.router.add_get("/config", self._config)
        app.router.add_post("/-/reload", self._reload)
        app.router.add_post("/-/pause", self._pause)
        app.router.add_post("/-/resume", self._resume)

    async def _probe(self, request: web.Request) -> RenderScrape:
        target = _one(request, "target")
        try:
            return await self.probe(target, scrape_deadline(request.headers.get(SCRAPE_TIMEOUT)))
        except ProbeRefused as refused:
            raise web.HTTPBadRequest(text=f"target may not be probed: {refused}\n") from None
        except Overloaded as overloaded:
            raise web.HTTPServiceUnavailable(text=f"{overloaded}; try again later\n") from None

    async def _sd(self, request: web.Request) -> web.Response:
        return web.json_response(self.discovery())

    async def _config(self, request: web.Request) -> web.Response:
        return web.Response(text=await self.configuration(), content_type="text/plain", charset="utf-8")

    async def _reload(self, request: web.Request) -> web.Response:
        self._check_post(request)
        wrong = await self.reload()
        if wrong:
            raise web.HTTPInternalServerError(text=f"not reloaded, the old configuration stays:\n{wrong}\n")
        return web.Response(text="Reloaded\n")

    async def _pause(self, request: web.Request) -> web.Response:
        self._check_post(request)
        target, seconds = _one(request, "target"), _pause_seconds(_one(request, "for"))
        try:
            self.pause(target, seconds)
        except KeyError:
            raise web.HTTPNotFound(text="there is no such target\n") from None
        return web.Response(text=f"Paused for {seconds:g} s\n")

    async def _resume(self, request: web.Request) -> web.Response:
        self._check_post(request)
        try:
            resumed = self.resume(_one(request, "target"))
        except KeyError:
            raise web.HTTPNotFound(text="there is no such target\n") from None
        nothing = "Nothing to resume: it is neither paused nor backing off nor asleep\n"
        return web.Response(text="Resumed\n" if resumed else nothing)

    def _check_post(self, request: web.Request) -> None:
        """Refuse what a foreign page could make a browser send."""
        if not self.lifecycle:
            raise web.HTTPForbidden(text="not allowed: start with --web.enable-lifecycle\n")
        here = _place(f"http://{request.headers.get('Host', '')}")
        host = here[0]
        if not (host == "localhost" or _is_address(host) or (host and host == self.external_host)):
            raise web.HTTPForbidden(text="foreign Host; give --web.external-url if it is yours\n")
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_own(_place(origin), here):
            raise web.HTTPForbidden(text="foreign Origin\n")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise web.HTTPForbidden(text="a request from another site\n")

    def _is_own(self, place: tuple[str, int | None], here: tuple[str, int | None]) -> bool:
        return place == here or bool(place[0] and place[0] == self.external_host)


def scrape_deadline(header: str | None) -> float:
    """Seconds that a scrape may take, by its header; a header that makes no sense is none."""
    try:
        seconds = float(header or "")
    except ValueError:
        return DEFAULT_DEADLINE
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_DEADLINE
    return max(min(seconds, LONGEST_SCRAPE) - DEADLINE_OFFSET, DEADLINE_OFFSET)


def _one(request: web.Request, name: str) -> str:
    values = request.query.getall(name, [])
    if len(values) != 1 or not values[0].strip() or len(values[0]) > LONGEST_NAME:
        raise web.HTTPBadRequest(text=f"needs exactly one {name} in the URL: ?{name}=…\n")
    return values[0].strip()


def _pause_seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 1.0 <= seconds <= LONGEST_PAUSE:
        raise web.HTTPBadRequest(text="for must be from 1s to 24h, such as 15m\n")
    return seconds


def _place(url: str) -> tuple[str, int | None]:
    """Host in lower case and port of a URL, None for the usual ones; ("", None) for what is no URL."""
    try:
        parsed = URL(url)
        port = parsed.explicit_port
    except ValueError:
        return "", None
    usual = port in (None, 80, 443) or parsed.scheme not in ("http", "https")
    return (parsed.host or "").lower(), None if usual else port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
