"""Gateways and exporter: is everything being read, and if not, why.

Longer than most modules, for it is a list of panels.
"""

from grafana import colours
from grafana.board import Board, section, tiles
from grafana.panels import Column, Look, counts, lines, listing, number, timeline
from grafana.queries import JOBS, OF_TARGET, Query, device, named, target
from grafana.states import FRESH, OF_TARGETS, UP, YES, target_state

NAMED = "{{target}}"
RATE = "[$__rate_interval]"
AGES = f"time() - {target('winet2_last_refresh_timestamp_seconds')}"
CERTIFICATE_END = target("winet2_gateway_certificate_expiry_timestamp_seconds")
ASLEEP = target("winet2_target_state", state="asleep")
AGE = ((None, colours.GOOD), (120, colours.WARNING), (600, colours.BAD))
DAY = 86400


def count(metric: str, by: str = "target", **labels: str) -> str:
    """How often something happened in the time of a bar."""
    return f"sum by ({by}) (increase({target(metric, **labels)}{RATE}))"


now = section(
    "Now",
    tiles(
        4,
        4,
        number(
            "Up",
            "Gateways with fresh readings.",
            "none",
            Query(f"sum({target('winet2_up')})"),
            look=Look(colours.GOOD, decimals=0),
        ),
        number(
            "Asleep",
            "Gateways that string inverters switched off for the night: no fault.",
            "none",
            Query(f"sum({ASLEEP})"),
            look=Look(colours.CALM, decimals=0),
        ),
        number(
            "In trouble",
            "Gateways that can't be reached, or whose login a person has to mend.",
            "none",
            Query(f"sum({target('winet2_target_state', state='~backing_off|refused|locked')})"),
            look=Look(limits=((None, colours.GOOD), (1, colours.BAD)), decimals=0),
        ),
        number(
            "Oldest readings",
            "Age of the newest readings, of the gateway that is most behind among those that are up.",
            "s",
            Query(f"max({AGES} and {target('winet2_up')} == 1)"),
            look=Look(limits=AGE, decimals=0),
        ),
        number(
            "Errors",
            "Within the hour before; without second sources for one series, which are normal, and without "
            "gateways that were asleep.",
            "none",
            Query(
                f"sum(increase({target('winet2_errors_total', reason='!duplicate')}[1h])"
                f" unless on ({OF_TARGET}) max_over_time({ASLEEP}[1h]) == 1)"
            ),
            look=Look(limits=((None, colours.GOOD), (1, colours.WARNING)), decimals=0),
        ),
        number(
            "Configuration",
            "Whether the configuration was good when it was read last.",
            "none",
            Query(f"min(winet2_config_last_reload_successful{{{JOBS}}})"),
            look=Look(states={0: ("Bad", colours.BAD), 1: ("Good", colours.GOOD)}),
        ),
    ),
)

gateways = section(
    "Gateways",
    tiles(
        24,
        8,
        timeline(
            "States",
            "How the exporter stands with each gateway.",
            Query(target_state(), NAMED),
            states=OF_TARGETS,
        ),
        listing(
            "Gateways",
            "Each gateway as it is reached, and how it stands. Checked: how its certificate is, and below "
            "Certificate how long that is good for. Unmapped: keys of readings that have no metric.",
            {"target": "Target", "host": "Host", "transport": "Transport", "verify": "Checked"},
            Column(
                "State",
                f"max by (target, host, transport, verify) ({target_state()}"
                f" * on ({OF_TARGET}) group_left (host, transport, verify) {target('winet2_target_info')})",
                "none",
                Look(states=OF_TARGETS),
            ),
            Column("Age", f"max by (target) ({AGES})", "s", Look(decimals=0)),
            Column("Devices", f"max by (target) ({target('winet2_devices')})", "none"),
            Column(
                "Certificate",
                f"max by (target) ({CERTIFICATE_END} - time())",
                "s",
                Look(limits=((None, colours.BAD), (14 * DAY, colours.WARNING), (60 * DAY, colours.GOOD))),
            ),
            Column("WLAN", f"max by (target) ({target('winet2_gateway_wifi_signal_dbm')})", "dBm"),
            Column("Unmapped", f"max by (target) ({target('winet2_unmapped_readings')})", "none"),
        ),
    ),
    tiles(
        12,
        8,
        lines(
            "Age of readings",
            "Time since the newest readings. A slope is one that does not answer; sleepers are left out.",
            "s",
            Query(f"{AGES} unless on ({OF_TARGET}) {ASLEEP} == 1", NAMED),
            fill=0,
        ),
        lines(
            "Refresh",
            "How long the newest refresh of all devices took.",
            "s",
            Query(target("winet2_refresh_duration_seconds"), NAMED),
            fill=0,
        ),
        counts(
            "Errors by reason",
            "What went wrong, by reason; docs/metrics.md tells what each means. "
            "Second sources for one series are left out: they are normal.",
            Query(count("winet2_errors_total", "reason", reason="!duplicate") + " > 0", "{{reason}}"),
        ),
        counts(
            "Refreshes",
            "Refresh cycles that ended, and as negative those that brought nothing.",
            Query(count("winet2_refreshes_total"), NAMED),
            Query(f"-{count('winet2_refresh_failures_total')}", f"{NAMED} failed"),
        ),
    ),
)

