"""A WebSocket that has forgotten how it was opened.

aiohttp keeps the HTTP response of the upgrade for as long as the WebSocket lives, with the request, both
sides' headers and the parser that read them: six kilobytes, of which nothing but the connection is looked at
again. A thousand gateways stay connected for months, so what is over is let go of.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import aiohttp

NOTHING: deque[Any] = deque(maxlen=0)  # one for all


class _Opened:
    """Stands in for the response: all of it that a WebSocket asks for after its opening."""

    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        self.close()  # as the response does: a socket that nobody closed is not left open


class UpgradedWebSocket(aiohttp.ClientWebSocketResponse):
    """`ws_response_class` of our HTTP clients."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._response: Any = _without_opening(self._response)


def _without_opening(response: Any) -> Any:
    """What can take the response's place; itself where an aiohttp to come has other insides."""
    connection = response.connection
    mine = vars(response)
    if mine.get("_connection") is not connection or mine.get("_closed") is not False:
        return response
    protocol = connection.protocol
    if protocol.upgraded:
        _leave_http(protocol)
    # else the response would close the connection with its own end
    mine.update(_connection=None, _closed=True)
    return _Opened(connection)


def _leave_http(protocol: Any) -> None:
    """Frames are read by another parser and wait in another queue than responses did."""
    if hasattr(protocol, "_parser"):
        setattr(protocol, "_parser", None)  # noqa: B010
    if getattr(protocol, "_buffer", None) == NOTHING:
        setattr(protocol, "_buffer", NOTHING)  # noqa: B010  an empty deque takes 760 bytes
