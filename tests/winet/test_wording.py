"""What is read by its wording is what a whole decoding reads, of every text there is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator.printing import compact, one_line, pretty
from exporter.telemetry import DirectInput, Reading
from exporter.winet import errors, lists, messages
from exporter.winet.messages import Fragment, Reply
from exporter.winet.wording import LONGEST_LEARNED, MOST_KNOWN, Wordings

READINGS = [
    {"data_name": "I18N_COMMON_TOTAL_DCPOWER", "data_value": "0.68", "data_unit": "kW"},
    {"data_name": "I18N_COMMON_AIR_TEM_INSIDE_MACHINE", "data_value": "25.8", "data_unit": "℃"},
    {"data_name": "I18N_COMMON_TOTAL_YIELD", "data_value": "--", "data_unit": "kWh"},
]
INPUTS = [
    {"name": "MPPT1", "voltage": "313.9", "voltage_unit": "V", "current": "10.5", "current_unit": "A"},
    {"name": "MPPT2", "voltage": "0.0", "voltage_unit": "V", "current": "0.0", "current_unit": "A"},
]
PRINTERS = [pretty, one_line, compact]


def document(entries: Any, service: str = "real", **more: Any) -> dict[str, Any]:
    data = {"service": service, "list": entries, "count": len(entries), **more}
    return {"result_code": 1, "result_msg": "success", "result_data": data}


def changed(entries: list[dict[str, Any]], place: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**entry, **changes} if i == place else entry for i, entry in enumerate(entries)]


def items(reply: Reply) -> tuple[Any, ...]:
    """The readings of a reply, whichever way it was read."""
    if reply.told is not None:
        return reply.told[0].told(reply.told[1], None)
    decoded = lists.decode_inputs(reply) if reply.service == "direct" else lists.decode_readings(reply)
    return decoded.items if decoded else ()


def outcome(decode: Any, text: str) -> object:
    """All that the rest of the program can know of a text."""
    try:
        reply = decode(text)
    except (Fragment, errors.Garbled) as error:
        return type(error), str(error)
    return reply.code, reply.message, reply.service, items(reply)


@pytest.mark.parametrize("printed", PRINTERS)
@pytest.mark.parametrize(
    "service, entries, changes, expected",
    [
        ("real", READINGS, {"data_value": "0.71"}, Reading("I18N_COMMON_TOTAL_DCPOWER", "0.71", "kW")),
        ("real_battery", READINGS, {"data_value": ""}, Reading("I18N_COMMON_TOTAL_DCPOWER", "", "kW")),
        ("direct", INPUTS, {"current": "11"}, DirectInput("MPPT1", "313.9", "V", "11", "A")),
        ("direct", INPUTS, {"voltage": "--"}, DirectInput("MPPT1", "--", "V", "10.5", "A")),
    ],
)
def test_same_wording_with_other_values_is_read_without_decoding(
    printed: Any, service: str, entries: Any, changes: Any, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a gateway prints: after one answer, only the values of the next ones are looked at."""
    wordings = Wordings()
    wordings.decode(printed(document(entries, service)))
    monkeypatch.setattr(messages, "decode", lambda text: pytest.fail("it is decoded"))
    reply = wordings.decode(printed(document(changed(entries, 0, **changes), service)))
    assert (reply.code, reply.message, reply.service) == (1, "success", service)
    assert items(reply)[0] == expected
    assert items(reply)[1:] == items(wordings.decode(printed(document(entries, service))))[1:]


@pytest.mark.parametrize(
    "second",
    [
        pretty(document(changed(READINGS, 1, data_unit="°F"))),
        pretty(document(changed(READINGS, 1, data_name="I18N_OTHER"))),
        pretty(document(changed(READINGS, 1, data_value=25.8))),
        pretty(document(changed(READINGS, 1, data_value='"'))),
        pretty(document(changed(READINGS, 1, data_value="\\"))),
        pretty(document(changed(READINGS, 1, data_value="\t"))),
        pretty(document(changed(READINGS, 1, data_value=None))),
        pretty(document(READINGS[:2])),
        pretty(document([*READINGS, READINGS[0]])),
        pretty(document(READINGS, "real_battery")),
        pretty(document(READINGS)).replace('"25.8"', '"25\n8"'),
        pretty(document(READINGS)).replace('"25.8"', '"25.8", "data_value":\t"9"'),
        pretty(document(READINGS)).replace('"25.8"', '{"data_value":\t"9"}'),
        pretty(document(READINGS))[:-1],
        pretty(document(READINGS)) + "}",
        pretty(document(READINGS) | {"result_code": 401}),
        pretty(document(READINGS) | {"result_msg": "login timeout"}),
    ],
)
def test_all_that_differs_by_more_than_values_is_decoded(second: str) -> None:
    """A changed unit, key, type, length, code or mere garbage is seen as if it came first."""
    wordings = Wordings()
    wordings.decode(pretty(document(READINGS)))
    assert outcome(wordings.decode, second) == outcome(messages.decode, second)


