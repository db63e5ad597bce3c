"""The course of a budget: what was spent day by day beside the period before, the limit, and the forecast."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import altair as alt
import pandas as pd

from analytics.budgets import Outlook
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    MEASURES,
    QUIET,
    Chart,
    Measure,
    amount_axis,
    picking,
    specified,
)
from analytics.charts.series import BLUE
from analytics.days import Days
from analytics.forecasting import Forecast

RED = "#d03b3b"
LIMIT, LAST, SPENT, EXPECTED = "Limit", "Period before", "Spent", "Forecast, 80 % and 95 %"


def budget_course(outlook: Outlook) -> Chart:
    """Lines of what had been spent at the end of each day of the period, with bands of what will be.

    A click selects the `days` until the nearest point of what is spent.
    """
    status = outlook.status
    measure = MEASURES["Cost" if status.unit == "usd" else "Tokens"]
    days = (status.end_date - status.first_date).days
    spent = pd.DataFrame(
        {
            "at": [_moment(day) for day, _ in outlook.course],
            "value": _floats(outlook.course),
            # What is spent until the end of a day.
            "days": [str(Days(status.first_date, max(day, status.first_date))) for day, _ in outlook.course],
        }
    )
    # The period before, day by day beside this one.
    before = pd.DataFrame(
        {
            "at": [_moment(status.first_date + timedelta(days=place)) for place in range(days)],
            "value": [*_floats(outlook.last_course), *[float("nan")] * days][:days],
        }
    ).dropna()
    return Chart(
        specification=_course(measure, has_limit=status.limit_amount is not None),
        datasets={
            "spent": spent,
            "before": before.astype({"value": "float64"}),
            "band": _band(outlook),
            "limit": pd.DataFrame(
                {"value": [] if status.limit_amount is None else [float(status.limit_amount)]},
                dtype="float64",
            ),
        },
    )


def _band(outlook: Outlook) -> pd.DataFrame:
    names = ("low_95", "low_80", "median", "high_80", "high_95")
    said = outlook.forecast
    rows: dict[str, list[object]] = {"at": [], **{name: [] for name in names}}
    if isinstance(said, Forecast):
        for place, band in enumerate(said.by_day):
            rows["at"].append(_moment(said.made_for + timedelta(days=place)))
            shifted = band.plus(float(outlook.status.spent) - said.so_far)
            for name in names:
                rows[name].append(getattr(shifted, name))
    return pd.DataFrame(rows)


@lru_cache(CACHED_SPECIFICATIONS)
def _course(measure: Measure, *, has_limit: bool) -> str:
    moment = alt.X("at:T", title=None, axis=alt.Axis(format="%-d %b", grid=False, labelOverlap=True))
    amount = alt.Y("value:Q", title=None, axis=amount_axis(measure))
    told = alt.Tooltip("value:Q", format=measure.tooltip_format)
    day = alt.Tooltip("at:T", format="%a %-d %b", title="Until")

    def area(low: str, high: str, opacity: float) -> alt.Chart:
        found: alt.Chart = (
            alt.Chart(alt.NamedData("band"))
            .mark_area(opacity=opacity, color=BLUE)
            .encode(x=moment, y=alt.Y(f"{low}:Q", title=None), y2=f"{high}:Q")
        )
        return found

    layers = [
        area("low_95", "high_95", 0.12),
        area("low_80", "high_80", 0.22),
        alt.Chart(alt.NamedData("band"))
        .mark_line(color=BLUE, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(
            x=moment,
            y=alt.Y("median:Q", title=None, axis=amount_axis(measure)),
            tooltip=[
                day,
                alt.Tooltip("median:Q", title="Likely", format=measure.tooltip_format),
                alt.Tooltip("low_80:Q", title="80 % from", format=measure.tooltip_format),
                alt.Tooltip("high_80:Q", title="to", format=measure.tooltip_format),
            ],
        ),
        alt.Chart(alt.NamedData("before"))
        .mark_line(color=QUIET, strokeWidth=1.5)
        .encode(x=moment, y=amount, tooltip=[day, told]),
        alt.Chart(alt.NamedData("spent"))
        .mark_line(color=BLUE, strokeWidth=2.5, point=alt.OverlayMarkDef(color=BLUE, size=30))
        .encode(x=moment, y=amount, tooltip=[day, told]),
        alt.Chart(alt.NamedData("spent"))
        .mark_point(size=200, opacity=0, cursor="pointer")
        .encode(x=moment, y=amount, tooltip=[day, told])
        .add_params(picking("days", nearest=True)),
    ]
    if has_limit:
        layers.append(
            alt.Chart(alt.NamedData("limit")).mark_rule(color=RED, strokeDash=[6, 3]).encode(y=amount)
        )
    return specified(alt.layer(*layers).properties(height=CHART_HEIGHT))


def _floats(course: Sequence[tuple[date, Decimal]]) -> list[float]:
    return [float(amount) for _, amount in course]


def _moment(day: date) -> pd.Timestamp:
    return pd.Timestamp(day)
