"""Snapshots and statuses become the body of `/metrics`, from caches only.

`Exposition` is the one interface: `update` after a refresh or a change of state, `forget`, `render` at a
scrape. How the lines come about is nobody else's matter.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import lru_cache

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import exposition as text_format
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from exporter import __version__, sun
from exporter.metrics import families, local_time, shown
from exporter.metrics.catalogue import Catalogue, Family
from exporter.metrics.mapping import TargetView
from exporter.telemetry import Location, Reason, Snapshot, State, TargetInfo, TargetStatus

SUN_STEP_SECONDS = 10.0  # in which it moves by 0.04 degrees

Row = tuple[Family, tuple[str, ...], float]


class Format(Enum):
    """The text formats, by their media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


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
        self._reload: tuple[bool, float] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(_TargetsCollector(self.rows))
        self._registry.register(_BuildInfo())
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def update(self, status: TargetStatus, snapshot: Snapshot | None) -> None:
        """Take over how a target stands now, and its readings if they are new."""
        name = status.info.name
        self._statuses[name] = status
        if snapshot is None or self._snapshots.get(name) is snapshot:
            return
        self._snapshots[name] = snapshot
        view = self._views.get(name)
        if view is None:
            view = self._views[name] = TargetView(
                self.catalogue, families.READING, families.DEVICE_STATE, status.info.max_unmapped
            )
        view.update(snapshot, status.info)

    def forget(self, target: str) -> None:
        """Drop everything about a target that is no longer looked after."""
        for kept in (self._views, self._statuses, self._snapshots):
            kept.pop(target, None)

    def knows(self, target: str) -> bool:
        """Whether there is anything to be shown of a target."""
        return target in self._statuses

    def use(self, catalogue: Catalogue) -> None:
        """Read everything by another catalogue from now on; histories begin anew with the next refresh."""
        self.catalogue = catalogue
        self._views.clear()
        self._snapshots.clear()

    def samples(self, target: str) -> shown.TargetShown | None:
        """What pages show of a target: nothing that is too old. None if the target is not known any more."""
        status = self._statuses.get(target)
        if status is None:
            return None
        snapshot, view = self._snapshots.get(target), self._views.get(target)
        sun_up = None if status.info.location is None else _sun_is_up(status.info.location, self._wall())
        return shown.show(status.info, snapshot, view, self._clock(), sun_up)

    def reloaded(self, *, successful: bool) -> None:
        """The configuration was read again; a bad one changes nothing but this."""
        before = self._reload[1] if self._reload is not None else self._wall()
        self._reload = successful, self._wall() if successful else before

    def render(self, form: Format, target: str | None = None) -> bytes:
        """The body of one scrape; with `target` of that one alone. Never waits for a gateway."""
        registry = self._registry
        if target is not None:
            registry = CollectorRegistry()
            registry.register(_TargetsCollector(lambda: self.rows(target)))
        if form is Format.OPENMETRICS:
            return bytes(openmetrics.generate_latest(registry))  # type: ignore[no-untyped-call]
        return text_format.generate_latest(registry)

    def rows(self, target: str | None = None) -> Iterator[Row]:
        """Every sample of every target, or of one, as family, label values and value."""
        if target is None and self._reload is not None:
            yield families.CONFIG_RELOAD_SUCCESSFUL, (), float(self._reload[0])
            yield families.CONFIG_RELOAD_TIMESTAMP, (), self._reload[1]
        now = self._clock()
        own_labels = tuple(sorted({name for s in self._statuses.values() for name in s.info.labels}))
        info = families.target_info(own_labels)
        for name, status in self._statuses.items():
            if target not in (None, name):
                continue
            view, snapshot = self._views.get(name), self._snapshots.get(name)
            yield info, _info_labels(status, view, own_labels), 1.0
            yield from _own_rows(status.info, self._wall())
            up = shown.is_up(status.info, snapshot, now)
            yield from _status_rows(status, view, up)
            if view is not None:
                aged = shown.aged_before(status.info, view, now)
                yield from _gateway_rows(status.info, view, aged)
                yield from _device_rows(status, view, now, aged, up)


def _info_labels(
    status: TargetStatus, view: TargetView | None, own_labels: tuple[str, ...]
) -> tuple[str, ...]:
    info = status.info
    own = (info.labels.get(label, "") for label in own_labels)
    firmware = view.gateway.firmware if view is not None else ""
    return (info.name, info.host, info.transport, info.verify, firmware, *own)


def _own_rows(info: TargetInfo, wall: float) -> Iterator[Row]:
    """What is known without asking the gateway: from the configuration, the calendar and the sky."""
    target = (info.name,)
    yield families.LOCAL_MIDNIGHT, target, local_time.last_midnight(info.timezone, wall)
    if info.location is not None:
        yield families.SUN_ELEVATION, target, _sun_degrees(info.location, wall)
        yield families.SUN_UP, target, float(_sun_is_up(info.location, wall))
    for serial, own in info.devices.items():
        if own.rated_power_watts is not None:
            yield families.DEVICE_RATED_POWER, (*target, serial), own.rated_power_watts
        for number, string in own.strings.items():
            yield families.STRING_INFO, (*target, serial, number, string.name, string.group), 1.0


