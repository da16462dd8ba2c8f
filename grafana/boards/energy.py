"""Energy: days, months and years in the viewer's time zone, shares, yield and money.

Everything is the growth of lifetime totals: right for any range, whatever devices take for midnight.
"""

from grafana import colours
from grafana.board import Board, Place, Section, text_box, time_link
from grafana.panels import Look, bars, calendar, gauges, lines, number
from grafana.queries import DAY_BY_DAY, DEVICES, OF_DEVICE, QUARTER_DAYS, Query, device, inverters, kwh, named

UID = "winet-energy"
RANGE = "[$__range]"
COLOURS = {
    "PV": colours.SOLAR,
    "House": colours.HOUSE,
    "Import": colours.GRID,
    "Export": colours.EXPORT,
    "Charged": colours.CHARGE,
    "Discharged": colours.BATTERY,
}


def pv(window: str) -> str:
    return f"sum({kwh('winet2_pv_energy_joules_total', window)})"


def imported(window: str) -> str:
    return f"sum({kwh('winet2_grid_import_energy_joules_total', window)})"


def exported(window: str) -> str:
    return f"sum({kwh('winet2_grid_export_energy_joules_total', window)})"


def charged(window: str) -> str:
    return f"sum({inverters(kwh('winet2_battery_charge_energy_joules_total', window))})"


def discharged(window: str) -> str:
    return f"sum({inverters(kwh('winet2_battery_discharge_energy_joules_total', window))})"


def used(window: str) -> str:
    """What was used behind the meter. A plant without battery has none to add."""
    return (
        f"{pv(window)} + {imported(window)} - {exported(window)}"
        f" + ({discharged(window)} or vector(0)) - ({charged(window)} or vector(0))"
    )


def flows(window: str, step: str = "", *, instant: bool = False) -> list[Query]:
    """Everything that has a total, what leaves the house or comes from it as negative."""
    return [
        Query(pv(window), "PV", instant, step=step),
        Query(imported(window), "Import", instant, step=step),
        Query(discharged(window), "Discharged", instant, step=step),
        Query(f"-{exported(window)}", "Export", instant, step=step),
        Query(f"-{charged(window)}", "Charged", instant, step=step),
    ]


PERIOD = "In the time range of the board"
RATED = device("winet2_device_rated_power_watts")
YIELD_UNIT = "suffix: kWh/kWp"


def specific_yield(window: str) -> str:
    """kWh of each rated kW, of those inverters whose rated power is known."""
    total = kwh("winet2_pv_energy_joules_total", window)
    return f"{total} / on ({OF_DEVICE}) group_left () ({RATED} / 1000)"


period = Section(
    "In this time range",
    (
        Place(
            number(
                "PV",
                f"{PERIOD}: what the modules delivered.",
                "kwatth",
                Query(pv(RANGE), instant=True),
                look=Look(colours.SOLAR, decimals=1),
            ),
            4,
            4,
        ),
        Place(
            number(
                "House",
                f"{PERIOD}: PV, import and discharge, less export and charge; with all losses.",
                "kwatth",
                Query(used(RANGE), instant=True),
                look=Look(colours.HOUSE, decimals=1),
            ),
            4,
            4,
        ),
        Place(
            number(
                "Import",
                f"{PERIOD}: drawn from the grid.",
                "kwatth",
                Query(imported(RANGE), instant=True),
                look=Look(colours.GRID, decimals=1),
            ),
            4,
            4,
        ),
        Place(
            number(
                "Export",
                f"{PERIOD}: fed into the grid.",
                "kwatth",
                Query(f"-{exported(RANGE)}", instant=True),
                look=Look(colours.EXPORT, decimals=1),
            ),
            4,
            4,
        ),
        Place(
            number(
                "Self-sufficiency",
                f"{PERIOD}: share of the use that did not come from the grid.",
                "percentunit",
                Query(f"1 - {imported(RANGE)} / ({used(RANGE)} > 0)", instant=True),
                look=Look(colours.HOUSE, decimals=0),
            ),
            4,
            4,
        ),
        Place(
            number(
                "Self-consumption",
                f"{PERIOD}: share of the PV energy that was not fed in.",
                "percentunit",
                Query(f"1 - {exported(RANGE)} / ({pv(RANGE)} > 0)", instant=True),
                look=Look(colours.SOLAR, decimals=0),
            ),
            4,
            4,
        ),
    ),
)

