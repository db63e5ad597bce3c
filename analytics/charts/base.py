"""What every chart is made of: measures, axes, selections and number formats.

Fonts, axes and backgrounds are Streamlit's theme's.

Altair builds and checks a specification in some 30 to 130 ms, most of what a page would cost. It depends on
little (how many series there are, what is measured), so each is built once, with places for names and
colours, and drawn with everybody's data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from analytics.charts.amounts import amount_tooltips, with_cost_texts
from analytics.charts.series import Series
from analytics.queries import Unit

CHART_HEIGHT = 300
PALE = 0.3
"""Opacity of what lies outside the chosen days, on either background."""
QUIET = "#888888"
"""Of what is only compared with."""
UNUSUAL = "#b8590a"
"""Of the mark above a bar with far more than usual."""
CACHED_SPECIFICATIONS = 256
"""Of each kind. A day needs few; those whose axes name days are replaced as days pass."""
PICKED, BRUSHED = "picked", "brushed"
"""What is selected in a chart: by a click, and by drawing over it."""
_NAMES, _COLORS = ["@names"], ["@colors"]
TICKS = ["@ticks"]
"""The place in a specification for the ticks of an axis."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a chart shows: a title, the column suffix in wide frames, its sign, and Vega formats (d3)."""

    unit: Unit
    title: str
    sign: str
    axis_format: str
    tooltip_format: str

    @property
    def total_column(self) -> str:
        """The column that holds the whole of it: `total_tokens` or `total_cost`."""
        return f"total_{self.unit}"


