"""The rules of Grafana's dashboard-linter, and this project's own, held without the program.

Left out, with reasons: `template-instance-rule` and the matcher for `instance`, since an exporter has many
targets and `target` stands for what others call instance; and counters outside `rate` where a lifetime total
is shown as such.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import promql_parser
import pytest

from exporter.metrics import catalogue, families
from tests.grafana.boards import Board, Panel, Target, boards, filled, plain, selectors
from tests.simulated_day import RULES, metrics_of, rules_in

BOARDS = boards()
CATALOGUE = catalogue.bundled()

# Those of Grafana's list that fit what is measured here; a misspelt one would be shown as a suffix.
UNITS = {
    "amp", "bytes", "celsius", "cps", "dBm", "dateTimeAsIso", "degree", "hertz", "kwatth", "none", "ohm",
    "percentunit", "s", "volt", "voltamp", "voltampreact", "watt", "suffix:kWh/kWp",
}  # fmt: skip
# The client library's own, which the exporter shows of its process.
STANDARD = {
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "python_gc_collections_total",
    "winet2_exporter_build_info",
}
# Metrics of the exporter itself, which belong to no target.
OF_THE_EXPORTER = STANDARD | {
    "winet2_config_last_reload_successful",
    "winet2_config_last_reload_success_timestamp_seconds",
}
# Lifetime totals that are shown as such.
LIFETIME = {
    ("winet-energy", "Since the first day"),
    ("winet-battery", "As the batteries tell it"),
}
WINDOWS = {
    "1h": "short enough to be now, long enough to be seen",
    "6h": "the quarter of a day that begins at the point",
    "1d": "the day that begins at the point, or the day before",
    "30d": "long enough for a battery's losses to show",
}


@pytest.fixture(params=BOARDS, ids=[board.uid for board in BOARDS])
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


@functools.cache
def known() -> set[str]:
    """Names of all metrics that boards may ask for."""
    own = {family.name for family in (*families.all_families(), *CATALOGUE.families)}
    return own | STANDARD | {rule.record for rule in rules_in(RULES)}


def wrong(board: Board, is_right: Callable[[Target], bool]) -> list[str]:
    """The queries of a board that a rule finds wrong."""
    return [target.where for target in board.targets if not is_right(target)]


def test_data_source_when_the_board_is_imported_then_it_is_a_variable(board: Board) -> None:
    """template-datasource-rule: one, named datasource, labelled, of Prometheus."""
    sources = [v for v in board.variables.values() if v["type"] == "datasource"]
    assert [(v["name"], v["label"], v["query"]) for v in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


def test_variables_when_queried_then_they_are_as_the_linter_wants_them(board: Board) -> None:
    """template-job-rule, template-label-promql-rule, template-on-time-change-reload-rule."""
    for name, label, every in [
        ("job", "Job", ".+"),
        ("site", "Site", ".*"),  # targets without site have none of its label
        ("target", "Target", ".+"),
        ("device", "Device", ".+"),
    ]:
        variable = board.variables[name]
        assert (variable["type"], variable["label"], variable["allValue"]) == ("query", label, every)
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["refresh"] == 2
        assert variable["datasource"]["uid"] == "${datasource}"
        query = filled(variable["query"], board)
        inner = re.fullmatch(r"(?:label_values|query_result)\((.+?)(?:, (\w+))?\)", query)
        assert inner is not None
        assert metrics_of(inner[1]) <= known()


def test_panel_when_shown_then_it_says_what_it_is(board: Board) -> None:
    """panel-title-description-rule, panel-units-rule, panel-datasource-rule, panel-no-targets-rule."""
    for panel in board.panels:
        assert panel.title
        assert panel.json["description"].endswith("."), panel.where
        assert panel.targets
        assert panel.json["fieldConfig"]["defaults"]["unit"] in UNITS, panel.where
        assert set(overridden(panel, "unit")) <= UNITS, panel.where
        for source in [panel.json["datasource"], *(target.json["datasource"] for target in panel.targets)]:
            assert source == {"type": "prometheus", "uid": "${datasource}"}


def overridden(panel: Panel, name: str) -> list[Any]:
    """What the overrides of a panel set something to."""
    overrides = panel.json["fieldConfig"].get("overrides", [])
    return [item["value"] for one in overrides for item in one["properties"] if item["id"] == name]


def test_title_when_read_then_it_has_no_unit(board: Board) -> None:
    """Units are Grafana's: it makes kW of W."""
    pattern = re.compile(r"\(.*\)|\b(?:W|kW|kWh|Wh|V|A|Hz|°C|%|seconds)\b")
    assert [panel.title for panel in board.panels if pattern.search(panel.title)] == []


