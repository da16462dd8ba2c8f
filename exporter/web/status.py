"""How a target stands, as `/api/v1/status` says it: what is unknown or too old is null, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dataclasses_json import DataClassJsonMixin

from exporter.metrics.shown import DeviceShown, TargetShown
from exporter.telemetry import State, TargetStatus

IN_TROUBLE = (State.REFUSED, State.LOCKED, State.BACKING_OFF)
BEING_TRIED = (State.CONNECTING, State.AUTHENTICATING)
INVERTERS = ("inverter", "hybrid")
NO_SOURCES = ("battery", "charger", "meter", "accessory")  # what they tell, the inverter tells as well
FAULT = "fault"

# of the many values of a device those that a page or a script asks for first
KEY_VALUES = (
    "pv_power_watts",
    "pv_energy_today_joules",
    "ac_active_power_watts",
    "load_power_watts",
    "grid_import_power_watts",
    "grid_export_power_watts",
    "battery_charge_power_watts",
    "battery_discharge_power_watts",
    "battery_state_of_charge_ratio",
    "battery_state_of_health_ratio",
    "battery_temperature_celsius",
    "internal_temperature_celsius",
)


@dataclass(frozen=True, slots=True)
class NotReloaded(DataClassJsonMixin):
    """A new configuration that was refused; the one before is in force."""

    error: str
    age_seconds: float
    timestamp_seconds: float


@dataclass(frozen=True, slots=True)
class DeviceStatus(DataClassJsonMixin):
    """One device behind the gateway; `values` has only what is known."""

    device: str
    name: str
    model: str
    kind: str
    online: bool | None
    up: bool
    last_refresh_age_seconds: float | None
    last_refresh_timestamp_seconds: float | None
    state: str | None
    faults: tuple[str, ...]
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gateway(DataClassJsonMixin):
    """The gateway itself, as far as its firmware tells."""

    serial: str | None
    hardware: str | None
    firmware: str | None
    faults: float | None
    alarms: float | None
    cloud_connected: bool | None
    wifi_signal_dbm: float | None


@dataclass(frozen=True, slots=True)
class Certificate(DataClassJsonMixin):
    """The certificate that the gateway showed."""

    fingerprint_sha256: str
    expiry_timestamp_seconds: float | None
    expires_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class Plant(DataClassJsonMixin):
    """The power of the whole plant. `without` are the inverters that the gateway has no link to."""

    pv_power_watts: float | None = None
    load_power_watts: float | None = None
    grid_import_power_watts: float | None = None
    grid_export_power_watts: float | None = None
    battery_charge_power_watts: float | None = None
    battery_discharge_power_watts: float | None = None
    battery_state_of_charge_ratio: float | None = None
    pv_energy_today_joules: float | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target(DataClassJsonMixin):
    """One gateway and the plant behind it."""

    name: str
    host: str
    labels: Mapping[str, str]
    transport: str
    verify: str
    state: str
    state_age_seconds: float
    since_timestamp_seconds: float
    problem: bool
    up: bool
    had_first_cycle: bool
    last_refresh_age_seconds: float | None
    last_refresh_timestamp_seconds: float | None
    refresh_duration_seconds: float | None
    retry_in_seconds: float | None
    failing_for_seconds: float | None
    error: str | None
    advice: str | None
    gateway: Gateway
    certificate: Certificate | None
    sun_up: bool | None
    plant: Plant
    devices: tuple[DeviceStatus, ...]


def has_problem(status: TargetStatus, shown: TargetShown) -> bool:
    """Whether somebody should have a look: no session, no readings, or a fault that is reported.

    An attempt does not end an outage: it may take 20 s, and a gateway that is silent is not well meanwhile.
    """
    tried_again = status.failed_into in IN_TROUBLE
    return (
        status.state in IN_TROUBLE
        or (status.state in BEING_TRIED and tried_again)
        or (status.state is State.ONLINE and (status.had_first_cycle or tried_again) and not shown.up)
        or any(shown.gateway.get(name, 0.0) > 0 for name in ("gateway_faults", "gateway_alarms"))
        or any(device.faults or device.state == FAULT for device in shown.devices)
    )


def target_status(status: TargetStatus, shown: TargetShown, now: float, wall: float) -> Target:
    """One target at the monotonic time `now`, which is `wall` on the wall."""
    info = status.info
    failing = status.failing_since is not None and status.state is not State.ONLINE
    return Target(
        name=info.name,
        host=info.host,
        labels=dict(info.labels),
        transport=info.transport,
        verify=info.verify,
        state=str(status.state),
        state_age_seconds=_tenths(now - status.since),
        since_timestamp_seconds=_tenths(wall - (now - status.since)),
        problem=has_problem(status, shown),
        up=shown.up,
        had_first_cycle=status.had_first_cycle,
        last_refresh_age_seconds=None if shown.age is None else _tenths(shown.age),
        last_refresh_timestamp_seconds=status.last_refresh_wall,
        refresh_duration_seconds=status.refresh_seconds,
        retry_in_seconds=_ahead(status.retry_at, now),
        failing_for_seconds=_tenths(now - (status.failing_since or 0.0)) if failing else None,
        error=status.error or None,
        advice=(status.advice or None) if status.error else None,
        gateway=_gateway(shown),
        certificate=_certificate(status, wall),
        sun_up=shown.sun_up,
        plant=plant(shown.devices),
        devices=tuple(map(_device, shown.devices)),
    )


def plant(devices: Iterable[DeviceShown]) -> Plant:
    """The plant's power out of its inverters' values.

    A battery's own device repeats what its inverter says, so it counts only where no inverter tells. PV and
    battery power add up; a sum of which a part is unknown is unknown. What a meter or a battery as a whole
    says is taken from the one inverter that has it: two may well tell of the same meter.
    """
    sources = [device for device in devices if device.kind not in NO_SOURCES]
    linked = [device for device in sources if device.online is not False]

    def total(name: str, *, of_all: bool) -> float | None:
        parts = [
            device.values.get(name)
            for device in linked
            if name in device.values or (device.kind in INVERTERS and (of_all or not device.up))
        ]
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(parts) else None

    def only(name: str, among: Iterable[DeviceShown]) -> float | None:
        found = [device.values[name] for device in among if name in device.values]
        return found[0] if len(found) == 1 else None

    charge = "battery_state_of_charge_ratio"
    told = any(charge in device.values for device in linked)
    batteries = (device for device in devices if device.kind == "battery")
    return Plant(
        pv_power_watts=total("pv_power_watts", of_all=True),
        load_power_watts=only("load_power_watts", linked),
        grid_import_power_watts=only("grid_import_power_watts", linked),
        grid_export_power_watts=only("grid_export_power_watts", linked),
        battery_charge_power_watts=total("battery_charge_power_watts", of_all=False),
        battery_discharge_power_watts=total("battery_discharge_power_watts", of_all=False),
        battery_state_of_charge_ratio=only(charge, linked if told else batteries),
        pv_energy_today_joules=total("pv_energy_today_joules", of_all=True),
        without=tuple(device.identity for device in sources if device.online is False),
    )


def _device(device: DeviceShown) -> DeviceStatus:
    return DeviceStatus(
        device=device.identity,
        name=device.name,
        model=device.model,
        kind=device.kind,
        online=device.online,
        up=device.up,
        last_refresh_age_seconds=None if device.age is None else _tenths(device.age),
        last_refresh_timestamp_seconds=device.last_wall,
        state=device.state,
        faults=device.faults,
        values={name: device.values[name] for name in KEY_VALUES if name in device.values},
    )


def _gateway(shown: TargetShown) -> Gateway:
    values = shown.gateway
    cloud = values.get("gateway_cloud_connected")
    return Gateway(
        serial=shown.serial or None,
        hardware=shown.hardware or None,
        firmware=shown.firmware or None,
        faults=values.get("gateway_faults"),
        alarms=values.get("gateway_alarms"),
        cloud_connected=None if cloud is None else bool(cloud),
        wifi_signal_dbm=values.get("gateway_wifi_signal_dbm"),
    )


def _certificate(status: TargetStatus, wall: float) -> Certificate | None:
    if status.fingerprint is None:
        return None
    expiry = status.certificate_expiry_wall
    return Certificate(status.fingerprint, expiry, None if expiry is None else _tenths(expiry - wall))


def _ahead(moment: float | None, now: float) -> float | None:
    return _tenths(moment - now) if moment is not None and moment > now else None


def _tenths(seconds: float) -> float:
    return round(seconds, 1)
