"""The committed boards are those that the builder makes, and Grafana can take them as they are."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.board import COLUMNS, TAG
from grafana.boards import DASHBOARDS, texts
from tests.grafana.boards import Board, boards

BOARDS = {board.uid: board for board in boards()}
PROVISIONING = DASHBOARDS.parent / "provisioning"
CORE_PANELS = {"stat", "timeseries", "barchart", "state-timeline", "table", "bargauge"}


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    return BOARDS[request.param]


def test_dashboards_when_the_builder_runs_then_they_are_what_is_committed() -> None:
    """`make dashboards` was run after the last change to a board."""
    committed = {path.name: path.read_text("utf-8") for path in DASHBOARDS.glob("*.json")}
    assert committed == texts()


def test_dashboards_when_looked_for_then_all_five_are_there() -> None:
    """The uids are addresses that people keep: none changes."""
    assert set(BOARDS) == {
        "winet-plant",
        "winet-energy",
        "winet-inverters",
        "winet-battery",
        "winet-gateways",
    }
    assert all(board.json["tags"] == [TAG] and not board.json["editable"] for board in BOARDS.values())


def test_board_when_grafanas_own_types_read_it_then_nothing_is_lost(board: Board) -> None:
    """No key is misspelt: what Grafana's types do not know they drop."""
    again = json.loads(json.dumps(models.Dashboard.from_json(dict(board.json)), cls=JSONEncoder))
    for link in again["links"]:
        del link["placement"]  # which the types add
    assert again == board.json


def test_board_when_its_numbers_are_collected_then_each_is_there_once(board: Board) -> None:
    """Panels and rows of one board have different ids, which links and alerts refer to."""
    ids = Counter([panel.json["id"] for panel in board.panels] + [row["id"] for row in board.rows])
    assert min(ids) > 0
    assert max(ids.values()) == 1


def test_board_when_laid_out_then_no_panel_covers_another(board: Board) -> None:
    """Within 24 columns, within its own row, and none above the row it belongs to."""
    top = [panel for panel in board.json["panels"] if not (panel["type"] == "row" and panel["collapsed"])]
    for group in [top, *(row["panels"] for row in board.rows if row["collapsed"])]:
        places = [panel["gridPos"] for panel in group]
        assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
        for one, other in combinations(places, 2):
            assert not _overlap(one, other), (one, other)


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_board_when_opened_on_a_phone_then_it_begins_with_four_to_six_figures(board: Board) -> None:
    """The first line is one of stats, which a phone stacks."""
    first = [panel for panel in board.panels if panel.json["gridPos"]["y"] == 1]
    assert 4 <= len(first) <= 6
    assert {panel.json["type"] for panel in first} == {"stat"}
    assert {panel.json["gridPos"]["w"] for panel in first} <= {4, 6}


def test_board_when_its_plugins_are_counted_then_every_grafana_has_them(board: Board) -> None:
    """Nothing has to be installed."""
    assert {panel.json["type"] for panel in board.panels} <= CORE_PANELS


def test_links_when_followed_then_each_leads_to_a_board() -> None:
    """Each board links to all others, with time and variables, and every other link to one that is there."""
    for board in BOARDS.values():
        siblings, *more = board.json["links"]
        assert (siblings["type"], siblings["tags"]) == ("dashboards", [TAG])
        assert siblings["keepTime"]
        assert siblings["includeVars"]
        for link in more:
            match = re.fullmatch(r"/d/([\w-]+)\?from=now\S*&to=now\S*", link["url"])
            assert match is not None
            assert match[1] in BOARDS


def test_variables_when_boards_link_to_each_other_then_all_have_the_same() -> None:
    """What is chosen on one board is chosen on the next."""
    shared = ["datasource", "job", "site", "target", "device"]
    assert {uid: list(board.variables)[:5] for uid, board in BOARDS.items()} == dict.fromkeys(BOARDS, shared)


def test_rows_when_collapsed_then_the_panels_are_in_them(board: Board) -> None:
    """Grafana drops panels of an open row that are kept in it, and shows those below a closed one."""
    for row in board.rows:
        assert bool(row["panels"]) == row["collapsed"], row["title"]


def test_details_when_a_board_is_opened_then_some_rows_are_collapsed(board: Board) -> None:
    """What only few people look for costs no query before they do."""
    assert any(row["collapsed"] for row in board.rows)
    assert not board.rows[0]["collapsed"]


def test_inputs_when_a_device_has_any_number_then_its_row_is_repeated_for_it() -> None:
    """Nobody writes down how many inverters, trackers or strings there are."""
    assert [row["repeat"] for row in BOARDS["winet-inverters"].rows if "repeat" in row] == ["device"]
    for board in BOARDS.values():
        assert not re.search(r'(?:mppt|string|phase)=\\?"', json.dumps(board.json)), board.uid


def test_provisioning_when_grafana_starts_then_it_has_the_data_source_that_boards_begin_with() -> None:
    """The uid that the variable starts from, and the address from the environment."""
    source = _only(_yaml("datasources/winet.yml")["datasources"])
    assert source["uid"] == "prometheus"
    assert source["url"] == "${PROMETHEUS_URL}"
    for board in BOARDS.values():
        assert board.variables["datasource"]["current"]["value"] == source["uid"]


def test_provisioning_when_grafana_starts_then_it_looks_where_the_boards_are_mounted() -> None:
    """And nobody edits in the browser what the next start would undo."""
    provider = _only(_yaml("dashboards/winet.yml")["providers"])
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert provider["allowUiUpdates"] is False


def _yaml(path: str) -> Any:
    return yaml.safe_load((PROVISIONING / path).read_text("utf-8"))


def _only(values: list[Any]) -> Any:
    (value,) = values
    return value
