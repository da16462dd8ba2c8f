"""The body of `/metrics`: both formats, every counter from the start, nothing stale and nothing twice."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import __version__
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition, Format
from exporter.telemetry import (
    Answer,
    Counters,
    Device,
    DeviceReport,
    DirectInput,
    FaultRow,
    Faults,
    GatewayService,
    Location,
    OwnDevice,
    OwnString,
    Reading,
    Reason,
    Service,
    Snapshot,
    State,
    TargetInfo,
    TargetStatus,
)
from tests.prometheus import metric_findings

BUNDLED = catalogue.bundled()
HOSTILE = 'a"b\\c\nd{e="f"} 1\\n# EOF'
WALL = 1_780_000_000.0

COUNTERS = [
    "winet2_ws_connection_attempts_total",
    "winet2_ws_connection_successes_total",
    "winet2_ws_connection_failures_total",
    "winet2_ws_reconnections_total",
    "winet2_ws_messages_received_total",
    "winet2_ws_messages_sent_total",
    "winet2_request_timeouts_total",
    "winet2_watchdog_triggers_total",
    "winet2_schema_validation_errors_total",
    "winet2_refreshes_total",
    "winet2_refresh_failures_total",
    "winet2_gateway_certificate_changes_total",
]

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Page:
    """An exposition and its clock, with readings put in and samples read out by parsers."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.wall = WALL
        self.exposition = Exposition(BUNDLED, self.clock, lambda: self.wall)

    def refresh(
        self,
        *reports: DeviceReport,
        status: TargetStatus | None = None,
        gateway: Mapping[GatewayService, Iterable[tuple[str, str, str]]] | None = None,
    ) -> None:
        """A snapshot of now."""
        told = {
            service: Answer(self.clock.now, WALL, tuple(Reading(*fact) for fact in facts))
            for service, facts in (gateway or {}).items()
        }
        snapshot = Snapshot(self.clock.now, WALL, reports, told)
        self.exposition.update(status or status_of(), snapshot)

    def report(self, device: Device, **answers: Iterable[Reading | DirectInput]) -> DeviceReport:
        """What a device says now."""
        return DeviceReport(
            device,
            {
                Service(service): Answer(
                    self.clock.now,
                    WALL,
                    () if service == "direct" else tuple(entries),
                    tuple(entries) if service == "direct" else (),
                )
                for service, entries in answers.items()
            },
        )

    def families(self, form: Format = Format.TEXT) -> list[Metric]:
        parse = parse_openmetrics if form is Format.OPENMETRICS else parse_text
        return list(parse(self.exposition.render(form).decode()))

    def samples(self, form: Format = Format.TEXT) -> Samples:
        """All samples of our own families; none may be there twice."""
        found: Samples = {}
        for family in self.families(form):
            for sample in family.samples:
                series = (sample.name, frozenset(sample.labels.items()))
                assert series not in found, f"{series} is there twice"
                found[series] = sample.value
        return {series: value for series, value in found.items() if series[0].startswith("winet2_")}

    def values(self, name: str, **labels: str) -> list[float]:
        """The values of all series of a name that have these labels."""
        wanted = set(labels.items())
        return [value for (found, have), value in self.samples().items() if found == name and wanted <= have]

    def value(self, name: str, **labels: str) -> float:
        (value,) = self.values(name, **labels)
        return value

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of all series of a name, whose value must be 1."""
        found = [(dict(labels), value) for (n, labels), value in self.samples().items() if n == name]
        assert all(value == 1.0 for _, value in found)
        return [labels for labels, _ in found]


def status_of(
    name: str = "roof",
    *,
    labels: Mapping[str, str] | None = None,
    stale_after: float = 50.0,
    max_unmapped: int = 500,
    **more: object,
) -> TargetStatus:
    info = TargetInfo(name, "192.0.2.10", "wss", "bypass", labels or {}, stale_after, max_unmapped)
    return TargetStatus(**{"info": info, "state": State.ONLINE, "since": 0.0, "counters": Counters(), **more})


def configured(status: TargetStatus | None = None, **info: object) -> TargetStatus:
    """A status whose target has these settings."""
    status = status or status_of()
    return replace(status, info=replace(status.info, **info))


def device(identity: str = "A1", dev_type: int = 35, **changes: object) -> Device:
    made = Device(identity, "1", dev_type, 3343, "SH5.0RS(COM1-001)", "SH5.0RS", True)
    return made._replace(**changes)


ABOUT = [
    ("I18N_COMMON_DEVICE_SN", "B2400000102", ""),
    ("I18N_COMMON_VERSION", "M_WiNet-S2_V01_V01_A", ""),
    ("I18N_COMMON_APPLI_SOFT_VERSION", HOSTILE, ""),
]
POWER = Reading("I18N_COMMON_TOTAL_DCPOWER", "12.3", "kW")
INPUT = DirectInput("MPPT1", "313.9", "V", "10.5", "A")


@pytest.fixture
def page() -> Page:
    return Page()


def fill(page: Page) -> None:
    """Two targets, one with everything, one that never connected."""
    counters = Counters(attempts=3, successes=2, failures=1, reconnections=1, messages_received=7)
    counters.count(Reason.NO_ANSWER)
    everything = status_of(
        labels={"site": HOSTILE},
        counters=counters,
        had_first_cycle=True,
        last_refresh_wall=WALL,
        refresh_seconds=0.25,
        certificate_expiry_wall=1995531395.0,
        device_count=2,
    )
    total = Reading("I18N_COMMON_PV_TOTAL_ENERGY_GENERATION", "1000", "kWh")
    reset = total._replace(value="1")
    for reading in (total, reset, reset, reset):
        page.clock.now += 10.0
        page.refresh(
            page.report(
                device(name=HOSTILE, model=HOSTILE),
                real=[POWER, reading, Reading("I18N_COMMON_RUNNING_STATE", "I18N_COMMON_STANDBY", ""),
                      Reading(HOSTILE, "7", HOSTILE),
                      Reading("I18N_COMMON_TOTAL_GRID_RUNNING_TIME", "2", "h")],
                direct=[INPUT],
            ),
            page.report(device(HOSTILE, 44), real=[Reading("I18N_COMMON_BATTERY_VOLTAGE", "264.3", "V")]),
            status=everything,
        )  # fmt: skip
    page.exposition.update(status_of(HOSTILE, state=State.BACKING_OFF), None)


def tell_all(page: Page) -> None:
    """A target of which everything is known beside its readings."""
    own = {HOSTILE: OwnDevice(HOSTILE, 1.5, {"1": OwnString(HOSTILE, "Süd")})}
    page.refresh(
        replace(page.report(device(HOSTILE)), faults=Faults(page.clock.now, (FaultRow("7", ""),))),
        status=configured(
            status_of("all"), devices=own, location=Location(52.5, 13.4), timezone="Europe/Berlin"
        ),
        gateway={
            GatewayService.ABOUT: ABOUT,
            GatewayService.STATE: [
                (key, "1", "") for key in ("total_fault", "total_alarm", "cloud_conn_sts")],
            GatewayService.LOCAL: [("I18N_COMMON_WIFI_SIGNAL_STRN", "-61", "dBm"),
                                   ("I18N_COMMON_SYSTEM_TIME", "2026-05-28 22:26", "")],
            GatewayService.STATISTICS: [("online_num", "1", "")] + [
                (key, "1", "kW") for key in ("curr_power", "rated_power", "adjust_power_uplimit")],
        },
    )  # fmt: skip


# Both formats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form, media_type",
    [
        (Format.TEXT, "text/plain; version=0.0.4; charset=utf-8"),
        (Format.OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_format_when_it_is_served_then_its_media_type_is_exact(form, media_type):
    """Prometheus refuses a body without its type and version."""
    assert form.value == media_type


@pytest.mark.parametrize("form", Format)
def test_render_when_parsed_then_every_family_has_type_and_help_once(page, form):
    """TYPE and HELP stand before the samples, and no family comes in two parts."""
    fill(page)
    ours = [family for family in page.families(form) if family.name.startswith("winet2_")]
    assert len(ours) > 30
    assert all(family.documentation.endswith(".") for family in ours)
    assert {family.type for family in ours} == {"counter", "gauge"}
    assert len({family.name for family in ours}) == len(ours)
    assert all(family.samples for family in ours)


def test_render_when_both_formats_are_parsed_then_they_say_the_same(page):
    """One truth in two notations."""
    fill(page)
    assert page.samples(Format.TEXT) == page.samples(Format.OPENMETRICS)


def test_render_when_in_openmetrics_then_it_ends_with_eof_and_text_does_not(page):
    """The end of the one format is no part of the other."""
    fill(page)
    assert page.exposition.render(Format.OPENMETRICS).endswith(b"\n# EOF\n")
    assert b"\n# EOF" not in page.exposition.render(Format.TEXT)
    assert page.exposition.render(Format.TEXT).endswith(b"\n")


def test_render_when_types_are_read_then_a_counter_is_one_in_both_formats(page):
    """Counters end in `_total`, gauges never do; OpenMetrics leaves the ending out of the family's name."""
    fill(page)
    pattern = re.compile(rb"^# TYPE (winet2_\S+) (\w+)$", re.MULTILINE)
    text, om = (
        {name.decode(): kind.decode() for name, kind in pattern.findall(page.exposition.render(form))}
        for form in (Format.TEXT, Format.OPENMETRICS)
    )
    assert {name for name, kind in text.items() if name.endswith("_total")} == {
        name for name, kind in text.items() if kind == "counter"
    }
    assert {f"{name}_total" if kind == "counter" else name: kind for name, kind in om.items()} == text


