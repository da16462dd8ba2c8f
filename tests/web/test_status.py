"""How a target stands, in numbers: what is unknown is null, and no power is counted twice."""

from dataclasses import fields

import pytest

from exporter.telemetry import FaultRow, Faults, GatewayService, Location, Reading, State
from exporter.web.status import Plant, Target, target_status
from tests.web.plants import WALL, Plants

FLOWS = [field.name for field in fields(Plant) if field.name != "without"]


@pytest.fixture
def plants() -> Plants:
    return Plants()


def status(plants: Plants, name: str = "roof") -> Target:
    shown = plants.exposition.samples(name)
    assert shown is not None
    return target_status(plants.statuses[name], shown, plants.now, plants.wall())


def plant(plants: Plants, *devices: object) -> Plant:
    plants.add(devices=devices)
    return status(plants).plant


def known(found: Plant) -> dict[str, float]:
    return {name: getattr(found, name) for name in FLOWS if getattr(found, name) is not None}


# The plant -------------------------------------------------------------------------------------------


def test_plant_when_a_hybrid_has_a_battery_then_each_flow_is_there_once(plants):
    """The battery's own device says the same again, and is not added."""
    plants.house()
    assert known(status(plants).plant) == {
        "pv_power_watts": 3500.0,
        "load_power_watts": 1200.0,
        "grid_import_power_watts": 0.0,
        "grid_export_power_watts": 1100.0,
        "battery_charge_power_watts": 1200.0,
        "battery_discharge_power_watts": 0.0,
        "battery_state_of_charge_ratio": 0.64,
        "pv_energy_today_joules": 7.1 * 3.6e6,
    }


def test_plant_when_there_are_only_string_inverters_then_their_pv_is_added_and_no_more_is_made_up(plants):
    """No house and no grid where nobody measures them."""
    found = plant(plants, plants.device("inverter", "A1", pv=3.5, today=1),
                  plants.device("inverter", "A2", pv=1.25, today=2))  # fmt: skip
    assert known(found) == {"pv_power_watts": 4750.0, "pv_energy_today_joules": 3 * 3.6e6}


def test_plant_when_a_hybrid_stands_beside_a_string_inverter_then_pv_adds_up(plants):
    """House and grid are the hybrid's."""
    found = plant(
        plants, plants.device("inverter", "A1", pv=3.5), plants.device("hybrid", "A2", pv=1, load=2)
    )
    assert known(found) == {"pv_power_watts": 4500.0, "load_power_watts": 2000.0}


def test_plant_when_an_inverter_tells_no_pv_then_the_sum_is_unknown(plants):
    """A part is not the whole."""
    found = plant(plants, plants.device("inverter", "A1", pv=3.5), plants.device("inverter", "A2", ac=1))
    assert known(found) == {}


def test_plant_when_the_gateway_has_no_link_to_an_inverter_then_the_sum_is_without_it_and_says_so(plants):
    """An inverter that was taken away long ago may stay in the list for ever."""
    found = plant(plants, plants.device("inverter", "A1", pv=3.5),
                  plants.device("inverter", "A2", online=False, pv=9),
                  plants.device("battery", "B1", online=False))  # fmt: skip
    assert known(found) == {"pv_power_watts": 3500.0}
    assert found.without == ("A2",)


def test_plant_when_two_hybrids_tell_of_house_and_grid_then_neither_is_added(plants):
    """Both may have read one meter; PV and batteries are their own."""
    both = [plants.device("hybrid", name, pv=1, load=2, **{"import": 1}, charge=0.5, soc=50)
            for name in ("A1", "A2")]  # fmt: skip
    assert known(plant(plants, *both)) == {"pv_power_watts": 2000.0, "battery_charge_power_watts": 1000.0}


def test_plant_when_one_of_two_hybrids_is_silent_then_battery_power_is_unknown(plants):
    """Nobody knows whether it has a battery."""
    found = plant(plants, plants.device("hybrid", "A1", pv=1, charge=1), plants.device("hybrid", "A2"))
    assert known(found) == {}


@pytest.mark.parametrize("batteries, ratio", [((), None), ((40,), 0.4), ((40, 60), None)])
def test_plant_when_no_inverter_tells_the_charge_then_the_only_battery_does(plants, batteries, ratio):
    """Two batteries have no common charge as long as their sizes are unknown."""
    devices = [plants.device("battery", f"B{soc}", soc=soc) for soc in batteries]
    assert plant(plants, plants.device(pv=1), *devices).battery_state_of_charge_ratio == ratio


