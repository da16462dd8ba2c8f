"""The newest answer of a device to one question, as values: only those places are looked at that say news.

Most readings are the same from one refresh to the next, and an answer that is worded like the last one
repeats them as the same objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress, count
from operator import is_not
from types import MappingProxyType

from exporter.metrics import units
from exporter.metrics.catalogue import Source
from exporter.metrics.heads import heads_of
from exporter.metrics.slots import Item, Moment, Reasons, Sample, Slot, Values
from exporter.metrics.states import StateSlot
from exporter.telemetry import Answer, Service

FEWEST_NOUGHTS = 5
BATTERY_PROOF = ("I18N_COMMON_BATTERY_VOLTAGE", "I18N_COMMON_BATTERY_SOC", "I18N_COMMON_BATTARY_HEALTH")

Places = list[int] | None  # those with news; None is all

_NO_HEADS = heads_of(())
_NOTHING_WRONG: Mapping[int, Reasons] = MappingProxyType({})
_ALL_SETTLED: Mapping[int, Source] = MappingProxyType({})
_NO_PLACES: frozenset[int] = frozenset()
_NO_KEYS: frozenset[str] = frozenset()
_SAYS_NOTHING: Item = ("", "", "")


def items_of(service: Service, answer: Answer) -> Sequence[Item]:
    """What an answer lists."""
    return answer.inputs if service is Service.DIRECT else answer.readings


class Entries:
    """What is shown of one device's answers to one service: `values` in the order of `heads`.

    `wrong` tells by place what could not be shown, `unmapped` the keys without an entry in the catalogue.
    `undecided` are places of the catalogue's sources that no series is fed from yet.
    """

    __slots__ = (
        "_items",
        "_layout",
        "_service",
        "_slots",
        "_states",
        "_watts",
        "_witness",
        "heads",
        "taken_at",
        "undecided",
        "unmapped",
        "values",
        "wrong",
    )

    def __init__(self, service: Service) -> None:
        self.heads = _NO_HEADS
        self.values: Values = []
        self.taken_at: float | None = None
        self.wrong = _NOTHING_WRONG
        self.unmapped = _NO_KEYS
        self.undecided = _ALL_SETTLED
        self._service = service
        self._items: Sequence[Item] = ()
        self._layout: object = None
        self._slots: Sequence[Slot] = ()
        self._states = _NO_PLACES
        self._watts: float | None = None
        self._witness: int | None = None  # the place of a number that showed that the answer is no odd one

    def samples(self) -> Iterator[Sample]:
        """All that is shown."""
        for (family, labels), value in zip(self.heads.all, self.values, strict=True):
            if value is not None:
                yield Sample(family, labels, value)

    # Which slots ------------------------------------------------------------------------------------

    def news(self, answer: Answer, watts: float | None) -> Places:
        """The places of an answer that say something else than before; `watts` is the device's rating."""
        if answer.layout is None or answer.layout is not self._layout or watts != self._watts:
            self._watts = watts
            return None
        items = items_of(self._service, answer)
        if items is self._items:
            return []
        places = list(compress(count(), map(is_not, items, self._items)))
        # another state may bring other rows
        return places if self._states.isdisjoint(places) else None

    def fits(self, answer: Answer) -> bool:
        """Whether the slots are those for the keys and units of this answer."""
        items = items_of(self._service, answer)
        return bool(self._slots) and (
            (answer.layout is not None and answer.layout is self._layout)
            or (len(items) == len(self._items) and all(map(_are_alike, items, self._items)))
        )

    def use(self, slots: Sequence[Slot], undecided: Mapping[int, Source]) -> None:
        """Begin anew with these slots. What was read until now counts for what it was."""
        self.clear()
        self._slots = slots
        self._states = frozenset(place for place, slot in enumerate(slots) if slot.is_state) or _NO_PLACES
        self.undecided = undecided or _ALL_SETTLED
        self.unmapped = frozenset(s.unmapped for s in slots if s.unmapped is not None) or _NO_KEYS

    def clear(self) -> None:
        """Let the slots go and show nothing until the next answer."""
        self.release()
        self.heads, self.values = _NO_HEADS, []

    def release(self) -> None:
        """Let the slots go, not what is shown; histories know until when their last value was read."""
        self._confirm(self.taken_at)
        self._slots, self._layout = (), None

    def _confirm(self, read_at: float | None) -> None:
        if read_at is not None:
            for slot, row in zip(self._slots, self.heads.starts, strict=False):
                if slot.heads and self.values[row] is not None:
                    slot.confirm(read_at)

    # Values -----------------------------------------------------------------------------------------

    def take(self, answer: Answer, places: Places) -> bool:
        """Take over an answer whose places have slots. True if it is one of a device that only starts up."""
        items = items_of(self._service, answer)
        before, self.taken_at = self.taken_at, answer.taken_at
        starting = no_battery = False
        if not self._is_witnessed(items, places):
            starting = self._service is Service.REAL and _is_all_nought(items)
            no_battery = self._service is Service.REAL_BATTERY and _shows_no_battery(items)
        if before is None or places is None or starting or no_battery:
            self._confirm(before)
            self._take_all(items, answer.taken_at, starting=starting, no_battery=no_battery)
        elif places or self.wrong:
            self._take_some(items, Moment(answer.taken_at, before), places)
        self._items = items
        self._layout = None if starting or no_battery else answer.layout
        return starting

    def _take_some(self, items: Sequence[Item], when: Moment, places: list[int]) -> None:
        """The rest is as it was."""
        # what was held off may be believed when it has lasted
        looked_at = sorted({*places, *self.wrong}) if self.wrong else places
        self._write(looked_at, items, when, self.values.copy())

    def _take_all(self, items: Sequence[Item], at: float, *, starting: bool, no_battery: bool) -> None:
        self._settle_states(items, starting=starting)
        heads = tuple(head for slot in self._slots for head in slot.heads)
        *starts, _ = accumulate((len(slot.heads) for slot in self._slots), initial=0)
        if self.heads.all != heads or self.heads.starts != tuple(starts):
            self.heads = heads_of(heads, tuple(starts))
        believed = [
            place
            for place, (slot, item) in enumerate(zip(self._slots, items, strict=True))
            if not (no_battery and slot.of_battery) and not (starting and units.is_number(item[1]))
        ]
        self._write(believed, items, Moment(at, at), [None] * len(heads))

    def _write(self, places: Iterable[int], items: Sequence[Item], when: Moment, values: Values) -> None:
        """Let the slots of these places write their values; from now on `values` are what is shown."""
        slots, starts = self._slots, self.heads.starts
        wrong = {}
        for place in places:
            reasons = slots[place].write(items[place], when, values, starts[place])
            if reasons:
                wrong[place] = reasons
        self.values, self.wrong = values, wrong or _NOTHING_WRONG

    def _settle_states(self, items: Sequence[Item], *, starting: bool) -> None:
        """Which states there are decides which rows there are; the first key that tells one is shown."""
        first = True
        for place in sorted(self._states):
            slot, item = self._slots[place], items[place]
            no_value = starting and units.is_number(item[1])
            if isinstance(slot, StateSlot) and slot.settle(_SAYS_NOTHING if no_value else item, first=first):
                first = False

    def _is_witnessed(self, items: Sequence[Item], places: Places) -> bool:
        """Whether there still is the number that an odd answer would not have."""
        if self._service is Service.DIRECT:
            return True
        witness = self._witness
        if places is not None and witness is not None:
            same = items[witness] is self._items[witness]
            if same or _is_not_nought(items[witness][1]):
                return True
        proofs = BATTERY_PROOF if self._service is Service.REAL_BATTERY else None
        self._witness = next(
            (
                place
                for place, item in enumerate(items)
                if (proofs is None or item[0] in proofs) and _is_not_nought(item[1])
            ),
            None,
        )
        return self._witness is not None


def _are_alike(one: Item, other: Item) -> bool:
    """Whether two items have the same key and units."""
    return one[0] == other[0] and one[2::2] == other[2::2]


def _is_not_nought(text: str) -> bool:
    return units.is_number(text) and float(text) != 0.0


def _shows_no_battery(items: Sequence[Item]) -> bool:
    """A hybrid without battery answers with zeros (reported); a battery has a voltage, charge or health."""
    return any(item[0] in BATTERY_PROOF for item in items)


def _is_all_nought(items: Sequence[Item]) -> bool:
    """Whether every number is 0, voltages and temperatures too: a device that is starting up says so."""
    return sum(units.is_number(item[1]) for item in items) >= FEWEST_NOUGHTS
