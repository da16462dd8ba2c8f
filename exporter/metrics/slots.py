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

MOST_NEW_STATES = 16
OTHER_STATE = "other"
_STATE_PREFIXES = ("I18N_COMMON_", "I18N_")

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
    of_battery = False
    is_state = False

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

    __slots__ = ("_chosen", "_factor", "_factors", "_family", "_labels", "of_battery")

    def __init__(self, key: str, source: Source, *, chosen: bool) -> None:
        super().__init__(key)
        self._family = source.family
        self._factors = source.factors
        self._labels = source.labels
        self._factor: Decimal | None = None
        self._chosen = chosen
        self.of_battery = source.of_battery

    def take(self, value: str, unit: str, at: float) -> None:
        if unit != self.unit:
            self._factor = units.factor(self._factors, unit)
        if self._factor is None or not self._chosen or not units.is_number(value):
            super().take(value, unit, at)  # whatever is wrong, it is told there
            return
        self.value, self.unit, self.reasons = value, unit, ()
        self.samples = (_new(Sample, (self._family, self._labels, units.scaled(value, self._factor))),)

    def _convert(self, value: str, unit: str, at: float) -> tuple[Sample, ...]:
        """What `take` left: no value, a wrong one, or that of a source which was not chosen."""
        if quantity(value, unit, self._factors) is not None:
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
        if self.samples and value == self.value and unit == self.unit:
            self._guard.confirm(at)
            return
        super().take(value, unit, at)
        for sample in self.samples:
            verdict = self._guard.judge(sample.value, at, self._rating.watts)
            if verdict is Verdict.HELD_OFF:
                self.samples, self.reasons = (), (Reason.IMPLAUSIBLE,)
            if verdict is Verdict.RESET:
                self._resets[self._family.name] = self._resets.get(self._family.name, 0) + 1


class States:
    """The states one device has been in: the known ones of its kind, and a bounded number of others."""

    def __init__(self, family: Family, known: tuple[str, ...]) -> None:
        self._family = family
        self._known = known
        self._new: list[str] = []
        self._owner: Service | None = None

    @property
    def known(self) -> int:
        """How many states there are to show."""
        return len(self._new)

    def owned_by(self, service: Service) -> bool:
        """Whether this service tells the state: the first that did keeps it."""
        if self._owner is None:
            self._owner = service
        return self._owner is service

    def samples(self, value: str) -> tuple[tuple[Sample, ...], tuple[Reason, ...]]:
        """One sample a state, so that a graph can show each: 1 for the present one, 0 for the others."""
        present = state_name(value)
        reasons: tuple[Reason, ...] = ()
        full = len(self._new) >= MOST_NEW_STATES
        if present not in self._known and present not in self._new:
            if full:
                present, reasons = OTHER_STATE, (Reason.SERIES_LIMIT,)
            else:
                self._new.append(present)
                full = len(self._new) >= MOST_NEW_STATES
        names = dict.fromkeys([*self._known, *self._new, *([OTHER_STATE] if full else [])])
        return tuple(Sample(self._family, (name,), float(name == present)) for name in names), reasons


class State(Slot):
    """A key whose value is the name of a state."""

    __slots__ = ("_service", "_shown", "_states")

    steady = False  # another key's value may have added a state
    is_state = True

    def __init__(self, key: str, service: Service, states: States) -> None:
        super().__init__(key)
        self._service = service
        self._states = states
        self._shown = -1

    def take(self, value: str, unit: str, at: float) -> None:
        if value == self.value and self._shown == self._states.known and not self.reasons:
            return
        self.value = value
        self.samples, self.reasons = (), ()
        if units.has_value(value):
            if self._states.owned_by(self._service):
                self.samples, self.reasons = self._states.samples(value)
                self._shown = self._states.known
            else:
                self.reasons = (Reason.DUPLICATE,)


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


def state_name(value: str) -> str:
    """`I18N_COMMON_DISPATCH_RUN` -> `dispatch_run`."""
    for prefix in _STATE_PREFIXES:
        if value.startswith(prefix):
            value = value[len(prefix) :]
            break
    folded = "".join(c if c.isascii() and c.isalnum() else "_" for c in value.casefold())
    return folded.strip("_")[:64] or "unknown"


def label_text(value: str) -> str:
    """Text of a gateway as a label's value: printable and of bounded length."""
    return printable(value[:200])
