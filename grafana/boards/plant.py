"""Plant: how it stands now and what the day brought so far, readable on a phone.

Longer than most modules, for it is a list of panels.
"""

from grafana import colours
from grafana.board import Board, section, tiles
from grafana.panels import Column, Look, gauges, lines, listing, number, timeline
from grafana.queries import Query, device, named, site, target
from grafana.states import OF_DEVICES, OF_TARGETS, device_state, target_state

PV = site("site:winet2_pv_power_watts:sum")
LOAD = site("site:winet2_load_power_watts:balance")
IMPORT = site("site:winet2_grid_import_power_watts:sum")
EXPORT = site("site:winet2_grid_export_power_watts:sum")
CHARGE = site("site:winet2_battery_charge_power_watts:sum")
DISCHARGE = site("site:winet2_battery_discharge_power_watts:sum")
CHARGED = site("site:winet2_battery_state_of_charge_ratio:avg")
OF_SITE = "on (job,site)"
SHARES = ("site:winet2_self_sufficiency_ratio:local_day", "site:winet2_self_consumption_ratio:local_day")
WHOLE = Look(decimals=0)


def share(part: str, whole: str) -> str:
    """The share of a whole that is not some part of it, of those sites that have both."""
    return f"clamp(1 - sum({part} and {OF_SITE} {whole}) / (sum({whole} and {OF_SITE} {part}) > 0), 0, 1)"


def of_sites(expr: str) -> str:
    """One value for each site; the one without a name is called so."""
    return f'label_replace(sum by (site) ({expr}), "site", "(no name)", "site", "")'


SUFFICIENT_NOW = share(IMPORT, LOAD)
TODAY = {
    "PV": ("site:winet2_pv_energy_kwh:local_day", colours.SOLAR),
    "House": ("site:winet2_load_energy_kwh:local_day", colours.HOUSE),
    "Import": ("site:winet2_grid_import_energy_kwh:local_day", colours.GRID),
    "Export": ("site:winet2_grid_export_energy_kwh:local_day", colours.EXPORT),
    "Charged": ("site:winet2_battery_charge_energy_kwh:local_day", colours.CHARGE),
    "Discharged": ("site:winet2_battery_discharge_energy_kwh:local_day", colours.BATTERY),
}
SUFFICIENT = share(site(TODAY["Import"][0]), site(TODAY["House"][0]))
CONSUMED = share(site(TODAY["Export"][0]), site(TODAY["PV"][0]))
MIDNIGHT = "Since midnight where the gateway stands, from lifetime totals."

now = section(
    "Now",
    tiles(
        4,
        4,
        number(
            "PV now",
            "DC power of all PV inputs of the chosen sites.",
            "watt",
            Query(f"sum({PV})"),
            look=Look(colours.SOLAR),
        ),
        number(
            "House now",
            "What is used behind the meter: AC power of all inverters, and import less export. "
            "Known where a hybrid reads the grid's meter.",
            "watt",
            Query(f"sum({LOAD})"),
            look=Look(colours.HOUSE),
        ),
        number(
            "Grid now",
            "Power drawn from the grid; negative while power is fed in.",
            "watt",
            Query(f"sum({IMPORT}) - sum({EXPORT})"),
            look=Look(colours.GRID),
        ),
        number(
            "Battery",
            "State of charge; the mean if there are several batteries.",
            "percentunit",
            Query(f"avg({CHARGED})"),
            look=Look(colours.BATTERY, decimals=0),
        ),
        number(
            "PV today",
            MIDNIGHT,
            "kwatth",
            Query(f"sum({site('site:winet2_pv_energy_kwh:local_day')})"),
            look=Look(colours.SOLAR),
        ),
        number(
            "Self-sufficiency today",
            "Share of the day's use that did not come from the grid, of sites whose meter is read.",
            "percentunit",
            Query(SUFFICIENT),
            look=Look(colours.HOUSE, decimals=0),
        ),
    ),
)

flow = section(
    "Power",
    tiles(
        16,
        10,
        lines(
            "Power flow",
            "Above nought where power comes from, below where it goes. Both sides are alike but for what "
            "inverters turn into heat, and for PV of sites whose meter nobody reads.",
            "watt",
            Query(f"sum({PV} and {OF_SITE} {IMPORT})", "PV"),
            Query(f"sum({PV} unless {OF_SITE} {IMPORT})", "PV of sites without meter"),
            Query(f"sum({DISCHARGE})", "Battery discharge"),
            Query(f"sum({IMPORT})", "Import"),
            Query(f"-sum({LOAD})", "House"),
            Query(f"-sum({CHARGE})", "Battery charge"),
            Query(f"-sum({EXPORT})", "Export"),
            look=Look(
                colours={
                    "PV": colours.SOLAR,
                    "PV of sites without meter": "dark-yellow",
                    "Battery discharge": colours.BATTERY,
                    "Import": colours.GRID,
                    "House": colours.HOUSE,
                    "Battery charge": colours.CHARGE,
                    "Export": colours.EXPORT,
                }
            ),
            stacked=True,
            fill=40,
        ),
    ),
    tiles(
        8,
        10,
        gauges(
            "Today",
            MIDNIGHT,
            "kwatth",
            *(Query(f"sum({site(name)})", title) for title, (name, _) in TODAY.items()),
            look=Look(colours={title: colour for title, (_, colour) in TODAY.items()}, least=0),
        ),
    ),
    tiles(
        12,
        8,
        lines(
            "PV by inverter",
            "DC power of each inverter's PV inputs.",
            "watt",
            Query(named(device("winet2_pv_power_watts")), "{{target}} {{name}}"),
            stacked=True,
            fill=30,
        ),
        lines(
            "Battery charge",
            "State of charge of each site's batteries.",
            "percentunit",
            Query(CHARGED, "Battery {{site}}"),
            look=Look(least=0, most=1),
        ),
    ),
)

