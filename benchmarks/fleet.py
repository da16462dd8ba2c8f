"""Many plants in one exposition, without a socket: what a scrape finds after all of them were refreshed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from benchmarks.gateway import MORNING, PROFILE
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition
from exporter.simulator import Plant, load_profile
from exporter.simulator.profile import Device as Simulated
from exporter.telemetry import (
    Answer,
    Counters,
    Device,
    DeviceReport,
    DirectInput,
    Reading,
    Service,
    Snapshot,
    State,
    TargetInfo,
    TargetStatus,
)

MOMENTS = 5  # at which targets are read; they are not all in the same
APART = timedelta(minutes=7)
REFRESH_SECONDS = 10.0
MESSAGES = 3  # a refresh


class _Said(NamedTuple):
    device: Device
    readings: dict[Service, tuple[Reading, ...]]
    inputs: tuple[DirectInput, ...]


class Fleet:
    """So many targets: whole hybrids with battery and charger, or the inputs of one inverter only."""

    def __init__(self, targets: int, *, whole: bool = True) -> None:
        self.wall = MORNING.timestamp()
        self.now = 1000.0
        self.exposition = Exposition(catalogue.bundled(), lambda: self.now, lambda: self.wall)
        self._infos = [
            TargetInfo(
                f"roof{n:05}", f"192.0.2.{n % 250}", "wss", "pinned", {"site": f"site{n:05}"}, 50.0, 500
            )
            for n in range(targets)
        ]
        self._counters = [Counters(attempts=1, successes=1) for _ in range(targets)]
        self._whole = whole
        self._refreshes = 0

    def updates(self) -> list[tuple[TargetStatus, Snapshot]]:
        """What all targets tell after one more refresh."""
        self._refreshes += 1
        self.now += REFRESH_SECONDS
        self.wall += REFRESH_SECONDS
        began = MORNING + timedelta(seconds=REFRESH_SECONDS) * self._refreshes
        said = [_said(began + place * APART, self._whole) for place in range(MOMENTS)]
        return [
            self._told(place, info, counters, said[place % MOMENTS])
            for place, (info, counters) in enumerate(zip(self._infos, self._counters, strict=True))
        ]

    def refresh(self) -> None:
        for status, snapshot in self.updates():
            self.exposition.update(status, snapshot)

    def _told(
        self, place: int, info: TargetInfo, counters: Counters, said: list[_Said]
    ) -> tuple[TargetStatus, Snapshot]:
        counters.refreshes += 1
        counters.messages_received += MESSAGES
        counters.messages_sent += MESSAGES
        reports = tuple(
            DeviceReport(
                one.device._replace(identity=f"{one.device.identity}{place:05}"),
                {
                    service: Answer(
                        self.now, self.wall, readings, one.inputs if service is Service.DIRECT else ()
                    )
                    for service, readings in one.readings.items()
                },
            )
            for one in said
        )
        snapshot = Snapshot(self.now, self.wall, reports)
        seconds = 0.1 + 0.001 * (place % 50)
        status = TargetStatus(
            info, State.ONLINE, 0.0, counters, True, self.wall, seconds, device_count=len(reports)
        )
        return status, snapshot


def _said(moment: datetime, whole: bool) -> list[_Said]:
    profile = load_profile(PROFILE)
    plant = Plant(profile.plant, timedelta(0))
    values, texts = plant.values(moment), plant.texts(moment)

    def readings(device: Simulated) -> dict[Service, tuple[Reading, ...]]:
        lists = {Service.REAL: device.real, Service.REAL_BATTERY: device.real_battery}
        found = {
            service: tuple(Reading(p.key, p.value.print(values, texts), str(p.unit or "")) for p in points)
            for service, points in lists.items()
            if points is not None and whole
        }
        return found if device.direct is None else {**found, Service.DIRECT: ()}

    return [
        _Said(
            Device(str(device.item["dev_sn"]), "1", int(str(device.item["dev_type"])),
                   int(str(device.item["dev_code"])), str(device.item.get("dev_name", "")),
                   str(device.item.get("dev_model", "")), True),
            readings(device),
            tuple(
                DirectInput(d.name, d.voltage.print(values, texts), "V", d.current.print(values, texts), "A")
                for d in device.direct or ()
            ),
        )
        for device in (profile.devices if whole else profile.devices[:1])
    ]  # fmt: skip
