"""The lists in replies: devices, readings, MPPTs and strings. Pure.

One unusable entry costs only itself: it is left out and named among the `problems`. Lists grow, shrink
and change their fields with firmware and model (seen in captures), so little is demanded of an entry.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Generic, NamedTuple, TypeVar

from exporter.telemetry import Device, DirectInput, Reading, Reason
from exporter.winet.messages import LONGEST_TEXT, Reply, clean, integer

MOST_DEVICES = 64  # behind one gateway; the most ever seen are 4
MOST_READINGS = 1000  # in one answer; the most ever seen are 45
NO_VALUE = "--"  # what a gateway sends for a value it does not have (seen in captures)

T = TypeVar("T")


class Problem(NamedTuple):
    """One part of a message that could not be used. `detail` names the place, never a value."""

    reason: Reason
    detail: str


class Decoded(NamedTuple, Generic[T]):
    items: tuple[T, ...]
    problems: tuple[Problem, ...]


def decode_devices(reply: Reply) -> Decoded[Device] | None:
    """The device list; None where the reply has none."""
    entries, problems = _entries(reply, MOST_DEVICES, Reason.INVALID_DEVICE)
    if entries is None:
        return None
    found: list[tuple[tuple[int, str, int], Device]] = []  # with what tells equal serial numbers apart
    for place, entry in enumerate(entries):
        where = f"devicelist list[{place}]"
        dev_id = integer(entry.get("dev_id")) if isinstance(entry, dict) else None
        if dev_id is None:
            problems.append(Problem(Reason.INVALID_DEVICE, f"{where} has no usable dev_id"))
            continue
        dev_type = integer(entry.get("dev_type"))
        if dev_type is None:
            problems.append(Problem(Reason.INVALID_DEVICE, f"{where} has no usable dev_type"))
        serial = clean(text_value(entry.get("dev_sn")) or "")
        if serial in ("", NO_VALUE):
            serial = f"dev_id:{dev_id}"
            problems.append(Problem(Reason.MISSING_SERIAL, f"{where} has no serial number"))
        link = integer(entry.get("link_status"))
        device = Device(
            identity=serial,
            dev_id=str(dev_id),
            dev_type=-1 if dev_type is None else dev_type,
            dev_code=integer(entry.get("dev_code")) or 0,
            name=_text(entry.get("dev_name")),
            model=_text(entry.get("dev_model")),
            online=None if link is None else link == 1,
        )
        found.append(((device.dev_type, _text(entry.get("phys_addr")), dev_id), device))
    return Decoded(_told_apart(found, problems), tuple(problems))


def _told_apart(
    found: list[tuple[tuple[int, str, int], Device]], problems: list[Problem]
) -> tuple[Device, ...]:
    """The devices in their order, each with an identity of its own.

    Of several with one serial number the later ones get #2, #3 …; later by type and address, for the
    order of the list may change.
    """
    taken: set[str] = {device.identity for _, device in found}
    first: set[str] = set()
    names: dict[int, str] = {}
    for place in sorted(range(len(found)), key=lambda place: found[place][0]):
        serial = found[place][1].identity
        if serial in first:
            problems.append(
                Problem(Reason.DUPLICATE_SERIAL, f"devicelist list[{place}] repeats a serial number")
            )
            serial = next(name for n in count(2) if (name := f"{serial}#{n}") not in taken)
            taken.add(serial)
        first.add(serial)
        names[place] = serial
    return tuple(device._replace(identity=names[place]) for place, (_, device) in enumerate(found))


def _entries(reply: Reply, most: int, reason: Reason) -> tuple[list[Any] | None, list[Problem]]:
    """The list of a reply, cut where it is longer than any true one, and the problem that this is."""
    entries = reply.data.get("list")
    if not isinstance(entries, list):
        return None, []
    if len(entries) <= most:
        return entries, []
    return entries[:most], [Problem(reason, f"{reply.service} has {len(entries)} entries; {most} are used")]


def decode_readings(reply: Reply) -> Decoded[Reading] | None:
    """The list of `real` or `real_battery`; None where the reply has none. The hot path."""
    entries, problems = _entries(reply, MOST_READINGS, Reason.INVALID_READING)
    if entries is None:
        return None
    readings: list[Reading] = []
    new = tuple.__new__  # what Reading() does, without its call
    for place, entry in enumerate(entries):
        try:
            key, value, unit = entry["data_name"], entry["data_value"], entry["data_unit"]
        except (KeyError, TypeError):
            reading = _odd_reading(entry)
        else:
            if (
                type(key) is str
                and type(value) is str
                and type(unit) is str
                and 0 < len(key) <= LONGEST_TEXT
                and len(value) <= LONGEST_TEXT
                and len(unit) <= LONGEST_TEXT
            ):
                readings.append(new(Reading, (key, value, unit)))
                continue
            reading = _odd_reading(entry)
        if reading is None:
            problems.append(Problem(Reason.INVALID_READING, f"{reply.service} list[{place}] is no reading"))
        else:
            readings.append(reading)
    return Decoded(tuple(readings), tuple(problems))


def decode_inputs(reply: Reply) -> Decoded[DirectInput] | None:
    """The list of `direct`: MPPTs and strings side by side; None where the reply has none."""
    entries, problems = _entries(reply, MOST_READINGS, Reason.INVALID_READING)
    if entries is None:
        return None
    inputs: list[DirectInput] = []
    for place, entry in enumerate(entries):
        taken = _plain_input(entry) or _odd_input(entry)
        if taken is not None:
            inputs.append(taken)
        else:
            problems.append(Problem(Reason.INVALID_READING, f"direct list[{place}] is no input"))
    return Decoded(tuple(inputs), tuple(problems))


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def text_value(value: object) -> str | None:
    """A reading's value as text. JSON numbers were never seen there, but they lose nothing as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return None


