"""Every query of every board and variable, asked of a real Prometheus after a day of five gateways.

About a minute: two thirds for the exporter and its gateways to live through the day, the rest for Prometheus.
"""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import promql_parser
import pytest

from tests.grafana.asking import Chosen
from tests.grafana.boards import (
    ALL,
    EVERYTHING,
    Answer,
    Board,
    Target,
    Viewer,
    boards,
    plain,
    selectors,
)
from tests.prometheus import Server
from tests.simulated_day import (
    DAWN,
    DAY,
    DUSK,
    HOUR,
    MIDNIGHT,
    START,
    TARGETS,
    ZONE,
    SimulatedDay,
    lived,
    metrics_of,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

BOARDS = {board.uid: board for board in boards()}
QUERIES = [target for board in BOARDS.values() for target in board.targets]
JOULES = 3.6e6
PRINTED = 0.1  # kWh: the last digit of a total
NOON = MIDNIGHT - 10 * HOUR  # 13:00 UTC

EMPTY = {
    "winet-energy/Months/The year before by month": "the simulated plant is a day old",
    "winet-inverters/Faults and limits/Totals that went back": "no total did",
    "winet-battery/Condition/Round trip": "a day is too short to tell",
    "winet-inverters/Faults and limits/Fault list": "no simulated device has a fault list",
}


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimulatedDay, Server]]:
    wanted = set().union(*(metrics_of(plain(query)) for query in QUERIES))
    with lived(tmp_path_factory.mktemp("day"), wanted) as day_and_server:
        yield day_and_server


@pytest.fixture
def day(remembered: tuple[SimulatedDay, Server]) -> SimulatedDay:
    return remembered[0]


@pytest.fixture
def server(remembered: tuple[SimulatedDay, Server]) -> Server:
    return remembered[1]


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    return BOARDS[request.param]


def viewer(
    remembered: tuple[SimulatedDay, Server], chosen: Chosen = EVERYTHING, *, length: int = DAY, now: int = 0
) -> Viewer:
    day, server = remembered
    return Viewer(server, now or day.end, length, ZoneInfo(ZONE), chosen)


def of(uid: str, title: str, section: str = "", number: int = 0) -> Target:
    """The query of a panel."""
    panels = [p for p in BOARDS[uid].panels if p.title == title and section in ("", p.section)]
    (panel,) = panels
    return panel.targets[number]


def only(answer: Answer) -> float:
    """The one value of the one series."""
    ((_, values),) = answer
    (value,) = values.values()
    return value


# Every query ------------------------------------------------------------------------------------------


