"""The lines of one target, kept ready: made when something has changed or is too old, not at a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from weakref import WeakValueDictionary

from exporter.metrics import rows, shown
from exporter.metrics.columns import Columns
from exporter.metrics.device_view import DeviceView
from exporter.metrics.lines import Part, Shapes, escaped
from exporter.metrics.mapping import TargetView
from exporter.metrics.rows import Row
from exporter.telemetry import Service, Snapshot, TargetInfo, TargetStatus

EARLY_SECONDS = 0.001  # by which sums of times may be off: rather look once too often


class Assembly:
    """Where the pieces of several parts belong: the same for all targets with devices of the same models.

    `columns` tells it by part and piece, and `shared` which columns have several pieces.
    """

    __slots__ = ("__weakref__", "columns", "shared")

    def __init__(self, columns: tuple[tuple[int, ...], ...]) -> None:
        self.columns = columns
        sources: dict[int, list[tuple[int, int]]] = {}
        for number, of_part in enumerate(columns):
            for piece, column in enumerate(of_part):
                sources.setdefault(column, []).append((number, piece))
        self.shared = {column: pieces for column, pieces in sources.items() if len(pieces) > 1}


class Lines:
    """How lines are made: what all targets share. `own_labels` are the names of all targets' own labels."""

    def __init__(self, own_labels: tuple[str, ...]) -> None:
        self.columns = Columns()
        self.shapes = Shapes(self.columns.number)
        self.own_labels = own_labels
        self._assemblies: WeakValueDictionary[tuple[tuple[int, ...], ...], Assembly] = WeakValueDictionary()

    def assembly(self, columns: tuple[tuple[int, ...], ...]) -> Assembly:
        found = self._assemblies.get(columns)
        if found is None:
            found = self._assemblies[columns] = Assembly(columns)
        return found


class Assembled:
    """The pieces of several parts together, by column: what a scrape joins."""

    __slots__ = ("_assembly", "_lines", "_parts", "_place")

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._assembly: Assembly | None = None
        self._parts: list[Part] = []
        self._place = lines.columns.place()

    @property
    def pieces(self) -> tuple[bytes, ...]:
        return self._lines.columns.at(self._place)

    def follow(self, parts: list[Part]) -> None:
        """Take over what has changed of these parts, which are all there are."""
        columns = tuple([part.columns for part in parts])
        if self._assembly is None or self._assembly.columns != columns or self._parts != parts:
            self._assembly = self._lines.assembly(columns)
            self._parts = parts
            self._begin_anew(parts, self._assembly)
        elif any([part.changed for part in parts]):
            self._take_changes(parts, self._assembly)

    def _take_changes(self, parts: list[Part], assembly: Assembly) -> None:
        columns_of_all = self._lines.columns
        pieces = list(columns_of_all.at(self._place))
        columns: set[int] = set()
        for part, of_part in zip(parts, assembly.columns, strict=True):
            if part.changed:
                for number in part.changed:
                    column = of_part[number]
                    pieces[column] = part.pieces[number]
                    columns.add(column)
                part.changed = None
        for column in assembly.shared.keys() & columns if assembly.shared else ():
            pieces[column] = _joined(parts, assembly.shared[column])
        columns_of_all.put(self._place, tuple(pieces), columns)

    def _begin_anew(self, parts: list[Part], assembly: Assembly) -> None:
        pieces = [b""] * len(self._lines.columns)
        for part, columns in zip(parts, assembly.columns, strict=True):
            for column, piece in zip(columns, part.pieces, strict=True):
                pieces[column] = piece
            part.changed = None
        for column, sources in assembly.shared.items():
            pieces[column] = _joined(parts, sources)
        self._lines.columns.put(self._place, tuple(pieces))

    def withdraw(self) -> None:
        """Take note that none of the pieces will be joined any more; this is of no use then."""
        self._lines.columns.withdraw(self._place)


def _joined(parts: list[Part], sources: list[tuple[int, int]]) -> bytes:
    return b"".join([parts[part].pieces[number] for part, number in sources])


class _DeviceLines:
    """The parts of one device: what is known of it, how old it is, and the readings of each service."""

    __slots__ = ("facts", "freshness", "readings", "shared")

    def __init__(self, shared: tuple[str, ...]) -> None:
        self.shared = shared
        self.facts = Part()
        self.freshness = Part()
        self.readings: dict[Service, Part] = {}


