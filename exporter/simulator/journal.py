"""What happened at a gateway: exact counts, a log of events, and a way to wait for either."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["in", "out", "open", "close"]

_LONGEST_TEXT = 32_768
"""Characters of a message that its event keeps; only an oversized message of a fault is longer."""


@dataclass(slots=True)
class Counts:
    """Everything since the gateway was made. A message is one WebSocket text message, no control frame."""

    tcp_accepted: int = 0
    upgrades: int = 0
    """Upgrades answered with 101."""
    upgrades_refused: int = 0
    """Upgrades answered with anything else; one that is never answered counts nowhere."""
    sockets_open: int = 0
    max_sockets_open: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    """Handed to the socket. A divided answer counts twice, half a frame not at all."""
    logins: int = 0
    """Accepted, whether or not a fault then spoilt the answer."""
    logins_refused: int = 0
    overlapping: int = 0
    """Questions that came while the one before them on the same socket had no answer (or never got one)."""
    pages: int = 0
    """HTTP requests for the gateway's own pages; those for the simulator's switches do not count."""
    pings: int = 0
    """Ping frames of the WebSocket protocol; questions to the service `ping` are messages."""

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened on one WebSocket."""

    at: float
    """The event loop's time in seconds."""
    connection: int
    """Number of the TCP connection, from 1."""
    direction: Direction
    service: str = ""
    """The service a message names, or for an answer the service that was asked; empty if there is none."""
    dev_id: str = ""
    text: str = ""


class Journal:
    """Counts and events of one gateway."""

    def __init__(self, log_size: int) -> None:
        self.counts = Counts()
        self.log: deque[Event] = deque(maxlen=log_size)
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def note(
        self, connection: int, direction: Direction, service: str = "", dev_id: str = "", text: str = ""
    ) -> None:
        """Write an event down and look whether somebody waited for it; change the counts before."""
        at = asyncio.get_running_loop().time()
        self.log.append(Event(at, connection, direction, service, dev_id, text[:_LONGEST_TEXT]))
        self.changed()

    def changed(self) -> None:
        """Let everybody who waits look again."""
        for condition, future in tuple(self._waiting):
            if future.done():
                continue
            try:
                if condition():
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - it belongs to the one who waits, not to the gateway
                future.set_exception(error)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at now and after each event. No limit of its own."""
        if condition():
            return
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        finally:
            self._waiting.remove(entry)
