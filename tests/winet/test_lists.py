"""Device lists and readings: one bad entry costs itself and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.telemetry import Device, DirectInput, Reading, Reason
from exporter.winet import lists
from exporter.winet.lists import Problem
from exporter.winet.messages import Reply

ITEM = {
    "id": 1,
    "dev_id": 1,
    "dev_code": 3343,
    "dev_type": 35,
    "dev_procotol": 2,
    "inv_type": 0,
    "dev_sn": "A2200000001",
    "dev_name": "SH5.0RS(COM1-001)",
    "dev_model": "SH5.0RS",
    "port_name": "COM1",
    "phys_addr": "1",
    "logc_addr": "1",
    "link_status": 1,
    "init_status": 1,
    "dev_special": "0",
    "list": [],
}
DEVICE = Device("A2200000001", "1", 35, 3343, "SH5.0RS(COM1-001)", "SH5.0RS", True)
READING = {"data_name": "I18N_COMMON_TOTAL_DCPOWER", "data_value": "0.68", "data_unit": "kW"}
INPUT = {"name": "MPPT1", "voltage": "313.9", "voltage_unit": "V", "current": "10.5", "current_unit": "A"}
GARBAGE = [
    None,
    7,
    1.5,
    True,
    "text",
    [],
    ["data_name"],
    {},
    {"data_name": None, "dev_id": None, "name": None},
]


def reply(entries: object, service: str = "real") -> Reply:
    return Reply(1, "success", service, {"service": service, "list": entries, "count": 1})


def device(**changes: object) -> lists.Decoded[Device]:
    return lists.decode_devices(reply([{**ITEM, **changes}], "devicelist"))


def without(entry: dict, *fields: str) -> dict:
    return {name: value for name, value in entry.items() if name not in fields}


# What all lists share --------------------------------------------------------------------------------

DECODERS = [
    (lists.decode_devices, {**ITEM, "dev_sn": "B1"}, {**ITEM, "dev_sn": "B2"}),
    (lists.decode_readings, READING, {**READING, "data_name": "I18N_COMMON_BUS_VOLTAGE"}),
    (lists.decode_inputs, INPUT, {**INPUT, "name": "MPPT2"}),
]


@pytest.mark.parametrize("data", [{}, {"list": None}, {"list": {}}, {"list": "[]"}, {"list": 0}])
@pytest.mark.parametrize("decode", [case[0] for case in DECODERS])
def test_decode_when_there_is_no_list_then_it_is_none(decode, data):
    """A reply without a list is told from one with an empty list."""
    assert decode(Reply(1, "", "", data)) is None
    assert decode(reply([])) == ((), ())


@pytest.mark.parametrize("bad", GARBAGE, ids=repr)
@pytest.mark.parametrize("decode, first, last", DECODERS, ids=["devices", "readings", "inputs"])
def test_decode_when_an_entry_is_of_no_use_then_its_neighbours_survive(decode, first, last, bad):
    """The entries before and behind a bad one are as they would be without it."""
    with_bad, alone = decode(reply([first, bad, last])), decode(reply([first, last]))
    assert with_bad.items == alone.items
    assert len(alone.items) == 2
    (problem,) = with_bad.problems
    assert problem.reason in (Reason.INVALID_DEVICE, Reason.INVALID_READING)
    assert "list[1]" in problem.detail
    assert alone.problems == ()


@pytest.mark.parametrize("decode, first, last", DECODERS, ids=["devices", "readings", "inputs"])
@pytest.mark.parametrize("count", [0, 1, 8, -1, "2", None])
def test_decode_when_the_count_is_wrong_then_the_list_is_believed(decode, first, last, count):
    """Gateways miscount their own lists."""
    answer = Reply(1, "", "", {"list": [first, last], "count": count})
    assert len(decode(answer).items) == 2


@pytest.mark.parametrize("decode, first, last", DECODERS, ids=["devices", "readings", "inputs"])
def test_decode_when_there_are_extra_fields_then_they_are_passed_over(decode, first, last):
    """Newer firmware adds fields."""
    extra = {**first, "optimizer_insert": 0, "new": {"nested": [1]}}
    assert decode(reply([extra, last])) == decode(reply([first, last]))


_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none())


@pytest.mark.parametrize("decode, first, last", DECODERS, ids=["devices", "readings", "inputs"])
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_decode_when_any_field_is_anything_then_the_neighbours_survive(decode, first, last, data):
    """One field of one entry, turned into anything, costs at most that entry."""
    field = data.draw(st.sampled_from(sorted(first)))
    changed = {**first, field: data.draw(_values)}
    decoded = decode(reply([changed, last]))
    assert decoded.items[-1:] == decode(reply([last])).items
    assert len(decoded.items) >= 2 - len(decoded.problems)


# Devices ---------------------------------------------------------------------------------------------


def test_decode_devices_when_an_entry_is_complete_then_it_is_a_device():
    """The number `dev_id` becomes text: questions want it so."""
    assert device() == ((DEVICE,), ())


def test_decode_devices_when_only_little_is_there_then_it_is_enough():
    """String inverters leave out half of the fields."""
    decoded = lists.decode_devices(reply([{"dev_id": 2, "dev_type": 21, "dev_sn": "B1"}]))
    assert decoded == ((Device("B1", "2", 21, 0, "", "", None),), ())


@pytest.mark.parametrize(
    "field, value, attribute, expected",
    [
        ("dev_id", "12", "dev_id", "12"),
        ("dev_type", "44", "dev_type", 44),
        ("dev_code", "8424", "dev_code", 8424),
        ("dev_code", None, "dev_code", 0),
        ("dev_code", "x", "dev_code", 0),
        ("dev_code", 1.5, "dev_code", 0),
        ("dev_name", None, "name", ""),
        ("dev_name", 7, "name", ""),
        ("dev_name", " a\nb ", "name", "a b"),
        ("dev_model", [], "model", ""),
        ("dev_model", "SBS050-V11", "model", "SBS050-V11"),
        ("dev_sn", " A1 ", "identity", "A1"),
        ("dev_sn", "A\x001", "identity", "A 1"),
        ("dev_sn", "S" * 300, "identity", "S" * 200),
        ("link_status", 1, "online", True),
        ("link_status", "1", "online", True),
        ("link_status", 0, "online", False),
        ("link_status", 2, "online", False),
        ("link_status", None, "online", None),
        ("link_status", True, "online", None),
        ("link_status", "up", "online", None),
        ("phys_addr", 200, "identity", "A2200000001"),
        ("list", [{"dev_id": 9}], "dev_id", "1"),
        ("list", "x", "dev_id", "1"),
    ],
)
def test_decode_devices_when_a_field_is_odd_then_the_device_is_still_one(field, value, attribute, expected):
    """Little is demanded of a device: what cannot be used is left empty."""
    decoded = device(**{field: value})
    assert getattr(decoded.items[0], attribute) == expected
    assert decoded.problems == ()


@pytest.mark.parametrize("dev_id", [None, "", "x", 1.5, True, [1], {}, "1.0", 1 << 70])
def test_decode_devices_when_the_dev_id_is_unusable_then_the_entry_is_left_out(dev_id):
    """Without a `dev_id` nothing can be asked of a device."""
    decoded = device(dev_id=dev_id)
    assert decoded == ((), (Problem(Reason.INVALID_DEVICE, "devicelist list[0] has no usable dev_id"),))


@pytest.mark.parametrize("dev_type", [None, "", "inverter", 1.5, True, [35]])
def test_decode_devices_when_the_type_is_unusable_then_it_is_one_that_nobody_knows(dev_type):
    """A device of no type is asked like one of an unknown type."""
    decoded = device(dev_type=dev_type)
    assert decoded.items == (DEVICE._replace(dev_type=-1),)
    assert decoded.problems == (Problem(Reason.INVALID_DEVICE, "devicelist list[0] has no usable dev_type"),)


def test_decode_devices_when_a_serial_is_a_number_then_it_is_the_serial_all_the_same():
    """Firmware differs in what it puts in quotes."""
    decoded = device(dev_sn=2600000013)
    assert decoded.items[0].identity == "2600000013"
    assert decoded.problems == ()


@pytest.mark.parametrize("serial", [None, "", " ", "--", True, ["A"], "\x00"])
def test_decode_devices_when_there_is_no_serial_then_the_dev_id_stands_in(serial):
    """A device without serial number is known as `dev_id:N`, and counted."""
    decoded = device(dev_sn=serial)
    assert decoded.items == (DEVICE._replace(identity="dev_id:1"),)
    assert [problem.reason for problem in decoded.problems] == [Reason.MISSING_SERIAL]


@pytest.mark.parametrize(
    "serials, identities, repeats",
    [
        (["A", "B"], ["A", "B"], 0),
        (["A", "A"], ["A", "A#2"], 1),
        (["A", "A", "A"], ["A", "A#2", "A#3"], 2),
        (["A", "B", "A", "B"], ["A", "B", "A#2", "B#2"], 2),
        (["dev_id:1", ""], ["dev_id:1", "dev_id:1#2"], 1),
    ],
)
def test_decode_devices_when_serials_repeat_then_the_later_ones_get_a_number(serials, identities, repeats):
    """Two devices of one serial number stay two devices."""
    decoded = lists.decode_devices(reply([{**ITEM, "dev_sn": serial} for serial in serials]))
    assert [device.identity for device in decoded.items] == identities
    reasons = [problem.reason for problem in decoded.problems]
    assert reasons.count(Reason.DUPLICATE_SERIAL) == repeats


def test_decode_devices_when_a_serial_looks_like_a_repeated_one_then_all_stay_apart():
    """No two listed devices ever have one identity."""
    decoded = lists.decode_devices(reply([{**ITEM, "dev_sn": serial} for serial in ("A", "A", "A#2")]))
    assert len({device.identity for device in decoded.items}) == 3


def test_decode_devices_when_there_are_problems_then_no_value_is_in_their_text():
    """Serial numbers are nobody's business in a log at WARNING."""
    decoded = lists.decode_devices(reply([ITEM, ITEM, {"dev_sn": "A2200000001"}]))
    assert not [problem for problem in decoded.problems if "A22" in problem.detail]


