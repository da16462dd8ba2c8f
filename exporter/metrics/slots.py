"""What the entries of an answer become. One slot an entry, kept as long as the key stays in its place.

Most readings are the same text as ten seconds before, so a slot converts only what has changed; what its
key means was settled when the slot was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from exporter.metrics import units
from exporter.metrics.catalogue import DirectKind, Family, Source
from exporter.metrics.guards import PowerGuard, TotalGuard, Verdict
from exporter.telemetry import DirectInput, Reason, Service, printable

_new = tuple.__new__  # what Sample() does, without its call

Token = tuple[Service, str, int]  # service, key, and how often the key came before it in the answer


class Sample(NamedTuple):
    """`labels` are the values behind target and device."""

    family: Family
    labels: tuple[str, ...]
    value: float


class Dropped(Exception):
    """A reading that becomes no sample, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Slot:
    """One entry's samples, and the reasons why it has fewer than it could."""

    __slots__ = ("key", "reasons", "samples", "unit", "value")

    steady = True  # the same text gives the same samples again
    is_state = False

    @property
    def of_battery(self) -> bool:
        """Whether it is about a battery, which a hybrid may lack."""
        return False

    def __init__(self, key: str) -> None:
        self.key = key
        self.value: str | None = None
        self.unit: str | None = None
        self.samples: tuple[Sample, ...] = ()
        self.reasons: tuple[Reason, ...] = ()

    def take(self, value: str, unit: str, at: float) -> None:
        """Take over a new text, read at the monotonic time `at`."""
        self.value, self.unit = value, unit
        try:
            self.samples, self.reasons = self._convert(value, unit, at), ()
        except Dropped as dropped:
            self.samples, self.reasons = (), (dropped.reason,)
            if dropped.reason is Reason.SERIES_LIMIT:
                self.value = None  # there may be room the next time

    def _convert(self, value: str, unit: str, at: float) -> tuple[Sample, ...]:
        raise NotImplementedError


class Mapped(Slot):
    """A key of the catalogue. Of several sources of one series only the chosen one is shown."""

    __slots__ = ("_chosen", "_factor", "_source")

    def __init__(self, key: str, source: Source, *, chosen: bool) -> None:
        super().__init__(key)
        self._source = source
        self._factor: Decimal | None = None
        self._chosen = chosen

    @property
    def of_battery(self) -> bool:
        return self._source.of_battery

    def take(self, value: str, unit: str, at: float) -> None:
        if unit != self.unit:
            self._factor = units.factor(self._source.factors, unit)
        if self._factor is None or not self._chosen or not units.is_number(value):
            super().take(value, unit, at)  # whatever is wrong, it is told there
            return
        self.value, self.unit, self.reasons = value, unit, ()
        source = self._source
        self.samples = (_new(Sample, (source.family, source.labels, units.scaled(value, self._factor))),)

    def _says_the_same(self, value: str, unit: str) -> bool:
        """Whether a text has to be neither converted nor refused again: what came of it holds."""
        return value == self.value and unit == self.unit and (bool(self.samples) or not self._chosen)

    def _convert(self, value: str, unit: str, at: float) -> tuple[Sample, ...]:
        """What `take` left: no value, a wrong one, or that of a source which was not chosen."""
        if quantity(value, unit, self._source.factors) is not None:
            raise Dropped(Reason.DUPLICATE)
        return ()


class Rating:
    """What a device is built for, as far as it is known; shared by its slots."""

    __slots__ = ("watts",)

    def __init__(self) -> None:
        self.watts: float | None = None


class Power(Mapped):
    """A power that a device's rating bounds."""

    __slots__ = ("_guard", "_rating")

    steady = False

    def __init__(self, key: str, source: Source, guard: PowerGuard, rating: Rating, *, chosen: bool) -> None:
        super().__init__(key, source, chosen=chosen)
        self._guard = guard
        self._rating = rating

    def take(self, value: str, unit: str, at: float) -> None:
        if not self._says_the_same(value, unit):
            super().take(value, unit, at)
        for sample in self.samples:
            if not self._guard.accepts(sample.value, self._rating.watts):
                self.samples, self.reasons = (), (Reason.IMPLAUSIBLE,)


