"""Battery: charge, flows, temperature, health and limits."""

from grafana import colours
from grafana.board import Board, Panel, section, tiles
from grafana.growth import DAY, RANGE, Window, by_name, grown, total
from grafana.panels import Look, bars, gauges, lines, number, timeline
from grafana.queries import Query, device, named, own_reading
from grafana.states import OF_DEVICES, device_state

NAMED = "{{target}} {{name}}"
CHARGE = device("winet2_battery_charge_power_watts")
DISCHARGE = device("winet2_battery_discharge_power_watts")
MONTH = Window("30d", "", " offset 30d")
TOTAL = device("winet2_battery_charge_energy_joules_total")
PLAIN = Look()
SHARE = Look(least=0, most=1)
ONE_SOURCE = "Of one source: the hybrid's reading, else the battery's own."
LIMITS = ((None, colours.BAD), (0.7, colours.WARNING), (0.8, colours.GOOD))

now = section(
    "Now",
    tiles(
        4,
        4,
        number(
            "Charge",
            "State of charge; the mean if there are several.",
            "percentunit",
            Query(f"avg({own_reading('winet2_battery_state_of_charge_ratio')})"),
            look=Look(colours.BATTERY, decimals=0),
        ),
        number(
            "Power",
            "Power out of the battery; negative while it charges.",
            "watt",
            Query(f"sum({DISCHARGE}) - sum({CHARGE})"),
            look=Look(colours.BATTERY),
        ),
        number(
            "Health",
            "State of health, the least of all.",
            "percentunit",
            Query(f"min({own_reading('winet2_battery_state_of_health_ratio')})"),
            look=Look(limits=LIMITS, decimals=0),
        ),
        number(
            "Temperature",
            "The highest of all.",
            "celsius",
            Query(f"max({own_reading('winet2_battery_temperature_celsius')})"),
            look=Look(
                limits=((None, colours.CALM), (5, colours.GOOD), (45, colours.WARNING), (55, colours.BAD))
            ),
        ),
        number(
            "Charged",
            "In the time range of the board, as the hybrid counts it.",
            "kwatth",
            Query(total("battery_charge", RANGE)),
            look=Look(colours.CHARGE),
        ),
        number(
            "Discharged",
            "In the time range of the board, as the hybrid counts it.",
            "kwatth",
            Query(total("battery_discharge", RANGE)),
            look=Look(colours.BATTERY),
        ),
    ),
)


def measured(
    title: str, description: str, metric: str, unit: str, look: Look = PLAIN, fill: int = 0
) -> Panel:
    """What is known of each battery, from the one source that is best."""
    query = Query(named(own_reading(metric)), NAMED)
    return lines(title, f"{description} {ONE_SOURCE}", unit, query, look=look, fill=fill)


course = section(
    "Course",
    tiles(
        12,
        9,
        measured(
            "Charge",
            "State of charge.",
            "winet2_battery_state_of_charge_ratio",
            "percentunit",
            SHARE,
            fill=10,
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
            Query(device_state("hybrid|battery"), NAMED),
            states=OF_DEVICES,
        ),
    ),
    tiles(
        24,
        8,
        bars(
            "Energy by day",
            "Each day of two weeks in your time zone, as the hybrid counts it. Charging is negative.",
            "kwatth",
            Query(total("battery_discharge", DAY), "Discharged", step=DAY.step),
            Query(f"-{total('battery_charge', DAY)}", "Charged", step=DAY.step),
            look=Look(colours={"Discharged": colours.BATTERY, "Charged": colours.CHARGE}),
        ).time_from("14d"),
    ),
)

condition = section(
    "Condition",
    tiles(
        12,
        8,
        measured("Temperature", "Of the batteries.", "winet2_battery_temperature_celsius", "celsius"),
        measured(
            "Health",
            "State of health; a slow fall over years is its nature.",
            "winet2_battery_state_of_health_ratio",
            "percentunit",
            SHARE,
        ),
        measured(
            "Current",
            "Of the batteries; the sign differs between devices.",
            "winet2_battery_current_amperes",
            "amp",
        ),
        lines(
            "Limits",
            "The most that the batteries allow now: less when they are cold, full or empty.",
            "amp",
            Query(named(device("winet2_battery_charge_current_limit_amperes")), f"{NAMED} in"),
            Query(named(device("winet2_battery_discharge_current_limit_amperes")), f"{NAMED} out"),
            fill=0,
        ),
        measured("Voltage", "Of the batteries.", "winet2_battery_voltage_volts", "volt"),
        number(
            "Round trip",
            "Energy that came out, as a share of what went in, over 30 days and from 50 kWh on: "
            "less says more of the charge that is left than of losses.",
            "percentunit",
            Query(
                by_name(
                    f"({grown('battery_discharge', MONTH)} / on (job,target,device)"
                    f" ({grown('battery_charge', MONTH)} > 50))",
                    MONTH,
                ),
                NAMED,
            ),
            look=Look(colours.BATTERY, decimals=0),
        ),
    ),
    collapsed=True,
)


def of_batteries(title: str, description: str, metric: str, unit: str, look: Look) -> Panel:
    """What battery devices measure themselves."""
    query = Query(named(device(metric), "battery"), NAMED)
    return lines(
        title, f"{description}, as the battery devices tell it themselves.", unit, query, look=look, fill=0
    )


themselves = section(
    "As the batteries tell it",
    tiles(
        8,
        7,
        of_batteries(
            "Charge", "State of charge", "winet2_battery_state_of_charge_ratio", "percentunit", SHARE
        ),
        of_batteries("Voltage", "Voltage", "winet2_battery_voltage_volts", "volt", PLAIN),
        of_batteries("Current", "Current", "winet2_battery_current_amperes", "amp", PLAIN),
        of_batteries("Temperature", "Temperature", "winet2_battery_temperature_celsius", "celsius", PLAIN),
        of_batteries(
            "Health", "State of health", "winet2_battery_state_of_health_ratio", "percentunit", SHARE
        ),
        gauges(
            "Charged since the first day",
            "Lifetime totals. Hybrid and battery each count for themselves: never add them.",
            "kwatth",
            Query(named(f"({TOTAL} / 3.6e6)"), NAMED),
            look=Look(colours.CHARGE, least=0),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid="winet-battery",
    title="WiNet / Battery",
    description="Charge, flows, temperature, health and limits of the batteries.",
    sections=(now, course, condition, themselves),
    kinds="hybrid|battery",
)
