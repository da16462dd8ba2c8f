"""What the entries of `direct` become: one MPPT or string each, with two numbers and their product."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from exporter.metrics import units
from exporter.metrics.catalogue import DirectKind
from exporter.metrics.slots import Generic, Item, Moment, Reasons, Slot, Values, refused, scale_of
from exporter.telemetry import Reason


class Pair(Slot):
    """An entry of `direct` whose name is unknown: its two numbers without an entry in the catalogue."""

    __slots__ = ("_first", "_second", "unmapped")

    def __init__(self, first: Generic, second: Generic) -> None:
        super().__init__(first.heads + second.heads)
        self.unmapped = first.unmapped
        self._first, self._second = first, second

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        _, first, _, second, _ = item
        return self._first.write_text(first, values, row) + self._second.write_text(second, values, row + 1)


class Input(Slot):
    """One MPPT or string of `direct`: voltage, current and their product, each for itself.

    The product is rounded once, not those that it is made of.
    """

    __slots__ = ("_amperes", "_both", "_volts")

    def __init__(self, kind: DirectKind, number: str, volts: Decimal | None, amperes: Decimal | None) -> None:
        super().__init__(tuple((family, (number,)) for family in kind.families))
        self._volts = scale_of(volts)
        self._amperes = scale_of(amperes)
        self._both = None if volts is None or amperes is None else volts * amperes

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        _, voltage, _, current, _ = item
        volts = amperes = watts = None
        reasons: Reasons = ()
        if self._volts is None or not units.is_number(voltage):
            reasons = refused(voltage)
        else:
            volts = self._volts(voltage)
        if self._amperes is None or not units.is_number(current):
            reasons += refused(current)
        else:
            amperes = self._amperes(current)
        if volts is not None and amperes is not None and self._both is not None:
            watts = units.to_float(Decimal(voltage) * Decimal(current) * self._both)
        values[row : row + 3] = volts, amperes, watts
        return reasons


@lru_cache(maxsize=5_000)
def direct_input(kind: DirectKind, number: str, volts: Decimal | None, amperes: Decimal | None) -> Input:
    """`volts` and `amperes` are the units' factors, None for unknown ones."""
    return Input(kind, number, volts, amperes)


class Repeated(Slot):
    """An entry of `direct` that would be a series which another one has."""

    __slots__ = ()

    def write(self, item: Item, when: Moment, values: Values, row: int) -> Reasons:
        return (Reason.DUPLICATE,)


REPEATED = Repeated()