@pytest.mark.parametrize("form", Format)
def test_render_when_nothing_is_known_then_the_exporter_tells_of_itself(page, form):
    """Version and process, before the first target."""
    names = {family.name for family in page.families(form)}
    assert {"winet2_exporter_build_info", "python_info"} <= names
    assert "process_start_time_seconds" in names
    ((series, value),) = page.samples(form).items()
    assert dict(series[1])["version"] == __version__
    assert value == 1.0


@pytest.mark.parametrize("form", Format)
def test_render_when_nothing_changed_then_a_second_scrape_says_the_same(page, form):
    """A scrape changes nothing."""
    fill(page)
    assert page.samples(form) == page.samples(form)


@pytest.mark.real
def test_render_when_promtool_reads_it_then_it_has_nothing_to_say(page):
    """The text format passes `promtool check metrics` without a finding."""
    fill(page)
    tell_all(page)
    assert metric_findings(page.exposition.render(Format.TEXT)) == []


# Targets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTERS)
def test_render_when_a_target_never_connected_then_its_counters_are_nought(page, name):
    """A counter that appears only with its first event hides that event from `rate()`."""
    page.exposition.update(status_of(state=State.STARTING), None)
    assert page.value(name, target="roof") == 0.0


def test_render_when_a_target_never_connected_then_every_reason_is_nought(page):
    """The closed list of reasons is there from the start."""
    page.exposition.update(status_of(), None)
    values = {
        dict(labels)["reason"]: value
        for (name, labels), value in page.samples().items()
        if name == "winet2_errors_total"
    }
    assert values == {str(reason): 0.0 for reason in Reason}


