"""What there is to say of a target, and when each of it is true no longer. Pure: no caches, no text.

A row is a family, the values of its labels behind those that all rows of its part share (nothing, the
target, or target and device), and a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import inf
from operator import attrgetter

from exporter import sun
from exporter.metrics import families, local_time, shown
from exporter.metrics.family import Family
from exporter.metrics.mapping import DeviceView, TargetView
from exporter.telemetry import Counters, Location, Reason, Snapshot, State, TargetInfo, TargetStatus

SKY_STEP_SECONDS = 10.0  # in which the sun moves by 0.04 degrees; local days begin at whole steps

Row = tuple[Family, tuple[str, ...], float]
Place = tuple[str | None, Location | None]  # timezone and location
Sky = tuple[float, float | None]  # the last midnight, and the sun's height in degrees


# Of the exporter, and of targets whether they answer or not ------------------------------------------


def reload_rows(successful: bool, wall: float) -> Iterator[Row]:
    yield families.CONFIG_RELOAD_SUCCESSFUL, (), float(successful)
    yield families.CONFIG_RELOAD_TIMESTAMP, (), wall


def info_row(info: TargetInfo, firmware: str, own_labels: tuple[str, ...]) -> Row:
    """`own_labels` are the names that any target's labels have."""
    own = (info.labels.get(label, "") for label in own_labels)
    return families.target_info(own_labels), (info.host, info.transport, info.verify, firmware, *own), 1.0


def sky_step(wall: float) -> float:
    """The wall clock in whole steps: what the sky shows is the same within one."""
    return wall // SKY_STEP_SECONDS * SKY_STEP_SECONDS


def place_of(info: TargetInfo) -> Place:
    """All that the sky depends on beside the time."""
    return info.timezone, info.location


def sky(timezone: str | None, location: Location | None, step: float) -> Sky:
    """When the local day began, and the height of the sun, None where the location is not known."""
    return _midnight(timezone, step), sun_degrees(location, step) if location is not None else None


def sky_rows(midnight: float, degrees: float | None) -> Iterator[Row]:
    yield families.LOCAL_MIDNIGHT, (), midnight
    if degrees is not None:
        yield families.SUN_ELEVATION, (), degrees
        yield families.SUN_UP, (), float(degrees > sun.HORIZON_DEGREES)


def own_rows(info: TargetInfo) -> Iterator[Row]:
    """What the configuration tells of devices."""
    for serial, own in info.devices.items():
        if own.rated_power_watts is not None:
            yield families.DEVICE_RATED_POWER, (serial,), float(own.rated_power_watts)
        for number, string in own.strings.items():
            yield families.STRING_INFO, (serial, number, string.name, string.group), 1.0


@lru_cache(maxsize=10_000)
def sun_degrees(location: Location, wall: float) -> float:
    """To a hundredth of a degree; many targets stand in one place, and many scrapes come at one time."""
    return round(sun.elevation(location, wall), 2)


@lru_cache(maxsize=1_000)
def _midnight(zone: str | None, wall: float) -> float:
    return local_time.last_midnight(zone, wall)


# Of the session --------------------------------------------------------------------------------------


_counts = attrgetter(
    "attempts",
    "successes",
    "failures",
    "reconnections",
    "messages_received",
    "messages_sent",
    "request_timeouts",
    "watchdog_triggers",
    "schema_errors",
    "certificate_changes",
    "refreshes",
    "refresh_failures",
)
_COUNTS = (
    families.ATTEMPTS,
    families.SUCCESSES,
    families.FAILURES,
    families.RECONNECTIONS,
    families.RECEIVED,
    families.SENT,
    families.TIMEOUTS,
    families.WATCHDOG,
    families.SCHEMA_ERRORS,
    families.CERTIFICATE_CHANGES,
    families.REFRESHES,
    families.REFRESH_FAILURES,
)


def counts(counters: Counters) -> tuple[int, ...]:
    """Every count but the errors, in the order of their families."""
    return tuple(_counts(counters))


def count_rows(counted: tuple[int, ...]) -> Iterator[Row]:
    for family, count in zip(_COUNTS, counted, strict=True):
        yield family, (), float(count)


def error_rows(counted: dict[Reason, int], dropped: dict[Reason, int]) -> Iterator[Row]:
    """Errors of the session and readings that were dropped; every reason is there from the start."""
    for reason in Reason:
        yield _common_row(families.ERRORS, reason, float(counted.get(reason, 0) + dropped.get(reason, 0)))


def state_rows(present: State) -> Iterator[Row]:
    for state in State:
        yield _common_row(families.STATE, state, float(state is present))


