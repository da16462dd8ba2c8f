"""Asleep or broken: what a gateway was, what it said last, and where the sun stands."""

from datetime import UTC, datetime

import pytest

from exporter.telemetry import Answer, Device, DeviceReport, Location, OwnDevice, Reading, Service, Snapshot
from exporter.winet import errors
from exporter.winet.dial import TlsNotSpoken
from exporter.winet.night import ACCESSORIES, STRING_INVERTERS, Night

HOUR = 3600.0
# At an equinox the sun rises on the equator at 06:04 UTC and sets at 18:11.
EQUATOR = Location(0.0, 0.0)
NOON, HIGH, LOW, DUSK, DARK = (
    datetime(2026, 3, 20, hour, minute, tzinfo=UTC).timestamp()
    for hour, minute in ((12, 0), (17, 26), (17, 29), (17, 50), (18, 30))
)  # 10 degrees high at 17:28
POLAR_NIGHT = Location(78.2, 15.6), datetime(2026, 11, 10, tzinfo=UTC).timestamp()
MIDNIGHT_SUN = Location(78.2, 15.6), datetime(2026, 5, 10, tzinfo=UTC).timestamp()

STANDBY = Reading("I18N_COMMON_RUNNING_STATE", "I18N_COMMON_STANDBY", "")
RUNNING = Reading("I18N_COMMON_RUNNING_STATE", "I18N_COMMON_STATUS_RUN", "")
DC, AC, AC_TOO = (f"I18N_COMMON_{name}" for name in ("TOTAL_DCPOWER", "TOTAL_ACTIVE_POWER", "ACTIVE_POWER"))
GONE = errors.Unreachable("x")


def power(value: str, unit: str = "W", key: str = DC) -> Reading:
    return Reading(key, value, unit)


def report(*readings: Reading, dev_type: int = 21, identity: str = "A", service: Service = Service.REAL):
    answers = {service: Answer(0.0, 0.0, readings)} if readings else {}
    return DeviceReport(Device(identity, "1", dev_type, 0, "", "", True), answers)


def snapshot(*reports: DeviceReport) -> Snapshot:
    return Snapshot(0.0, 0.0, reports)


IDLE = snapshot(report(STANDBY))
BUSY = snapshot(report(RUNNING, power("5000")))


def falls_asleep(
    last: Snapshot | None,
    *,
    at: float = NOON,
    location: Location | None = None,
    devices: dict[str, OwnDevice] | None = None,
) -> bool:
    """Whether an outage that begins after these readings is no surprise."""
    night = Night(location, devices or {})
    night.lost(last, 1000.0, at)
    assert night.explains(GONE, 1000.0, at) == night.may_be_falling(GONE)
    return night.may_be_falling(GONE)


# Who can sleep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dev_type", sorted(STRING_INVERTERS))
@pytest.mark.parametrize("accessory", [None, *sorted(ACCESSORIES)])
def test_lost_when_string_inverters_and_accessories_are_all_then_the_gateway_can_sleep(dev_type, accessory):
    """Nothing there has a battery."""
    others = [] if accessory is None else [report(dev_type=accessory, identity="B")]
    assert falls_asleep(snapshot(report(STANDBY, dev_type=dev_type), *others))


@pytest.mark.parametrize("dev_type", [35, 44, 15, 2, 99, -1])
def test_lost_when_a_device_may_keep_the_gateway_up_then_it_cannot_sleep(dev_type):
    """A hybrid, a battery, or a type that nobody knows; dark or idle."""
    other = report(STANDBY, dev_type=dev_type, identity="B")
    for last in (snapshot(report(STANDBY), other), snapshot(other)):
        assert not falls_asleep(last)
        assert not falls_asleep(last, at=DARK, location=EQUATOR)


@pytest.mark.parametrize("last", [None, snapshot(), snapshot(report(STANDBY, dev_type=18))])
def test_lost_when_no_string_inverter_is_known_then_nothing_is_explained(last):
    """A gateway that was never read, or that has none, is broken when it is gone."""
    assert not falls_asleep(last)
    assert not falls_asleep(last, at=DARK, location=EQUATOR)


