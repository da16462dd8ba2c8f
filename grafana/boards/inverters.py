"""Inverters and strings: every input and phase, compared with its like, and how the inverters are.

The rows of inputs are there once for each chosen device; nothing here knows how many inputs a device has.
Longer than most modules, for it is a list of panels.
"""

from grafana import colours
from grafana.board import Board, Panel, section, tiles
from grafana.panels import Column, Look, gauges, lines, listing, number, timeline
from grafana.queries import (
    DEVICES,
    OF_DEVICE,
    OF_STRING,
    OF_TARGET,
    TARGETS,
    Query,
    device,
    named,
    numbered,
    string_named,
    target,
)
from grafana.states import FRESH, OF_DEVICES, device_state

NAMED = "{{target}} {{name}}"
AWAKE_AMPERES = 1  # below it, at dawn and dusk, strings are not compared
CURRENT = "winet2_string_current_amperes"
OF_PEERS = f"{OF_TARGET},peers"
COMPARED = (
    "Compared are strings of one configured group, else all of one device, from 1 A. Inputs that delivered "
    "nothing for a day and are not configured are left out: no string is at them."
)
GROUPED = (
    f"string:{CURRENT}:avg30m{{{DEVICES}}} / on (job,target,group) group_left ()"
    f" (group:{CURRENT}:median{{{TARGETS}}} > {AWAKE_AMPERES})"
)
SCALE = Look(
    limits=((None, colours.BAD), (0.6, colours.WARNING), (0.85, colours.GOOD)), decimals=0, least=0, most=1.2
)


def with_peers(expr: str) -> str:
    """Currents of strings with the label `peers`: the configured group, as in alerts, else the device."""
    group = f'label_replace({target("winet2_string_info", group="!")}, "peers", "$1", "group", "(.+)")'
    own = f'label_replace({target(CURRENT)} ^ 0, "peers", "$1", "device", "(.+)")'
    return f"{expr} * on ({OF_STRING}) group_left (peers) ({group} or on ({OF_STRING}) {own})"


def beside_median() -> str:
    """Each string's current as a share of its peers' median, while they deliver."""
    in_use = f"{device('winet2_string_info')} or max_over_time({device(CURRENT)}[1d:15m]) > {AWAKE_AMPERES}"
    string = with_peers(f"({device(CURRENT)} and on ({OF_STRING}) ({in_use}))")
    median = f"quantile by ({OF_PEERS}) (0.5, {with_peers(f'({target(CURRENT)} > {AWAKE_AMPERES})')})"
    return f"({string} / on ({OF_PEERS}) group_left () {median})"


