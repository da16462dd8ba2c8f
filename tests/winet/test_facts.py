"""Replies about the gateway and its plant: unlike shapes, and in the end keys with values and units."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.telemetry import FaultRow, GatewayService, Reading, Reason
from exporter.winet import facts
from exporter.winet.facts import MOST_FACTS, MOST_FAULTS, decode_facts, decode_faults
from exporter.winet.messages import Reply, decode

ABOUT, STATE, STATISTICS, LOCAL, RUNTIME = (
    GatewayService.ABOUT,
    GatewayService.STATE,
    GatewayService.STATISTICS,
    GatewayService.LOCAL,
    GatewayService.RUNTIME,
)


def reply(text: str) -> Reply:
    return decode(text)


def reply_of(data: Any, service: str = "x") -> Reply:
    """A success with any result_data, on its way through JSON."""
    data = {"service": service, **data} if isinstance(data, dict) else data
    return decode(json.dumps({"result_code": 1, "result_msg": "success", "result_data": data}))


def point(key: str, value: Any, unit: Any = "") -> dict[str, Any]:
    return {"data_name": key, "data_value": value, "data_unit": unit, "type": "1"}


def told(service: GatewayService, reply: Reply) -> dict[str, tuple[str, str]]:
    """What was decoded, by key; no key comes twice."""
    readings = decode_facts(service, reply)
    found = {reading.key: (reading.value, reading.unit) for reading in readings}
    assert len(found) == len(readings)
    return found


# The shapes ------------------------------------------------------------------------------------------


def test_decode_facts_when_state_answers_then_its_fields_are_readings():
    """All values are text, side by side with the service's name."""
    text = (
        '{\n\t"result_code":\t1,\n\t"result_msg":\t"success",\n\t"result_data":\t{\n\t\t"service":\t"state",\n'
        '\t\t"total_fault":\t"2",\n\t\t"total_alarm":\t"0",\n\t\t"wifi_conn_sts":\t"1",\n'
        '\t\t"wifi_cmd":\t"170",\n\t\t"cloud_conn_sts":\t"1"\n\t}\n}'
    )
    assert told(STATE, reply(text)) == {
        "total_fault": ("2", ""),
        "total_alarm": ("0", ""),
        "wifi_conn_sts": ("1", ""),
        "wifi_cmd": ("170", ""),
        "cloud_conn_sts": ("1", ""),
    }


def test_decode_facts_when_statistics_answers_then_two_unlike_objects_are_one_answer():
    """Plant totals with `_unit` twins in the one, numbers of devices in the other; `count` means nothing."""
    text = (
        '{\n\t"result_code":\t1,\n\t"result_msg":\t"success",\n\t"result_data":\t{\n\t\t"service":\t"statistics",'
        '\n\t\t"list":\t[{\n\t\t\t\t"today_energy":\t"--",\n\t\t\t\t"today_energy_unit":\t"kWh",\n'
        '\t\t\t\t"curr_power":\t"3.21",\n\t\t\t\t"curr_power_unit":\t"kW",\n\t\t\t\t"rated_power":\t"10.00",\n'
        '\t\t\t\t"rated_power_unit":\t"kW"\n\t\t\t}, {\n\t\t\t\t"online_num":\t"2",\n'
        '\t\t\t\t"offline_num":\t"1"\n'
        '\t\t\t}],\n\t\t"count":\t9\n\t}\n}'
    )
    assert told(STATISTICS, reply(text)) == {
        "today_energy": ("--", "kWh"),
        "curr_power": ("3.21", "kW"),
        "rated_power": ("10.00", "kW"),
        "online_num": ("2", ""),
        "offline_num": ("1", ""),
        "count": ("9", ""),
    }


INVERTER_ROW = {
    "dev_name": "SG10RS(COM1-001)", "dev_model": "SG10RS", "dev_type": 21, "dev_state": "33280",
    "curr_power": "4.56", "curr_power_unit": "kW", "reactive_power": "0.00", "reactive_power_unit": "kvar",
}  # fmt: skip


def test_decode_facts_when_runtime_has_one_inverter_then_its_row_speaks_for_the_plant():
    """The numbers of devices stand beside the list and are no texts."""
    found = told(RUNTIME, reply_of({"count": 1, "list": [INVERTER_ROW], "connect_count": 1, "off_count": 0}))
    assert found["curr_power"] == ("4.56", "kW")
    assert (found["connect_count"], found["off_count"]) == (("1", ""), ("0", ""))
    assert "curr_power_unit" not in found


@pytest.mark.parametrize("rows", [[], [INVERTER_ROW, {**INVERTER_ROW, "curr_power": "1"}], None, {}])
def test_decode_facts_when_runtime_has_not_one_inverter_then_no_row_speaks_for_the_plant(rows):
    """One of several is not the sum of all; what stands beside the list is true of all."""
    found = told(RUNTIME, reply_of({"list": rows, "connect_count": 2, "off_count": 0}))
    assert found == {"connect_count": ("2", ""), "off_count": ("0", "")}


