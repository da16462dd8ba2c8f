"""Readings become samples: exact, one source each, states and unknown keys included."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue, families
from exporter.metrics.mapping import TargetView
from exporter.metrics.slots import Sample, label_text, quantity
from exporter.metrics.states import state_name
from exporter.telemetry import (
    Answer,
    Device,
    DeviceReport,
    DirectInput,
    GatewayService,
    OwnDevice,
    Reading,
    Reason,
    Service,
    Snapshot,
    TargetInfo,
)

BUNDLED = catalogue.bundled()
INFO = TargetInfo("roof", "192.0.2.10", "ws", "bypass", {}, 50.0, 500, gateway_stale_after=180.0)
COMMON = "I18N_COMMON_"
STRING = f"{COMMON}GROUP_BUNCH_TITLE_AND%@"
RUNNING, STATUS, BATTERY_STATUS = (
    f"{COMMON}RUNNING_STATE",
    f"{COMMON}DEVICE_STATUS",
    f"{COMMON}BATTERY_OPERATION_STATUS",
)

Series = tuple[str, tuple[str, ...]]


def device(identity: str = "A", dev_type: int = 35) -> Device:
    return Device(identity, "1", dev_type, 0, "", "", True)


def reading(key: str, value: str, unit: str = "") -> Reading:
    return Reading(key if key.startswith(("I18N_", "X_")) else COMMON + key, value, unit)


def mppt(
    name: str, voltage: str, current: str, voltage_unit: str = "V", current_unit: str = "A"
) -> DirectInput:
    return DirectInput(name, voltage, voltage_unit, current, current_unit)


def series_of(samples: Iterable[Sample]) -> dict[Series, float]:
    """Samples by family (without winet2_) and labels; none may come twice."""
    found: dict[Series, float] = {}
    for sample in samples:
        series = (sample.family.name.removeprefix("winet2_"), sample.labels)
        assert series not in found, f"{series} is there twice"
        assert len(sample.labels) == len(sample.family.labels) - 2
        found[series] = sample.value
    return found


LAYOUTS = {service: object() for service in Service}


def follow(before: tuple, made: tuple) -> tuple:
    """As a session does: what has not changed is the same object."""
    kept = tuple(old if old == new else new for old, new in zip(before or made, made, strict=True))
    return before if kept == before else kept


class Plant:
    """One target's view, refreshed every ten seconds."""

    def __init__(
        self, *devices: Device, max_unmapped: int = 500, info: TargetInfo = INFO, worded: bool = False
    ) -> None:
        self.info = info
        self.worded = worded  # answers have the same keys each time, and are known to have them
        self.gateway: dict[GatewayService, Answer] = {}
        self.view = TargetView(BUNDLED, families.READING, families.DEVICE_STATE, max_unmapped)
        self.devices = devices or (device(),)
        self.now = 1000.0
        self.answers: dict[str, dict[Service, Answer]] = {d.identity: {} for d in self.devices}

    def refresh(
        self,
        *real: Reading,
        battery: Iterable[Reading] | None = None,
        direct: Iterable[DirectInput] | None = None,
        of: str | None = None,
    ) -> dict[Series, float]:
        """A cycle in which one device (the first, or `of`) answers; returns all that is shown of it."""
        return self.publish(real, battery, direct, of or self.devices[0].identity)

    def publish(
        self,
        real: Iterable[Reading] | None,
        battery: Iterable[Reading] | None,
        direct: Iterable[DirectInput] | None,
        answering: str,
    ) -> dict[Series, float]:
        """The same, with each service answering or not."""
        self.now += 10.0
        dated = (self.now, self.now + 1e9)
        answers = self.answers[answering]  # as a session does, older ones are carried along
        for service, made in (
            (Service.REAL, real),
            (Service.REAL_BATTERY, battery),
            (Service.DIRECT, direct),
        ):
            if made is None:
                continue
            items = tuple(made)
            if self.worded and service in answers:
                items = follow(answers[service].inputs or answers[service].readings, items)
            both = ((), items) if service is Service.DIRECT else (items, ())
            answers[service] = Answer(*dated, *both, LAYOUTS[service] if self.worded else None)
        reports = (DeviceReport(d, dict(self.answers[d.identity])) for d in self.devices)
        self.view.update(Snapshot(*dated, tuple(reports), dict(self.gateway)), self.info)
        return self.shown(answering)

    def shown(self, identity: str) -> dict[Series, float]:
        newest = self.view.devices[identity].entries.values()
        return series_of(sample for entries in newest for sample in entries.samples())

    def counted(self, reason: Reason) -> int:
        return self.view.errors.get(reason, 0)


def generic(key: str, unit: str) -> Series:
    return "reading", (key, unit)


# Values ----------------------------------------------------------------------------------------------


def test_update_when_readings_are_mapped_then_they_are_in_base_units():
    """The unit in the message decides, and every value is exact."""
    assert Plant().refresh(
        reading("TOTAL_DCPOWER", "12.3", "kW"),
        reading("TOTAL_ACTIVE_POWER", "-0.28", "kW"),
        reading("PV_DAYILY_ENERGY_GENERATION", "43.5", "kWh"),
        reading("I18N_CONFIG_KEY_1001188", "55.7", "%"),
        reading("GRID_FREQUENCY", "49.99", "HZ"),
        reading("I18N_COMMONUA", "239.1", "V"),
        reading("UB", "240.2", "V"),
        reading("TOTAL_POWER_FACTOR", "1.000", ""),
        reading("TOTAL_BACKUP_POWER_WLECIVPM", "0", "W"),
        reading("MAXIMUM_APPARENT_POWER_SIWHFGQY", "10.0", "kVar"),
    ) == {
        ("pv_power_watts", ()): 12300.0,
        ("ac_active_power_watts", ()): -280.0,
        ("pv_energy_today_joules", ()): 156600000.0,
        ("self_consumption_today_ratio", ()): 0.557,
        ("grid_frequency_hertz", ()): 49.99,
        ("ac_voltage_volts", ("a",)): 239.1,
        ("ac_voltage_volts", ("b",)): 240.2,
        ("ac_power_factor_ratio", ()): 1.0,
        ("backup_power_watts", ()): 0.0,
        ("ac_apparent_power_limit_volt_amperes", ()): 10000.0,
    }


