"""Nights: a string inverter's gateway that is gone after dusk sleeps, and everything else is an outage."""

import logging
from datetime import UTC, datetime

import pytest

from exporter.simulator import SimulatedGateway
from tests.harness import OLD, STRING, Harness

DUSK = datetime(2026, 6, 1, 20, 0, tzinfo=UTC)  # the plant's sun sets at 20:15, London's at 20:08
LONDON = {"latitude": 51.5, "longitude": -0.13}
HOUR = 3600.0


async def fallen_asleep(harness: Harness, **more: object) -> SimulatedGateway:
    """A string inverter that was switched off by its own nightfall at 20:30."""
    harness.starts_at = DUSK
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, refresh_interval="30s", **more))
    await harness.cycles()
    await harness.pass_time(HOUR / 2)
    assert harness.value("winet2_pv_power_watts") == 0
    gateway.inject("gateway-vanishes")
    await harness.state("asleep")
    return gateway


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the exporter said; asyncio's debug mode complains of a slow machine."""
    return [record for record in caplog.records if record.name.startswith("exporter")]


def states(harness: Harness) -> list[str]:
    return [state for _, state in harness.states]


async def test_night_with_a_string_inverter_is_quiet(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """One quick look whether it was only the line, then a knock every five minutes and no warning."""
    caplog.set_level(logging.DEBUG)
    gateway = await fallen_asleep(harness)
    assert states(harness)[-4:] == ["online", "backing_off", "connecting", "asleep"]
    attempts = harness.value("winet2_ws_connection_attempts_total")
    await harness.pass_time(8 * HOUR)
    assert states(harness)[-1] == "asleep"
    assert states(harness).count("asleep") == 1
    knocks = harness.value("winet2_ws_connection_attempts_total") - attempts
    assert 8 * 12 - 1 <= knocks <= 8 * 60 / 4.75
    assert harness.value("winet2_up") == 0
    assert harness.value("winet2_target_state", state="asleep") == 1
    assert harness.values("winet2_pv_energy_joules_total") == harness.values("winet2_pv_power_watts") == {}
    assert [r.getMessage() for r in ours(caplog) if r.levelno >= logging.WARNING] == []
    assert [r.getMessage() for r in ours(caplog) if r.levelno == logging.INFO].count("asleep") == 1
    gateway.clear("gateway-vanishes")
    await harness.pass_time(301)
    assert harness.pool.status("roof").state == "online"
    assert harness.value("winet2_up") == 1


async def test_night_with_a_resume_knocks_at_once_and_sleeps_on(harness: Harness) -> None:
    """Somebody switched it on by hand, or thinks so."""
    gateway = await fallen_asleep(harness)
    await harness.pass_time(400)
    attempts = harness.value("winet2_ws_connection_attempts_total")
    assert harness.pool.resume("roof") is True
    await harness.pass_time(2.1)
    assert harness.value("winet2_ws_connection_attempts_total") == attempts + 1
    assert harness.pool.status("roof").state == "asleep"
    gateway.clear("gateway-vanishes")
    assert harness.pool.resume("roof") is True
    await harness.pass_time(3)
    assert harness.pool.status("roof").state == "online"


async def test_night_with_no_location_ends_after_eighteen_hours(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """No night is that long: then it is an outage, and it is told."""
    await fallen_asleep(harness)
    await harness.pass_time(17.8 * HOUR)
    assert harness.pool.status("roof").state == "asleep"
    assert ours(caplog) == []
    await harness.pass_time(0.4 * HOUR)
    assert harness.pool.status("roof").state in ("backing_off", "connecting")
    assert "asleep" not in states(harness)[-2:]
    warnings = [r for r in ours(caplog) if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in warnings] == ["connection failed"]


async def test_night_with_a_location_ends_half_an_hour_after_sunrise(harness: Harness) -> None:
    """The sun rises at 03:50 there."""
    await fallen_asleep(harness, location=LONDON)
    assert harness.value("winet2_sun_up") == 0
    await harness.pass_time(7.75 * HOUR)  # 04:15
    assert harness.value("winet2_sun_up") == 1
    assert harness.value("winet2_sun_elevation_degrees") > 0
    assert harness.pool.status("roof").state == "asleep"
    await harness.pass_time(0.25 * HOUR)  # 04:30
    assert harness.pool.status("roof").state in ("backing_off", "connecting")
    slept = states(harness).count("asleep")
    await harness.pass_time(18 * HOUR)  # the next evening explains nothing
    assert harness.pool.status("roof").state in ("backing_off", "connecting")
    assert states(harness).count("asleep") == slept


async def test_night_with_a_list_that_lost_its_devices_first_is_a_night(harness: Harness) -> None:
    """A gateway that is losing its power may answer with an empty list before it is gone."""
    harness.starts_at = DUSK
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, refresh_interval="30s"))
    await harness.cycles()
    await harness.pass_time(HOUR / 2)
    gateway.inject("device-vanishes:device=1")
    await harness.pass_time(HOUR / 4)
    assert harness.pool.status("roof").device_count == 0
    gateway.inject("gateway-vanishes")
    await harness.state("asleep")


async def test_night_with_a_hybrid_is_an_outage(harness: Harness) -> None:
    """Hybrids never sleep."""
    harness.starts_at = datetime(2026, 6, 1, 23, 0, tzinfo=UTC)
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway, location=LONDON))
    await harness.cycles()
    gateway.inject("gateway-vanishes")
    await harness.pass_time(HOUR)
    assert "asleep" not in states(harness)
    assert harness.value("winet2_target_state", state="asleep") == 0


async def test_day_with_a_string_inverter_that_vanishes_is_an_outage(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the day somebody pulled a plug; the night does not excuse it."""
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, location=LONDON))
    await harness.cycles()
    gateway.inject("gateway-vanishes")
    await harness.pass_time(14 * HOUR)
    assert "asleep" not in states(harness)
    assert any(record.levelno == logging.WARNING for record in ours(caplog))


async def test_night_with_one_lost_line_is_back_at_once(harness: Harness) -> None:
    """A glitch is no sleep."""
    harness.starts_at = DUSK
    gateway = await harness.gateway(STRING)
    await harness.start(harness.target(gateway, location=LONDON))
    await harness.cycles()
    await harness.pass_time(HOUR / 2)
    gateway.inject("drop:service=real:times=1")
    await harness.until(lambda: gateway.counts.upgrades == 2)
    await harness.cycles(2)
    assert "asleep" not in states(harness)


async def test_night_with_a_password_that_was_changed_is_no_sleep(harness: Harness) -> None:
    """Only a gateway that cannot be reached can be asleep."""
    gateway = await fallen_asleep(harness)
    gateway.inject("login-refused")
    gateway.clear("gateway-vanishes")
    await harness.state("refused")
    assert states(harness)[-2:] == ["authenticating", "refused"]


async def test_stop_with_a_knock_under_way_is_quick(harness: Harness) -> None:
    """A gateway that is half awake and mute holds nobody up."""
    gateway = await fallen_asleep(harness)
    gateway.inject("mute")
    gateway.clear("gateway-vanishes")
    attempts = gateway.counts.tcp_accepted
    await gateway.until(lambda: gateway.counts.tcp_accepted > attempts)
    began = harness.loop.time()
    await harness.stop()
    assert harness.loop.time() - began < 2.0
