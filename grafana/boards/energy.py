"""Energy: days, months and years in the viewer's time zone, shares, yield and money.

Longer than most modules, for it is a list of panels.
"""

from grafana import colours
from grafana.board import Board, Panel, section, text_box, tiles, time_link
from grafana.growth import (
    DAY,
    QUARTER_DAY,
    RANGE,
    Window,
    by_name,
    grown,
    not_bought,
    self_consumption,
    self_sufficiency,
    specific_yield,
    total,
    used,
)
from grafana.panels import SIZES, Look, bars, calendar, dots, gauges, number
from grafana.queries import Query, device, named

UID = "winet-energy"
COLOURS = {
    "PV": colours.SOLAR,
    "House": colours.HOUSE,
    "Import": colours.GRID,
    "Export": colours.EXPORT,
    "Charged": colours.CHARGE,
    "Discharged": colours.BATTERY,
}
SHARES = {"Self-sufficiency": colours.HOUSE, "Self-consumption": colours.SOLAR}
WHOLE_SITES = "Of the chosen targets' whole sites, where a hybrid reads the meter."
PERIOD = "In the time range of the board"
NAMED = "{{target}} {{name}}"
YIELD_UNIT = "suffix:kWh/kWp"  # Grafana puts a space before it


def flows(window: Window) -> list[Query]:
    """All that has a total; what does not come to the house is negative."""
    return [
        Query(total("pv", window), "PV", step=window.step),
        Query(total("grid_import", window), "Import", step=window.step),
        Query(total("battery_discharge", window), "Discharged", step=window.step),
        Query(f"-{total('grid_export', window)}", "Export", step=window.step),
        Query(f"-{total('battery_charge', window)}", "Charged", step=window.step),
    ]


def saved(window: Window) -> str:
    """What the use that did not come from the grid would have cost."""
    return f"{not_bought(window)} * $buy_price"


def earned(window: Window) -> str:
    return f"{total('grid_export', window)} * $sell_price"


def bought(window: Window) -> str:
    return f"{total('grid_import', window)} * $buy_price"


def in_range(title: str, description: str, unit: str, expr: str, colour: str) -> Panel:
    """A figure about the board's time range."""
    look = Look(colour, decimals=0 if unit == "percentunit" else None)
    return number(title, f"{PERIOD}: {description}", unit, Query(expr), look=look)


period = section(
    "In this time range",
    tiles(
        4,
        4,
        in_range("PV", "what the modules delivered.", "kwatth", total("pv", RANGE), colours.SOLAR),
        in_range(
            "House",
            f"PV, import and discharge, less export and charge; with all losses. {WHOLE_SITES}",
            "kwatth",
            used(RANGE),
            colours.HOUSE,
        ),
        in_range("Import", "drawn from the grid.", "kwatth", total("grid_import", RANGE), colours.GRID),
        in_range("Export", "fed into the grid.", "kwatth", total("grid_export", RANGE), colours.EXPORT),
        in_range(
            "Self-sufficiency",
            f"share of the use that did not come from the grid. {WHOLE_SITES}",
            "percentunit",
            self_sufficiency(RANGE),
            colours.HOUSE,
        ),
        in_range(
            "Self-consumption",
            f"share of the PV energy that was not fed in. {WHOLE_SITES}",
            "percentunit",
            self_consumption(RANGE),
            colours.SOLAR,
        ),
    ),
)

days = section(
    "Days",
    tiles(
        24,
        10,
        bars(
            "Days",
            "Each day from midnight to midnight in your time zone, today up to the last quarter of an hour. "
            "Export and charging are negative.",
            "kwatth",
            *flows(DAY),
            look=Look(colours=COLOURS),
        ),
    ),
    tiles(
        12,
        8,
        bars(
            "Use by day",
            f"What the house used each day, losses included. {WHOLE_SITES}",
            "kwatth",
            Query(used(DAY), "House", step=DAY.step),
            look=Look(colours=COLOURS),
        ),
        dots(
            "Shares by day",
            "Self-sufficiency: the part of the use that did not come from the grid. "
            "Self-consumption: the part of the PV energy that was not fed in.",
            "percentunit",
            Query(self_sufficiency(DAY), "Self-sufficiency", step=DAY.step),
            Query(self_consumption(DAY), "Self-consumption", step=DAY.step),
            look=Look(colours=SHARES, least=0, most=1),
        ),
    ),
)

months = section(
    "Months",
    tiles(
        12,
        9,
        calendar(
            "This year by month",
            "Months of this year so far, in your time zone, whatever range the board shows. "
            "Export and charging are negative.",
            "kwatth",
            *flows(QUARTER_DAY),
            by="YYYY-MM",
            look=Look(colours=COLOURS),
        ).time_from("now/y"),
        calendar(
            "The year before by month",
            "The same months a year earlier, as far as Prometheus remembers.",
            "kwatth",
            *flows(QUARTER_DAY),
            by="YYYY-MM",
            look=Look(colours=COLOURS),
        )
        .time_from("now/y")
        .time_shift("1y"),
    ),
)