@pytest.mark.parametrize(
    "value, unit, reason",
    [
        ("--", "kW", None),
        ("", "kW", None),
        ("--", "furlong", None),
        ("1,5", "kW", Reason.UNREADABLE_VALUE),
        ("I18N_COMMON_STOP", "kW", Reason.UNREADABLE_VALUE),
        ("NaN", "kW", Reason.UNREADABLE_VALUE),
        ("1", "kWh", Reason.UNKNOWN_UNIT),
        ("1", "", Reason.UNKNOWN_UNIT),
    ],
)
def test_update_when_a_value_cannot_be_used_then_it_is_absent_and_its_neighbours_stay(value, unit, reason):
    """Absent, not nought; counted by reason, unless the gateway said itself that it has none."""
    plant = Plant()
    shown = plant.refresh(
        reading("TOTAL_ACTIVE_POWER", "1", "kW"),
        reading("TOTAL_DCPOWER", value, unit),
        reading("LOAD_TOTAL_ACTIVE_POWER", "2", "kW"),
    )
    assert shown == {("ac_active_power_watts", ()): 1000.0, ("load_power_watts", ()): 2000.0}
    assert plant.view.errors == ({reason: 1} if reason else {})


def test_quantity_when_there_is_no_value_then_it_is_none():
    """Absence is told from mistakes."""
    assert quantity("--", "anything", {}) is None


def test_update_when_an_answer_was_seen_then_it_is_not_judged_again():
    """What was dropped is counted once, however often snapshots repeat the answer."""
    view = TargetView(BUNDLED, families.READING, families.DEVICE_STATE, 500)
    answer = Answer(1.0, 1e9, (reading("TOTAL_DCPOWER", "x", "kW"),))
    for taken_at in (1.0, 2.0, 3.0):
        view.update(Snapshot(taken_at, 1e9, (DeviceReport(device(), {Service.REAL: answer}),)), INFO)
    assert view.errors == {Reason.UNREADABLE_VALUE: 1}


def test_update_when_a_service_does_not_answer_then_its_last_answer_stays_for_the_scrape_to_judge():
    """The other services go on; what has aged too much is decided at the scrape."""
    plant = Plant()
    plant.refresh(reading("TOTAL_DCPOWER", "1", "kW"), direct=[mppt("MPPT1", "300", "1")])
    shown = plant.refresh(reading("TOTAL_DCPOWER", "2", "kW"))
    assert shown["pv_power_watts", ()] == 2000.0
    assert shown["mppt_voltage_volts", ("1",)] == 300.0
    entries = plant.view.devices["A"].entries
    assert (entries[Service.REAL].taken_at, entries[Service.DIRECT].taken_at) == (1020.0, 1010.0)


def test_update_when_a_service_is_refused_then_what_it_said_is_gone():
    """A battery that was taken out leaves no values behind."""
    plant = Plant()
    plant.refresh(reading("TOTAL_DCPOWER", "1", "kW"), battery=[reading("BATTERY_SOC", "50", "%")])
    del plant.answers["A"][Service.REAL_BATTERY]
    assert plant.refresh(reading("TOTAL_DCPOWER", "1", "kW")) == {("pv_power_watts", ()): 1000.0}


def test_update_when_a_device_answers_then_the_newest_answer_dates_it():
    """`last_at` and `last_wall` are those of the newest answer of any service."""
    plant = Plant()
    view_of = plant.view.devices
    plant.refresh(reading("TOTAL_DCPOWER", "1", "kW"))
    assert (plant.view.devices["A"].last_at, plant.view.devices["A"].last_wall) == (1010.0, 1010.0 + 1e9)
    older = {Service.DIRECT: Answer(900.0, 900.0 + 1e9, ())}
    plant.view.update(Snapshot(1011.0, 1e9, (DeviceReport(device(), older),)), INFO)
    assert plant.view.devices["A"].last_at == 1010.0
    assert view_of == {}


# Sources ---------------------------------------------------------------------------------------------

FIRST, SECOND = "PV_DAYILY_ENERGY_GENERATION", "DAILY_POWER_YIELD"
TODAY = ("pv_energy_today_joules", ())


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_update_when_two_keys_feed_one_series_then_the_first_listed_is_its_source(order):
    """Not the one that comes first in the reply; the other is counted."""
    plant = Plant()
    values = {FIRST: "1", SECOND: "2"}
    assert plant.refresh(*(reading(key, values[key], "kWh") for key in order)) == {TODAY: 3.6e6}
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_the_best_key_has_no_value_then_the_next_is_the_source_and_stays_it():
    """A series does not jump between two sources."""
    plant = Plant()
    both = reading(FIRST, "--", "kWh"), reading(SECOND, "2", "kWh")
    assert plant.refresh(*both) == {TODAY: 7.2e6}
    assert plant.view.errors == {}
    assert plant.refresh(reading(FIRST, "1", "kWh"), reading(SECOND, "2", "kWh")) == {TODAY: 7.2e6}
    assert plant.refresh(reading(FIRST, "1", "kWh"), reading(SECOND, "--", "kWh")) == {}
    assert plant.counted(Reason.DUPLICATE) == 2


def test_update_when_a_device_was_not_listed_then_its_sources_are_chosen_anew():
    """A source is kept for as long as the device is listed."""
    plant = Plant()
    plant.refresh(reading(SECOND, "2", "kWh"))
    plant.view.update(Snapshot(plant.now, 1e9, ()), INFO)
    assert plant.refresh(reading(FIRST, "1", "kWh"), reading(SECOND, "2", "kWh")) == {TODAY: 3.6e6}


def test_update_when_a_list_left_a_device_out_then_its_totals_are_still_guarded():
    """One short list must not make a nought believable, which would count a whole lifetime again."""
    plant = Plant()
    alive = reading("BUS_VOLTAGE", "380", "V")
    total = ("pv_energy_joules_total", ())
    for _ in range(3):
        assert total in plant.refresh(reading("TOTAL_YIELD", "66842.7", "kWh"), alive)
    plant.view.update(Snapshot(plant.now, 1e9, ()), INFO)
    for _ in range(6):
        assert total not in plant.refresh(reading("TOTAL_YIELD", "0.0", "kWh"), alive)
    assert plant.refresh(reading("TOTAL_YIELD", "66842.8", "kWh"), alive)[total] == 66842.8 * 3.6e6