# Readings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, reading",
    [
        (READING, Reading("I18N_COMMON_TOTAL_DCPOWER", "0.68", "kW")),
        (without(READING, "data_unit"), Reading("I18N_COMMON_TOTAL_DCPOWER", "0.68", "")),
        ({**READING, "data_unit": None}, Reading("I18N_COMMON_TOTAL_DCPOWER", "0.68", "")),
        ({**READING, "data_unit": ""}, Reading("I18N_COMMON_TOTAL_DCPOWER", "0.68", "")),
        ({**READING, "data_value": "--"}, Reading("I18N_COMMON_TOTAL_DCPOWER", "--", "kW")),
        ({**READING, "data_value": ""}, Reading("I18N_COMMON_TOTAL_DCPOWER", "", "kW")),
        ({**READING, "data_value": 7}, Reading("I18N_COMMON_TOTAL_DCPOWER", "7", "kW")),
        ({**READING, "data_value": -0.5}, Reading("I18N_COMMON_TOTAL_DCPOWER", "-0.5", "kW")),
        ({"data_name": "K", "data_value": 7}, Reading("K", "7", "")),
        ({**READING, "data_name": "k" * 200}, Reading("k" * 200, "0.68", "kW")),
        ({**READING, "data_value": "I18N_COMMON_DISPATCH_RUN"},
         Reading("I18N_COMMON_TOTAL_DCPOWER", "I18N_COMMON_DISPATCH_RUN", "kW")),
    ],
)  # fmt: skip
def test_decode_readings_when_an_entry_is_of_use_then_it_is_kept_as_it_is(entry, reading):
    """Key, value and unit arrive as text; a missing unit is no unit."""
    assert lists.decode_readings(reply([entry])) == ((reading,), ())