def test_plant_when_a_device_is_of_an_unknown_kind_then_its_pv_counts_but_is_not_demanded(plants):
    """A new model is an inverter if it behaves like one."""
    assert known(plant(plants, plants.device("unknown", "A1", pv=2))) == {"pv_power_watts": 2000.0}
    found = plant(plants, plants.device("unknown", "A1"), plants.device("hybrid", "A2", pv=2))
    assert known(found) == {"pv_power_watts": 2000.0}


@pytest.mark.parametrize("devices", [None, ()])
def test_plant_when_nothing_was_read_then_everything_is_null(plants, devices):
    """Absent, never 0."""
    plants.add(devices=devices)
    assert status(plants).plant == Plant()


def test_plant_when_readings_are_too_old_then_everything_is_null(plants):
    """Yesterday's power is no power."""
    plants.house()
    plants.now += 50.5
    found = status(plants)
    assert found.plant == Plant()
    assert [device.values for device in found.devices] == [{}, {}]
    assert not found.up


# Targets and devices ---------------------------------------------------------------------------------


def test_target_when_it_is_online_then_times_are_told_as_ages_and_moments(plants):
    """Ages come from the monotonic clock."""
    plants.add(refresh_seconds=0.25)
    plants.now += 12.34
    found = status(plants)
    assert (found.state, found.state_age_seconds, found.since_timestamp_seconds) == (
        "online",
        17.3,
        WALL - 5.0,
    )
    assert (found.last_refresh_age_seconds, found.last_refresh_timestamp_seconds) == (12.3, WALL)
    assert (found.refresh_duration_seconds, found.had_first_cycle) == (0.25, True)
    assert (found.retry_in_seconds, found.failing_for_seconds, found.error, found.advice) == (None,) * 4


def test_target_when_it_never_answered_then_nothing_is_claimed(plants):
    """Every field that is not known is null."""
    plants.add(state=State.STARTING, devices=None)
    document = status(plants).to_dict()
    assert {name for name, value in document.items() if value is None} == {
        "last_refresh_age_seconds", "last_refresh_timestamp_seconds", "refresh_duration_seconds",
        "retry_in_seconds", "failing_for_seconds", "error", "advice", "certificate", "sun_up",
    }  # fmt: skip
    assert set(document["gateway"].values()) == {None}
    assert document["devices"] == []


def test_target_when_it_fails_then_words_and_waiting_times_are_there(plants):
    """What is wrong, what to do, how long it lasts and when it is tried again."""
    plants.add(state=State.BACKING_OFF, error="no answer", advice="Look.", retry_at=plants.now + 7.0,
               failing_since=plants.now - 60.0)  # fmt: skip
    found = status(plants)
    assert (found.error, found.advice) == ("no answer", "Look.")
    assert (found.retry_in_seconds, found.failing_for_seconds) == (7.0, 60.0)


def test_target_when_it_is_well_again_then_it_fails_no_more(plants):
    """Neither a time that has passed nor advice without an error is told."""
    plants.add(advice="Look.", retry_at=plants.now, failing_since=plants.now - 60.0)
    found = status(plants)
    assert (found.retry_in_seconds, found.failing_for_seconds, found.advice) == (None, None, None)


def test_target_when_the_gateway_tells_of_itself_then_it_is_passed_on(plants):
    """Versions, counts, cloud and WLAN."""
    plants.add(gateway={
        GatewayService.ABOUT: [Reading("I18N_COMMON_DEVICE_SN", "B1", ""),
                               Reading("I18N_COMMON_VERSION", "M_1", ""),
                               Reading("I18N_COMMON_APPLI_SOFT_VERSION", "P028", "")],
        GatewayService.STATE: [Reading("total_fault", "0", ""), Reading("total_alarm", "1", ""),
                               Reading("cloud_conn_sts", "0", "")],
        GatewayService.LOCAL: [Reading("I18N_COMMON_WIFI_SIGNAL_STRN", "-61", "dBm")],
    })  # fmt: skip
    assert status(plants).gateway.to_dict() == {
        "serial": "B1", "hardware": "M_1", "firmware": "P028", "faults": 0.0, "alarms": 1.0,
        "cloud_connected": False, "wifi_signal_dbm": -61.0,
    }  # fmt: skip


@pytest.mark.parametrize("expiry, left", [(WALL + 100.0, 100.0), (WALL - 100.0, -100.0), (None, None)])
def test_target_when_a_certificate_was_shown_then_its_print_and_end_are_told(plants, expiry, left):
    """One that has ended has a negative time left."""
    plants.add(fingerprint="AA:BB", certificate_expiry_wall=expiry)
    certificate = status(plants).certificate
    assert certificate is not None
    assert (certificate.fingerprint_sha256, certificate.expiry_timestamp_seconds) == ("AA:BB", expiry)
    assert certificate.expires_in_seconds == left


