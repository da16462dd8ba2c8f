"""The catalogue: which key and unit become a sample of which metric family. Data with a strict loader."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any, TypeVar

from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family
from exporter.strict_yaml import Document, Section, kind, one_of, text

__all__ = ["Catalogue", "CatalogueError", "DirectKind", "Family", "Series", "Source", "bundled", "parse"]

T = TypeVar("T")

Series = tuple[str, str | None]  # a family and the value of its own label

DIRECT_HELP = {
    "mppt": "of each MPP tracker; strings are parts of it, never add both",
    "string": "of each string; strings are parts of their MPP tracker, never add both",
}


class CatalogueError(Exception):
    """The catalogue has mistakes; the message names each with its line."""


@dataclass(frozen=True, slots=True)
class Source:
    """One key's way into a family. `rank` 0 is the best source of a series; `factors` by folded unit."""

    family: Family
    label_value: str | None
    factors: Mapping[str, Decimal]
    rank: int
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


@dataclass(frozen=True, slots=True)
class DirectKind:
    """What the name of an MPPT or a string is matched with, and the three families it feeds."""

    pattern: re.Pattern[str]
    voltage: Family
    current: Family
    power: Family


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of it, checked. `states` maps device kind to its known states."""

    families: tuple[Family, ...]
    sources: Mapping[str, Source]
    volts: Mapping[str, Decimal]
    amperes: Mapping[str, Decimal]
    direct: tuple[DirectKind, ...]
    state_keys: frozenset[str]
    states: Mapping[str, tuple[str, ...]]
    kinds: Mapping[int, str]

    def kind_of(self, dev_type: int) -> str:
        return self.kinds.get(dev_type, "unknown")


def bundled() -> Catalogue:
    """The catalogue that comes with the package."""
    source = resources.files("exporter.metrics").joinpath("catalogue.yaml")
    return parse(source.read_text("utf-8"), "catalogue.yaml")


def parse(yaml_text: str, source: str) -> Catalogue:
    """Check and load a catalogue. Raises `CatalogueError` with every mistake and its line."""
    document = Document(yaml_text)
    catalogue = None
    if not document.mistakes:
        catalogue = _Loader(document).load()
    if document.mistakes or catalogue is None:
        raise CatalogueError("\n".join([f"{source}:", *(f"  {mistake}" for mistake in document.mistakes)]))
    return catalogue


class _Loader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.top = Section(document, "", document.value, ("units", "families", "direct", "states", "kinds"))
        self.units = {
            str(name): self._factors(f"units.{name}", factors)
            for name, factors in self._mapping("units").items()
        }
        self.families: list[Family] = []
        self.sources: dict[str, Source] = {}

    def load(self) -> Catalogue:
        for name, entry in self._mapping("families").items():
            self._family(name, Section(self.document, f"families.{name}", entry, _FAMILY_KEYS))
        direct = [self._direct(label, pattern) for label, pattern in self._mapping("direct").items()]
        states = Section(self.document, "states", self.top.raw("states"), ("keys", "known"))
        no_keys: tuple[str, ...] = ()
        state_keys = states.take("keys", texts, no_keys)
        known = self._lists(states.at("known"), states.raw("known"), texts)
        kinds = self._lists("kinds", self._mapping("kinds"), numbers)
        return Catalogue(
            families=tuple(self.families),
            sources=self.sources,
            volts=self.units.get("volts", {}),
            amperes=self.units.get("amperes", {}),
            direct=tuple(direct),
            state_keys=frozenset(state_keys),
            states={kind: tuple(sorted(names)) for kind, names in known.items()},
            kinds={number: kind for kind, of_kind in kinds.items() for number in of_kind},
        )

    def _lists(self, path: str, raw: Any, check: Callable[[Any], tuple[T, ...]]) -> dict[str, tuple[T, ...]]:
        """A mapping of names to lists, each checked."""
        if not isinstance(raw, Mapping):
            self.document.add(path, f"must be a mapping, not {kind(raw)}")
            return {}
        section = Section(self.document, path, raw, tuple(map(str, raw)))
        nothing: tuple[T, ...] = ()
        return {str(name): section.take(name, check, nothing) for name in raw}

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self.top.raw(key)
        if isinstance(value, Mapping):
            return value
        self.document.add(key, f"must be a mapping, not {kind(value)}")
        return {}

    def _factors(self, path: str, raw: Any) -> dict[str, Decimal]:
        factors: dict[str, Decimal] = {}
        if not isinstance(raw, Mapping):
            self.document.add(path, f"must map units to factors, not {kind(raw)}")
            return factors
        for unit, value in raw.items():
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                number = Decimal(0)
            if isinstance(value, float) or not number.is_finite() or number <= 0:
                self.document.add(
                    f"{path}.{unit}", f'must be a whole number or a decimal in quotes, not "{value}"'
                )
            factors[str(unit)] = factors[str(unit).casefold()] = number
        return factors

    def _family(self, name: str, section: Section) -> None:
        add = self.document.add
        name = str(name)
        if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z]", name):
            add(section.path, "a family's name has small letters, digits and _ only")
        for key in ("help", "unit"):
            if not section.has(key):
                add(section.path, f"needs a {key}")
        unit = section.take("unit", one_of(*self.units), "")
        factors = dict(self.units.get(unit, {}))
        if section.has("also"):
            factors.update(self._factors(section.at("also"), section.raw("also")))
        label = section.take("label", label_name, "")
        raw = section.raw("keys")
        by_value: Mapping[str | None, Any] = {None: raw}
        if label:
            by_value = raw if isinstance(raw, Mapping) and all(isinstance(v, str) for v in raw) else {}
        groups = [group if isinstance(group, list) and group else [None] for group in by_value.values()]
        keys = [key for group in groups for key in group if isinstance(key, str)]
        if not keys or len(keys) < sum(map(len, groups)):
            add(section.at("keys"), "must list the gateway's keys" + (f" for each {label}" if label else ""))
            return
        family = Family(
            PREFIX + name,
            "counter" if name.endswith("_total") else "gauge",
            f"{section.take('help', text, '')} From {', '.join(keys)}; cached at the last refresh.",
            (*DEVICE_LABELS, label) if label else DEVICE_LABELS,
        )
        self.families.append(family)
        for value, group in by_value.items():
            for rank, key in enumerate(group):
                if key in self.sources:
                    add(section.at("keys"), f"{key} feeds {self.sources[key].family.name} already")
                self.sources[key] = Source(family, value, factors, rank)

    def _direct(self, label: str, pattern: Any) -> DirectKind:
        families = []
        for quantity, unit in (("voltage", "volts"), ("current", "amperes"), ("power", "watts")):
            how = " (voltage times current)" if quantity == "power" else ""
            family = Family(
                f"{PREFIX}{label}_{quantity}_{unit}",
                "gauge",
                f"{quantity.capitalize()}{how} {DIRECT_HELP.get(label, '')}. "
                f"From the direct input {re.sub('[(].*[)]', 'n', str(pattern))}; cached at the last refresh.",
                (*DEVICE_LABELS, label),
            )
            families.append(family)
            self.families.append(family)
        try:
            compiled = re.compile(str(pattern))
        except re.error as error:
            self.document.add(f"direct.{label}", f"is no regular expression: {error}")
            compiled = re.compile("")
        if compiled.groups != 1:
            self.document.add(f"direct.{label}", "needs one group, the number")
        return DirectKind(compiled, *families)


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of texts, not {kind(value)}; put words such as off in quotes")
    return tuple(value)


def numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError(f"must be a list of whole numbers, not {kind(value)}")
    return tuple(value)


def label_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise ValueError(f"must be a label name (small letters, digits and _), not {kind(value)}")
    return value


_FAMILY_KEYS = ("help", "unit", "also", "label", "keys")