overview = section(
    "Inverters",
    tiles(
        6,
        4,
        number(
            "PV",
            "DC power of each chosen inverter's PV inputs.",
            "watt",
            Query(f"sum({device('winet2_pv_power_watts')})"),
            look=Look(colours.SOLAR),
        ),
        number(
            "Hottest",
            "Highest air temperature inside an inverter.",
            "celsius",
            Query(f"max({device('winet2_internal_temperature_celsius')})"),
            look=Look(limits=((None, colours.GOOD), (65, colours.WARNING), (80, colours.BAD)), decimals=0),
        ),
        number(
            "Lowest insulation",
            "Least insulation resistance of a PV array against earth; dew lowers it. 0 is no measurement.",
            "ohm",
            Query(f"min({device('winet2_array_insulation_resistance_ohms')} > 0)"),
            look=Look(limits=((None, colours.BAD), (50_000, colours.WARNING), (200_000, colours.GOOD))),
        ),
        number(
            "Weakest string",
            "Least share that a string has of the median of its group, by the currents of half an hour. "
            "Groups are configured; without them strings of different roofs would be compared.",
            "percentunit",
            Query(f"min({GROUPED})"),
            look=SCALE,
        ),
    ),
    tiles(
        24,
        7,
        listing(
            "Devices",
            "What is known of each device, and how it stands.",
            {"name": "Name", "target": "Target", "model": "Model", "kind": "Kind", "device": "Serial number"},
            Column(
                "Now",
                f"max by (target, device, name, model, kind) ({device('winet2_device_info')}"
                f" * on ({OF_DEVICE}) group_right (name, model, kind) {device('winet2_device_up')})",
                "none",
                Look(states=FRESH),
            ),
            Column("Rated", f"max by (target, device) ({device('winet2_device_rated_power_watts')})", "watt"),
            Column("PV", f"max by (target, device) ({device('winet2_pv_power_watts')})", "watt"),
            Column("AC", f"max by (target, device) ({device('winet2_ac_active_power_watts')})", "watt"),
        ),
    ),
    tiles(
        24,
        6,
        timeline(
            "States",
            "What the devices say they do. A gap: no readings, as at a string inverter's night.",
            Query(device_state(), NAMED),
            states=OF_DEVICES,
        ),
    ),
    tiles(
        12,
        8,
        lines(
            "PV power",
            "DC power of each inverter's PV inputs.",
            "watt",
            Query(named(device("winet2_pv_power_watts")), NAMED),
            stacked=True,
            fill=30,
        ),
        lines(
            "Share of rated power",
            "DC power as a share of the rated power, where that is configured: inverters compared.",
            "percentunit",
            Query(
                named(
                    f"({device('winet2_pv_power_watts')} / on ({OF_DEVICE})"
                    f" {device('winet2_device_rated_power_watts')})"
                ),
                NAMED,
            ),
            look=Look(least=0),
            fill=0,
        ).axis_soft_max(1),
        lines(
            "Temperature",
            "Air temperature inside the devices.",
            "celsius",
            Query(named(device("winet2_internal_temperature_celsius")), NAMED),
            look=Look(decimals=0),
            fill=0,
        ),
        lines(
            "Insulation",
            "Insulation resistance of the PV array against earth.",
            "ohm",
            Query(named(device("winet2_array_insulation_resistance_ohms")), NAMED),
            fill=0,
        ),
    ),
    tiles(
        24,
        9,
        gauges(
            "Strings beside their median",
            f"Current of each string as a share of the median, now. {COMPARED}",
            "percentunit",
            Query(named(string_named(beside_median(), CURRENT)), "{{target}} {{name}} {{input}}"),
            look=SCALE,
        ),
    ),
)


def of_inputs(title: str, word: str, kind: str, quantity: str, unit: str) -> Panel:
    """A quantity of each string or MPP tracker of the device whose row it is, while it has voltage."""
    metric = f"winet2_{kind}_{quantity}"
    in_use = f"({device(metric)} and on ({OF_DEVICE},{kind}) {device(f'winet2_{kind}_voltage_volts')} > 0)"
    query = string_named(in_use, metric) if kind == "string" else numbered(in_use, "MPPT", kind)
    description = f"Of each {word} of this device. Strings are parts of their MPP tracker: never add both."
    return lines(title, description, unit, Query(query, "{{input}}"), fill=0)


TRACKER = device("winet2_mppt_power_watts")
BESIDE_TRACKERS = (
    f"({TRACKER} and on ({OF_DEVICE},mppt) {device('winet2_mppt_voltage_volts')} > 0)"
    f" / on ({OF_DEVICE}) group_left () (quantile by ({OF_DEVICE}) (0.5, {TRACKER} > 20))"
)

inputs = section(
    "Inputs of $device",
    tiles(
        8,
        8,
        of_inputs("Power by MPPT", "MPP tracker", "mppt", "power_watts", "watt"),
        of_inputs("Voltage by MPPT", "MPP tracker", "mppt", "voltage_volts", "volt"),
        of_inputs("Current by MPPT", "MPP tracker", "mppt", "current_amperes", "amp"),
        of_inputs("Power by string", "string", "string", "power_watts", "watt"),
        of_inputs("Voltage by string", "string", "string", "voltage_volts", "volt"),
        of_inputs("Current by string", "string", "string", "current_amperes", "amp"),
    ),
    tiles(
        12,
        8,
        lines(
            "Strings beside their median",
            f"Current of each string as a share of the median. {COMPARED}",
            "percentunit",
            Query(string_named(beside_median(), CURRENT), "{{input}}"),
            look=Look(least=0),
            fill=0,
        ),
        lines(
            "MPPTs beside their median",
            "Power of each MPP tracker as a share of this device's median. Other roofs differ.",
            "percentunit",
            Query(numbered(f"({BESIDE_TRACKERS})", "MPPT", "mppt"), "{{input}}"),
            look=Look(least=0),
            fill=0,
        ),
    ),
    collapsed=True,
    repeat="device",
)


