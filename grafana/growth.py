"""What lifetime totals grew by: in the board's time range, and day by day as the viewer's calendar has it.

Asked of what the rule `winet-history` keeps every quarter of an hour: a year of it is as cheap as a week of
what is scraped. The growth is the last value of a window less the last one before it. That is exact where
`increase()` would extrapolate, and what an inverter made while nobody looked is not lost.
Grafana puts the points of a query with a step of a day at midnight in the viewer's time zone; a window that
begins at its point makes a bar stand at its own date.
"""

from dataclasses import dataclass

from grafana.queries import DEVICES, JOBS, SITES, TARGETS

OUTAGE = "2d"  # for so long a total is remembered that is not there


@dataclass(frozen=True)
class Window:
    """A length of time; where it ends beside the point of a query, and where it begins."""

    length: str
    end: str
    begin: str
    step: str = ""


RANGE = Window("$__range", "", " offset $__range")
DAY = Window("1d", " offset -1d", "", "1d")
# Months are added up from quarters of days. Where clocks changed since, a day's point is at 23:00 of the day
# before, and would count to the wrong month; of four quarters only one does so, and that is night.
QUARTER_DAY = Window("6h", " offset -6h", "", "6h")


def grown(flows: str, window: Window, where: str = DEVICES) -> str:
    """kWh by which the totals of some flows grew, for each device; of a new one, since it is known.

    What batteries count themselves stands in where no inverter of their gateway tells it, as in the rules.
    """
    expr = _grown(flows, window, where)
    for flow in flows.split("|"):
        if flow.startswith("battery_"):
            told = f"last_over_time({_series(flow, where)}[{window.length}]{window.end})"
            expr = f"({expr} or {_grown(f'{flow}_bms', window, where)} unless on (job,target) {told})"
    return expr


def _series(flows: str, where: str) -> str:
    return f'device:winet2_energy_joules:last15m{{{where},flow=~"{flows}"}}'


def _grown(flows: str, window: Window, where: str) -> str:
    """A total that went back began anew only if it is far below what it was; `increase()` knows the rest.

    Elsewhere that would add a lifetime for a correction of 0.2 kWh: what it is above its lowest value counts.
    """
    series = _series(flows, where)
    within = f"{series}[{window.length}]{window.end}"
    end = f"last_over_time({within})"
    begin = f"last_over_time({series}[{OUTAGE}]{window.begin})"
    anew = f"increase({within}) and {end} < {begin} / 2"
    return f"(({end} - {begin} >= 0 or {anew} or {end} - min_over_time({within})) / 3.6e6)"


def total(flow: str, window: Window) -> str:
    """kWh of a flow, all chosen devices together."""
    return f"sum({grown(flow, window)})"


def by_name(expr: str, window: Window) -> str:
    """Growth of devices with the label `name`."""
    info = f"last_over_time(device:winet2_device:info{{{DEVICES}}}[{window.length}]{window.end})"
    return f"{expr} * on (job,target,device) group_left (name) topk by (job,target,device) (1, {info})"


def metered(expr: str, window: Window) -> str:
    """All in all of the chosen targets' sites, those in which a hybrid reads the grid's meter.

    A site is one whole: what one of its targets feeds in, another one's house uses.
    """
    info = f"last_over_time(target:winet2_site:info{{{SITES}}}[{window.length}]{window.end})"
    site = f"* on (job,target) group_left (site) topk by (job,target) (1, {info})"
    read = f'device:winet2_energy_joules:last15m{{{JOBS},flow="grid_import"}}'
    meter = f"last_over_time({read}[{window.length}]{window.end})"
    chosen = f"last_over_time(target:winet2_site:info{{{TARGETS}}}[{window.length}]{window.end})"
    known = f"and on (job,site) ({meter} {site}) and on (job,site) {chosen}"
    return f"sum(sum by (job,site) ({expr} {site}) {known})"


def of_sites(flow: str, window: Window) -> str:
    """kWh of a flow, of whole sites whose meter is read."""
    return metered(grown(flow, window, JOBS), window)


def used(window: Window) -> str:
    """kWh used behind the meter, losses included."""
    plus = grown("pv|grid_import|battery_discharge", window, JOBS)
    minus = grown("grid_export|battery_charge", window, JOBS)
    return metered(f"({plus} or -{minus})", window)


def not_bought(window: Window) -> str:
    """kWh used that did not come from the grid: the import cancels out."""
    plus = grown("pv|battery_discharge", window, JOBS)
    minus = grown("grid_export|battery_charge", window, JOBS)
    return metered(f"({plus} or -{minus})", window)


def self_sufficiency(window: Window) -> str:
    """The share of the use that did not come from the grid."""
    return f"clamp({not_bought(window)} / ({used(window)} > 0), 0, 1)"


def self_consumption(window: Window) -> str:
    """The share of the PV energy that was not fed in."""
    return f"clamp(1 - {of_sites('grid_export', window)} / ({of_sites('pv', window)} > 0), 0, 1)"


def specific_yield(window: Window) -> str:
    """kWh for each rated kW, of inverters whose rated power is known."""
    rated = f"last_over_time(device:winet2_rated_power_watts:max{{{DEVICES}}}[{window.length}]{window.end})"
    return f"{grown('pv', window)} / on (job,target,device) group_left () ({rated} / 1000)"
