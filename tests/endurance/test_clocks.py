"""Clocks that are set, machines that sleep, and nights of 23 and 25 hours: what is shown stays true."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.commands.running import Exporter
from exporter.config import Config, Target
from exporter.metrics import shown
from exporter.telemetry import Counters
from exporter.web.status import target_status
from exporter.winet.memory import Memory
from exporter.winet.pool import Pool
from tests.harness import CATALOGUE, OLD, STRING, THREE_PHASE, Harness, received

HOUR = 3600.0
TOTAL = "winet2_pv_energy_joules_total"
POWER = "winet2_pv_power_watts"


async def refreshed(harness: Harness, target: str = "roof") -> None:
    """Wait until readings are there and fresh."""
    await harness.until(lambda: harness.value("winet2_up", target=target) == 1)


def sleep(harness: Harness, seconds: float) -> None:
    """The machine is suspended: the wall goes on, and so does what counts sleep; the loop's time does not."""
    harness.slept += seconds
    harness.starts_at += timedelta(seconds=seconds)


def stand_still(harness: Harness, seconds: float) -> None:
    """The process is stopped, the machine is not: everything is late at once."""
    harness.loop._jumping.skipped += seconds  # type: ignore[attr-defined]


async def test_readings_when_the_machine_slept_then_none_from_before_is_shown(harness: Harness) -> None:
    """The first scrape after eight hours has no power of the evening; ten seconds later there is one."""
    gateway = await harness.gateway(THREE_PHASE)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    assert harness.values(POWER)
    sleep(harness, 8 * HOUR)
    assert harness.value("winet2_up") == 0
    assert harness.values(POWER) == harness.values("winet2_ac_active_power_watts") == {}
    assert set(harness.values("winet2_device_up").values()) == {0}
    await harness.pass_time(11)
    assert harness.value("winet2_up") == 1
    assert harness.values(POWER)
    assert harness.counts_agree(gateway)


async def test_totals_when_the_machine_slept_then_what_was_made_meanwhile_is_believed(
    harness: Harness,
) -> None:
    """Thirty kilowatt hours in eight hours are no leap."""
    gateway = await harness.gateway(THREE_PHASE)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    before = harness.value(TOTAL)
    sleep(harness, 8 * HOUR)
    await harness.cycles(1)
    assert harness.value(TOTAL) - before > 10 * 3.6e6
    assert "implausible" not in harness.errors()


async def test_session_when_the_line_died_in_the_machines_sleep_then_it_comes_back(harness: Harness) -> None:
    """The gateway restarted meanwhile: one lost line, and no reading of before is shown for a moment."""
    gateway = await harness.gateway(OLD)
    await harness.start(harness.target(gateway))
    await harness.cycles(2)
    gateway.inject("silence:times=1")
    sleep(harness, 8 * HOUR)
    seen: list[float] = []
    for _ in range(60):
        await harness.pass_time(1)
        seen.append(harness.value("winet2_up"))
    assert seen == sorted(seen), "up, down and up again"
    assert (seen[0], seen[-1]) == (0, 1)
    assert gateway.counts.upgrades == 2


@pytest.mark.parametrize("fault, state", [("login-refused", "refused"), ("user-limit", "yielded")])
async def test_pause_when_the_machine_slept_through_it_then_it_is_over_soon(
    harness: Harness, fault: str, state: str
) -> None:
    """What was to be waited for has passed: no second half hour."""
    gateway = await harness.gateway(STRING, faults=[fault])
    await harness.start(harness.target(gateway, yield_for="1h"))
    await harness.state(state)
    gateway.clear()
    sleep(harness, 8 * HOUR)
    status = harness.pool.status("roof")
    assert status.retry_at is not None
    assert status.retry_at < harness.clock()
    await harness.pass_time(330)
    assert harness.pool.status("roof").state == "online"


async def test_page_when_clocks_jump_then_no_age_is_negative(harness: Harness) -> None:
    """Whatever the clocks did, what the API tells of a target's past lies in the past."""
    gateway = await harness.gateway(THREE_PHASE)
    await harness.start(harness.target(gateway, timezone="Europe/Berlin"))
    await harness.cycles(2)
    for hours in (-48, 1, -1, 400 * 24, -400 * 24):
        harness.starts_at += timedelta(hours=hours)
        sample = harness.exposition.samples("roof")
        assert isinstance(sample, shown.TargetShown)
        now, wall = harness.clock(), harness.now().timestamp()
        told = target_status(harness.pool.status("roof"), sample, now, wall)
        ages = (told.state_age_seconds, told.last_refresh_age_seconds)
        assert all(age is not None and 0 <= age < 60 for age in ages), ages
        assert 0 <= wall - harness.value("winet2_local_midnight_timestamp_seconds") < 25 * HOUR
        assert harness.value("winet2_up") == 1
        await harness.cycles(1)
        wall = harness.now().timestamp()
        assert harness.value("winet2_last_refresh_timestamp_seconds") == pytest.approx(wall, abs=0.1)
        for told_at in harness.values("winet2_device_last_refresh_timestamp_seconds").values():
            assert told_at == pytest.approx(wall, abs=0.1)
    assert gateway.counts.upgrades == 1
    assert set(harness.errors()) <= {"implausible"}  # the plant's totals went back in time as well


