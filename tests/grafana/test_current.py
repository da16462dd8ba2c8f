"""The committed boards are those that the builder makes."""

from grafana.boards import DASHBOARDS, texts


def test_dashboards_when_the_builder_runs_then_they_are_what_is_committed() -> None:
    """`make dashboards` was run after the last change to a board."""
    committed = {path.name: path.read_text("utf-8") for path in DASHBOARDS.glob("*.json")}
    assert committed == texts()