def test_update_when_devices_come_and_go_for_ever_then_the_memory_is_bounded():
    """A gateway that invents serial numbers fills no memory."""
    plant = Plant()
    for number in range(300):
        report = DeviceReport(device(f"S{number}"), {})
        plant.view.update(Snapshot(1000.0 + number, 1e9, (report,)), INFO)
    assert len(plant.view._unlisted) == 100
    plant.view.update(Snapshot(1e6, 1e9, ()), INFO)
    assert len(plant.view._unlisted) <= 1


def test_update_when_two_services_have_one_key_then_real_comes_first():
    """Services in the order real, real_battery, direct."""
    plant = Plant()
    shown = plant.refresh(
        reading("BATTERY_VOLTAGE", "264.3", "V"),
        battery=[reading("BATTERY_VOLTAGE", "261.3", "V"), reading("BATTERY_CURRENT", "4.0", "A")],
    )
    assert shown == {("battery_voltage_volts", ()): 264.3, ("battery_current_amperes", ()): 4.0}
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_a_better_key_is_in_a_later_service_then_it_is_the_source():
    """The order of keys goes before the order of services."""
    shown = Plant().refresh(
        reading("REMAIN_BATTERY_POWER", "90.1", "%"), battery=[reading("BATTERY_SOC", "79.5", "%")]
    )
    assert shown == {("battery_state_of_charge_ratio", ()): 0.795}


def test_update_when_a_key_repeats_in_a_reply_then_the_first_is_shown():
    """The second is counted as a duplicate."""
    plant = Plant()
    shown = plant.refresh(reading("TOTAL_DCPOWER", "1", "kW"), reading("TOTAL_DCPOWER", "2", "kW"))
    assert shown == {("pv_power_watts", ()): 1000.0}
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_two_devices_have_one_key_then_each_has_its_own_series():
    """An inverter's and a battery's own counter are never merged."""
    plant = Plant(device("A", 35), device("B", 44))
    plant.refresh(reading("TOTAL_BATTERY_CHARGE", "574.5", "kWh"), of="A")
    plant.refresh(reading("TOTAL_BATTERY_CHARGE", "575.9", "kWh"), of="B")
    series = ("battery_charge_energy_joules_total", ())
    assert plant.shown("A") == {series: 2068200000.0}
    assert plant.shown("B") == {series: 2073240000.0}
    assert plant.view.errors == {}


# Unknown keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, unit, number",
    [("78", "W", 78.0), ("-0.00", "kW", 0.0), ("12.3", "kW", 12.3), ("5", "dBm", 5.0), ("7", "", 7.0)],
)
def test_update_when_a_key_is_unknown_then_its_number_is_shown_in_the_gateways_unit(value, unit, number):
    """Nothing the device says is lost, and nothing is converted that nobody understands."""
    plant = Plant()
    assert plant.refresh(reading("X_NEW", value, unit)) == {generic("X_NEW", unit): number}
    assert plant.view.devices["A"].unmapped == {"X_NEW"}
    assert plant.view.errors == {}


@pytest.mark.parametrize("value", ["--", "", "I18N_COMMON_STANDBY", "192.0.2.1", "2022-08-29 18:12", "1,5"])
def test_update_when_an_unknown_key_has_text_then_it_is_only_counted_as_unmapped(value):
    """Text makes no series, and is no mistake."""
    plant = Plant()
    assert plant.refresh(reading("X_NEW", value)) == {}
    assert plant.view.devices["A"].unmapped == {"X_NEW"}
    assert plant.view.errors == {}


def test_update_when_an_unknown_key_repeats_then_the_first_is_shown():
    """The same key in another unit is another series."""
    plant = Plant()
    shown = plant.refresh(reading("X_K", "1", "V"), reading("X_K", "2", "V"), reading("X_K", "3", "A"))
    assert shown == {generic("X_K", "V"): 1.0, generic("X_K", "A"): 3.0}
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_an_unknown_key_is_in_two_services_then_it_is_one_series():
    """A series is never there twice: the earlier service is its source, the other is counted."""
    plant = Plant()
    shown = plant.refresh(reading("X_K", "1", "V"), battery=[reading("X_K", "2", "V")])
    assert shown == {generic("X_K", "V"): 1.0}
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_keys_look_alike_once_printable_then_they_are_one_series():
    """Labels are what counts."""
    plant = Plant()
    assert plant.refresh(reading("X_\n", "1"), reading("X_\t", "2")) == {generic("X_ ", ""): 1.0}
    assert plant.counted(Reason.DUPLICATE) == 1


def test_update_when_there_are_more_unknown_keys_than_allowed_then_the_first_stay():
    """The cap holds for the target, and known series go on beyond it."""
    plant = Plant(device("A"), device("B"), max_unmapped=3)
    first = plant.refresh(*(reading(f"X_{n}", "1") for n in range(2)), of="A")
    assert len(first) == 2
    second = plant.refresh(*(reading(f"X_{n}", "1") for n in range(5)), of="B")
    assert second == {generic("X_0", ""): 1.0}
    assert plant.view.errors == {Reason.SERIES_LIMIT: 4}
    assert plant.refresh(*(reading(f"X_{n}", "7") for n in range(2)), of="A").keys() == first.keys()


def test_update_when_a_device_is_no_longer_listed_then_its_share_of_the_cap_is_free():
    """A device that is gone does not take up room."""
    plant = Plant(device("A"), device("B"), max_unmapped=2)
    plant.refresh(reading("X_1", "1"), reading("X_2", "1"), of="A")
    assert plant.refresh(reading("X_1", "1"), of="B") == {}
    plant.devices = (device("B"),)
    assert plant.refresh(reading("X_1", "1"), of="B") == {generic("X_1", ""): 1.0}


