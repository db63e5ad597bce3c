"""The small trends on the cards of the Overview."""

from functools import lru_cache

import altair as alt
import pandas as pd

from analytics.charts.amounts import Sums, added_up, amount_tooltips, as_columns, sums_of, with_cost_texts
from analytics.charts.base import CACHED_SPECIFICATIONS, Chart, Measure, hovering, picking, specified
from analytics.charts.series import COLORS, PROVIDERS, provider_name

TREND_HEIGHT = 28
TREND_PADDING = {"top": 2, "bottom": 2, "left": 0, "right": 0}
"""All four, as Streamlit adds room at the sides that are left out."""


def trends(daily: pd.DataFrame, days: int) -> dict[str, pd.DataFrame]:
    """Usage per day of the last `days` days, the oldest first, by provider as in PROVIDERS, and Total.

    `daily` is Overview.daily with at least that many days. One row per day: date datetime64 ·
    days str (what a link says) · tokens, cost float64 (USD; missing where it is not known).
    """
    recent = _last_days(daily, days)
    dates, rows = recent["date"].tolist(), sums_of(recent)
    of_providers = map(provider_name, recent["source"])
    sums = added_up(zip(of_providers, dates, strict=True), rows) | added_up(
        (("Total", day) for day in dates), rows
    )
    buckets = sorted(set(dates))
    days_of = [f"{day:%Y-%m-%d}..{day:%Y-%m-%d}" for day in buckets]
    trends = {}
    for name in (*PROVIDERS, "Total"):
        of_days = [sums.get((name, day), Sums()) for day in buckets]
        courses = {
            "tokens": [each.amount("tokens") for each in of_days],
            **as_columns("cost", of_days, "cost"),
        }
        values = pd.DataFrame({"date": buckets, "days": days_of, **courses})
        trends[name] = values.astype({"tokens": "float64", "cost": "float64"})
    return trends


def trend(days: pd.DataFrame, name: str, measure: Measure) -> Chart:
    """A small area chart of one of trends(), without axes; the tooltip has the day and the amount.

    A click picks the `days` of the nearest one.
    """
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
