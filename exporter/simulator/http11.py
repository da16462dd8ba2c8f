"""As much HTTP/1.1 as the gateway needs: one request a connection, header names kept as they were sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

LARGEST_HEAD = 16 * 1024
LARGEST_BODY = 64 * 1024

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class BadRequestError(ConnectionError):
    """What arrived is no HTTP request that this server can read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `headers` in the order and the spelling of the sender."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: tuple[tuple[str, str], ...]
    body: str

    def exactly(self, name: str) -> str | None:
        """The value of the header whose name is spelt exactly so."""
        return next((value for spelling, value in self.headers if spelling == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; the connection ends with it, unless it is the switch to WebSocket."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Sequence[tuple[str, str]] = ()

    def encode(self) -> bytes:
        """The answer's bytes."""
        lines = [f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Refused')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            lines += [
                f"Content-Type: {self.content_type}",
                f"Content-Length: {len(self.body)}",
                "Connection: close",
            ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def text_response(status: int, text: str) -> Response:
    """A line of plain text."""
    return Response(status, text.encode())


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request; `BadRequestError` if it is none, `IncompleteReadError` if the line ends first."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise BadRequestError("the head of the request is too long") from error
    lines = head.decode("latin-1").split("\r\n")
    match lines[0].split(" "):
        case [method, target, "HTTP/1.1" | "HTTP/1.0"]:
            pass
        case _:
            raise BadRequestError("no HTTP request")
    headers = tuple(_header(line) for line in lines[1:] if line)
    url = urlsplit(target)
    length = next((value for name, value in headers if name.lower() == "content-length"), "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise BadRequestError("the body of the request is too long")
    body = await reader.readexactly(int(length))
    return Request(method, unquote(url.path), parse_qs(url.query), headers, body.decode("utf-8", "replace"))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise BadRequestError("a header without a colon")
    return name, value.strip()