@pytest.mark.parametrize(
    "entry",
    [
        without(READING, "data_name"),
        without(READING, "data_value"),
        {**READING, "data_name": ""},
        {**READING, "data_name": "k" * 201},
        {**READING, "data_name": 7},
        {**READING, "data_name": ["a"]},
        {**READING, "data_value": None},
        {**READING, "data_value": True},
        {**READING, "data_value": ["1"]},
        {**READING, "data_value": {"a": 1}},
        {**READING, "data_unit": 7},
        {**READING, "data_unit": ["kW"]},
        {**READING, "data_unit": False},
    ],
)
def test_decode_readings_when_a_field_is_of_the_wrong_kind_then_it_is_no_reading(entry):
    """What cannot be told for sure is left out and counted, by its place."""
    decoded = lists.decode_readings(reply([entry], "real_battery"))
    assert decoded == ((), (Problem(Reason.INVALID_READING, "real_battery list[0] is no reading"),))


def test_decode_readings_when_a_key_repeats_then_both_are_kept():
    """Which of them counts is not decided here."""
    assert len(lists.decode_readings(reply([READING, READING])).items) == 2


# Inputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, expected",
    [
        (INPUT, DirectInput("MPPT1", "313.9", "V", "10.5", "A")),
        ({**INPUT, "voltage": "--"}, DirectInput("MPPT1", "--", "V", "10.5", "A")),
        ({**INPUT, "voltage": 313.9, "current": 10}, DirectInput("MPPT1", "313.9", "V", "10", "A")),
        (without(INPUT, "voltage_unit", "current_unit"), DirectInput("MPPT1", "313.9", "", "10.5", "")),
        ({**INPUT, "voltage_unit": 7, "current_unit": None}, DirectInput("MPPT1", "313.9", "", "10.5", "")),
        (without(INPUT, "current"), DirectInput("MPPT1", "313.9", "V", "--", "A")),
        ({"name": "MPPT1"}, DirectInput("MPPT1", "--", "", "--", "")),
        ({**INPUT, "name": "n" * 200}, DirectInput("n" * 200, "313.9", "V", "10.5", "A")),
    ],
)
def test_decode_inputs_when_an_entry_is_of_use_then_it_is_kept_as_it_is(entry, expected):
    """An input with a name is one; what is missing of it is no value."""
    assert lists.decode_inputs(reply([entry], "direct")) == ((expected,), ())


@pytest.mark.parametrize(
    "entry",
    [
        without(INPUT, "name"),
        {**INPUT, "name": ""},
        {**INPUT, "name": 1},
        {**INPUT, "name": "n" * 201},
        {**INPUT, "voltage": None},
        {**INPUT, "voltage": True},
        {**INPUT, "current": ["1"]},
        {**INPUT, "current": {}},
    ],
)
def test_decode_inputs_when_a_field_is_of_the_wrong_kind_then_it_is_no_input(entry):
    """What cannot be told for sure is left out and counted, by its place."""
    decoded = lists.decode_inputs(reply([entry], "direct"))
    assert decoded == ((), (Problem(Reason.INVALID_READING, "direct list[0] is no input"),))
