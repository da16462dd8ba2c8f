"""Panels as this project wants them: one function for each kind, a description and a unit always given.

They come without place and number; the board gives them both. Only plugins that every Grafana has are used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from grafana.queries import Query

SOURCE = shapes.DataSourceRef(type_val="prometheus", uid="${datasource}")

SIZES = common.VizTextDisplayOptions().title_size(18).value_size(38)  # else each would fit its own
DOT_SIZE = 8
LABEL_WIDTH = 90  # pixels that a column of words has at least, and one of values has
VALUE_WIDTH = 110
MOST_DAYS = 5000  # of a graph: with fewer points than days Grafana would leave days out
FROM_NOUGHT = ("watt", "kwatth")  # what would mislead on a scale that begins elsewhere

Override = models.DynamicConfigValue
States = Mapping[int, tuple[str, str]]  # value: what is written, and its colour
Steps = Sequence[tuple[float | None, str]]  # from this value on (None: from the least), this colour


class _Panel(Protocol):
    """What the library's builders of panels have in common; it has no name for it."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: shapes.DataSourceRef) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def decimals(self, decimals: float) -> Self: ...
    def min(self, min_val: float) -> Self: ...
    def max(self, max_val: float) -> Self: ...
    def with_target(self, target: prometheus.Dataquery) -> Self: ...
    def color_scheme(self, color: builders.FieldColor) -> Self: ...
    def thresholds(self, thresholds: builders.ThresholdsConfig) -> Self: ...
    def mappings(self, mappings: list[models.ValueMapping]) -> Self: ...
    def override_by_name(self, name: str, properties: list[models.DynamicConfigValue]) -> Self: ...


P = TypeVar("P", bound=_Panel)


@dataclass(frozen=True)
class Look:
    """How values are shown: colours by the name in the legend, states by value, limits by colour."""

    colour: str = ""
    colours: Mapping[str, str] = field(default_factory=dict)
    states: States = field(default_factory=dict)
    limits: Steps = ()
    decimals: int | None = None
    least: float | None = None  # where the scale begins and ends; else Grafana fits it to the values
    most: float | None = None


