"""Two days and two nights with a hybrid and a string inverter, as a real Prometheus sees them.

The exporter lives through 48 h over real sockets on the jumping clock and is scraped every 15 s. The scrapes
become Prometheus' storage, and Prometheus is asked what a user's dashboard would ask. At dusk the string
inverter takes its gateway with it, at dawn it comes back.

Longer than most, for the two days are lived only once. A bit over three minutes: a third each for rendering,
for gateways and sessions, and for sockets that settle between the clock's jumps; 20 s for Prometheus.
"""

import asyncio
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.metrics.exposition import Format
from exporter.simulator import Plant
from tests.harness import MORNING, STRING, THREE_PHASE, Harness, unmeasured
from tests.jumping_loop import JumpingLoop
from tests.prometheus import Backfill, Server, labels_of, make_blocks, server

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

STEP = 15
HOUR = 3600
DAY = 24 * HOUR
STEPS = 2 * DAY // STEP
START = int(MORNING.timestamp())  # ten in the morning
END = START + 2 * DAY
MIDNIGHTS = (START + 14 * HOUR, START + 38 * HOUR)
NIGHTS = tuple((midnight - 13860, midnight + 20940) for midnight in MIDNIGHTS)  # 20:09 with 37 W left, 5:49
STALE_AFTER = 75
FACTS_STALE_AFTER = 300  # a round of all of them takes a while
BACK_WITHIN = 330
LOOKBACK = 300  # for so long Prometheus shows a value that is no more
MOST_JUMPS = 60_000  # two a step, and one for each attempt of two nights
KEPT_EVENTS = 1000  # of each gateway; those of two days would fill half a gigabyte

# Half of all lines, and none that a question below is about: in the storage they would cost ten seconds more.
NOT_BACKFILLED = {"winet2_errors", "winet2_device_info", "winet2_device_state", "winet2_target_info"}

# What is told of devices and gateways though it is not measured.
BOOKKEEPING = {
    "winet2_device_info",
    "winet2_device_last_refresh_timestamp_seconds",
    "winet2_device_up",
    "winet2_gateway_info",
}
# Each total's flow in the plant: what it has to grow by.
FLOWS = {
    "winet2_pv_energy_joules_total": "pv",
    "winet2_grid_export_energy_joules_total": "export",
    "winet2_grid_export_pv_energy_joules_total": "export",
    "winet2_grid_import_energy_joules_total": "import",
    "winet2_load_pv_energy_joules_total": "direct",
    "winet2_battery_charge_energy_joules_total": "charge",
    "winet2_battery_charge_pv_energy_joules_total": "charge",
    "winet2_battery_discharge_energy_joules_total": "discharge",
    "winet2_charger_delivered_energy_joules_total": "charger",
}
JOULES = 3.6e6  # in a kWh
PRINTED = 0.1 * JOULES  # the last digit of most totals: half of it may be missing at each end of a window
# Powers by their flow, each printed to 10 W or better.
POWERS = {
    "winet2_pv_power_watts": "pv",
    "winet2_ac_active_power_watts": "ac",
    "winet2_load_power_watts": "load",
    "winet2_grid_export_power_watts": "export",
    "winet2_grid_import_power_watts": "import",
    "winet2_battery_charge_power_watts": "charge",
    "winet2_battery_discharge_power_watts": "discharge",
}
HALF_DIGIT = 5.01
# Gauges that are right to stand still: settings, health, and what these two plants have as a constant.
STEADY = {
    "winet2_ac_apparent_power_limit_volt_amperes",
    "winet2_ac_power_factor_ratio",
    "winet2_battery_charge_current_limit_amperes",
    "winet2_battery_discharge_current_limit_amperes",
    "winet2_battery_state_of_health_ratio",
    "winet2_charger_minimum_power_watts",
    "winet2_charger_power_limit_watts",
    "winet2_device_online",
    "winet2_device_state",
    "winet2_reading",
}
UNUSED = (
    {"target": "string", "mppt": "3"},
    {"target": "string", "phase": "b"},
    {"target": "string", "phase": "c"},
)


class Track:
    """One series over the two days: its values and the steps at which it was there."""

    def __init__(self, series: str) -> None:
        self.series = series
        self.name = series.partition("{")[0]
        self.family = self.name.removesuffix("_total")
        self.labels = labels_of(series)
        self.backfilled = self.family not in NOT_BACKFILLED
        self.steps = array("l")
        self.values = array("d")

    def at(self, since: float = START, until: float = END) -> dict[int, float]:
        """Values by time, from `since` to before `until`."""
        times = ((START + step * STEP, value) for step, value in zip(self.steps, self.values, strict=True))
        return {at: value for at, value in times if since <= at < until}


