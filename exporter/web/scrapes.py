"""The response to a scrape: whole, packed or in pieces, without keeping the event loop from other work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from aiohttp import web

from exporter.metrics.exposition import Exposition, Format
from exporter.web.negotiation import choose_format, wants_gzip
from exporter.web.packing import packed

WORTH_PACKING = 1 << 10
WORTH_A_THREAD = 1 << 17  # packing less takes less than a millisecond
TURN_SECONDS = 0.005  # after which others have theirs


class _Turns:
    """Lets others have their turn when this one has lasted."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def next(self) -> None:
        if time.perf_counter() - self._began > TURN_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def scraped(request: web.Request, exposition: Exposition) -> web.StreamResponse:
    """All targets, in the format and the packing that the request asks for."""
    turns = _Turns()
    for _ in exposition.freshen():
        await turns.next()
    form = choose_format(request.headers.get("Accept"))
    return await respond(request, form, exposition.pieces(form), turns)


async def respond(
    request: web.Request, form: Format, pieces: Iterator[bytes], turns: _Turns | None = None
) -> web.StreamResponse:
    """The response with these pieces as its body. One piece goes as it is, more are streamed or packed."""
    headers = {"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"}
    first, second = next(pieces, b""), next(pieces, None)
    is_whole = second is None
    everything = chain((first,) if second is None else (first, second), pieces)
    if wants_gzip(request.headers.get("Accept-Encoding")) and not (is_whole and len(first) < WORTH_PACKING):
        headers["Content-Encoding"] = "gzip"
        if is_whole and len(first) < WORTH_A_THREAD:
            return web.Response(body=packed(everything), headers=headers)
        return web.Response(body=await asyncio.to_thread(packed, everything), headers=headers)
    if is_whole:
        return web.Response(body=first, headers=headers)
    if request.method == "HEAD":  # its length is all that is wanted
        length = sum(len(piece) for piece in everything)
        return web.StreamResponse(headers={**headers, "Content-Length": str(length)})
    return await _streamed(request, headers, everything, turns or _Turns())


async def _streamed(
    request: web.Request, headers: dict[str, str], pieces: Iterable[bytes], turns: _Turns
) -> web.StreamResponse:
    """Send each piece when there is room for it: what a slow reader is yet to get is not in memory twice."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
        await turns.next()
    await response.write_eof()
    return response
