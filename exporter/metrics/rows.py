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
from exporter.metrics.device_view import DeviceView
from exporter.metrics.family import Family
from exporter.metrics.heads import Heads, heads_of
from exporter.metrics.mapping import TargetView
from exporter.metrics.slots import Values
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


_COUNTS = (
    (families.ATTEMPTS, "attempts"),
    (families.SUCCESSES, "successes"),
    (families.FAILURES, "failures"),
    (families.RECONNECTIONS, "reconnections"),
    (families.RECEIVED, "messages_received"),
    (families.SENT, "messages_sent"),
    (families.TIMEOUTS, "request_timeouts"),
    (families.WATCHDOG, "watchdog_triggers"),
    (families.SCHEMA_ERRORS, "schema_errors"),
    (families.CERTIFICATE_CHANGES, "certificate_changes"),
    (families.REFRESHES, "refreshes"),
    (families.REFRESH_FAILURES, "refresh_failures"),
)
COUNTS = heads_of(tuple((family, ()) for family, _ in _COUNTS))
_counts = attrgetter(*(name for _, name in _COUNTS))


def counts(counters: Counters) -> Values:
    """Every count but the errors, in the order of `COUNTS`."""
    return list(map(float, _counts(counters)))


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


TIMES = heads_of(
    tuple(
        (family, ())
        for family in (
            families.UP,
            families.LAST_REFRESH,
            families.DURATION,
            families.DEVICES,
            families.CERTIFICATE_EXPIRY,
        )
    )
)


def times(status: TargetStatus, up: bool) -> Values:
    """How a target stands, in the order of `TIMES`."""
    devices = status.device_count
    return [
        float(up),
        status.last_refresh_wall,
        status.refresh_seconds,
        float(devices) if up and devices is not None else None,
        status.certificate_expiry_wall,
    ]


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


def facts(
    info: TargetInfo, identity: str, device: DeviceView, aged: float, up: bool
) -> tuple[tuple[str, ...], bool | None, tuple[str, ...]]:
    """What is known of a device beside its readings: the labels of its info, its link, and fault codes."""
    told = device.device
    name = shown.device_name(info, identity, device)
    known = (name, told.model, device.kind, str(told.dev_type), str(told.dev_code))
    return known, told.online if up else None, shown.fault_codes(device, aged)


def fact_rows(known: tuple[str, ...], online: bool | None, codes: tuple[str, ...]) -> Iterator[Row]:
    yield families.DEVICE_INFO, known, 1.0
    if online is not None:
        yield families.DEVICE_ONLINE, (), float(online)
    for code in codes:
        yield families.DEVICE_FAULT, (code,), 1.0


FRESHNESS = heads_of(((families.DEVICE_UP, ()), (families.DEVICE_LAST_REFRESH, ())))


def freshness(info: TargetInfo, device: DeviceView, now: float) -> Values:
    """How old a device's readings are, in the order of `FRESHNESS`."""
    return [float(shown.is_fresh(info, device.last_at, now)), device.last_wall]


def unmapped_rows(unmapped: int | None) -> Iterator[Row]:
    if unmapped is not None:
        yield families.UNMAPPED, (), float(unmapped)


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
        *_rows(COUNTS, counts(status.counters)),
        *error_rows(status.counters.errors, dropped),
        *state_rows(status.state),
        *_rows(TIMES, times(status, up)),
    ]
    if view is not None:
        aged = shown.aged_before(info, view, now)
        rows += [*gateway_rows(view, aged), *reset_rows(view.resets)]
        for identity, device in view.devices.items():
            of_device = [
                *fact_rows(*facts(info, identity, device, aged, up)),
                *_rows(FRESHNESS, freshness(info, device, now)),
                *shown.fresh_samples(info, device, now),
            ]
            rows += [(family, (identity, *labels), value) for family, labels, value in of_device]
        rows += unmapped_rows(view.unmapped if up else None)
    for family, labels, value in rows:
        yield family, (*target, *labels), value


def _rows(heads: Heads, values: Values) -> Iterator[Row]:
    for (family, labels), value in zip(heads.all, values, strict=True):
        if value is not None:
            yield family, labels, value


# Until when ------------------------------------------------------------------------------------------


def expiry(info: TargetInfo, view: TargetView | None, snapshot: Snapshot | None, now: float) -> float:
    """The first moment after `now` (monotonic) at which something of the target will have grown too old."""
    taken = [] if snapshot is None else [snapshot.taken_at]
    rarely: list[float] = []
    if view is not None:
        for device in view.devices.values():
            taken += [entries.taken_at for entries in device.entries.values() if entries.taken_at is not None]
            if device.last_at is not None:
                taken.append(device.last_at)
            if device.faults is not None:
                rarely.append(device.faults.taken_at)
        rarely += view.gateway.taken_at()
        aged = shown.aged_before(info, view, now)
        # what was taken at `aged` is shown until now
        rarely = [at - aged + now for at in rarely if at >= aged]
    oldest = now - info.stale_after
    return min([at + info.stale_after for at in taken if at >= oldest] + rarely, default=inf)