class Days:
    """What the exporter said in two days, and the plants it spoke of."""

    def __init__(self, folder: Path) -> None:
        self.tracks: dict[str, Track] = {}
        self.backfill = Backfill(folder)
        self.plants: dict[str, Plant] = {}
        self.gone: list[tuple[float, float]] = []  # when the string inverter's gateway went and was back

    def scraped(self, step: int, body: str) -> None:
        seconds = START + step * STEP
        heads: dict[str, str] = {}
        for line in body.splitlines():
            if line.startswith("winet2_"):
                series, _, value = line.rpartition(" ")
                track = self.tracks.get(series)
                if track is None:
                    track = self.tracks[series] = Track(series)
                    if track.backfilled:
                        self.backfill.describe(track.family, heads[track.family])
                track.steps.append(step)
                track.values.append(float(value))
                if track.backfilled:
                    self.backfill.add(track.family, line, seconds)
            elif line.startswith("# ") and line != "# EOF":
                name = line.split(" ", 3)[2]
                heads[name] = heads.get(name, "") + line + "\n"

    def named(self, name: str, **labels: str) -> list[Track]:
        wanted = labels.items()
        return [t for t in self.tracks.values() if t.name == name and wanted <= t.labels.items()]

    def readings(self, target: str) -> list[Track]:
        """Everything a gateway measured: no counters of the exporter's own, no bookkeeping."""
        return [
            track
            for track in self.tracks.values()
            if track.labels.get("target") == target
            and "device" in track.labels
            and track.name not in BOOKKEEPING
        ]

    def facts(self, target: str) -> list[Track]:
        """What the gateway tells of itself and its plant, asked once a minute at most."""
        return [
            track
            for track in self.tracks.values()
            if track.labels.get("target") == target
            and track.name.startswith(("winet2_gateway_", "winet2_plant_"))
            and track.name not in BOOKKEEPING
            and not track.name.startswith("winet2_gateway_certificate_")
        ]

    def state(self, target: str, state: str, since: float = START, until: float = END) -> dict[int, float]:
        (track,) = self.named("winet2_target_state", target=target, state=state)
        return track.at(since, until)

    def away(self, target: str, at: float) -> bool:
        """Whether the target's gateway is gone then, or so newly back that nobody has asked it yet."""
        return target == "string" and any(gone <= at < back + BACK_WITHIN for gone, back in self.gone)


async def live(days: Days) -> None:
    """Two days of both targets. Dusk and dawn come by the simulated clock."""
    harness = Harness()
    try:
        hybrid = await harness.gateway(THREE_PHASE, log_size=KEPT_EVENTS)
        string = await harness.gateway(STRING, log_size=KEPT_EVENTS)
        days.plants = {"hybrid": hybrid.plant, "string": string.plant}

        def dusk() -> None:
            string.inject("gateway-vanishes")
            days.gone.append((harness.now().timestamp(), 0.0))

        def dawn() -> None:
            string.clear("gateway-vanishes")
            days.gone[-1] = (days.gone[-1][0], harness.now().timestamp())

        for going, coming in NIGHTS:
            harness.loop.call_at(harness.began + going - START, dusk)
            harness.loop.call_at(harness.began + coming - START, dawn)
        await harness.start(
            harness.target(hybrid, "hybrid", refresh_interval="15s"),
            harness.target(string, "string", refresh_interval="15s"),
        )
        for step in range(STEPS):
            due = asyncio.Event()
            harness.loop.call_at(harness.began + step * STEP, due.set)
            await due.wait()
            days.scraped(step, harness.exposition.render(Format.OPENMETRICS).decode())
    finally:
        await harness.aclose()


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    days = Days(tmp_path_factory.mktemp("families"))
    try:
        with (
            unmeasured(),
            asyncio.Runner(debug=False, loop_factory=lambda: JumpingLoop(MOST_JUMPS)) as runner,
        ):
            runner.run(live(days))
        yield days
    finally:
        days.backfill.close()


