"""What a gateway tells of itself and its plant: exact, each series once, each answer as old as it is."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.metrics.gateway import GatewayView
from exporter.telemetry import Answer, GatewayService, Reading, Reason, Snapshot, TargetInfo

UNITS = catalogue.bundled().units
INFO = TargetInfo("roof", "192.0.2.10", "ws", "bypass", {}, 50.0, 500, gateway_stale_after=180.0)
ABOUT, STATE, STATISTICS, LOCAL, RUNTIME = (
    GatewayService.ABOUT,
    GatewayService.STATE,
    GatewayService.STATISTICS,
    GatewayService.LOCAL,
    GatewayService.RUNTIME,
)
WALL = 1_780_308_030.0  # 2026-06-01 10:00:30 UTC
SERIAL, HARDWARE, FIRMWARE, CLOCK, SIGNAL = (
    f"I18N_COMMON_{name}"
    for name in ("DEVICE_SN", "VERSION", "APPLI_SOFT_VERSION", "SYSTEM_TIME", "WIFI_SIGNAL_STRN")
)

Fact = tuple[str, str] | tuple[str, str, str]


class Gateway:
    """A view, what it counted, and answers given to it one after the other."""

    def __init__(self, timezone: str | None = None) -> None:
        self.counted: Counter[Reason] = Counter()
        self.view = GatewayView(UNITS, self.counted.update)
        self.info = replace(INFO, timezone=timezone)
        self.answers: dict[GatewayService, Answer] = {}
        self.now = 1000.0

    def says(self, service: GatewayService, *facts: Fact, wall: float = WALL) -> dict[str, float]:
        """A new answer now; all that is shown then."""
        readings = tuple(Reading(key, value, *(unit or [""])) for key, value, *unit in facts)
        self.answers[service] = Answer(self.now, wall, readings)
        return self.update()

    def update(self) -> dict[str, float]:
        self.view.update(Snapshot(self.now, WALL, (), dict(self.answers)), self.info)
        return self.shown()

    def shown(self, stale_after: float = 180.0) -> dict[str, float]:
        """Samples by name and labels; none comes twice."""
        found: dict[str, float] = {}
        for sample in self.view.samples(self.now - stale_after):
            name = " ".join((sample.family.name.removeprefix("winet2_"), *sample.labels))
            assert name not in found
            assert len(sample.family.labels) == 1 + len(sample.labels)
            found[name] = sample.value
        return found


# Values ----------------------------------------------------------------------------------------------


def test_update_when_all_services_answer_then_each_fact_has_its_family():
    """In base units, exactly."""
    gateway = Gateway("Europe/Berlin")
    gateway.says(
        STATE, ("total_fault", "2"), ("total_alarm", "0"), ("cloud_conn_sts", "1"), ("wifi_cmd", "170")
    )
    gateway.says(LOCAL, (SIGNAL, "-61", "dBm"), (CLOCK, "2026-06-01 12:02"), ("ETH1 IPV6", "--"))
    shown = gateway.says(
        STATISTICS, ("curr_power", "3.21", "kW"), ("rated_power", "10.00", "kW"),
        ("today_energy", "--", "kWh"), ("adjust_power_uplimit", "7000", "W"),
        ("online_num", "2"), ("offline_num", "1"),
    )  # fmt: skip
    assert shown == {
        "gateway_faults": 2.0,
        "gateway_alarms": 0.0,
        "gateway_cloud_connected": 1.0,
        "gateway_wifi_signal_dbm": -61.0,
        "gateway_clock_offset_seconds": 120.0,
        "plant_power_watts": 3210.0,
        "plant_rated_power_watts": 10_000.0,
        "plant_power_limit_watts": 7000.0,
        "plant_devices online": 2.0,
        "plant_devices offline": 1.0,
    }
    assert gateway.counted == {}


def test_update_when_runtime_answers_in_place_of_statistics_then_it_fills_the_same_families():
    """Power and numbers of devices; more it does not tell."""
    assert Gateway().says(
        RUNTIME,
        ("curr_power", "4.56", "kW"),
        ("connect_count", "1"),
        ("off_count", "0"),
        ("dev_state", "33280"),
    ) == {"plant_power_watts": 4560.0, "plant_devices online": 1.0, "plant_devices offline": 0.0}


@pytest.mark.parametrize(
    "service, fact, shown, reason",
    [
        (STATISTICS, ("curr_power", "3.21", "kW"), 3210.0, None),
        (STATISTICS, ("curr_power", "3210", "W"), 3210.0, None),
        (STATISTICS, ("curr_power", "0.00321", "MW"), 3210.0, None),
        (STATISTICS, ("curr_power", "-0.00", "kW"), 0.0, None),
        (STATISTICS, ("curr_power", "--", "kW"), None, None),
        (STATISTICS, ("curr_power", "", ""), None, None),
        (STATISTICS, ("curr_power", "--", "furlong"), None, None),
        (STATISTICS, ("curr_power", "1", "kWh"), None, Reason.UNKNOWN_UNIT),
        (STATISTICS, ("curr_power", "1"), None, Reason.UNKNOWN_UNIT),
        (STATISTICS, ("curr_power", "1,5", "kW"), None, Reason.UNREADABLE_VALUE),
        (STATISTICS, ("curr_power", "NaN", "kW"), None, Reason.UNREADABLE_VALUE),
        (STATE, ("total_fault", "3"), 3.0, None),
        (STATE, ("total_fault", "many"), None, Reason.UNREADABLE_VALUE),
        (STATE, ("total_fault", "3", "kW"), None, Reason.UNKNOWN_UNIT),
        (STATE, ("cloud_conn_sts", "0"), 0.0, None),
        (STATE, ("cloud_conn_sts", "1"), 1.0, None),
        (STATE, ("cloud_conn_sts", "--"), None, None),
        (STATE, ("cloud_conn_sts", "2"), None, Reason.UNREADABLE_VALUE),
        (STATE, ("cloud_conn_sts", "170"), None, Reason.UNREADABLE_VALUE),
        (STATE, ("cloud_conn_sts", "0.5"), None, Reason.UNREADABLE_VALUE),
        (STATE, ("cloud_conn_sts", "true"), None, Reason.UNREADABLE_VALUE),
        (LOCAL, (SIGNAL, "-61", "dBm"), -61.0, None),
        (LOCAL, (SIGNAL, "-61", " DBM "), -61.0, None),
        (LOCAL, (SIGNAL, "--", "dBm"), None, None),
        (LOCAL, (SIGNAL, "-61", "%"), None, Reason.UNKNOWN_UNIT),
        (LOCAL, (SIGNAL, "good", "dBm"), None, Reason.UNREADABLE_VALUE),
    ],
)
def test_update_when_a_value_comes_then_it_is_exact_or_absent_and_counted(service, fact, shown, reason):
    """Absent, not nought; what the gateway says it does not have is no mistake."""
    gateway = Gateway()
    assert list(gateway.says(service, fact).values()) == ([] if shown is None else [shown])
    assert gateway.counted == ({reason: 1} if reason else {})


def test_update_when_one_value_is_bad_then_its_neighbours_stay():
    """One bad fact never costs the others."""
    facts = (
        ("curr_power", "x", "kW"),
        ("rated_power", "5", "kW"),
        ("online_num", "1", "kW"),
        ("offline_num", "0"),
    )
    gateway = Gateway()
    assert gateway.says(STATISTICS, *facts) == {
        "plant_rated_power_watts": 5000.0,
        "plant_devices offline": 0.0,
    }
    assert gateway.counted == {Reason.UNREADABLE_VALUE: 1, Reason.UNKNOWN_UNIT: 1}


def test_update_when_a_key_stands_in_another_service_then_it_is_not_taken_for_it():
    """A fact is a key of its service."""
    assert Gateway().says(STATE, ("curr_power", "1", "kW"), (SIGNAL, "-61", "dBm")) == {}


def test_update_when_a_key_repeats_then_the_first_counts():
    """As in every other reply."""
    assert Gateway().says(LOCAL, (SIGNAL, "-61", "dBm"), (SIGNAL, "-99", "dBm")) == {
        "gateway_wifi_signal_dbm": -61.0
    }


def test_update_when_an_answer_was_seen_then_it_is_not_counted_again():
    """Snapshots repeat answers, mistakes are made once."""
    gateway = Gateway()
    gateway.says(STATE, ("total_fault", "x"))
    for _ in range(3):
        gateway.update()
    assert gateway.counted == {Reason.UNREADABLE_VALUE: 1}
    gateway.says(STATE, ("total_fault", "x"))
    assert gateway.counted == {Reason.UNREADABLE_VALUE: 2}


# Sources and age -------------------------------------------------------------------------------------


def test_samples_when_two_services_tell_one_thing_then_it_is_shown_once():
    """The other one steps in where the first has no value."""
    gateway = Gateway()
    gateway.says(STATISTICS, ("curr_power", "1", "kW"), ("online_num", "--"))
    shown = gateway.says(RUNTIME, ("curr_power", "2", "kW"), ("connect_count", "3"))
    assert shown == {"plant_power_watts": 1000.0, "plant_devices online": 3.0}
    gateway.now += 100.0
    gateway.says(RUNTIME, ("curr_power", "2", "kW"))
    gateway.now += 100.0
    assert gateway.shown() == {"plant_power_watts": 2000.0}


@pytest.mark.parametrize("age, fresh", [(0.0, True), (180.0, True), (180.1, False), (1e6, False)])
def test_samples_when_an_answer_ages_then_it_goes(age, fresh):
    """After the time that is given, by the monotonic clock."""
    gateway = Gateway()
    gateway.says(STATE, ("total_fault", "2"))
    gateway.now += age
    assert gateway.shown() == ({"gateway_faults": 2.0} if fresh else {})


def test_samples_when_services_answer_at_different_times_then_each_ages_by_itself():
    """A service that is silent costs its own values only."""
    gateway = Gateway()
    gateway.says(STATE, ("total_fault", "2"))
    gateway.now += 120.0
    gateway.says(STATISTICS, ("online_num", "1"))
    gateway.now += 120.0
    assert gateway.shown() == {"plant_devices online": 1.0}
    assert gateway.says(STATE, ("total_fault", "0")) == {"plant_devices online": 1.0, "gateway_faults": 0.0}


def test_update_when_a_new_answer_lacks_a_key_then_the_old_value_is_gone():
    """The newest answer is all that counts."""
    gateway = Gateway()
    gateway.says(STATE, ("total_fault", "2"), ("total_alarm", "1"))
    assert gateway.says(STATE, ("total_alarm", "1")) == {"gateway_alarms": 1.0}


# Rated power -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, unit, watts",
    [("10.00", "kW", 10_000.0), ("800", "W", 800.0), ("--", "kW", None), ("x", "kW", None), ("10", "", None),
     ("0.00", "kW", None), ("-5", "kW", None)],
)  # fmt: skip
def test_rated_watts_when_statistics_tells_it_then_it_is_known_and_does_not_age(value, unit, watts):
    """A plant is not rebuilt overnight; nothing at all is no rating."""
    gateway = Gateway()
    assert gateway.view.rated_watts is None
    gateway.says(STATISTICS, ("rated_power", value, unit))
    gateway.now += 1e6
    assert gateway.view.rated_watts == watts


# The clock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timezone, text, offset",
    [("Europe/Berlin", "2026-06-01 12:00", 0.0), ("Europe/Berlin", "2026-06-01 11:00", -3600.0),
     ("UTC", "2026-06-01 12:00", 7200.0)],
)  # fmt: skip
def test_update_when_the_timezone_is_configured_then_the_clocks_offset_is_shown(timezone, text, offset):
    """By the wall clock at the time of the answer, however old it is now."""
    gateway = Gateway(timezone)
    gateway.says(LOCAL, (CLOCK, text))
    gateway.now += 100.0
    assert gateway.shown() == {"gateway_clock_offset_seconds": offset}


def test_update_when_no_timezone_is_configured_then_no_offset_is_claimed():
    """The system's zone may be UTC in a container, which says nothing of the gateway's."""
    gateway = Gateway()
    assert gateway.says(LOCAL, (CLOCK, "2026-06-01 12:00"), (SIGNAL, "-61", "dBm")) == {
        "gateway_wifi_signal_dbm": -61.0
    }
    gateway.says(LOCAL, (CLOCK, "nonsense"))
    assert gateway.counted == {}


@pytest.mark.parametrize("text, counted", [("--", 0), ("", 0), ("2022-13-01 00:00", 1), ("12:00", 1)])
def test_update_when_the_clock_is_unreadable_then_it_is_absent_and_counted(text, counted):
    """No time is no mistake, nonsense is one."""
    gateway = Gateway("Europe/Berlin")
    assert gateway.says(LOCAL, (CLOCK, text)) == {}
    assert gateway.counted[Reason.UNREADABLE_VALUE] == counted


def test_update_when_another_service_tells_a_time_then_it_is_no_clock():
    """The clock is in `local`."""
    assert Gateway("UTC").says(STATE, (CLOCK, "2026-06-01 12:00")) == {}


# Versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts, labels",
    [
        ([(SERIAL, "B24"), (HARDWARE, "M_WiNet-S2"), (FIRMWARE, "P028")], ("B24", "M_WiNet-S2", "P028")),
        ([(FIRMWARE, "P028")], ("", "", "P028")),
        ([(SERIAL, "--"), (HARDWARE, ""), (FIRMWARE, " ")], ("", "", "")),
        ([(SERIAL, 'a"b\n\x07c'), (FIRMWARE, "x" * 1000)], ('a"b  c', "", "x" * 200)),
        ([(SERIAL, "first"), (SERIAL, "second")], ("first", "", "")),
        ([], ("", "", "")),
    ],
)
def test_update_when_the_page_of_versions_answers_then_labels_are_fit_to_be_shown(facts, labels):
    """Printable and of bounded length, and empty where the gateway has no value."""
    gateway = Gateway()
    assert gateway.says(ABOUT, *facts) == {}
    assert (gateway.view.serial, gateway.view.hardware, gateway.view.firmware) == labels


def test_update_when_versions_were_told_then_they_stay_until_others_are_told():
    """They do not age: the page is asked once a day."""
    gateway = Gateway()
    gateway.says(ABOUT, (FIRMWARE, "P012"))
    gateway.now += 1e6
    gateway.says(STATE, ("total_fault", "0"))
    assert gateway.view.firmware == "P012"
    gateway.says(ABOUT, (FIRMWARE, "P020"))
    assert gateway.view.firmware == "P020"


# Whatever comes --------------------------------------------------------------------------------------

_keys = st.sampled_from(
    ["total_fault", "cloud_conn_sts", "curr_power", "rated_power", "online_num", "connect_count", SIGNAL,
     CLOCK, SERIAL, FIRMWARE]
) | st.text(max_size=3)  # fmt: skip
_values = st.sampled_from(["0", "1", "-61", "--", "2026-06-01 12:00", "0001-01-01 00:00"]) | st.text(
    max_size=17
)
_units = st.sampled_from(["", "kW", "dBm"]) | st.text(max_size=3)
_facts = st.lists(st.tuples(_keys, _values, _units), max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.sampled_from(GatewayService), _facts), max_size=5))
def test_update_when_answers_are_arbitrary_then_no_series_is_there_twice(answers):
    """Whatever service says whatever: no exception, no NaN, nothing twice, printable labels."""
    gateway = Gateway("Europe/Berlin")
    for service, facts in answers:
        shown = gateway.says(service, *facts)
        assert all(value == value for value in shown.values())
    assert gateway.view.serial.isprintable()
    assert gateway.view.firmware.isprintable()
