"""Readings of one target become samples: exact, each from one source, judged by its history.

The work is done once per refresh, for the answers that are new; a scrape only collects what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.metrics.catalogue import Catalogue, Family
from exporter.metrics.device_view import DeviceView
from exporter.metrics.entries import Entries, Places
from exporter.metrics.gateway import GatewayView
from exporter.metrics.states import States
from exporter.telemetry import Answer, DeviceReport, Reason, Service, Snapshot, TargetInfo

UNLISTED_SECONDS = 172_800.0
MOST_UNLISTED = 100
_IN_ORDER = tuple(Service)
INVERTER_KINDS = ("inverter", "hybrid")


class _New(NamedTuple):
    """An answer that was not seen before, and its places with news."""

    service: Service
    answer: Answer
    entries: Entries
    places: Places


class Counted(NamedTuple):
    """Readings that were dropped, by reason, and resets of totals by device and family."""

    errors: dict[Reason, int]
    resets: dict[tuple[str, str], int]


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
        self.forget_gateway()

    @property
    def counted(self) -> Counted:
        """All that only ever grows; a view that takes another's place goes on with it."""
        return Counted(self.errors, self.resets)

    @counted.setter
    def counted(self, before: Counted) -> None:
        self.errors, self.resets = before

    def forget_gateway(self) -> None:
        """Another one may be at another address; devices are told apart by their serial numbers."""
        self.gateway = GatewayView(self._catalogue.units, self._count)

    def update(self, snapshot: Snapshot, info: TargetInfo) -> None:
        """Take over the answers of a snapshot that have not been seen yet; drop devices no longer listed."""
        self.gateway.update(snapshot, info)
        listed = [report.device.identity for report in snapshot.devices]
        others = False
        if self._unlisted or list(self.devices) != listed:
            gone = {i: view for i, view in self.devices.items() if i not in listed}
            self._put_aside(gone, snapshot.taken_at)
            others = bool(gone)
            self.devices = {i: self.devices[i] for i in listed if i in self.devices}
        kinds = [self._catalogue.kind_of(report.device.dev_type) for report in snapshot.devices]
        alone = sum([kind in INVERTER_KINDS for kind in kinds]) == 1
        others = others or len(self.devices) != len(listed)
        for report, kind in zip(snapshot.devices, kinds, strict=True):
            own = info.devices.get(report.device.identity) if info.devices else None
            rated = own.rated_power_watts if own is not None else None
            if rated is None and alone and kind in INVERTER_KINDS:
                rated = self.gateway.rated_watts  # the plant's is the only inverter's
            if self._update_device(report, kind, rated):
                others = True
        if others:
            self.devices = {identity: self.devices[identity] for identity in listed}
            self.unmapped = len(set().union(*(device.unmapped for device in self.devices.values())))

    def limit(self, max_unmapped: int) -> None:
        """From the next answers on, keys without an entry may make so many series."""
        if max_unmapped < self._max_unmapped:
            for device in self.devices.values():
                device.share_anew()
        self._max_unmapped = max_unmapped

    def _put_aside(self, views: Mapping[str, DeviceView], now: float) -> None:
        """Keep the history of devices that a list left out: a total is judged by it when they are back."""
        for identity, view in views.items():
            view.forget_answers()
            self._unlisted[identity] = now, view
        recent = [(i, kept) for i, kept in self._unlisted.items() if now - kept[0] <= UNLISTED_SECONDS]
        self._unlisted = dict(recent[-MOST_UNLISTED:])
        if views:
            known = {*self.devices, *self._unlisted}
            self.resets = {key: times for key, times in self.resets.items() if key[0] in known}

    def _has_room(self) -> bool:
        """Whether another key without an entry may make a series."""
        return sum(len(view.generic_owners) for view in self.devices.values()) < self._max_unmapped

    def _update_device(self, report: DeviceReport, kind: str, rated_watts: float | None) -> bool:
        """True if other keys came or went."""
        device = report.device
        view, others = self.devices.get(device.identity), False
        if view is None:
            _, view = self._unlisted.pop(device.identity, (0.0, None))
        if view is None or view.kind != kind:
            states = States(self._state, self._catalogue.states.get(kind, ()))
            view = DeviceView(device, kind, states)
            self.devices[device.identity], others = view, True
        elif device.identity not in self.devices:
            self.devices[device.identity] = view
        view.device, view.faults, view.rating.watts = device, report.faults, rated_watts
        others |= view.drop_unanswered(report.answers)
        new = self._news(view, report.answers)
        for _, answer, entries, places in new:
            others |= places is None
            if entries.take(answer, places):
                self._count((Reason.IMPLAUSIBLE,))
            for reasons in entries.wrong.values() if entries.wrong else ():
                self._count(reasons)
            view.date(answer)
        if view.resets:
            self._take_resets(view)
        return others

    def _news(self, view: DeviceView, answers: Mapping[Service, Answer]) -> list[_New]:
        """The answers that are new, in the order in which sources are preferred; there are slots for each."""
        new: list[_New] = []
        for service in _IN_ORDER:
            answer = answers.get(service)
            entries = view.entries.get(service)
            if answer is None or (entries is not None and entries.taken_at == answer.taken_at):
                continue
            if entries is None:
                entries = view.entries[service] = Entries(service)
            places = entries.news(answer, view.rating.watts)
            if places is None and not entries.fits(answer):
                self._make_slots(view, service, answer)
            new.append(_New(service, answer, entries, places))
        if view.choose_sources(new):
            for entries in view.entries.values():
                entries.release()  # its slots do not know of the choice
            for service, answer, _, _ in new:
                self._make_slots(view, service, answer)
            new = [news._replace(places=None) for news in new]
        return new

    def _make_slots(self, view: DeviceView, service: Service, answer: Answer) -> None:
        view.make_slots(service, answer, self._catalogue, self._generic, self._has_room)

    def _take_resets(self, view: DeviceView) -> None:
        for name, times in view.resets.items():
            key = view.device.identity, name
            self.resets[key] = self.resets.get(key, 0) + times
        view.resets.clear()

    def _count(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            self.errors[reason] = self.errors.get(reason, 0) + 1
