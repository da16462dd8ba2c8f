"""Readings of one target become samples: exact, each from one source, judged by its history.

The work is done once per refresh, for the answers that are new; a scrape only collects what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from exporter.metrics import units
from exporter.metrics.catalogue import Catalogue, Family, Series, Source
from exporter.metrics.gateway import GatewayView
from exporter.metrics.guards import PowerGuard, TotalGuard
from exporter.metrics.slots import (
    Generic,
    Input,
    Mapped,
    Power,
    Rating,
    Sample,
    Slot,
    Token,
    Total,
)
from exporter.metrics.states import State, States
from exporter.telemetry import (
    Answer,
    Device,
    DeviceReport,
    DirectInput,
    Faults,
    Reading,
    Reason,
    Service,
    Snapshot,
    TargetInfo,
)

MOST_INPUT_NAMES = 500
FEWEST_NOUGHTS = 5
UNLISTED_SECONDS = 172_800.0
MOST_UNLISTED = 100
INVERTER_KINDS = ("inverter", "hybrid")
BATTERY_PROOF = ("I18N_COMMON_BATTERY_VOLTAGE", "I18N_COMMON_BATTERY_SOC", "I18N_COMMON_BATTARY_HEALTH")


class Answered(NamedTuple):
    """The samples that one answer gave, as old as the answer."""

    taken_at: float
    samples: tuple[Sample, ...]


class DeviceView:
    """What is shown of one device, and the memory behind it."""

    def __init__(self, device: Device, kind: str, states: States) -> None:
        self.device = device
        self.kind = kind
        self.faults: Faults | None = None
        self.rating = Rating()
        self.answered: dict[Service, Answered] = {}
        self.last_wall: float | None = None
        self.last_at: float | None = None
        self.unmapped_keys: dict[Service, set[str]] = {}
        self.resets: dict[str, int] = {}
        self.states = states
        self.sources: dict[Series, tuple[Service, str]] = {}
        self.guards: dict[Series, TotalGuard] = {}
        self.limits: dict[Series, PowerGuard] = {}
        self.generic_owners: dict[object, Token] = {}
        self.keys: dict[Service, list[str]] = {}
        self.layouts: dict[Service, object] = {}
        self.slots: dict[Service, list[Slot]] = {}
        self.undecided: dict[Service, list[tuple[int, Source]]] = {}
        self.input_names: dict[tuple[str, str], str] = {}
        self.inputs: dict[Service, dict[tuple[str, int], Input | tuple[Slot, Slot]]] = {}

    @property
    def unmapped(self) -> set[str]:
        """The keys of the newest answers that the catalogue has no entry for."""
        return set().union(*self.unmapped_keys.values())


class TargetView:
    """What is shown of one target's devices. `errors` counts readings that were dropped, by reason."""

    def __init__(self, catalogue: Catalogue, generic: Family, state: Family, max_unmapped: int) -> None:
        self.devices: dict[str, DeviceView] = {}
        self.errors: dict[Reason, int] = {}
        self.resets: dict[tuple[str, str], int] = {}
        self.unmapped = 0  # different keys of the newest answers that the catalogue has no entry for
        self._catalogue = catalogue
        self._generic = generic
        self._state = state
        self._max_unmapped = max_unmapped
        self._unlisted: dict[str, tuple[float, DeviceView]] = {}
        self.gateway = GatewayView(catalogue.units, self._count)

    def update(self, snapshot: Snapshot, info: TargetInfo) -> None:
        """Take over the answers of a snapshot that have not been seen yet; drop devices no longer listed."""
        self.gateway.update(snapshot, info)
        listed = [report.device.identity for report in snapshot.devices]
        if self._unlisted or list(self.devices) != listed:
            gone = {i: view for i, view in self.devices.items() if i not in listed}
            self._put_aside(gone, snapshot.taken_at)
            self.devices = {i: self.devices[i] for i in listed if i in self.devices}
        kinds = [self._catalogue.kind_of(report.device.dev_type) for report in snapshot.devices]
        alone = sum(kind in INVERTER_KINDS for kind in kinds) == 1
        for report, kind in zip(snapshot.devices, kinds, strict=True):
            own = info.devices.get(report.device.identity)
            rated = own.rated_power_watts if own is not None else None
            if rated is None and alone and kind in INVERTER_KINDS:
                rated = self.gateway.rated_watts()  # the plant's is the only inverter's
            self._update_device(report, kind, rated)
        self.devices = {identity: self.devices[identity] for identity in listed}
        self.unmapped = len(set().union(*(device.unmapped for device in self.devices.values())))

    def _put_aside(self, views: Mapping[str, DeviceView], now: float) -> None:
        """Keep the history of devices that a list left out: a total is judged by it when they are back."""
        for identity, view in views.items():
            for kept in (
                view.answered,
                view.sources,
                view.keys,
                view.layouts,
                view.slots,
            ):  # all but the history
                kept.clear()
            self._unlisted[identity] = now, view
        recent = [(i, kept) for i, kept in self._unlisted.items() if now - kept[0] <= UNLISTED_SECONDS]
        self._unlisted = dict(recent[-MOST_UNLISTED:])
        if views:
            known = {*self.devices, *self._unlisted}
            self.resets = {key: times for key, times in self.resets.items() if key[0] in known}

    def _has_room(self) -> bool:
        """Whether another key without an entry may make a series."""
        return sum(len(view.generic_owners) for view in self.devices.values()) < self._max_unmapped

    def _update_device(self, report: DeviceReport, kind: str, rated_watts: float | None) -> None:
        device = report.device
        view = self.devices.get(device.identity)
        if view is None:
            _, view = self._unlisted.pop(device.identity, (0.0, None))
        if view is None or view.kind != kind:
            states = States(self._state, self._catalogue.states.get(kind, ()))
            view = DeviceView(device, kind, states)
        self.devices[device.identity] = view
        view.device, view.faults, view.rating.watts = device, report.faults, rated_watts
        view.answered = {s: answered for s, answered in view.answered.items() if s in report.answers}
        new = {  # in the order in which sources are preferred
            service: answer
            for service in Service
            if (answer := report.answers.get(service)) is not None
            and (service not in view.answered or view.answered[service].taken_at != answer.taken_at)
        }
        for service, answer in new.items():
            self._match_slots(view, service, answer)
        if self._choose_sources(view, new):
            view.keys.clear()
            view.layouts.clear()
            for service, answer in new.items():
                self._match_slots(view, service, answer)
        for service, answer in new.items():
            self._take(view, service, answer)

    def _take(self, view: DeviceView, service: Service, answer: Answer) -> None:
        samples = self._samples(view, service, answer)
        view.answered[service] = Answered(answer.taken_at, tuple(samples))
        if view.last_at is None or answer.taken_at > view.last_at:
            view.last_at, view.last_wall = answer.taken_at, answer.taken_wall
        for name, times in view.resets.items():
            self.resets[view.device.identity, name] = self.resets.get((view.device.identity, name), 0) + times
        view.resets.clear()

    # Structure: which entry is what ----------------------------------------------------------------

    def _match_slots(self, view: DeviceView, service: Service, answer: Answer) -> None:
        """Keep the slots of the last answer if the keys are the same, else make new ones."""
        if answer.layout is not None and view.layouts.get(service) is answer.layout:
            return
        view.layouts[service] = answer.layout
        keys = [reading[0] for reading in answer.readings]
        if view.keys.get(service) != keys:
            view.keys[service] = keys
            view.slots[service] = self._make_slots(view, service, answer.readings)

    def _make_slots(self, view: DeviceView, service: Service, readings: tuple[Reading, ...]) -> list[Slot]:
        times: dict[str, int] = {}
        slots: list[Slot] = []
        undecided: list[tuple[int, Source]] = []
        for place, reading in enumerate(readings):
            before = times.get(reading.key, 0)
            times[reading.key] = before + 1
            slots.append(self._make_slot(view, (service, reading.key, before)))
            source = self._catalogue.sources.get(reading.key)
            if source is not None and source.series not in view.sources:
                undecided.append((place, source))
        view.undecided[service] = undecided
        view.unmapped_keys[service] = {slot.key for slot in slots if isinstance(slot, Generic)}
        return slots

    def _make_slot(self, view: DeviceView, token: Token) -> Slot:
        service, key, before = token
        source = self._catalogue.sources.get(key)
        if source is not None:
            chosen = view.sources.get(source.series) == (service, key) and before == 0
            if source.guarded:
                guard = view.guards.setdefault(source.series, TotalGuard())
                return Total(key, source, guard, view.rating, view.resets, chosen=chosen)
            if source.limited:
                limit = view.limits.setdefault(source.series, PowerGuard())
                return Power(key, source, limit, view.rating, chosen=chosen)
            return Mapped(key, source, chosen=chosen)
        if key in self._catalogue.state_keys:
            return State(key, service, view.states)
        return self._make_generic(view, token)

    def _make_generic(self, view: DeviceView, token: Token) -> Generic:
        return Generic(token, self._generic, view.generic_owners, self._has_room)

    def _choose_sources(self, view: DeviceView, answers: Mapping[Service, Answer]) -> bool:
        """Settle which key feeds a series: the best-ranked that gives a number, then never another.

        True if a choice was made; slots made before it do not know of it.
        """
        ranks: dict[Series, int] = {}
        for service, answer in answers.items():
            for place, source in view.undecided[service]:
                key, value, unit = answer.readings[place]
                usable = units.is_number(value) and units.factor(source.factors, unit) is not None
                if usable and source.rank < ranks.get(source.series, 99):
                    ranks[source.series] = source.rank
                    view.sources[source.series] = _asked_of(service, key)
        return bool(ranks)

    # Values ----------------------------------------------------------------------------------------

    def _samples(self, view: DeviceView, service: Service, answer: Answer) -> list[Sample]:
        samples: list[Sample] = []
        at = answer.taken_at
        no_battery = service is Service.REAL_BATTERY and _shows_no_battery(answer)
        nothing = service is Service.REAL and _is_all_nought(answer)
        if nothing:
            self._count((Reason.IMPLAUSIBLE,))
        state_shown = False
        odd = no_battery or nothing
        for slot, (_, value, unit) in zip(view.slots.get(service, ()), answer.readings, strict=True):
            if odd and ((no_battery and slot.of_battery) or (nothing and units.is_number(value))):
                continue
            if not slot.steady or value != slot.value or unit != slot.unit:
                slot.take(value, unit, at)
            if slot.samples:
                if slot.is_state:
                    if state_shown:
                        self._count((Reason.DUPLICATE,))
                        continue
                    state_shown = True
                samples += slot.samples
            if slot.reasons:
                self._count(slot.reasons)
        if answer.inputs:
            self._take_inputs(view, service, answer, samples)
        return samples

    def _count(self, reasons: tuple[Reason, ...]) -> None:
        for reason in reasons:
            self.errors[reason] = self.errors.get(reason, 0) + 1

    def _take_inputs(self, view: DeviceView, service: Service, answer: Answer, samples: list[Sample]) -> None:
        times: dict[str, int] = {}
        known = view.inputs.setdefault(service, {})
        if len(known) > MOST_INPUT_NAMES:  # a gateway that invents new names at every answer
            known.clear()
            view.unmapped_keys.pop(service, None)
        for entry in answer.inputs:
            before = times.get(entry.name, 0)
            times[entry.name] = before + 1
            slot = known.get((entry.name, before))
            if slot is None:
                slot = known[entry.name, before] = self._make_input(view, service, entry, before)
            if isinstance(slot, Input):
                slot.take(entry)
                parts: tuple[Input | Slot, ...] = (slot,)
            else:
                slot[0].take(entry.voltage, entry.voltage_unit, answer.taken_at)
                slot[1].take(entry.current, entry.current_unit, answer.taken_at)
                parts = slot
            for part in parts:
                self._count(part.reasons)
                samples += part.samples

    def _make_input(
        self, view: DeviceView, service: Service, entry: DirectInput, before: int
    ) -> Input | tuple[Slot, Slot]:
        """An MPPT or a string by its name's pattern; any other name as two readings without entry."""
        catalogue = self._catalogue
        for kind in catalogue.direct:
            number = kind.number(entry.name)
            if number is not None:
                # "MPPT1" and "MPPT01" would be one series: the first name has it
                first_name = view.input_names.setdefault((kind.voltage.name, number), entry.name)
                repeated = before > 0 or first_name != entry.name
                return Input(kind, number, catalogue.volts, catalogue.amperes, repeated=repeated)
        view.unmapped_keys.setdefault(service, set()).add(entry.name)
        first, second = (
            self._make_generic(view, (service, entry.name, 2 * before + part)) for part in (0, 1)
        )
        return first, second


@lru_cache(maxsize=10_000)
def _asked_of(service: Service, key: str) -> tuple[Service, str]:
    """Where a series comes from: the same for all devices of a model, and so shared."""
    return service, key


def _shows_no_battery(answer: Answer) -> bool:
    """A hybrid without battery answers with zeros (reported); a battery has a voltage, charge or health."""
    proof = [units.number(reading.value) for reading in answer.readings if reading.key in BATTERY_PROOF]
    return bool(proof) and not any(proof)


def _is_all_nought(answer: Answer) -> bool:
    """Whether every number is 0, voltages and temperatures too: a device that is starting up says so."""
    numbers = 0
    for _, value, _ in answer.readings:
        if units.is_number(value):
            if float(value) != 0.0:
                return False
            numbers += 1
    return numbers >= FEWEST_NOUGHTS