def test_update_when_a_device_is_listed_again_then_the_cap_holds_for_it_as_well():
    """What it had was given to others meanwhile."""
    plant = Plant(device("A"), device("B"), max_unmapped=2)
    keys = [reading("X_1", "1"), reading("X_2", "1")]
    plant.publish(keys, None, None, "A")
    plant.devices = (device("B"),)
    assert len(plant.publish(keys, None, None, "B")) == 2
    plant.devices = (device("A"), device("B"))
    assert plant.publish(keys, None, None, "A") == {}
    assert len(plant.shown("B")) == 2


def test_update_when_a_device_is_no_longer_listed_then_its_unknown_keys_are_not_counted():
    """Those that stay have said nothing else, and need not be looked at again for it."""
    plant = Plant(device("A"), device("B"), worded=True)
    a, b = [reading("X_1", "1")], [reading("X_2", "1")]
    plant.publish(a, None, None, "A")
    plant.publish(b, None, None, "B")
    assert plant.view.unmapped == 2
    plant.devices = (device("A"),)
    plant.publish(a, None, None, "A")
    assert plant.view.unmapped == 1


def test_update_when_a_device_becomes_of_another_kind_then_what_it_said_before_is_not_counted():
    """It begins anew, with or without an answer."""
    plant = Plant()
    plant.refresh(reading("X_1", "1"))
    plant.devices = (device(dev_type=44),)
    plant.answers["A"] = {}
    plant.publish(None, None, None, "A")
    assert plant.view.unmapped == 0


def test_update_when_nothing_unmapped_is_allowed_then_only_known_keys_are_shown():
    """`max_unmapped: 0` switches the unknown ones off."""
    plant = Plant(max_unmapped=0)
    shown = plant.refresh(reading("X_1", "1"), reading("TOTAL_DCPOWER", "1", "kW"))
    assert shown == {("pv_power_watts", ()): 1000.0}


# States ----------------------------------------------------------------------------------------------


def states_of(shown: dict[Series, float]) -> dict[str, float]:
    return {labels[0]: value for (family, labels), value in shown.items() if family == "device_state"}


def present(shown: dict[Series, float]) -> list[str]:
    return [state for state, value in states_of(shown).items() if value == 1.0]


@pytest.mark.parametrize("key", [RUNNING, STATUS, BATTERY_STATUS])
@pytest.mark.parametrize("dev_type, kind", [(21, "inverter"), (35, "hybrid"), (44, "battery")])
def test_update_when_a_state_is_known_then_it_is_one_and_the_others_are_nought(key, dev_type, kind):
    """All known states of the kind are there, exactly one is 1."""
    shown = Plant(device("A", dev_type)).refresh(reading(key, f"{COMMON}STANDBY"))
    assert set(states_of(shown)) == set(BUNDLED.states[kind])
    assert present(shown) == ["standby"]


@pytest.mark.parametrize("dev_type", [18, 46, 99])
def test_update_when_a_kind_has_no_known_states_then_only_what_was_seen_is_shown(dev_type):
    """A charger's states are learnt."""
    plant = Plant(device("A", dev_type))
    assert states_of(plant.refresh(reading(STATUS, "I18N_NEW"))) == {"new": 1.0}
    assert states_of(plant.refresh(reading(STATUS, "I18N_NEWER"))) == {"new": 0.0, "newer": 1.0}


def test_update_when_a_state_is_new_then_it_stays_with_nought_when_it_is_left():
    """A new state is remembered, so that a graph shows its end."""
    plant = Plant()
    assert present(plant.refresh(reading(RUNNING, f"{COMMON}DANCING"))) == ["dancing"]
    shown = plant.refresh(reading(RUNNING, f"{COMMON}STANDBY"))
    assert states_of(shown)["dancing"] == 0.0
    assert present(shown) == ["standby"]


def test_update_when_there_are_more_than_sixteen_new_states_then_the_rest_is_other():
    """States cannot fill the database."""
    plant = Plant()
    for n in range(16):
        assert present(plant.refresh(reading(RUNNING, f"I18N_NEW_{n}"))) == [f"new_{n}"]
        assert plant.counted(Reason.SERIES_LIMIT) == 0
    for n in (16, 17):
        shown = plant.refresh(reading(RUNNING, f"I18N_NEW_{n}"))
        assert present(shown) == ["other"]
        assert plant.counted(Reason.SERIES_LIMIT) == n - 15
    assert len(states_of(shown)) == len(BUNDLED.states["hybrid"]) + 16 + 1
    shown = plant.refresh(reading(RUNNING, "I18N_NEW_3"))
    assert present(shown) == ["new_3"]
    assert states_of(shown)["other"] == 0.0


@pytest.mark.parametrize("value", ["--", "", " "])
def test_update_when_there_is_no_state_then_no_state_is_shown(value):
    """Not even noughts: nobody knows."""
    plant = Plant()
    assert plant.refresh(reading(RUNNING, value)) == {}
    assert plant.view.errors == {}


def test_update_when_a_reply_has_two_states_then_the_first_is_shown():
    """A device is in one state."""
    plant = Plant()
    shown = plant.refresh(reading(RUNNING, f"{COMMON}STANDBY"), reading(STATUS, f"{COMMON}FAULT"))
    assert present(shown) == ["standby"]
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_two_services_have_a_state_then_the_first_is_shown():
    """A state in `real_battery` beside one in `real` makes no second set of series."""
    plant = Plant()
    shown = plant.refresh(
        reading(RUNNING, f"{COMMON}STANDBY"), battery=[reading(BATTERY_STATUS, f"{COMMON}FAULT")]
    )
    assert present(shown) == ["standby"]
    assert plant.view.errors == {Reason.DUPLICATE: 1}


@pytest.mark.parametrize(
    "value, name",
    [
        ("I18N_COMMON_DISPATCH_RUN", "dispatch_run"),
        ("I18N_CONFIG_KEY_5", "config_key_5"),
        ("I18N_COMMON_", "unknown"),
        ("Running (ok)", "running__ok"),
        ("33280", "33280"),
        ("Läuft", "l_uft"),
        ("\n", "unknown"),
        ("I18N_COMMON_" + "A" * 100, "a" * 64),
        ("I18N_COMMON_I18N_COMMON_X", "i18n_common_x"),
    ],
)
def test_state_name_when_a_state_is_a_key_then_its_name_is_what_is_left_of_it(value, name):
    """Short, small letters, digits and underscores, whatever the gateway says."""
    assert state_name(value) == name


