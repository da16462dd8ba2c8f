"""The one thing that has to be read out of a certificate: when it ends. Pure.

Python parses no certificate that it was told not to verify, and `cryptography`, which does, keeps 9 MB for
it. A certificate is values in values, each with a tag and a length before it (X.690); its end stands at one
and the same place in every one (RFC 5280, 4.1).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

INTEGER, UTC_TIME, GENERALIZED_TIME, SEQUENCE, VERSION = 0x02, 0x17, 0x18, 0x30, 0xA0
LONG = 0x80  # the length takes as many bytes as the other bits say
MOST_LENGTH_BYTES = 4
DIGITS = {UTC_TIME: 12, GENERALIZED_TIME: 14}
CENTURY = 50  # years from here on, in two digits, are of the twentieth


class _Value(NamedTuple):
    """A value's tag, what is in it, and where the next one begins."""

    tag: int
    content: bytes
    end: int


def not_after(certificate: bytes) -> float:
    """When a certificate ends, in seconds since 1970. Raises `ValueError` if it is none."""
    place, inner = 0, _expect(SEQUENCE, _value(_expect(SEQUENCE, _value(certificate, 0)), 0))
    if _value(inner, 0).tag == VERSION:  # those of the first version have none
        place = _value(inner, 0).end
    for tag in (INTEGER, SEQUENCE, SEQUENCE):  # serial number, algorithm, issuer
        passed = _value(inner, place)
        _expect(tag, passed)
        place = passed.end
    validity = _expect(SEQUENCE, _value(inner, place))
    return _seconds(_value(validity, _value(validity, 0).end))


def _value(data: bytes, at: int) -> _Value:
    """The value that begins there."""
    start = at + 2
    if start > len(data):
        raise ValueError("cut off")
    tag, length = data[at], data[at + 1]
    if length & LONG:
        more = length & ~LONG
        if not 1 <= more <= MOST_LENGTH_BYTES or start + more > len(data):
            raise ValueError("no such length")
        length, start = int.from_bytes(data[start : start + more], "big"), start + more
    end = start + length
    if end > len(data):
        raise ValueError("cut off")
    return _Value(tag, data[start:end], end)


def _expect(tag: int, value: _Value) -> bytes:
    if value.tag != tag:
        raise ValueError(f"tag {value.tag} instead of {tag}")
    return value.content


def _seconds(time: _Value) -> float:
    """A time of either kind: the years of one have two digits, those of the other four."""
    text = time.content.decode("ascii")
    digits, zone = text[:-1], text[-1:]
    if len(digits) != DIGITS.get(time.tag) or not digits.isdigit() or zone != "Z":
        raise ValueError("no time")
    year = int(digits[:-10])
    if time.tag == UTC_TIME:
        year += 1900 if year >= CENTURY else 2000
    month, day, hour, minute, second = (int(digits[at : at + 2 or None]) for at in range(-10, 0, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