def test_render_when_a_target_never_connected_then_nothing_else_is_claimed(page):
    """Absent, not nought: no time, no duration, no devices, no certificate. When today began is known."""
    page.exposition.update(status_of(state=State.STARTING), None)
    names = {name for name, _ in page.samples()}
    assert names == {
        *COUNTERS,
        "winet2_errors_total",
        "winet2_local_midnight_timestamp_seconds",
        "winet2_target_info",
        "winet2_target_state",
        "winet2_up",
        "winet2_exporter_build_info",
    }
    assert page.value("winet2_up") == 0.0


def test_render_when_counters_count_then_each_feeds_its_own_family(page):
    """No two counters are mixed up."""
    counters = Counters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    page.exposition.update(status_of(counters=counters), None)
    assert [page.value(name) for name in COUNTERS] == [float(n) for n in range(1, 13)]


@pytest.mark.parametrize("state", State)
def test_render_when_a_target_is_in_a_state_then_exactly_that_one_is_one(page, state):
    """All states are there, so that a graph can show each."""
    page.exposition.update(status_of(state=state), None)
    assert len(page.values("winet2_target_state")) == len(State) == 10
    assert page.value("winet2_target_state", state=state) == 1.0
    assert sum(page.values("winet2_target_state")) == 1.0


def test_render_when_facts_of_a_target_are_known_then_they_are_shown(page):
    """Times, duration, devices and the certificate's end."""
    fill(page)
    assert page.value("winet2_last_refresh_timestamp_seconds") == WALL
    assert page.value("winet2_refresh_duration_seconds") == 0.25
    assert page.value("winet2_devices") == 2.0
    assert page.value("winet2_gateway_certificate_expiry_timestamp_seconds") == 1995531395.0
    assert page.value("winet2_unmapped_readings") == 1.0
    assert page.value("winet2_counter_resets_total", device="A1") == 1.0


def test_render_when_errors_come_from_both_halves_then_they_are_added(page):
    """What the session counted and what the mapping dropped are one counter."""
    counters = Counters()
    counters.count(Reason.UNKNOWN_UNIT)
    bad = Reading("I18N_COMMON_TOTAL_DCPOWER", "1", "furlong")
    page.refresh(page.report(device(), real=[bad]), status=status_of(counters=counters))
    assert page.value("winet2_errors_total", reason="unknown_unit") == 2.0