# MPPTs and strings -----------------------------------------------------------------------------------


def test_update_when_inputs_come_then_each_has_voltage_current_and_power():
    """Power is voltage times current, exactly; strings and MPPTs are apart."""
    shown = Plant().refresh(
        direct=[mppt("MPPT1", "313.9", "10.5"), mppt("MPPT2", "226.7", "0.0"),
                mppt(f"{STRING}1", "313.6", "10.50"), mppt(f"{STRING}12", "0.3", "0.1")]
    )  # fmt: skip
    assert shown == {
        ("mppt_voltage_volts", ("1",)): 313.9,
        ("mppt_current_amperes", ("1",)): 10.5,
        ("mppt_power_watts", ("1",)): 3295.95,
        ("mppt_voltage_volts", ("2",)): 226.7,
        ("mppt_current_amperes", ("2",)): 0.0,
        ("mppt_power_watts", ("2",)): 0.0,
        ("string_voltage_volts", ("1",)): 313.6,
        ("string_current_amperes", ("1",)): 10.5,
        ("string_power_watts", ("1",)): 3292.8,
        ("string_voltage_volts", ("12",)): 0.3,
        ("string_current_amperes", ("12",)): 0.1,
        ("string_power_watts", ("12",)): 0.03,
    }


@pytest.mark.parametrize(
    "entry, parts, errors",
    [
        (mppt("MPPT1", "--", "1"), {"current_amperes": 1.0}, {}),
        (mppt("MPPT1", "2", "--"), {"voltage_volts": 2.0}, {}),
        (mppt("MPPT1", "--", "--"), {}, {}),
        (mppt("MPPT1", "x", "1"), {"current_amperes": 1.0}, {Reason.UNREADABLE_VALUE: 1}),
        (mppt("MPPT1", "2", "x"), {"voltage_volts": 2.0}, {Reason.UNREADABLE_VALUE: 1}),
        (mppt("MPPT1", "x", "x"), {}, {Reason.UNREADABLE_VALUE: 2}),
        (mppt("MPPT1", "2", "1", "W"), {"current_amperes": 1.0}, {Reason.UNKNOWN_UNIT: 1}),
        (mppt("MPPT1", "2", "1", "V", "V"), {"voltage_volts": 2.0}, {Reason.UNKNOWN_UNIT: 1}),
        (mppt("MPPT1", "2", "1", "kV", "mA"),
         {"voltage_volts": 2000.0, "current_amperes": 0.001, "power_watts": 2.0}, {}),
    ],
)  # fmt: skip
def test_update_when_a_part_of_an_input_is_missing_then_the_other_stays(entry, parts, errors):
    """Voltage, current and power stand or fall each for itself."""
    plant = Plant()
    shown = plant.refresh(direct=[entry, mppt("MPPT2", "5", "1")])
    assert {name.removeprefix("mppt_"): v for (name, labels), v in shown.items() if labels == ("1",)} == parts
    assert shown["mppt_power_watts", ("2",)] == 5.0
    assert plant.view.errors == errors


def test_update_when_an_input_repeats_then_the_first_is_shown():
    """MPPT1 and MPPT01 are one."""
    plant = Plant()
    shown = plant.refresh(direct=[mppt("MPPT1", "1", "1"), mppt("MPPT01", "2", "2")])
    assert shown["mppt_power_watts", ("1",)] == 1.0
    assert plant.view.errors == {Reason.DUPLICATE: 1}


def test_update_when_an_inputs_name_is_unknown_then_its_numbers_are_shown_as_they_are():
    """An input of a new kind is not lost."""
    plant = Plant()
    shown = plant.refresh(direct=[mppt("OPTIMIZER7", "31.5", "--"), mppt("PV", "30", "2")])
    assert shown == {
        generic("OPTIMIZER7", "V"): 31.5,
        generic("PV", "V"): 30.0,
        generic("PV", "A"): 2.0,
    }
    assert plant.view.devices["A"].unmapped == {"OPTIMIZER7", "PV"}


# Batteries -------------------------------------------------------------------------------------------

ZEROS = [
    reading("I18N_CONFIG_KEY_3907", "0.000", "kW"),
    reading("BATTERY_VOLTAGE", "0.0", "V"),
    reading("BATTERY_SOC", "0.0", "%"),
    reading("BATTARY_HEALTH", "0.0", "%"),
    reading("TOTAL_BATTERY_CHARGE", "0.0", "kWh"),
]


def test_update_when_there_is_no_battery_then_its_noughts_are_not_shown():
    """A hybrid without battery answers with noughts; an empty battery is something else."""
    plant = Plant()
    shown = plant.refresh(
        reading("TOTAL_DCPOWER", "1", "kW"), battery=[*ZEROS, reading("LOAD_TOTAL_ACTIVE_POWER", "1", "kW")]
    )
    assert shown == {("pv_power_watts", ()): 1000.0, ("load_power_watts", ()): 1000.0}
    assert plant.view.errors == {}


@pytest.mark.parametrize(
    "proof", [reading("BATTERY_VOLTAGE", "261.3", "V"), reading("BATTERY_SOC", "1", "%"),
              reading("BATTARY_HEALTH", "100", "%")]
)  # fmt: skip
def test_update_when_a_battery_shows_itself_then_its_noughts_are_shown(proof):
    """Voltage, charge or health prove that there is one, even an empty one."""
    others = [zero for zero in ZEROS if zero.key != proof.key]
    shown = Plant().refresh(battery=[proof, *others])
    assert shown["battery_charge_power_watts", ()] == 0.0
    assert len([name for name, _ in shown if name.startswith("battery_")]) == 4


def test_update_when_a_battery_is_added_later_then_it_is_shown():
    """Noughts of the past hold nothing back but the totals' guard."""
    plant = Plant()
    plant.refresh(battery=ZEROS)
    shown = plant.refresh(
        battery=[reading("BATTERY_VOLTAGE", "261.3", "V"), reading("BATTERY_SOC", "79.5", "%")]
    )
    assert shown == {("battery_voltage_volts", ()): 261.3, ("battery_state_of_charge_ratio", ()): 0.795}