def test_queries_when_everything_is_chosen_then_each_returns_data(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """Whatever a panel asks for is there, but for what the simulated day does not have."""
    someone = viewer(remembered)
    silent = {query.panel.where for query in board.targets if not someone.ask(query)}
    assert silent == {where for where in EMPTY if where.startswith(f"{board.uid}/")}


# Queries that have no answer though the target has all metrics that they ask for.
STRING_INVERTERS, AT_NIGHT, WELL = ("garage", "barn"), ("nightly",), ("house", "cabin", "nightly")
METERED = ("house", "garage", "cabin", "nightly")
QUIET = {
    "winet-battery/Course/States/A": (STRING_INVERTERS, "has a state, but no battery"),
    "winet-gateways/Gateways/Errors by reason/A": (WELL, "no error happened"),
    "winet-plant/Power/Power flow/B": (METERED, "is at a site whose meter is read"),
    "winet-plant/Now/Self-sufficiency today/A": (AT_NIGHT, "has used nothing, for its totals stand still"),
    "winet-plant/The day in detail/Self-sufficiency and self-consumption/B": (AT_NIGHT, "has used nothing"),
    "winet-plant/The day in detail/Self-sufficiency and self-consumption/C": (AT_NIGHT, "has made nothing"),
    "winet-energy/In this time range/Self-consumption/A": (AT_NIGHT, "has made nothing"),
    "winet-energy/Days/Shares by day/B": (AT_NIGHT, "has made nothing"),
    "winet-inverters/Inverters/Strings beside their median/A": (AT_NIGHT, "has no current"),
    "winet-inverters/Inputs of $device/Strings beside their median/A": (
        AT_NIGHT,
        "has no current to compare",
    ),
    "winet-inverters/Inputs of $device/MPPTs beside their median/A": (AT_NIGHT, "has no power"),
} | {
    f"winet-inverters/Inputs of $device/{quantity} by {kind}/A": (AT_NIGHT, "has no voltage")
    for quantity in ("Power", "Voltage", "Current")
    for kind in ("MPPT", "string")
}


@pytest.mark.parametrize("name", TARGETS)
def test_queries_when_one_target_is_chosen_then_each_returns_data_where_the_target_has_it(
    remembered: tuple[SimulatedDay, Server], board: Board, name: str
) -> None:
    """A query whose metrics the target has is answered, and with nothing of any other target."""
    someone = viewer(remembered, {"target": name, "site": site_of(name)})
    there = series_of(remembered, name)
    silent = set()
    for query in board.targets:
        answer = someone.ask(query)
        assert {labels.get("target", name) for labels, _ in answer} <= {name}, query.where
        if not answer and query.panel.where not in EMPTY and has(there, query):
            silent.add(query.where)
    expected = {where for where, (names, _) in QUIET.items() if name in names}
    assert silent == {where for where in expected if where.startswith(f"{board.uid}/")}


def site_of(name: str) -> str | list[str]:
    """The choice of a target's site; of one without, all sites, as Grafana has nothing else to offer."""
    return TARGETS[name][1].get("labels", {}).get("site", ALL)


def series_of(remembered: tuple[SimulatedDay, Server], name: str) -> set[tuple[str, str]]:
    """All metrics that there are of a target, its site and the exporter, with their flow if they have one."""
    day, server = remembered
    site = TARGETS[name][1].get("labels", {}).get("site", "")
    selectors_ = (
        f'{{__name__=~".+",target="{name}"}}',
        f'{{__name__=~"site:.+",site="{site}"}}',
        '{__name__=~"(process|python|winet2)_.+",target=""}',
    )
    found = (server.query(f"last_over_time({selector}[1d])", day.end) for selector in selectors_)
    every = [dict(labels) for series in found for labels in series]
    return {(labels["__name__"], labels.get("flow", "")) for labels in every}


OPTIONAL = "winet2_string_info"  # names and groups of strings: every query does without


def has(there: set[tuple[str, str]], query: Target) -> bool:
    """Whether there is something for each selector of a query."""
    for selector in selectors(promql_parser.parse(plain(query))):
        flow = next((m.value for m in selector.matchers.matchers if m.name == "flow"), "")
        if selector.name != OPTIONAL and not any(
            name == selector.name and re.fullmatch(flow or ".*", own) for name, own in there
        ):
            return False
    return True


def test_tables_when_filled_then_every_heading_has_its_column(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """The labels that make a row are in the answers: a join may lose them without a word."""
    someone = viewer(remembered)
    tables = [panel for panel in board.panels if panel.json["type"] == "table" and panel.where not in EMPTY]
    for panel in tables:
        (organize,) = [one for one in panel.json["transformations"] if one["id"] == "organize"]
        headings = {name for name in organize["options"]["renameByName"] if not name.startswith("Value")}
        answers = [someone.ask(query) for query in panel.targets]
        assert set(organize["options"]["renameByName"]) - headings == (
            {f"Value #{query.json['refId']}" for query in panel.targets} if len(answers) > 1 else {"Value"}
        )
        for labels, _ in answers[0]:
            assert headings <= labels.keys(), panel.where


def test_queries_when_two_targets_are_chosen_then_all_keep_to_them(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """Several values of a variable are a pattern, which every query takes; the barn has no battery."""
    someone = viewer(remembered, {"target": ["house", "barn"]})
    seen = {
        labels["target"] for query in board.targets for labels, _ in someone.ask(query) if "target" in labels
    }
    assert seen == ({"house"} if board.uid == "winet-battery" else {"house", "barn"})


def test_queries_when_one_device_is_chosen_then_all_keep_to_it(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """So a repeated row shows one inverter alone."""
    someone = viewer(remembered, {"device": "A2100000301"})
    for query in board.targets:
        seen = {labels["device"] for labels, _ in someone.ask(query) if "device" in labels}
        assert seen <= {"A2100000301"}, query.where


def test_variables_when_opened_then_they_offer_what_there_is(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """Devices by their own names, and on boards about one kind of device only those."""
    someone = viewer(remembered)
    assert set(someone.options(board, "job")) == {"winet"}
    assert set(someone.options(board, "site")) == {"home", "farm", "cabin"}
    assert set(someone.options(board, "target")) == set(TARGETS)
    devices = someone.options(board, "device")
    assert devices["A2300000201"] == "SH10RT"
    assert len(devices) == {"winet-inverters": 5, "winet-battery": 5}.get(board.uid, 8)


def test_variables_when_a_site_is_chosen_then_the_next_ones_offer_what_is_there(
    remembered: tuple[SimulatedDay, Server], board: Board
) -> None:
    """Targets of the site, and devices of the targets."""
    assert set(viewer(remembered, {"site": "home"}).options(board, "target")) == {"house", "garage"}
    assert "A2100000301" not in viewer(remembered, {"target": ["house", "garage"]}).options(board, "device")


# Nonsense ---------------------------------------------------------------------------------------------

# Lifetime totals, dates in milliseconds, and the age of a process that began long before the simulated day.
LARGE = {
    "winet-energy/Since the first day/All inverters",
    "winet-energy/Since the first day/PV of each inverter",
    "winet-battery/As the batteries tell it/Charged since the first day",
    "winet-gateways/Exporter/Versions",
    "winet-gateways/Exporter/Running for",
}
MOST = {
    "watt": 150e3,
    "kwatth": 2000,
    "percentunit": 2,
    "celsius": 100,
    "volt": 1000,
    "amp": 200,
    "hertz": 51,
}


@pytest.mark.parametrize("now", [0, MIDNIGHT, MIDNIGHT + 2 * HOUR], ids=["now", "midnight", "night"])
@pytest.mark.parametrize(
    "chosen",
    [EVERYTHING, {"site": "farm", "target": "barn"}, {"target": "garage"}],
    ids=["all", "farm", "garage"],
)
def test_values_when_drawn_then_none_is_beyond_reason(
    remembered: tuple[SimulatedDay, Server], board: Board, chosen: Chosen, now: int
) -> None:
    """No NaN, no infinity, no lifetime that is taken for a day, no share far above one; day and night."""
    someone = viewer(remembered, chosen, now=now)
    wild = []
    for query in board.targets:
        most = MOST.get(query.panel.json["fieldConfig"]["defaults"]["unit"], 1e9)
        for labels, values in someone.ask(query):
            found = [value for value in values.values() if not abs(value) <= most or math.isnan(value)]
            if found and query.panel.where not in LARGE:
                wild.append((query.where, labels, found[:3]))
    assert wild == []


# Values -----------------------------------------------------------------------------------------------


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def today(day: SimulatedDay, flow: str, *names: str) -> float:
    """kWh since the local midnight, as the plants have it."""
    return sum(day.plants[name].energy(flow, at(MIDNIGHT), at(day.end)) for name in names)


HOME = {"site": "home", "target": ["house", "garage"]}


@pytest.mark.parametrize(
    "title, flow, names",
    [
        ("PV", "pv", ("house", "garage")),
        ("Import", "import", ("house",)),
        ("Export", "export", ("house",)),
        ("Charged", "charge", ("house",)),
        ("Discharged", "discharge", ("house",)),
    ],
)
def test_today_when_a_hybrid_and_a_string_inverter_share_a_meter_then_nothing_counts_twice(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay, title: str, flow: str, names: tuple[str, ...]
) -> None:
    """Since the local midnight, right to the last digit of each total."""
    queries = [of("winet-plant", "Today", number=number) for number in range(6)]
    (query,) = [query for query in queries if query.json["legendFormat"] == title]
    shown = only(viewer(remembered, HOME).ask(query))
    assert shown == pytest.approx(today(day, flow, *names), abs=PRINTED * len(names) + 0.01)


def test_use_when_a_string_inverter_is_behind_the_hybrids_meter_then_its_pv_is_used_too(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """What the house used is PV of both, import and discharge, less export and charge; on both boards."""
    used = (
        today(day, "pv", "house", "garage")
        + today(day, "import", "house")
        + today(day, "discharge", "house")
        - today(day, "export", "house")
        - today(day, "charge", "house")
    )
    so_far = viewer(remembered, HOME, length=day.end - MIDNIGHT)
    assert only(so_far.ask(of("winet-energy", "House"))) == pytest.approx(used, abs=6 * PRINTED)
    queries = [of("winet-plant", "Today", number=number) for number in range(6)]
    (query,) = [query for query in queries if query.json["legendFormat"] == "House"]
    assert only(so_far.ask(query)) == pytest.approx(used, abs=6 * PRINTED)


@pytest.mark.parametrize(
    "name, pv, meter", [("garage", ("house", "garage"), "house"), ("cabin", ("cabin",), "cabin")]
)
def test_use_when_one_target_of_a_site_is_chosen_then_it_is_that_of_its_whole_site(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay, name: str, pv: tuple[str, ...], meter: str
) -> None:
    """A balance of a part would be none; and other sites have nothing to do with it."""
    used = today(day, "pv", *pv) + sum(today(day, flow, meter) for flow in ("import", "discharge"))
    used -= sum(today(day, flow, meter) for flow in ("export", "charge"))
    someone = viewer(remembered, {"target": name}, length=day.end - MIDNIGHT)
    assert only(someone.ask(of("winet-energy", "House"))) == pytest.approx(used, abs=6 * PRINTED)
    now = of("winet-plant", "House now")
    assert only(someone.ask(now)) == only(viewer(remembered, {"target": [*pv]}).ask(now)) > 0


def test_shares_when_the_day_goes_by_then_they_are_those_of_the_plant(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """Self-sufficiency by use and import, self-consumption by PV and export."""
    so_far = viewer(remembered, {"site": "cabin", "target": "cabin"}, length=day.end - MIDNIGHT)
    pv, used, bought, sold = (today(day, flow, "cabin") for flow in ("pv", "load", "import", "export"))
    for title, share in [("Self-sufficiency", 1 - bought / used), ("Self-consumption", 1 - sold / pv)]:
        assert only(so_far.ask(of("winet-energy", title))) == pytest.approx(share, abs=0.03)
    shown = only(so_far.ask(of("winet-plant", "Self-sufficiency today")))
    assert shown == pytest.approx(1 - bought / used, abs=0.03)


def test_days_when_seen_in_the_viewers_zone_then_each_bar_stands_at_its_own_date(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """At local midnights: yesterday since the first quarter hour that was kept, today up to the last."""
    someone = viewer(remembered, {"target": ["house", "garage"]}, length=7 * DAY)
    ((_, bars),) = someone.ask(of("winet-energy", "Days", number=0))
    assert set(bars) == {MIDNIGHT - DAY, MIDNIGHT}
    plants = [day.plants[name] for name in ("house", "garage")]
    yesterday = sum(plant.energy("pv", at(START + HOUR / 4), at(MIDNIGHT)) for plant in plants)
    assert bars[MIDNIGHT - DAY] == pytest.approx(yesterday, abs=4 * PRINTED)
    assert bars[MIDNIGHT] == pytest.approx(today(day, "pv", "house", "garage"), abs=2 * PRINTED)


def test_days_when_the_viewer_is_elsewhere_then_the_days_are_the_viewers(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """In New York today began at four in the morning, UTC."""
    _, server = remembered
    midnight = MIDNIGHT + 5 * HOUR
    someone = Viewer(server, day.end, 7 * DAY, ZoneInfo("America/New_York"), {"target": "house"})
    ((_, bars),) = someone.ask(of("winet-energy", "Days", number=1))
    assert list(bars)[-1] == midnight
    imported = day.plants["house"].energy("import", at(midnight), at(day.end))
    assert bars[midnight] == pytest.approx(imported, abs=2 * PRINTED)


def test_months_when_added_up_from_quarters_of_days_then_nothing_is_lost(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """All quarters since the local midnight make today."""
    someone = viewer(remembered, {"target": "house"})
    ((_, quarters),) = someone.ask(of("winet-energy", "This year by month", number=0))
    assert all((moment + HOUR) % (6 * HOUR) == 0 for moment in quarters)
    shown = sum(value for moment, value in quarters.items() if moment >= MIDNIGHT)
    assert shown == pytest.approx(today(day, "pv", "house"), abs=2 * PRINTED)


def test_money_when_prices_are_typed_then_sums_follow_them(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """What was fed in at one price, and what was not bought at the other."""
    someone = viewer(
        remembered,
        {"target": "cabin", "buy_price": "0.40", "sell_price": "0.10"},
        length=day.end - MIDNIGHT,
    )
    used, bought, sold = (today(day, flow, "cabin") for flow in ("load", "import", "export"))
    assert only(someone.ask(of("winet-energy", "Saved"))) == pytest.approx(0.40 * (used - bought), abs=0.3)
    assert only(someone.ask(of("winet-energy", "Earned"))) == pytest.approx(0.10 * sold, abs=0.02)
    assert only(someone.ask(of("winet-energy", "Bought"))) == pytest.approx(0.40 * bought, abs=0.08)


def test_yield_when_rated_powers_differ_then_it_is_that_of_each_kilowatt(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """kWh since midnight for each rated kW."""
    someone = viewer(remembered, length=day.end - MIDNIGHT)
    rated = {"house": 10, "garage": 10, "barn": 110, "cabin": 5}
    shown = {
        labels["target"]: next(iter(values.values()))
        for labels, values in someone.ask(of("winet-energy", "Specific yield"))
    }
    for name, kilowatts in rated.items():
        assert shown[name] == pytest.approx(today(day, "pv", name) / kilowatts, rel=0.01, abs=0.02)


def test_power_when_the_inverter_is_gone_then_its_last_one_is_not_shown(
    remembered: tuple[SimulatedDay, Server],
) -> None:
    """An hour after dusk there is no figure, though the board's range has many."""
    query = of("winet-plant", "PV now")
    assert only(viewer(remembered, {"target": "barn"}, now=NOON).ask(query)) > 50_000
    assert viewer(remembered, {"target": "barn"}, now=DUSK // 60 * 60 + HOUR).ask(query) == []


def test_flow_when_the_meter_is_read_then_both_sides_are_alike(
    remembered: tuple[SimulatedDay, Server], day: SimulatedDay
) -> None:
    """Where power comes from, and where it goes, add up to nought at any time, day and night."""
    someone = viewer(remembered, {"site": "cabin", "target": "cabin"})
    answers = [someone.ask(query) for query in of("winet-plant", "Power flow").panel.targets]
    series = [values for answer in answers for _, values in answer]
    assert len(series) == 6  # no PV of sites without meter
    for moment in (NOON, MIDNIGHT, DUSK // 300 * 300, DAWN // 300 * 300):
        powers = [values[moment // 300 * 300] for values in series]
        assert sum(powers) == pytest.approx(0, abs=100), moment
        assert max(powers) > 100


@pytest.mark.parametrize("moment, state", [(NOON, 4), (MIDNIGHT, 6)], ids=["online", "asleep"])
def test_states_when_a_string_inverter_sleeps_then_its_gateway_is_drawn_asleep_and_it_is_a_gap(
    remembered: tuple[SimulatedDay, Server], moment: int, state: int
) -> None:
    """Night is no fault: a state of its own for the gateway, and nothing for the device."""
    someone = viewer(remembered, {"target": "garage"})
    ((_, gateway),) = someone.ask(of("winet-plant", "Gateways"))
    assert gateway[moment] == state
    ((labels, device),) = someone.ask(of("winet-plant", "Devices"))
    assert labels["name"] == "SG10RS"
    assert device.get(moment) == (4 if state == 4 else None)


def test_strings_when_one_delivers_less_then_it_is_the_weakest(
    remembered: tuple[SimulatedDay, Server],
) -> None:
    """Row 10 of the barn has 36 percent of its tracker's current, its fellows have half."""
    someone = viewer(remembered, {"target": "barn"}, now=NOON)
    beside = {
        labels["input"]: values[NOON]
        for labels, values in someone.ask(of("winet-inverters", "Strings beside their median", "Inverters"))
    }
    assert len(beside) == 12
    assert min(beside, key=beside.__getitem__) == "row 10"
    assert beside["row 10"] == pytest.approx(0.72, abs=0.05)
    weakest = of("winet-inverters", "Weakest string")
    assert only(viewer(remembered, {"target": "barn"}, now=NOON).ask(weakest)) == pytest.approx(
        0.72, abs=0.05
    )
    assert viewer(remembered, {"target": "barn"}, now=MIDNIGHT).ask(weakest) == []


def test_gateways_when_all_are_well_then_the_first_row_says_so(
    remembered: tuple[SimulatedDay, Server],
) -> None:
    """Five up by day, three and two asleep at night, none in trouble at either time."""
    by_day, at_night = viewer(remembered, now=NOON), viewer(remembered, now=MIDNIGHT)
    for title, awake, asleep in [("Up", 5, 3), ("Asleep", 0, 2), ("In trouble", 0, 0)]:
        query = of("winet-gateways", title)
        assert (only(by_day.ask(query)), only(at_night.ask(query))) == (awake, asleep), title