@pytest.fixture(scope="module")
def prometheus(days: Days, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prometheus")
    days.backfill.join(folder / "scrapes.om")
    make_blocks(folder / "scrapes.om", folder / "data")
    (folder / "scrapes.om").unlink()  # it is large
    with server(folder / "data", folder) as running:
        yield running


# The hybrid: on duty day and night -------------------------------------------------------------------


def test_state_when_the_hybrid_lives_through_two_nights_then_it_stays_online(days: Days) -> None:
    """From the second scrape to the last, and over one connection."""
    assert set(days.state("hybrid", "online", START + STEP).values()) == {1.0}
    assert len(days.state("hybrid", "online")) == STEPS
    (attempts,) = days.named("winet2_ws_connection_attempts_total", target="hybrid")
    assert max(attempts.values) == 1.0


def test_readings_when_the_hybrid_is_online_then_none_is_ever_missing(days: Days) -> None:
    """No series of the hybrid skips a scrape."""
    readings = days.readings("hybrid")
    assert len(readings) > 90
    assert {track.series: len(track.steps) for track in readings} == {t.series: STEPS - 1 for t in readings}


# The string inverter: gone at night ------------------------------------------------------------------


@pytest.mark.parametrize("night", [0, 1])
def test_readings_when_the_gateway_is_gone_then_all_are_absent_within_stale_after(
    days: Days, night: int
) -> None:
    """From `stale_after` behind dusk until the gateway is back no reading is shown, nor later a fact."""
    gone, back = days.gone[night]
    assert gone == pytest.approx(NIGHTS[night][0], abs=1)
    assert back == pytest.approx(NIGHTS[night][1], abs=1)
    readings = days.readings("string")
    assert len(readings) > 30
    for track in readings:
        assert not track.at(gone + STALE_AFTER - 1, back), track.series
        assert track.at(gone - HOUR, gone), track.series
    facts = days.facts("string")
    assert len(facts) > 5
    for track in facts:
        assert not track.at(gone + FACTS_STALE_AFTER, back), track.series
        assert track.at(gone - HOUR, gone), track.series
    for name in ("winet2_up", "winet2_device_up"):
        (up,) = days.named(name, target="string")
        assert set(up.at(gone + STALE_AFTER - 1, back).values()) == {0.0}


@pytest.mark.parametrize("night", [0, 1])
def test_readings_when_the_gateway_is_back_then_all_are_there_within_five_and_a_half_minutes(
    days: Days, night: int
) -> None:
    """However long the night was, the pause between attempts stays below five minutes."""
    _, back = days.gone[night]
    for track in days.readings("string"):
        assert min(track.at(back)) <= back + BACK_WITHIN, track.series
    until = min(NIGHTS[night][1] + 14 * HOUR, END)
    assert set(days.state("string", "online", back + BACK_WITHIN, until).values()) == {1.0}


@pytest.mark.parametrize("night", [0, 1])
def test_state_when_the_string_inverters_gateway_is_gone_at_night_then_it_is_asleep(
    days: Days, night: int
) -> None:
    """From half an hour after dusk to dawn, but for the moments of an attempt."""
    gone, back = days.gone[night]
    asleep = list(days.state("string", "asleep", gone + HOUR / 2, back).values())
    assert sum(asleep) >= 0.95 * len(asleep)


@pytest.mark.parametrize("night", [0, 1])
def test_prometheus_when_the_gateway_is_gone_then_it_shows_no_power(
    days: Days, prometheus: Server, night: int
) -> None:
    """Behind its own look-back Prometheus has nothing to draw, and in the day it has all."""
    gone, back = days.gone[night]
    name = 'winet2_pv_power_watts{target="string"}'
    assert prometheus.range(name, gone + STALE_AFTER + LOOKBACK + STEP, back - STEP, 60) == {}
    (evening,) = prometheus.range(name, gone - 2 * HOUR, gone, 60).values()
    assert len(evening) == 121


# Gauges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POWERS)
def test_power_when_scraped_then_it_is_what_the_plant_gave_since_the_last_cycle(
    days: Days, name: str
) -> None:
    """No power stands still while the plant's moves: each value lies among those of the last cycle's time."""
    tracks = days.named(name)
    assert {track.labels["target"] for track in tracks} >= {"hybrid"}
    for track in tracks:
        target, flow = track.labels["target"], POWERS[name]
        plant = days.plants[target]
        for at, value in track.at().items():
            if days.away(target, at):
                continue
            moments = (at - 1.2 * STEP, *([at // 60 * 60] if at % 60 < 1.2 * STEP else []), at)
            watts = [1000 * plant.power(flow, datetime.fromtimestamp(moment, UTC)) for moment in moments]
            assert min(watts) - HALF_DIGIT <= value <= max(watts) + HALF_DIGIT, (track.series, at, watts)


@pytest.mark.parametrize("day", [0, 1])
def test_gauges_when_a_day_goes_by_then_none_is_frozen(days: Days, day: int) -> None:
    """Everything measured that is no setting takes several values in each of the two days."""
    since = START + day * DAY
    moving = [
        track
        for target in days.plants
        for track in [*days.readings(target), *days.named("winet2_plant_power_watts", target=target)]
        if not track.name.endswith("_total")
        and track.name not in STEADY
        and not any(unused.items() <= track.labels.items() for unused in UNUSED)
    ]
    assert len(moving) > 90
    for track in moving:
        assert len(set(track.at(since, since + DAY).values())) >= 5, track.series


# Totals and daily counters ---------------------------------------------------------------------------


def totals(days: Days) -> list[Track]:
    return [
        track
        for target in days.plants
        for track in days.readings(target)
        if track.name.endswith("_total") and track.name != "winet2_counter_resets_total"
    ]


def test_totals_when_two_days_go_by_then_none_is_nought_or_steps_back(days: Days) -> None:
    """A total that was 0 once would add the plant's whole life to a graph."""
    assert {t.name for t in totals(days)} == {*FLOWS, "winet2_grid_running_time_seconds_total"}
    assert days.named("winet2_counter_resets_total") == []
    for track in totals(days):
        assert min(track.values) > 0, track.series
        assert all(before <= after for before, after in pairwise(track.values)), track.series


@pytest.mark.parametrize("end", [MIDNIGHTS[1], START + DAY, END], ids=["calendar-day", "first", "second"])
@pytest.mark.parametrize("name", FLOWS)
def test_increase_when_asked_for_a_day_then_it_is_what_the_plant_produced(
    days: Days, prometheus: Server, name: str, end: int
) -> None:
    """`increase()` over 24 h, with or without a night in it, is right to half a percent or the last digit."""
    found = prometheus.query(f"increase({name}[24h])", end)
    assert len(found) == len(days.named(name))
    for labels, joules in found.items():
        plant = days.plants[dict(labels)["target"]]
        produced = JOULES * plant.day_energy(FLOWS[name])
        assert produced > JOULES
        assert joules == pytest.approx(produced, rel=0.005, abs=1.01 * PRINTED), labels


def test_increase_when_time_on_the_grid_is_asked_for_then_it_is_right_to_the_hour(prometheus: Server) -> None:
    """It is printed in whole hours; the inverter is at work for fourteen and a half."""
    (seconds,) = prometheus.query(
        "increase(winet2_grid_running_time_seconds_total[24h])", MIDNIGHTS[1]
    ).values()
    assert seconds == pytest.approx(14.5 * HOUR, abs=HOUR)


@pytest.mark.parametrize("target", ["hybrid", "string"])
def test_power_when_summed_over_a_day_then_it_is_the_days_energy(
    days: Days, prometheus: Server, target: str
) -> None:
    """Gauge and total of the same flow agree to half a percent."""
    selector = f'winet2_pv_power_watts{{target="{target}"}}'
    (joules,) = prometheus.query(f"sum_over_time({selector}[24h]) * {STEP}", MIDNIGHTS[1]).values()
    assert joules == pytest.approx(JOULES * days.plants[target].day_energy("pv"), rel=0.005)


@pytest.mark.parametrize("target", ["hybrid", "string"])
def test_today_when_midnight_passes_then_each_daily_counter_resets_exactly_once(
    days: Days, prometheus: Server, target: str
) -> None:
    """Once a midnight by `resets()`, never between; the share of self-consumption is no counter."""
    names = {track.name for track in days.readings(target) if track.name.endswith("_today_joules")}
    assert len(names) == {"hybrid": 8, "string": 1}[target]
    for name in names:
        for window, end, resets in [("15h", START + DAY, 1), ("15h", END, 1), ("2d", END, 2)]:
            (times,) = prometheus.query(f'resets({name}{{target="{target}"}}[{window}])', end).values()
            assert times == resets, (name, window, end)


def test_today_when_the_hybrid_lives_through_midnight_then_it_falls_with_the_first_cycle_of_the_day(
    days: Days,
) -> None:
    """Daily counters follow the inverter's clock, and the exporter is not a cycle later than it must be."""
    daily = [track for track in days.readings("hybrid") if track.name.endswith("_today_joules")]
    for track in daily:
        falls = [at for (_, before), (at, after) in pairwise(track.at().items()) if after < before]
        assert falls == pytest.approx(MIDNIGHTS, abs=STEP), track.series
