"""Which questions a cycle asks: by device type, with silence charged to the question that cost the line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.telemetry import Device, Service
from exporter.winet import errors
from exporter.winet.agenda import Agenda, Question

REAL, BATTERY, DIRECT = Service.REAL, Service.REAL_BATTERY, Service.DIRECT
INTERVAL = 10.0


def device(identity: str = "A", dev_type: int = 35, dev_id: str = "1") -> Device:
    return Device(identity, dev_id, dev_type, 0, "", "", True)


HYBRID, INVERTER, CELLS, STRANGER = (
    device("H", 35, "1"),
    device("I", 21, "2"),
    device("B", 44, "3"),
    device("X", 99, "4"),
)


def agenda(*devices: Device) -> Agenda:
    made = Agenda(INTERVAL)
    made.devices_listed(devices)
    return made


def asked(made: Agenda, now: float = 0.0) -> list[tuple[str, Service]]:
    return [question.key for question in made.due(now)]


# Services --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dev_types, services",
    [
        ((0, 1, 21), [REAL, DIRECT]),
        ((35,), [REAL, BATTERY, DIRECT]),
        ((44, 46, 18), [REAL]),
        ((8, 11, 13, 14, 15, 20, 23, 24, 25, 34, 36, 37, 47, 48), [REAL]),
        ((-1, 2, 22, 99, 10**9), [REAL]),
    ],
    ids=["inverters", "hybrid", "battery, charger, meter", "accessories", "unknown"],
)
def test_due_when_a_device_is_of_a_type_then_it_is_asked_what_it_can_answer(dev_types, services):
    """Each type has its services, and a type nobody knows is asked for its readings."""
    for dev_type in dev_types:
        assert asked(agenda(device("A", dev_type))) == [("A", service) for service in services]


def test_due_when_nothing_is_listed_then_nothing_is_asked():
    """No device, no question."""
    assert Agenda(INTERVAL).due(0.0) == []


def test_due_when_all_is_well_then_devices_come_in_the_order_of_the_list():
    """The gateway's order is the order of a cycle, cycle after cycle."""
    made = agenda(HYBRID, INVERTER, CELLS)
    expected = [("H", REAL), ("H", BATTERY), ("H", DIRECT), ("I", REAL), ("I", DIRECT), ("B", REAL)]
    for cycle in range(3):
        assert asked(made, cycle * INTERVAL) == expected


def test_devices_listed_when_the_list_changes_then_questions_follow_the_new_one():
    """A device that is gone is asked nothing; a new `dev_id` is the one that is used."""
    made = agenda(HYBRID, CELLS)
    made.devices_listed([CELLS._replace(dev_id="9")])
    assert [(question.device.dev_id, question.service) for question in made.due(0.0)] == [("9", REAL)]


# Silence ---------------------------------------------------------------------------------------------


def test_due_when_a_question_was_silent_once_then_it_comes_last():
    """After one failure the others are asked first, in the very next cycle."""
    made = agenda(HYBRID, CELLS)
    made.silent(Question(HYBRID, REAL), 0.0)
    assert asked(made, 0.0) == [("H", BATTERY), ("H", DIRECT), ("B", REAL), ("H", REAL)]


def test_due_when_a_question_was_silent_twice_then_it_is_asked_every_tenth_cycle():
    """After two failures in a row, nine cycles go without it."""
    made = agenda(HYBRID)
    for now in (0.0, INTERVAL):
        made.silent(Question(HYBRID, BATTERY), now)
    others = [("H", REAL), ("H", DIRECT)]
    for cycle in range(2, 11):
        assert asked(made, cycle * INTERVAL) == others
    assert asked(made, 11 * INTERVAL) == [*others, ("H", BATTERY)]


@pytest.mark.parametrize(
    "silences, seconds",
    [(1, 0), (2, 100), (3, 200), (4, 400), (5, 800), (6, 1600), (7, 1800), (8, 1800), (500, 1800)],
)
def test_silent_when_it_goes_on_then_the_pause_doubles_up_to_half_an_hour(silences, seconds):
    """The pause grows with each silence and never above 30 min."""
    made = agenda(HYBRID)
    for _ in range(silences):
        made.silent(Question(HYBRID, BATTERY), 1000.0)
    if seconds:
        assert ("H", BATTERY) not in asked(made, 1000.0 + seconds - 0.001)
    assert ("H", BATTERY) in asked(made, 1000.0 + seconds)


def test_answered_when_a_question_was_charged_then_it_is_as_good_as_new():
    """One answer clears the charge: place and count."""
    made = agenda(HYBRID)
    question = Question(HYBRID, REAL)
    for _ in range(5):
        made.silent(question, 0.0)
    made.answered(question)
    assert asked(made)[0] == ("H", REAL)
    made.silent(question, 0.0)
    assert asked(made)[-1] == ("H", REAL)