class Total(Mapped):
    """A lifetime total, judged by its history at every reading."""

    __slots__ = ("_guard", "_rating", "_resets")

    steady = False

    def __init__(
        self,
        key: str,
        source: Source,
        guard: TotalGuard,
        rating: Rating,
        resets: dict[str, int],
        *,
        chosen: bool,
    ) -> None:
        super().__init__(key, source, chosen=chosen)
        self._guard = guard
        self._rating = rating
        self._resets = resets

    def take(self, value: str, unit: str, at: float) -> None:
        if self._says_the_same(value, unit):
            if self.samples:
                self._guard.confirm(at)
            return
        super().take(value, unit, at)
        for sample in self.samples:
            verdict = self._guard.judge(sample.value, at, self._rating.watts)
            if verdict is Verdict.HELD_OFF:
                self.samples, self.reasons = (), (Reason.IMPLAUSIBLE,)
            if verdict is Verdict.RESET:
                name = self._source.family.name
                self._resets[name] = self._resets.get(name, 0) + 1


class Generic(Slot):
    """A key without an entry in the catalogue: a number is shown as it is, so that nothing is lost."""

    __slots__ = ("_family", "_has_room", "_owners", "_token")

    def __init__(
        self, token: Token, family: Family, owners: dict[object, Token], has_room: Callable[[], bool]
    ) -> None:
        super().__init__(token[1])
        self._token = token
        self._family = family
        self._owners = owners
        self._has_room = has_room

    def _convert(self, value: str, unit: str, at: float) -> tuple[Sample, ...]:
        number = units.number(value)
        if number is None:
            return ()
        labels = (label_text(self.key), label_text(unit))
        owner = self._owners.get(labels)
        if owner is None:
            if not self._has_room():
                raise Dropped(Reason.SERIES_LIMIT)
            owner = self._owners[labels] = self._token
        if owner != self._token:
            raise Dropped(Reason.DUPLICATE)
        return (Sample(self._family, labels, units.to_float(number)),)


class Input:
    """One MPPT or string of `direct`: voltage, current and their product, each for itself."""

    __slots__ = ("_amperes", "_entry", "_kind", "_labels", "_repeated", "_volts", "reasons", "samples")

    def __init__(
        self,
        kind: DirectKind,
        number: str,
        volts: Mapping[str, Decimal],
        amperes: Mapping[str, Decimal],
        *,
        repeated: bool,
    ) -> None:
        self._kind = kind
        self._labels = (number,)
        self._volts = volts
        self._amperes = amperes
        self._repeated = repeated
        self._entry: DirectInput | None = None
        self.samples: tuple[Sample, ...] = ()
        self.reasons: tuple[Reason, ...] = ()

    def take(self, entry: DirectInput) -> None:
        if entry == self._entry:
            return
        self._entry = entry
        samples: list[Sample] = []
        reasons: list[Reason] = [Reason.DUPLICATE] if self._repeated else []
        if not self._repeated:
            volts = self._part(entry.voltage, entry.voltage_unit, self._volts, reasons)
            amperes = self._part(entry.current, entry.current_unit, self._amperes, reasons)
            watts = None if volts is None or amperes is None else volts * amperes
            kind = self._kind
            for family, value in ((kind.voltage, volts), (kind.current, amperes), (kind.power, watts)):
                if value is not None:
                    samples.append(Sample(family, self._labels, units.to_float(value)))
        self.samples, self.reasons = tuple(samples), tuple(reasons)

    @staticmethod
    def _part(value: str, unit: str, factors: Mapping[str, Decimal], reasons: list[Reason]) -> Decimal | None:
        try:
            return quantity(value, unit, factors)
        except Dropped as dropped:
            reasons.append(dropped.reason)
            return None


def quantity(value: str, unit: str, factors: Mapping[str, Decimal]) -> Decimal | None:
    """A reading in base units, exactly; None where the gateway has no value."""
    number = units.number(value)
    if number is None:
        if units.has_value(value):
            raise Dropped(Reason.UNREADABLE_VALUE)
        return None
    factor = units.factor(factors, unit)
    if factor is None:
        raise Dropped(Reason.UNKNOWN_UNIT)
    return number * factor


def label_text(value: str) -> str:
    """Text of a gateway as a label's value: printable and of bounded length."""
    return printable(value[:200])
