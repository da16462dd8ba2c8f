"""What the gateway tells of itself and of its plant becomes samples; each answer ages by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from exporter.metrics import families, local_time
from exporter.metrics.family import Family
from exporter.metrics.slots import Dropped, Sample, label_text, quantity
from exporter.metrics.units import has_value
from exporter.telemetry import Answer, GatewayService, Reason, Snapshot, TargetInfo

SERIAL, FIRMWARE = "I18N_COMMON_DEVICE_SN", "I18N_COMMON_APPLI_SOFT_VERSION"
HARDWARE, CLOCK = "I18N_COMMON_VERSION", "I18N_COMMON_SYSTEM_TIME"

Factors = Mapping[str, Decimal]


class _Fact(NamedTuple):
    """One key's way into a family; `unit` is a name of the catalogue's units."""

    family: Family
    service: GatewayService
    key: str
    unit: str
    labels: tuple[str, ...] = ()


_STATE, _LOCAL = GatewayService.STATE, GatewayService.LOCAL
_STATISTICS, _RUNTIME = GatewayService.STATISTICS, GatewayService.RUNTIME

# Keys and units are seen in captures of one firmware. Of two facts for one series the first that is there
# counts.
_FACTS = (
    _Fact(families.GATEWAY_FAULTS, _STATE, "total_fault", "factor"),
    _Fact(families.GATEWAY_ALARMS, _STATE, "total_alarm", "factor"),
    _Fact(families.CLOUD_CONNECTED, _STATE, "cloud_conn_sts", "switch"),
    _Fact(families.WIFI_SIGNAL, _LOCAL, "I18N_COMMON_WIFI_SIGNAL_STRN", "dbm"),
    _Fact(families.PLANT_POWER, _STATISTICS, "curr_power", "watts"),
    _Fact(families.PLANT_RATED_POWER, _STATISTICS, "rated_power", "watts"),
    _Fact(families.PLANT_POWER_LIMIT, _STATISTICS, "adjust_power_uplimit", "watts"),
    _Fact(families.PLANT_DEVICES, _STATISTICS, "online_num", "factor", ("online",)),
    _Fact(families.PLANT_DEVICES, _STATISTICS, "offline_num", "factor", ("offline",)),
    _Fact(families.PLANT_POWER, _RUNTIME, "curr_power", "watts"),
    _Fact(families.PLANT_DEVICES, _RUNTIME, "connect_count", "factor", ("online",)),
    _Fact(families.PLANT_DEVICES, _RUNTIME, "off_count", "factor", ("offline",)),
)
_OWN_UNITS: Mapping[str, Factors] = {
    "switch": {"": Decimal(1)},
    "dbm": {"dBm": Decimal(1), "dbm": Decimal(1)},
}


class GatewayView:
    """What is shown of one gateway. `count` takes the reasons of values that cannot be shown.

    `rated_watts` is the rated power of the whole plant, unless it is nought; it does not age.
    """

    def __init__(self, units: Mapping[str, Factors], count: Callable[[tuple[Reason, ...]], None]) -> None:
        self.serial = self.hardware = self.firmware = ""
        self.rated_watts: float | None = None
        self._units = units
        self._count = count
        self._answers: dict[GatewayService, Answer] = {}
        self._samples: dict[GatewayService, tuple[Sample, ...]] = {}

    def update(self, snapshot: Snapshot, info: TargetInfo) -> None:
        """Take over the answers that are new."""
        for service, answer in snapshot.gateway.items():
            if self._answers.get(service) is answer:
                continue
            self._answers[service] = answer
            values = {reading.key: reading for reading in reversed(answer.readings)}
            found = [self._sample(fact, values[fact.key].value, values[fact.key].unit)
                     for fact in _FACTS if fact.service is service and fact.key in values]  # fmt: skip
            if service is _LOCAL and CLOCK in values and info.timezone is not None:
                found.append(self._clock(values[CLOCK].value, info.timezone, answer.taken_wall))
            self._samples[service] = tuple(sample for sample in found if sample is not None)
            if service is _STATISTICS:
                rated = [
                    sample.value
                    for sample in self._samples[service]
                    if sample.family is families.PLANT_RATED_POWER
                ]
                self.rated_watts = next((watts for watts in rated if watts > 0.0), None)
            if service is GatewayService.ABOUT:
                texts = (values[key].value if key in values else "" for key in (SERIAL, HARDWARE, FIRMWARE))
                self.serial, self.hardware, self.firmware = (
                    label_text(text).strip() if has_value(text) else "" for text in texts
                )

    def samples(self, aged: float) -> Iterator[Sample]:
        """Every sample of an answer that was not taken before `aged` (monotonic), each series once."""
        if not self._samples:
            return
        shown: set[tuple[Family, tuple[str, ...]]] = set()
        for service in GatewayService:
            if service not in self._samples or self._answers[service].taken_at < aged:
                continue
            for sample in self._samples[service]:
                if (sample.family, sample.labels) not in shown:
                    shown.add((sample.family, sample.labels))
                    yield sample

    def taken_at(self) -> list[float]:
        """When each answer that gave samples was taken (monotonic)."""
        return [self._answers[service].taken_at for service in self._samples]

    def _sample(self, fact: _Fact, value: str, unit: str) -> Sample | None:
        try:
            found = quantity(value, unit, _OWN_UNITS.get(fact.unit) or self._units[fact.unit])
            if fact.unit == "switch" and found not in (None, 0, 1):
                raise Dropped(Reason.UNREADABLE_VALUE)
        except Dropped as dropped:
            self._count((dropped.reason,))
            return None
        return None if found is None else Sample(fact.family, fact.labels, found)

    def _clock(self, text: str, timezone: str, wall: float) -> Sample | None:
        offset = local_time.clock_offset(text, timezone, wall)
        if offset is None:
            if has_value(text):
                self._count((Reason.UNREADABLE_VALUE,))
            return None
        return Sample(families.CLOCK_OFFSET, (), offset)
