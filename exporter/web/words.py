"""Quantities and times as people say them. The page's script says them in the same words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

SPACE = "\u00a0"  # number and unit stay on one line


def fixed(value: float, decimals: int) -> str:
    """Halves are rounded away from zero, as `toFixed` of the script does; never "-0"."""
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0:f}"


def _scaled(value: float, unit: str) -> str:
    size = abs(value)
    return f"{fixed(value, 2 if size < 10 else 1 if size < 100 else 0)}{SPACE}{unit}"


def power(watts: float) -> str:
    """`850 W`, `3.59 kW`, `1.25 MW`."""
    size = abs(watts)
    if size < 1000:
        return f"{fixed(watts, 0)}{SPACE}W"
    return _scaled(watts / 1e3, "kW") if size < 1e6 else _scaled(watts / 1e6, "MW")


def energy(joules: float) -> str:
    """`8.80 kWh`, `1.25 MWh`."""
    kwh = joules / 3.6e6
    return _scaled(kwh, "kWh") if abs(kwh) < 1000 else _scaled(kwh / 1000, "MWh")


def percent(ratio: float) -> str:
    return f"{fixed(ratio * 100, 0)}{SPACE}%"


def span(seconds: float) -> str:
    """`59 s`, `2 min`, `3 h`, `5 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{fixed(seconds / length, 0)}{SPACE}{unit}"
    return f"{fixed(max(seconds, 0.0), 0)}{SPACE}s"


def date(timestamp: float) -> str:
    """The day in UTC; the number itself where the calendar ends."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return fixed(timestamp, 0)


def plain(name: str) -> str:
    """`backing_off` is two words."""
    return name.replace("_", " ")
