"""The catalogue: which key and unit become a sample of which metric family. Data with a strict loader.

The bundled file lies at the bottom; a user's own files lie on top of it, the last one uppermost.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from exporter.metrics import families
from exporter.metrics.catalogue_file import FAMILY_NAME, CatalogueFile, Entry, Factors, merged_units
from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family
from exporter.strict_yaml import Mistake

__all__ = [
    "Catalogue",
    "CatalogueError",
    "DirectKind",
    "Family",
    "Series",
    "Source",
    "bundled",
    "is_free",
    "load",
    "parse",
]

Series = tuple[str, str | None]  # a family and the value of its own label

DIRECT_HELP = {
    "mppt": "of each MPP tracker; strings are parts of it, never add both",
    "string": "of each string; strings are parts of their MPP tracker, never add both",
}
DIRECT_QUANTITIES = (("voltage", "volts"), ("current", "amperes"), ("power", "watts"))

# what the exporter itself has beside `families`, and the room it keeps for more
RESERVED = (
    "exporter_build_info",
    "device_rated_power_watts",
    "local_midnight_timestamp_seconds",
    "string_info",
)
RESERVED_PREFIXES = ("gateway_", "plant_", "sun_")
# what OpenMetrics appends to the names of infos, histograms, summaries and counters
ENDINGS = ("_info", "_count", "_sum", "_bucket", "_created", "_gcount", "_gsum")


class CatalogueError(Exception):
    """The catalogue has mistakes; the message names each with its line."""


@dataclass(frozen=True, slots=True)
class Source:
    """One key's way into a family. `rank` 0 is the best source of a series; `factors` by folded unit.

    `guarded`: a total whose history is watched. `limited`: a power that the device's rated power bounds.
    """

    family: Family
    label_value: str | None
    factors: Factors
    rank: int
    limited: bool = False
    series: Series = field(init=False)
    labels: tuple[str, ...] = field(init=False)
    guarded: bool = field(init=False)
    of_battery: bool = field(init=False)

    def __post_init__(self) -> None:
        name = self.family.name
        derived = {
            "series": (name, self.label_value),
            "labels": () if self.label_value is None else (self.label_value,),
            "guarded": name.endswith("_joules_total"),
            "of_battery": name.startswith(f"{PREFIX}battery_"),
        }
        for key, value in derived.items():
            object.__setattr__(self, key, value)

    def __hash__(self) -> int:
        """Of what nearly always tells two apart; factors have no hash."""
        return hash((self.series, self.rank))


class DirectKind(NamedTuple):
    """What the name of an MPPT or a string is matched with, and the three families it feeds."""

    since: str  # the version that knew its name first
    pattern: re.Pattern[str]
    voltage: Family
    current: Family
    power: Family

    @property
    def families(self) -> tuple[Family, Family, Family]:
        return self.voltage, self.current, self.power

    def number(self, name: str) -> str | None:
        """The number in an input's name, without leading noughts; None for a name of another kind."""
        match = self.pattern.fullmatch(name)
        digits = match[1] if match is not None else None
        return str(int(digits)) if digits and digits.isdecimal() and len(digits) <= 9 else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of it, checked.

    `entries` are what `families` were made of, by full name, those of direct inputs left out. `units` lead
    from a base unit's name to the units and factors, `states` from a device kind to its known states.
    """

    families: tuple[Family, ...]
    sources: Mapping[str, Source]
    entries: Mapping[str, Entry]
    units: Mapping[str, Factors]
    direct: tuple[DirectKind, ...]
    state_keys: frozenset[str]
    states: Mapping[str, tuple[str, ...]]
    kinds: Mapping[int, str]

    @property
    def volts(self) -> Factors:
        return self.units.get("volts", {})

    @property
    def amperes(self) -> Factors:
        return self.units.get("amperes", {})

    def knows(self, key: str) -> bool:
        """Whether a key, or the name of a direct input, has a metric of its own."""
        direct = any(kind.number(key) is not None for kind in self.direct)
        return key in self.sources or key in self.state_keys or direct

    def kind_of(self, dev_type: int) -> str:
        return self.kinds.get(dev_type, "unknown")


def bundled() -> Catalogue:
    """The catalogue that comes with the package."""
    return load(())


def parse(yaml_text: str, source: str) -> Catalogue:
    """A catalogue that stands alone. Raises `CatalogueError` with every mistake and its line."""
    return _combined([CatalogueFile(yaml_text, source, whole=True)], [])


def load(files: Sequence[str | Path]) -> Catalogue:
    """The bundled catalogue with these files on top, in their order.

    A family of a file replaces the one of that name below it, and a key that a file names leaves the family
    it fed below; a family without keys is gone. Units, states and kinds are added, unit by unit and number
    by number; all files share them, so the bundled families know a new unit too. A pattern of `direct`
    replaces the one of its label.

    Blocks while it reads. Raises `CatalogueError` with every mistake of every file.
    """
    source = resources.files("exporter.metrics").joinpath("catalogue.yaml")
    layers = [CatalogueFile(source.read_text("utf-8"), source.name, whole=True)]
    unread: list[str] = []
    for path in files:
        try:
            content = Path(path).read_bytes()
            layers.append(CatalogueFile(content.decode("utf-8"), str(path)))
        except OSError as error:
            why = error.strerror or type(error).__name__
            unread.append(f"{path}:\n  cannot be read: {why}; correct the path or the file's permissions")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            unread.append(f"{path}:\n  line {line}: is not UTF-8; save the file in that encoding")
    return _combined(layers, unread)


def _combined(layers: Sequence[CatalogueFile], problems: list[str]) -> Catalogue:
    """All layers as one catalogue; `problems` are those of files that are none of the layers."""
    units: dict[str, Factors] = {}
    kinds: dict[int, str] = {}
    states: dict[str, set[str]] = {}
    patterns: dict[str, tuple[str, re.Pattern[str]]] = {}
    for layer in layers:
        for name, factors in layer.units.items():
            units[name] = merged_units(units.get(name, {}), factors)
        kinds |= layer.kinds
        patterns |= {label: (layer.since, pattern) for label, pattern in layer.direct.items()}
        for kind, names in layer.states.items():
            states.setdefault(kind, set()).update(names)
    entries: dict[str, Entry] = {}
    state_keys: frozenset[str] = frozenset()
    direct_names: dict[str, str] = {}
    for layer in layers:
        layer.read_families(units, set(kinds.values()))
        named = frozenset(key for entry in layer.entries.values() for key in entry.all_keys)
        state_keys = state_keys - named | layer.state_keys
        left = {name: entry.without(named | layer.state_keys) for name, entry in entries.items()}
        entries = {name: entry for name, entry in left.items() if entry.keys} | layer.entries
        direct_names |= {name: label for label in layer.direct for name in _direct_names(label)}
        _check_names(layer, entries, direct_names)
    found = [_report(layer.source, layer.document.mistakes) for layer in layers if layer.document.mistakes]
    if found or problems:
        raise CatalogueError("\n".join([*found, *problems]))
    direct = tuple(_direct(label, *known) for label, known in patterns.items())
    by_name = {name: entry.family() for name, entry in entries.items()}
    return Catalogue(
        families=(*by_name.values(), *(family for kind in direct for family in kind.families)),
        sources={
            key: Source(by_name[entry.name], value, entry.factors, rank, entry.limited)
            for entry in entries.values()
            for value, group in entry.keys.items()
            for rank, key in enumerate(group)
        },
        entries=entries,
        units=units,
        direct=direct,
        state_keys=state_keys,
        states={kind: tuple(sorted(names)) for kind, names in states.items()},
        kinds=kinds,
    )


def _report(source: str, mistakes: Iterable[Mistake]) -> str:
    return "\n".join([f"{source}:", *(f"  {m}" for m in sorted(mistakes, key=lambda m: m.line))])


# Names -----------------------------------------------------------------------------------------------


def _check_names(layer: CatalogueFile, entries: Mapping[str, Entry], direct: Mapping[str, str]) -> None:
    """Note the names of a layer that mean something else already, or would in OpenMetrics.

    There a counter x_total is the family x, so the names without that ending must differ.
    """
    fixed = _own_stems()
    of_direct = {_stem(name): label for name, label in direct.items()}
    others: dict[str, list[str]] = {}
    for name in entries:
        others.setdefault(_stem(name), []).append(name)
    for name in layer.entries:
        path = f"families.{name.removeprefix(PREFIX)}"
        twins = [twin for twin in others[_stem(name)] if twin != name]
        if _stem(name) in fixed or name.removeprefix(PREFIX).startswith(RESERVED_PREFIXES):
            layer.document.add(path, "is a name of the exporter's own; choose another one")
        elif _stem(name) in of_direct:
            label = of_direct[_stem(name)]
            layer.document.add(path, f"is fed by direct.{label}; change the pattern there, or the name here")
        elif twins:
            layer.document.add(path, f"is the same as {twins[0]} in OpenMetrics; choose another name")
        elif name.endswith(ENDINGS):
            ending = name[name.rindex("_") :]
            layer.document.add(path, f"must not end in {ending}, which OpenMetrics keeps for itself")
    for label in layer.direct:
        for name in _direct_names(label):
            taken = [twin for twin in others.get(_stem(name), ()) if twin not in layer.entries]
            if taken or name.removeprefix(PREFIX).startswith(RESERVED_PREFIXES) or _stem(name) in fixed:
                layer.document.add(
                    f"direct.{label}", f"would feed {name}, which is taken; choose another label"
                )


def is_free(name: str, taken: Collection[str]) -> bool:
    """Whether a new family may have this full name beside those that are `taken`."""
    short = name.removeprefix(PREFIX)
    stems = _own_stems() | {_stem(other) for other in taken}
    kept = short.startswith(RESERVED_PREFIXES) or name.endswith(ENDINGS)
    return FAMILY_NAME.fullmatch(short) is not None and not kept and _stem(name) not in stems


@cache
def _own_stems() -> frozenset[str]:
    """The names that the exporter uses itself."""
    names = [*(family.name for family in families.all_families()), *(PREFIX + name for name in RESERVED)]
    return frozenset(map(_stem, names))


def _stem(name: str) -> str:
    return name.removesuffix("_total")


def _direct_names(label: str) -> list[str]:
    return [f"{PREFIX}{label}_{quantity}_{unit}" for quantity, unit in DIRECT_QUANTITIES]


def _direct(label: str, since: str, pattern: re.Pattern[str]) -> DirectKind:
    shown = re.sub("[(].*[)]", "n", pattern.pattern)
    made = []
    for name, (quantity, _) in zip(_direct_names(label), DIRECT_QUANTITIES, strict=True):
        how = " (voltage times current)" if quantity == "power" else ""
        words = f"{quantity.capitalize()}{how} {DIRECT_HELP.get(label, 'of each ' + label)}."
        help_text = f"{words} From the direct input {shown}; cached at the last refresh."
        made.append(Family(name, "gauge", help_text, (*DEVICE_LABELS, label)))
    return DirectKind(since, pattern, *made)