class TargetLines:
    """The lines of one target hold good until the monotonic time `expires`, and for as long as the wall clock
    is in `step`.
    """

    __slots__ = (
        "_assembled",
        "_devices",
        "_known",
        "_lines",
        "_of_view",
        "_parts",
        "_seen",
        "_shared",
        "expires",
        "step",
    )

    def __init__(self, lines: Lines, target: str) -> None:
        self._lines = lines
        self._shared = (escaped(target),)
        self._assembled = Assembled(lines)
        self._parts: dict[str, Part] = {}
        self._devices: dict[str, _DeviceLines] = {}
        self._of_view: list[Part] = []
        self._seen: tuple[TargetInfo | None, Snapshot | None, bool] = None, None, False
        self._known: object = None
        self.expires = -inf
        self.step = -inf

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What a scrape joins, by column."""
        return self._assembled.pieces

    def make(
        self,
        status: TargetStatus,
        view: TargetView | None,
        snapshot: Snapshot | None,
        now: float,
        step: float,
    ) -> None:
        """Make every line that is not ready; `step` is the wall clock in steps."""
        info = status.info
        up = shown.is_up(info, snapshot, now)
        self._write_status(status, view, up, step)
        seen = self._seen
        if now >= self.expires or seen[0] is not info or seen[1] is not snapshot or seen[2] is not up:
            self._of_view = [] if view is None else self._view_parts(info, view, now, up)
            self.expires = rows.expiry(info, view, snapshot, now) - EARLY_SECONDS
            self._seen = info, snapshot, up
        self._assemble()

    def turn_sky(self, info: TargetInfo, step: float) -> None:
        """Follow the clock where nothing else has changed."""
        self._turn_sky(info, step)
        self._assemble()

    def withdraw(self) -> None:
        """Take note that none of the lines will be shown any more; this is of no use then."""
        self._assembled.withdraw()

    def _assemble(self) -> None:
        parts = [self._parts[name] for name in _STATUS_PARTS]
        self._assembled.follow(parts + self._of_view)

    def _write_status(self, status: TargetStatus, view: TargetView | None, up: bool, step: float) -> None:
        """What is known of the target whether it answers or not."""
        info, errors, own_labels = status.info, status.counters.errors, self._lines.own_labels
        firmware = view.gateway.firmware if view is not None else ""
        dropped = view.errors if view is not None else {}
        shapes, shared = self._lines.shapes, self._shared
        known = info, firmware, own_labels
        others = known != self._known
        if others:
            self._known = known
            self._tell("info", known, lambda: [rows.info_row(info, firmware, own_labels)], once=True)
        self._turn_sky(info, step)
        if others:
            self._tell("own", info, lambda: rows.own_rows(info), once=True)
        self._part("counts").write(shapes, shared, rows.COUNTS, rows.counts(status.counters))
        if self._part("errors").told != (errors, dropped):
            self._tell("errors", (errors.copy(), dropped.copy()), lambda: rows.error_rows(errors, dropped))
        self._tell("state", status.state, lambda: rows.state_rows(status.state))
        self._part("times").write(shapes, shared, rows.TIMES, rows.times(status, up))

    def _turn_sky(self, info: TargetInfo, step: float) -> None:
        if step != self.step or self._seen[0] is not info:
            self.step = step
            midnight, degrees = rows.sky(*rows.place_of(info), step)
            self._tell("sky", (midnight, degrees), lambda: rows.sky_rows(midnight, degrees))

    def _view_parts(self, info: TargetInfo, view: TargetView, now: float, up: bool) -> list[Part]:
        """What is known of the gateway and its devices, as far as it is not too old."""
        aged = shown.aged_before(info, view, now)
        gateway = tuple(rows.gateway_rows(view, aged))
        parts = [self._tell("gateway", gateway, lambda: gateway, once=True)]
        if view.resets or "resets" in self._parts:
            resets = view.resets.copy()
            parts.append(self._tell("resets", resets, lambda: rows.reset_rows(resets), once=True))
        if self._devices.keys() != view.devices.keys():
            self._devices = {i: self._devices[i] for i in view.devices if i in self._devices}
        for identity, device in view.devices.items():
            parts += self._of_device(info, identity, device, now, aged, up)
        unmapped = view.unmapped if up else None
        parts.append(self._tell("unmapped", unmapped, lambda: rows.unmapped_rows(unmapped)))
        return parts

    def _tell(
        self, name: str, told: object, make: Callable[[], Iterable[Row]], *, once: bool = False
    ) -> Part:
        """The part of that name, made anew unless it tells what it told before.

        `once`: no other target has such rows.
        """
        part = self._part(name)
        if part.is_news(told):
            write = part.write_once if once else part.write_rows
            write(self._lines.shapes, self._shared, make())
        return part

    def _part(self, name: str) -> Part:
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = Part()
        return part

    def _of_device(
        self, info: TargetInfo, identity: str, device: DeviceView, now: float, aged: float, up: bool
    ) -> list[Part]:
        lines = self._devices.get(identity)
        if lines is None:
            lines = self._devices[identity] = _DeviceLines((escaped(identity), *self._shared))
        shapes, shared = self._lines.shapes, lines.shared
        facts = rows.facts(info, identity, device, aged, up)
        if lines.facts.is_news(facts):
            lines.facts.write_once(shapes, shared, rows.fact_rows(*facts))
        lines.freshness.write(shapes, shared, rows.FRESHNESS, rows.freshness(info, device, now))
        parts = [lines.facts, lines.freshness]
        for service, entries in device.entries.items():
            part = lines.readings.get(service)
            if part is None:
                part = lines.readings[service] = Part()
            part.write(shapes, shared, entries.heads, entries.values)
            if shown.is_fresh(info, entries.taken_at, now):
                parts.append(part)
        for gone in lines.readings.keys() - device.entries.keys():
            del lines.readings[gone]
        return parts


_STATUS_PARTS = ("info", "sky", "own", "counts", "errors", "state", "times")
