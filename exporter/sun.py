"""Where the sun stands, seen from a plant."""

from __future__ import annotations

import math

from exporter.telemetry import Location

HORIZON_DEGREES = -0.833  # of the sun's centre at sunrise: half its width, and what the air bends light
_EPHEM_DAYS = 25567.5  # PyEphem counts days from noon of the last day of 1899


def elevation(location: Location, wall: float) -> float:
    """Degrees of the sun's centre above the horizon at `wall` (seconds since 1970), without refraction."""
    import ephem  # costs 12 ms and 2 MB, which who gives no location does without

    observer = ephem.Observer()
    observer.lat = math.radians(location.latitude)
    observer.lon = math.radians(location.longitude)
    observer.pressure = 0  # the air's part is in the horizon
    observer.date = wall / 86400 + _EPHEM_DAYS
    return math.degrees(float(ephem.Sun(observer).alt))


def is_up(location: Location, wall: float) -> bool:
    """Whether the sun's upper edge is above the horizon."""
    return elevation(location, wall) > HORIZON_DEGREES
