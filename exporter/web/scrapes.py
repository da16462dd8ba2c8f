"""The response to a scrape: whole, packed or in pieces, without keeping the event loop from other work."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from exporter.metrics.columns import Body
from exporter.metrics.exposition import Exposition, Format
from exporter.web.negotiation import choose_format, wants_gzip
from exporter.web.packing import is_soon_done, packed

WORTH_PACKING = 1 << 10
SMALL = 1 << 17  # bytes that are joined and sent in a fraction of a millisecond
TURN_SECONDS = 0.005  # after which others have theirs


class Turns:
    """Lets others have their turn when this one has lasted."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def next(self) -> None:
        if time.perf_counter() - self._began > TURN_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def scraped(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """All targets, in the format and the packing that the request asks for."""
    turns = Turns()
    for _ in exposition.freshen():
        await turns.next()
    form = choose_format(request.headers.get("Accept"))
    return await respond(request, form, exposition.body(form, apart=_is_packed(request)), turns)


async def respond(request: web.Request, form: Format, body: Body, turns: Turns) -> web.StreamResponse:
    """The response with this body: a small one as it is, a large one streamed, or packed in a thread."""
    headers = {"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"}
    if body.length >= WORTH_PACKING and _is_packed(request):
        headers["Content-Encoding"] = "gzip"
        soon = is_soon_done(body.length)
        done = packed(body.pieces) if soon else await asyncio.to_thread(packed, body.pieces)
        return web.Response(body=done, headers=headers)
    if body.length < SMALL:
        return web.Response(body=body.whole(), headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Length": str(body.length)})
    if request.method == "HEAD":
        return response
    await response.prepare(request)
    for part in body.parts():
        await response.write(part)  # waits for room: what a slow reader is yet to get is not in memory twice
        await turns.next()
    await response.write_eof()
    return response


def _is_packed(request: web.Request) -> bool:
    return wants_gzip(request.headers.get("Accept-Encoding"))
