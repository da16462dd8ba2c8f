"""The routes for people, `/` and `/api/v1/status`: what they need is loaded by the first visit.

Most exporters are only ever scraped, and do without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from exporter.metrics.exposition import Exposition
from exporter.telemetry import TargetStatus

if TYPE_CHECKING:
    from exporter.web.status_pages import StatusPages

API_PATH = "/api/v1/status"


class Options(NamedTuple):
    """What else the server has. `docs_url` is where the handbook is, if anywhere."""

    telemetry_path: str = "/metrics"
    lifecycle: bool = False
    config_page: bool = False
    authenticated: bool = False
    docs_url: str = ""


class Visits:
    """Handlers for a `Server`. `statuses` asks the pool; `clock` is the one they are dated by.

    `guarded` tells whether there is anybody who is not let in, which may change; None leaves it to `options`.
    """

    def __init__(
        self,
        exposition: Exposition,
        statuses: Callable[[], Mapping[str, TargetStatus]],
        options: Options,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        guarded: Callable[[], bool] | None = None,
    ) -> None:
        began, started = clock(), wall()

        def load() -> StatusPages:
            # 7 ms at the start and some hundred kB; a thread keeps the event loop free meanwhile
            from exporter.web.status_pages import StatusPages

            return StatusPages(
                exposition, statuses, options, began, started, clock=clock, wall=wall, guarded=guarded
            )

        self._load = load
        self._pages: StatusPages | None = None

    async def api(self, request: web.Request) -> web.Response:
        """`/api/v1/status`."""
        return await (await self._loaded()).api(request)

    async def page(self, request: web.Request) -> web.Response:
        """`/`."""
        return await (await self._loaded()).page(request)

    async def _loaded(self) -> StatusPages:
        if self._pages is None:
            self._pages = await asyncio.to_thread(self._load)
        return self._pages
