"""What the entries of an answer become. One slot a place, for as long as keys and units stay as they are.

What its key and unit mean is settled when a slot is made; from then on it only turns texts into numbers. A
slot without a memory of its own is shared by all devices that have such an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from exporter.metrics import units
from exporter.metrics.catalogue import Family, Source
from exporter.metrics.guards import PowerGuard, TotalGuard, Verdict
from exporter.metrics.heads import Head
from exporter.telemetry import Reason, Service, printable

Item = tuple[str, ...]  # a Reading or a DirectInput
Values = list[float | None]
Token = tuple[Service, str, int]  # service, key, and how often the key came before it in the answer
Reasons = tuple[Reason, ...]


class Sample(NamedTuple):
    """`labels` are the values behind target and device."""

    family: Family
    labels: tuple[str, ...]
    value: float


class Moment(NamedTuple):
    """When an answer was read, and when the one before it (monotonic)."""

    at: float
    before: float


class Dropped(Exception):
    """A reading that becomes no sample, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Slot:
    """One place of an answer. `heads` are those of its rows, `unmapped` a key without entry."""

    __slots__ = ("heads",)

    is_state = False
    of_battery = False
    unmapped: str | None = None

    def __init__(self, heads: tuple[Head, ...] = ()) -> None:
        self.heads = heads

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        """Put what the item says into its rows, from `row` on; None is absent. Returns what is wrong with it.

        The rows hold what the last answer gave, if that is known. While something is wrong it is called at
        every answer, else for another text than before.
        """
        raise NotImplementedError

    def confirm(self, at: float) -> None:
        """What the first row holds was read again, last at the monotonic time `at`."""


class Mapped(Slot):
    """A key of the catalogue in one unit."""

    __slots__ = ("_scale", "of_battery")

    def __init__(self, source: Source, unit: str) -> None:
        super().__init__(((source.family, source.labels),))
        self.of_battery = source.of_battery
        self._scale = scale_of(units.factor(source.factors, unit))

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        if self._scale is None or not units.is_number(item[1]):
            values[row] = None
            return refused(item[1])
        values[row] = self._scale(item[1])
        return ()


class Spare(Slot):
    """A key whose series comes from another one: it is only seen that it is one too many."""

    __slots__ = ("_known_unit", "of_battery")

    def __init__(self, source: Source, unit: str) -> None:
        super().__init__()
        self.of_battery = source.of_battery
        self._known_unit = units.factor(source.factors, unit) is not None

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        known = self._known_unit and units.is_number(item[1])
        return (Reason.DUPLICATE,) if known else refused(item[1])


@lru_cache(maxsize=5_000)
def mapped(source: Source, unit: str) -> Mapped:
    return Mapped(source, unit)


@lru_cache(maxsize=5_000)
def spare(source: Source, unit: str) -> Spare:
    return Spare(source, unit)


class Rating:
    """What a device is built for, as far as it is known; shared by its slots."""

    __slots__ = ("watts",)

    def __init__(self) -> None:
        self.watts: float | None = None


class Power(Slot):
    """A power that a device's rating bounds."""

    __slots__ = ("_guard", "_mapped", "_rating", "of_battery")

    def __init__(self, plain: Mapped, guard: PowerGuard, rating: Rating) -> None:
        super().__init__(plain.heads)
        self.of_battery = plain.of_battery
        self._mapped = plain
        self._guard = guard
        self._rating = rating

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        reasons = self._mapped.write(item, when, values, row)
        watts = values[row]
        if watts is not None and not self._guard.accepts(watts, self._rating.watts):
            values[row] = None
            return (Reason.IMPLAUSIBLE,)
        return reasons


class Total(Slot):
    """A lifetime total, judged by its history. `resets` counts by family how often one went back."""

    __slots__ = ("_guard", "_mapped", "_rating", "_resets", "of_battery")

    def __init__(self, plain: Mapped, guard: TotalGuard, rating: Rating, resets: dict[str, int]) -> None:
        super().__init__(plain.heads)
        self.of_battery = plain.of_battery
        self._mapped = plain
        self._guard = guard
        self._rating = rating
        self._resets = resets

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        if values[row] is not None:
            self._guard.confirm(when.before)
        reasons = self._mapped.write(item, when, values, row)
        joules = values[row]
        if joules is None:
            return reasons
        verdict = self._guard.judge(joules, when.at, self._rating.watts)
        if verdict is Verdict.HELD_OFF:
            values[row] = None
            return (Reason.IMPLAUSIBLE,)
        if verdict is Verdict.RESET:
            name = self.heads[0][0].name
            self._resets[name] = self._resets.get(name, 0) + 1
        return ()

    def confirm(self, at: float) -> None:
        self._guard.confirm(at)


class Generic(Slot):
    """A key without an entry in the catalogue: a number is shown as it is, so that nothing is lost."""

    __slots__ = ("_has_room", "_owners", "_token", "unmapped")

    def __init__(
        self, head: Head, token: Token, owners: dict[object, Token], has_room: Callable[[], bool]
    ) -> None:
        super().__init__((head,))
        self.unmapped = token[1]
        self._token = token
        self._owners = owners
        self._has_room = has_room

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        return self.write_text(item[1], values, row)

    def write_text(self, text: str, values: Values, row: int) -> Reasons:
        values[row] = None
        if not units.is_number(text):
            return ()
        labels = self.heads[0][1]
        owner = self._owners.get(labels)
        if owner is None:
            if not self._has_room():
                return (Reason.SERIES_LIMIT,)
            owner = self._owners[labels] = self._token
        if owner != self._token:
            return (Reason.DUPLICATE,)
        values[row] = float(text) + 0.0
        return ()


def refused(text: str) -> Reasons:
    """What is wrong with a text that is no number, or has a unit that nobody knows."""
    if units.is_number(text):
        return (Reason.UNKNOWN_UNIT,)
    return (Reason.UNREADABLE_VALUE,) if units.has_value(text) else ()


def scale_of(by: Decimal | None) -> Callable[[str], float] | None:
    return None if by is None else units.scale(by)


def quantity(value: str, unit: str, factors: Mapping[str, Decimal]) -> float | None:
    """A reading in base units; None where the gateway has no value."""
    factor = units.factor(factors, unit)
    if factor is not None and units.is_number(value):
        return units.scale(factor)(value)
    for reason in refused(value):
        raise Dropped(reason)
    return None


@lru_cache(maxsize=10_000)
def generic_head(family: Family, key: str, unit: str) -> Head:
    """What a key without entry is called: the same for all devices that have it."""
    return family, (label_text(key), label_text(unit))


def label_text(value: str) -> str:
    """Text of a gateway as a label's value: printable and of bounded length."""
    return printable(value[:200])
