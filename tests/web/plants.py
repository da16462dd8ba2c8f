"""Targets put in at the seam: statuses and readings, without a gateway, on a clock that is moved by hand."""

from collections.abc import Iterable
from dataclasses import replace

from exporter.metrics.exposition import Exposition
from exporter.telemetry import (
    Answer,
    Counters,
    Device,
    DeviceReport,
    GatewayService,
    Reading,
    Service,
    Snapshot,
    State,
    TargetInfo,
    TargetStatus,
)
from exporter.web.server import Server
from tests.harness import CATALOGUE

WALL = 1_780_000_000.0
KEYS = {
    "pv": ("I18N_COMMON_TOTAL_DCPOWER", "kW"),
    "today": ("I18N_COMMON_DAILY_POWER_YIELD", "kWh"),
    "ac": ("I18N_COMMON_TOTAL_ACTIVE_POWER", "kW"),
    "load": ("I18N_COMMON_LOAD_TOTAL_ACTIVE_POWER", "kW"),
    "import": ("I18N_CONFIG_KEY_4060", "kW"),
    "export": ("I18N_COMMON_FEED_NETWORK_TOTAL_ACTIVE_POWER", "kW"),
    "charge": ("I18N_CONFIG_KEY_3907", "kW"),
    "discharge": ("I18N_CONFIG_KEY_3921", "kW"),
    "soc": ("I18N_COMMON_BATTERY_SOC", "%"),
    "state": ("I18N_COMMON_RUNNING_STATE", ""),
}
TYPES = {"inverter": 1, "hybrid": 35, "battery": 44, "charger": 46, "meter": 18, "unknown": 9999}


class Plants:
    """`add` targets and `refresh` them; `server()` is in front of all."""

    def __init__(self) -> None:
        self.now = 100_000.0
        self.exposition = Exposition(CATALOGUE, lambda: self.now, self.wall)
        self.statuses: dict[str, TargetStatus] = {}

    def wall(self) -> float:
        return WALL + self.now - 100_000.0

    def server(self, **options: object) -> Server:
        return Server(
            self.exposition,
            lambda: self.statuses,
            lambda: True,
            clock=lambda: self.now,
            wall=self.wall,
            **options,
        )

    def add(
        self,
        name: str = "roof",
        state: State = State.ONLINE,
        devices: Iterable[DeviceReport] | None = (),
        gateway: dict[GatewayService, list[Reading]] | None = None,
        **more: object,
    ) -> TargetStatus:
        """A target; `devices` None is one that was never read. `more` is of its status or its info."""
        own = {key: more.pop(key) for key in list(more) if key in TargetInfo.__slots__}
        info = replace(TargetInfo(name, "192.0.2.10", "wss", "bypass", {}, 50.0, 500), **own)
        base = {"info": info, "state": state, "since": self.now - 5.0, "counters": Counters()}
        if devices is not None:
            base |= {"had_first_cycle": True, "last_refresh_wall": self.wall()}
        status = self.statuses[name] = TargetStatus(**{**base, **more})
        answers = {service: self.answer(*readings) for service, readings in (gateway or {}).items()}
        snapshot = None if devices is None else Snapshot(self.now, self.wall(), tuple(devices), answers)
        self.exposition.update(status, snapshot)
        return status

    def answer(self, *readings: Reading) -> Answer:
        return Answer(self.now, self.wall(), readings)

    def device(
        self, kind: str = "hybrid", identity: str = "A1", online: bool | None = True, **values: object
    ) -> DeviceReport:
        """A device that says `values` by the short names of `KEYS`; `name` and `model` are its own."""
        name, model = str(values.pop("name", f"{kind} {identity}")), str(values.pop("model", "SH5.0RS"))
        readings = [Reading(KEYS[key][0], str(value), KEYS[key][1]) for key, value in values.items()]
        answers = {Service.REAL: self.answer(*readings)} if readings else {}
        return DeviceReport(Device(identity, "1", TYPES[kind], 1, name, model, online), answers)

    def house(self, name: str = "roof", pv: float = 3.5, **more: object) -> TargetStatus:
        """A hybrid with its battery: everything flows."""
        hybrid = self.device(pv=pv, today=7.1, ac=2.3, load=1.2, **{"import": 0, "export": 1.1}, charge=1.2,
                             discharge=0, soc=64, state="I18N_COMMON_ENERGY_DISPATCH_OPERATION")  # fmt: skip
        return self.add(name, devices=[hybrid, self.device("battery", "B1", soc=63, charge=9)], **more)
