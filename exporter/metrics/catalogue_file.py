"""One file of the catalogue, checked by itself. What several files make together is `catalogue`'s matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeVar

from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family
from exporter.strict_yaml import Document, Section, kind, one_of, text

T = TypeVar("T")
Factors = Mapping[str, Decimal]

LARGEST_FACTOR = Decimal(10) ** 12
# `le` and `quantile` belong to histograms and summaries, the others to the exporter
TAKEN_LABELS = (*DEVICE_LABELS, "le", "quantile")
FAMILY_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z]")
SECTIONS = ("since", "units", "families", "direct", "states", "kinds")
_FAMILY_KEYS = ("help", "unit", "also", "label", "keys", "kinds", "since", "limit")


class Entry(NamedTuple):
    """What a file says of one family. `name` is the full one, `factors` lead to the base unit of `unit`.

    `keys` are the gateway's keys for each value of the label, best source first; the value is None where
    the family has no label of its own. `kinds` are the kinds of device that were seen to have it, none where
    that is not told; `since` is the version it came with. `limited`: no value can be far above the rated
    power of the device.
    """

    name: str
    help: str
    unit: str
    factors: Factors
    label: str
    keys: Mapping[str | None, tuple[str, ...]]
    kinds: tuple[str, ...]
    since: str
    limited: bool

    @property
    def all_keys(self) -> tuple[str, ...]:
        return tuple(key for group in self.keys.values() for key in group)

    def without(self, keys: frozenset[str]) -> Entry:
        """The entry after other files have taken over some of its keys."""
        left = {value: tuple(k for k in group if k not in keys) for value, group in self.keys.items()}
        return self._replace(keys={value: group for value, group in left.items() if group})

    def family(self) -> Family:
        return Family(
            self.name,
            "counter" if self.name.endswith("_total") else "gauge",
            f"{self.help} From {', '.join(self.all_keys)}; cached at the last refresh.",
            (*DEVICE_LABELS, self.label) if self.label else DEVICE_LABELS,
        )


class CatalogueFile:
    """The sections of one file. Mistakes are collected in `document`, with their lines.

    `whole` is for a catalogue that stands alone: it must have every section. `entries` are read by
    `read_families`, which needs to know the units and kinds of all files.
    """

    def __init__(self, yaml_text: str, source: str, *, whole: bool = False) -> None:
        self.source = source
        self.document = Document(yaml_text)
        self.readable = not self.document.mistakes
        self.entries: dict[str, Entry] = {}
        value = self.document.value if self.readable else {}
        if value is None and not whole:
            value = {}  # comments only, as `read --unmapped` prints where nothing is unmapped
        self._whole = whole and self.readable
        self._top = Section(self.document, "", value, SECTIONS)
        self.since = self._top.take("since", text, "")
        self.units = {
            str(name): self._factors(f"units.{name}", factors)
            for name, factors in self._mapping("units").items()
        }
        self.direct = {
            str(label): self._pattern(label, pattern) for label, pattern in self._mapping("direct").items()
        }
        self.state_keys, self.states = self._states()
        self.kinds = self._kinds()

    def read_families(self, units: Mapping[str, Factors], kinds: Collection[str]) -> None:
        """Read the entries. `units` and `kinds` are those of all files, by name."""
        seen = dict.fromkeys(self.state_keys, "the state of the device")
        for name, raw in self._mapping("families").items():
            entry = self._family(str(name), raw, units, kinds)
            if entry is None:
                continue
            self.entries[entry.name] = entry
            for key in dict.fromkeys(entry.all_keys):
                if key in seen:
                    self.document.add(f"families.{name}.keys", f"{key} feeds {seen[key]} already; keep one")
                seen[key] = entry.name

    # Sections --------------------------------------------------------------------------------------

    def _mapping(self, key: str) -> Mapping[Any, Any]:
        if not self._top.has(key) and not self._whole:
            return {}
        value = self._top.raw(key)
        if isinstance(value, Mapping):
            return value
        self.document.add(key, f"must be a mapping, not {kind(value)}")
        return {}

    def _lists(self, path: str, raw: Any, check: Callable[[Any], tuple[T, ...]]) -> dict[str, tuple[T, ...]]:
        """A mapping of names to lists, each checked."""
        if not isinstance(raw, Mapping):
            self.document.add(path, f"must be a mapping, not {kind(raw)}")
            return {}
        section = Section(self.document, path, raw, tuple(map(str, raw)))
        nothing: tuple[T, ...] = ()
        return {str(name): section.take(name, check, nothing) for name in raw}

    def _states(self) -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
        if not self._top.has("states") and not self._whole:
            return frozenset(), {}
        section = Section(self.document, "states", self._top.raw("states"), ("keys", "known"))
        none: tuple[str, ...] = ()
        keys = frozenset(section.take("keys", texts, none))
        if not section.has("known") and not self._whole:
            return keys, {}
        return keys, self._lists(section.at("known"), section.raw("known"), texts)

    def _kinds(self) -> dict[int, str]:
        by_number: dict[int, str] = {}
        for name, of_kind in self._lists("kinds", self._mapping("kinds"), numbers).items():
            for number in of_kind:
                if number in by_number:
                    self.document.add(f"kinds.{name}", f"{number} is {by_number[number]} already; keep one")
                by_number[number] = name
        return by_number

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
            sound = number.is_finite() and 1 / LARGEST_FACTOR <= number <= LARGEST_FACTOR
            if isinstance(value, float) or not sound:
                self.document.add(
                    f"{path}.{unit}", f'must be a whole number or a decimal in quotes, not "{value}"'
                )
            factors[str(unit)] = factors[str(unit).casefold()] = number
        return factors

    def _pattern(self, label: Any, pattern: Any) -> re.Pattern[str]:
        path = f"direct.{label}"
        try:
            label_name(label)
        except ValueError as error:
            self.document.add(path, str(error))
        try:
            compiled = re.compile(str(pattern))
        except (re.error, OverflowError, RecursionError) as error:
            self.document.add(path, f"is no regular expression: {error}")
            return re.compile("(.)")
        if compiled.groups != 1:
            self.document.add(path, "needs one group, the number")
        return compiled

    def _family(
        self, name: str, raw_entry: Any, units: Mapping[str, Factors], kinds: Collection[str]
    ) -> Entry | None:
        add = self.document.add
        section = Section(self.document, f"families.{name}", raw_entry, _FAMILY_KEYS)
        if not FAMILY_NAME.fullmatch(name):
            add(section.path, "a family's name has small letters, digits and _ only")
        for key in ("help", "unit"):
            if not section.has(key):
                add(section.path, f"needs a {key}")
        unit = section.take("unit", one_of(*units), "")
        factors = units.get(unit, {})
        if section.has("also"):
            factors = merged_units(factors, self._factors(section.at("also"), section.raw("also")))
        limited = bool(section.take("limit", one_of("rated_power"), ""))
        if limited and unit not in ("watts", ""):
            add(section.at("limit"), "needs the unit watts: it compares with the rated power of the device")
        no_kinds: tuple[str, ...] = ()
        of_kinds = section.take("kinds", several_of(*kinds), no_kinds)
        label = section.take("label", label_name, "")
        raw = section.raw("keys")
        by_value: Mapping[str | None, Any] = {None: raw}
        if label:
            by_value = raw if isinstance(raw, Mapping) and all(isinstance(v, str) for v in raw) else {}
        groups = [group if isinstance(group, list) and group else [None] for group in by_value.values()]
        keys = [key for group in groups for key in group if isinstance(key, str)]
        if not keys or len(keys) < sum(map(len, groups)):
            add(section.at("keys"), "must list the gateway's keys" + (f" for each {label}" if label else ""))
            return None
        for key in {key for key in keys if keys.count(key) > 1}:
            add(section.at("keys"), f"{key} feeds {PREFIX}{name} already; keep one")
        return Entry(
            name=PREFIX + name,
            help=section.take("help", text, ""),
            unit=unit,
            factors=factors,
            label=label,
            keys={value: tuple(dict.fromkeys(group)) for value, group in by_value.items()},
            kinds=of_kinds,
            since=section.take("since", text, self.since),
            limited=limited,
        )


def merged_units(below: Factors, above: Factors) -> dict[str, Decimal]:
    """Units with further ones on top; a unit spelled with other capitals is the same unit."""
    folded = {unit.casefold() for unit in above}
    return {**{unit: by for unit, by in below.items() if unit.casefold() not in folded}, **above}


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of texts, not {kind(value)}; put words such as off in quotes")
    return tuple(value)


def several_of(*choices: str) -> Callable[[Any], tuple[str, ...]]:
    check = one_of(*choices)
    return lambda value: tuple(check(item) for item in dict.fromkeys(texts(value)))


def numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError(f"must be a list of whole numbers, not {kind(value)}")
    return tuple(value)


def label_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise ValueError(f"must be a label name (small letters, digits and _), not {kind(value)}")
    if value in TAKEN_LABELS:
        raise ValueError(f"must not be {value}, a label that has its meaning already; choose another name")
    return value