@pytest.mark.parametrize(
    "first",
    [
        pretty(document(changed(READINGS, 1, data_value=7))),
        pretty(document(changed(READINGS, 1, note={"data_value": "7"}))),
        pretty(document(changed(READINGS, 1, note="data_value"))),
        pretty(document(changed(READINGS, 1, data_name=""))),
        pretty(document(READINGS, data_value="7")),
        pretty(document(READINGS)).replace('"25.8"', '"25.8", "data_value":\t"9"'),
        pretty(document(READINGS)).replace('"data_value":\t"25.8"', '"data_value" :\t"25.8"'),
        pretty(document(READINGS) | {"result_msg": "all is well"}),
        pretty(document([])),
        one_line(document(INPUTS, "direct")).replace('"voltage":"0.0"', '"voltage":0.0'),
        pretty(document([dict(reversed(entry.items())) for entry in INPUTS], "direct")),
    ],
)
def test_wording_that_is_not_plain_is_never_learned(first: str) -> None:
    """Where a mark might be something else than an entry's own value, every answer is decoded."""
    wordings = Wordings()
    for _ in range(2):
        assert wordings.decode(first).told is None
    assert outcome(wordings.decode, first) == outcome(messages.decode, first)


VALUES = st.text(st.sampled_from('0123456789.-"\\{}[],: \t\nü'), max_size=6)
PIECES = st.sampled_from(
    ['"', "\\", '"data_value":\t"', '"voltage":\t"', '"current":\t"', "}, {", "real", "1", ""]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([("real", READINGS), ("direct", INPUTS)]),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 30), PIECES), max_size=3),
    st.lists(VALUES, min_size=6, max_size=6),
    st.sampled_from([*PRINTERS, json.dumps]),
)
def test_no_text_is_read_otherwise_than_by_decoding(
    which: tuple[str, Any], edits: list[tuple[int, int, str]], values: list[str], printed: Any
) -> None:
    """Whatever a gateway makes of its first answer, and of that again: both ways of reading agree."""
    service, entries = which
    names = ("voltage", "current") if service == "direct" else ("data_value",)
    fresh = iter(values)
    second = [{**entry, **{name: next(fresh) for name in names}} for entry in entries]
    text = printed(document(second, service))
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    wordings = Wordings()
    wordings.decode(printed(document(entries, service)))
    for following in (text, printed(document(entries, service)), text):
        assert outcome(wordings.decode, following) == outcome(messages.decode, following)


def test_what_has_not_changed_is_the_same_object() -> None:
    """Identity tells the metric side what it need not look at again."""
    wordings = Wordings()

    def told(entries: Any, last: Any) -> Any:
        told = wordings.decode(pretty(document(entries))).told
        assert told is not None
        return told[0].told(told[1], last)

    first = told(READINGS, None)
    assert told(READINGS, first) is first
    second = told(changed(READINGS, 0, data_value="0.71"), first)
    assert second[0] == Reading("I18N_COMMON_TOTAL_DCPOWER", "0.71", "kW")
    assert second[1] is first[1]
    assert second[2] is first[2]


def test_gateways_of_one_model_share_their_keys() -> None:
    """A wording is in memory once, however many targets have met it, and goes with the last of them."""
    here, there = Wordings(), Wordings()
    first = here.decode(pretty(document(READINGS))).told
    second = there.decode(pretty(document(changed(READINGS, 0, data_value="9")))).told
    assert first is not None
    assert second is not None
    assert first[0] is second[0]


def test_few_wordings_are_kept() -> None:
    """A gateway that words every answer anew costs no memory for it."""
    wordings = Wordings()
    for number in range(3 * MOST_KNOWN):
        wordings.decode(pretty(document(changed(READINGS, 0, data_unit=f"u{number}"))))
    assert len(wordings._known) == MOST_KNOWN


def test_long_answers_are_not_learned() -> None:
    """What a gateway adds to its answers, different each time, would be kept for each of its wordings."""
    wordings = Wordings()
    room = LONGEST_LEARNED - len(pretty(document(READINGS, note="")))
    for length, learned in ((room, 1), (room + 1, 0)):
        text = pretty(document(READINGS, note="x" * length))
        assert (wordings.decode(text).told is not None) is bool(learned)
        assert outcome(wordings.decode, text) == outcome(messages.decode, text)
    assert len(wordings._known) == 1
