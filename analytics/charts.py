"""DataFrame -> alt.Chart, pure. Palette and number formats in one place.

Colours are told apart by colour-blind readers and stand out (contrast of 3:1 or more) on the light and the
dark background. Fonts, axes and backgrounds are Streamlit's theme's.
"""

from dataclasses import dataclass
from typing import Literal

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.queries import DAILY_CHART_DAYS

COLORS = {"OpenAI": "#0F9D75", "Groq": "#8A63D2", "Other": "#7C8DA6", "Total": "#2E7FD9"}
PROVIDERS = ("OpenAI", "Groq", "Other")
CHART_HEIGHT = 300

Unit = Literal["tokens", "cost"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a chart shows: a title, the column suffix in wide frames, and Vega formats (d3)."""

    unit: Unit
    title: str
    axis_expression: str
    tooltip_format: str

    @property
    def total_column(self) -> str:
        """The column that holds the whole of it: `total_tokens` or `total_cost`."""
        return f"total_{self.unit}"


MEASURES: dict[str, Measure] = {
    "Tokens": Measure(
        unit="tokens",
        title="Tokens",
        axis_expression="datum.value >= 1e3 ? replace(format(datum.value, '.3~s'), 'G', 'B') : datum.label",
        tooltip_format=",d",
    ),
    "Cost": Measure(
        unit="cost",
        title="Cost (USD)",
        axis_expression="datum.value == 0 ? '$0' : datum.value < 1 ? format(datum.value, '$.2~r')"
        " : format(datum.value, datum.value % 1 == 0 ? '$,.0f' : '$,.2f')",
        tooltip_format="$,.10~f",
    ),
}


def provider_name(source: str) -> str:
    """The name under which a source is charted: OpenAI, Groq or Other."""
    return {"openai": "OpenAI", "groq": "Groq"}.get(source, "Other")


def source_name(source: str) -> str:
    """The provider's name as people write it; a new one as its source says."""
    return {"openai": "OpenAI", "groq": "Groq", "whisper": "Whisper", "meta": "Meta"}.get(source, source)


def trends(daily: pd.DataFrame, days: int) -> dict[str, dict[str, list[float]]]:
    """Sparklines of the last `days` days, oldest first: {provider: {"tokens": [...], "cost": [...]}}.

    `daily` is queries.daily_usage() with at least that many days. Providers as in PROVIDERS, and Total.
    """
    recent = _last_days(daily, days)
    values = pd.DataFrame(
        {
            "date": recent["date"],
            "provider": recent["source"].map(provider_name),
            "tokens": recent["total_tokens"].astype(float),
            "cost": recent["total_cost"].astype(float),
        }
    )
    lines = {}
    for name in (*PROVIDERS, "Total"):
        of_provider = values if name == "Total" else values[values["provider"] == name]
        by_day = of_provider.groupby("date")[["tokens", "cost"]].sum()
        lines[name] = {unit: by_day[unit].tolist() for unit in ("tokens", "cost")}
    return lines


def weekly_evolution(weekly: pd.DataFrame, measure: Measure) -> alt.LayerChart | alt.FacetChart:
    """Lines of OpenAI, Groq, the others if any, and the total over queries.weekly_evolution().

    The running week's points are hollow: it is not over yet.
    """
    names = _present(weekly, measure)
    shown = [*names, "Total"]
    wide = pd.DataFrame({"week_start": weekly["week_start"], "week_number": weekly["week_number"]})
    for name in shown:
        wide[name] = weekly[f"{name.lower()}_{measure.unit}"].astype(float)
    wide["is_running"] = weekly["week_start"] == weekly["week_start"].max()
    values = wide.melt(
        id_vars=["week_start", "week_number", "is_running"],
        value_vars=shown,
        var_name="provider",
        value_name="value",
    )

    hovered = alt.selection_point(
        fields=["week_start"], nearest=True, on="pointerover", empty=False, clear="pointerout"
    )
    week = alt.X(
        "week_start:T",
        title=None,
        axis=alt.Axis(format="%-d %b", values=_dates(weekly["week_start"]), grid=False, labelOverlap=True),
    )
    amount = alt.Y(
        "value:Q",
        title=None,
        axis=alt.Axis(labelExpr=measure.axis_expression, tickCount=5),
        scale=alt.Scale(zero=True),
    )
    base = alt.Chart(values).encode(x=week, y=amount, color=_color(shown))

    # The total is broad and lies below: a provider that is all of it stays visible on top.
    total = base.mark_line(strokeWidth=5, interpolate="monotone").transform_filter(
        "datum.provider == 'Total'"
    )
    lines = base.mark_line(strokeWidth=2, interpolate="monotone").transform_filter(
        "datum.provider != 'Total'"
    )
    points = base.mark_point(size=45, filled=True, opacity=1).transform_filter("!datum.is_running")
    running = base.mark_point(size=55, filled=False, strokeWidth=2, opacity=1).transform_filter(
        "datum.is_running"
    )
    rule = (
        alt.Chart(wide)
        .mark_rule(color="#888", strokeWidth=1)
        .encode(
            x=week,
            opacity=alt.condition(hovered, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("week_start:T", title="Week of", format="%-d %b %Y"),
                alt.Tooltip("week_number:Q", title="ISO week"),
                *_tooltips(shown, measure),
            ],
        )
        .add_params(hovered)
    )
    return alt.layer(total, lines, points, running, rule).properties(height=CHART_HEIGHT)


def daily_usage(
    daily: pd.DataFrame, measure: Measure, days: int = DAILY_CHART_DAYS
) -> alt.LayerChart | alt.FacetChart:
    """Stacked bars per day by provider, over the last `days` of queries.daily_usage(), newest day last."""
    recent = _last_days(daily, days)
    values = pd.DataFrame(
        {
            "date": recent["date"],
            "provider": recent["source"].map(provider_name),
            "value": recent[measure.total_column].astype(float),
        }
    )
    wide = values.pivot_table(
        index="date", columns="provider", values="value", aggfunc="sum", observed=False
    ).reset_index()
    shown = [name for name in PROVIDERS if name in wide and (name != "Other" or wide[name].any())]
    values = values[values["provider"].isin(shown)].copy()
    values["stacking"] = values["provider"].map(PROVIDERS.index)

    day = alt.X(
        "yearmonthdate(date):T",
        title=None,
        axis=alt.Axis(format="%-d %b", grid=False, labelOverlap=True, tickCount=10),
        # Bars stand in the middle of their day.
        bandPosition=0.5,
    )
    base = alt.Chart(values)
    bars = base.mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2, binSpacing=2).encode(
        x=day,
        y=alt.Y(
            "sum(value):Q",
            title=None,
            axis=alt.Axis(labelExpr=measure.axis_expression, tickCount=5),
        ),
        color=_color(shown),
        order=alt.Order("stacking:Q"),
    )
    # One tooltip for the whole column of a day, whichever bar the pointer meets.
    columns = (
        alt.Chart(wide)
        .mark_bar(opacity=0, binSpacing=0)
        .encode(
            x=day,
            tooltip=[
                alt.Tooltip("date:T", title="Day", format="%a %-d %b %Y"),
                *_tooltips(shown, measure),
            ],
        )
    )
    return alt.layer(bars, columns).properties(height=CHART_HEIGHT)