def test_render_when_targets_have_labels_of_their_own_then_all_have_the_union(page):
    """A family has one set of labels; what a target does not set is empty."""
    page.exposition.update(status_of("a", labels={"site": "home"}), None)
    page.exposition.update(status_of("b", labels={"owner": "me"}), None)
    page.exposition.update(status_of("c"), None)
    infos = [dict(labels) for (name, labels), _ in page.samples().items() if name == "winet2_target_info"]
    fixed = {"host": "192.0.2.10", "transport": "wss", "verify": "bypass"}
    for info in infos:
        assert fixed.items() <= info.items()
    for form in Format:
        (family,) = (f for f in page.families(form) if f.name == "winet2_target_info")
        assert [
            (s.labels["target"], s.labels.get("owner", ""), s.labels.get("site", ""), s.value)
            for s in family.samples
        ] == [("a", "", "home", 1.0), ("b", "me", "", 1.0), ("c", "", "", 1.0)]
        assert {frozenset(s.labels) for s in family.samples} == {
            frozenset({"target", "host", "transport", "verify", "firmware", "owner", "site"})
        }


def test_update_when_a_status_is_newer_then_it_takes_the_place_of_the_old(page):
    """The last word counts; readings without a new snapshot stay."""
    page.refresh(page.report(device(), real=[POWER]))
    page.exposition.update(status_of(state=State.BACKING_OFF), None)
    assert page.value("winet2_target_state", state="backing_off") == 1.0
    assert page.value("winet2_pv_power_watts") == 12300.0


def test_update_when_a_snapshot_is_the_same_then_nothing_is_counted_again(page):
    """A change of state repeats the snapshot; its mistakes are not new ones."""
    bad = page.report(device(), real=[POWER._replace(value="x")])
    snapshot = Snapshot(page.clock.now, WALL, (bad,))
    for state in (State.ONLINE, State.BACKING_OFF, State.CONNECTING):
        page.exposition.update(status_of(state=state), snapshot)
    assert page.value("winet2_errors_total", reason="unreadable_value") == 1.0


def test_forget_when_a_target_is_dropped_then_nothing_of_it_is_left(page):
    """No series of a target outlives it."""
    page.refresh(page.report(device(), real=[POWER]), status=status_of("a"))
    page.refresh(page.report(device(), real=[POWER]), status=status_of("b"))
    page.exposition.forget("a")
    page.exposition.forget("never known")
    targets = {dict(labels).get("target") for _, labels in page.samples()}
    assert targets == {"b", None}
    page.exposition.forget("b")
    assert {name for name, _ in page.samples()} == {"winet2_exporter_build_info"}


def test_forget_when_a_target_comes_back_then_it_begins_anew(page):
    """Its old readings are not remembered."""
    page.refresh(page.report(device(), real=[POWER]))
    page.exposition.forget("roof")
    page.exposition.update(status_of(), None)
    assert page.values("winet2_pv_power_watts") == []
    assert page.value("winet2_up") == 0.0


# Devices ---------------------------------------------------------------------------------------------


def test_render_when_a_device_is_listed_then_its_facts_are_labels_of_one_family(page):
    """What may change with firmware stands in `device_info` only."""
    page.refresh(page.report(device(), real=[POWER]))
    (labels,) = (dict(labels) for name, labels in page.samples() if name == "winet2_device_info")
    assert labels == {
        "target": "roof",
        "device": "A1",
        "name": "SH5.0RS(COM1-001)",
        "model": "SH5.0RS",
        "kind": "hybrid",
        "dev_type": "35",
        "dev_code": "3343",
    }
    assert page.value("winet2_pv_power_watts", target="roof", device="A1") == 12300.0


@pytest.mark.parametrize("online, values", [(True, [1.0]), (False, [0.0]), (None, [])])
def test_render_when_the_gateway_tells_of_its_link_then_it_is_shown(page, online, values):
    """What the gateway does not tell is absent."""
    page.refresh(page.report(device(online=online)))
    assert page.values("winet2_device_online") == values


def test_render_when_a_device_never_answered_then_it_is_down_without_a_time(page):
    """Listed, but nothing was read of it."""
    page.refresh(page.report(device()))
    assert page.value("winet2_device_up") == 0.0
    assert page.values("winet2_device_last_refresh_timestamp_seconds") == []


def test_render_when_a_device_is_no_longer_listed_then_its_series_are_gone(page):
    """A device that was sold leaves no gauge behind."""
    page.refresh(page.report(device("A1"), real=[POWER]), page.report(device("B1"), real=[POWER]))
    page.refresh(page.report(device("B1"), real=[POWER]))
    assert {dict(labels).get("device") for _, labels in page.samples()} == {"B1", None}