def _sun_is_up(location: Location, wall: float) -> bool:
    return _sun_degrees(location, wall) > sun.HORIZON_DEGREES


def _sun_degrees(location: Location, wall: float) -> float:
    return _sun_elevation(location, wall // SUN_STEP_SECONDS * SUN_STEP_SECONDS)


@lru_cache(maxsize=10_000)
def _sun_elevation(location: Location, wall: float) -> float:
    """To a hundredth of a degree; many targets stand in one place, and many scrapes come at one time."""
    return round(sun.elevation(location, wall), 2)


def _gateway_rows(info: TargetInfo, view: TargetView, aged: float) -> Iterator[Row]:
    """Answers taken before `aged` are too old."""
    target, gateway = (info.name,), view.gateway
    if gateway.serial or gateway.hardware or gateway.firmware:
        yield families.GATEWAY_INFO, (*target, gateway.serial, gateway.hardware, gateway.firmware), 1.0
    for sample in gateway.samples(aged):
        yield sample.family, (*target, *sample.labels), sample.value


def _status_rows(status: TargetStatus, view: TargetView | None, up: bool) -> Iterator[Row]:
    target = (status.info.name,)
    counters = status.counters
    yield families.ATTEMPTS, target, counters.attempts
    yield families.SUCCESSES, target, counters.successes
    yield families.FAILURES, target, counters.failures
    yield families.RECONNECTIONS, target, counters.reconnections
    yield families.RECEIVED, target, counters.messages_received
    yield families.SENT, target, counters.messages_sent
    yield families.TIMEOUTS, target, counters.request_timeouts
    yield families.WATCHDOG, target, counters.watchdog_triggers
    yield families.SCHEMA_ERRORS, target, counters.schema_errors
    yield families.CERTIFICATE_CHANGES, target, counters.certificate_changes
    yield families.REFRESHES, target, counters.refreshes
    yield families.REFRESH_FAILURES, target, counters.refresh_failures
    dropped = view.errors if view is not None else {}
    for reason in Reason:
        yield families.ERRORS, (*target, reason), counters.errors.get(reason, 0) + dropped.get(reason, 0)
    for state in State:
        yield families.STATE, (*target, state), float(state is status.state)
    yield families.UP, target, float(up)
    if status.last_refresh_wall is not None:
        yield families.LAST_REFRESH, target, status.last_refresh_wall
    if status.refresh_seconds is not None:
        yield families.DURATION, target, status.refresh_seconds
    if up and status.device_count is not None:
        yield families.DEVICES, target, status.device_count
    if status.certificate_expiry_wall is not None:
        yield families.CERTIFICATE_EXPIRY, target, status.certificate_expiry_wall


def _device_rows(status: TargetStatus, view: TargetView, now: float, aged: float, up: bool) -> Iterator[Row]:
    target = status.info.name
    unmapped: set[str] = set()
    for (identity, family), times in view.resets.items():
        yield families.COUNTER_RESETS, (target, identity, family), times
    for identity, device in view.devices.items():
        labels = (target, identity)
        facts = device.device
        unmapped |= device.unmapped
        name = shown.device_name(status.info, identity, device)
        yield (
            families.DEVICE_INFO,
            (*labels, name, facts.model, device.kind, str(facts.dev_type), str(facts.dev_code)),
            1.0,
        )
        if up and facts.online is not None:
            yield families.DEVICE_ONLINE, labels, float(facts.online)
        fresh = device.last_at is not None and now - device.last_at <= status.info.stale_after
        yield families.DEVICE_UP, labels, float(fresh)
        if device.last_wall is not None:
            yield families.DEVICE_LAST_REFRESH, labels, device.last_wall
        for code in shown.fault_codes(device, aged):
            yield families.DEVICE_FAULT, (*labels, code), 1.0
        for sample in shown.fresh_samples(status.info, device, now):
            yield sample.family, (*labels, *sample.labels), sample.value
    if up:
        yield families.UNMAPPED, (target,), len(unmapped)


class _TargetsCollector(Collector):
    """Groups the rows by family, as both text formats demand."""

    def __init__(self, rows: Callable[[], Iterable[Row]]) -> None:
        self._rows = rows

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        metrics: dict[Family, Metric] = {}
        for family, labels, value in self._rows():
            metric = metrics.get(family)
            if metric is None:
                name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
                metric = metrics[family] = Metric(name, family.help, family.kind)
            metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
        yield from metrics.values()


class _BuildInfo(Collector):
    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        metric = Metric("winet2_exporter_build_info", "Version of exporter and Python; always 1.", "gauge")
        labels = {"version": __version__, "pythonversion": platform.python_version()}
        metric.add_sample("winet2_exporter_build_info", labels, 1.0)
        yield metric