async def test_sessions_when_the_process_stood_still_then_each_goes_on_once(harness: Harness) -> None:
    """An hour of missed cycles is made up for by one, and a line that still lives is kept or opened once."""
    gateways = [await harness.gateway(OLD) for _ in range(20)]
    names = [f"roof {n}" for n in range(len(gateways))]
    await harness.start(
        *(harness.target(gateway, name) for gateway, name in zip(gateways, names, strict=True))
    )
    await harness.until(lambda: all(counters.refreshes >= 2 for counters in counted(harness)))
    asked = [len(received(gateway)) for gateway in gateways]
    stand_still(harness, HOUR)
    assert set(harness.values("winet2_up").values()) == {0}
    await harness.pass_time(9)
    assert set(harness.values("winet2_up").values()) == {1}
    for gateway, name, before in zip(gateways, names, asked, strict=True):
        assert len(received(gateway)) - before <= 2 + 4 + 1, "a burst"  # connect, lists, readings
        assert gateway.counts.upgrades <= 2
        assert harness.counts_agree(gateway, name, apart=1)


def counted(harness: Harness) -> list[Counters]:
    return [status.counters for status in harness.pool.statuses().values()]


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("sunday, hours", [(datetime(2026, 10, 25), 25), (datetime(2027, 3, 28), 23)])  # noqa: DTZ001
async def test_midnight_when_the_clocks_are_changed_then_the_day_is_as_long_as_it_is(
    harness: Harness, sunday: datetime, hours: int
) -> None:
    """The local day begins at each local midnight, at no other time, and readings never stop."""
    midnight = sunday.replace(tzinfo=BERLIN).astimezone(UTC)
    next_one = midnight + timedelta(hours=hours)
    harness.starts_at = midnight - timedelta(minutes=10)
    gateway = await harness.gateway(THREE_PHASE)
    await harness.start(harness.target(gateway, timezone=BERLIN.key))
    await harness.cycles()
    for lived in (midnight, midnight + timedelta(hours=2), next_one):
        harness.starts_at += lived - timedelta(minutes=10) - harness.now()
        await harness.cycles()
        while harness.now() < lived + timedelta(minutes=10):
            told = {name: value for (name, _), value in harness.metrics().items()}
            began = datetime.fromtimestamp(told["winet2_local_midnight_timestamp_seconds"], UTC)
            if harness.now() < midnight:
                assert began == midnight - timedelta(days=1)
            else:
                assert began == (midnight if harness.now() < next_one else next_one)
            assert told["winet2_up"] == 1
            assert POWER in told
            await harness.pass_time(150)
    assert gateway.counts.upgrades == 1


def test_exporter_when_nobody_gives_it_a_clock_then_it_counts_the_machines_sleep() -> None:
    """Linux has two clocks that nobody sets; only one of them goes on in the machine's sleep."""
    exporter = Exporter(Config(targets=()), CATALOGUE)
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= exporter._clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("hours", [-30 * 24, -1])
async def test_restart_when_the_wall_clock_was_set_back_then_a_refusal_is_waited_out_once(
    harness: Harness, tmp_path: Path, hours: int
) -> None:
    """A small computer wakes up in its past: of half an hour there is half an hour left, not a day."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    target = harness.configuration(harness.target(gateway)).targets[0]
    pool = await begun(harness, target, tmp_path)
    await harness.until(lambda: pool.status("roof").state == "refused")
    await harness.pass_time(1)
    await pool.aclose()
    harness.starts_at += timedelta(hours=hours)
    gateway.clear()
    pool = await begun(harness, target, tmp_path)
    await harness.pass_time(1700)
    assert len(received(gateway, "login")) == 1
    await harness.pass_time(200)
    assert pool.status("roof").state == "online"
    await pool.aclose()


async def begun(harness: Harness, target: Target, folder: Path) -> Pool:
    """A process that remembers what the last one knew."""
    memory = await asyncio.to_thread(Memory.load, folder)
    pool = Pool(
        [target],
        on_change=lambda _: harness.look(),
        clock=harness.clock,
        wall=lambda: harness.now().timestamp(),
        rng=random.Random(1),
        memory=memory,
    )
    await pool.start()
    return pool
