"""What is shown of one device, and the memory behind it: which key feeds what, and what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from exporter.metrics import inputs, slots, units
from exporter.metrics.catalogue import Catalogue, Family, Series, Source
from exporter.metrics.entries import Entries, Places
from exporter.metrics.guards import PowerGuard, TotalGuard
from exporter.metrics.slots import Rating, Slot, Token
from exporter.metrics.states import States, StateSlot
from exporter.telemetry import Answer, Device, DirectInput, Faults, Service

MOST_INPUT_NAMES = 500

Sources = Mapping[Series, tuple[Service, str]]

_NO_SOURCES: Sources = MappingProxyType({})


class DeviceView:
    """One device. `entries` are its newest answers, by service; `resets` of totals wait to be counted."""

    __slots__ = (
        "device",
        "entries",
        "faults",
        "generic_owners",
        "guards",
        "input_names",
        "kind",
        "last_at",
        "last_wall",
        "limits",
        "rating",
        "resets",
        "sources",
        "states",
    )

    def __init__(self, device: Device, kind: str, states: States) -> None:
        self.device = device
        self.kind = kind
        self.faults: Faults | None = None
        self.rating = Rating()
        self.entries: dict[Service, Entries] = {}
        self.last_wall: float | None = None
        self.last_at: float | None = None
        self.resets: dict[str, int] = {}
        self.generic_owners: dict[object, Token] = {}
        self.states = states
        self.sources: Sources = _NO_SOURCES
        self.guards: dict[Series, TotalGuard] = {}
        self.limits: dict[Series, PowerGuard] = {}
        self.input_names: dict[tuple[str, str], str] = {}

    @property
    def unmapped(self) -> set[str]:
        """The keys of the newest answers that the catalogue has no entry for."""
        return set().union(*(entries.unmapped for entries in self.entries.values()))

    def date(self, answer: Answer) -> None:
        """The device is as up to date as its newest answer."""
        if self.last_at is None or answer.taken_at > self.last_at:
            self.last_at, self.last_wall = answer.taken_at, answer.taken_wall

    def forget_answers(self) -> None:
        """Keep the history alone."""
        self.drop_unanswered({})
        self.share_anew()  # others may have had the room meanwhile
        self.sources = _NO_SOURCES

    def share_anew(self) -> None:
        """Show nothing until the next answers, whose keys without an entry ask for room anew."""
        self.generic_owners.clear()
        for entries in self.entries.values():
            entries.clear()

    def drop_unanswered(self, answers: Mapping[Service, Answer]) -> bool:
        """Let go of the services that have no answer any more. True if there were any."""
        gone = [service for service in self.entries if service not in answers]
        for service in gone:
            self.entries.pop(service).release()
        return bool(gone)

    # Which key is what ------------------------------------------------------------------------------

    def make_slots(
        self,
        service: Service,
        answer: Answer,
        catalogue: Catalogue,
        generic: Family,
        has_room: Callable[[], bool],
    ) -> None:
        """Find out what each entry of an answer is."""
        maker = _Maker(self, service, catalogue, generic, has_room)
        undecided: dict[int, Source] = {}
        if service is Service.DIRECT:
            made = [maker.of_input(entry) for entry in answer.inputs]
        else:
            made = [maker.of_reading(reading.key, reading.unit) for reading in answer.readings]
            found = (
                (place, catalogue.sources.get(reading.key)) for place, reading in enumerate(answer.readings)
            )
            undecided = {
                place: source
                for place, source in found
                if source is not None and source.series not in self.sources
            }
        self.entries[service].use(made, undecided)

    def choose_sources(self, new: Iterable[tuple[Service, Answer, Entries, Places]]) -> bool:
        """Settle which key feeds a series: the best-ranked that gives a number, then never another.

        True if a choice was made; slots made before it do not know of it.
        """
        ranks: dict[Series, int] = {}
        chosen: dict[Series, tuple[Service, str]] = {}
        for service, answer, entries, places in new:
            if places is not None and entries.undecided.keys().isdisjoint(places):
                continue
            for place, source in entries.undecided.items():
                key, value, unit = answer.readings[place]
                usable = units.is_number(value) and units.factor(source.factors, unit) is not None
                if usable and source.rank < ranks.get(source.series, 99):
                    ranks[source.series] = source.rank
                    chosen[source.series] = service, key
        if chosen:
            self.sources = _shared((*self.sources.items(), *chosen.items()))
        return bool(chosen)


class _Maker:
    """Makes the slots of one answer, in its order."""

    def __init__(
        self,
        view: DeviceView,
        service: Service,
        catalogue: Catalogue,
        generic: Family,
        has_room: Callable[[], bool],
    ) -> None:
        self._view = view
        self._service = service
        self._catalogue = catalogue
        self._generic_family = generic
        self._has_room = has_room
        self._times: dict[str, int] = {}

    def of_reading(self, key: str, unit: str) -> Slot:
        times = self._times_before(key)
        source = self._catalogue.sources.get(key)
        if source is not None:
            chosen = self._view.sources.get(source.series) == (self._service, key) and times == 0
            return self._of_source(source, unit) if chosen else slots.spare(source, unit)
        if key in self._catalogue.state_keys:
            return StateSlot(self._service, self._view.states)
        return self._generic(key, unit, times)

    def of_input(self, entry: DirectInput) -> Slot:
        """An MPPT or a string by its name's pattern; any other name as two readings without entry."""
        times = self._times_before(entry.name)
        for kind in self._catalogue.direct:
            number = kind.number(entry.name)
            if number is not None:
                names = self._view.input_names
                if len(names) > MOST_INPUT_NAMES:  # a gateway that invents new names at every answer
                    names.clear()
                # "MPPT1" and "MPPT01" would be one series: the first name has it
                first_name = names.setdefault((kind.voltage.name, number), entry.name)
                if times > 0 or first_name != entry.name:
                    return inputs.REPEATED
                volts = units.factor(self._catalogue.volts, entry.voltage_unit)
                amperes = units.factor(self._catalogue.amperes, entry.current_unit)
                return inputs.direct_input(kind, number, volts, amperes)
        return inputs.Pair(
            self._generic(entry.name, entry.voltage_unit, 2 * times),
            self._generic(entry.name, entry.current_unit, 2 * times + 1),
        )

    def _times_before(self, key: str) -> int:
        times = self._times.get(key, 0)
        self._times[key] = times + 1
        return times

    def _of_source(self, source: Source, unit: str) -> Slot:
        view = self._view
        plain = slots.mapped(source, unit)
        if source.guarded:
            guard = view.guards.setdefault(source.series, TotalGuard())
            return slots.Total(plain, guard, view.rating, view.resets)
        if source.limited:
            limit = view.limits.setdefault(source.series, PowerGuard())
            return slots.Power(plain, limit, view.rating)
        return plain

    def _generic(self, key: str, unit: str, number: int) -> slots.Generic:
        head = slots.generic_head(self._generic_family, key, unit)
        token = self._service, key, number
        return slots.Generic(head, token, self._view.generic_owners, self._has_room)


@lru_cache(maxsize=1_000)
def _shared(chosen: tuple[tuple[Series, tuple[Service, str]], ...]) -> Sources:
    """All devices of a model have the same sources, and so share one table of them."""
    return MappingProxyType(dict(chosen))
