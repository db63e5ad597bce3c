"""Charts of the Overview: weekly, daily, shares, and the small trends on its cards."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.charts.amounts import (
    amount_tooltips,
    known_amounts,
    wide_amounts,
    with_bounds,
    with_cost_texts,
)
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    COLORS,
    PALE,
    PROVIDERS,
    Chart,
    Measure,
    amount_axis,
    axis_days,
    hovering,
    provider_color,
    provider_name,
    specified,
    stacked,
    stacked_bars,
)
from analytics.queries import DAILY_CHART_DAYS

TREND_HEIGHT = 48
TREND_PADDING = {"top": 2, "bottom": 2, "left": 0, "right": 0}
"""All four, as Streamlit adds room at the sides that are left out."""
_ROOMY_SHARE = 0.08


def trends(daily: pd.DataFrame, days: int) -> dict[str, pd.DataFrame]:
    """Usage per day of the last `days` days, the oldest first, by provider as in PROVIDERS, and Total.

    `daily` is Overview.daily with at least that many days. One row per day: date datetime64 ·
    tokens, cost float64 (USD; missing where it is not known).
    """
    recent = _last_days(daily, days)
    places = {day: place for place, day in enumerate(sorted(set(recent["date"])))}
    names = [*PROVIDERS, "Total"]
    counted = ("total_tokens", "total_cost", "unpriced_count", "request_count")
    sums: dict[str, dict[str, list[Any]]] = {
        name: {column: [0] * len(places) for column in counted} for name in names
    }
    for row in recent[["date", "source", *counted]].to_dict("records"):
        for name in (provider_name(row["source"]), "Total"):
            for column in counted:
                sums[name][column][places[row["date"]]] += row[column]
    trends = {}
    for name in names:
        days_of = pd.DataFrame(sums[name])
        courses = {unit: known_amounts(days_of, unit) for unit in ("tokens", "cost")}
        trends[name] = with_bounds(pd.DataFrame({"date": list(places), **courses}), "cost", days_of)
    return trends


def trend(days: pd.DataFrame, name: str, measure: Measure) -> Chart:
    """A small area chart of one of trends(), without axes; the tooltip has the day and the amount."""
    return Chart(specification=_sparkline(name, measure), datasets={"days": days})


@lru_cache(CACHED_SPECIFICATIONS)
def _sparkline(name: str, measure: Measure) -> str:
    hovered = hovering("date")
    days = with_cost_texts(
        alt.Chart(alt.NamedData("days")), [measure.unit], measure.unit, measure.tooltip_format
    )
    base = days.encode(
        x=alt.X("date:T", axis=None, scale=alt.Scale(padding=4)),
        y=alt.Y(f"{measure.unit}:Q", axis=None, scale=alt.Scale(zero=True)),
    )
    course = base.mark_area(
        color=COLORS[name], opacity=0.15, line={"color": COLORS[name], "strokeWidth": 1.5}
    )
    # Marks the nearest day.
    points = (
        base.mark_point(color=COLORS[name], filled=True, size=40)
        .encode(
            opacity=alt.condition(hovered, alt.value(1), alt.value(0)),
            tooltip=[
                alt.Tooltip("date:T", title="Day", format="%a %-d %b %Y"),
                *amount_tooltips({measure.unit: measure.title}, measure.unit, measure.tooltip_format),
            ],
        )
        .add_params(hovered)
    )
    return specified(alt.layer(course, points).properties(height=TREND_HEIGHT, padding=TREND_PADDING))


def weekly_evolution(weekly: pd.DataFrame, measure: Measure, first_day: date | None = None) -> Chart:
    """Lines of OpenAI, Groq, Other (where used) and the total, per week.

    `weekly` is Overview.weekly. The current week's points are hollow, as it is not over. Weeks before
    `first_day` are pale.
    """
    names = (*_present(weekly, measure), "Total")
    wide = pd.DataFrame({"week_start": weekly["week_start"], "week_number": weekly["week_number"]})
    for name in names:
        wide[name] = known_amounts(weekly, measure.unit, f"{name.lower()}_")
        if measure.unit == "cost":
            counts = "" if name == "Total" else f"{name.lower()}_"
            wide = with_bounds(wide, name, weekly, counts)
    wide["is_running"] = weekly["week_start"] == weekly["week_start"].max()
    last_days = weekly["week_start"] + pd.Timedelta(days=6)
    wide["is_pale"] = False if first_day is None else last_days < pd.Timestamp(first_day)
    values = wide.melt(
        id_vars=["week_start", "week_number", "is_running", "is_pale"],
        value_vars=names,
        var_name="provider",
        value_name="value",
    )
    starts = tuple(start.date() for start in weekly["week_start"])
    return Chart(
        specification=_weekly_lines(names, measure, starts),
        datasets={"by_provider": values, "by_week": wide},
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _weekly_lines(names: Sequence[str], measure: Measure, starts: Sequence[date]) -> str:
    hovered = hovering("week_start")
    week = alt.X(
        "week_start:T",
        title=None,
        axis=alt.Axis(format="%-d %b", values=axis_days(starts), grid=False, labelOverlap=True),
    )
    amount = alt.Y("value:Q", title=None, axis=amount_axis(measure), scale=alt.Scale(zero=True))
    base = alt.Chart(alt.NamedData("by_provider")).encode(x=week, y=amount, color=provider_color(names))

    # The total is broad and lies below, so that a provider that makes up all of it stays visible. Lines are
    # straight, as curves would show amounts that never were. Pale lines of all weeks lie below them.
    lines = [
        base.mark_line(strokeWidth=width, opacity=opacity).transform_filter(f"{whose} && {weeks}")
        for whose, width in (("datum.provider == 'Total'", 5), ("datum.provider != 'Total'", 2))
        for weeks, opacity in (("true", PALE), ("!datum.is_pale", 1))
    ]
    shade = alt.condition("datum.is_pale", alt.value(PALE), alt.value(1))
    points = base.mark_point(size=45, filled=True).encode(opacity=shade).transform_filter("!datum.is_running")
    running = (
        base.mark_point(size=55, filled=False, strokeWidth=2)
        .encode(opacity=shade)
        .transform_filter("datum.is_running")
    )
    rule = (
        with_cost_texts(alt.Chart(alt.NamedData("by_week")), names, measure.unit, measure.tooltip_format)
        .mark_rule(color="#888", strokeWidth=1)
        .encode(
            x=week,
            opacity=alt.condition(hovered, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("week_start:T", title="Week of", format="%-d %b %Y"),
                alt.Tooltip("week_number:Q", title="ISO week"),
                *amount_tooltips({name: name for name in names}, measure.unit, measure.tooltip_format),
            ],
        )
        .add_params(hovered)
    )
    return specified(alt.layer(*lines, points, running, rule).properties(height=CHART_HEIGHT))


def daily_usage(
    daily: pd.DataFrame,
    measure: Measure,
    days: int = DAILY_CHART_DAYS,
    first_day: date | None = None,
) -> Chart:
    """Stacked bars per day by provider over the last `days` of Overview.daily, newest day last.

    Days before `first_day` are pale.
    """
    recent = _last_days(daily, days)
    values = pd.DataFrame(
        {
            "date": recent["date"],
            "provider": recent["source"].map(provider_name),
            "value": known_amounts(recent, measure.unit),
            "is_pale": False if first_day is None else recent["date"] < pd.Timestamp(first_day),
        }
    )
    wide = wide_amounts(recent.assign(provider=values["provider"]), "date", measure.unit)
    used = set(recent.loc[recent["request_count"] > 0, "source"].map(provider_name))
    names = tuple(name for name in PROVIDERS if name in wide and (name != "Other" or name in used))
    return Chart(
        specification=_daily_bars(names, measure),
        datasets={"by_provider": stacked(values[values["provider"].isin(names)]), "columns": wide},
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _daily_bars(names: Sequence[str], measure: Measure) -> str:
    day = alt.X(
        "yearmonthdate(date):T",
        title=None,
        axis=alt.Axis(format="%-d %b", grid=False, labelOverlap=True, tickCount=10),
        # Bars stand in the middle of their day.
        bandPosition=0.5,
    )
    bars = stacked_bars(
        day, alt.Tooltip("date:T", title="Day", format="%a %-d %b %Y"), names, measure, CHART_HEIGHT
    )
    return specified(bars)


def provider_share(summary: pd.DataFrame, measure: Measure) -> Chart:
    """A pie: the shares of OpenAI, Groq and Other in the total, from Overview.summary."""
    column = measure.total_column
    parts = summary[summary["provider"] != "total"]
    values = pd.DataFrame(
        {"provider": parts["provider"].map(provider_name), "value": parts[column].astype(float)}
    )
    whole = float(summary.loc[summary["provider"] == "total", column].iloc[0])
    values["share"] = [formatting.share(value, whole) for value in values["value"]]
    values["place"] = range(len(values))
    # Slivers have no room for a label; legend and tooltip name them.
    values["has_room"] = values["value"] >= _ROOMY_SHARE * whole
    values = values[values["value"] > 0]
    names = tuple(name for name in PROVIDERS if name in set(values["provider"]))
    return Chart(specification=_share_pie(names, measure), datasets={"by_provider": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _share_pie(names: Sequence[str], measure: Measure) -> str:
    base = alt.Chart(alt.NamedData("by_provider")).encode(
        theta=alt.Theta("value:Q", stack=True),
        order=alt.Order("place:Q"),
        color=provider_color(names),
        tooltip=[
            alt.Tooltip("provider:N", title="Provider"),
            alt.Tooltip("value:Q", title=measure.title, format=measure.tooltip_format),
            alt.Tooltip("share:N", title="Share"),
        ],
    )
    slices = base.mark_arc(innerRadius=62, outerRadius=110, padAngle=0.012, cornerRadius=3)
    labels = (
        base.mark_text(radius=86, fontWeight="bold", fontSize=13)
        .encode(text="share:N", color=alt.value("white"))
        .transform_filter("datum.has_room")
    )
    return specified(alt.layer(slices, labels).properties(height=CHART_HEIGHT))


def is_zero(summary: pd.DataFrame, measure: Measure) -> bool:
    """Whether the total is 0, so that there are no shares to draw."""
    return not (summary[measure.total_column] > 0).any()


def _last_days(daily: pd.DataFrame, days: int) -> pd.DataFrame:
    recent: pd.DataFrame = daily[daily["date"] > daily["date"].max() - pd.Timedelta(days=days)]
    return recent


def _present(weekly: pd.DataFrame, measure: Measure) -> list[str]:
    """OpenAI and Groq, and Other where it was used."""
    has_other = any(weekly[f"other_{measure.unit}"] != 0)
    if measure.unit == "cost":
        has_other = has_other or any(weekly["other_unpriced_count"] != 0)
    return [name for name in PROVIDERS if name != "Other" or has_other]