def test_update_when_a_battery_device_shows_a_few_noughts_then_they_are_shown():
    """Only `real_battery` is answered by inverters that have none."""
    assert Plant(device("B", 44)).refresh(*ZEROS[:3])["battery_voltage_volts", ()] == 0.0


def test_update_when_every_number_of_a_device_is_nought_then_none_is_shown():
    """Voltages and temperatures of 0 all at once are a device that is starting up; its state is shown."""
    plant = Plant()
    keys = ("TOTAL_DCPOWER", "BUS_VOLTAGE", "GRID_FREQUENCY", "AIR_TEM_INSIDE_MACHINE", "UB")
    units = ("kW", "V", "Hz", "℃", "V")
    shown = plant.refresh(*map(reading, keys, ["0.0"] * 5, units), reading("X_1", "0"))
    assert shown == {}
    assert plant.view.errors == {Reason.IMPLAUSIBLE: 1}
    assert len(plant.refresh(*map(reading, keys, ["0.0"] * 4 + ["1"], units))) == 5


# Totals ----------------------------------------------------------------------------------------------

TOTAL = ("pv_energy_joules_total", ())


def total(value: str) -> Reading:
    return reading("PV_TOTAL_ENERGY_GENERATION", value, "kWh")


def test_update_when_a_total_steps_back_then_it_is_absent_until_it_lasts():
    """Held off and counted, then accepted and counted as a reset."""
    plant = Plant()
    shown = [plant.refresh(total(value)).get(TOTAL) for value in ("1000", "1", "1", "1", "1.5")]
    assert shown == [3.6e9, None, None, 3.6e6, 5.4e6]
    assert plant.view.errors == {Reason.IMPLAUSIBLE: 2}
    assert plant.view.resets == {("A", "winet2_pv_energy_joules_total"): 1}


def test_update_when_a_total_spikes_then_it_is_absent_and_no_reset():
    """A spike that lasts is accepted; it has not gone back."""
    plant = Plant()
    values = ("1000", "2000", "1000", "2000", "2000", "2000")
    shown = [plant.refresh(total(value)).get(TOTAL) for value in values]
    assert shown == [3.6e9, None, 3.6e9, None, None, 7.2e9]
    assert plant.view.errors == {Reason.IMPLAUSIBLE: 3}
    assert plant.view.resets == {}


def test_update_when_all_is_nought_at_dawn_then_totals_are_absent():
    """The first nought of a total is not believed; gauges are not judged."""
    shown = Plant().refresh(total("0"), reading("TOTAL_DCPOWER", "0", "kW"), reading(FIRST, "0.0", "kWh"))
    assert shown == {("pv_power_watts", ()): 0.0, TODAY: 0.0}


def test_update_when_a_day_ends_then_todays_energy_goes_back_freely():
    """The device resets it at its own midnight."""
    plant = Plant()
    assert [plant.refresh(reading(FIRST, value, "kWh"))[TODAY] for value in ("43.5", "0")] == [
        156600000.0,
        0.0,
    ]


def test_update_when_running_time_steps_back_then_it_is_not_judged():
    """The guard is for energy; the rule about watts says nothing of hours."""
    plant = Plant()
    shown = [plant.refresh(reading("TOTAL_GRID_RUNNING_TIME", value, "h")) for value in ("5", "4")]
    assert shown[1] == {("grid_running_time_seconds_total", ()): 14400.0}


def test_update_when_a_device_leaves_the_list_then_it_is_gone_and_its_resets_stay_counted():
    """A counter of ours does not go back because a device went."""
    plant = Plant(device("A"), device("B"))
    for value in ("1000", "1", "1", "1"):
        plant.refresh(total(value), of="A")
    plant.devices = (device("B"),)
    plant.refresh(of="B")
    assert list(plant.view.devices) == ["B"]
    assert plant.view.resets == {("A", "winet2_pv_energy_joules_total"): 1}


def test_update_when_the_type_of_a_device_changes_then_its_kind_follows():
    """A device list may correct itself."""
    plant = Plant(device("A", 99))
    plant.refresh()
    assert plant.view.devices["A"].kind == "unknown"
    plant.devices = (device("A", 35),)
    plant.refresh()
    assert plant.view.devices["A"].kind == "hybrid"


# Rated power -----------------------------------------------------------------------------------------

AC_POWER, CHARGE, LOAD = (
    ("ac_active_power_watts", ()),
    ("battery_charge_power_watts", ()),
    ("load_power_watts", ()),
)


def rated(*devices: Device, plant: str | None = None, **own: float | None) -> Plant:
    """A plant whose devices are rated by the configuration, or all together by the gateway."""
    ratings = {identity: OwnDevice(rated_power_watts=watts) for identity, watts in own.items()}
    made = Plant(*devices, info=replace(INFO, devices=ratings))
    if plant is not None:
        readings = (Reading("rated_power", plant, "kW"),)
        made.gateway[GatewayService.STATISTICS] = Answer(1.0, 1.0, readings)
    return made


def ac_powers(plant: Plant, *values: str, of: str = "A") -> list[float | None]:
    return [
        plant.refresh(reading("TOTAL_ACTIVE_POWER", value, "kW"), of=of).get(AC_POWER) for value in values
    ]


BATTERY, HYBRID, INVERTER = device("B", 44), device("A", 35), device("A", 21)


@pytest.mark.parametrize(
    "devices, ratings",
    [
        ([HYBRID], {"A": 5000.0}),
        ([HYBRID], {"plant": "5.00"}),
        ([INVERTER, BATTERY, device("M", 18)], {"plant": "5.00"}),
        ([HYBRID], {"plant": "100", "A": 5000.0}),
        ([HYBRID, device("C", 35)], {"A": 5000.0}),
    ],
    ids=[
        "own",
        "the plant's",
        "the plant's, one inverter among others",
        "own before the plant's",
        "one of two",
    ],
)
def test_update_when_a_power_is_far_above_the_rating_then_it_is_absent_until_it_lasts(devices, ratings):
    """Held off and counted at 1.5 times the rated power, in both directions, believed when it lasts."""
    plant = rated(*devices, **ratings)
    shown = ac_powers(plant, "7.5", "7.6", "5", "-7.6", "99", "-99", "-99", "0")
    assert shown == [7500.0, None, 5000.0, None, None, -99_000.0, -99_000.0, 0.0]
    assert plant.view.errors == {Reason.IMPLAUSIBLE: 3}