@pytest.mark.parametrize("service", [ABOUT, LOCAL])
def test_decode_facts_when_about_or_local_answer_then_the_list_is_readings_whatever_its_count(service):
    """Eleven entries with a count of eight are eleven; plain names occur."""
    points = [point(f"I18N_COMMON_{n}", str(n), "dBm") for n in range(10)] + [point("ETH1 IPV6", "--")]
    found = told(service, reply_of({"list": points, "count": 8}, service))
    assert len(found) == 11
    assert found["I18N_COMMON_7"] == ("7", "dBm")
    assert found["ETH1 IPV6"] == ("--", "")
    assert "count" not in found


def test_decode_facts_when_the_about_page_names_no_service_then_it_is_read_all_the_same():
    """The page is HTTP; its document has a list and nothing else."""
    text = json.dumps(
        {"result_code": 1, "result_msg": "success",
         "result_data": {"list": [point("I18N_COMMON_DEVICE_SN", "B2400000102")]}}
    )  # fmt: skip
    assert told(ABOUT, reply(text)) == {"I18N_COMMON_DEVICE_SN": ("B2400000102", "")}


# Oddities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, found",
    [
        ({"curr_power": 3.5, "curr_power_unit": "kW"}, {"curr_power": ("3.5", "kW")}),
        ({"online_num": 2}, {"online_num": ("2", "")}),
        ({"curr_power": "1", "curr_power_unit": 7}, {"curr_power": ("1", "")}),
        ({"curr_power": "1", "curr_power_unit": None}, {"curr_power": ("1", "")}),
        ({"curr_power": None, "curr_power_unit": "kW"}, {}),
        ({"curr_power_unit": "kW"}, {"curr_power_unit": ("kW", "")}),
        ({"_unit": "x"}, {"_unit": ("x", "")}),
        ({"a": True, "b": None, "c": [1], "d": {"e": "1"}, "f": "1"}, {"f": ("1", "")}),
        ({"x" * 201: "1", "y" * 200: "2"}, {"y" * 200: ("2", "")}),
        ({"service": "other", "a": "1"}, {"a": ("1", "")}),
        ({}, {}),
    ],
    ids=["number", "whole number", "unit is a number", "no unit", "no value", "unit alone", "just _unit",
         "no texts", "long key", "service", "empty"],
)  # fmt: skip
@pytest.mark.parametrize("in_list", [False, True])
def test_decode_facts_when_a_field_is_odd_then_only_it_is_lost(fields, found, in_list):
    """Numbers count as text, a unit that is none is none, and anything else is left out."""
    data = {"list": [fields]} if in_list else fields
    assert told(STATISTICS, reply_of(data, "statistics")) == found


def test_decode_facts_when_a_key_comes_twice_then_the_first_counts():
    """Beside the list goes before the list, an earlier object before a later one."""
    rows = [{"a": "2", "b": "3"}, {"b": "4", "c": "5"}, "no object", None, 7]
    assert told(STATISTICS, reply_of({"a": "1", "list": rows})) == {
        "a": ("1", ""),
        "b": ("3", ""),
        "c": ("5", ""),
    }


@pytest.mark.parametrize("service", GatewayService)
@pytest.mark.parametrize(
    "data", [{}, {"list": ["x", 1, None, []]}, {"list": {}}, {"list": None}, {"list": []}, None, [], "x"]
)
def test_decode_facts_when_there_is_nothing_of_use_then_it_is_empty(service, data):
    """Nothing is nothing, whatever it looks like."""
    assert decode_facts(service, reply_of(data)) == ()


@pytest.mark.parametrize("service", GatewayService)
def test_decode_facts_when_an_answer_has_no_end_then_it_is_cut(service):
    """A gateway cannot fill the memory with facts."""
    fields = {f"k{n}": "1" for n in range(2 * MOST_FACTS)}
    points = [point(key, "1") for key in fields]
    assert len(decode_facts(service, reply_of({**fields, "list": points}))) == MOST_FACTS
    rows = [{f"k{n}": "1"} for n in range(2 * MOST_FACTS)]
    assert len(decode_facts(STATISTICS, reply_of({"list": rows}))) == MOST_FACTS


# Faults ----------------------------------------------------------------------------------------------


def faults(rows: Any) -> Any:
    return decode_faults(reply_of({"list": rows, "count": 20}, "fault"))


def test_decode_faults_when_the_device_is_healthy_then_the_list_is_empty():
    """An empty list is an answer."""
    assert faults([]) == ((), ())


@pytest.mark.parametrize("rows", [None, {}, "x", 7])
def test_decode_faults_when_there_is_no_list_then_there_is_no_answer(rows):
    """No list is not the same as no fault."""
    assert faults(rows) is None


@pytest.mark.parametrize("code_field", facts.FAULT_CODES)
@pytest.mark.parametrize("name_field", facts.FAULT_NAMES)
def test_decode_faults_when_a_row_has_guessed_fields_then_they_are_code_and_name(code_field, name_field):
    """Whichever of the guessed names is right."""
    row = {code_field: "514", name_field: "I18N_FAULT_514", "begin_time": "2026-06-01 12:00"}
    assert faults([row]) == ((FaultRow("514", "I18N_FAULT_514"),), ())


