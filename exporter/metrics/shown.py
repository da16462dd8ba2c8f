"""What pages show of one target: the values of `/metrics` without their labels, and as fresh as there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.metrics import families
from exporter.metrics.device_view import DeviceView
from exporter.metrics.family import PREFIX
from exporter.metrics.mapping import TargetView
from exporter.metrics.slots import Sample
from exporter.telemetry import Snapshot, TargetInfo

SECONDS_A_DEVICE = 10.0  # by which a round of the rarer questions takes longer


class DeviceShown(NamedTuple):
    """One listed device. `values` are by family name without prefix; what is unknown or too old is not there.

    `age` and `last_wall` are of the newest reading, however old; `online` is the gateway's link to it.
    """

    identity: str
    name: str
    model: str
    kind: str
    online: bool | None
    up: bool
    age: float | None
    last_wall: float | None
    state: str | None
    faults: tuple[str, ...]
    values: Mapping[str, float]


class TargetShown(NamedTuple):
    """One target. `age` is of the newest readings, however old; `gateway` is like a device's `values`."""

    up: bool
    age: float | None
    serial: str
    hardware: str
    firmware: str
    gateway: Mapping[str, float]
    sun_up: bool | None
    devices: tuple[DeviceShown, ...]


def show(
    info: TargetInfo, snapshot: Snapshot | None, view: TargetView | None, now: float, sun_up: bool | None
) -> TargetShown:
    """Everything about a target at the monotonic time `now`."""
    up = is_up(info, snapshot, now)
    age = None if snapshot is None else now - snapshot.taken_at
    if view is None:
        return TargetShown(up, age, "", "", "", {}, sun_up, ())
    gateway, aged = view.gateway, aged_before(info, view, now)
    return TargetShown(
        up,
        age,
        gateway.serial,
        gateway.hardware,
        gateway.firmware,
        {_plain(sample): sample.value for sample in gateway.samples(aged) if not sample.labels},
        sun_up,
        tuple(_device(info, identity, device, now, aged, up) for identity, device in view.devices.items()),
    )


def is_up(info: TargetInfo, snapshot: Snapshot | None, now: float) -> bool:
    return snapshot is not None and is_fresh(info, snapshot.taken_at, now)


def is_fresh(info: TargetInfo, taken_at: float | None, now: float) -> bool:
    """Whether what was read then (monotonic; None is never) is not too old."""
    return taken_at is not None and now - taken_at <= info.stale_after


def aged_before(info: TargetInfo, view: TargetView, now: float) -> float:
    """Answers to the rarer questions that were taken before this are too old."""
    return now - info.gateway_stale_after - SECONDS_A_DEVICE * len(view.devices)


def device_name(info: TargetInfo, identity: str, device: DeviceView) -> str:
    """The user's own, else the gateway's."""
    own = info.devices.get(identity)
    return own.name if own is not None and own.name else device.device.name


def fault_codes(device: DeviceView, aged: float) -> tuple[str, ...]:
    if device.faults is None or device.faults.taken_at < aged:
        return ()
    return tuple(dict.fromkeys(row.code for row in device.faults.rows))


def fault_words(device: DeviceView, aged: float) -> tuple[str, ...]:
    """Each fault for people: its code, and what the gateway calls it where it does."""
    rows = device.faults.rows if device.faults is not None and fault_codes(device, aged) else ()
    return tuple(
        dict.fromkeys(f"{r.code} ({r.name})" if r.name not in ("", r.code) else r.code for r in rows)
    )


def fresh_samples(info: TargetInfo, device: DeviceView, now: float) -> Iterator[Sample]:
    """The samples of every answer that is not too old."""
    for entries in device.entries.values():
        if is_fresh(info, entries.taken_at, now):
            yield from entries.samples()


def _device(
    info: TargetInfo, identity: str, device: DeviceView, now: float, aged: float, up: bool
) -> DeviceShown:
    values: dict[str, float] = {}
    state = None
    for sample in fresh_samples(info, device, now):
        if not sample.labels:
            values[_plain(sample)] = sample.value
        elif sample.family is families.DEVICE_STATE and sample.value:
            state = sample.labels[0]
    age = None if device.last_at is None else now - device.last_at
    return DeviceShown(
        identity,
        device_name(info, identity, device),
        device.device.model,
        device.kind,
        device.device.online if up else None,
        age is not None and age <= info.stale_after,
        age,
        device.last_wall,
        state,
        fault_words(device, aged),
        values,
    )


def _plain(sample: Sample) -> str:
    return sample.family.name.removeprefix(PREFIX)