connection = section(
    "Connections",
    tiles(
        12,
        8,
        counts(
            "Connections",
            "WebSocket connections that opened, and as negative those that did not.",
            Query(count("winet2_ws_connection_successes_total"), NAMED),
            Query(f"-{count('winet2_ws_connection_failures_total')}", f"{NAMED} failed"),
        ),
        counts(
            "Attempts and reconnections",
            "Attempts to connect, and connections opened after the first one.",
            Query(count("winet2_ws_connection_attempts_total"), f"{NAMED} attempts"),
            Query(count("winet2_ws_reconnections_total"), f"{NAMED} reconnections"),
        ),
        counts(
            "Messages",
            "WebSocket messages received, and sent as negative.",
            Query(count("winet2_ws_messages_received_total"), f"{NAMED} received"),
            Query(f"-{count('winet2_ws_messages_sent_total')}", f"{NAMED} sent"),
        ),
        counts(
            "Time-outs and worse",
            "Questions without answer in time, connections given up after five cycles without a reading, "
            "and messages that failed validation.",
            Query(count("winet2_request_timeouts_total"), f"{NAMED} time-outs"),
            Query(count("winet2_watchdog_triggers_total"), f"{NAMED} watchdog"),
            Query(count("winet2_schema_validation_errors_total"), f"{NAMED} invalid"),
        ),
    ),
    tiles(
        8,
        8,
        lines(
            "Clock",
            "By how much the gateways' clocks are ahead, give or take a minute. Needs a time zone.",
            "s",
            Query(target("winet2_gateway_clock_offset_seconds"), NAMED),
            fill=0,
        ),
        lines(
            "WLAN",
            "Strength of the WLAN at the gateways.",
            "dBm",
            Query(target("winet2_gateway_wifi_signal_dbm"), NAMED),
            fill=0,
        ),
        timeline(
            "Cloud",
            "Whether the gateways reach Sungrow's cloud. The exporter does not need it.",
            Query(target("winet2_gateway_cloud_connected"), NAMED),
            states=YES,
        ),
    ),
    tiles(
        12,
        8,
        counts(
            "Certificates changed",
            "Times that a gateway showed another certificate than before.",
            Query(count("winet2_gateway_certificate_changes_total"), NAMED),
        ),
        timeline(
            "Devices",
            "Whether there are fresh readings of each device; a string inverter has none at night.",
            Query(named(device("winet2_device_up")), "{{target}} {{name}}"),
            states=FRESH,
        ),
        lines(
            "Age by device",
            "Time since the newest reading of each device.",
            "s",
            Query(
                named(f"(time() - {device('winet2_device_last_refresh_timestamp_seconds')})"),
                "{{target}} {{name}}",
            ),
            fill=0,
        ),
        timeline(
            "Links",
            "Whether the gateway has a link to each device, by its list.",
            Query(named(device("winet2_device_online")), "{{target}} {{name}}"),
            states=UP,
        ),
    ),
    collapsed=True,
)

exporter = section(
    "Exporter",
    tiles(
        8,
        8,
        lines(
            "Processor",
            "Share of one processor core.",
            "percentunit",
            Query(f"rate(process_cpu_seconds_total{{{JOBS}}}{RATE})", "{{instance}}"),
        ),
        lines(
            "Memory",
            "Resident memory of the exporter.",
            "bytes",
            Query(f"process_resident_memory_bytes{{{JOBS}}}", "{{instance}}"),
        ),
        lines(
            "Files and sockets",
            "Open file descriptors.",
            "none",
            Query(f"process_open_fds{{{JOBS}}}", "{{instance}}"),
            look=Look(decimals=0),
        ),
    ),
    tiles(
        8,
        7,
        counts(
            "Garbage collections",
            "Of Python's collector, by generation.",
            Query(
                f"sum by (instance, generation) (increase(python_gc_collections_total{{{JOBS}}}{RATE}))",
                "{{instance}} generation {{generation}}",
            ),
        ),
    ),
    tiles(
        4,
        7,
        number(
            "Running for",
            "Time since the exporter began.",
            "s",
            Query(f"time() - process_start_time_seconds{{{JOBS}}}", "{{instance}}"),
            look=Look(colours.CALM, decimals=0),
        ),
    ),
    tiles(
        12,
        7,
        listing(
            "Versions",
            "Of the exporters and their Pythons.",
            {"instance": "Instance", "version": "Exporter", "pythonversion": "Python"},
            Column(
                "Configuration read",
                "max by (instance, version, pythonversion) (1000"
                f" * winet2_config_last_reload_success_timestamp_seconds{{{JOBS}}} * on (job, instance)"
                f" group_left (version, pythonversion) winet2_exporter_build_info{{{JOBS}}})",
                "dateTimeAsIso",
                width=170,
            ),
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    uid="winet-gateways",
    title="WiNet / Gateways and exporter",
    description="Whether everything is being read, and if not, why.",
    sections=(now, gateways, connection, exporter),
    since="now-6h",
)
