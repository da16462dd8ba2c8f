"""What is answered at `/` and `/api/v1/status`: who asks what, and how the answer is put together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from dataclasses_json import DataClassJsonMixin

from exporter import __version__
from exporter.metrics.exposition import Exposition
from exporter.telemetry import TargetStatus
from exporter.web.listing import BadQuery, Lister, Listing, NoSuchTarget, Turns, parse_query
from exporter.web.page import CONTENT_SECURITY_POLICY, TARGETS_A_PAGE, status_page
from exporter.web.status import NotReloaded
from exporter.web.visits import Options

DEFAULT_LIMIT = 100

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class About(DataClassJsonMixin):
    """The exporter that answers. `refused_reload` is the last one, if none was taken since."""

    version: str
    started_timestamp_seconds: float
    uptime_seconds: float
    refused_reload: NotReloaded | None


@dataclass(frozen=True, slots=True)
class Head(DataClassJsonMixin):
    """What `/api/v1/status` says before its targets."""

    exporter: About
    timestamp_seconds: float
    known: int
    total: int
    problems: int
    states: Mapping[str, int]
    limit: int
    offset: int


class StatusPages:
    """The answers that `Visits` asks for. The server began at `began` by `clock`, at `started` by `wall`."""

    def __init__(
        self,
        exposition: Exposition,
        statuses: Callable[[], Mapping[str, TargetStatus]],
        options: Options,
        began: float,
        started: float,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        guarded: Callable[[], bool] | None = None,
    ) -> None:
        self._options = options
        self._guarded = guarded
        self._exposition = exposition
        self._lister = Lister(exposition, statuses, clock, wall)
        self._clock = clock
        self._wall = wall
        self._began = began
        self._started = started

    def _options_now(self) -> Options:
        """Who is let in may change while the server runs."""
        if self._guarded is None:
            return self._options
        return self._options._replace(authenticated=self._guarded())

    def _not_reloaded(self) -> NotReloaded | None:
        refused = self._exposition.refused_reload
        if refused is None:
            return None
        age = self._clock() - refused.at
        return NotReloaded(refused.error, round(age, 1), round(self._wall() - age, 1))

    async def api(self, request: web.Request) -> web.Response:
        """`/api/v1/status`."""
        try:
            listing = await self._lister.list(parse_query(request.query, DEFAULT_LIMIT))
        except BadQuery as error:
            return _refusal(400, error)
        except NoSuchTarget as error:
            return _refusal(404, error)
        return web.Response(
            body=await self._document(listing), content_type="application/json", headers=HEADERS
        )

    async def page(self, request: web.Request) -> web.Response:
        """`/`."""
        try:
            listing = await self._lister.list(parse_query(request.query, TARGETS_A_PAGE))
        except (BadQuery, NoSuchTarget) as error:
            status = 400 if isinstance(error, BadQuery) else 404
            return web.Response(status=status, text=f"{error}\n", headers=HEADERS)
        return web.Response(
            body=await status_page(listing, self._options_now(), self._not_reloaded()),
            content_type="text/html",
            charset="utf-8",
            headers={**HEADERS, "Content-Security-Policy": CONTENT_SECURITY_POLICY},
        )

    async def _document(self, listing: Listing) -> bytes:
        """The answer, put together target by target so that others have their turn."""
        head = Head(
            exporter=About(
                __version__,
                round(self._started, 1),
                round(self._clock() - self._began, 1),
                self._not_reloaded(),
            ),
            timestamp_seconds=round(self._wall(), 1),
            known=listing.known,
            total=listing.total,
            problems=listing.problems,
            states={str(state): count for state, count in listing.states.items()},
            limit=listing.query.limit,
            offset=listing.query.offset,
        )
        turns = Turns()
        targets = []
        for target in listing.targets:
            targets.append(target.to_json(allow_nan=False).encode())
            await turns.pause()
        return b'%s, "targets": [%s]}\n' % (head.to_json().encode()[:-1], b", ".join(targets))


def _refusal(status: int, error: Exception) -> web.Response:
    body = json.dumps({"error": str(error)})
    return web.Response(status=status, text=body, content_type="application/json", headers=HEADERS)
