"""A chart of the hours of the week."""

from functools import lru_cache

import altair as alt
import pandas as pd

from analytics.charts.amounts import Sums, amount_tooltips, as_columns, sums_of, with_cost_texts
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    MEASURES,
    Chart,
    Measure,
    amount_labels,
    picking,
    specified,
)

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR_HEIGHT = 290
_FAINTEST, _STRONGEST = "rgba(46, 127, 217, 0.08)", "rgba(46, 127, 217, 1)"


def usage_by_hour(by_hour: pd.DataFrame, measure: Measure) -> Chart:
    """A cell per weekday and hour: the more usage, the stronger; hours without usage are faint."""
    keys = zip(by_hour["weekday"].tolist(), by_hour["hour"].tolist(), strict=True)
    used = dict(zip(keys, sums_of(by_hour), strict=True))
    hours = [(weekday, hour) for weekday in range(1, 8) for hour in range(24)]
    sums = [used.get(each, Sums()) for each in hours]
    values = pd.DataFrame(
        {
            "weekday": [weekday for weekday, _ in hours],
            "hour": [hour for _, hour in hours],
            "day": [WEEKDAYS[weekday - 1] for weekday, _ in hours],
            "clock": [f"{hour:02}:00" for _, hour in hours],
            "span": [f"{WEEKDAYS[weekday - 1]} {hour:02}:00 to {hour:02}:59" for weekday, hour in hours],
            "total_tokens": [each.tokens for each in sums],
            "total_cost": [float(each.cost) for each in sums],
            "request_count": [each.requests for each in sums],
            **as_columns("known_cost", sums, "cost"),
        }
    ).astype({"known_cost": "float64"})
    return Chart(specification=_heatmap(measure), datasets={"hours": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _heatmap(measure: Measure) -> str:
    cells = (
        with_cost_texts(
            alt.Chart(alt.NamedData("hours")), ["known_cost"], "cost", MEASURES["Cost"].tooltip_format
        )
        .mark_rect(cornerRadius=2, cursor="pointer")
        .encode(
            x=alt.X(
                "clock:O",
                title=None,
                scale=alt.Scale(paddingInner=0.06),
                axis=alt.Axis(
                    values=[f"{hour:02}:00" for hour in range(0, 24, 3)],
                    labelAngle=0,
                    grid=False,
                    ticks=False,
                    domain=False,
                ),
            ),
            y=alt.Y(
                "day:O",
                title=None,
                sort=list(WEEKDAYS),
                scale=alt.Scale(paddingInner=0.06),
                axis=alt.Axis(grid=False, ticks=False, domain=False),
            ),
            # Faint to full of one colour: it is the same on a light background and on a dark one.
            color=alt.Color(
                f"{measure.total_column}:Q",
                title=None,
                scale=alt.Scale(domainMin=0, range=[_FAINTEST, _STRONGEST]),
                legend=alt.Legend(
                    **amount_labels(measure),
                    orient="top",
                    direction="horizontal",
                    gradientLength=220,
                    gradientThickness=8,
                    tickCount=4,
                ),
            ),
            tooltip=[
                alt.Tooltip("span:N", title="Hour"),
                alt.Tooltip("total_tokens:Q", title="Tokens", format=",d"),
                *amount_tooltips({"known_cost": "Cost (USD)"}, "cost", MEASURES["Cost"].tooltip_format),
                alt.Tooltip("request_count:Q", title="Requests", format=",d"),
            ],
        )
        .add_params(picking("weekday", "hour"))
        .properties(height=_HOUR_HEIGHT)
    )
    return specified(cells)