days = Section(
    "Days",
    (
        Place(
            bars(
                "Days",
                "Each day from midnight to midnight in your time zone, today up to now. "
                "Export and charging are negative.",
                "kwatth",
                *flows(DAY_BY_DAY, "1d"),
                look=Look(colours=COLOURS, decimals=1),
            ),
            24,
            10,
        ),
        Place(
            bars(
                "Use by day",
                "What the house used each day, losses included.",
                "kwatth",
                Query(used(DAY_BY_DAY), "House", step="1d"),
                look=Look(colours=COLOURS, decimals=1),
            ),
            12,
            8,
        ),
        Place(
            lines(
                "Shares by day",
                "Self-sufficiency: the part of the use that did not come from the grid. "
                "Self-consumption: the part of the PV energy that was not fed in.",
                "percentunit",
                Query(
                    f"1 - {imported(DAY_BY_DAY)} / ({used(DAY_BY_DAY)} > 0)", "Self-sufficiency", step="1d"
                ),
                Query(f"1 - {exported(DAY_BY_DAY)} / ({pv(DAY_BY_DAY)} > 0)", "Self-consumption", step="1d"),
                look=Look(
                    colours={"Self-sufficiency": colours.HOUSE, "Self-consumption": colours.SOLAR}, decimals=0
                ),
                steps=True,
            ),
            12,
            8,
        ),
    ),
)

months = Section(
    "Months",
    (
        Place(
            calendar(
                "This year by month",
                "Months of this year so far, in your time zone, whatever range the board shows. "
                "Export and charging are negative.",
                "kwatth",
                *flows(QUARTER_DAYS, "6h"),
                by="YYYY-MM",
                look=Look(colours=COLOURS, decimals=0),
            ).time_from("now/y"),
            12,
            9,
        ),
        Place(
            calendar(
                "The year before by month",
                "The same months a year earlier, as far as Prometheus remembers.",
                "kwatth",
                *flows(QUARTER_DAYS, "6h"),
                by="YYYY-MM",
                look=Look(colours=COLOURS, decimals=0),
            )
            .time_from("now/y")
            .time_shift("1y"),
            12,
            9,
        ),
    ),
)

years = Section(
    "Years",
    (
        Place(
            calendar(
                "Years",
                "Up to ten years, as far as Prometheus remembers; the first is not whole. "
                "Export and charging are negative.",
                "kwatth",
                *flows(DAY_BY_DAY, "1d"),
                by="YYYY",
                look=Look(colours=COLOURS, decimals=0),
            ).time_from("10y"),
            24,
            9,
        ),
    ),
    collapsed=True,
)

yields = Section(
    "Yield",
    (
        Place(
            gauges(
                "Specific yield",
                f"{PERIOD}: energy of each rated kilowatt, for inverters whose rated power is configured. "
                "Alike modules under one sky have alike yields.",
                YIELD_UNIT,
                Query(named(f"({specific_yield(RANGE)})"), "{{target}} {{name}}", instant=True),
                look=Look(colours.SOLAR, decimals=2),
            ),
            8,
            8,
        ),
        Place(
            bars(
                "Specific yield by day",
                "Energy of each rated kilowatt, day by day, for inverters whose rated power is configured.",
                YIELD_UNIT,
                Query(named(f"({specific_yield(DAY_BY_DAY)})"), "{{target}} {{name}}", step="1d"),
                look=Look(decimals=2),
                stacked=False,
            ),
            16,
            8,
        ),
        Place(
            bars(
                "PV by inverter and day",
                "What each inverter's modules delivered, day by day.",
                "kwatth",
                Query(
                    named(f"({kwh('winet2_pv_energy_joules_total', DAY_BY_DAY)})"),
                    "{{target}} {{name}}",
                    step="1d",
                ),
                look=Look(decimals=1),
            ),
            24,
            8,
        ),
    ),
)

