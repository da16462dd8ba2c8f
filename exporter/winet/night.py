"""Whether a gateway that vanished is asleep. Pure.

A string inverter switches itself and the gateway in it off at dusk (reported by many owners): nothing is
wrong then, and nobody should be woken. A hybrid has its battery and stays up all night.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from exporter import sun
from exporter.telemetry import DeviceReport, GatewayService, Location, OwnDevice, Reading, Service, Snapshot
from exporter.winet import errors
from exporter.winet.dial import TlsNotSpoken

STRING_INVERTERS = frozenset({0, 1, 21})
ACCESSORIES = frozenset({8, 11, 13, 14, 18, 20, 23, 24, 25, 34, 36, 37, 46, 47, 48})  # none with a battery
VANISHED = (errors.Unreachable, errors.NoAnswer, errors.ConnectionLost, TlsNotSpoken)

HIGH_SUN_DEGREES = 10.0  # above it an inverter has power to stay awake, by an overcast sky too
LONGEST_SUN_SECONDS = 1800.0
LONGEST_SLEEP_SECONDS = 64800.0  # 18 h; winter nights beyond 55 degrees are longer and want a location
NEAR_ZERO_WATTS = 100.0
NEAR_ZERO_SHARE = 0.01  # of the rated power

STATE_KEYS = ("I18N_COMMON_RUNNING_STATE", "I18N_COMMON_DEVICE_STATUS")
POWER_KEYS = ("I18N_COMMON_TOTAL_DCPOWER", "I18N_COMMON_TOTAL_ACTIVE_POWER", "I18N_COMMON_ACTIVE_POWER")
WATTS = {"w": 1.0, "kw": 1000.0, "mw": 1e6}


class Night:
    """What was known when the gateway vanished, and for how long that explains its absence."""

    __slots__ = ("_fell_silent_at", "_location", "_own", "_was_dark")

    def __init__(self, location: Location | None, devices: Mapping[str, OwnDevice]) -> None:
        self._location = location
        self._own = devices
        self._fell_silent_at: float | None = None
        self._was_dark = False  # since it was lost

    def lost(self, snapshot: Snapshot | None, now: float, wall: float) -> None:
        """An outage begins at `now` (monotonic; `wall` since 1970) after these last readings."""
        ready = snapshot is not None and _can_sleep(snapshot) and self._may_fall(snapshot, wall)
        self._fell_silent_at = now if ready else None
        self._was_dark = False

    def may_be_falling(self, error: Exception) -> bool:
        """Whether the outage that has just begun with `error` is no surprise."""
        return self._fell_silent_at is not None and isinstance(error, VANISHED)

    def explains(self, error: Exception, now: float, wall: float) -> bool:
        """Whether a gateway that cannot be reached now is asleep rather than broken."""
        if self._fell_silent_at is None or not isinstance(error, VANISHED):
            return False
        gone_for = now - self._fell_silent_at
        if self._location is None:
            return gone_for < LONGEST_SLEEP_SECONDS
        if self._is_dark(wall):
            self._was_dark = True
            return True
        if gone_for < LONGEST_SUN_SECONDS or self._is_dark(wall - LONGEST_SUN_SECONDS):
            return True
        if self._was_dark:  # a morning came and it did not: the next evening explains nothing
            self._fell_silent_at = None
        return False

    def _may_fall(self, snapshot: Snapshot, wall: float) -> bool:
        """Whether sleep was to be expected: by the dark, or by the last words under a low sun."""
        if self._is_dark(wall):
            return True
        high = self._location is not None and sun.elevation(self._location, wall) > HIGH_SUN_DEGREES
        return not high and self._idle(snapshot)

    def _is_dark(self, wall: float) -> bool:
        return self._location is not None and not sun.is_up(self._location, wall)

    def _idle(self, snapshot: Snapshot) -> bool:
        """Whether every string inverter stood by or hardly made power in its last words."""
        inverters = [report for report in snapshot.devices if report.device.dev_type in STRING_INVERTERS]
        statistics = snapshot.gateway.get(GatewayService.STATISTICS)
        told = (_watts(r) for r in statistics.readings if r.key == "rated_power") if statistics else ()
        of_plant = next((watts for watts in told if watts is not None), 0.0)
        return all(self._is_idle(report, of_plant / len(inverters)) for report in inverters)

    def _is_idle(self, report: DeviceReport, rated_watts: float) -> bool:
        answer = report.answers.get(Service.REAL)
        last = {reading.key: reading for reading in reversed(answer.readings)} if answer else {}
        if any("STANDBY" in last[key].value.upper() for key in STATE_KEYS if key in last):
            return True
        own = self._own.get(report.device.identity, OwnDevice())
        most = max(NEAR_ZERO_WATTS, NEAR_ZERO_SHARE * (own.rated_power_watts or rated_watts))
        for key in POWER_KEYS:
            watts = _watts(last[key]) if key in last else None
            if watts is not None:
                return abs(watts) <= most
        return False


def _watts(reading: Reading) -> float | None:
    try:
        value = float(reading.value) * WATTS[reading.unit.strip().lower()]
    except (ValueError, KeyError):
        return None
    return value if math.isfinite(value) else None


def _can_sleep(snapshot: Snapshot) -> bool:
    """String inverters with nothing that keeps the gateway up."""
    types = {report.device.dev_type for report in snapshot.devices}
    return bool(types & STRING_INVERTERS) and types <= STRING_INVERTERS | ACCESSORIES
