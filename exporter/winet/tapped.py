"""A connection that keeps what was said on it, for those who explain or record a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from exporter.telemetry import Counters
from exporter.winet import errors
from exporter.winet.connection import Connection
from exporter.winet.messages import Reply


@dataclass(slots=True)
class Exchange:
    """One question as sent, and every whole message that came until it was answered. Holds secrets."""

    service: str
    request: str
    heard: list[str] = field(default_factory=list)
    reply: Reply | None = None
    failure: errors.WinetError | None = None


class TappedConnection(Connection):
    """Asks as any connection does; `exchanges` is what has been asked, oldest first."""

    def __init__(
        self, websocket: aiohttp.ClientWebSocketResponse, counters: Counters, request_timeout: float
    ) -> None:
        super().__init__(websocket, counters, request_timeout)
        self.exchanges: list[Exchange] = []
        self._parts: list[str] = []

    async def ask_all(self, requests: Mapping[str, str], on_reply: Callable[[str, Reply], None]) -> None:
        begun = {service: Exchange(service, request) for service, request in requests.items()}
        self.exchanges += begun.values()

        def answered(service: str, reply: Reply) -> None:
            begun[service].reply = reply
            on_reply(service, reply)

        try:
            await super().ask_all(requests, answered)
        except errors.WinetError as error:
            for exchange in begun.values():
                exchange.failure = error
            raise

    def _decode(self, text: str) -> Reply | None:
        """Raw texts are kept: what is hidden from a log has to be seen to be scrubbed."""
        self._parts.append(text)
        try:
            reply = super()._decode(text)
        except errors.WinetError:
            self._parts.clear()
            raise
        if reply is not None:
            if self.exchanges:
                self.exchanges[-1].heard.append("".join(self._parts))
            self._parts.clear()
        return reply
