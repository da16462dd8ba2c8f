"""One day of a simulated plant, minute by minute, the same every day.

All flows are powers in kW at the full minutes, straight lines between them; the energies are the exact areas
under those lines. At every moment PV + discharge + import = load + charge + export. There are no losses
except in the battery, and reactive power costs nothing.
"""

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

MINUTES = 24 * 60
_SUNRISE, _SUNSET = 5.75, 20.25
_CHARGING_EFFICIENCY = 0.95


@dataclass(frozen=True, slots=True)
class Mppt:
    """One tracker of the inverter and the strings at its input."""

    peak_kw: float = 0.0
    """Power in the best minute; 0 for an unused input."""
    volts: float = 0.0
    skew: float = 0.0
    """Below 0 the roof looks east, above 0 west."""
    strings: tuple[tuple[int, float], ...] = ()
    """Number of each string and its share of the tracker's current. Real shares do not add up to 1 either."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery that takes what the sun leaves over and gives it back."""

    capacity_kwh: float
    max_kw: float
    volts: float
    reserve_percent: float = 5.0


@dataclass(frozen=True, slots=True)
class Charger:
    """An electric car that charges for a while each day."""

    kw: float
    begin_hour: float
    end_hour: float


class Day:
    """The flows and energies of one day.

    `flows` maps a name to the powers at minutes 0 to 1440 (kW), `energies` to what has flowed since midnight
    (kWh); `charge_state` is the battery's content at midnight (kWh).
    """

    def __init__(
        self,
        mppts: tuple[Mppt, ...],
        limit_kw: float,
        base_load_kw: float,
        battery: Battery | None,
        charger: Charger | None,
    ) -> None:
        sunlight = [[_sunlight(minute, mppt) for mppt in mppts] for minute in range(MINUTES)]
        self.flows: dict[str, tuple[float, ...]] = {}
        # More sun than the inverter can take is cut off, on all trackers alike.
        cuts = [min(1.0, limit_kw / sum(row)) if sum(row) else 1.0 for row in sunlight]
        for number in range(len(mppts)):
            powers = [row[number] * cut for row, cut in zip(sunlight, cuts, strict=True)]
            self._add(f"mppt{number + 1}", powers)
        pv = [sum(row) * cut for row, cut in zip(sunlight, cuts, strict=True)]
        car = [_car(minute, charger) for minute in range(MINUTES)]
        load = [_household(minute, base_load_kw) + car[minute] for minute in range(MINUTES)]
        charge, discharge, self.charge_state = _battery_day(pv, load, battery)
        direct = [min(pair) for pair in zip(pv, load, strict=True)]
        self._add("pv", pv)
        self._add("charger", car)
        self._add("load", load)
        self._add("direct", direct)
        self._add("charge", charge)
        self._add("discharge", discharge)
        self._add("export", [p - d - c for p, d, c in zip(pv, direct, charge, strict=True)])
        self._add("import", [w - d - b for w, d, b in zip(load, direct, discharge, strict=True)])
        ac = [p + b - c for p, b, c in zip(pv, discharge, charge, strict=True)]
        self._add("ac", ac)
        self.energies = {name: _areas(powers) for name, powers in self.flows.items()}

    def power(self, flow: str, minute: float) -> float:
        """Power in kW at a minute of the day."""
        index = min(int(minute), MINUTES - 1)
        left, right = self.flows[flow][index : index + 2]
        return left + (right - left) * (minute - index)

    def energy(self, flow: str, minute: float) -> float:
        """Energy in kWh from midnight to a minute of the day."""
        index = min(int(minute), MINUTES - 1)
        left = self.flows[flow][index]
        part = minute - index
        return self.energies[flow][index] + (left + self.power(flow, minute)) / 2 * part / 60

    def stored(self, minute: float) -> float:
        """What the battery holds, in kWh."""
        charged = _CHARGING_EFFICIENCY * self.energy("charge", minute)
        return self.charge_state + charged - self.energy("discharge", minute)

    def _add(self, name: str, powers: list[float]) -> None:
        # Rounding can leave a power of -1e-17 kW where a flow is nought; a total must never shrink by it.
        clean = [max(0.0, power) for power in powers]
        self.flows[name] = (*clean, clean[0])


def _sine(turns: int, minute: int) -> float:
    return math.sin(2 * math.pi * turns * minute / MINUTES)


def _sunlight(minute: int, mppt: Mppt) -> float:
    """Power of one tracker in kW: a bow over the day with the dents of passing clouds."""
    risen = (minute / 60 - _SUNRISE) / (_SUNSET - _SUNRISE)
    if not 0 < risen < 1:
        return 0.0
    bow = math.pow(math.sin(math.pi * math.pow(risen, 1 - mppt.skew)), 1.4)
    clouds = 1 - 0.10 * (1 + _sine(31, minute)) / 2 - 0.08 * (1 + _sine(97, minute)) / 2
    return mppt.peak_kw * bow * clouds


def _household(minute: int, base_kw: float) -> float:
    """Power of everything but the car in kW: a refrigerator, breakfast, lunch, and a long evening."""
    hour = minute / 60
    bumps = ((7.2, 0.7, 2.2), (12.4, 0.6, 2.8), (19.3, 1.6, 3.4))
    people = sum(height * math.exp(-(((hour - middle) / width) ** 2)) for middle, width, height in bumps)
    return base_kw * (1 + 0.15 * _sine(40, minute) + people)


def _car(minute: int, charger: Charger | None) -> float:
    if charger is None:
        return 0.0
    return charger.kw if charger.begin_hour <= minute / 60 < charger.end_hour else 0.0


def _battery_day(
    pv: list[float], load: list[float], battery: Battery | None
) -> tuple[list[float], list[float], float]:
    """Charging and discharging powers for each minute, and the content at midnight in kWh.

    The day is played until it ends as it began: near full and near empty the battery slows down, so that
    after a few days nothing is left of the content it started with.
    """
    if battery is None:
        return [0.0] * MINUTES, [0.0] * MINUTES, 0.0
    lowest = battery.capacity_kwh * battery.reserve_percent / 100
    content = midnight = battery.capacity_kwh / 2
    charge: list[float] = []
    discharge: list[float] = []
    for _ in range(4):
        charge, discharge, midnight = [], [], content
        for sun, need in zip(pv, load, strict=True):
            # A quarter of an hour at this power would fill, or empty, what is left.
            room, left = (battery.capacity_kwh - content) / 0.25, (content - lowest) / 0.25
            charge.append(max(0.0, min(sun - need, battery.max_kw, room)))
            discharge.append(max(0.0, min(need - sun, battery.max_kw, left)))
            content += (_CHARGING_EFFICIENCY * charge[-1] - discharge[-1]) / 60
    return charge, discharge, midnight


def _areas(powers: tuple[float, ...]) -> tuple[float, ...]:
    """The energy since midnight at each full minute in kWh."""
    return tuple(accumulate(((left + right) / 2 / 60 for left, right in pairwise(powers)), initial=0.0))