def test_target_when_a_place_is_configured_then_the_sun_is_told(plants):
    """It explains a plant without power."""
    plants.add(location=Location(0.0, 60.0))
    assert status(plants).sun_up is False


def test_device_when_it_is_listed_then_identity_link_state_and_values_are_told(plants):
    """The key values by the names of the metrics, and only those that are known."""
    plants.house()
    plants.now += 3.0
    first, second = status(plants).devices
    assert first.to_dict() == {
        "device": "A1", "name": "hybrid A1", "model": "SH5.0RS", "kind": "hybrid", "online": True, "up": True,
        "last_refresh_age_seconds": 3.0, "last_refresh_timestamp_seconds": WALL,
        "state": "energy_dispatch_operation", "faults": [],
        "values": {"pv_power_watts": 3500.0, "pv_energy_today_joules": 7.1 * 3.6e6,
                   "ac_active_power_watts": 2300.0, "load_power_watts": 1200.0,
                   "grid_import_power_watts": 0.0, "grid_export_power_watts": 1100.0,
                   "battery_charge_power_watts": 1200.0,
                   "battery_discharge_power_watts": 0.0, "battery_state_of_charge_ratio": 0.64},
    }  # fmt: skip
    assert second.values["battery_state_of_charge_ratio"] == 0.63


def test_device_when_it_never_answered_then_it_has_no_age(plants):
    """It is listed all the same."""
    plants.add(devices=[plants.device()])
    (device,) = status(plants).devices
    assert (device.up, device.state, device.values) == (False, None, {})
    assert (device.last_refresh_age_seconds, device.last_refresh_timestamp_seconds) == (None, None)


# Problems --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state, problem", [
    (State.STARTING, False), (State.CONNECTING, False), (State.AUTHENTICATING, False), (State.ONLINE, False),
    (State.BACKING_OFF, True), (State.ASLEEP, False), (State.YIELDED, False), (State.PAUSED, False),
    (State.REFUSED, True), (State.LOCKED, True),
])  # fmt: skip
def test_problem_when_only_the_state_speaks_then_failures_are_problems(plants, state, problem):
    """Sleep, a pause and a person at the gateway are none."""
    plants.add(state=state)
    assert status(plants).problem is problem


@pytest.mark.parametrize("state", [State.CONNECTING, State.AUTHENTICATING])
@pytest.mark.parametrize("failed_into, problem", [
    (State.BACKING_OFF, True), (State.REFUSED, True), (State.LOCKED, True),
    (State.ASLEEP, False), (State.YIELDED, False), (State.CONNECTING, False), (None, False),
])  # fmt: skip
def test_problem_when_it_is_tried_again_then_an_outage_remains_one(plants, state, failed_into, problem):
    """A gateway that is silent spends most of its outage in attempts; sleep and a person end in one too."""
    since = None if failed_into is None else plants.now - 60.0
    plants.add(state=state, failing_since=since, failed_into=failed_into)
    assert status(plants).problem is problem


@pytest.mark.parametrize("devices, problem", [(None, True), ((), False)])
def test_problem_when_an_outage_is_over_then_readings_end_it(plants, devices, problem):
    """An open line alone does not, else it would come and go with every attempt."""
    plants.add(devices=devices, failing_since=plants.now - 60.0, failed_into=State.BACKING_OFF)
    assert status(plants).problem is problem


@pytest.mark.parametrize("cycles, problem", [(True, True), (False, False)])
def test_problem_when_an_online_target_gives_no_readings_then_it_is_one(plants, cycles, problem):
    """Before its first cycle it cannot have any."""
    plants.add(devices=None, had_first_cycle=cycles)
    assert status(plants).problem is problem


@pytest.mark.parametrize("key, count, problem", [
    ("total_fault", "1", True), ("total_alarm", "2", True), ("total_fault", "0", False),
])  # fmt: skip
def test_problem_when_the_gateway_counts_faults_then_it_is_one(plants, key, count, problem):
    """The plant runs, and yet somebody should look."""
    plants.add(gateway={GatewayService.STATE: [Reading(key, count, "")]})
    assert status(plants).problem is problem


def test_problem_when_a_device_has_a_fault_then_it_is_one(plants):
    """By its list of faults, or by its state."""
    report = plants.device(state="I18N_COMMON_FAULT")
    plants.add(devices=[report])
    assert status(plants).problem
    healthy = plants.device(pv=1)
    faulty = type(healthy)(healthy.device, healthy.answers, Faults(plants.now, (FaultRow("7", ""),)))
    plants.add(devices=[faulty])
    assert status(plants).problem
    assert status(plants).devices[0].faults == ("7",)
