"""The plant: its flows balance, its totals are the integrals of its powers, its day ends at midnight."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from exporter.simulator import Plant, accelerated, load_profile, profile_names

from .conftest import FORCED, LARGE, NIGHT, OLD, THREE_PHASE

ZONE = timezone(timedelta(hours=2))
MIDNIGHT = datetime(2026, 6, 1, tzinfo=ZONE)
MOMENTS = [MIDNIGHT + timedelta(minutes=7.3 * step) for step in range(200)]


def plant(name: str) -> Plant:
    return Plant(load_profile(name).plant, timedelta(hours=2))


@pytest.mark.parametrize("name", profile_names())
def test_flows_balance(name: str) -> None:
    """At every moment as much flows in as out, and nothing flows backwards."""
    played = plant(name)
    for moment in MOMENTS:
        powers = {flow: played.power(flow, moment) for flow in played.flows}
        assert min(powers.values()) >= 0
        sources = powers["pv"] + powers["discharge"] + powers["import"]
        assert sources == pytest.approx(powers["load"] + powers["charge"] + powers["export"], abs=1e-9)
        trackers = sum(power for flow, power in powers.items() if flow.startswith("mppt"))
        assert powers["pv"] == pytest.approx(trackers, abs=1e-9)
        assert powers["pv"] <= played.spec.rated_kw + 1e-9


@pytest.mark.parametrize("name", [OLD, FORCED, THREE_PHASE, LARGE])
def test_totals_are_integrals(name: str) -> None:
    """Adding up the power of each second of half an hour gives the energy that the totals show."""
    played = plant(name)
    since = MIDNIGHT + timedelta(hours=14, minutes=40, seconds=12)
    for flow in played.flows:
        sampled = sum(played.power(flow, since + timedelta(seconds=s + 0.5)) for s in range(1800)) / 3600
        assert played.energy(flow, since, since + timedelta(seconds=1800)) == pytest.approx(sampled, rel=1e-3)


@pytest.mark.parametrize("name", [OLD, THREE_PHASE])
def test_totals_only_grow(name: str) -> None:
    """No total ever shrinks, over midnight neither, and each day adds the same."""
    played = plant(name)
    moments = [MIDNIGHT + timedelta(hours=23, seconds=13 * step) for step in range(600)]
    for flow in played.flows:
        totals = [played.total(flow, moment) for moment in moments]
        assert totals == sorted(totals)
        day = played.energy(flow, MIDNIGHT, MIDNIGHT + timedelta(days=1))
        assert day == pytest.approx(played.day_energy(flow))


def test_day_begins_at_the_plants_midnight() -> None:
    """Daily energies reset at midnight by the plant's own clock, whatever zone the reader counts in."""
    played = plant(OLD)
    before = (MIDNIGHT - timedelta(seconds=1)).astimezone(UTC)
    assert before.hour == 21
    assert played.today("load", before) == pytest.approx(played.day_energy("load"), rel=1e-3)
    assert played.today("load", MIDNIGHT) == 0
    assert played.today("load", MIDNIGHT + timedelta(seconds=1)) > 0


def test_readers_agree() -> None:
    """Two plants asked in different order say the same."""
    forward, backward = plant(OLD), plant(OLD)
    there = [forward.values(moment) for moment in MOMENTS[:20]]
    back = [backward.values(moment) for moment in reversed(MOMENTS[:20])]
    assert there == back[::-1]


def test_battery_follows_its_flows() -> None:
    """The state of charge stays within bounds, falls at night, rises by day, and is the same a day later."""
    played = plant(OLD)
    levels = [played.values(moment)["battery_soc"] for moment in MOMENTS]
    assert 0 <= min(levels) < 20
    assert 90 < max(levels) <= 100.5
    evening = played.values(MIDNIGHT - timedelta(seconds=1))["battery_soc"]
    assert evening == pytest.approx(levels[0], abs=0.2)
    for flow in ("charge", "discharge", "import", "export"):
        assert played.day_energy(flow) > 0.5


def test_string_inverter_sleeps_at_night() -> None:
    """Without sun there is standby, no power and no voltage; with sun it runs."""
    played = plant(FORCED)
    night, day = MIDNIGHT + timedelta(hours=2), MIDNIGHT + timedelta(hours=12)
    assert played.texts(night)["state"] == "I18N_COMMON_STANDBY"
    assert played.texts(day)["state"] == "I18N_COMMON_STATUS_RUN"
    values = played.values(night)
    assert values["pv_power"] == values["ac_power"] == values["mppt1_voltage"] == values["current_a"] == 0
    assert values["power_factor"] == 1


def test_hybrid_runs_on_its_battery_at_night() -> None:
    """A hybrid whose battery feeds the house is not on standby."""
    evening = MIDNIGHT + timedelta(hours=22)
    texts = plant(OLD).texts(evening)
    assert texts["state"] == "I18N_COMMON_DISPATCH_RUN"
    assert texts["battery_state"] == "I18N_COMMON_STATUS_RUN"


def test_night_never_ends() -> None:
    """The plant of the night recording stands still at two o'clock."""
    played = plant(NIGHT)
    noon, evening = MIDNIGHT + timedelta(hours=12), MIDNIGHT + timedelta(hours=20)
    assert played.values(noon) == played.values(evening)
    for days in (1, 2, 400):  # no midnight comes, so no day's energy is added to any total
        assert played.values(evening + timedelta(days=days)) == played.values(noon)
    assert played.texts(noon)["system_time"] == "2026-06-01 02:00"
    assert played.texts(noon)["state"] == "I18N_COMMON_STANDBY"


def test_charger_has_its_hours() -> None:
    """The car charges in its hours and at no other time."""
    played = plant(THREE_PHASE)
    assert played.texts(MIDNIGHT + timedelta(hours=13))["charger_state"] == "I18N_COMMON_CHARGING"
    assert played.texts(MIDNIGHT + timedelta(hours=16))["charger_state"] == "I18N_COMMON_STANDBY"
    assert played.day_energy("charger") == pytest.approx(3.6 * 2.5, rel=0.01)


def test_self_consumption_rate_is_stale_at_night() -> None:
    """Before sunrise the rate is that of the whole day before."""
    played = plant(OLD)
    last = played.values(MIDNIGHT - timedelta(minutes=5))["self_consumption_rate"]
    assert played.values(MIDNIGHT + timedelta(hours=2))["self_consumption_rate"] == pytest.approx(last)
    assert played.values(MIDNIGHT + timedelta(hours=8))["self_consumption_rate"] > last


def test_accelerated_clock() -> None:
    """A clock runs so many times as fast, from the start it was given; without zone it is refused."""
    time = 5.0
    now = accelerated(MIDNIGHT, 60, clock=lambda: time)
    assert now() == MIDNIGHT
    time += 2
    assert now() == MIDNIGHT + timedelta(minutes=2)
    with pytest.raises(ValueError, match="needs a time zone"):
        accelerated(datetime(2026, 6, 1), 2)  # noqa: DTZ001
