"""Snapshots and statuses become the body of `/metrics`, from caches only.

`Exposition` is the one interface: `update` after a refresh or a change of state, `forget`, `render` at a
scrape. Lines are made by `update`; a scrape joins them, and makes only those anew that have grown too old.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf

from exporter import sun
from exporter.metrics import families, rows, shown
from exporter.metrics.catalogue import Catalogue
from exporter.metrics.formats import EOF, Format, generate, own_registry
from exporter.metrics.lines import Part
from exporter.metrics.mapping import TargetView
from exporter.metrics.ready import Lines, TargetLines
from exporter.metrics.rows import Row
from exporter.telemetry import Snapshot, TargetInfo, TargetStatus

__all__ = ["Exposition", "Format"]

TARGETS_AT_ONCE = 50  # whose lines are made anew without a pause; about 2 ms


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
        self._labels: Counter[str] = Counter()
        self._reload: tuple[bool, float] | None = None
        self._registry = own_registry()
        self._begin_lines()

    def _begin_lines(self) -> None:
        """Make all lines anew: what a family is may have changed."""
        own_labels = tuple(sorted(self._labels))
        self._lines = Lines(own_labels)
        self._reload_lines = Part()
        self._write_reload()
        self._ready = {name: TargetLines(self._lines, name) for name in self._statuses}

    def update(self, status: TargetStatus, snapshot: Snapshot | None) -> None:
        """Take over how a target stands now, and its readings if they are new."""
        name = status.info.name
        before = self._statuses.get(name)
        self._statuses[name] = status
        if before is None or before.info is not status.info:
            self._label(before.info if before else None, status.info)
        if snapshot is not None and self._snapshots.get(name) is not snapshot:
            self._snapshots[name] = snapshot
            view = self._views.get(name)
            if view is None:
                view = self._views[name] = TargetView(
                    self.catalogue, families.READING, families.DEVICE_STATE, status.info.max_unmapped
                )
            view.update(snapshot, status.info)
        if before is None:
            self._ready[name] = TargetLines(self._lines, name)
        self._make(name, self._clock(), rows.sky_step(self._wall()))

    def forget(self, target: str) -> None:
        """Drop everything about a target that is no longer looked after."""
        status = self._statuses.pop(target, None)
        if status is not None:
            self._label(status.info, None)
        for kept in (self._views, self._snapshots, self._ready):
            kept.pop(target, None)

    def knows(self, target: str) -> bool:
        """Whether there is anything to be shown of a target."""
        return target in self._statuses

    def use(self, catalogue: Catalogue) -> None:
        """Read everything by another catalogue from now on; histories begin anew with the next refresh."""
        self.catalogue = catalogue
        self._views.clear()
        self._snapshots.clear()
        self._begin_lines()

    def samples(self, target: str) -> shown.TargetShown | None:
        """What pages show of a target: nothing that is too old. None if the target is not known any more."""
        status = self._statuses.get(target)
        if status is None:
            return None
        snapshot, view = self._snapshots.get(target), self._views.get(target)
        _, degrees = rows.sky(status.info, rows.sky_step(self._wall()))
        sun_up = None if degrees is None else degrees > sun.HORIZON_DEGREES
        return shown.show(status.info, snapshot, view, self._clock(), sun_up)

    def reloaded(self, *, successful: bool) -> None:
        """The configuration was read again; a bad one changes nothing but this."""
        before = self._reload[1] if self._reload is not None else self._wall()
        self._reload = successful, self._wall() if successful else before
        self._write_reload()

    # Scrapes ---------------------------------------------------------------------------------------

    def render(self, form: Format, target: str | None = None) -> bytes:
        """The body of one scrape; with `target` of that one alone. Never waits for a gateway."""
        for _ in self.freshen(target):
            pass
        return b"".join(self.pieces(form, target))

    def freshen(self, target: str | None = None) -> Iterator[None]:
        """Make those lines anew that say what is no longer true; comes back after every few targets."""
        now, step = self._clock(), rows.sky_step(self._wall())
        made = 0
        for name, ready in list(self._ready.items()) if target is None else self._one(target):
            if now < ready.expires and ready.step == step:
                continue
            if self._ready.get(name) is not ready:
                continue  # forgotten meanwhile
            if now < ready.expires:
                ready.turn_sky(self._statuses[name].info, step)
            else:
                self._make(name, now, step)
            made += 1
            if made % TARGETS_AT_ONCE == 0:
                yield

    def pieces(self, form: Format, target: str | None = None) -> Iterator[bytes]:
        """The body as it is ready now, in large pieces that are joined as they are taken, in any thread."""
        if target is not None:
            end = EOF if form is Format.OPENMETRICS else b""
            return self._lines.columns.joined(form, [ready.pieces for _, ready in self._one(target)], end)
        end = generate(self._registry, form)
        return self._lines.columns.joined(
            form, [self._of_exporter, *(ready.pieces for ready in self._ready.values())], end
        )

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
        self._ready[name].make(status, view, snapshot, now, step)

    def _one(self, target: str) -> list[tuple[str, TargetLines]]:
        ready = self._ready.get(target)
        return [] if ready is None else [(target, ready)]

    def _write_reload(self) -> None:
        told = [] if self._reload is None else list(rows.reload_rows(*self._reload))
        self._reload_lines.write(self._lines.shapes, (), told)
        self._of_exporter = self._lines.put_together([self._reload_lines])

    def _label(self, before: TargetInfo | None, after: TargetInfo | None) -> None:
        """Keep the union of all targets' own labels: each of them shows all of these."""
        self._labels.subtract(list(before.labels) if before is not None else ())
        self._labels.update(list(after.labels) if after is not None else ())
        self._labels = +self._labels
        own_labels = tuple(sorted(self._labels))
        if own_labels != self._lines.own_labels:
            self._lines.own_labels = own_labels
            for ready in self._ready.values():
                ready.expires = -inf
