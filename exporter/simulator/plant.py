"""The solar plant behind a simulated gateway: what every quantity is at a given moment.

Everything is a pure function of the moment. Lifetime totals are base + whole days x the day's energy +
today's, so that two readers agree whatever the order of their questions, and so that a total is exactly the
integral of its power.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from exporter.simulator.day import MINUTES, Battery, Charger, Day, Mppt

Now = Callable[[], datetime]

_GRID_VOLTS = 231.0
_STANDBY_BELOW_KW = 0.02


@dataclass(frozen=True)
class PlantSpec:
    """What a plant consists of."""

    rated_kw: float
    mppts: tuple[Mppt, ...]
    phases: int = 1
    base_load_kw: float = 0.3
    battery: Battery | None = None
    charger: Charger | None = None
    commissioned: date = date(2022, 1, 1)
    totals: Mapping[str, float] = field(default_factory=dict)
    """kWh that a total showed on the day of commissioning, by flow; 0 for those not named."""
    run_state: str = "I18N_COMMON_DISPATCH_RUN"
    standby_state: str = "I18N_COMMON_STANDBY"
    fixed_hour: float | None = None
    """An hour at which this plant's clock stands still, for a recording of one moment. No value changes."""


class Plant:
    """A plant whose clock has the given distance from UTC all year round, as inverters are commonly set."""

    def __init__(self, spec: PlantSpec, utc_offset: timedelta = timedelta(0)) -> None:
        self.spec = spec
        self.zone = timezone(utc_offset)
        self._day = _day(spec.mppts, spec.rated_kw, spec.base_load_kw, spec.battery, spec.charger)

    @property
    def flows(self) -> tuple[str, ...]:
        """Names of everything that flows: `pv`, `load`, `export`, `mppt1` …"""
        return tuple(self._day.flows)

    def local(self, moment: datetime) -> datetime:
        """The moment by the plant's clock."""
        local = moment.astimezone(self.zone)
        if self.spec.fixed_hour is None:
            return local
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(hours=self.spec.fixed_hour)

    def power(self, flow: str, moment: datetime) -> float:
        """Power of a flow in kW."""
        return self._day.power(flow, _minute(self.local(moment)))

    def day_energy(self, flow: str) -> float:
        """Energy of one whole day in kWh; all days are alike."""
        return _exact(self._day.energy(flow, MINUTES))

    def today(self, flow: str, moment: datetime) -> float:
        """Energy since the plant's midnight in kWh."""
        return self._day.energy(flow, _minute(self.local(moment)))

    def total(self, flow: str, moment: datetime) -> float:
        """Energy since commissioning in kWh, plus what the plant brought along."""
        before_today = self._days(moment) * self.day_energy(flow)
        return _exact(self.spec.totals.get(flow, 0.0)) + before_today + self.today(flow, moment)

    def _days(self, moment: datetime) -> int:
        """Whole days since commissioning; where the clock stands still, none has ever passed."""
        if self.spec.fixed_hour is not None:
            return 0
        return (self.local(moment).date() - self.spec.commissioned).days

    def energy(self, flow: str, since: datetime, until: datetime) -> float:
        """Energy between two moments in kWh."""
        return self.total(flow, until) - self.total(flow, since)

    def running(self, moment: datetime) -> bool:
        """Whether the inverter does anything: sun on the panels, or the battery at work."""
        at_work = sum(self.power(flow, moment) for flow in ("pv", "charge", "discharge"))
        return at_work > _STANDBY_BELOW_KW

    def texts(self, moment: datetime) -> dict[str, str]:
        """All quantities that are no numbers: states, and the gateway's clock."""
        battery_busy = self.power("charge", moment) + self.power("discharge", moment) > _STANDBY_BELOW_KW
        car = self.power("charger", moment) > 0
        return {
            "state": self.spec.run_state if self.running(moment) else self.spec.standby_state,
            "battery_state": "I18N_COMMON_STATUS_RUN" if battery_busy else "I18N_COMMON_STANDBY",
            "charger_state": "I18N_COMMON_CHARGING" if car else "I18N_COMMON_STANDBY",
            "state_number": "33280" if self.running(moment) else "5120",
            "system_time": self.local(moment).strftime("%Y-%m-%d %H:%M"),
        }

    def values(self, moment: datetime) -> dict[str, float]:
        """All quantities that are numbers, by name: in kW and kWh, V and A, Hz, %, °C."""
        values: dict[str, float] = {}
        for flow in self._day.flows:
            values[f"{flow}_power"] = self.power(flow, moment)
            values[f"{flow}_today"] = self.today(flow, moment)
            values[f"{flow}_total"] = self.total(flow, moment)
        values.update(self._grid(moment, values))
        values.update(self._inputs(values))
        values.update(self._battery(moment, values))
        values.update(self._inverter(moment, values))
        return values

    def _grid(self, moment: datetime, values: Mapping[str, float]) -> dict[str, float]:
        minute = _minute(self.local(moment))
        running = self.running(moment)
        active = values["ac_power"]
        reactive = 0.03 * active * math.sin(minute / 17) if running else 0.0
        apparent = math.hypot(active, reactive)
        found = {
            "frequency": 50 + 0.03 * math.sin(minute / 3.1),
            "reactive_power": reactive,
            "apparent_power": apparent,
            "power_factor": active / apparent if running else 1.0,
            "backup_power": 0.25 * values["load_power"],
        }
        exchanged = values["import_power"] + values["export_power"]
        for number, phase in enumerate("abc"):
            used = number < self.spec.phases
            volts = _GRID_VOLTS + 2.5 * math.sin(minute / 41 + number)
            found[f"voltage_{phase}"] = volts if used else 0.0
            found[f"meter_voltage_{phase}"] = volts - 0.4
            share = 1000 / self.spec.phases if used else 0.0
            found[f"current_{phase}"] = apparent * share / volts if running else 0.0
            found[f"meter_current_{phase}"] = exchanged * share / volts
            found[f"backup_voltage_{phase}"] = volts + 0.2 if used else 0.0
            found[f"backup_power_{phase}"] = found["backup_power"] * share / 1000
            found[f"backup_current_{phase}"] = found["backup_power"] * share / volts
            found[f"charger_voltage_{phase}"] = volts - 1.1
            found[f"charger_current_{phase}"] = values["charger_power"] * 1000 / 3 / volts
        return found

    def _inputs(self, values: Mapping[str, float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for number, mppt in enumerate(self.spec.mppts, 1):
            power = values[f"mppt{number}_power"]
            # Panels give their voltage as soon as there is light, and a little less of it under load.
            volts = mppt.volts * (1 - 0.07 * power / mppt.peak_kw) if power > 0 else 0.0
            amperes = power * 1000 / volts if volts else 0.0
            found[f"mppt{number}_voltage"] = volts
            found[f"mppt{number}_current"] = amperes
            for string, share in mppt.strings:
                found[f"string{string}_voltage"] = volts * 0.999
                found[f"string{string}_current"] = amperes * share
        return found

    def _battery(self, moment: datetime, values: Mapping[str, float]) -> dict[str, float]:
        battery = self.spec.battery
        if battery is None:
            return {}
        percent = self._day.stored(_minute(self.local(moment))) / battery.capacity_kwh * 100
        volts = battery.volts * (0.94 + 0.0012 * percent)
        kw = values["charge_power"] + values["discharge_power"]
        return {
            "battery_soc": percent,
            "battery_soh": 98.0,
            "battery_voltage": volts,
            "battery_current": kw * 1000 / volts,
            "battery_temperature": 18 + 2.5 * kw,
            # The battery's own instruments show a little more than the inverter's (seen in captures).
            "bms_soc": percent,
            "bms_voltage": volts + 1.2,
            "bms_current": kw * 1000 / (volts + 1.2),
            "bms_temperature": 18.1 + 2.5 * kw,
            "bms_charge_total": values["charge_total"] + 1.9,
            "bms_discharge_total": values["discharge_total"] + 22.6,
        }

    def _inverter(self, moment: datetime, values: Mapping[str, float]) -> dict[str, float]:
        running = self.running(moment)
        pv_today = values["pv_today"]
        # Until the sun rises the rate is still yesterday's (seen in captures).
        made, sold = (
            (pv_today, values["export_today"])
            if pv_today > 0
            else (self.day_energy("pv"), self.day_energy("export"))
        )
        load = values["ac_power"] / self.spec.rated_kw
        return {
            "bus_voltage": 372.0 + 14 * load if running else 2.8,
            "inside_temperature": 19 + 26 * max(0.0, load),
            "insulation": 1500 - 400 * max(0.0, load),
            "self_consumption_rate": 100 * (1 - sold / made) if made else 0.0,
            "running_hours": self._running_hours(moment),
        }

    def _running_hours(self, moment: datetime) -> float:
        return self._days(moment) * 14.5 + min(max(_minute(self.local(moment)) / 60 - 5.75, 0.0), 14.5)


def accelerated(start: datetime, speed: float, clock: Callable[[], float] = time.monotonic) -> Now:
    """A clock for a plant: it shows `start` now and then runs `speed` times as fast as `clock` (seconds)."""
    if start.tzinfo is None:
        raise ValueError("the start of an accelerated clock needs a time zone")
    began = clock()
    return lambda: start + timedelta(seconds=(clock() - began) * speed)


def _exact(kwh: float) -> float:
    """Rounded up to a multiple of 2**-20, about a millionth: sums of such numbers have no rounding errors."""
    return math.ceil(kwh * 2**20) / 2**20


def _minute(local: datetime) -> float:
    return local.hour * 60 + local.minute + local.second / 60 + local.microsecond / 60e6


@functools.lru_cache(maxsize=32)
def _day(
    mppts: tuple[Mppt, ...],
    limit_kw: float,
    base_load_kw: float,
    battery: Battery | None,
    charger: Charger | None,
) -> Day:
    """Gateways of one profile share their day: a thousand of them take one table."""
    return Day(mppts, limit_kw, base_load_kw, battery, charger)