def of_phases(title: str, description: str, metric: str, unit: str) -> Panel:
    return lines(title, description, unit, Query(named(device(metric)), f"{NAMED} {{{{phase}}}}"), fill=0)


def of_devices(title: str, description: str, metric: str, unit: str) -> Panel:
    return lines(title, description, unit, Query(named(device(metric)), NAMED), fill=0)


grid = section(
    "Grid side",
    tiles(
        12,
        8,
        of_phases("Voltage", "Of each phase at the inverters.", "winet2_ac_voltage_volts", "volt"),
        of_phases("Current", "Of each phase at the inverters.", "winet2_ac_current_amperes", "amp"),
        of_devices(
            "Frequency", "Of the grid, as the inverters see it.", "winet2_grid_frequency_hertz", "hertz"
        ),
        of_devices(
            "Active power",
            "At the inverters' AC side; negative while they draw power.",
            "winet2_ac_active_power_watts",
            "watt",
        ),
        of_devices(
            "Reactive power",
            "At the inverters' AC side.",
            "winet2_ac_reactive_power_volt_amperes_reactive",
            "voltampreact",
        ),
        lines(
            "Apparent power",
            "At the inverters' AC side, with the most they may deliver where they tell it.",
            "voltamp",
            Query(named(device("winet2_ac_apparent_power_volt_amperes")), NAMED),
            Query(named(device("winet2_ac_apparent_power_limit_volt_amperes")), f"{NAMED} limit"),
            fill=0,
        ),
        of_devices("Power factor", "At the inverters' AC side.", "winet2_ac_power_factor_ratio", "none"),
        of_devices(
            "DC bus", "Voltage of the inverters' internal DC bus.", "winet2_dc_bus_voltage_volts", "volt"
        ),
        of_phases(
            "Voltage at the meter", "Of each phase at the energy meter.", "winet2_meter_voltage_volts", "volt"
        ),
        of_phases(
            "Current at the meter",
            "Of each phase at the energy meter.",
            "winet2_meter_current_amperes",
            "amp",
        ),
        of_phases(
            "Backup voltage", "Of each phase of the backup output.", "winet2_backup_voltage_volts", "volt"
        ),
        of_phases(
            "Backup power", "Of each phase of the backup output.", "winet2_backup_phase_power_watts", "watt"
        ),
    ),
    collapsed=True,
)

faults = section(
    "Faults and limits",
    tiles(
        12,
        8,
        lines(
            "Faults and alarms",
            "As the gateways count them in their plants; not all firmware does.",
            "none",
            Query(target("winet2_gateway_faults"), "{{target}} faults"),
            Query(target("winet2_gateway_alarms"), "{{target}} alarms"),
            look=Look(decimals=0),
            steps=True,
        ).axis_soft_max(1),
        lines(
            "Plant power and its limit",
            "Active power of all inverters of a gateway, and what they are allowed to make now.",
            "watt",
            Query(target("winet2_plant_power_watts"), "{{target}}"),
            Query(target("winet2_plant_power_limit_watts"), "{{target}} limit"),
            fill=0,
        ),
        lines(
            "Totals that went back",
            "Lifetime totals that stepped back within the hour before, as after a replaced board.",
            "none",
            Query(named(f"increase({device('winet2_counter_resets_total')}[1h])"), f"{NAMED} {{{{family}}}}"),
            look=Look(decimals=0),
            steps=True,
        ),
        listing(
            "Fault list",
            "Entries of the devices' fault lists. None was ever seen in public: codes may be misread.",
            {"target": "Target", "device": "Serial number", "code": "Code"},
            Column("Present", f"max by (target, device, code) ({device('winet2_device_fault')})", "none"),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid="winet-inverters",
    title="WiNet / Inverters and strings",
    description="Every inverter, MPP tracker and string, compared with its like; insulation, grid, faults.",
    sections=(overview, inputs, grid, faults),
    kinds="inverter|hybrid",
)
