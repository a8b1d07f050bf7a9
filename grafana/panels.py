"""Panels and variables as all dashboards want them, on top of Grafana's foundation SDK."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, geomap, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import geomap as geomap_model

from grafana import flux

DATASOURCE: Final = model.DataSourceRef(type_val="influxdb", uid="kreispuls-influxdb")

Step = tuple[float | None, str]
"""From this value on, this colour."""
Panel = TypeVar("Panel", stat.Panel, table.Panel, timeseries.Panel, bargauge.Panel, geomap.Panel)

HALF: Final = 12
"""Of the width of a dashboard, which is 24."""
GREEN_TO_RED: Final[Sequence[Step]] = ((None, "green"), (0.6, "yellow"), (0.8, "red"))
PLAIN: Final[Sequence[Step]] = ((None, "blue"),)
NONE_IS_GOOD: Final[Sequence[Step]] = ((None, "green"), (1, "red"))


class FluxQuery(Builder[Dataquery], Dataquery):
    """A Flux query of the InfluxDB data source; the SDK has none of its own."""

    def __init__(self, ref_id: str, text: str) -> None:
        self.ref_id = ref_id
        self.text = text

    def build(self) -> Dataquery:
        """The query itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """As the data source's query editor saves it."""
        return {"datasource": DATASOURCE, "query": self.text, "refId": self.ref_id}


def thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    """Colours by absolute value."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _common(panel: Panel, title: str, german: str, queries: str | Mapping[str, str], size: tuple[int, int]) -> Panel:
    width, height = size
    panel.title(title).description(german).datasource(DATASOURCE).span(width).height(height)
    by_ref = {"A": queries} if isinstance(queries, str) else queries
    panel.targets([FluxQuery(ref_id, text) for ref_id, text in by_ref.items()])
    return panel


def number(
    title: str,
    german: str,
    text: str,
    *,
    unit: str = "short",
    decimals: int | None = 0,
    steps: Sequence[Step] = PLAIN,
    width: int = 4,
) -> stat.Panel:
    """One number, coloured by `steps`; its query gives one row."""
    panel = _common(stat.Panel(), title, german, text, (width, 4))
    panel.unit(unit).thresholds(thresholds(steps)).graph_mode(common_model.BigValueGraphMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    german: str,
    queries: str | Mapping[str, str],
    *,
    unit: str = "short",
    series: str = "${__field.labels.municipality}",
    top: float | None = None,
    bars: bool = False,
    stacked: bool = False,
) -> timeseries.Panel:
    """Values over time; `series` names each line by its labels, `top` fixes the axis from 0 to it."""
    panel = _common(timeseries.Panel(), title, german, queries, (HALF, 8))
    panel.unit(unit).display_name(series).line_width(1).fill_opacity(10).axis_soft_min(0).span_nulls(True)
    panel.show_points(common_model.VisibilityMode.NEVER)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI).sort(common_model.SortOrder.DESCENDING)
    )
    if top is not None:
        panel.min(0).max(top)
    if bars:
        panel.draw_style(common_model.GraphDrawStyle.BARS).fill_opacity(70)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    return panel


def rows(
    title: str,
    german: str,
    queries: str | Mapping[str, str],
    *,
    columns: Mapping[str, tuple[str, str]],
    join_by: str | None = None,
    coloured: Mapping[str, Sequence[Step]] | None = None,
    height: int = 9,
) -> table.Panel:
    """A table; `columns` gives each column's heading and unit in order, others are hidden.

    With `join_by` the results of several queries become one table, joined by that column.
    """
    panel = _common(table.Panel(), title, german, queries, (HALF, height))
    if join_by:
        panel.with_transformation(
            model.DataTransformerConfig(id_val="joinByField", options={"byField": join_by, "mode": "outer"})
        )
    panel.with_transformation(
        model.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    )
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {},
                "indexByName": {name: index for index, name in enumerate(columns)},
                "renameByName": {name: heading for name, (heading, _) in columns.items()},
            },
        )
    )
    for name, (heading, unit) in columns.items():
        properties = [model.DynamicConfigValue(id_val="unit", value=unit)] if unit else []
        if coloured and name in coloured:
            properties.append(model.DynamicConfigValue(id_val="thresholds", value=thresholds(coloured[name]).build()))
            properties.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
        if properties:
            panel.override_by_name(heading, properties)
    return panel


def bars(title: str, german: str, text: str, *, unit: str, steps: Sequence[Step]) -> bargauge.Panel:
    """One horizontal bar from 0 to 1 per row, named by its first text column."""
    panel = _common(bargauge.Panel(), title, german, text, (HALF, 9))
    panel.unit(unit).min(0).max(1).thresholds(thresholds(steps)).orientation(common_model.VizOrientation.HORIZONTAL)
    panel.display_mode(common_model.BarGaugeDisplayMode.BASIC)
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return panel.reduce_options(common.ReduceDataOptions().values(True).fields("/level/").calcs([]).limit(20))


def layer(name: str, ref_id: str, colour_by: str) -> common.MapLayerOptions:
    """Points of one query at its `latitude` and `longitude`, coloured by a column."""
    style = {
        "color": {"field": colour_by, "fixed": "dark-green"},
        "opacity": 0.8,
        "size": {"fixed": 6, "min": 4, "max": 10},
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
    }
    return (
        common.MapLayerOptions()
        .type("markers")
        .name(name)
        .config({"showLegend": True, "style": style})
        .filter_data({"id": "byRefId", "options": ref_id})
        .location(
            common.FrameGeometrySource()
            .mode(common_model.FrameGeometrySourceMode.COORDS)
            .latitude("latitude")
            .longitude("longitude")
        )
        .tooltip(True)
    )


def places_map(
    title: str,
    german: str,
    queries: Mapping[str, str],
    *,
    layers: Sequence[common.MapLayerOptions],
) -> geomap.Panel:
    """A map that shows all points; its base map is the one Grafana is set to."""
    panel = _common(geomap.Panel(), title, german, queries, (HALF, 12))
    panel.thresholds(thresholds(GREEN_TO_RED))
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    panel.override_by_regexp("level|threshold", [model.DynamicConfigValue(id_val="unit", value="percentunit")])
    panel.view(geomap.MapViewConfig().id("fit").all_layers(True).padding(5).zoom(15))
    panel.controls(geomap.ControlsOptions().show_zoom(True).show_attribution(True).mouse_wheel_zoom(True))
    panel.basemap(common.MapLayerOptions().type("default").name("Map"))
    return panel.layers(list(layers)).tooltip(geomap.TooltipOptions().mode(geomap_model.TooltipMode.DETAILS))


def choice(name: str, label: str, german: str, text: str) -> dashboard.QueryVariable:
    """A variable with several values, all of them unless chosen."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(german)
        .datasource(DATASOURCE)
        .query(text)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def municipality_variable() -> dashboard.QueryVariable:
    """Which municipalities: of all devices."""
    return choice(
        "municipality",
        "Municipality",
        "Gemeinde",
        flux.tag_values(
            "municipality", f'(r._measurement == "{flux.STREETLIGHT}" or r._measurement == "{flux.WASTE_BIN}")'
        ),
    )


def device_variable(device_type: str) -> dashboard.QueryVariable:
    """Which devices of a type: those of the chosen municipalities."""
    return choice(
        "device",
        "Device",
        "Gerät",
        flux.tag_values(
            "device_id", f'r._measurement == "{device_type}"', "r.municipality =~ /^${municipality:regex}$/"
        ),
    )


def board(
    uid: str,
    title: str,
    german: str,
    panels: Sequence[Builder[model.Panel]],
    *,
    start: str,
    variables: Sequence[dashboard.QueryVariable] = (),
) -> dashboard.Dashboard:
    """A dashboard with everything that all have in common; `start` such as now-24h."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(german)
        .tags(["kreispuls"])
        .timezone("browser")
        .time(start, "now")
        .refresh("30s")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Kreispuls")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["kreispuls"])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in variables:
        built.with_variable(variable)
    for panel in panels:
        built.with_panel(panel)
    return built