def provider_share(summary: pd.DataFrame, measure: Measure) -> alt.LayerChart | alt.FacetChart:
    """The parts of OpenAI, Groq and the others in the total, from queries.usage_summary()."""
    column = measure.total_column
    parts = summary[summary["provider"] != "total"]
    values = pd.DataFrame(
        {"provider": parts["provider"].map(provider_name), "value": parts[column].astype(float)}
    )
    whole = float(summary.loc[summary["provider"] == "total", column].iloc[0])
    values["share"] = [formatting.share(value, whole) for value in values["value"]]
    values["place"] = range(len(values))
    values = values[values["value"] > 0]

    base = alt.Chart(values).encode(
        theta=alt.Theta("value:Q", stack=True),
        order=alt.Order("place:Q"),
        color=_color([name for name in PROVIDERS if name in set(values["provider"])]),
        tooltip=[
            alt.Tooltip("provider:N", title="Provider"),
            alt.Tooltip("value:Q", title=measure.title, format=measure.tooltip_format),
            alt.Tooltip("share:N", title="Share"),
        ],
    )
    slices = base.mark_arc(innerRadius=62, outerRadius=110, padAngle=0.012, cornerRadius=3)
    # Slivers have no room for a label; legend and tooltip name them.
    labels = (
        base.mark_text(radius=86, fontWeight="bold", fontSize=13)
        .encode(text="share:N", color=alt.value("white"))
        .transform_filter(f"datum.value >= {0.08 * whole!r}")
    )
    return alt.layer(slices, labels).properties(height=CHART_HEIGHT)


def is_zero(summary: pd.DataFrame, measure: Measure) -> bool:
    """Whether provider_share() would have nothing to divide."""
    return not (summary[measure.total_column] > 0).any()


def _last_days(daily: pd.DataFrame, days: int) -> pd.DataFrame:
    recent: pd.DataFrame = daily[daily["date"] > daily["date"].max() - pd.Timedelta(days=days)]
    return recent


def _present(weekly: pd.DataFrame, measure: Measure) -> list[str]:
    """OpenAI and Groq, and Other where it is not zero throughout."""
    has_other = any(weekly[f"other_{measure.unit}"] != 0)
    return [name for name in PROVIDERS if name != "Other" or has_other]


def _color(names: list[str]) -> alt.Color:
    return alt.Color(
        "provider:N",
        title=None,
        scale=alt.Scale(domain=names, range=[COLORS[name] for name in names]),
        legend=alt.Legend(orient="top", symbolType="circle", symbolStrokeWidth=0),
    )


def _tooltips(names: list[str], measure: Measure) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", title=name, format=measure.tooltip_format) for name in names]


def _dates(days: pd.Series) -> list[alt.DateTime]:
    return [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in days]
