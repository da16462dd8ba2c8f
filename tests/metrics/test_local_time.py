"""Local days and a gateway's clock, over every whim that clocks have had."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics.local_time import clock_offset, last_midnight

BERLIN, SYDNEY, LORD_HOWE = "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe"
SANTIAGO, CAIRO, HAVANA = "America/Santiago", "Africa/Cairo", "America/Havana"
ZONES = (
    BERLIN, SYDNEY, LORD_HOWE, SANTIAGO, CAIRO, HAVANA, "UTC", "Asia/Kathmandu", "Pacific/Kiritimati",
    "Pacific/Niue", "America/New_York", "America/St_Johns", "Africa/Casablanca", "Asia/Gaza",
)  # fmt: skip


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def system_zone(monkeypatch):
    """Sets the system's timezone for one test."""

    def use(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


# Midnight --------------------------------------------------------------------------------------------

MIDNIGHTS = {
    "a day in winter": (BERLIN, "2026-01-15 12:00", "2026-01-14 23:00"),
    "a day in summer": (BERLIN, "2026-06-01 10:00", "2026-05-31 22:00"),
    "its first second": (BERLIN, "2026-05-31 22:00:00", "2026-05-31 22:00"),
    "its last second": (BERLIN, "2026-05-31 21:59:59", "2026-05-30 22:00"),
    "forward, before": (BERLIN, "2026-03-29 00:59:59", "2026-03-28 23:00"),
    "forward, after": (BERLIN, "2026-03-29 01:00", "2026-03-28 23:00"),
    "forward, end of the day of 23 h": (BERLIN, "2026-03-29 21:59:59", "2026-03-28 23:00"),
    "forward, next day": (BERLIN, "2026-03-29 22:00", "2026-03-29 22:00"),
    "back, first 02:30": (BERLIN, "2026-10-25 00:30", "2026-10-24 22:00"),
    "back, second 02:30": (BERLIN, "2026-10-25 01:30", "2026-10-24 22:00"),
    "back, end of the day of 25 h": (BERLIN, "2026-10-25 22:59:59", "2026-10-24 22:00"),
    "back, next day": (BERLIN, "2026-10-25 23:00", "2026-10-25 23:00"),
    "south, forward": (SYDNEY, "2026-10-04 10:00", "2026-10-03 14:00"),
    "south, back": (SYDNEY, "2026-04-05 10:00", "2026-04-04 13:00"),
    "half an hour forward": (LORD_HOWE, "2026-10-04 10:00", "2026-10-03 13:30"),
    "half an hour forward, next day": (LORD_HOWE, "2026-10-05 10:00", "2026-10-04 13:00"),
    "half an hour back": (LORD_HOWE, "2026-04-05 10:00", "2026-04-04 13:00"),
    "half an hour back, next day": (LORD_HOWE, "2026-04-06 10:00", "2026-04-05 13:30"),
    "a quarter of an hour": ("Asia/Kathmandu", "2026-01-15 12:00", "2026-01-14 18:15"),
    "no midnight, before": (SANTIAGO, "2024-09-08 03:59:59", "2024-09-07 04:00"),
    "no midnight, first second": (SANTIAGO, "2024-09-08 04:00", "2024-09-08 04:00"),
    "no midnight, noon": (SANTIAGO, "2024-09-08 15:00", "2024-09-08 04:00"),
    "no midnight in Egypt, first second": (CAIRO, "2024-04-25 22:00", "2024-04-25 22:00"),
    "no midnight in Egypt, evening": (CAIRO, "2024-04-26 20:59:59", "2024-04-25 22:00"),
    "midnight twice, first hour": (HAVANA, "2024-11-03 04:30", "2024-11-03 04:00"),
    "midnight twice, second hour": (HAVANA, "2024-11-03 05:30", "2024-11-03 04:00"),
    "midnight twice, noon": (HAVANA, "2024-11-03 17:00", "2024-11-03 04:00"),
}


@pytest.mark.parametrize("zone, wall, midnight", MIDNIGHTS.values(), ids=MIDNIGHTS.keys())
def test_last_midnight_when_clocks_are_changed_then_it_is_when_the_local_day_began(zone, wall, midnight):
    """Days of 23, 24 and 25 hours, without a midnight, and with two."""
    assert datetime.fromtimestamp(last_midnight(zone, utc(wall)), UTC) == datetime.fromtimestamp(
        utc(midnight), UTC
    )


@pytest.mark.parametrize("zone", [BERLIN, SYDNEY, SANTIAGO, HAVANA, "UTC"])
def test_last_midnight_when_no_zone_is_given_then_it_is_the_systems(system_zone, zone):
    """None is the system's zone, with its own changes of the clock."""
    system_zone(zone)
    for _, wall, _ in MIDNIGHTS.values():
        assert last_midnight(None, utc(wall)) == last_midnight(zone, utc(wall))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(ZONES), st.integers(946_684_800, 2_145_916_800), st.floats(0, 0.999))
