"""Readings of one target become samples: exact, each from one source, judged by its history.

The work is done once per refresh, for the answers that are new; a scrape only collects what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from exporter.metrics import units
from exporter.metrics.catalogue import Catalogue, DirectKind, Family, Source
from exporter.metrics.guards import TotalGuard, Verdict
from exporter.telemetry import Answer, Device, DeviceReport, DirectInput, Reading, Reason, Service, Snapshot

MOST_NEW_STATES = 16
OTHER_STATE = "other"
STATE_SEEN = "state"
GUARDED_SUFFIX = "_joules_total"
BATTERY_PREFIX = "winet2_battery_"
BATTERY_PROOF = ("I18N_COMMON_BATTERY_VOLTAGE", "I18N_COMMON_BATTERY_SOC", "I18N_COMMON_BATTARY_HEALTH")
_STATE_PREFIXES = ("I18N_COMMON_", "I18N_")


class Dropped(Exception):
    """A reading that becomes no sample, and why; counted, and its neighbours go on."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Sample(NamedTuple):
    """`labels` are the values behind target and device."""

    family: Family
    labels: tuple[str, ...]
    value: float


class Answered(NamedTuple):
    """The samples that one answer gave, as old as the answer."""

    taken_at: float
    samples: tuple[Sample, ...]


class DeviceView:
    """What is shown of one device, and the memory behind it."""

    def __init__(self, device: Device, kind: str) -> None:
        self.device = device
        self.kind = kind
        self.answered: dict[Service, Answered] = {}
        self.last_wall: float | None = None
        self.last_at: float | None = None
        self.sources: dict[tuple[str, str | None], tuple[Service, str]] = {}
        self.guards: dict[tuple[str, str | None], TotalGuard] = {}
        self.owners: dict[object, Service] = {}
        self.new_states: list[str] = []
        self.unmapped: set[str] = set()