# What it said last -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "readings, idle",
    [
        ((STANDBY,), True),
        ((STANDBY._replace(key="I18N_COMMON_DEVICE_STATUS"),), True),
        ((STANDBY._replace(value="I18N_COMMON_INITIAL_STANDBY"),), True),
        ((STANDBY._replace(value="Standby"),), True),
        ((STANDBY, power("5000")), True),
        ((STANDBY._replace(key="I18N_COMMON_BATTERY_OPERATION_STATUS"),), False),
        ((RUNNING,), False),
        ((RUNNING, STANDBY), False),
        ((STANDBY, RUNNING), True),
        ((RUNNING, power("0")), True),
        ((RUNNING, power("100")), True),
        ((RUNNING, power("100.1")), False),
        ((RUNNING, power("-100")), True),
        ((RUNNING, power("-101")), False),
        ((RUNNING, power("0.1", "kW")), True),
        ((RUNNING, power("0.11", "kW")), False),
        ((RUNNING, power("0.0001", "MW")), True),
        ((RUNNING, power("0.001", "MW")), False),
        ((RUNNING, power("50", " KW ")), False),
        ((RUNNING, power("50", "w")), True),
        ((RUNNING, power("20", key=AC)), True),
        ((RUNNING, power("20", key=AC_TOO)), True),
        ((RUNNING, power("2000", key=AC_TOO), power("20", key=AC)), True),
        ((RUNNING, power("20", key=AC), power("2000")), False),
        ((RUNNING, power("20"), power("2000")), True),
        ((RUNNING, power("--"), power("20", key=AC)), True),
        ((RUNNING, power("--"), power("2000", key=AC)), False),
        ((RUNNING, power("0", "kWh"), power("2000", key=AC)), False),
        ((RUNNING, power("--")), False),
        ((RUNNING, power("")), False),
        ((RUNNING, power("nan")), False),
        ((RUNNING, power("nan"), power("20", key=AC)), True),
        ((RUNNING, power("inf"), power("20", key=AC)), True),
        ((RUNNING, power("inf")), False),
        ((RUNNING, power("-inf")), False),
        ((RUNNING, power("0", "")), False),
        ((RUNNING, power("0", "furlong")), False),
        ((), False),
    ],
)
def test_lost_when_the_sun_is_not_known_then_the_last_words_decide(readings, idle):
    """Standby, or nearly no power; what cannot be read is no evidence."""
    assert falls_asleep(snapshot(report(*readings))) is idle


def test_lost_when_only_another_service_tells_of_power_then_it_is_no_evidence():
    """State and power stand in `real`."""
    assert not falls_asleep(snapshot(report(STANDBY, service=Service.DIRECT)))


@pytest.mark.parametrize(
    "rated, watts, idle",
    [(None, "101", False), (5000.0, "100", True), (5000.0, "101", False), (10_000.0, "100", True),
     (110_000.0, "1100", True), (110_000.0, "1101", False)],
)  # fmt: skip
def test_lost_when_the_rated_power_is_known_then_a_hundredth_of_it_is_near_nought(rated, watts, idle):
    """A large inverter's last crumbs are more than 100 W."""
    own = {"A": OwnDevice(rated_power_watts=rated)}
    assert falls_asleep(snapshot(report(RUNNING, power(watts))), devices=own) is idle
    other = {"B": OwnDevice(rated_power_watts=rated)}
    assert falls_asleep(snapshot(report(RUNNING, power(watts))), devices=other) is (watts == "100")


@pytest.mark.parametrize("states, idle", [((STANDBY, STANDBY), True), ((STANDBY, RUNNING), False)])
def test_lost_when_there_are_several_inverters_then_all_must_be_idle(states, idle):
    """One that ran was not going to bed."""
    reports = (report(state, identity=str(n), dev_type=n) for n, state in enumerate(states))
    assert falls_asleep(snapshot(*reports)) is idle


@pytest.mark.parametrize(
    "location, at, last, falls",
    [
        (EQUATOR, NOON, BUSY, False), (EQUATOR, NOON, IDLE, False), (EQUATOR, DARK, BUSY, True),
        (EQUATOR, HIGH, IDLE, False), (EQUATOR, LOW, IDLE, True), (EQUATOR, LOW, BUSY, False),
        (None, HIGH, IDLE, True),
        (EQUATOR, DARK, IDLE, True), (EQUATOR, DUSK, BUSY, False), (EQUATOR, DUSK, IDLE, True),
        (EQUATOR, DARK, snapshot(report()), True), (None, DARK, BUSY, False), (*POLAR_NIGHT, BUSY, True),
        (*MIDNIGHT_SUN, BUSY, False), (*MIDNIGHT_SUN, IDLE, True),
    ],
)  # fmt: skip
def test_lost_when_the_sun_is_known_then_darkness_is_evidence_too(location, at, last, falls):
    """After sunset a string inverter needs no other excuse, and under a high sun it has none."""
    assert falls_asleep(last, at=at, location=location) is falls


