"""The rules of Grafana's dashboard-linter, and this project's own, held without the program.

Left out, with reasons: `template-instance-rule` and the matcher for `instance`, since an exporter has many
targets and `target` stands for what others call instance; and counters outside `rate` where a lifetime total
is shown as such.
"""

import re

import promql_parser
import pytest

from exporter.metrics import catalogue, families
from tests.grafana.boards import EVERYTHING, Board, Panel, Target, boards, filled, plain, selectors
from tests.simulated_day import RULES, metrics_of, rules_in

BOARDS = boards()
PANELS = [panel for board in BOARDS for panel in board.panels]
TARGETS = [target for panel in PANELS for target in panel.targets]

# Those of Grafana's list that fit what is measured here; a misspelt one would be shown as a suffix.
UNITS = {
    "amp", "bytes", "celsius", "cps", "dBm", "dateTimeAsIso", "degree", "hertz", "kwatth", "none", "ohm",
    "percentunit", "s", "volt", "voltamp", "voltampreact", "watt", "suffix: kWh/kWp",
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


def ids(found: list[Panel] | list[Target]) -> list[str]:
    return [one.where for one in found]


@pytest.fixture(params=BOARDS, ids=[board.uid for board in BOARDS])
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


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
        query = filled(variable["query"], board, EVERYTHING, step=300, length=86400)
        inner = re.fullmatch(r"(?:label_values|query_result)\((.+?)(?:, (\w+))?\)", query)
        assert inner is not None
        assert metrics_of(inner[1]) <= known()


@pytest.mark.parametrize("panel", PANELS, ids=ids(PANELS))
def test_panel_when_shown_then_it_says_what_it_is(panel: Panel) -> None:
    """panel-title-description-rule, panel-units-rule, panel-datasource-rule, panel-no-targets-rule."""
    assert panel.title
    assert panel.json["description"].endswith(".")
    assert panel.json["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel.targets
    for source in [panel.json["datasource"], *(target.json["datasource"] for target in panel.targets)]:
        assert source == {"type": "prometheus", "uid": "${datasource}"}
    overridden = [
        item["value"]
        for override in panel.json["fieldConfig"].get("overrides", [])
        for item in override["properties"]
        if item["id"] == "unit"
    ]
    assert set(overridden) <= UNITS


@pytest.mark.parametrize("panel", PANELS, ids=ids(PANELS))
def test_title_when_read_then_it_has_no_unit(panel: Panel) -> None:
    """Units are Grafana's: it makes kW of W."""
    assert not re.search(r"\(.*\)|\b(?:W|kW|kWh|Wh|V|A|Hz|°C|%|seconds)\b", panel.title)


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_query_when_parsed_then_it_is_promql(target: Target) -> None:
    """target-promql-rule."""
    promql_parser.parse(plain(target))


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_query_when_something_is_chosen_then_every_part_of_it_obeys(target: Target) -> None:
    """target-job-rule, and target or site for target-instance-rule: no selector goes without."""
    for selector in selectors(promql_parser.parse(plain(target))):
        matchers = {(m.name, str(m.value)) for m in selector.matchers.matchers}
        assert ("job", ".+") in matchers, selector
        if selector.name not in OF_THE_EXPORTER:
            assert matchers & {("target", ".+"), ("site", ".*")}, selector


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_query_when_it_names_a_metric_then_there_is_one(target: Target) -> None:
    """In the catalogue, among the exporter's own, or recorded by the rules in `examples/`."""
    assert metrics_of(plain(target)) <= known()


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_rate_when_asked_for_then_its_window_is_grafanas_or_a_documented_one(target: Target) -> None:
    """target-rate-interval-rule: with a fixed window a graph of a month would skip most of the data."""
    for window in re.findall(r"(?:rate|increase|delta)\([^\[]*\[([^\]]+)\]", target.expr):
        assert window in {"$__rate_interval", "$__range", *WINDOWS}, window


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_counter_when_asked_for_then_as_growth(target: Target) -> None:
    """target-counter-agg-rule, but for lifetime totals that are shown as such."""
    if (target.panel.board.uid, target.panel.section) in LIFETIME:
        return
    for selector in selectors(promql_parser.parse(plain(target)), within_ranges=False):
        assert not selector.name.endswith("_total"), selector


@pytest.mark.parametrize("target", TARGETS, ids=ids(TARGETS))
def test_legend_when_there_are_several_series_then_it_is_ours(target: Target) -> None:
    """Never a whole set of labels: by the labels that the query brings."""
    if target.json["format"] == "table" or target.panel.json["type"] == "stat":
        return
    assert target.json["legendFormat"] != "__auto"


def known() -> set[str]:
    own = {family.name for family in (*families.all_families(), *CATALOGUE.families)}
    return own | STANDARD | {rule.record for rule in rules_in(RULES)}


CATALOGUE = catalogue.bundled()