states = section(
    "States",
    tiles(
        16,
        7,
        timeline(
            "Devices",
            "What the devices say they do. A gap: no readings, as at a string inverter's night.",
            Query(device_state(), "{{target}} {{name}}"),
            states=OF_DEVICES,
        ),
    ),
    tiles(
        4,
        7,
        number(
            "Faults and alarms",
            "As the gateways count them; not all firmware does.",
            "none",
            Query(f"sum({target('winet2_gateway_faults')})", "Faults"),
            Query(f"sum({target('winet2_gateway_alarms')})", "Alarms"),
            look=Look(limits=((None, colours.GOOD), (1, colours.BAD)), decimals=0),
        ),
        number(
            "Age of readings",
            "Time since the oldest of the newest readings of all targets that are up.",
            "s",
            Query(
                f"max(time() - {target('winet2_last_refresh_timestamp_seconds')}"
                f" and {target('winet2_up')} == 1)"
            ),
            look=Look(limits=((None, colours.GOOD), (120, colours.WARNING), (600, colours.BAD)), decimals=0),
        ),
    ),
    tiles(
        24,
        6,
        timeline(
            "Gateways",
            "How the exporter stands with each gateway. To be asleep at night is no fault.",
            Query(target_state(), "{{target}}"),
            states=OF_TARGETS,
        ),
    ),
)

sites = section(
    "Sites",
    tiles(
        24,
        8,
        listing(
            "Sites",
            "The chosen sites side by side, now and since their midnight. Sufficiency: share of the use that "
            "did not come from the grid, consumption: share of the PV energy that was not fed in.",
            {"site": "Site"},
            Column("PV", of_sites(PV), "watt"),
            Column("House", of_sites(LOAD), "watt"),
            Column("Import", of_sites(IMPORT), "watt"),
            Column("Export", of_sites(EXPORT), "watt"),
            Column("Battery", of_sites(CHARGED), "percentunit", WHOLE),
            Column("PV today", of_sites(site(TODAY["PV"][0])), "kwatth"),
            Column("House today", of_sites(site(TODAY["House"][0])), "kwatth"),
            Column("Sufficiency", of_sites(site(SHARES[0])), "percentunit", WHOLE),
            Column("Consumption", of_sites(site(SHARES[1])), "percentunit", WHOLE),
        ),
    ),
    collapsed=True,
)

day = section(
    "The day in detail",
    tiles(
        12,
        8,
        lines(
            "Self-sufficiency and self-consumption",
            "Share of the use that does not come from the grid, now and of the day so far; "
            "and share of the day's PV energy that was not fed in.",
            "percentunit",
            Query(SUFFICIENT_NOW, "Self-sufficiency now"),
            Query(SUFFICIENT, "Self-sufficiency today"),
            Query(CONSUMED, "Self-consumption today"),
            look=Look(
                colours={
                    "Self-sufficiency now": "light-purple",
                    "Self-sufficiency today": colours.HOUSE,
                    "Self-consumption today": colours.SOLAR,
                },
                least=0,
                most=1,
            ),
            fill=0,
        ),
        lines(
            "Energy today",
            f"{MIDNIGHT} Export is negative.",
            "kwatth",
            *(
                Query(f"{'-' if title == 'Export' else ''}sum({site(name)})", title)
                for title, (name, _) in TODAY.items()
            ),
            look=Look(colours={title: colour for title, (_, colour) in TODAY.items()}),
            fill=0,
        ),
        lines(
            "AC power by inverter",
            "Active power at each inverter's AC side; negative while it draws power.",
            "watt",
            Query(named(device("winet2_ac_active_power_watts")), "{{target}} {{name}}"),
            fill=0,
        ),
        lines(
            "Sun",
            "Height of the sun above the horizon, at targets whose location is configured.",
            "degree",
            Query(target("winet2_sun_elevation_degrees"), "{{target}}"),
            look=Look(decimals=0),
            fill=0,
        ),
        lines(
            "Car charging",
            "Energy that chargers delivered within the hour before.",
            "kwatth",
            Query(
                named(f"(increase({device('winet2_charger_delivered_energy_joules_total')}[1h]) / 3.6e6)"),
                "{{target}} {{name}}",
            ),
        ),
        lines(
            "Backup output",
            "Power on the backup output of hybrids that have one.",
            "watt",
            Query(named(device("winet2_backup_power_watts")), "{{target}} {{name}}"),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid="winet-plant",
    title="WiNet / Plant",
    description="How the plant stands now, and what the day brought so far. Needs the recording rules.",
    sections=(now, flow, states, sites, day),
)