@pytest.mark.parametrize("form", Format)
def test_render_when_names_are_hostile_then_labels_come_back_as_they_went_in(page, form):
    """Quotes, backslashes and line ends cannot break out of a label."""
    fill(page)
    samples = page.samples(form)
    (info,) = (dict(ls) for n, ls in samples if n == "winet2_device_info" and dict(ls)["device"] == "A1")
    assert (info["name"], info["model"]) == (HOSTILE, HOSTILE)
    devices = {dict(labels).get("device") for _, labels in samples}
    assert devices == {"A1", HOSTILE, None}
    assert {dict(labels).get("target") for _, labels in samples} == {"roof", HOSTILE, None}
    (generic,) = (dict(labels) for name, labels in samples if name == "winet2_reading")
    assert generic["key"] == generic["unit"] == HOSTILE.replace("\n", " ")


# Age -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age, fresh", [(0.0, True), (50.0, True), (50.1, False), (1e6, False)])
def test_render_when_readings_age_then_they_are_gone_and_up_is_nought(page, age, fresh):
    """After `stale_after`, by the clock passed in: gauges are absent, `up` and `device_up` are 0."""
    page.refresh(
        page.report(device(), real=[POWER], direct=[INPUT]), status=status_of(last_refresh_wall=WALL)
    )
    page.clock.now += age
    assert page.value("winet2_up") == float(fresh)
    assert page.value("winet2_device_up") == float(fresh)
    for name in ("winet2_pv_power_watts", "winet2_mppt_power_watts"):
        assert len(page.values(name)) == fresh
    assert page.value("winet2_last_refresh_timestamp_seconds") == WALL
    assert page.value("winet2_device_last_refresh_timestamp_seconds") == WALL
    assert len(page.values("winet2_device_info")) == 1


def test_render_when_one_service_is_silent_then_only_its_readings_go(page):
    """Each service's answer ages for itself; its neighbours stay."""
    old = page.report(device(), real=[POWER], direct=[INPUT])
    page.refresh(old)
    page.clock.now += 40.0
    new = page.report(device(), real=[POWER._replace(value="1")])
    page.refresh(replace(new, answers={**old.answers, **new.answers}))
    page.clock.now += 20.0
    assert page.value("winet2_pv_power_watts") == 1000.0
    assert page.values("winet2_mppt_power_watts") == []
    assert page.value("winet2_device_up") == 1.0


def test_render_when_one_device_is_silent_then_only_its_readings_go(page):
    """The other devices of the target stay, and so does the target."""
    silent = page.report(device("B1"), real=[POWER])
    page.refresh(page.report(device("A1"), real=[POWER]), silent)
    page.clock.now += 60.0
    page.refresh(page.report(device("A1"), real=[POWER]), silent)
    assert page.value("winet2_device_up", device="A1") == 1.0
    assert page.value("winet2_device_up", device="B1") == 0.0
    assert page.values("winet2_pv_power_watts", device="A1") == [12300.0]
    assert page.values("winet2_pv_power_watts", device="B1") == []
    assert page.value("winet2_up") == 1.0


def test_render_when_a_target_has_its_own_stale_after_then_it_holds(page):
    """Each target ages by its own setting."""
    for name, stale_after in (("quick", 10.0), ("slow", 600.0)):
        page.refresh(page.report(device(), real=[POWER]), status=status_of(name, stale_after=stale_after))
    page.clock.now += 60.0
    assert page.value("winet2_up", target="quick") == 0.0
    assert page.values("winet2_pv_power_watts", target="quick") == []
    assert page.values("winet2_pv_power_watts", target="slow") == [12300.0]


def test_render_when_counters_of_a_stale_target_are_read_then_they_stay(page):
    """Our own counters do not age."""
    page.refresh(page.report(device(), real=[POWER]), status=status_of(counters=Counters(attempts=3)))
    page.clock.now += 1e6
    assert page.value("winet2_ws_connection_attempts_total") == 3.0


def test_exposition_when_the_cap_is_set_then_unknown_keys_stop_at_it(page):
    """`max_unmapped` of the target holds for its series; all keys are counted."""
    keys = [Reading(f"X_{n}", "1", "") for n in range(5)]
    page.refresh(page.report(device(), real=keys), status=status_of(max_unmapped=2))
    assert len(page.values("winet2_reading")) == 2
    assert page.value("winet2_unmapped_readings") == 5.0
    assert page.value("winet2_errors_total", reason="series_limit") == 3.0


