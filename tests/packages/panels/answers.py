"""A board with what Prometheus answers to it, as a page can draw it: rows opened, repeated, put in place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.grafana.asking import Variables, View, ask, time_range


def board_of(dashboard: Mapping[str, Any], view: View, *, rows: bool = False) -> dict[str, Any]:
    """A board with the answers to all its queries, to be drawn; `rows` opens closed ones."""
    panels = [
        {
            **panel,
            "title": variables.title(panel.get("title", "")),
            "fieldConfig": {"defaults": {}, "overrides": [], **panel.get("fieldConfig", {})},
            "options": panel.get("options", {}),
            **_answered(panel, dashboard["time"], variables, view),
        }
        for panel, variables in placed(dashboard["panels"], Variables(dashboard, view), rows=rows)
    ]
    return {"title": dashboard["title"], "panels": panels, "theme": view.theme, "timeZone": str(view.zone)}


def placed(
    panels: Sequence[dict[str, Any]], variables: Variables, *, rows: bool
) -> Iterator[tuple[dict[str, Any], Variables]]:
    """Panels with their places, below those above: rows are repeated for the values of their variable."""
    line = 0
    for row, inner in _sections(panels):
        opened = row is None or rows or not row.get("collapsed")
        for here in _repeated(row, variables):
            if row is not None:
                yield {**row, "collapsed": not opened, "gridPos": {**row["gridPos"], "y": line}}, here
                line += 1
            if opened and inner:
                top = min(panel["gridPos"]["y"] for panel in inner)
                for panel in inner:
                    place = panel["gridPos"]
                    moved = {**place, "y": line + place["y"] - top}
                    section = here.title(row["title"]) if row else ""
                    yield {**panel, "gridPos": moved, "section": section}, here
                line += max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in inner) - top


def _repeated(row: Mapping[str, Any] | None, variables: Variables) -> list[Variables]:
    """The variables of a row, once for each time that it is there."""
    name = row and row.get("repeat")
    if not name:
        return [variables]
    return [variables.chosen(name, value, text) for value, text in variables.options(name).items()]


def _sections(panels: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
    """Rows with what is in them; an open row has what follows it."""
    found: list[tuple[dict[str, Any] | None, list[dict[str, Any]]]] = [(None, [])]
    for panel in panels:
        if panel["type"] == "row":
            found.append((panel, list(panel.get("panels") or [])))
        else:
            found[-1][1].append(panel)
    return found


def _answered(
    panel: Mapping[str, Any], time: Mapping[str, str], variables: Variables, view: View
) -> dict[str, Any]:
    start, end = time_range(panel, time, view)
    answers = []
    for target in panel.get("targets") or []:
        if target.get("hide"):
            continue
        asked = ask(panel, target, time, variables, view)
        answers.append({
            "refId": target["refId"],
            "legendFormat": variables.title(target.get("legendFormat") or ""),
            "format": target.get("format") or "time_series",
            "step": asked.step,
            "result": asked.result,
        })  # fmt: skip
    return {"answers": answers, "from": int(start * 1000), "to": int(end * 1000)}
