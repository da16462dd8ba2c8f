"""The lines of one target, kept ready: made when something has changed or is too old, not at a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from exporter.metrics import rows, shown
from exporter.metrics.columns import Columns
from exporter.metrics.lines import Part, Shapes, escaped
from exporter.metrics.mapping import DeviceView, TargetView
from exporter.metrics.rows import Row
from exporter.telemetry import Service, Snapshot, TargetInfo, TargetStatus

EARLY_SECONDS = 0.001  # by which sums of times may be off: rather look once too often


class Lines:
    """How lines are made: what all targets share. `own_labels` are the names of all targets' own labels."""

    def __init__(self, own_labels: tuple[str, ...]) -> None:
        self.columns = Columns()
        self.shapes = Shapes(self.columns.number)
        self.own_labels = own_labels

    def put_together(self, parts: Iterable[Part]) -> tuple[bytes, ...]:
        """The pieces of several parts, by column."""
        pieces = [b""] * len(self.columns)
        for part in parts:
            for column, piece in zip(part.columns, part.pieces, strict=True):
                pieces[column] += piece
        return tuple(pieces)


class _DeviceLines:
    """The parts of one device: what is known of it, and the readings of each service."""

    __slots__ = ("facts", "readings", "shared")

    def __init__(self, shared: tuple[str, ...]) -> None:
        self.shared = shared
        self.facts = Part()
        self.readings: dict[Service, Part] = {}


class TargetLines:
    """`pieces` by column are what a scrape joins. They hold good until the monotonic time `expires`, and for
    as long as the wall clock is in `step`.
    """

    __slots__ = ("_devices", "_lines", "_of_view", "_parts", "_seen", "_shared", "expires", "pieces", "step")

    def __init__(self, lines: Lines, target: str) -> None:
        self._lines = lines
        self._shared = (escaped(target),)
        self._parts: dict[str, Part] = {}
        self._devices: dict[str, _DeviceLines] = {}
        self._of_view: list[Part] = []
        self._seen: tuple[TargetInfo | None, Snapshot | None, bool] = None, None, False
        self.pieces: tuple[bytes, ...] = ()
        self.expires = -inf
        self.step = -inf

    def make(
        self,
        status: TargetStatus,
        view: TargetView | None,
        snapshot: Snapshot | None,
        now: float,
        step: float,
    ) -> None:
        """Make every line that is not ready; `step` is the wall clock in steps."""
        info, counters = status.info, status.counters
        counted = rows.counts(counters)
        up = shown.is_up(info, snapshot, now)
        firmware = view.gateway.firmware if view is not None else ""
        dropped = view.errors if view is not None else {}
        own_labels = self._lines.own_labels
        times = (
            up,
            status.last_refresh_wall,
            status.refresh_seconds,
            status.device_count,
            status.certificate_expiry_wall,
        )
        parts = [
            self._part(
                "info", (info, firmware, own_labels), lambda: [rows.info_row(info, firmware, own_labels)]
            ),
            self._sky_part(info, step),
            self._part("own", info.devices, lambda: rows.own_rows(info)),
            self._part("counts", counted, lambda: rows.count_rows(counted)),
            self._part(
                "errors",
                (counters.errors.copy(), dropped.copy()),
                lambda: rows.error_rows(counters.errors, dropped),
            ),
            self._part("state", status.state, lambda: rows.state_rows(status.state)),
            self._part("up", times, lambda: rows.up_rows(status, up)),
        ]
        if now >= self.expires or self._has_news(info, snapshot, up):
            self._of_view = [] if view is None else self._view_parts(info, view, now, up)
            self.expires = rows.expiry(info, view, snapshot, now) - EARLY_SECONDS
            self._seen = info, snapshot, up
        before, self.pieces = self.pieces, self._lines.put_together(parts + self._of_view)
        self._lines.columns.replaced(before, self.pieces)

    def _has_news(self, info: TargetInfo, snapshot: Snapshot | None, up: bool) -> bool:
        seen = self._seen
        return seen[0] is not info or seen[1] is not snapshot or seen[2] is not up

    def withdraw(self) -> None:
        """Take note that none of the pieces will be joined any more."""
        self._lines.columns.replaced(self.pieces, ())

    def _view_parts(self, info: TargetInfo, view: TargetView, now: float, up: bool) -> list[Part]:
        """What is known of the gateway and its devices, as far as it is not too old."""
        aged = shown.aged_before(info, view, now)
        parts = [
            self._part("gateway", None, lambda: rows.gateway_rows(view, aged)),
            self._part("resets", view.resets.copy(), lambda: rows.reset_rows(view.resets)),
        ]
        for identity, device in view.devices.items():
            parts += self._of_device(info, identity, device, now, aged, up)
        self._devices = {identity: self._devices[identity] for identity in view.devices}
        return [*parts, self._part("unmapped", None, lambda: rows.unmapped_rows(view, up))]

    def turn_sky(self, info: TargetInfo, step: float) -> None:
        """Follow the clock where nothing else has changed."""
        told = self._parts["sky"].told
        sky = self._sky_part(info, step)
        if sky.told != told:
            pieces = list(self.pieces)
            for column, piece in zip(sky.columns, sky.pieces, strict=True):
                pieces[column] = piece
            before, self.pieces = self.pieces, tuple(pieces)
            self._lines.columns.replaced(before, self.pieces)

    def _sky_part(self, info: TargetInfo, step: float) -> Part:
        """The lines of calendar and sun, whose families no other part has."""
        self.step = step
        midnight, degrees = rows.sky(*rows.place_of(info), step)
        return self._part("sky", (midnight, degrees), lambda: rows.sky_rows(midnight, degrees))

    def _part(self, name: str, told: object, make: Callable[[], Iterable[Row]]) -> Part:
        """The part of that name, made anew unless it tells what it told before (None: always)."""
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = Part()
        if told is None or part.told != told:
            part.told = told
            part.write(self._lines.shapes, self._shared, list(make()))
        return part

    def _of_device(
        self, info: TargetInfo, identity: str, device: DeviceView, now: float, aged: float, up: bool
    ) -> list[Part]:
        lines = self._devices.get(identity)
        if lines is None:
            lines = self._devices[identity] = _DeviceLines((escaped(identity), *self._shared))
        facts = list(rows.device_rows(info, identity, device, now, aged, up))
        lines.facts.write(self._lines.shapes, lines.shared, facts)
        parts = [lines.facts]
        for service, answered in device.answered.items():
            part = lines.readings.get(service)
            if part is None:
                part = lines.readings[service] = Part()
            if part.told is not answered:
                part.told = answered
                part.write(self._lines.shapes, lines.shared, answered.samples)
            if now - answered.taken_at <= info.stale_after:
                parts.append(part)
        for gone in lines.readings.keys() - device.answered.keys():
            del lines.readings[gone]
        return parts