def test_exposition_when_the_cap_is_set_anew_then_the_new_one_holds(page):
    """A reload changes it without a restart, up or down, though the keys say the same all the time."""
    keys = tuple(Reading(f"X_{n}", "1", "") for n in range(5))
    layout = object()
    for most in (2, 4, 1, 5, 0):
        for _ in range(2):
            page.clock.now += 10
            report = page.report(device())
            answer = Answer(page.clock.now, page.clock.now, keys, (), layout)
            page.refresh(replace(report, answers={Service.REAL: answer}), status=status_of(max_unmapped=most))
        assert len(page.values("winet2_reading")) == most


# The user's own, the sun and the day -----------------------------------------------------------------

EAST = OwnDevice("east", 10_000.0, {"1": OwnString("garage", "roof"), "12": OwnString("barn")})


def test_render_when_devices_have_names_of_their_own_then_they_are_shown_before_the_gateways(page):
    """The gateway's name stays where the configuration has none."""
    own = {"A1": EAST, "B1": OwnDevice(rated_power_watts=5000.0)}
    page.refresh(page.report(device("A1")), page.report(device("B1")), status=configured(devices=own))
    names = {labels["device"]: labels["name"] for labels in page.labels("winet2_device_info")}
    assert names == {"A1": "east", "B1": "SH5.0RS(COM1-001)"}


def test_render_when_ratings_and_strings_are_configured_then_they_are_there_before_the_first_reading(page):
    """They are the user's word, whether the gateway answers or not."""
    own = {"A1": EAST, "B1": OwnDevice("west"), "C1": OwnDevice(strings={"2": OwnString()})}
    page.exposition.update(configured(status_of(state=State.BACKING_OFF), devices=own), None)
    assert page.values("winet2_device_rated_power_watts") == [10_000.0]
    assert page.value("winet2_device_rated_power_watts", target="roof", device="A1") == 10_000.0
    strings = [
        tuple(labels[name] for name in ("target", "device", "string", "name", "group"))
        for labels in page.labels("winet2_string_info")
    ]
    assert strings == [
        ("roof", "A1", "1", "garage", "roof"),
        ("roof", "A1", "12", "barn", ""),
        ("roof", "C1", "2", "", ""),
    ]


@pytest.mark.parametrize(
    "location, degrees, up",
    [
        (Location(0.0, -126.6), pytest.approx(68, abs=1.0), 1.0),  # noon, and 22° from the celestial equator
        (Location(0.0, 53.4), pytest.approx(-68, abs=1.0), 0.0),  # the other side of the earth
        (Location(90.0, 0.0), pytest.approx(21.5, abs=0.5), 1.0),
        (Location(-90.0, 0.0), pytest.approx(-21.5, abs=0.5), 0.0),
    ],
    ids=["noon", "midnight", "north pole", "south pole"],
)
def test_render_when_the_location_is_configured_then_the_sun_is_shown(page, location, degrees, up):
    """Where it stands now, by the wall clock: 28 May 2026, 20:26 UTC; a gateway need not answer."""
    page.exposition.update(configured(status_of(state=State.ASLEEP), location=location), None)
    assert page.value("winet2_sun_elevation_degrees", target="roof") == degrees
    assert page.value("winet2_sun_up", target="roof") == up


def test_render_when_the_sun_moves_then_each_scrape_shows_where_it_is(page):
    """No cache, and no need of a refresh."""
    page.exposition.update(configured(location=Location(0.0, -126.6)), None)
    noon = page.value("winet2_sun_elevation_degrees")
    page.wall += 6 * 3600.0 + 1200.0
    assert page.value("winet2_sun_elevation_degrees") < noon - 60
    assert page.value("winet2_sun_up") == 0.0


def test_render_when_no_location_is_configured_then_nothing_is_said_of_the_sun(page):
    """Each target for itself."""
    page.exposition.update(configured(status_of("a"), location=Location(0.0, 0.0)), None)
    page.exposition.update(status_of("b"), None)
    for name in ("winet2_sun_elevation_degrees", "winet2_sun_up"):
        assert len(page.values(name, target="a")) == 1
        assert page.values(name, target="b") == []


@pytest.mark.parametrize(
    "timezone, ago",
    [("UTC", 20 * 3600 + 1600), ("Europe/Berlin", 22 * 3600 + 1600), ("Asia/Tokyo", 5 * 3600 + 1600),
     ("Asia/Kathmandu", 2 * 3600 + 700)],
)  # fmt: skip
def test_render_when_the_timezone_is_configured_then_its_midnight_is_shown(page, timezone, ago):
    """By the wall clock at the scrape, and again at the next midnight."""
    page.exposition.update(configured(timezone=timezone), None)
    assert page.value("winet2_local_midnight_timestamp_seconds", target="roof") == WALL - ago
    page.wall += 86400.0
    assert page.value("winet2_local_midnight_timestamp_seconds") == WALL - ago + 86400.0


