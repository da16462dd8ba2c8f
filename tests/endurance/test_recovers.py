"""What was lost by a passing fault is there again, and what does harm every time is done no more."""

from tests.harness import Harness, received


async def test_session_when_the_keep_alive_ends_the_line_twice_then_it_is_asked_no_more(
    harness: Harness,
) -> None:
    """What should keep the line alive must not be what kills it every time; the readings go on."""
    gateway = await harness.gateway(faults=["drop:service=ping"])
    await harness.start(harness.target(gateway, refresh_interval="2m"))
    await harness.cycles(6)
    assert len(received(gateway, "ping")) == 2
    assert gateway.counts.upgrades == 3


async def test_session_when_the_keep_alive_ends_the_line_once_then_it_is_asked_again(
    harness: Harness,
) -> None:
    """One lost line may have had any reason."""
    gateway = await harness.gateway(faults=["drop:service=ping:times=1"])
    await harness.start(harness.target(gateway, refresh_interval="2m"))
    await harness.cycles(4)
    assert len(received(gateway, "ping")) > 5
    assert gateway.counts.upgrades == 2


async def test_session_when_a_service_is_refused_for_a_moment_then_its_readings_are_back_in_minutes(
    harness: Harness,
) -> None:
    """211 from a device that has answered all day is no reason to wait until tomorrow."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("refused-service:service=real:device=1:times=1")
    await harness.cycles(2)
    assert not harness.values("winet2_pv_power_watts")
    await harness.pass_time(620)
    assert harness.values("winet2_pv_power_watts")
    assert gateway.counts.upgrades == 1


async def test_session_when_a_service_is_refused_for_good_then_it_is_asked_once_more_that_day(
    harness: Harness,
) -> None:
    """A battery that was taken out is not asked for every ten minutes."""
    gateway = await harness.gateway()
    await harness.start(harness.target(gateway, refresh_interval="60s"))
    await harness.cycles(2)
    gateway.inject("refused-service:service=real_battery")
    asked = len(received(gateway, "real_battery"))
    await harness.pass_time(3600)
    assert len(received(gateway, "real_battery")) - asked == 2
