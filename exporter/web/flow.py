"""The power flow of a plant as a small picture; `static/status.js` draws the same one."""

from __future__ import annotations

from typing import NamedTuple

from exporter.web.markup import Html, element
from exporter.web.status import Plant
from exporter.web.words import energy, percent, power

WIDTH, HEIGHT, HEIGHT_WITHOUT_BATTERY = 320, 200, 130
BOX_WIDTH, BOX_HEIGHT = 104, 54

IN, OUT, IDLE = "in", "out", "idle"


class _Place(NamedTuple):
    """Where a box stands, its line from the box to the hub, and the arrow heads in both directions."""

    x: int
    y: int
    line: str
    inwards: str
    outwards: str


_PLACES = {
    "pv": _Place(108, 2, "M160 56V92", "M153 69h14l-7 10z", "M153 79h14l-7 -10z"),
    "grid": _Place(2, 73, "M106 100H152", "M124 93v14l10 -7z", "M134 93v14l-10 -7z"),
    "house": _Place(214, 73, "M214 100H168", "M196 93v14l-10 -7z", "M186 93v14l10 -7z"),
    "battery": _Place(108, 144, "M160 144V108", "M153 131h14l-7 -10z", "M153 121h14l-7 10z"),
}


class _Node(NamedTuple):
    """A box: what it is, how much, what else, and which way the power goes."""

    place: str
    label: str
    value: str
    note: str
    way: str

    def words(self) -> str:
        return " ".join(filter(None, (self.label, self.value, self.note)))


def flow(plant: Plant) -> Html | None:
    """The picture; one line of text if only one value is known, None if none is."""
    nodes = _nodes(plant)
    if not nodes:
        return None
    if len(nodes) == 1:
        (node,) = nodes
        return element(
            "p", {"class": "single"},
            element("span", {}, node.label), " ", element("b", {}, node.value), " ",
            element("span", {}, node.note),
        )  # fmt: skip
    battery = any(node.place == "battery" for node in nodes)
    height = HEIGHT if battery else HEIGHT_WITHOUT_BATTERY
    return element(
        "svg",
        {
            "class": "flow",
            "viewBox": f"0 0 {WIDTH} {height}",
            "role": "img",
            "aria-label": "; ".join(node.words() for node in nodes),
        },
        *[part for node in nodes for part in _drawn(node)],
        element("circle", {"class": "hub", "cx": "160", "cy": "100", "r": "8"}),
    )


def _nodes(plant: Plant) -> list[_Node]:
    nodes = []
    if plant.pv_power_watts is not None:
        today = plant.pv_energy_today_joules
        note = "" if today is None else f"today {energy(today)}"
        nodes.append(_node("pv", "PV", plant.pv_power_watts, None, note, ""))
    if plant.grid_import_power_watts is not None or plant.grid_export_power_watts is not None:
        nodes.append(
            _node(
                "grid",
                "Grid",
                plant.grid_import_power_watts,
                plant.grid_export_power_watts,
                "import",
                "export",
            )
        )
    if plant.load_power_watts is not None:
        nodes.append(_node("house", "House", None, plant.load_power_watts, "", ""))
    charge, discharge = plant.battery_charge_power_watts, plant.battery_discharge_power_watts
    ratio = plant.battery_state_of_charge_ratio
    if charge is not None or discharge is not None:
        label = "Battery" if ratio is None else f"Battery {percent(ratio)}"
        nodes.append(_node("battery", label, discharge, charge, "discharging", "charging"))
    elif ratio is not None:
        nodes.append(_Node("battery", "Battery", percent(ratio), "", IDLE))
    return nodes


def _node(
    place: str, label: str, inwards: float | None, outwards: float | None, in_note: str, out_note: str
) -> _Node:
    """`inwards` is the power towards the inverter, `outwards` away from it; the larger one is drawn."""
    coming, going = inwards or 0.0, outwards or 0.0
    if going > coming:
        return _Node(place, label, power(going), out_note, OUT)
    if coming > 0:
        return _Node(place, label, power(coming), in_note, IN)
    value = coming if outwards is None else going
    idle = "idle" if out_note else in_note
    return _Node(place, label, power(value), idle, IDLE)


def _drawn(node: _Node) -> list[Html]:
    place = _PLACES[node.place]
    middle = str(place.x + BOX_WIDTH // 2)
    parts = [element("path", {"class": f"line {node.place} {node.way}", "d": place.line})]
    if node.way != IDLE:
        head = place.inwards if node.way == IN else place.outwards
        parts.append(element("path", {"class": f"arrow {node.place}", "d": head}))
    box = {"class": f"box {node.place}", "x": str(place.x), "y": str(place.y), "rx": "8",
           "width": str(BOX_WIDTH), "height": str(BOX_HEIGHT)}  # fmt: skip
    parts.append(element("rect", box))
    for kind, text, below in (("label", node.label, 15), ("value", node.value, 33), ("note", node.note, 48)):
        parts.append(element("text", {"class": kind, "x": middle, "y": str(place.y + below)}, text))
    return parts