def _odd_reading(entry: object) -> Reading | None:
    """A reading that is not three texts: EV chargers leave out `data_unit` (reported); else None."""
    if not isinstance(entry, dict):
        return None
    key, value, unit = entry.get("data_name"), text_value(entry.get("data_value")), entry.get("data_unit")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_TEXT:
        return None
    if value is None or len(value) > LONGEST_TEXT:
        return None
    if unit is not None and not (isinstance(unit, str) and len(unit) <= LONGEST_TEXT):
        return None
    return Reading(key, value, unit or "")


def _plain_input(entry: object) -> DirectInput | None:
    """An input of five texts, as every one was that was ever seen."""
    try:
        name, volts, volt, amperes, ampere = (
            entry["name"], entry["voltage"], entry["voltage_unit"], entry["current"], entry["current_unit"],  # type: ignore[index]
        )  # fmt: skip
    except (KeyError, TypeError):
        return None
    texts = type(name) is type(volts) is type(volt) is type(amperes) is type(ampere) is str
    if not texts or not 0 < len(name) <= LONGEST_TEXT or not (volt.isprintable() and ampere.isprintable()):
        return None
    if max(len(volts), len(volt), len(amperes), len(ampere)) > LONGEST_TEXT:
        return None
    return DirectInput(name, volts, volt, amperes, ampere)


def _odd_input(entry: object) -> DirectInput | None:
    """An input that lacks some of its fields, or has numbers for texts; None if it is none."""
    if not isinstance(entry, dict):
        return None
    name = entry.get("name")
    voltage, current = (text_value(entry.get(part, NO_VALUE)) for part in ("voltage", "current"))
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_TEXT or voltage is None or current is None:
        return None
    if max(len(voltage), len(current)) > LONGEST_TEXT:
        return None
    return DirectInput(
        name, voltage, _text(entry.get("voltage_unit")), current, _text(entry.get("current_unit"))
    )
