"""Text to number and unit to base unit, exactly: decimal arithmetic until the last step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,12})?", re.ASCII)
_NO_VALUE = frozenset({"", "-", "--", "---", "n/a"})


def has_value(text: str) -> bool:
    """False for what a gateway writes where it has no value: that is absence, and no mistake."""
    return text.strip().casefold() not in _NO_VALUE


def is_number(text: str) -> bool:
    """Whether a text is a number. Digits and one point: nothing else was ever seen."""
    return _NUMBER.fullmatch(text) is not None


def scale(by: Decimal) -> Callable[[str], float]:
    """What multiplies the number in a text: exactly, then the nearest float; never -0.0."""
    _, digits, exponent = by.normalize().as_tuple()
    if by > 0 and digits == (1,):  # `float` moves a point as exactly, and faster
        zeros = f"e{exponent}" if exponent else ""
        return lambda text: float(text + zeros) + 0.0
    return lambda text: to_float(Decimal(text) * by)


def factor(factors: Mapping[str, Decimal], unit: str) -> Decimal | None:
    """What a value in `unit` must be multiplied with; None for a unit that is not among `factors`."""
    found = factors.get(unit)
    return factors.get(unit.strip().casefold()) if found is None else found


def to_float(value: Decimal) -> float:
    """The nearest float; never -0.0, which a gateway's "-0.00" would make."""
    return float(value) + 0.0