class TargetView:
    """What is shown of one target's devices. `errors` counts readings that were dropped, by reason."""

    def __init__(self, catalogue: Catalogue, generic: Family, state: Family, max_unmapped: int) -> None:
        self.devices: dict[str, DeviceView] = {}
        self.errors: dict[Reason, int] = {}
        self.resets: dict[tuple[str, str], int] = {}
        self._catalogue = catalogue
        self._generic = generic
        self._state = state
        self._max_unmapped = max_unmapped
        self._generic_series: set[tuple[str, str, str]] = set()

    def update(self, snapshot: Snapshot) -> None:
        """Take over the answers of a snapshot that have not been seen yet; drop devices no longer listed."""
        listed = {report.device.identity for report in snapshot.devices}
        for identity in self.devices.keys() - listed:
            del self.devices[identity]
            self._generic_series = {series for series in self._generic_series if series[0] != identity}
        self.devices = {report.device.identity: self._view(report) for report in snapshot.devices}

    def _view(self, report: DeviceReport) -> DeviceView:
        device = report.device
        kind = self._catalogue.kind_of(device.dev_type)
        view = self.devices.get(device.identity) or DeviceView(device, kind)
        view.device, view.kind = device, kind
        new = {
            service: answer
            for service in Service
            if (answer := report.answers.get(service)) is not None
            and (service not in view.answered or view.answered[service].taken_at != answer.taken_at)
        }
        self._choose_sources(view, new)
        for service, answer in new.items():
            view.answered[service] = Answered(answer.taken_at, tuple(self._samples(view, service, answer)))
            if view.last_at is None or answer.taken_at > view.last_at:
                view.last_at, view.last_wall = answer.taken_at, answer.taken_wall
        return view

    def _choose_sources(self, view: DeviceView, answers: Mapping[Service, Answer]) -> None:
        """Settle which key feeds a series: the best-ranked that gives a number, then never another."""
        ranks: dict[tuple[str, str | None], int] = {}
        for service, answer in answers.items():
            for reading in answer.readings:
                source = self._catalogue.sources.get(reading.key)
                if source is None or (source.series in view.sources and source.series not in ranks):
                    continue
                if units.number(reading.value) is not None and source.rank < ranks.get(source.series, 99):
                    ranks[source.series] = source.rank
                    view.sources[source.series] = (service, reading.key)

    def _samples(self, view: DeviceView, service: Service, answer: Answer) -> Iterator[Sample]:
        no_battery = service is Service.REAL_BATTERY and _shows_no_battery(answer)
        seen: set[object] = set()
        for reading in answer.readings:
            source = self._catalogue.sources.get(reading.key)
            try:
                if source is not None:
                    if not (no_battery and source.family.name.startswith(BATTERY_PREFIX)):
                        yield from self._mapped(view, service, reading, source, answer.taken_at, seen)
                elif reading.key in self._catalogue.state_keys:
                    yield from self._states(view, service, reading, seen)
                else:
                    yield from self._unmapped(view, service, reading, seen)
            except Dropped as dropped:
                self._count(dropped.reason)
        for entry in answer.inputs:
            for part in self._direct(view, service, entry, seen):
                try:
                    yield from part
                except Dropped as dropped:
                    self._count(dropped.reason)

    def _count(self, reason: Reason) -> None:
        self.errors[reason] = self.errors.get(reason, 0) + 1

    def _mapped(
        self,
        view: DeviceView,
        service: Service,
        reading: Reading,
        source: Source,
        at: float,
        seen: set[object],
    ) -> Iterator[Sample]:
        value = quantity(reading.value, reading.unit, source.factors)
        if value is None:
            return
        if view.sources.get(source.series) != (service, reading.key) or source.series in seen:
            raise Dropped(Reason.DUPLICATE)
        seen.add(source.series)
        family, shown = source.family, units.to_float(value)
        if family.name.endswith(GUARDED_SUFFIX):
            self._guard(view, source, shown, at)
        yield Sample(family, () if source.label_value is None else (source.label_value,), shown)

    def _guard(self, view: DeviceView, source: Source, value: float, at: float) -> None:
        guard = view.guards.get(source.series)
        if guard is None:
            guard = view.guards[source.series] = TotalGuard()
        verdict = guard.judge(value, at)
        if verdict is Verdict.HELD_OFF:
            raise Dropped(Reason.IMPLAUSIBLE)
        if verdict is Verdict.RESET:
            reset = (view.device.identity, source.family.name)
            self.resets[reset] = self.resets.get(reset, 0) + 1

    def _own(self, view: DeviceView, service: Service, series: object, seen: set[object]) -> None:
        """Let the first service that brings a series keep it, and bring it once an answer."""
        if view.owners.setdefault(series, service) is not service or series in seen:
            raise Dropped(Reason.DUPLICATE)
        seen.add(series)

    def _states(
        self, view: DeviceView, service: Service, reading: Reading, seen: set[object]
    ) -> Iterator[Sample]:
        """One sample a state, so that a graph can show each: 1 for the present one, 0 for the others."""
        if not units.has_value(reading.value):
            return
        self._own(view, service, STATE_SEEN, seen)
        known = self._catalogue.states.get(view.kind, ())
        present = state_name(reading.value)
        if present not in known and present not in view.new_states:
            if len(view.new_states) < MOST_NEW_STATES:
                view.new_states.append(present)
            else:
                present = OTHER_STATE
                self._count(Reason.SERIES_LIMIT)
        names = [*known, *view.new_states]
        if len(view.new_states) >= MOST_NEW_STATES:
            names.append(OTHER_STATE)
        for name in dict.fromkeys(names):
            yield Sample(self._state, (name,), 1.0 if name == present else 0.0)

    def _unmapped(
        self, view: DeviceView, service: Service, reading: Reading, seen: set[object]
    ) -> Iterator[Sample]:
        """A key without an entry: shown as it is where it is a number, so that nothing is lost."""
        view.unmapped.add(reading.key)
        number = units.number(reading.value)
        if number is None:
            return
        labels = (label_text(reading.key), label_text(reading.unit))
        self._own(view, service, labels, seen)
        series = (view.device.identity, *labels)
        if series not in self._generic_series:
            if len(self._generic_series) >= self._max_unmapped:
                raise Dropped(Reason.SERIES_LIMIT)
            self._generic_series.add(series)
        yield Sample(self._generic, labels, units.to_float(number))

    def _direct(
        self, view: DeviceView, service: Service, entry: DirectInput, seen: set[object]
    ) -> Iterator[Iterator[Sample]]:
        """The parts of an input: voltage, current and power stand or fall each for itself."""
        for kind in self._catalogue.direct:
            match = kind.pattern.fullmatch(entry.name)
            if match is not None:
                yield self._input(kind, (str(int(match[1])),), entry, seen)
                return
        for value, unit in ((entry.voltage, entry.voltage_unit), (entry.current, entry.current_unit)):
            yield self._unmapped(view, service, Reading(entry.name, value, unit), seen)

    def _input(
        self, kind: DirectKind, label: tuple[str], entry: DirectInput, seen: set[object]
    ) -> Iterator[Sample]:
        if (kind, label) in seen:
            raise Dropped(Reason.DUPLICATE)
        seen.add((kind, label))
        volts = None
        try:
            volts = quantity(entry.voltage, entry.voltage_unit, self._catalogue.volts)
        except Dropped as dropped:
            self._count(dropped.reason)
        if volts is not None:
            yield Sample(kind.voltage, label, units.to_float(volts))
        amperes = quantity(entry.current, entry.current_unit, self._catalogue.amperes)
        if amperes is not None:
            yield Sample(kind.current, label, units.to_float(amperes))
        if volts is not None and amperes is not None:
            yield Sample(kind.power, label, units.to_float(volts * amperes))


def quantity(value: str, unit: str, factors: Mapping[str, Decimal]) -> Decimal | None:
    """A reading in base units, exactly; None where the gateway has no value."""
    if not units.has_value(value):
        return None
    number = units.number(value)
    if number is None:
        raise Dropped(Reason.UNREADABLE_VALUE)
    factor = units.factor(factors, unit)
    if factor is None:
        raise Dropped(Reason.UNKNOWN_UNIT)
    return number * factor


def _shows_no_battery(answer: Answer) -> bool:
    """A hybrid without battery answers with zeros (reported); a battery has a voltage, charge or health."""
    proof = [units.number(reading.value) for reading in answer.readings if reading.key in BATTERY_PROOF]
    return bool(proof) and not any(proof)


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
    return "".join(c if c.isprintable() else " " for c in value[:200])
