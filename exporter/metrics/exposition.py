"""Snapshots and statuses become the body of `/metrics`, from caches only.

`Exposition` is the one interface: `update` after a refresh or a change of state, `forget`, `render` at a
scrape. Lines are made by `update`; a scrape joins them, and makes only those anew that have grown too old.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import NamedTuple

from exporter import sun
from exporter.metrics import families, rows, shown
from exporter.metrics.catalogue import Catalogue
from exporter.metrics.columns import Body
from exporter.metrics.formats import EOF, Format, generate, own_registry
from exporter.metrics.lines import Part
from exporter.metrics.mapping import TargetView
from exporter.metrics.ready import Assembled, Lines, TargetLines
from exporter.metrics.rows import Row
from exporter.telemetry import Snapshot, TargetInfo, TargetStatus

__all__ = ["Exposition", "Format"]

TARGETS_AT_ONCE = 50  # whose lines are made anew without a pause; about 2 ms
PLACES_AT_ONCE = 100  # where the sun is sought without a pause; about 2 ms


class RefusedReload(NamedTuple):
    """A new configuration that was not taken, at the monotonic time `at`; `error` anybody may read."""

    at: float
    error: str


class Exposition:
    """All that is known of all targets, ready to be served.

    `clock` is the one that ages snapshots; `wall` tells where the sun stands and when the day began.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.catalogue = catalogue
        self._clock = clock
        self._wall = wall
        self._views: dict[str, TargetView] = {}
        self._statuses: dict[str, TargetStatus] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._ready: dict[str, TargetLines] = {}
        self._labels: Counter[str] = Counter()  # of all targets, and how many have each
        self._places: Counter[rows.Place] = Counter()
        self._sky: dict[rows.Place, rows.Sky] = {}  # as all lines show it
        self._expires = -inf  # before this no line of any target grows too old
        self._reload: tuple[bool, float] | None = None
        self.refused_reload: RefusedReload | None = None
        self._registry = own_registry()
        self._begin_lines()

    def _begin_lines(self) -> None:
        """Make all lines anew: what a family is may have changed."""
        own_labels = tuple(sorted(self._labels))
        self._lines = Lines(own_labels)
        self._reload_lines = Part()
        self._of_exporter = Assembled(self._lines)
        self._write_reload()
        self._ready = {name: TargetLines(self._lines, name) for name in self._statuses}
        self._expires = -inf

    def update(self, status: TargetStatus, snapshot: Snapshot | None) -> None:
        """Take over how a target stands now, and its readings if they are new."""
        name = status.info.name
        before = self._statuses.get(name)
        self._statuses[name] = status
        if before is None or before.info is not status.info:
            self._count(before.info if before else None, status.info)
            if before is not None and before.info.host != status.info.host and name in self._views:
                self._views[name].forget_gateway()
        if snapshot is not None and self._snapshots.get(name) is not snapshot:
            self._snapshots[name] = snapshot
            view = self._views.get(name)
            if view is None:
                view = self._views[name] = self._new_view(status.info)
            view.limit(status.info.max_unmapped)
            view.update(snapshot, status.info)
        if before is None:
            self._ready[name] = TargetLines(self._lines, name)
        self._make(name, self._clock(), rows.sky_step(self._wall()))

    def forget(self, target: str) -> None:
        """Drop everything about a target that is no longer looked after."""
        status = self._statuses.pop(target, None)
        if status is not None:
            self._count(status.info, None)
        ready = self._ready.pop(target, None)
        if ready is not None:
            ready.withdraw()
        for kept in (self._views, self._snapshots):
            kept.pop(target, None)

    def knows(self, target: str) -> bool:
        """Whether there is anything to be shown of a target."""
        return target in self._statuses

    def use(self, catalogue: Catalogue) -> None:
        """Read everything by another catalogue from now on; histories begin anew with the next refresh.

        What was counted goes on from where it is.
        """
        self.catalogue = catalogue
        for name, before in self._views.items():
            view = self._views[name] = self._new_view(self._statuses[name].info)
            view.counted = before.counted
        self._snapshots.clear()
        self._begin_lines()

    def _new_view(self, info: TargetInfo) -> TargetView:
        return TargetView(self.catalogue, families.READING, families.DEVICE_STATE, info.max_unmapped)

    def samples(self, target: str) -> shown.TargetShown | None:
        """What pages show of a target: nothing that is too old. None if the target is not known any more."""
        status = self._statuses.get(target)
        if status is None:
            return None
        snapshot, view = self._snapshots.get(target), self._views.get(target)
        _, degrees = rows.sky(*rows.place_of(status.info), rows.sky_step(self._wall()))
        sun_up = None if degrees is None else degrees > sun.HORIZON_DEGREES
        return shown.show(status.info, snapshot, view, self._clock(), sun_up)

    def reloaded(self, *, successful: bool, error: str = "") -> None:
        """The configuration was read again; a bad one changes nothing but this. Pages show the `error`."""
        before = self._reload[1] if self._reload is not None else self._wall()
        self._reload = successful, self._wall() if successful else before
        self.refused_reload = None if successful else RefusedReload(self._clock(), error)
        self._write_reload()

    # Scrapes ---------------------------------------------------------------------------------------

    def render(self, form: Format, target: str | None = None) -> bytes:
        """The body of one scrape; with `target` of that one alone. Never waits for a gateway."""
        if target is not None:
            self._renew(target, self._clock(), rows.sky_step(self._wall()))
            ready = self._ready.get(target)
            end = EOF if form is Format.OPENMETRICS else b""
            return self._lines.columns.of_one(form, ready.pieces if ready is not None else (), end)
        for _ in self.freshen():
            pass
        return self.body(form).whole()

    def freshen(self) -> Iterator[None]:
        """Make those lines anew that say what is no longer true; comes back after every few targets."""
        now, step = self._clock(), rows.sky_step(self._wall())
        sky: dict[rows.Place, rows.Sky] = {}
        for place in list(self._places):
            sky[place] = rows.sky(*place, step)
            if len(sky) % PLACES_AT_ONCE == 0:
                yield
        if now < self._expires and sky == self._sky:
            return
        for number, name in enumerate(list(self._ready)):
            self._renew(name, now, step)
            if number % TARGETS_AT_ONCE == TARGETS_AT_ONCE - 1:
                yield
        self._sky = sky
        self._expires = min((ready.expires for ready in self._ready.values()), default=inf)

    def body(self, form: Format, *, apart: bool = False) -> Body:
        """The body of one scrape as it is ready now, in pieces; with `apart` more of them, for packing."""
        return self._lines.columns.of_all(form, generate(self._registry, form), apart=apart)

    def rows(self, target: str | None = None) -> Iterator[Row]:
        """Every sample of every target, or of one, as family, label values and value: from scratch.

        The ready lines say the same.
        """
        if target is None and self._reload is not None:
            yield from rows.reload_rows(*self._reload)
        now, wall = self._clock(), self._wall()
        for name, status in self._statuses.items():
            if target in (None, name):
                view, snapshot = self._views.get(name), self._snapshots.get(name)
                yield from rows.target_rows(status, view, snapshot, self._lines.own_labels, now, wall)

    # Lines -----------------------------------------------------------------------------------------

    def _make(self, name: str, now: float, step: float) -> None:
        status, view, snapshot = self._statuses[name], self._views.get(name), self._snapshots.get(name)
        ready = self._ready[name]
        ready.make(status, view, snapshot, now, step)
        self._expires = min(self._expires, ready.expires)
        place = rows.place_of(status.info)
        if self._sky and self._sky.get(place) != rows.sky(*place, step):
            self._sky = {}  # the lines are of two times

    def _renew(self, name: str, now: float, step: float) -> None:
        """Make those lines of a target anew that time has changed."""
        ready = self._ready.get(name)
        if ready is None:
            return  # forgotten meanwhile
        if now >= ready.expires:
            self._make(name, now, step)
        elif ready.step != step:
            ready.turn_sky(self._statuses[name].info, step)

    def _write_reload(self) -> None:
        told = [] if self._reload is None else list(rows.reload_rows(*self._reload))
        self._reload_lines.write_once(self._lines.shapes, (), told)
        self._of_exporter.follow([self._reload_lines])

    def _count(self, before: TargetInfo | None, after: TargetInfo | None) -> None:
        """Keep account of what all targets have together: each of them shows the own labels of all."""
        for info, times in ((before, -1), (after, 1)):
            if info is not None:
                self._labels.update(dict.fromkeys(info.labels, times))
                self._places.update({rows.place_of(info): times})
        self._labels, self._places = +self._labels, +self._places
        own_labels = tuple(sorted(self._labels))
        if own_labels != self._lines.own_labels:
            self._lines.own_labels = own_labels
            for ready in self._ready.values():
                ready.expires = -inf
            self._expires = -inf
