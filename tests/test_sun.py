"""Where the sun stands, held against figures that others have published."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import sun
from exporter.telemetry import Location

OBLIQUITY = 23.436  # of the ecliptic, in our years (IAU 2006: 23° 26' 11" in 2016)
GOLDEN = Location(39.742476, -105.1786)

# Longitudes east. Standard time, hours ahead of UTC.
CITIES = {
    "San Francisco": (Location(37 + 46 / 60, -(122 + 26 / 60)), -8),
    "Fredonia": (Location(36 + 57 / 60, -(112 + 31 / 60)), -7),
    "Sydney": (Location(-33.8688, 151.2093), 11),
    "São Paulo": (Location(-23.5505, -46.6333), -3),
    "Moscow": (Location(55.7558, 37.6173), 3),
}
TROMSO, LONGYEARBYEN = Location(69.65, 18.96), Location(78.22, 15.65)
MCMURDO, EQUATOR = Location(-77.85, 166.67), Location(0.0, 0.0)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> float:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


def day_of(location: Location, year: int, month: int, day: int) -> list[float]:
    """Elevations over one UTC day, every two minutes."""
    begin = at(year, month, day)
    return [sun.elevation(location, begin + 120.0 * n) for n in range(720)]


# Elevation -------------------------------------------------------------------------------------------


def test_elevation_when_held_against_nrel_then_it_is_its_published_example():
    """Reda and Andreas, NREL/TP-560-34302, table A5.1: topocentric zenith 50.11162°, refraction in it."""
    refraction = 0.0163  # from the same table
    found = sun.elevation(GOLDEN, at(2003, 10, 17, 19, 30, 30))
    assert found == pytest.approx(90 - 50.11162 - refraction, abs=0.01)


@pytest.mark.parametrize("latitude", [-60.0, -33.9, -10.0, 0.0, 10.0, 23.436, 52.5, 60.0])
@pytest.mark.parametrize(
    "date, declination",
    [((2024, 3, 20), 0.0), ((2024, 6, 20), OBLIQUITY), ((2024, 9, 22), 0.0), ((2024, 12, 21), -OBLIQUITY)],
    ids=["march equinox", "june solstice", "september equinox", "december solstice"],
)
def test_elevation_when_it_is_noon_then_it_follows_from_the_obliquity(latitude, date, declination):
    """90° less what lies between latitude and declination; equinoxes and solstices of 2024 by the USNO."""
    highest = max(day_of(Location(latitude, 0.0), *date))
    assert highest == pytest.approx(90 - abs(latitude - declination), abs=0.5)


@pytest.mark.parametrize("longitude", [-180.0, -105.2, -15.0, 0.0, 13.4, 151.2, 180.0])
def test_elevation_when_longitudes_differ_then_noon_comes_four_minutes_a_degree_later(longitude):
    """Noon on 2024-04-15, when the equation of time is 0 (USNO), is at 12:00 less the longitude."""
    noon = at(2024, 4, 15, 12) - longitude * 240.0
    place = Location(0.0, longitude)
    before, there, after = (sun.elevation(place, noon + shift) for shift in (-1800.0, 0.0, 1800.0))
    assert there > before
    assert there > after
    assert before == pytest.approx(after, abs=0.5)


# San Francisco 2012 and Fredonia, Arizona 2023: tables "Rise and Set for the Sun" of the U.S. Naval
# Observatory. Sydney, São Paulo and Moscow, December 2019: timeanddate.com. All to the minute.
RISES_AND_SETS = [
    ("San Francisco", (2012, 1, 1), "07:25", "17:01"),
    ("San Francisco", (2012, 3, 20), "06:12", "18:22"),
    ("San Francisco", (2012, 6, 20), "04:48", "19:35"),
    ("San Francisco", (2012, 9, 22), "05:58", "18:06"),
    ("San Francisco", (2012, 12, 21), "07:22", "16:55"),
    ("Fredonia", (2023, 2, 15), "07:19", "18:10"),
    ("Fredonia", (2023, 7, 31), "05:35", "19:38"),
    ("Fredonia", (2023, 11, 1), "06:54", "17:33"),
    ("Sydney", (2019, 12, 1), "05:37", "19:50"),
    ("Sydney", (2019, 12, 31), "05:46", "20:09"),
    ("São Paulo", (2019, 12, 1), "05:11", "18:39"),
    ("São Paulo", (2019, 12, 21), "05:16", "18:52"),
    ("Moscow", (2019, 12, 1), "08:34", "16:02"),
    ("Moscow", (2019, 12, 21), "08:57", "15:57"),
]


def clock_time(city: str, date: tuple[int, int, int], text: str) -> float:
    hours, minutes = map(int, text.split(":"))
    return at(*date) + 3600.0 * (hours - CITIES[city][1]) + 60.0 * minutes


@pytest.mark.parametrize("city, date, rise, set_", RISES_AND_SETS)
def test_elevation_when_an_almanac_has_sunrise_or_sunset_then_it_is_at_the_horizon(city, date, rise, set_):
    """-0.833° at the published minutes, in both hemispheres and all seasons."""
    for text in (rise, set_):
        found = sun.elevation(CITIES[city][0], clock_time(city, date, text))
        assert found == pytest.approx(sun.HORIZON_DEGREES, abs=0.5)


@pytest.mark.parametrize("city, date, rise, set_", RISES_AND_SETS)
def test_is_up_when_an_almanac_has_sunrise_and_sunset_then_it_is_day_between_them(city, date, rise, set_):
    """Two minutes before and after each the answers differ."""
    place = CITIES[city][0]
    for text, later in ((rise, True), (set_, False)):
        when = clock_time(city, date, text)
        assert sun.is_up(place, when - 120.0) is not later
        assert sun.is_up(place, when + 120.0) is later


# Midnight sun and polar night as published: Tromsø 20 May to 22 July and 25 November to 17 January,
# Longyearbyen 20 April to 21 August and 26 October to 16 February (Lonely Planet, "Midnight Sun & Polar
# Night"); McMurdo is as far south as Longyearbyen is north.
@pytest.mark.parametrize(
    "place, date, up",
    [
        (TROMSO, (2024, 5, 22), True), (TROMSO, (2024, 7, 20), True),
        (TROMSO, (2024, 12, 1), False), (TROMSO, (2025, 1, 10), False),
        (LONGYEARBYEN, (2024, 4, 21), True), (LONGYEARBYEN, (2024, 8, 20), True),
        (LONGYEARBYEN, (2024, 10, 28), False), (LONGYEARBYEN, (2025, 2, 13), False),
        (MCMURDO, (2024, 12, 21), True), (MCMURDO, (2024, 6, 20), False),
    ],
)  # fmt: skip
def test_is_up_when_a_day_or_a_night_does_not_end_then_it_is_the_same_all_day(place, date, up):
    """Midnight sun and polar night, north and south."""
    begin = at(*date)
    assert {sun.is_up(place, begin + 600.0 * n) for n in range(144)} == {up}


@pytest.mark.parametrize("date", [(2024, 5, 1), (2024, 8, 10), (2024, 11, 10), (2025, 2, 1)])
def test_is_up_when_the_polar_seasons_are_over_then_the_sun_rises_and_sets(date):
    """Between midnight sun and polar night Tromsø has both in a day."""
    begin = at(*date)
    assert {sun.is_up(TROMSO, begin + 600.0 * n) for n in range(144)} == {True, False}


def test_is_up_when_the_centre_is_at_the_horizon_then_the_upper_edge_is_still_seen(monkeypatch):
    """Refraction and the sun's half width make days longer than the centre would."""
    for degrees, up in ((0.0, True), (-0.832, True), (-0.833, False), (-1.0, False)):
        monkeypatch.setattr(sun, "elevation", lambda *_, degrees=degrees: degrees)
        assert sun.is_up(EQUATOR, 0.0) is up


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_elevation_when_time_and_place_are_arbitrary_then_it_is_continuous_and_bounded(
    latitude, longitude, when
):
    """From nadir to zenith, and in a minute never further than the earth turns."""
    place = Location(latitude, longitude)
    now, later = (sun.elevation(place, t.timestamp()) for t in (when, when + timedelta(minutes=1)))
    assert -90 <= now <= 90
    assert abs(later - now) <= 0.26


# Import ----------------------------------------------------------------------------------------------


@pytest.mark.real
def test_serve_when_no_target_has_a_location_then_ephem_is_not_loaded():
    """Who does not say where the plant stands pays nothing for the sky."""
    code = "import sys, exporter.commands.serve; sys.exit('ephem' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