def test_due_when_all_questions_are_charged_then_the_cycle_is_not_empty():
    """The one whose time comes first is asked, however long the pauses are."""
    made = agenda(HYBRID)
    for times, service in ((4, REAL), (3, BATTERY), (5, DIRECT)):
        for _ in range(times):
            made.silent(Question(HYBRID, service), 0.0)
    assert asked(made, 1.0) == [("H", BATTERY)]


def test_due_when_several_are_charged_then_the_longest_due_comes_first():
    """Among the charged ones, the pause that ended first decides."""
    made = agenda(HYBRID, CELLS)
    for times, question in ((3, Question(HYBRID, REAL)), (2, Question(CELLS, REAL))):
        for _ in range(times):
            made.silent(question, 0.0)
    made.silent(Question(HYBRID, DIRECT), 0.0)
    assert asked(made, 500.0) == [("H", BATTERY), ("H", DIRECT), ("B", REAL), ("H", REAL)]


def test_silent_when_the_dev_id_changes_then_the_charge_stays_with_the_device():
    """Charges belong to serial numbers; a new session may renumber the devices."""
    made = agenda(HYBRID, CELLS)
    made.silent(Question(HYBRID, REAL), 0.0)
    made.connected()
    made.devices_listed([HYBRID._replace(dev_id="7"), CELLS._replace(dev_id="1")])
    assert asked(made)[-1] == ("H", REAL)


# Refusals --------------------------------------------------------------------------------------------


def test_refused_when_a_service_is_unsupported_then_it_is_asked_once_a_day_and_in_each_session():
    """A hybrid without battery is hardly bothered, and a battery that is added is found."""
    made = agenda(HYBRID)
    for refused_at in (100.0, 86500.0):
        made.refused(Question(HYBRID, BATTERY), errors.Unsupported("", 211), refused_at)
        for seconds in (0.0, 10.0, 86399.0):
            assert asked(made, refused_at + seconds) == [("H", REAL), ("H", DIRECT)]
        assert ("H", BATTERY) in asked(made, refused_at + 86400.0)
    made.refused(Question(HYBRID, BATTERY), errors.Unsupported("", 211), 0.0)
    made.connected()
    assert ("H", BATTERY) in asked(made)


@pytest.mark.parametrize("kind", [errors.Busy, errors.ReadFailed, errors.NoData, errors.Rejected])
def test_refused_when_it_may_pass_then_the_question_stays(kind):
    """Busy, failed and empty answers of a known device do not end its questions."""
    made = agenda(HYBRID)
    before = asked(made)
    made.refused(Question(HYBRID, BATTERY), kind("", 1), 0.0)
    assert asked(made) == before


@pytest.mark.parametrize("kind", [errors.Unsupported, errors.Rejected])
def test_refused_when_the_type_is_unknown_then_the_device_is_left_alone(kind):
    """A device of a type nobody knows is asked until it refuses, and then never again."""
    made = agenda(HYBRID, STRANGER)
    assert ("X", REAL) in asked(made)
    made.refused(Question(STRANGER, REAL), kind("", 999), 0.0)
    made.connected()
    made.devices_listed([HYBRID, STRANGER])
    assert asked(made) == [("H", REAL), ("H", BATTERY), ("H", DIRECT)]


@pytest.mark.parametrize("kind", [errors.Busy, errors.ReadFailed, errors.NoData])
def test_refused_when_an_unknown_device_cannot_just_now_then_it_is_asked_again(kind):
    """A gateway that is busy says nothing about the device."""
    made = agenda(STRANGER)
    made.refused(Question(STRANGER, REAL), kind("", 1), 0.0)
    assert asked(made) == [("X", REAL)]


# Whatever happens ------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from([-1, 1, 18, 21, 35, 44, 99]), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.floats(0.0, 3000.0)), max_size=30),
)
def test_due_when_any_question_is_silent_then_no_cycle_is_empty_and_none_asks_twice(dev_types, events):
    """Whatever was silent: there is always a question, each at most once, and only of listed devices."""
    made = agenda(*(device(f"S{n}", dev_type) for n, dev_type in enumerate(dev_types)))
    everything = {question.key for question in made.due(0.0)}
    now = 0.0
    for place, silent, seconds in events:
        now += seconds
        due = made.due(now)
        keys = [question.key for question in due]
        assert keys
        assert len(set(keys)) == len(keys)
        assert set(keys) <= everything
        if silent:
            made.silent(due[place % len(due)], now)
        else:
            made.answered(due[place % len(due)])
    assert {question.key for question in made.due(now + 1800.0)} == everything
