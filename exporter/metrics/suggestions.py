"""Entries for the keys that the catalogue does not know, ready to be pasted into a file of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from exporter.metrics import units
from exporter.metrics.catalogue import Catalogue, is_free
from exporter.metrics.family import PREFIX
from exporter.telemetry import Service, printable

SUFFIXES = {"percent": "_ratio", "factor": ""}  # other base units end a name as they are
_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null")  # which would not be read as text
_KEY_PREFIXES = re.compile("I18N_(COMMON_|CONFIG_)?")


class Unmapped(NamedTuple):
    """A reading without an entry. `device` is its serial number, `label` the gateway's word for the key."""

    device: str
    kind: str
    service: str
    key: str
    value: str
    unit: str
    label: str


def as_catalogue_file(found: Iterable[Unmapped], known: Catalogue) -> str:
    """A catalogue file that gives each numeric reading a family; what cannot have one is a comment in it.

    Names and units are proposals: what a key means, and whether it is a lifetime total, a person judges.
    """
    taken = {family.name for family in known.families}
    entries: list[str] = []
    remarks: list[str] = []
    seen: set[str] = set()
    for reading in found:
        if reading.key in seen:
            continue
        seen.add(reading.key)
        said = f"{_quoted(reading.label)} of {printable(reading.device)}: " if reading.label else ""
        said += printable(f"{reading.value} {reading.unit}").strip()
        base = _base_unit(reading.unit, known)
        if reading.service == Service.DIRECT:
            remarks.append(f"# {printable(reading.key)}: a direct input, which needs a pattern ({said})")
        elif not units.is_number(reading.value):
            remarks.append(f"# {printable(reading.key)}: text or no value now ({said})")
        elif base is None:
            remarks.append(f"# {printable(reading.key)}: its unit is not among the units ({said})")
        else:
            name = _name(reading, base, taken)
            taken.add(PREFIX + name)
            help_text = printable(reading.label or reading.key).strip().rstrip(".") + "."
            entries += [
                f"  {name}:  # {said}",
                f"    help: {_quoted(help_text)}",
                f"    unit: {base}",
                f"    kinds: [{reading.kind}]" if reading.kind in known.kinds.values() else "",
                f"    keys: [{_quoted(reading.key)}]",
            ]
    body = ["families:", *(line for line in entries if line)] if entries else []
    return "\n".join([*body, *remarks])


def _base_unit(unit: str, known: Catalogue) -> str | None:
    return next(
        (name for name, factors in known.units.items() if units.factor(factors, unit) is not None), None
    )


def _name(reading: Unmapped, base: str, taken: Collection[str]) -> str:
    """A name in the style of the catalogue, from what the gateway calls the key, that is not taken."""
    words = reading.label or _KEY_PREFIXES.sub("", reading.key, count=1)
    stem = re.sub("[^a-z0-9]+", "_", words.casefold()).strip("_")
    stem = stem if re.match("[a-z]", stem) else f"{reading.kind}_{stem}".strip("_")
    suffix = SUFFIXES.get(base, f"_{base}")
    name = f"{stem.removesuffix(suffix) if suffix else stem}{suffix}"
    if not name[-1].isalpha() or len(name) < 2 or name in _YAML_WORDS:
        name = f"{name}_value"
    before = (
        "",
        f"{reading.kind}_",
        *(f"{reading.kind}_{letters}_" for letters in map(_letters, range(1000))),
    )
    return next(prefix + name for prefix in before if is_free(PREFIX + prefix + name, taken))


def _letters(number: int) -> str:
    return "abcdefghij"[number // 100] + "abcdefghij"[number // 10 % 10] + "abcdefghij"[number % 10]


def _quoted(text: str) -> str:
    """Text as YAML reads it back, whatever is in it: JSON is YAML, but for what cannot be printed."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
