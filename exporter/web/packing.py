"""gzip, by the fastest library at hand: isal, which the extra `speed` brings, else Python's own zlib.

What has not changed since the last scrape is not packed again: its lines are compressed apart, as blocks that
refer to nothing before them, and stand in the stream as they are (RFC 1951, 3.2.3). The checksum of the whole
is reckoned from those of its pieces.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.metrics.columns import Kept

SLOW_AT_ONCE = 1 << 17  # bytes; less than a millisecond with zlib
QUICK_AT_ONCE = 6 << 20  # up to 4 ms with isal the first time, 2 ms when most is packed already
LEVEL = 1  # 7 % of the size; more takes longer and saves little
BARE = -zlib.MAX_WBITS  # without head and checksum
HEAD = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 255])  # no name, no time, quickest, made anywhere
POLYNOMIAL = 0xEDB88320  # that of CRC-32; the first bit is the highest power
ONE, BYTE = 1 << 31, 1 << 23  # x to the power of 0, and of 8


@lru_cache(maxsize=1)
def library() -> Any:
    """What packs. Looked for when it is needed first: most exporters are never asked to pack much."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def is_soon_done(length: int) -> bool:
    """Whether so many bytes are packed so soon, in a few milliseconds, that no thread is worth its cost."""
    return length < (SLOW_AT_ONCE if library() is zlib else QUICK_AT_ONCE)


class _Blocks(NamedTuple):
    """Lines that were compressed apart; `shift` is what a checksum before them is multiplied with."""

    packed: bytes
    length: int
    checksum: int
    shift: int


def packed(pieces: Iterable[bytes | Kept]) -> bytes:
    """All pieces together, packed. For a thread: the interpreter is free while a piece is being packed."""
    by = library()
    compressor = by.compressobj(LEVEL, zlib.DEFLATED, BARE)
    done, checksum, length, is_open = [HEAD], 0, 0, False
    for piece in pieces:
        if isinstance(piece, bytes):
            done.append(compressor.compress(piece))
            checksum = by.crc32(piece, checksum)
            length += len(piece)
            is_open = True
        else:
            blocks = _blocks(piece)
            if is_open:
                done.append(compressor.flush(zlib.Z_FULL_FLUSH))
                is_open = False
            done.append(blocks.packed)
            checksum = _times(blocks.shift, checksum) ^ blocks.checksum
            length += blocks.length
    done += (compressor.flush(), checksum.to_bytes(4, "little"), (length % (1 << 32)).to_bytes(4, "little"))
    return b"".join(done)


def _blocks(kept: Kept) -> _Blocks:
    if not isinstance(kept.packed, _Blocks):
        by, lines = library(), kept.lines
        compressor = by.compressobj(LEVEL, zlib.DEFLATED, BARE)
        done = compressor.compress(lines) + compressor.flush(zlib.Z_FULL_FLUSH)
        kept.packed = _Blocks(done, len(lines), by.crc32(lines), _shift(len(lines)))
    return kept.packed


def _shift(length: int) -> int:
    """What so many bytes after it do to a checksum: x to the power of 8 times the length."""
    shift, power = ONE, BYTE
    while length:
        if length & 1:
            shift = _times(shift, power)
        power = _times(power, power)
        length >>= 1
    return shift


def _times(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo that of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (POLYNOMIAL if other & 1 else 0)
    return product