@pytest.mark.parametrize(
    "row, fault",
    [
        ({"fault_code": 514}, FaultRow("514", "")),
        ({"fault_code": "10", "id": "1", "fault_name": "Too hot"}, FaultRow("10", "Too hot")),
        ({"fault_code": "--", "code": "7"}, FaultRow("7", "")),
        ({"fault_code": " ", "fault_no": "8"}, FaultRow("8", "")),
        ({"fault_code": None, "id": "9"}, FaultRow("9", "")),
        ({"data_name": "I18N_COMMON_FAULT_2"}, FaultRow("I18N_COMMON_FAULT_2", "I18N_COMMON_FAULT_2")),
        ({"code": "a\nb"}, FaultRow("a b", "")),
        ({"code": "1" * 500}, FaultRow("1" * 80, "")),
    ],
    ids=["number", "several", "no value", "blank", "null", "key alone", "control characters", "long"],
)  # fmt: skip
def test_decode_faults_when_a_row_is_unusual_then_code_and_name_are_fit_for_labels(row, fault):
    """The first field with a text counts; a key alone is its own code."""
    assert faults([row]) == ((fault,), ())


@pytest.mark.parametrize(
    "row, words",
    [
        ({}, "(fields: none)"),
        ({"begin": "x", "a\nb": "y"}, "(fields: a b, begin)"),
        ({"fault_name": "Grid volts high"}, "(fields: fault_name)"),
        ({"fault_code": "--"}, "(fields: fault_code)"),
        ({"x" * 100: "1"}, f"(fields: {'x' * 40})"),
        ("514", "(fields: none)"),
        (None, "(fields: none)"),
        (["a"], "(fields: none)"),
        (514, "(fields: none)"),
        (True, "(fields: none)"),
    ],
    ids=["empty", "unknown fields", "name that is no key", "no value", "long field", "text", "null", "list",
         "number", "true"],
)  # fmt: skip
def test_decode_faults_when_a_row_is_of_an_unknown_kind_then_the_problem_names_its_fields(row, words):
    """Never its values, and its neighbours stay."""
    rows, problems = faults([{"code": "1"}, row, {"code": "2"}])
    assert rows == (FaultRow("1", ""), FaultRow("2", ""))
    ((reason, detail),) = problems
    assert reason is Reason.INVALID_READING
    assert detail == f"fault list[1] is of a kind never seen {words}"


def test_decode_faults_when_the_list_has_no_end_then_as_many_as_were_asked_for_are_taken():
    """Twenty are asked for."""
    assert len(faults([{"code": str(n)} for n in range(100)]).items) == MOST_FAULTS
    assert len(faults([{}] * 100).problems) == MOST_FAULTS


def test_decode_faults_when_a_row_has_many_fields_then_the_problem_is_of_bounded_length():
    """One log line stays one."""
    (problem,) = faults([{f"{n:03}" + "x" * 300: "1" for n in range(500)}]).problems
    assert len(problem.detail) < 1000


# Whatever comes --------------------------------------------------------------------------------------

_key = st.sampled_from(
    ["list", "service", "count", "curr_power", "curr_power_unit", "_unit", "data_name", "data_value",
     "data_unit", *facts.FAULT_CODES, *facts.FAULT_NAMES]
) | st.text(max_size=5)  # fmt: skip
_scalar = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["--", "1"])
)
_json = st.recursive(
    _scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_key, inner, max_size=5),
    max_leaves=25,
)
_data = st.dictionaries(_key, _json, max_size=6) | st.fixed_dictionaries(
    {"list": st.lists(_json | st.dictionaries(_key, _scalar, max_size=5), max_size=30)}
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(GatewayService), _data)
def test_decode_facts_when_the_reply_is_arbitrary_then_readings_are_texts_and_bounded(service, data):
    """Nothing a gateway sends raises, and all that comes out is three texts."""
    readings = decode_facts(service, Reply(1, "success", "x", data))
    assert len(readings) <= MOST_FACTS
    for reading in readings:
        assert isinstance(reading, Reading)
        assert all(isinstance(part, str) for part in reading)
        assert len(reading.key) <= 200


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(_data)
def test_decode_faults_when_the_reply_is_arbitrary_then_rows_are_printable_and_bounded(data):
    """Nothing a gateway sends raises; a label has an end and no control character."""
    decoded = decode_faults(Reply(1, "success", "fault", data))
    assert (decoded is None) == (not isinstance(data.get("list"), list))
    if decoded is not None:
        assert len(decoded.items) + len(decoded.problems) <= MOST_FAULTS
        for row in decoded.items:
            assert 0 < len(row.code) <= 80
            assert len(row.name) <= 80
            assert row.code.isprintable()
            assert row.name.isprintable()
        assert all(problem.detail.isprintable() for problem in decoded.problems)
