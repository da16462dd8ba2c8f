"""The server's side of the WebSocket protocol (RFC 6455), byte by byte.

Written out here instead of taken from a library, because faults need what libraries prevent: half a frame, a
close frame without an answer, a ping without a pong. It also keeps both ends of a test from sharing one
codec.
"""

import asyncio
import base64
import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

LARGEST_MESSAGE = 256 * 1024
"""Bytes of the longest message accepted; questions are a few hundred bytes long."""

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL = 0x80
_MASKED = 0x80


class Opcode(IntEnum):
    """Kinds of frames."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Message:
    """One whole data message, or one control frame."""

    opcode: Opcode
    data: bytes


class FramingError(ConnectionError):
    """The peer broke the WebSocket protocol; the connection is of no use any more."""


def accept_key(key: str) -> str:
    """The value of `Sec-WebSocket-Accept` that answers a client's key."""
    # The protocol prescribes SHA-1 here; it proves that a WebSocket server reads, and protects nothing.
    digest = hashlib.sha1(key.encode("ascii", "replace") + _ACCEPT_SUFFIX, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def encode(opcode: Opcode, data: bytes) -> bytes:
    """One final, unmasked frame."""
    head = _FINAL | opcode
    if len(data) < 126:
        return struct.pack("!BB", head, len(data)) + data
    if len(data) < 1 << 16:
        return struct.pack("!BBH", head, 126, len(data)) + data
    return struct.pack("!BBQ", head, 127, len(data)) + data


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next message or control frame.

    Control frames between the pieces of a divided message are rare and are not supported: `FramingError`.
    Raises `asyncio.IncompleteReadError` when the line ends first.
    """
    opcode, final, data = await _read_frame(reader)
    if opcode is Opcode.CONTINUATION:
        raise FramingError("continuation without a beginning")
    while not final:
        following, final, more = await _read_frame(reader)
        if following is not Opcode.CONTINUATION:
            raise FramingError("a divided message was interrupted")
        data += more
        if len(data) > LARGEST_MESSAGE:
            raise FramingError(f"message longer than {LARGEST_MESSAGE} bytes")
    return Message(opcode, data)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[Opcode, bool, bytes]:
    first, second = await reader.readexactly(2)
    if not second & _MASKED:
        raise FramingError("a client must mask its frames")
    try:
        opcode = Opcode(first & 0x7F)
    except ValueError:
        raise FramingError(f"unknown frame 0x{first:02x}") from None
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    if length > LARGEST_MESSAGE:
        raise FramingError(f"message longer than {LARGEST_MESSAGE} bytes")
    mask = await reader.readexactly(4)
    return opcode, bool(first & _FINAL), _unmask(await reader.readexactly(length), mask)


def _unmask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(repeated)).to_bytes(size)