MEASURES: dict[str, Measure] = {
    "Tokens": Measure(
        unit="tokens",
        title="Tokens",
        sign="",
        axis_format=",~f",
        tooltip_format=",d",
    ),
    "Cost": Measure(
        unit="cost",
        title="Cost (USD)",
        sign="$",
        axis_format="$,f",
        tooltip_format="$,.10~f",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Vega-Lite specification as JSON, the series for its places, and the frames that hold its data."""

    specification: str
    datasets: Mapping[str, pd.DataFrame]
    series: Sequence[Series] = ()
    ticks: Sequence[int] = ()
    """Of the axis of time, where they are not Vega's own: milliseconds since 1970."""

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """Its data as Arrow tables, as browsers take it; made once for all who look at the chart."""
        # Imported here: a report is drawn without it.
        import pyarrow as pa

        return {
            name: pa.table({str(column): pa.array(values) for column, values in frame.items()})
            for name, frame in self.datasets.items()
        }

    def filled(self, *, has_legend: bool = True) -> dict[str, Any]:
        """The specification with names and colours, and without its data; some draw its legend themselves."""
        text = self.specification.replace(json.dumps(TICKS), json.dumps(list(self.ticks)))
        if not self.series:
            unfilled: dict[str, Any] = json.loads(text)
            return unfilled
        for place, name in ((_NAMES, "name"), (_COLORS, "color")):
            values = json.dumps([getattr(each, name) for each in self.series])
            # A list of these is followed by those of the total, where a chart has one.
            text = text.replace(json.dumps(place)[:-1], values[:-1])
        for number, each in enumerate(self.series):
            text = text.replace(json.dumps(title_of(number)), json.dumps(each.name))
        filled: dict[str, Any] = json.loads(text)
        if not has_legend:
            _take_legends(filled)
        return filled

    def to_dict(self) -> dict[str, Any]:
        """The specification with its data as records: all that a renderer of Vega-Lite needs."""
        records = {
            name: json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
            for name, frame in self.datasets.items()
        }
        return self.filled() | {"datasets": records}


def _take_legends(part: dict[str, Any]) -> None:
    """Takes the legends of series out of a specification."""
    color = part.get("encoding", {}).get("color", {})
    if color.get("field") == "name":
        color["legend"] = None
    for layer in part.get("layer", ()):
        _take_legends(layer)


def column_of(number: int) -> str:
    """The column of a series in a wide frame. Names would do harm there: Vega takes a dot for a path."""
    return f"s{number}"


def title_of(number: int) -> str:
    """The place in a specification for the name of a series."""
    return f"@s{number}"


def specified(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> str:
    """The chart's validated specification as JSON, without Altair's theme: pages and PDFs have their own."""
    specification = chart.to_dict()
    specification.pop("config", None)
    return json.dumps(specification)


def titles(count: int, **more: str) -> dict[str, str]:
    """The title of each column of a wide frame with so many series, and of others."""
    return {column_of(number): title_of(number) for number in range(count)} | more


def stacked_bars(
    moment: alt.X,
    count: int,
    measure: Measure,
    height: int,
    *,
    has_before: bool = False,
    has_unusual: bool = False,
    picked: Sequence[str] = ("days",),
) -> alt.LayerChart | alt.FacetChart:
    """Bars over two datasets of tabled(): `parts`, and `columns`, with a column per series.

    Rows of `parts` are pale where `is_pale`. The amount `before` of an earlier period, if there is one, is a
    quiet line across the bar, and what is said of a bar that is `unusual` has a mark above it. Bars are there
    to be clicked, which selects the columns `picked`, and drawn over.
    """
    bars = (
        alt.Chart(alt.NamedData("parts"))
        .mark_bar(binSpacing=2)
        .encode(
            x=moment,
            y=alt.Y("sum(value):Q", title=None, axis=amount_axis(measure)),
            color=series_color(),
            order=alt.Order("place:Q"),
            opacity=alt.Opacity(
                "is_pale:O", scale=alt.Scale(domain=[False, True], range=[1, PALE]), legend=None
            ),
        )
    )
    told = titles(count, total="Total")
    base = with_cost_texts(
        alt.Chart(alt.NamedData("columns")), tuple(told), measure.unit, measure.tooltip_format
    )
    lines = (
        alt.Chart(alt.NamedData("columns"))
        .mark_bar(binSpacing=2, fillOpacity=0, stroke=QUIET, strokeWidth=2)
        .encode(x=moment, y=alt.Y("before:Q"), y2="before:Q")
        .transform_filter("isValid(datum.before)")
    )
    # One tooltip for the whole column, whichever bar the pointer meets, and one thing to click.
    hovered = alt.selection_point(name="hovered", on="pointerover", empty=False, clear="pointerout")
    columns = (
        base.mark_bar(binSpacing=0, color=QUIET, cursor="pointer")
        .encode(
            x=moment,
            y=alt.value(0),
            y2=alt.value("height"),
            opacity=alt.condition(hovered, alt.value(0.12), alt.value(0)),
            tooltip=[
                alt.Tooltip("heading:N", title="When"),
                *amount_tooltips(told, measure.unit, measure.tooltip_format),
                *before_tooltips(has_before=has_before),
                *([alt.Tooltip("unusual:N", title="Unusual")] if has_unusual else []),
            ],
        )
        .add_params(hovered, picking(*picked), brushing())
    )
    marks = (
        alt.Chart(alt.NamedData("columns"))
        .mark_point(shape="triangle-down", filled=True, size=70, color=UNUSUAL, opacity=1, yOffset=-8)
        .encode(x=moment, y=alt.Y("total:Q"))
        .transform_filter("isValid(datum.unusual)")
    )
    layers = [bars, *([lines] if has_before else []), *([marks] if has_unusual else []), columns]
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(*layers).properties(height=height)
    return drawn


def before_tooltips(*, has_before: bool) -> list[alt.Tooltip]:
    """The line of a tooltip on an earlier period."""
    return [alt.Tooltip("before_text:N", title="Before")] if has_before else []


def series_color(*more: str, colors: Sequence[str] = ()) -> alt.Color:
    """The colour of `name`, with a legend above the chart; `more` are names beside those of the series."""
    return alt.Color(
        "name:N",
        title=None,
        scale=alt.Scale(domain=[*_NAMES, *more], range=[*_COLORS, *colors]),
        legend=alt.Legend(
            orient="top", symbolType="circle", symbolStrokeWidth=0, symbolOpacity=1, symbolDash=[]
        ),
    )


def amount_axis(measure: Measure, **more: Any) -> alt.Axis:
    """Few ticks in one format for all charts: `1.5K` from a thousand on, and cents with two digits."""
    return alt.Axis(**amount_labels(measure), tickCount=5, **more)


def amount_labels(measure: Measure) -> dict[str, Any]:
    """How axes and legends write amounts.

    A format without a precision gives all ticks below a thousand the decimals that their steps need; a single
    decimal is no amount of money, so it gets a second one.
    """
    compact = f"'{measure.sign}' + replace(replace(format(datum.value, '.3~s'), 'k', 'K'), 'G', 'B')"
    has_tenths = "indexof(datum.label, '.') == length(datum.label) - 2"
    small = f"{has_tenths} ? datum.label + '0' : datum.label" if measure.sign else "datum.label"
    nothing = f"datum.value == 0 ? '{measure.sign}0'"
    return {
        "format": measure.axis_format,
        "labelExpr": f"{nothing} : datum.value >= 1e3 ? {compact} : {small}",
    }


def hovering(field: str) -> alt.Parameter:
    """Selects the value of `field` that is nearest to the pointer."""
    return alt.selection_point(
        name="hovered", fields=[field], nearest=True, on="pointerover", empty=False, clear="pointerout"
    )


def picking(*fields: str, nearest: bool = False) -> alt.Parameter:
    """Selects the values of `fields` that are clicked."""
    return alt.selection_point(name=PICKED, fields=[*fields], on="click", nearest=nearest, toggle=False)


def brushing() -> alt.Parameter:
    """Selects a part of the axis that is drawn over."""
    return alt.selection_interval(
        name=BRUSHED, encodings=["x"], mark=alt.BrushConfig(fill=QUIET, fillOpacity=0.15, stroke=QUIET)
    )
