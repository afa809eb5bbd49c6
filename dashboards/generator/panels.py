"""The kinds of panel that Kiln's dashboards are made of, and what they all have in common."""

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphGradientMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# The uid that compose/grafana/provisioning gives the data source.
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")

# What the variables of a dashboard choose, as label matchers.
INSTANCE = 'job="kiln", instance=~"$instance"'
MODEL = f'{INSTANCE}, model=~"$model"'
METHOD = f'{INSTANCE}, rpc_method=~"$method"'

GREEN, YELLOW, RED, BLUE = "green", "#EAB839", "red", "blue"
# What is drawn for the day before: grey and dashed, behind today's colours.
YESTERDAY = "a day before"


def or_zero(expr, label=None, name="none"):
    """`expr`, or a line at zero where there is no series yet; called `name` if the lines are told apart by `label`."""
    zero = f'label_replace(vector(0), "{label}", "{name}", "", "")' if label else "vector(0)"
    return f"{expr} or on () {zero}"


def or_idle(expr):
    """`expr`, or an empty line where nothing was asked yet and a quantile has no meaning."""
    return f"{expr} or on () vector(NaN)"


def query(expr, legend):
    """A query over the dashboard's time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().datasource(PROMETHEUS)


def last(expr, legend):
    """A query for the value at the end of the dashboard's time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).instant().datasource(PROMETHEUS)


def steps(*limits):
    """Thresholds: green, then from each limit on its colour."""
    all_steps = [Threshold(value=None, color=GREEN)] + [Threshold(value=value, color=color) for value, color in limits]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(all_steps)


def _common(panel, title, unit, description, queries):
    panel.title(title).unit(unit).description(description).datasource(PROMETHEUS)
    for letter, each in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(each.ref_id(letter))
    return panel


def lines(title, unit, description, queries):
    """Values over time, with a table below that says the last and the highest."""
    panel = _common(timeseries.Panel(), title, unit, description, queries)
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    return (
        panel.legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .line_interpolation(LineInterpolation.SMOOTH)
        .gradient_mode(GraphGradientMode.OPACITY)
        .show_points(VisibilityMode.NEVER)
        .line_width(2)
        .fill_opacity(10)
        .axis_soft_min(0)
        .height(8)
        .span(8)
    )


def stacked(panel):
    """Lines that add up to a whole."""
    return panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A")).fill_opacity(40).line_width(1)


def limited(panel, *limits):
    """Draws the limits as dashed lines."""
    style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(steps(*limits)).thresholds_style(style)


def fixed_colors(panel, colors):
    """The colour of each line by its legend."""
    for name, color in colors.items():
        panel.override_by_name(name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def yesterday_behind(panel):
    """Draws whatever is said of a day before grey, dashed and unfilled."""
    grey = [
        DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "#8e8e8e"}),
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        DynamicConfigValue("custom.fillOpacity", 0),
    ]
    return panel.override_by_regexp(f"/{YESTERDAY}/", grey)


def number(title, unit, description, queries):
    """One number, coloured by its thresholds, with its course behind it."""
    panel = _common(stat.Panel(), title, unit, description, queries)
    nothing = SpecialValueMap(
        DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=ValueMappingResult(text="idle"))
    )
    return (
        panel.color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .mappings([nothing])
        .thresholds(steps())
        .height(4)
        .span(3)
    )


def heat(title, unit, description, queries):
    """How many values fell into which bucket over time; darker is fewer."""
    panel = _common(heatmap.Panel(), title, unit, description, [each.format(PromQueryFormat.HEATMAP) for each in queries])
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").fill("dark-orange").steps(64)
    return (
        panel.calculate(False)
        .color(color.reverse(False).exponent(0.5))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement("left"))
        .cell_gap(1)
        .show_legend()
        .show_y_histogram()
        .height(8)
        .span(8)
    )


def bars(title, unit, description, queries):
    """One bar a series."""
    panel = _common(bargauge.Panel(), title, unit, description, queries)
    return (
        panel.display_mode(BarGaugeDisplayMode.GRADIENT)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_PU))
        .min(0)
        .height(8)
        .span(8)
    )


def rows(title, unit, description, queries):
    """A table: one row a series, one column a label."""
    queries = [each.format(PromQueryFormat.TABLE) for each in queries]
    return _common(table.Panel(), title, unit, description, queries).height(8).span(8)