@pytest.mark.parametrize(
    "devices, ratings",
    [
        ([HYBRID], {}),
        ([HYBRID], {"B": 5.0}),
        ([HYBRID], {"A": None}),
        ([HYBRID, device("C", 21)], {"plant": "5.00"}),
        ([HYBRID], {"plant": "--"}),
        ([HYBRID], {"plant": "0.00"}),
        ([HYBRID], {"plant": "-1"}),
    ],
    ids=["none", "another's", "own without one", "that of two together", "no value", "nought", "negative"],
)
def test_update_when_no_rating_is_known_then_every_power_is_shown(devices, ratings):
    """Without a measure nothing is beyond it."""
    plant = rated(*devices, **ratings)
    assert ac_powers(plant, "99", "-99", "0") == [99_000.0, -99_000.0, 0.0]
    assert plant.view.errors == {}


def test_update_when_a_power_is_not_the_devices_own_then_the_rating_does_not_bound_it():
    """A house may draw more than its inverter can make; the battery may not be charged with more."""
    shown = rated(HYBRID, A=1000.0).refresh(
        reading("LOAD_TOTAL_ACTIVE_POWER", "9", "kW"), battery=[reading("I18N_CONFIG_KEY_3907", "9", "kW")]
    )
    assert shown == {LOAD: 9000.0}


def test_update_when_a_power_is_held_off_then_its_neighbours_stay():
    """Each series has a history of its own."""
    plant = rated(HYBRID, A=5000.0)
    for _ in range(2):
        shown = plant.refresh(
            reading("TOTAL_ACTIVE_POWER", "99", "kW"),
            reading("TOTAL_DCPOWER", "3", "kW"),
            battery=[reading("I18N_CONFIG_KEY_3907", "99", "kW"), reading("BATTERY_VOLTAGE", "260", "V")],
        )
        assert shown == {("pv_power_watts", ()): 3000.0, ("battery_voltage_volts", ()): 260.0}
    assert plant.counted(Reason.IMPLAUSIBLE) == 4


def test_update_when_the_keys_of_a_reply_change_then_a_held_off_power_is_remembered():
    """The order of a reply is no part of a series' history."""
    plant = rated(HYBRID, A=5000.0)
    spike = reading("TOTAL_ACTIVE_POWER", "99", "kW")
    assert plant.refresh(spike) == {}
    assert plant.refresh(reading("UB", "230", "V"), spike).get(AC_POWER) is None
    assert plant.refresh(spike) == {AC_POWER: 99_000.0}


def test_update_when_an_answer_is_repeated_then_a_held_off_power_does_not_last_by_it():
    """A change of state repeats the snapshot; only new readings are evidence."""
    plant = rated(HYBRID, A=5000.0)
    plant.refresh(reading("TOTAL_ACTIVE_POWER", "99", "kW"))
    for _ in range(5):
        assert plant.publish(None, None, None, "A") == {}
    assert plant.view.errors == {Reason.IMPLAUSIBLE: 1}


def test_update_when_the_rating_becomes_known_then_it_holds_from_then_on():
    """The gateway tells of its plant minutes after the first readings."""
    plant = rated(HYBRID)
    assert ac_powers(plant, "99") == [99_000.0]
    plant.gateway = rated(plant="5.00").gateway
    assert ac_powers(plant, "99", "99", "99") == [None, None, 99_000.0]


def test_update_when_the_rating_is_known_then_it_bounds_the_growth_of_totals():
    """3 x 100 kW in 10 s would be 0.83 kWh, 3 x 2000 kW are more than a kilowatt-hour."""
    for watts, shown in ((100_000.0, None), (2_000_000.0, 1010 * 3.6e6)):
        plant = rated(HYBRID, A=watts)
        plant.refresh(total("1000"))
        assert plant.refresh(total("1010")).get(TOTAL) == shown


@pytest.mark.parametrize("worded", [False, True])
@pytest.mark.parametrize("waking", ["I18N_COMMON_STANDBY", "I18N_COMMON_RUN"])
def test_update_when_a_total_stands_still_then_its_growth_counts_from_the_last_reading(worded, waking):
    """All night the same text is read; in the morning it may not grow by a night's worth at once."""
    plant = rated(HYBRID, A=5000.0)
    plant.worded = worded
    asleep = reading(RUNNING, "I18N_COMMON_STANDBY")
    for _ in range(720):  # two hours, in which 30 kWh would be allowed
        assert plant.refresh(total("1000"), asleep)[TOTAL] == 3.6e9
    awake = reading(RUNNING, waking)
    assert plant.refresh(total("1020"), awake).get(TOTAL) is None
    assert plant.refresh(total("1000.5"), awake)[TOTAL] == 1000.5 * 3.6e6


def test_update_when_an_odd_answer_is_followed_by_another_then_all_of_it_is_looked_at():
    """What was left out with a battery that seemed not to be there is shown with it, changed or not."""
    plant = Plant(worded=True)
    soc, current = reading("BATTERY_SOC", "0", "%"), reading("BATTERY_CURRENT", "0", "A")
    battery = (
        ("battery_voltage_volts", ()),
        ("battery_state_of_charge_ratio", ()),
        ("battery_current_amperes", ()),
    )
    assert plant.refresh(battery=[reading("BATTERY_VOLTAGE", "0", "V"), soc, current]) == {}
    shown = plant.refresh(battery=[reading("BATTERY_VOLTAGE", "261.3", "V"), soc, current])
    assert shown == dict(zip(battery, (261.3, 0.0, 0.0), strict=True))