# The gateway -----------------------------------------------------------------------------------------

SHOWN = HOSTILE.replace("\n", " ")


@pytest.mark.parametrize("form", Format)
def test_render_when_the_gateway_told_its_versions_then_they_are_labels(page, form):
    """In a family of its own and, as far as firmware goes, with the target; whatever the gateway says."""
    page.refresh(gateway={GatewayService.ABOUT: ABOUT})
    samples = page.samples(form)
    (info,) = (dict(labels) for name, labels in samples if name == "winet2_gateway_info")
    assert info == {
        "target": "roof",
        "serial": "B2400000102",
        "hardware": "M_WiNet-S2_V01_V01_A",
        "firmware": SHOWN,
    }
    (target,) = (dict(labels) for name, labels in samples if name == "winet2_target_info")
    assert target["firmware"] == SHOWN


def test_render_when_versions_are_old_then_they_stay(page):
    """Once a day is enough for what does not change."""
    page.refresh(gateway={GatewayService.ABOUT: ABOUT})
    page.clock.now += 1e6
    assert len(page.values("winet2_gateway_info")) == 1


def test_render_when_a_target_is_another_gateway_now_then_the_old_ones_versions_are_gone(page):
    """By its address: the new one may never tell its own, so nothing would take their place."""
    facts = {GatewayService.ABOUT: ABOUT, GatewayService.STATE: [("total_fault", "2", "")]}
    page.refresh(page.report(device(), real=[POWER]), gateway=facts)
    moved = configured(host="192.0.2.11")
    page.exposition.update(moved, None)
    page.refresh(page.report(device("B1"), real=[POWER]), status=moved)
    assert page.values("winet2_gateway_info") == page.values("winet2_gateway_faults") == []
    assert page.labels("winet2_target_info")[0]["firmware"] == ""
    page.refresh(gateway=facts, status=moved)
    assert page.value("winet2_gateway_info") == 1.0


@pytest.mark.parametrize("about", [None, [], [("I18N_COMMON_DEVICE_SN", "--", "")], [("X", "1", "")]])
def test_render_when_no_version_is_known_then_there_is_no_gateway_info(page, about):
    """No family of empty labels."""
    page.refresh(gateway=None if about is None else {GatewayService.ABOUT: about})
    assert page.values("winet2_gateway_info") == []
    assert page.labels("winet2_target_info")[0].get("firmware", "") == ""


def test_render_when_the_gateway_tells_of_itself_then_it_ages_by_its_own_time(page):
    """Asked once a minute, such answers live longer than readings."""
    status = configured(gateway_stale_after=180.0)
    page.refresh(
        status=status,
        gateway={
            GatewayService.STATE: [("total_fault", "2", ""), ("cloud_conn_sts", "1", "")],
            GatewayService.STATISTICS: [("curr_power", "3.21", "kW"), ("online_num", "2", "")],
        },
    )
    for seconds, count in ((0.0, 1), (179.0, 1), (2.0, 0)):
        page.clock.now += seconds
        assert page.values("winet2_gateway_faults") == [2.0] * count
        assert page.values("winet2_gateway_cloud_connected") == [1.0] * count
        assert page.values("winet2_plant_power_watts", target="roof") == [3210.0] * count
        assert page.values("winet2_plant_devices", state="online") == [2.0] * count


def test_render_when_facts_cannot_be_read_then_they_count_among_the_errors(page):
    """One counter for all that went wrong."""
    page.refresh(gateway={GatewayService.STATE: [("total_fault", "x", ""), ("total_alarm", "1", "kW")]})
    assert page.value("winet2_errors_total", reason="unreadable_value") == 1.0
    assert page.value("winet2_errors_total", reason="unknown_unit") == 1.0


def test_render_when_a_device_has_faults_then_each_code_is_one_series(page):
    """A code that is there twice is one; a device without faults has none."""
    rows = (FaultRow("514", "I18N_FAULT_514"), FaultRow("514", ""), FaultRow(SHOWN, ""))
    ill = replace(page.report(device("A1")), faults=Faults(page.clock.now, rows))
    healthy = replace(page.report(device("B1")), faults=Faults(page.clock.now, ()))
    page.refresh(ill, healthy, page.report(device("C1")))
    faults = [(labels["device"], labels["code"]) for labels in page.labels("winet2_device_fault")]
    assert faults == [("A1", "514"), ("A1", SHOWN)]