money = Section(
    "Money",
    (
        Place(
            number(
                "Saved",
                f"{PERIOD}: what the use that did not come from the grid would have cost.",
                "none",
                Query(f"({used(RANGE)} - {imported(RANGE)}) * $buy_price", "$currency", instant=True),
                look=Look(colours.MONEY, decimals=2),
            ),
            6,
            4,
        ),
        Place(
            number(
                "Earned",
                f"{PERIOD}: what was paid for what was fed in.",
                "none",
                Query(f"{exported(RANGE)} * $sell_price", "$currency", instant=True),
                look=Look(colours.MONEY, decimals=2),
            ),
            6,
            4,
        ),
        Place(
            number(
                "Bought",
                f"{PERIOD}: what was paid for what was drawn.",
                "none",
                Query(f"{imported(RANGE)} * $buy_price", "$currency", instant=True),
                look=Look(colours.GRID, decimals=2),
            ),
            6,
            4,
        ),
        Place(
            number(
                "Benefit",
                f"{PERIOD}: saved and earned together.",
                "none",
                Query(
                    f"({used(RANGE)} - {imported(RANGE)}) * $buy_price + {exported(RANGE)} * $sell_price",
                    "$currency",
                    instant=True,
                ),
                look=Look(colours.MONEY, decimals=2),
            ),
            6,
            4,
        ),
        Place(
            bars(
                "Money by day",
                "Saved by not buying, earned by feeding in, and paid for the rest, in your currency.",
                "none",
                Query(f"({used(DAY_BY_DAY)} - {imported(DAY_BY_DAY)}) * $buy_price", "Saved", step="1d"),
                Query(f"{exported(DAY_BY_DAY)} * $sell_price", "Earned", step="1d"),
                Query(f"-{imported(DAY_BY_DAY)} * $buy_price", "Bought", step="1d"),
                look=Look(
                    colours={"Saved": colours.MONEY, "Earned": "light-orange", "Bought": colours.GRID},
                    decimals=2,
                ),
            ),
            24,
            8,
        ),
    ),
)

lifetime = Section(
    "Since the first day",
    (
        Place(
            gauges(
                "Lifetime totals",
                "What the inverters counted since they were put to work, PV first.",
                "kwatth",
                Query(f"sum(winet2_pv_energy_joules_total{{{DEVICES}}}) / 3.6e6", "PV", instant=True),
                Query(
                    f"sum(winet2_grid_import_energy_joules_total{{{DEVICES}}}) / 3.6e6",
                    "Import",
                    instant=True,
                ),
                Query(
                    f"sum(winet2_grid_export_energy_joules_total{{{DEVICES}}}) / 3.6e6",
                    "Export",
                    instant=True,
                ),
                look=Look(colours=COLOURS, decimals=0),
            ),
            12,
            7,
        ),
        Place(
            gauges(
                "PV since the first day",
                "Lifetime total of each inverter; those that sleep are left out.",
                "kwatth",
                Query(
                    named(f"(winet2_pv_energy_joules_total{{{DEVICES}}} / 3.6e6)"),
                    "{{target}} {{name}}",
                    instant=True,
                ),
                look=Look(colours.SOLAR, decimals=0),
            ),
            12,
            7,
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid=UID,
    title="WiNet / Energy",
    description="Days, months and years in your time zone: energy, shares, yield and money.",
    sections=(period, days, months, years, yields, money, lifetime),
    since="now-14d/d",
    refresh="5m",
    more_variables=(
        text_box(
            "buy_price", "Price bought", "0.30", "What a kWh from the grid costs; with a point, as 0.30."
        ),
        text_box(
            "sell_price",
            "Price sold",
            "0.08",
            "What is paid for a kWh that is fed in; with a point, as 0.08.",
        ),
        text_box("currency", "Currency", "EUR", "Only written beside sums of money."),
    ),
    more_links=(
        time_link("Today", UID, "now/d"),
        time_link("This month", UID, "now/M"),
        time_link("This year", UID, "now/y"),
        time_link("Last year", UID, "now-1y/y", "now-1y/y"),
    ),
)
