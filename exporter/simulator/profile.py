"""Profiles: what one model of inverter behind one gateway and firmware says, as data.

Each file in `profiles/` is written for this project from known keys, units and habits; all serial numbers and
values are made up.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from exporter.simulator.day import Battery, Charger, Mppt
from exporter.simulator.plant import PlantSpec
from exporter.simulator.printing import Document, Json

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Value:
    """Where a printed value comes from: a constant text, or a quantity of the plant."""

    text: str | None = None
    quantity: str | None = None
    decimals: int = 0
    scale: float = 1.0
    """The quantity is multiplied by this, where the gateway's unit is not the plant's."""

    def print(self, values: Mapping[str, float], texts: Mapping[str, str]) -> str:
        """The text that the gateway sends."""
        if self.text is not None:
            return self.text
        quantity = str(self.quantity)
        if quantity in texts:
            return texts[quantity]
        return f"{values[quantity] * self.scale:.{self.decimals}f}"


@dataclass(frozen=True, slots=True)
class Point:
    """One item of a list of readings."""

    key: str
    unit: str | None
    """None where the gateway leaves `data_unit` out (reported of EV chargers)."""
    value: Value


@dataclass(frozen=True, slots=True)
class Input:
    """One item of the answer to `direct`: a tracker or a string, in V and A."""

    name: str
    voltage: Value
    current: Value


@dataclass(frozen=True, slots=True)
class Device:
    """One device behind the gateway. A service that is None is refused for it."""

    item: Mapping[str, Json]
    """Its entry in the device list, word by word."""
    real: tuple[Point, ...] | None
    real_battery: tuple[Point, ...] | None
    direct: tuple[Input, ...] | None

    @property
    def dev_id(self) -> str:
        """The id as questions carry it: a string, though the list has a number (seen in captures)."""
        return str(self.item["dev_id"])

    @property
    def is_inverter(self) -> bool:
        """Whether plant totals and `runtime` count it."""
        return self.item["dev_type"] in (0, 1, 21, 35)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recorded gateway said."""

    answers: Mapping[tuple[str, str], Document]
    """By service and dev_id, the latter empty where none was asked for."""
    about: "Document | None"
    labels: bool
    """Whether it had a file of labels."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All that one gateway is and says."""

    name: str
    model: str
    dongle: str
    firmware: str
    tls: bool
    login_required: bool
    uuid_tokens: bool
    accounts: Mapping[str, str]
    connect: Mapping[str, Json]
    """Fields of the answer to `connect` beside service and token; they tell the generations apart."""
    login: Mapping[str, Json]
    devices: tuple[Device, ...]
    about: tuple[Mapping[str, Json], ...]
    local: tuple[Point, ...]
    local_count: int
    """What the gateway claims the length of `local` to be; wrong on a real one (seen in captures)."""
    state: Mapping[str, Json]
    statistics: Mapping[str, str]
    """Rated and adjustable powers as printed, by field."""
    plant: PlantSpec
    recorded: Recorded | None = None
    """Where the answers come from a recording; the plant has no say then."""


def profile_names() -> tuple[str, ...]:
    """Names of all profiles, sorted."""
    stems = (
        entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml")
    )
    return tuple(sorted(stems))


@functools.cache
def load_profile(name: str) -> Profile:
    """The profile of that name, or the only one whose name begins so; else ValueError with all names."""
    names = profile_names()
    fitting = [name] if name in names else [known for known in names if known.startswith(name)]
    if len(fitting) != 1:
        problem = "is ambiguous" if fitting else "is unknown"
        raise ValueError(f"profile {name!r} {problem}; there are: {', '.join(fitting or names)}")
    return _whole(fitting[0])


@functools.cache
def _whole(name: str) -> Profile:
    text = (_folder() / f"{name}.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=_LOADER)
    plain = {
        field: data[field]
        for field in (
            "model",
            "dongle",
            "firmware",
            "tls",
            "login_required",
            "uuid_tokens",
            "accounts",
            "connect",
            "login",
            "state",
            "statistics",
        )
    }
    return Profile(
        name=name,
        devices=tuple(_device(device) for device in data["devices"]),
        about=tuple(data["about"]),
        local=_points(data["local"]["list"]),
        local_count=data["local"]["count"],
        plant=_plant(data["plant"]),
        **plain,
    )


def _folder() -> Any:
    return files("exporter.simulator").joinpath("profiles")


def _device(data: Mapping[str, Any]) -> Device:
    return Device(
        item=data["item"],
        real=_points(data["real"]) if "real" in data else None,
        real_battery=_points(data["real_battery"]) if "real_battery" in data else None,
        direct=tuple(_input(entry) for entry in data["direct"]) if "direct" in data else None,
    )


def _points(entries: Sequence[Mapping[str, Any]]) -> tuple[Point, ...]:
    return tuple(Point(entry["key"], entry.get("unit"), _value(entry)) for entry in entries)


def _value(entry: Mapping[str, Any]) -> Value:
    if "text" in entry:
        return Value(text=entry["text"])
    return Value(
        quantity=entry["from"], decimals=entry.get("decimals", 0), scale=float(entry.get("scale", 1.0))
    )


def _input(entry: Mapping[str, Any]) -> Input:
    """A tracker's current has one decimal, a string's two (seen in captures); `--` has no values."""
    source = entry["from"]
    if source == "--":
        return Input(entry["name"], Value(text="--"), Value(text="--"))
    decimals = 1 if entry["name"].startswith("MPPT") else 2
    voltage = Value(quantity=f"{source}_voltage", decimals=1)
    return Input(entry["name"], voltage, Value(quantity=f"{source}_current", decimals=decimals))


def _plant(data: Mapping[str, Any]) -> PlantSpec:
    nested = {
        "mppts": tuple(_mppt(entry) for entry in data["mppts"]),
        "battery": Battery(**data["battery"]) if "battery" in data else None,
        "charger": Charger(**data["charger"]) if "charger" in data else None,
    }
    return PlantSpec(**{**data, **nested})


def _mppt(data: Mapping[str, Any]) -> Mppt:
    return Mppt(**{**data, "strings": tuple(sorted(data.get("strings", {}).items()))})
