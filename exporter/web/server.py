"""The HTTP server: metrics, health, readiness and the status page, all from what is at hand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exporter.metrics.columns import Body
from exporter.metrics.exposition import Exposition
from exporter.telemetry import State, TargetStatus
from exporter.web.negotiation import choose_format
from exporter.web.operations import Operations, RenderScrape
from exporter.web.scrapes import Turns, respond, scraped
from exporter.web.visits import API_PATH, Options, Visits

if TYPE_CHECKING:
    from exporter.web.security import Security

SHUTDOWN_SECONDS = 1.0  # a scrape takes milliseconds
BEING_TRIED = (State.STARTING, State.CONNECTING, State.AUTHENTICATING, State.ONLINE)


class _NoQuotes(logging.Filter):
    """aiohttp logs requests that are no HTTP with a traceback that quotes them; a password may be in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args = "a request that is no HTTP (%s)", (type(error).__name__,)
            record.exc_info, record.exc_text = None, None
        return True


_NO_QUOTES = _NoQuotes()


class Address(NamedTuple):
    """Where to listen; `host` None is every interface."""

    host: str | None
    port: int


class Server:
    """Serves one `Exposition`. `statuses` and `alive` ask the pool; `clock` is the one they are dated by.

    `background` are endless coroutines that run for as long as the server does. `lifecycle`, `config_page`
    and `authenticated` tell the status page what else there is; `operations` bring the first two.
    Without `security` everybody is let in, unencrypted.
    """

    def __init__(
        self,
        exposition: Exposition,
        statuses: Callable[[], Mapping[str, TargetStatus]],
        alive: Callable[[], bool],
        *,
        telemetry_path: str = "/metrics",
        clock: Callable[[], float] = time.monotonic,
        operations: Operations | None = None,
        background: Iterable[Callable[[], Coroutine[Any, Any, None]]] = (),
        wall: Callable[[], float] = time.time,
        lifecycle: bool = False,
        config_page: bool = False,
        authenticated: bool = False,
        docs_url: str = "",
        security: Security | None = None,
    ) -> None:
        logging.getLogger("aiohttp.server").addFilter(_NO_QUOTES)
        self._exposition = exposition
        self._statuses = statuses
        self._alive = alive
        self._telemetry_path = telemetry_path
        self._operations = operations
        self._background = tuple(background)
        if operations is not None:
            lifecycle, config_page = operations.lifecycle, True
        options = Options(telemetry_path, lifecycle, config_page, authenticated, docs_url)
        guarded = None if security is None else lambda: security.guarded
        self._pages = Visits(exposition, statuses, options, clock=clock, wall=wall, guarded=guarded)
        self._security = security
        self._runner = web.AppRunner(self.make_app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)

    def make_app(self) -> web.Application:
        app = web.Application()
        app.cleanup_ctx.append(self._in_background)
        if self._security is not None:
            self._security.install(app)
        app.router.add_get(self._telemetry_path, self._metrics)
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/-/ready", self._ready)
        app.router.add_get(API_PATH, self._pages.api)
        if self._telemetry_path != "/":
            app.router.add_get("/", self._pages.page)
        if self._operations is not None:
            self._operations.add_routes(app, self._probed)
        return app

    async def _in_background(self, app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work(), name=f"web:{work.__name__}") for work in self._background]
        yield
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)

    async def start(self, addresses: list[Address]) -> list[Address]:
        """Listen. Returns the addresses with their true ports. Raises `OSError` if one is not free."""
        await self._runner.setup()
        context = self._security.ssl_context if self._security is not None else None
        try:
            for host, port in addresses:
                await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        except OSError:
            await self.aclose()
            raise
        if self._security is not None:
            self._security.watch()
        return [Address(address[0], address[1]) for address in self._runner.addresses]

    async def aclose(self) -> None:
        """Stop listening, let answers under way be finished, and close."""
        if self._security is not None:
            self._security.close()
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        return await scraped(request, self._exposition)

    async def _probed(self, request: web.Request, render: RenderScrape) -> web.StreamResponse:
        form = choose_format(request.headers.get("Accept"))
        body = render(form)
        return await respond(request, form, Body(len(body), iter([body])), Turns())

    async def _healthy(self, request: web.Request) -> web.Response:
        if not self._alive():
            return web.Response(status=503, text="A session has ended on its own; see the log.\n")
        return web.Response(text="Healthy\n")

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready once every target had its first cycle, or is known to stay away for a reason."""
        if self._operations is not None and not self._operations.begun():
            return web.Response(status=503, text="Starting\n")
        waiting = [
            name
            for name, status in self._statuses().items()
            if not status.had_first_cycle and status.failing_since is None and status.state in BEING_TRIED
        ]
        if waiting:
            some = ", ".join(waiting[:10]) + (" …" if len(waiting) > 10 else "")
            return web.Response(status=503, text=f"Waiting for the first readings of {some}\n")
        return web.Response(text="Ready\n")
