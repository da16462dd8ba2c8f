"""A board: its variables and links, and its panels put in their places."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.panels import SOURCE
from grafana.queries import JOBS, SITES, TARGETS

COLUMNS = 24
SCHEMA_VERSION = 38  # docs/decisions/022: the last one that changed the shape of anything used here
TAG = "winet"

Panel = Builder[models.Panel]
Variable = Builder[models.VariableModel]


@dataclass(frozen=True)
class Place:
    """A panel and the room it takes, in columns and lines of the board's grid."""

    panel: Panel
    width: int
    height: int


def tiles(width: int, height: int, *panels: Panel) -> tuple[Place, ...]:
    """Panels of one size."""
    return tuple(Place(panel, width, height) for panel in panels)


@dataclass(frozen=True)
class Section:
    """Panels under one heading. `repeat` names the variable that it is there once for each value of."""

    title: str
    places: Sequence[Place]
    collapsed: bool
    repeat: str


def section(title: str, *places: tuple[Place, ...], collapsed: bool = False, repeat: str = "") -> Section:
    """A heading and the tiles below it."""
    return Section(title, tuple(chain.from_iterable(places)), collapsed, repeat)


@dataclass(frozen=True)
class Board:
    """What a board consists of; `build` makes it."""

    uid: str
    title: str
    description: str
    sections: Sequence[Section]
    since: str = "now/d"
    refresh: str = "1m"
    kinds: str = ".+"  # of the devices that can be chosen
    more_variables: Sequence[Variable] = field(default_factory=tuple)
    more_links: Sequence[Builder[models.DashboardLink]] = field(default_factory=tuple)

    def build(self) -> models.Dashboard:
        board = builders.Dashboard(self.title).uid(self.uid).description(self.description).tags([TAG])
        board.readonly().refresh(self.refresh).timezone("browser").time(self.since, "now")
        board.tooltip(models.DashboardCursorSync.CROSSHAIR)
        for variable in (*_variables(self.kinds), *self.more_variables):
            board.with_variable(variable)
        board.link(_siblings())
        for more in self.more_links:
            board.link(more)
        made = board.build()
        made.schema_version = SCHEMA_VERSION
        made.panels = _placed(self.sections)
        for link in made.links or []:
            vars(link)["placement"] = (
                None  # beside the variables, where the library would hide them in a menu
            )
        return made

    def text(self) -> str:
        """The board as it is kept in its file."""
        return json.dumps(self.build(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _placed(sections: Sequence[Section]) -> list[models.Panel | models.RowPanel]:
    """All panels with numbers and places. A section's numbers stay if another one grows."""
    placed: list[models.Panel | models.RowPanel] = []
    line = 0
    for number, section in enumerate(sections, start=1):
        row = models.RowPanel(
            title=section.title,
            collapsed=section.collapsed,
            id_val=100 * number,
            grid_pos=models.GridPos(x=0, y=line, w=COLUMNS, h=1),
            repeat=section.repeat or None,
            panels=[],
        )
        line += 1
        panels, end = _filled(section.places, line, 100 * number)
        placed.append(row)
        if section.collapsed:
            row.panels = panels
        else:
            placed.extend(panels)
            line = end
    return placed


def _filled(places: Sequence[Place], line: int, number: int) -> tuple[list[models.Panel], int]:
    """Panels side by side, a new line where the next one has no room; and the line below the last."""
    panels: list[models.Panel] = []
    column = tallest = 0
    for index, place in enumerate(places, start=1):
        if column + place.width > COLUMNS:
            line, column, tallest = line + tallest, 0, 0
        panel = place.panel.build()
        panel.id_val = number + index
        panel.grid_pos = models.GridPos(x=column, y=line, w=place.width, h=place.height)
        panels.append(panel)
        column += place.width
        tallest = max(tallest, place.height)
    return panels, line + tallest


def _variables(kinds: str) -> list[Variable]:
    source = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    source.description("The Prometheus that scrapes the exporter.")
    return [
        source.current(models.VariableOption(selected=False, text="Prometheus", value="prometheus")),
        _choice("job", "Job", "label_values(winet2_up, job)", "The scrape job of the exporter."),
        # A plant without sites has targets without that label: they have to be among all.
        _choice(
            "site",
            "Site",
            f"label_values(winet2_target_info{{{JOBS}}}, site)",
            "What shares one grid connection: the label `site` that targets are given in the configuration.",
            every=".*",
        ),
        _choice(
            "target",
            "Target",
            f"label_values(winet2_target_info{{{SITES}}}, target)",
            "Gateways, as the configuration names them.",
        ),
        _choice(
            "device",
            "Device",
            f'query_result(last_over_time(winet2_device_info{{{TARGETS},kind=~"{kinds}"}}[$__range]))',
            "Devices behind them, by their names; the value is the serial number.",
            regex='/device="(?<value>[^"]+)".*,name="(?<text>[^"]+)"/',
        ),
    ]


def _choice(
    name: str, label: str, query: str, description: str, *, every: str = ".+", regex: str = ""
) -> builders.QueryVariable:
    """A variable of several values or all of them, found anew when the time range changes."""
    variable = builders.QueryVariable(name).label(label).description(description).datasource(SOURCE)
    variable.query(query).definition(query).multi(True).include_all(True).all_value(every)
    variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    if regex:
        variable.regex(regex)
    return variable.current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))


def _siblings() -> builders.DashboardLink:
    link = builders.DashboardLink("Boards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True).as_dropdown(False)


def text_box(name: str, label: str, value: str, description: str) -> builders.TextBoxVariable:
    """A variable that people type."""
    box = builders.TextBoxVariable(name).label(label).description(description).default_value(value)
    return box.current(models.VariableOption(selected=True, text=value, value=value))


def time_link(title: str, uid: str, since: str, until: str = "now") -> builders.DashboardLink:
    """A link to a board at another time, with the variables as they are."""
    link = builders.DashboardLink(title).type(models.DashboardLinkType.LINK).icon("time")
    return link.url(f"/d/{uid}?from={since}&to={until}").include_vars(True).keep_time(False)
