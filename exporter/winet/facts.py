"""Replies about the gateway and its plant as a whole. Pure.

Only some firmware gives them. Their shapes differ, and what they hold ends up the same: keys with a value
and a unit, as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exporter.telemetry import FaultRow, GatewayService, Reading, Reason
from exporter.winet import lists
from exporter.winet.lists import Decoded, Problem
from exporter.winet.messages import LONGEST_TEXT, Reply, clean

MOST_FACTS = 200  # of one answer; the most ever seen are 20
MOST_FAULTS = 20  # as many as are asked for
UNIT = "_unit"

# Assumed: which field of a fault entry holds its code and which its name was never seen. The first that
# is there counts.
FAULT_CODES = ("fault_code", "faultCode", "error_code", "code", "fault_id", "fault_no", "id")
FAULT_NAMES = ("fault_name", "fault_desc", "data_name", "name", "fault_reason", "desc", "msg")


def decode_facts(service: GatewayService, reply: Reply) -> tuple[Reading, ...]:
    """All that a reply tells, whatever its shape; empty if it tells nothing of use.

    `about` and `local` list readings, `state` has its values as fields, `statistics` lists objects whose
    fields come with a unit (all seen in captures of one firmware). The rows of `runtime` are one per
    inverter: they are taken only if there is a single one.
    """
    if service in (GatewayService.ABOUT, GatewayService.LOCAL):
        decoded = lists.decode_readings(reply)
        return decoded.items[:MOST_FACTS] if decoded else ()
    entries = reply.data.get("list")
    rows = [row for row in entries if isinstance(row, Mapping)] if isinstance(entries, list) else []
    if service is GatewayService.RUNTIME and len(rows) != 1:
        rows = []
    found: dict[str, Reading] = {}
    for fields in (reply.data, *rows[:MOST_FACTS]):
        for reading in _fields(fields):
            if len(found) < MOST_FACTS:
                found.setdefault(reading.key, reading)
    return tuple(found.values())


def _fields(fields: Mapping[str, Any]) -> Iterator[Reading]:
    """`curr_power` and its `curr_power_unit` are one reading."""
    for key, raw in fields.items():
        value = lists.text_value(raw)
        if value is None or key == "service" or len(key) > LONGEST_TEXT:
            continue
        if key.endswith(UNIT) and key.removesuffix(UNIT) in fields:
            continue
        unit = fields.get(key + UNIT, "")
        yield Reading(key, value, unit if isinstance(unit, str) else "")


def decode_faults(reply: Reply) -> Decoded[FaultRow] | None:
    """The fault list of one device; None where the reply has none.

    That a healthy device has an empty one is reported; an entry of an ill one was never seen, so this is a
    guess, and an entry that does not fit it is a problem that names the fields it has.
    """
    entries = reply.data.get("list")
    if not isinstance(entries, list):
        return None
    rows: list[FaultRow] = []
    problems: list[Problem] = []
    for place, entry in enumerate(entries[:MOST_FAULTS]):
        row: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
        code, name = _first(row, FAULT_CODES), _first(row, FAULT_NAMES)
        if code or name.startswith("I18N_"):
            rows.append(FaultRow(code or name, name))
        else:
            fields = ", ".join(sorted(clean(key, 40) for key in row)[:20]) or "none"
            detail = f"fault list[{place}] is of a kind never seen (fields: {fields})"
            problems.append(Problem(Reason.INVALID_READING, detail))
    return Decoded(tuple(rows), tuple(problems))


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of the fields that has a text, made fit for a label."""
    for name in names:
        value = lists.text_value(entry.get(name))
        if value is not None and value.strip() not in ("", lists.NO_VALUE):
            return clean(value, 80)
    return ""