def test_queries_when_parsed_then_they_are_promql(board: Board) -> None:
    """target-promql-rule."""
    for target in board.targets:
        promql_parser.parse(plain(target))


def test_queries_when_something_is_chosen_then_every_part_obeys(board: Board) -> None:
    """target-job-rule; and target, or for what belongs to sites the site, for target-instance-rule.

    A balance of a site needs all of its targets: there the choice comes in by a join with the targets' sites.
    """

    def obeys(target: Target) -> bool:
        found = list(selectors(promql_parser.parse(plain(target))))
        matchers = [{(m.name, m.value) for m in selector.matchers.matchers} for selector in found]
        joined = any(one.name == "target:winet2_site:info" for one in found)
        chosen = {("target", ".+"), ("site", ".*")}
        return all(
            ("job", ".+") in matcher and (one.name in OF_THE_EXPORTER or matcher & chosen or joined)
            for one, matcher in zip(found, matchers, strict=True)
        )

    assert wrong(board, obeys) == []


def test_queries_when_they_name_a_metric_then_there_is_one(board: Board) -> None:
    """In the catalogue, among the exporter's own, or recorded by the rules in `examples/`."""
    assert wrong(board, lambda target: metrics_of(plain(target)) <= known()) == []


def test_rates_when_asked_for_then_their_windows_are_grafanas_or_documented(board: Board) -> None:
    """target-rate-interval-rule: with a fixed window a graph of a month would skip most of the data."""
    window = re.compile(r"(?:rate|increase|delta)\([^\[]*\[([^\]]+)\]")
    allowed = {"$__rate_interval", "$__range", *WINDOWS}
    assert wrong(board, lambda target: set(window.findall(target.expr)) <= allowed) == []


def test_counters_when_asked_for_then_as_growth(board: Board) -> None:
    """target-counter-agg-rule, but for lifetime totals that are shown as such."""

    def grows(target: Target) -> bool:
        instants = selectors(promql_parser.parse(plain(target)), within_ranges=False)
        shown = (board.uid, target.panel.section) in LIFETIME
        return shown or not any(selector.name.endswith("_total") for selector in instants)

    assert wrong(board, grows) == []


def test_legends_when_there_are_several_series_then_they_are_ours(board: Board) -> None:
    """Never a whole set of labels: by the labels that the query brings."""

    def named(target: Target) -> bool:
        single = target.json["format"] == "table" or target.panel.json["type"] == "stat"
        return single or target.json["legendFormat"] != "__auto"

    assert wrong(board, named) == []


def test_days_when_years_are_shown_then_none_is_left_out(board: Board) -> None:
    """With fewer points than days Grafana would ask for every second day, and draw it as all."""
    for panel in board.panels:
        if any(target.json.get("interval") == "1d" for target in panel.targets):
            assert panel.json["maxDataPoints"] >= 10 * 366, panel.where


def test_figures_when_a_gateway_is_gone_then_none_is_of_long_ago(board: Board) -> None:
    """Grafana shows a range's last value as if it were the present one: so figures ask for its end."""

    def present(target: Target) -> bool:
        return target.panel.json["type"] not in {"stat", "bargauge", "table"} or target.json["instant"]

    assert wrong(board, present) == []


def graphs_of(board: Board) -> list[Panel]:
    return [panel for panel in board.panels if panel.json["type"] == "timeseries"]


def test_bars_when_there_are_several_then_they_stand_on_each_other(board: Board) -> None:
    """Grafana draws those of one time at one place: what is in front would hide the rest."""
    for panel in graphs_of(board):
        custom = panel.json["fieldConfig"]["defaults"]["custom"]
        if custom["drawStyle"] == "bars":
            assert custom["stacking"]["mode"] == "normal", panel.where


def test_shares_when_drawn_then_their_axis_has_numbers(board: Board) -> None:
    """An axis obeys decimals before it multiplies: without any there is nothing between 0 and 100 %."""
    for panel in graphs_of(board):
        defaults = panel.json["fieldConfig"]["defaults"]
        assert defaults["unit"] != "percentunit" or "decimals" not in defaults, panel.where


def test_energies_when_shown_then_grafana_chooses_the_digits(board: Board) -> None:
    """It writes thousands as MWh: with one decimal, half a day's energy of a large plant would be lost."""
    for panel in board.panels:
        defaults = panel.json["fieldConfig"]["defaults"]
        assert defaults["unit"] not in {"kwatth", "watt"} or "decimals" not in defaults, panel.where