years = section(
    "Years",
    tiles(
        24,
        9,
        calendar(
            "Years",
            "Up to ten years, as far as Prometheus remembers; the first is not whole. "
            "Export and charging are negative.",
            "kwatth",
            *flows(DAY),
            by="YYYY",
            look=Look(colours=COLOURS),
        ).time_from("10y"),
    ),
    collapsed=True,
)

yields = section(
    "Yield",
    tiles(
        8,
        8,
        gauges(
            "Specific yield",
            f"{PERIOD}: energy for each kilowatt of rated power, where that is known. "
            "Alike modules under one sky have alike yields.",
            YIELD_UNIT,
            Query(by_name(f"({specific_yield(RANGE)})", RANGE), NAMED),
            look=Look(colours.SOLAR, decimals=2, least=0),
        ),
    ),
    tiles(
        16,
        8,
        dots(
            "Specific yield by day",
            "Energy for each kilowatt of rated power, where that is known, day by day.",
            YIELD_UNIT,
            Query(by_name(f"({specific_yield(DAY)})", DAY), NAMED, step=DAY.step),
        ),
    ),
    tiles(
        24,
        8,
        bars(
            "PV by inverter and day",
            "What each inverter's modules delivered, day by day.",
            "kwatth",
            Query(by_name(grown("pv", DAY), DAY), NAMED, step=DAY.step),
        ),
    ),
)


def money_figure(title: str, description: str, expr: str, colour: str = colours.MONEY) -> Panel:
    """A sum of money, with the currency beside it."""
    query, look = Query(expr, "$currency"), Look(colour, decimals=2)
    return number(title, f"{PERIOD}: {description}", "none", query, look=look).text(SIZES)


money = section(
    "Money",
    tiles(
        6,
        4,
        money_figure(
            "Saved",
            f"what the use that did not come from the grid would have cost. {WHOLE_SITES}",
            saved(RANGE),
        ),
        money_figure("Earned", "what was paid for what was fed in.", earned(RANGE)),
        money_figure("Bought", "what was paid for what was drawn.", bought(RANGE), colours.GRID),
        money_figure("Benefit", "saved and earned together.", f"{saved(RANGE)} + {earned(RANGE)}"),
    ),
    tiles(
        24,
        8,
        bars(
            "Money by day",
            "Saved by not buying, earned by feeding in, and paid for the rest, in your currency.",
            "none",
            Query(saved(DAY), "Saved", step=DAY.step),
            Query(earned(DAY), "Earned", step=DAY.step),
            Query(f"-{bought(DAY)}", "Bought", step=DAY.step),
            look=Look(
                colours={"Saved": colours.MONEY, "Earned": "light-orange", "Bought": colours.GRID}, decimals=2
            ),
        ),
    ),
)

lifetime = section(
    "Since the first day",
    tiles(
        12,
        7,
        gauges(
            "All inverters",
            "What they counted since they were put to work. Those that sleep are left out.",
            "kwatth",
            Query(f"sum({device('winet2_pv_energy_joules_total')}) / 3.6e6", "PV"),
            Query(f"sum({device('winet2_grid_import_energy_joules_total')}) / 3.6e6", "Import"),
            Query(f"sum({device('winet2_grid_export_energy_joules_total')}) / 3.6e6", "Export"),
            look=Look(colours=COLOURS, least=0),
        ),
        gauges(
            "PV of each inverter",
            "What each counted since it was put to work. Those that sleep are left out.",
            "kwatth",
            Query(named(f"({device('winet2_pv_energy_joules_total')} / 3.6e6)"), NAMED),
            look=Look(colours.SOLAR, least=0),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid=UID,
    title="WiNet / Energy",
    description="Days, months and years in your zone: energy, yield, money. Needs the recording rules.",
    sections=(period, days, months, years, yields, money, lifetime),
    since="now-14d/d",
    refresh="5m",
    more_variables=(
        text_box("buy_price", "Price bought", "0.30", "Of a kWh from the grid; with a point, as 0.30."),
        text_box("sell_price", "Price sold", "0.08", "Of a kWh that is fed in; with a point, as 0.08."),
        text_box("currency", "Currency", "EUR", "Only written beside sums of money."),
    ),
    more_links=(
        time_link("Today", UID, "now/d"),
        time_link("This month", UID, "now/M"),
        time_link("This year", UID, "now/y"),
        time_link("Last year", UID, "now-1y/y", "now-1y/y"),
    ),
)
