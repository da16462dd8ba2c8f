"""Local days and clocks: PromQL knows no time zones, and a gateway tells its time without one.

A zone is a name of the time zone database; None is that of the system.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

GATEWAY_CLOCK = "%Y-%m-%d %H:%M"


def last_midnight(zone: str | None, wall: float) -> float:
    """When the local day of `wall` began (seconds since 1970); 1 h later where clocks skip its first hour."""
    day = datetime.fromtimestamp(wall, _tz(zone)).date()
    return datetime(day.year, day.month, day.day, tzinfo=_tz(zone)).timestamp()


def clock_offset(text: str, zone: str | None, wall: float) -> float | None:
    """By how many seconds a gateway's clock is ahead of `wall`, the time at which it told `text`.

    It tells minutes only, so the middle of the minute is taken. In the hour that comes twice in autumn the
    nearer one is meant. None where the text is no such time.
    """
    try:
        told = datetime.strptime(text, GATEWAY_CLOCK).replace(tzinfo=_tz(zone))
        middles = [(told + timedelta(seconds=30)).replace(fold=fold).timestamp() for fold in (0, 1)]
    except (ValueError, OverflowError):
        return None
    return min((middle - wall for middle in middles), key=abs)


def _tz(zone: str | None) -> tzinfo | None:
    if zone is None:
        return None
    from zoneinfo import ZoneInfo  # looks for the system's files, which who names no zone does without

    return ZoneInfo(zone)
