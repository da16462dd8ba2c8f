"""One session with a gateway as a recording: every question once, every answer scrubbed.

The session is that of the exporter: the same dialer, connection and login. A question that is met with
silence costs the line; it is opened anew a few times, and the others are asked then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp

from exporter import __version__
from exporter.config import Target
from exporter.logs import TargetLog
from exporter.telemetry import Counters, Device, GatewayService, Service
from exporter.winet import errors, messages
from exporter.winet.cycle import Cycle
from exporter.winet.dial import Dialer
from exporter.winet.labels import LABELS_PATH
from exporter.winet.lists import decode_devices
from exporter.winet.login import Login
from exporter.winet.redact import Redactor
from exporter.winet.survey import ABOUT_PATH, FAULT, FAULT_TYPES, Survey
from exporter.winet.tapped import Exchange, TappedConnection

FORMAT = "winet-exporter capture"
VERSION = 1
MOST_CONNECTIONS = 4
GREETINGS = ("connect", "login", "devicelist")


class Recording(NamedTuple):
    """What was recorded. `failure` is why it ended before its time, if it did."""

    document: dict[str, Any]
    devices: tuple[Device, ...]
    failure: errors.WinetError | None

    @property
    def answered(self) -> int:
        return sum(bool(exchange["answers"]) for exchange in self.document["exchanges"])


class _Question(NamedTuple):
    service: str
    dev_id: str = ""

    def request(self, token: str) -> str:
        if self.service == FAULT:
            return messages.fault_request(token, self.dev_id)
        if self.dev_id:
            return messages.reading_request(token, Service(self.service), self.dev_id)
        return messages.gateway_request(token, GatewayService(self.service))


def _plan(devices: Iterable[Device]) -> Iterator[_Question]:
    """All that can be asked: also what a device of a known kind would refuse, for it may be of a new kind."""
    for device in devices:
        for service in Service:
            yield _Question(service, device.dev_id)
    for topic in GatewayService:
        if topic is not GatewayService.ABOUT:  # a page, not a question
            yield _Question(topic)
    for device in devices:
        if device.dev_type in FAULT_TYPES:
            yield _Question(FAULT, device.dev_id)


class Recorder:
    """Records one target. `on_progress(done, total)` is called after each question."""

    def __init__(
        self,
        target: Target,
        http: aiohttp.ClientSession,
        redactor: Redactor,
        log: TargetLog,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._target = target
        self._redactor = redactor
        self._on_progress = on_progress
        self._dialer = Dialer(target, http)
        self._counters = Counters()
        survey = Survey(target.refresh_interval, self._dialer, self._counters, log, time.monotonic, time.time)
        self._cycle = Cycle(target, self._counters, survey, time.monotonic, time.time)
        self._login = Login(target, log)
        self._exchanges: list[Exchange] = []
        self._devices: tuple[Device, ...] = ()
        self._left: list[_Question] | None = None
        self._total = 0
        self._scheme = ""

    async def record(self) -> Recording:
        """Ask everything once. Never raises for what the gateway does; that is part of the recording."""
        failure: errors.WinetError | None = None
        pages: dict[str, Any] = {}
        for _ in range(MOST_CONNECTIONS):
            try:
                failure = await self._session(pages)
            except errors.WinetError as error:
                failure = error
                if self._left is None:
                    break
            if not self._left or not isinstance(failure, errors.TransportError):
                break
        document = {
            "format": FORMAT,
            "version": VERSION,
            "made_by": f"winet-exporter {__version__}",
            "month": datetime.now(UTC).strftime("%Y-%m"),
            "transport": self._scheme,
            "login": any(e.service == "login" and e.reply and e.reply.code == 1 for e in self._exchanges),
            "exchanges": [self._scrubbed(exchange) for exchange in self._exchanges],
            "pages": pages,
        }
        return Recording(document, self._devices, failure if self._left or self._left is None else None)

    async def _session(self, pages: dict[str, Any]) -> errors.WinetError | None:
        """One connection: log in, and ask what is left. Returns what cost the line."""
        websocket, endpoint = await self._dialer.open()
        self._scheme = endpoint.scheme
        connection = TappedConnection(websocket, self._counters, self._target.request_timeout)
        first = self._left is None
        try:
            token = await self._login.perform(connection, self._cycle, plain=self._scheme == "ws")
            if self._left is None:
                self._take_devices(connection)
            if not pages:
                await self._fetch_pages(pages)
            await self._ask_what_is_left(connection, token)
            await connection.ask("logout", messages.logout_request(token))
        except errors.WinetError as error:
            return error
        finally:
            self._exchanges += (e for e in connection.exchanges if first or e.service not in GREETINGS)
            await connection.close()
        return None

    def _take_devices(self, connection: TappedConnection) -> None:
        reply = next(e.reply for e in reversed(connection.exchanges) if e.service == "devicelist")
        decoded = decode_devices(reply) if reply is not None else None
        self._devices = decoded.items if decoded is not None else ()
        self._left = list(_plan(self._devices))
        self._total = len(self._left)

    async def _ask_what_is_left(self, connection: TappedConnection, token: str) -> None:
        while self._left:
            question = self._left.pop(0)  # never again, whatever comes of it
            try:
                await connection.ask(question.service, question.request(token))
            finally:
                self._on_progress(self._total - len(self._left), self._total)

    async def _fetch_pages(self, pages: dict[str, Any]) -> None:
        """The page of versions, and whether there is a file of labels, which is too long to be of use."""
        pages[ABOUT_PATH] = await self._page(ABOUT_PATH, self._read_about)
        pages[LABELS_PATH] = await self._page(LABELS_PATH, lambda text: {"lines": text.count("\n")})

    async def _page(self, path: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        try:
            text = await self._dialer.fetch(path)
        except errors.AnswerError as error:
            return {"status": error.code}
        except errors.WinetError as error:
            return {"failure": error.reason.value}
        return {"status": 200, **read(text)}

    def _read_about(self, text: str) -> dict[str, Any]:
        try:
            return {"document": self._redactor.document(json.loads(text))}
        except (ValueError, RecursionError):
            return {"failure": errors.Garbled.reason.value}

    def _scrubbed(self, exchange: Exchange) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "question": self._redactor.question(exchange.request),
            "answers": [self._redactor.document(json.loads(text)) for text in exchange.heard],
        }
        if exchange.failure is not None:
            entry["failure"] = exchange.failure.reason.value
        return entry
