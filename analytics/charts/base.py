"""What every chart is made of: the palette, measures, axes and number formats.

Colours are told apart by colour-blind readers and stand out (contrast of 3:1 or more) on the light and the
dark background. Fonts, axes and backgrounds are Streamlit's theme's.

Altair builds and checks a specification in some 30 to 130 ms, most of what a page would cost. It depends on
little (which providers there are, what is measured), so each is built once and drawn with everybody's data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt
import pandas as pd

from analytics.charts.amounts import amount_tooltips, with_cost_texts
from analytics.queries import Unit

COLORS = {"OpenAI": "#0F9D75", "Groq": "#8A63D2", "Other": "#7C8DA6", "Total": "#2E7FD9"}
PROVIDERS = ("OpenAI", "Groq", "Other")
CHART_HEIGHT = 300
PALE = 0.3
"""Opacity of what lies outside the chosen days, on either background."""
CACHED_SPECIFICATIONS = 256
"""Of each kind. A day needs few; those whose axes name days are replaced as days pass."""


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
    """A Vega-Lite specification as JSON, and the frames that hold its data, by name."""

    specification: str
    datasets: Mapping[str, pd.DataFrame]

    def to_dict(self) -> dict[str, Any]:
        """The specification with its data as records: all that a renderer of Vega-Lite needs."""
        records = {
            name: json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))
            for name, frame in self.datasets.items()
        }
        specification: dict[str, Any] = json.loads(self.specification)
        return specification | {"datasets": records}


def provider_name(source: str) -> str:
    """The name under which a source is charted: OpenAI, Groq or Other."""
    return {"openai": "OpenAI", "groq": "Groq"}.get(source, "Other")


def source_name(source: str) -> str:
    """The provider's name as people write it; an unknown source stays as it is."""
    return {"openai": "OpenAI", "groq": "Groq", "whisper": "Whisper", "meta": "Meta"}.get(source, source)


def specified(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> str:
    """The chart's validated specification as JSON, without Altair's theme: pages and PDFs have their own."""
    specification = chart.to_dict()
    specification.pop("config", None)
    return json.dumps(specification)


def stacked(values: pd.DataFrame) -> pd.DataFrame:
    """Adds the place of each row's provider in a stack."""
    return values.assign(stacking=values["provider"].map(PROVIDERS.index))


def stacked_bars(
    moment: alt.X, heading: alt.Tooltip, names: Sequence[str], measure: Measure, height: int
) -> alt.LayerChart | alt.FacetChart:
    """Bars over two datasets: `by_provider`, from stacked(), and `columns`, with a column per provider.

    Rows of `by_provider` are pale where `is_pale`.
    """
    bars = (
        alt.Chart(alt.NamedData("by_provider"))
        .mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2, binSpacing=2)
        .encode(
            x=moment,
            y=alt.Y("sum(value):Q", title=None, axis=amount_axis(measure)),
            color=provider_color(names),
            order=alt.Order("stacking:Q"),
            opacity=alt.Opacity(
                "is_pale:N", scale=alt.Scale(domain=[False, True], range=[1, PALE]), legend=None
            ),
        )
    )
    # One tooltip for the whole column, whichever bar the pointer meets.
    columns = (
        with_cost_texts(alt.Chart(alt.NamedData("columns")), names, measure.unit, measure.tooltip_format)
        .mark_bar(opacity=0, binSpacing=0)
        .encode(
            x=moment,
            tooltip=[
                heading,
                *amount_tooltips({name: name for name in names}, measure.unit, measure.tooltip_format),
            ],
        )
    )
    return alt.layer(bars, columns).properties(height=height)


def provider_color(names: Sequence[str]) -> alt.Color:
    """The palette, with a legend above the chart."""
    return alt.Color(
        "provider:N",
        title=None,
        scale=alt.Scale(domain=list(names), range=[COLORS[name] for name in names]),
        legend=alt.Legend(orient="top", symbolType="circle", symbolStrokeWidth=0, symbolOpacity=1),
    )


def amount_axis(measure: Measure, **more: Any) -> alt.Axis:
    """Few ticks in one format for all charts: `1.5K` from a thousand on, and cents with two digits or more.

    A format without a precision gives all ticks below a thousand the decimals that their steps need; a single
    decimal is no amount of money, so it gets a second one.
    """
    compact = f"'{measure.sign}' + replace(replace(format(datum.value, '.3~s'), 'k', 'K'), 'G', 'B')"
    has_tenths = "indexof(datum.label, '.') == length(datum.label) - 2"
    small = f"{has_tenths} ? datum.label + '0' : datum.label" if measure.sign else "datum.label"
    nothing = f"datum.value == 0 ? '{measure.sign}0'"
    return alt.Axis(
        format=measure.axis_format,
        labelExpr=f"{nothing} : datum.value >= 1e3 ? {compact} : {small}",
        tickCount=5,
        **more,
    )


def hovering(field: str) -> alt.Parameter:
    """Selects the value of `field` that is nearest to the pointer."""
    return alt.selection_point(
        name="hovered", fields=[field], nearest=True, on="pointerover", empty=False, clear="pointerout"
    )


def axis_days(days: Sequence[date]) -> list[alt.DateTime]:
    """The days as ticks of an axis."""
    return [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in days]