def test_lost_when_an_outage_begins_anew_then_only_its_own_evidence_counts():
    """Yesterday's standby explains nothing today."""
    night = Night(None, {})
    night.lost(IDLE, 0.0, NOON)
    night.lost(BUSY, 10.0, NOON)
    assert not night.may_be_falling(GONE)
    assert not night.explains(GONE, 10.0, NOON)


def test_explains_when_nothing_was_lost_then_nothing_is_explained():
    """Before the first outage there is none to explain."""
    night = Night(EQUATOR, {})
    assert not night.may_be_falling(GONE)
    assert not night.explains(GONE, 0.0, DARK)


# How it is gone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, vanished",
    [
        (errors.Unreachable("x"), True), (errors.NoAnswer("x"), True), (errors.ConnectionLost("x"), True),
        (errors.PortRefused("x"), True), (TlsNotSpoken("x"), True),
        (errors.TlsFailed("x"), False), (errors.CertificateMismatch(("A",), "B"), False),
        (errors.RedirectRefused("x"), False), (errors.UpgradeRefused("x"), False),
        (errors.Garbled("x"), False), (errors.SessionExpired("x"), False), (errors.TokenExpired("x"), False),
        (errors.UserLimit("x"), False), (errors.Watchdog("x"), False), (errors.LoginRequired("x"), False),
        (errors.LoginRefused("x"), False), (errors.Busy("x", 201), False), (errors.Internal("x"), False),
        (RuntimeError("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)  # fmt: skip
def test_explains_when_something_answers_then_it_is_not_asleep(error, vanished):
    """Who refuses, redirects or talks nonsense is awake."""
    night = Night(EQUATOR, {})
    night.lost(IDLE, 0.0, DARK)
    assert night.may_be_falling(error) is vanished
    assert night.explains(error, HOUR, DARK + HOUR) is vanished


# For how long ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone_for, asleep",
    [(0.0, True), (12 * HOUR, True), (18 * HOUR - 1, True), (18 * HOUR, False), (1e6, False)],
)
def test_explains_when_the_sun_is_not_known_then_a_sleep_lasts_at_most_eighteen_hours(gone_for, asleep):
    """Longer than that is no night."""
    night = Night(None, {})
    night.lost(IDLE, 500.0, NOON)
    assert night.explains(GONE, 500.0 + gone_for, NOON + gone_for) is asleep


@pytest.mark.parametrize(
    "begin, hour, minute, asleep",
    [
        (NOON, 12, 0, False),
        (NOON, 12, 29, False),
        (NOON, 18, 20, False),
        (LOW, 17, 29, True),
        (LOW, 17, 58, True),
        (LOW, 17, 59, False),
        (LOW, 18, 20, True),
        (DUSK, 17, 55, True),
        (DUSK, 18, 15, True),
        (DUSK, 21, 0, True),
        (DUSK, 30, 0, True),
        (DUSK, 30, 10, True),
        (DUSK, 30, 30, True),
        (DUSK, 30, 40, False),
        (DUSK, 36, 0, False),
        (DUSK, 43, 0, True),
        (DARK, 23, 59, True),
        (DARK, 30, 40, False),
    ],
)
def test_explains_when_the_sun_is_known_then_half_an_hour_of_it_is_all_that_is_slept(
    begin, hour, minute, asleep
):
    """Before sunset and after sunrise, never under a high sun; nights are as long as they are."""
    night = Night(EQUATOR, {})
    night.lost(IDLE, 500.0, begin)
    wall = NOON + (hour - 12) * HOUR + minute * 60
    assert night.explains(GONE, 500.0 + wall - begin, wall) is asleep


def test_explains_when_it_is_polar_night_then_a_sleep_has_no_limit():
    """Where the sun is known, no 18 hours are needed."""
    location, wall = POLAR_NIGHT
    night = Night(location, {})
    night.lost(BUSY, 0.0, wall)
    assert night.explains(GONE, 240 * HOUR, wall + 240 * HOUR)
