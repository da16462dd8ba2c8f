"""Text to number and unit to base unit, exactly: decimal arithmetic until the last step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,12})?", re.ASCII)
_NO_VALUE = frozenset({"", "-", "--", "---", "n/a"})


def has_value(text: str) -> bool:
    """False for what a gateway writes where it has no value: that is absence, and no mistake."""
    return text.strip().casefold() not in _NO_VALUE


def number(text: str) -> Decimal | None:
    """The number in a text, or None. Digits and one point: nothing else was ever seen."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def is_number(text: str) -> bool:
    """Whether `number` would find one."""
    return _NUMBER.fullmatch(text) is not None


def scaled(text: str, by: Decimal) -> float:
    """The number in a text times a factor, as the nearest float; never -0.0."""
    return (float(text) if by == 1 else float(Decimal(text) * by)) + 0.0


def factor(factors: Mapping[str, Decimal], unit: str) -> Decimal | None:
    """What a value in `unit` must be multiplied with; None for a unit that is not among `factors`."""
    found = factors.get(unit)
    return factors.get(unit.strip().casefold()) if found is None else found


def to_float(value: Decimal) -> float:
    """The nearest float; never -0.0, which a gateway's "-0.00" would make."""
    return float(value) + 0.0