@pytest.mark.parametrize("age, shown", [(0.0, 1), (190.0, 1), (190.1, 0)])
def test_render_when_a_fault_list_ages_then_it_goes(page, age, shown):
    """What nobody confirms any more is not claimed; for each device there are ten seconds more."""
    report = replace(page.report(device()), faults=Faults(page.clock.now, (FaultRow("514", ""),)))
    page.refresh(report, status=configured(gateway_stale_after=180.0))
    page.clock.now += age
    assert len(page.values("winet2_device_fault")) == shown


def test_render_when_a_fault_is_over_then_its_series_is_gone(page):
    """The newest list is the whole truth."""
    for rows in ((FaultRow("514", ""),), ()):
        page.refresh(replace(page.report(device()), faults=Faults(page.clock.now, rows)))
    assert page.values("winet2_device_fault") == []


def test_render_when_everything_new_is_there_then_both_formats_say_the_same(page):
    """Own names with quotes and umlauts included."""
    tell_all(page)
    text = page.samples(Format.TEXT)
    assert text == page.samples(Format.OPENMETRICS)
    names = {name.removeprefix("winet2_") for name, _ in text}
    assert names >= {
        "device_fault", "device_rated_power_watts", "gateway_alarms", "gateway_clock_offset_seconds",
        "gateway_cloud_connected", "gateway_faults", "gateway_info", "gateway_wifi_signal_dbm",
        "local_midnight_timestamp_seconds", "plant_devices", "plant_power_limit_watts", "plant_power_watts",
        "plant_rated_power_watts", "string_info", "sun_elevation_degrees", "sun_up",
    }  # fmt: skip


# Whatever comes --------------------------------------------------------------------------------------

_text = st.text(max_size=6) | st.sampled_from([HOSTILE, "", "\\", '"', "\r\n", "\u2028", "NaN"])
_key = (
    st.sampled_from(["X_1", "X_2", *sorted(BUNDLED.state_keys), "I18N_COMMON_PV_TOTAL_ENERGY_GENERATION"])
    | st.sampled_from(sorted(BUNDLED.sources)[::5])
    | _text
)
_value = st.sampled_from(["0", "1", "-0.00", "12.5", "--", "99999999", "I18N_COMMON_STANDBY"]) | _text
_unit = st.sampled_from(["kWh", "kW", "V", "A", "%", "", "HZ"]) | _text
_common = st.builds(
    Reading,
    st.sampled_from(["X_1", "I18N_COMMON_RUNNING_STATE", "I18N_COMMON_TOTAL_DCPOWER"]),
    st.sampled_from(["1", "I18N_COMMON_STANDBY"]),
    st.just("kW"),
)
_readings = st.lists(_common | st.builds(Reading, _key, _value, _unit), max_size=6)
_name = st.sampled_from(["MPPT1", "MPPT01", "I18N_COMMON_GROUP_BUNCH_TITLE_AND%@12"]) | _text
_inputs = st.lists(st.builds(DirectInput, _name, _value, _unit, _value, _unit), max_size=4)
_devices = st.lists(
    st.builds(
        Device, st.sampled_from(["A1", HOSTILE]) | _text, st.just("1"), st.sampled_from([35, 44, 99, -1]),
        st.integers(), _text, _text, st.none() | st.booleans(),
    ),
    min_size=1, max_size=2, unique_by=lambda device: device.identity,
)  # fmt: skip
_answers = st.fixed_dictionaries(
    {"real": _readings}, optional={"real_battery": _readings, "direct": _inputs}
) | st.fixed_dictionaries({}, optional={"real_battery": _readings, "direct": _inputs})
_status = st.builds(
    status_of, st.sampled_from(["roof", HOSTILE]) | _text,
    labels=st.dictionaries(st.sampled_from(["site", "owner"]), _text),
    state=st.sampled_from(State), max_unmapped=st.integers(0, 5),
    refresh_seconds=st.none() | st.floats(0, 1e6), device_count=st.none() | st.integers(0, 99),
)  # fmt: skip


# not shrunk: two renderings and two parsings for each attempt would take minutes
@settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(_status, _devices, st.lists(_answers, min_size=2, max_size=2), st.floats(0.0, 60.0)),
        min_size=1,
        max_size=4,
    )
)
def test_render_when_everything_is_arbitrary_then_both_parsers_read_the_same(cycles):
    """Whatever targets, devices and readings there are: no exception, no series twice, one truth."""
    page = Page()
    for status, devices, answers, seconds in cycles:
        page.clock.now += seconds
        reports = (page.report(device, **said) for device, said in zip(devices, answers, strict=False))
        page.refresh(*reports, status=status)
    text, openmetrics = page.samples(Format.TEXT), page.samples(Format.OPENMETRICS)
    assert text == openmetrics
    assert all(value == value for value in text.values())