def _with(panel: P, title: str, description: str, unit: str, queries: Sequence[Query], look: Look) -> P:
    panel.title(title).description(description).datasource(SOURCE).unit(unit)
    for letter, query in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", queries, strict=False):
        panel.with_target(_target(query, letter))
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.least is not None:
        panel.min(look.least)
    if look.most is not None:
        panel.max(look.most)
    if look.limits:
        panel.thresholds(_limits(look.limits))
        panel.color_scheme(_coloured(models.FieldColorModeId.THRESHOLDS))
    elif look.colour:
        panel.color_scheme(_coloured(models.FieldColorModeId.FIXED, look.colour))
    else:
        panel.color_scheme(_coloured(models.FieldColorModeId.PALETTE_CLASSIC))
    if look.states:
        panel.mappings(_mappings(look.states))
    for name, colour in look.colours.items():
        panel.override_by_name(name, [Override("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def _target(query: Query, letter: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).expr(query.expr).datasource(SOURCE)
    target.editor_mode(QueryEditorMode.CODE).legend_format(query.legend or "__auto")
    target.format(PromQueryFormat.TABLE if query.table else PromQueryFormat.TIME_SERIES)
    if query.step:
        target.interval(query.step)
    return target.instant() if query.instant else target.range()


def _coloured(mode: models.FieldColorModeId, fixed: str = "") -> builders.FieldColor:
    colour = builders.FieldColor().mode(mode)
    return colour.fixed_color(fixed) if fixed else colour


def _limits(steps: Steps) -> builders.ThresholdsConfig:
    limits = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(limits)


def _mappings(states: States) -> list[models.ValueMapping]:
    return [
        models.ValueMap(
            {
                str(value): models.ValueMappingResult(text=text, color=colour, index=index)
                for index, (value, (text, colour)) in enumerate(states.items())
            }
        )
    ]


def _legend(*calculated: str, shown: bool = True) -> common.VizLegendOptions:
    """Names below the graph, with what is calculated of each series."""
    legend = common.VizLegendOptions().show_legend(shown).placement(shapes.LegendPlacement.BOTTOM)
    return legend.display_mode(shapes.LegendDisplayMode.LIST).calcs(list(calculated))


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)


def number(title: str, description: str, unit: str, *queries: Query, look: Look = Look()) -> stat.Panel:
    """A figure to be read from afar, as of the end of the range.

    Without the past behind it: then the figure would be the last that was known, however long ago.
    """
    panel = _with(stat.Panel(), title, description, unit, _instant(queries), look)
    panel.graph_mode(shapes.BigValueGraphMode.NONE).color_mode(shapes.BigValueColorMode.VALUE)
    if any(query.legend for query in queries):
        panel.text_mode(shapes.BigValueTextMode.VALUE_AND_NAME)
    else:
        panel.text_mode(shapes.BigValueTextMode.VALUE)
        panel.text(SIZES)
    return panel.reduce_options(_last())


def _instant(queries: Sequence[Query]) -> list[Query]:
    return [replace(query, instant=True) for query in queries]


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    look: Look = Look(),
    stacked: bool = False,
    fill: int = 10,
    steps: bool = False,
) -> timeseries.Panel:
    """Values over time. A gap is a gap: nothing is drawn where nothing is known."""
    panel = _with(timeseries.Panel(), title, description, unit, queries, look)
    if look.colour:
        panel.color_scheme(_coloured(models.FieldColorModeId.SHADES, look.colour))
    panel.draw_style(shapes.GraphDrawStyle.LINE).line_width(1).fill_opacity(fill)
    panel.line_interpolation(
        shapes.LineInterpolation.STEP_AFTER if steps else shapes.LineInterpolation.LINEAR
    )
    panel.show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    if unit in FROM_NOUGHT:
        panel.axis_soft_min(0)
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    return panel.legend(_legend()).tooltip(_tooltip())


def bars(title: str, description: str, unit: str, *queries: Query, look: Look = Look()) -> timeseries.Panel:
    """Bars over time, each to the right of the point where its time begins; several stand on each other.

    For what adds up. Grafana draws bars of several series that do not over each other: see `dots`.
    """
    panel = _with(timeseries.Panel(), title, description, unit, queries, look)
    panel.draw_style(shapes.GraphDrawStyle.BARS).line_width(1).fill_opacity(80)
    panel.bar_alignment(shapes.BarAlignment.AFTER).bar_width_factor(0.8).axis_soft_min(0)
    panel.show_points(shapes.VisibilityMode.NEVER)
    panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    return _of_days(panel, queries).legend(_legend("sum")).tooltip(_tooltip())


def dots(title: str, description: str, unit: str, *queries: Query, look: Look = Look()) -> timeseries.Panel:
    """A dot where each step begins, with a thin line to the next: for what is compared."""
    panel = _with(timeseries.Panel(), title, description, unit, queries, look)
    panel.draw_style(shapes.GraphDrawStyle.LINE).line_width(1).fill_opacity(0).axis_soft_min(0)
    panel.show_points(shapes.VisibilityMode.ALWAYS).point_size(DOT_SIZE).span_nulls(False)
    return _of_days(panel, queries).legend(_legend("mean")).tooltip(_tooltip())


def _of_days(panel: timeseries.Panel, queries: Sequence[Query]) -> timeseries.Panel:
    """With as many points as there are days, if that is the step."""
    return panel.max_data_points(MOST_DAYS) if any(query.step == "1d" for query in queries) else panel


def counts(title: str, description: str, *queries: Query) -> timeseries.Panel:
    """How often things happened in the time of each bar, which is five minutes or more."""
    queries = tuple(replace(query, step="5m") for query in queries)
    panel = bars(title, description, "none", *queries, look=Look(decimals=0)).axis_soft_max(1)
    return panel.bar_alignment(shapes.BarAlignment.BEFORE)  # what is counted comes before its point


def calendar(
    title: str, description: str, unit: str, *queries: Query, by: str, look: Look = Look()
) -> barchart.Panel:
    """Bars for months or years: the queries' steps added up by the date `by`, in the viewer's zone."""
    panel = _with(barchart.Panel(), title, description, unit, queries, look)
    panel.max_data_points(10_000)  # none of the steps may be made longer than it is
    names = [query.legend for query in queries]
    sums: dict[str, Any] = {name: {"aggregations": ["sum"], "operation": "aggregate"} for name in names}
    for kind, options in (
        ("joinByField", {"byField": "Time", "mode": "outer"}),
        (
            "convertFieldType",
            {
                "conversions": [{"targetField": "Time", "destinationType": "string", "dateFormat": by}],
                "fields": {},
            },
        ),
        ("groupBy", {"fields": {"Time": {"aggregations": [], "operation": "groupby"}} | sums}),
        ("organize", {"renameByName": {f"{name} (sum)": name for name in names}}),
    ):
        panel.with_transformation(models.DataTransformerConfig(id_val=kind, options=options))
    panel.x_field("Time").fill_opacity(80).line_width(1).show_value(shapes.VisibilityMode.AUTO)
    panel.bar_width(0.9).group_width(0.8)
    return panel.legend(_legend()).tooltip(_tooltip())


def timeline(title: str, description: str, *queries: Query, states: States) -> statetimeline.Panel:
    """What state each thing was in; equal neighbours are one block, and a gap is where nobody knows."""
    panel = _with(statetimeline.Panel(), title, description, "none", queries, Look(states=states))
    panel.color_scheme(_coloured(models.FieldColorModeId.FIXED, "text"))
    panel.merge_values(True).show_value(shapes.VisibilityMode.AUTO).row_height(0.85).fill_opacity(80)
    return panel.span_nulls(False).legend(_legend(shown=False)).tooltip(_tooltip())


def gauges(title: str, description: str, unit: str, *queries: Query, look: Look = Look()) -> bargauge.Panel:
    """Horizontal bars, one for each series, as they are at the end of the range."""
    panel = _with(bargauge.Panel(), title, description, unit, _instant(queries), look)
    panel.orientation(shapes.VizOrientation.HORIZONTAL).display_mode(shapes.BarGaugeDisplayMode.BASIC)
    panel.value_mode(shapes.BarGaugeValueMode.TEXT).show_unfilled(True)
    return panel.reduce_options(_last())


@dataclass(frozen=True)
class Column:
    """A column of a table, with values of a query that has the table's rows."""

    title: str
    expr: str
    unit: str
    look: Look = field(default_factory=Look)
    width: int = VALUE_WIDTH


def listing(title: str, description: str, rows: Mapping[str, str], *columns: Column) -> table.Panel:
    """A table as of the end of the range: `rows` are the labels that make a row, with their headings."""
    queries = [Query(column.expr, instant=True, table=True) for column in columns]
    panel = _with(table.Panel(), title, description, "none", queries, Look())
    single = len(columns) == 1
    values = {
        f"Value #{letter}" if not single else "Value": c
        for letter, c in zip("ABCDEFGHIJ", columns, strict=False)
    }
    headings = dict(rows) | {name: column.title for name, column in values.items()}
    organized = {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(headings)},
        "renameByName": headings,
    }
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=organized))
    for column in columns:
        panel.override_by_name(column.title, _cell(column))
    return panel.show_header(True).min_width(LABEL_WIDTH)


def _cell(column: Column) -> list[Override]:
    look = column.look
    properties = [Override("unit", column.unit), Override("custom.width", column.width)]
    if look.decimals is not None:
        properties.append(Override("decimals", look.decimals))
    if look.states:
        properties.append(Override("mappings", [one.to_json() for one in _mappings(look.states)]))
    if look.limits:
        properties.append(Override("thresholds", _limits(look.limits).build().to_json()))
    if look.states or look.limits:
        properties.append(Override("custom.cellOptions", {"type": "color-text"}))
        properties.append(Override("color", {"mode": "thresholds"}))
    return properties