def test_last_midnight_when_anything_is_asked_then_it_is_the_same_day_not_long_ago(zone, seconds, part):
    """At most 25 hours ago, on the same local date, and another day a moment before."""
    wall = seconds + part
    midnight = last_midnight(zone, wall)
    assert midnight <= wall < midnight + 25 * 3600 + 1
    tz = ZoneInfo(zone)
    today = datetime.fromtimestamp(wall, tz).date()
    assert datetime.fromtimestamp(midnight, tz).date() == today
    assert datetime.fromtimestamp(midnight - 1, tz).date() == today - timedelta(days=1)


# The gateway's clock ---------------------------------------------------------------------------------

OFFSETS = {
    "right": ("2026-06-01 12:00", BERLIN, "2026-06-01 10:00:30", 0.0),
    "beginning of the minute": ("2026-06-01 12:00", BERLIN, "2026-06-01 10:00:00", 30.0),
    "end of the minute": ("2026-06-01 12:00", BERLIN, "2026-06-01 10:00:59", -29.0),
    "ahead": ("2026-06-01 12:10", BERLIN, "2026-06-01 10:00:30", 600.0),
    "behind": ("2026-06-01 11:50", BERLIN, "2026-06-01 10:00:30", -600.0),
    "forgot summer": ("2026-06-01 11:00", BERLIN, "2026-06-01 10:00:30", -3600.0),
    "tells UTC": ("2026-06-01 10:00", BERLIN, "2026-06-01 10:00:30", -7200.0),
    "another zone": ("2026-06-01 20:00", SYDNEY, "2026-06-01 10:00:30", 0.0),
    "another year": ("2022-01-01 00:00", "UTC", "2026-01-01 00:00:30", -(4 * 365 + 1) * 86400.0),
    "first hour of two": ("2026-10-25 02:30", BERLIN, "2026-10-25 00:30:30", 0.0),
    "second hour of two": ("2026-10-25 02:30", BERLIN, "2026-10-25 01:30:30", 0.0),
    "nearer to the first": ("2026-10-25 02:50", BERLIN, "2026-10-25 00:55:30", -300.0),
    "nearer to the second": ("2026-10-25 02:10", BERLIN, "2026-10-25 01:05:30", 300.0),
    "a time that clocks skip": ("2026-03-29 02:30", BERLIN, "2026-03-29 01:30:30", 0.0),
    "unpadded": ("2026-6-1 12:0", BERLIN, "2026-06-01 10:00:30", 0.0),
}


@pytest.mark.parametrize("text, zone, wall, seconds", OFFSETS.values(), ids=OFFSETS.keys())
def test_clock_offset_when_a_gateway_tells_its_time_then_it_is_how_far_it_is_ahead(text, zone, wall, seconds):
    """By the middle of the minute, in the target's zone; of an hour that comes twice the nearer is meant."""
    assert clock_offset(text, zone, utc(wall)) == seconds


def test_clock_offset_when_no_zone_is_given_then_it_is_the_systems(system_zone):
    """None is the system's zone."""
    system_zone(SYDNEY)
    assert clock_offset("2026-06-01 20:00", None, utc("2026-06-01 10:00:30")) == 0.0


@pytest.mark.parametrize(
    "text",
    ["--", "", " ", "2022-13-01 00:00", "2022-02-30 00:00", "2022-08-29 24:00", "2022-08-29", "18:12",
     "2022-08-29 18:12:13", "29.08.2022 18:12", "0000-00-00 00:00", "0000-01-01 00:00", "x" * 1000,
     "2022-08-29 18:12\n", "I18N_COMMON_SYSTEM_TIME"],
)  # fmt: skip
def test_clock_offset_when_the_text_is_no_time_then_there_is_none(text):
    """Nonsense is no offset, and no exception."""
    assert clock_offset(text, BERLIN, utc("2026-06-01 10:00")) is None


@pytest.mark.parametrize("text", ["0001-01-01 00:00", "9999-12-31 23:59"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "UTC", None])
def test_clock_offset_when_the_year_is_at_the_end_of_time_then_nothing_is_raised(text, zone):
    """A gateway without a battery for its clock begins at some odd date."""
    offset = clock_offset(text, zone, utc("2026-06-01 10:00"))
    assert offset is None or abs(offset) > 1e10


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=20) | st.from_regex(r"\d{1,4}-\d\d?-\d\d? \d\d?:\d\d?", fullmatch=True))
def test_clock_offset_when_the_text_is_arbitrary_then_nothing_is_raised(text):
    """A number or none."""
    assert isinstance(clock_offset(text, BERLIN, 1.7e9), float | None)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(ZONES), st.integers(946_684_800, 2_145_916_800))
def test_clock_offset_when_the_clock_is_right_then_it_is_within_half_a_minute(zone, wall):
    """Whatever clocks do in whatever zone, a gateway that tells the time is not told off."""
    text = datetime.fromtimestamp(wall, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
    assert abs(clock_offset(text, zone, float(wall))) <= 30.0
