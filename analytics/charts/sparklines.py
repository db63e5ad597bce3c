"""The small trends on the cards of the Overview."""

from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd

from analytics.charts.amounts import amount_tooltips, known_amounts, with_bounds, with_cost_texts
from analytics.charts.base import CACHED_SPECIFICATIONS, Chart, Measure, hovering, picking, specified
from analytics.charts.series import COLORS, PROVIDERS, provider_name

TREND_HEIGHT = 28
TREND_PADDING = {"top": 2, "bottom": 2, "left": 0, "right": 0}
"""All four, as Streamlit adds room at the sides that are left out."""


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
    """A small area chart of one of trends(), without axes; the tooltip has the day and the amount.

    A click picks the `days` of the nearest one.
    """
    days = days.assign(days=[f"{day:%Y-%m-%d}..{day:%Y-%m-%d}" for day in days["date"]])
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
        .add_params(hovered, picking("days", nearest=True))
    )
    return specified(alt.layer(course, points).properties(height=TREND_HEIGHT, padding=TREND_PADDING))


def _last_days(daily: pd.DataFrame, days: int) -> pd.DataFrame:
    recent: pd.DataFrame = daily[daily["date"] > daily["date"].max() - pd.Timedelta(days=days)]
    return recent