@pytest.mark.parametrize("worded", [True, False])
def test_update_when_a_source_is_chosen_then_what_another_service_told_before_stays(worded):
    """The battery was not asked in this cycle, or did not answer: what it said holds until it is too old."""
    plant = Plant(worded=worded)
    battery = [reading("BATTERY_VOLTAGE", "300", "V"), reading("TOTAL_BATTERY_CHARGE", "7", "kWh")]
    before = plant.refresh(reading("TOTAL_DCPOWER", "--", "kW"), battery=battery)
    assert len(before) == 2
    after = {**before, ("pv_power_watts", ()): 3000.0}
    assert plant.refresh(reading("TOTAL_DCPOWER", "3", "kW")) == after
    assert plant.refresh(reading("TOTAL_DCPOWER", "3", "kW")) == after
    battery[0] = reading("BATTERY_VOLTAGE", "301", "V")
    shown = plant.refresh(reading("TOTAL_DCPOWER", "3", "kW"), battery=battery)
    assert shown == {**after, ("battery_voltage_volts", ()): 301.0}
    assert plant.view.errors == {}


def test_update_when_a_gateway_invents_names_of_inputs_then_memory_has_an_end():
    """New names at every answer: what is known of them begins anew, what is shown stays bounded."""
    plant = Plant(max_unmapped=10)
    for n in range(20):
        shown = plant.refresh(
            direct=[mppt("MPPT1", "300", "2"), *(mppt(f"X{n}.{m}", "1", "1") for m in range(60))]
        )
        assert shown["mppt_power_watts", ("1",)] == 600.0
        assert len(plant.view.devices["A"].unmapped) == 60
    assert sum(name == "reading" for name, _ in shown) <= 10


# Whatever comes --------------------------------------------------------------------------------------

_keys = st.sampled_from(
    [*sorted(BUNDLED.sources)[::6], COMMON + FIRST, RUNNING, STATUS, BATTERY_STATUS, "X_1", "X_2",
     *(COMMON + k for k in ("PV_TOTAL_ENERGY_GENERATION", "TOTAL_YIELD", "BATTERY_SOC", "BATTERY_VOLTAGE"))]
) | st.text(max_size=5)  # fmt: skip
_values = st.sampled_from(["0", "1", "-0.00", "12.5", "--", "1000", "I18N_COMMON_STANDBY", "x"]) | st.text(
    max_size=6
)
_unit = st.sampled_from(["kWh", "kW", "V", "A", "%", "", "HZ"]) | st.text(max_size=3)
_readings = st.lists(st.builds(Reading, _keys, _values, _unit), max_size=8)
_names = st.sampled_from(["MPPT1", "MPPT01", f"{STRING}1", f"{STRING}12", "X_1"]) | st.text(max_size=4)
_inputs = st.lists(st.builds(DirectInput, _names, _values, _unit, _values, _unit), max_size=5)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(*[st.none() | _readings] * 2, st.none() | _inputs), min_size=1, max_size=5),
)
def test_update_when_readings_are_arbitrary_then_no_series_is_there_twice(cycles):
    """Whatever comes in whichever service and cycle: no exception, no series twice, no NaN."""
    plant = Plant(max_unmapped=4)
    for real, battery, direct in cycles:
        shown = plant.publish(real, battery, direct, "A")
        assert all(value == value for value in shown.values())
        assert sum(name == "reading" for name, _ in shown) <= 4


WORDED = {
    Service.REAL: [
        (RUNNING, ""), (STATUS, ""), (f"{COMMON}TOTAL_YIELD", "kWh"), (f"{COMMON}TOTAL_ACTIVE_POWER", "kW"),
        (f"{COMMON}TOTAL_DCPOWER", "kW"), (COMMON + FIRST, "kWh"), (COMMON + SECOND, "kWh"),
        (f"{COMMON}BUS_VOLTAGE", "V"), (f"{COMMON}BUS_VOLTAGE", "V"), (f"{COMMON}GRID_FREQUENCY", "parsec"),
        ("X_1", "V"), ("X_2", "A"), ("X_2", "A"), ("X_3", "W"),
    ],
    Service.REAL_BATTERY: [
        (f"{COMMON}BATTERY_VOLTAGE", "V"), (f"{COMMON}BATTERY_SOC", "%"), (BATTERY_STATUS, ""),
        (f"{COMMON}TOTAL_BATTERY_CHARGE", "kWh"), ("X_1", "V"),
    ],
}  # fmt: skip
WORDED_INPUTS = ("MPPT1", "MPPT01", "MPPT2", f"{STRING}1", "X_1", "X_1")
_texts = st.sampled_from(
    ["0", "0.0", "1", "12.5", "12.6", "400", "99999", "--", "", "x", "I18N_COMMON_RUN", "I18N_COMMON_STANDBY"]
)
_news = st.dictionaries(st.integers(0, 30), _texts, max_size=6)
_rating = st.sampled_from([None, None, None, 5_000.0, 50_000_000.0])


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(_news, _news, _news, _rating), min_size=2, max_size=12))
def test_update_when_only_news_is_looked_at_then_all_is_as_if_everything_were(cycles):
    """Answers worded like the last ones, and the same ones of which nothing is known beforehand."""
    known, fresh = Plant(max_unmapped=3, worded=True), Plant(max_unmapped=3)
    texts = {service: ["1"] * 40 for service in Service}
    for *news, rating in cycles:
        for service, changes in zip(Service, news, strict=True):
            for place, text in changes.items():
                texts[service][place] = text
        real, battery = (
            [
                Reading(key, text, unit)
                for (key, unit), text in zip(WORDED[service], texts[service], strict=False)
            ]
            for service in (Service.REAL, Service.REAL_BATTERY)
        )
        numbers = texts[Service.DIRECT]
        inputs = [
            DirectInput(name, numbers[n], "V", numbers[n + 10], "A") for n, name in enumerate(WORDED_INPUTS)
        ]
        for plant in (known, fresh):
            plant.info = replace(INFO, devices={"A": OwnDevice(rated_power_watts=rating)})
        assert known.publish(real, battery, inputs, "A") == fresh.publish(real, battery, inputs, "A")
        assert known.view.errors == fresh.view.errors
        assert known.view.resets == fresh.view.resets
        assert known.view.unmapped == fresh.view.unmapped


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=300))
def test_label_text_when_text_is_arbitrary_then_it_is_printable_and_short(text):
    """A label's value holds no control character and has an end."""
    assert len(label_text(text)) <= 200
    assert label_text(text).isprintable()
    assert len(state_name(text)) <= 64
    assert state_name(text).isascii()
