"""Battery: charge, flows, temperature, health and limits."""

from grafana import colours
from grafana.board import Board, section, tiles
from grafana.growth import DAY, RANGE, Window, by_name, grown, total
from grafana.panels import Look, bars, lines, number, timeline
from grafana.queries import Query, device, inverters, named
from grafana.states import OF_DEVICES, device_state

NAMED = "{{target}} {{name}}"
CHARGE = device("winet2_battery_charge_power_watts")
DISCHARGE = device("winet2_battery_discharge_power_watts")
MONTH = Window("30d", "", " offset 30d")
TWICE = "Hybrid and battery each measure for themselves."

now = section(
    "Now",
    tiles(
        4,
        4,
        number(
            "Charge",
            "State of charge, as the hybrid tells it; the mean if there are several.",
            "percentunit",
            Query(f"avg({inverters(device('winet2_battery_state_of_charge_ratio'))})"),
            look=Look(colours.BATTERY, decimals=0),
            spark=True,
        ),
        number(
            "Power",
            "Power out of the battery; negative while it charges.",
            "watt",
            Query(f"sum({DISCHARGE}) - sum({CHARGE})"),
            look=Look(colours.BATTERY),
            spark=True,
        ),
        number(
            "Health",
            "State of health, the least of all.",
            "percentunit",
            Query(f"min({device('winet2_battery_state_of_health_ratio')})"),
            look=Look(limits=((None, colours.BAD), (0.7, colours.WARNING), (0.8, colours.GOOD)), decimals=0),
        ),
        number(
            "Temperature",
            "The highest of all.",
            "celsius",
            Query(f"max({device('winet2_battery_temperature_celsius')})"),
            look=Look(
                limits=((None, colours.CALM), (5, colours.GOOD), (45, colours.WARNING), (55, colours.BAD))
            ),
            spark=True,
        ),
        number(
            "Charged",
            "In the time range of the board, as the hybrid counts it.",
            "kwatth",
            Query(total("battery_charge", RANGE), instant=True),
            look=Look(colours.CHARGE, decimals=1),
        ),
        number(
            "Discharged",
            "In the time range of the board, as the hybrid counts it.",
            "kwatth",
            Query(total("battery_discharge", RANGE), instant=True),
            look=Look(colours.BATTERY, decimals=1),
        ),
    ),
)

course = section(
    "Course",
    tiles(
        12,
        9,
        lines(
            "Charge",
            f"State of charge. {TWICE}",
            "percentunit",
            Query(named(device("winet2_battery_state_of_charge_ratio")), NAMED),
            look=Look(decimals=0),
        ),
        lines(
            "Power",
            "Discharge above nought, charge below.",
            "watt",
            Query(f"sum({DISCHARGE})", "Discharge"),
            Query(f"-sum({CHARGE})", "Charge"),
            look=Look(colours={"Discharge": colours.BATTERY, "Charge": colours.CHARGE}),
            fill=40,
        ),
    ),
    tiles(
        24,
        5,
        timeline(
            "States",
            "What batteries and their hybrids say they do.",
            Query(device_state(), NAMED),
            states=OF_DEVICES,
        ),
    ),
    tiles(
        24,
        8,
        bars(
            "Energy by day",
            "Each day in your time zone, as the hybrid counts it. Charging is negative.",
            "kwatth",
            Query(total("battery_discharge", DAY), "Discharged", step=DAY.step),
            Query(f"-{total('battery_charge', DAY)}", "Charged", step=DAY.step),
            look=Look(colours={"Discharged": colours.BATTERY, "Charged": colours.CHARGE}, decimals=1),
        ),
    ),
)

condition = section(
    "Condition",
    tiles(
        12,
        8,
        lines(
            "Temperature",
            f"Of the batteries. {TWICE}",
            "celsius",
            Query(named(device("winet2_battery_temperature_celsius")), NAMED),
            fill=0,
        ),
        lines(
            "Health",
            "State of health; a slow fall over years is its nature.",
            "percentunit",
            Query(named(device("winet2_battery_state_of_health_ratio")), NAMED),
            look=Look(decimals=0),
            fill=0,
        ),
        lines(
            "Voltage",
            f"Of the batteries. {TWICE}",
            "volt",
            Query(named(device("winet2_battery_voltage_volts")), NAMED),
            fill=0,
        ),
        lines(
            "Current and limits",
            "Current of the batteries, and the most they allow now. The sign differs between devices.",
            "amp",
            Query(named(device("winet2_battery_current_amperes")), NAMED),
            Query(named(device("winet2_battery_charge_current_limit_amperes")), f"{NAMED} charge limit"),
            Query(
                named(device("winet2_battery_discharge_current_limit_amperes")), f"{NAMED} discharge limit"
            ),
            fill=0,
        ),
    ),
    tiles(
        12,
        6,
        number(
            "Round trip",
            "Energy that came out, as a share of what went in, over 30 days: short ones say more of the "
            "charge left than of losses.",
            "percentunit",
            Query(
                by_name(
                    f"({grown('battery_discharge', MONTH)} / on (job,target,device)"
                    f" ({grown('battery_charge', MONTH)} > 5))",
                    MONTH,
                ),
                NAMED,
                instant=True,
            ),
            look=Look(colours.BATTERY, decimals=0),
        ),
        number(
            "Charged since the first day",
            f"Lifetime total. {TWICE}",
            "kwatth",
            Query(
                named(f"({device('winet2_battery_charge_energy_joules_total')} / 3.6e6)"), NAMED, instant=True
            ),
            look=Look(colours.CHARGE, decimals=0),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid="winet-battery",
    title="WiNet / Battery",
    description="Charge, flows, temperature, health and limits of the batteries.",
    sections=(now, course, condition),
    kinds="hybrid|battery",
)