@lru_cache(maxsize=1_000)
def _common_row(family: Family, label: str, value: float) -> Row:
    """A row that most targets have; they share it."""
    return family, (label,), value


def up_rows(status: TargetStatus, up: bool) -> Iterator[Row]:
    yield families.UP, (), float(up)
    if status.last_refresh_wall is not None:
        yield families.LAST_REFRESH, (), float(status.last_refresh_wall)
    if status.refresh_seconds is not None:
        yield families.DURATION, (), float(status.refresh_seconds)
    if up and status.device_count is not None:
        yield families.DEVICES, (), float(status.device_count)
    if status.certificate_expiry_wall is not None:
        yield families.CERTIFICATE_EXPIRY, (), float(status.certificate_expiry_wall)


# Of the gateway and its devices ----------------------------------------------------------------------


def gateway_rows(view: TargetView, aged: float) -> Iterator[Row]:
    """Answers taken before `aged` are too old."""
    gateway = view.gateway
    if gateway.serial or gateway.hardware or gateway.firmware:
        yield families.GATEWAY_INFO, (gateway.serial, gateway.hardware, gateway.firmware), 1.0
    yield from gateway.samples(aged)


def reset_rows(resets: dict[tuple[str, str], int]) -> Iterator[Row]:
    for (identity, family), times in resets.items():
        yield families.COUNTER_RESETS, (identity, family), float(times)


def device_rows(
    info: TargetInfo, identity: str, device: DeviceView, now: float, aged: float, up: bool
) -> Iterator[Row]:
    """What is known of a device beside its readings."""
    facts = device.device
    name = shown.device_name(info, identity, device)
    known = (name, facts.model, device.kind, str(facts.dev_type), str(facts.dev_code))
    yield families.DEVICE_INFO, known, 1.0
    if up and facts.online is not None:
        yield families.DEVICE_ONLINE, (), float(facts.online)
    yield families.DEVICE_UP, (), float(_is_fresh(info, device.last_at, now))
    if device.last_wall is not None:
        yield families.DEVICE_LAST_REFRESH, (), float(device.last_wall)
    for code in shown.fault_codes(device, aged):
        yield families.DEVICE_FAULT, (code,), 1.0


def unmapped_rows(view: TargetView, up: bool) -> Iterator[Row]:
    if up:
        yield families.UNMAPPED, (), float(view.unmapped)


def target_rows(
    status: TargetStatus,
    view: TargetView | None,
    snapshot: Snapshot | None,
    own_labels: tuple[str, ...],
    now: float,
    wall: float,
) -> Iterator[Row]:
    """All of one target from scratch, with all labels: what ready lines have to agree with."""
    info = status.info
    target = (info.name,)
    up = shown.is_up(info, snapshot, now)
    firmware = view.gateway.firmware if view is not None else ""
    dropped = view.errors if view is not None else {}
    rows = [
        info_row(info, firmware, own_labels),
        *sky_rows(*sky(*place_of(info), sky_step(wall))),
        *own_rows(info),
    ]
    rows += [*count_rows(counts(status.counters)), *error_rows(status.counters.errors, dropped)]
    rows += [*state_rows(status.state), *up_rows(status, up)]
    if view is not None:
        aged = shown.aged_before(info, view, now)
        rows += [*gateway_rows(view, aged), *reset_rows(view.resets)]
        for identity, device in view.devices.items():
            of_device = [*device_rows(info, identity, device, now, aged, up)]
            of_device += shown.fresh_samples(info, device, now)
            rows += [(family, (identity, *labels), value) for family, labels, value in of_device]
        rows += unmapped_rows(view, up)
    for family, labels, value in rows:
        yield family, (*target, *labels), value


# Until when ------------------------------------------------------------------------------------------


def _is_fresh(info: TargetInfo, taken_at: float | None, now: float) -> bool:
    return taken_at is not None and now - taken_at <= info.stale_after


def expiry(info: TargetInfo, view: TargetView | None, snapshot: Snapshot | None, now: float) -> float:
    """The first moment after `now` (monotonic) at which something of the target will have grown too old."""
    taken = [] if snapshot is None else [snapshot.taken_at]
    rarely: list[float] = []
    if view is not None:
        for device in view.devices.values():
            taken += [answered.taken_at for answered in device.answered.values()]
            if device.last_at is not None:
                taken.append(device.last_at)
            if device.faults is not None:
                rarely.append(device.faults.taken_at)
        rarely += view.gateway.taken_at()
        aged = shown.aged_before(info, view, now)
        # what was taken at `aged` is shown until now
        rarely = [at - aged + now for at in rarely if at >= aged]
    return min([at + info.stale_after for at in taken if now - at <= info.stale_after] + rarely, default=inf)
