"""What `--web.config.file` puts before the server: TLS, passwords, headers, a rate; re-read as it changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from exporter.config import ConfigError
from exporter.web import web_config
from exporter.web.passwords import Passwords, TooBusyError, parse_header
from exporter.web.tls import Context, CurrentContext, make_context
from exporter.web.web_config import RateLimit, Signature, WebConfig

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class _Reading(NamedTuple):
    """What came of reading the file again: a configuration, with a context if that is new, or an error."""

    config: WebConfig | None = None
    context: Context | None = None
    error: str = ""


class Security:
    """One web configuration file in force. While it is broken every request is answered with 500.

    The constructor reads the file: it blocks, and raises `ConfigError`. A change is taken up once it has
    lasted from one look at the files to the next, so that nothing half written is.
    """

    def __init__(
        self,
        path: Path,
        *,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._look_seconds = look_seconds
        self._clock = clock
        self._config = web_config.load(path)
        self._broken = ""
        self._changed: Mapping[Path, Signature] | None = None
        self._passwords = Passwords()
        self._bucket = _Bucket(self._config.rate_limit, clock)
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Future[_Reading | None] | None = None
        tls = self._config.tls
        self.ssl_context = None if tls is None else CurrentContext.of(make_context(tls))

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._config.warnings

    @property
    def guarded(self) -> bool:
        """Is there anybody who is not let in?"""
        tls = self._config.tls
        return bool(self._config.users) or (
            tls is not None and tls.client_auth == "RequireAndVerifyClientCert"
        )

    def install(self, app: web.Application) -> None:
        """Stand in front of every route of the application, those that do not exist included."""
        app.middlewares.append(self.guard)
        app.on_response_prepare.append(self._add_headers)

    def watch(self) -> None:
        """Begin to look at the files, every second."""
        self._timer = asyncio.get_running_loop().call_later(self._look_seconds, self._begin_look)

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
        self._timer = self._looking = None

    # Requests ----------------------------------------------------------------------------------------

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if _is_outdated(request):
            return web.Response(status=421, text="The connection was made under settings that are no more.\n")
        if self._broken:
            return web.Response(status=500, text="The web configuration is broken; see the exporter's log.\n")
        if not self._bucket.take():
            return web.Response(status=429, text="Too Many Requests\n")
        users = self._config.users
        if users:
            given = parse_header(request.headers.get("Authorization"))
            try:
                welcome = given is not None and await self._passwords.check(users, *given)
            except TooBusyError:
                return web.Response(status=429, text="Too Many Requests\n")
            if not welcome:
                return web.Response(status=401, text="Unauthorized\n", headers={"WWW-Authenticate": "Basic"})
        return await handler(request)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._config.headers)

    # Watching ----------------------------------------------------------------------------------------

    def _begin_look(self) -> None:
        self._looking = asyncio.get_running_loop().run_in_executor(None, self._look)
        self._looking.add_done_callback(self._end_look)

    def _look(self) -> _Reading | None:
        """In a thread: read the file again if it is time to; None if there is nothing new."""
        now = {path: web_config.signature(path) for path in self._config.files}
        if not self._broken and now == self._config.files:
            self._changed = None
            return None
        if not self._broken and now != self._changed:
            self._changed = now
            return None
        self._changed = None
        try:
            config = web_config.load(self._path)
            if (config.tls is None) != (self._config.tls is None):
                return _Reading(error="TLS cannot be switched on or off while the exporter runs; restart it")
            new = config.tls is not None and config.tls != self._config.tls
            return _Reading(config, make_context(config.tls) if new and config.tls is not None else None)
        except ConfigError as error:
            return _Reading(error="; ".join(map(str, error.mistakes)))

    def _end_look(self, looking: asyncio.Future[_Reading | None]) -> None:
        if looking.cancelled():
            return
        defect = looking.exception()
        reading = (
            _Reading(error=f"{type(defect).__name__}: a defect") if defect is not None else looking.result()
        )
        if reading is not None:
            self._take(reading)
        self.watch()

    def _take(self, reading: _Reading) -> None:
        fields = {"file": str(self._path)}
        if reading.config is None:
            if reading.error != self._broken:
                log.error(
                    "web configuration is broken: requests are answered with 500 until it is mended",
                    extra={"fields": {**fields, "error": reading.error}},
                )
            self._broken = reading.error
            return
        if reading.config.rate_limit != self._config.rate_limit:
            self._bucket = _Bucket(reading.config.rate_limit, self._clock)
        self._config, self._broken = reading.config, ""
        if reading.context is not None and self.ssl_context is not None:
            self.ssl_context.swap(reading.context)
        log.info("web configuration read again", extra={"fields": fields})
        for warning in reading.config.warnings:
            log.warning("web configuration", extra={"fields": {**fields, "warning": warning}})


def _is_outdated(request: web.Request) -> bool:
    """Close a connection that was made under other TLS settings; clients then open another and ask again."""
    transport = request.transport
    line = transport.get_extra_info("ssl_object") if transport is not None else None
    if transport is None or line is None or not line.context.outdated:
        return False
    transport.close()
    return True


class _Bucket:
    """Tokens that come back with time; full at first. Without a limit it never runs dry."""

    def __init__(self, limit: RateLimit | None, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst) if limit else 0.0
        self._filled = clock()

    def take(self) -> bool:
        if self._limit is None:
            return True
        now = self._clock()
        gained = (now - self._filled) / self._limit.interval
        self._tokens, self._filled = min(float(self._limit.burst), self._tokens + gained), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
