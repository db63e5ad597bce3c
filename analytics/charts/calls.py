"""Charts of single calls and of minutes: DataFrame -> Chart, pure.

Charts show the client's local time, whatever the browser's time zone is: local times go into the chart as if
they were UTC, and the axes are in UTC.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.charts.amounts import amount_tooltips, known_amounts, with_bounds, with_cost_texts
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    MEASURES,
    Chart,
    Measure,
    amount_axis,
    picking,
    series_color,
    specified,
    stacked_bars,
)
from analytics.charts.over_time import tabled
from analytics.charts.series import BLUE, by_source, keys_of, series_of, source_name

TIMELINE_HEIGHT = 320
MINUTES_HEIGHT = 240
_NO_CALLS = {"total_tokens": 0, "total_cost": Decimal(0), "request_count": 0, "unpriced_count": 0}


def on_clock(moments: "pd.Series[pd.Timestamp]", timezone: str) -> "pd.Series[pd.Timestamp]":
    """Moments (UTC) as local times of `timezone`, without a time zone."""
    clock: pd.Series[pd.Timestamp] = moments.dt.tz_convert(ZoneInfo(timezone)).dt.tz_localize(None)
    return clock


def requests_of(calls: pd.DataFrame) -> "pd.Series[int]":
    """How many requests each call stands for: 1, unless it is the sum of a bucket."""
    requests: pd.Series[int] = calls["bucket_request_count"].fillna(1).astype("int64")
    return requests


def timeline(calls: pd.DataFrame, timezone: str) -> Chart:
    """Tokens of each call as points that can be clicked, and the cost so far as a line with its own axis.

    `calls` is queries.Timeline.calls.
    """
    made_at = on_clock(calls["created_at"], timezone)
    requests = requests_of(calls)
    grouped = by_source(calls.assign(request_count=requests))
    series = series_of(grouped, "provider")
    names = {(each.value, each.is_rest): each.name for each in series}
    values = pd.DataFrame(
        {
            "made_at": made_at.dt.tz_localize("UTC"),
            "id": calls["id"].map(str),
            "clock": [f"{at:%a} {formatting.day(at)}, {at:%H:%M:%S}" for at in made_at],
            "name": [names[key] for key in keys_of(grouped)],
            "source": calls["source"].map(source_name),
            "model": calls["model"].fillna(""),
            "tokens": calls["total_tokens"].astype(float),
        }
    )
    unpriced = requests * (calls["cost_basis"] == "unpriced")
    alone = pd.DataFrame(
        {"total_cost": calls["cost_usd"], "unpriced_count": unpriced, "request_count": requests}
    )
    so_far = pd.DataFrame(
        {
            "total_cost": calls["running_cost"],
            "unpriced_count": unpriced.cumsum(),
            "request_count": requests.cumsum(),
        }
    )
    for name, sums in (("cost", alone), ("running_cost", so_far)):
        values[name] = known_amounts(sums, "cost")
        values = with_bounds(values, name, sums)
    is_days = made_at.max() - made_at.min() > pd.Timedelta(days=3)
    return Chart(
        specification=_timeline_layers(is_days=bool(is_days)), datasets={"calls": values}, series=series
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _timeline_layers(*, is_days: bool) -> str:
    tokens, cost = MEASURES["Tokens"], MEASURES["Cost"]
    moment = alt.X(
        "made_at:T",
        title=None,
        scale=alt.Scale(type="utc", padding=12),
        axis=alt.Axis(
            format="%-d %b" if is_days else "%-d %b, %H:%M", grid=False, labelOverlap=True, tickCount=8
        ),
    )
    amount = alt.Y("tokens:Q", title="Tokens per call", axis=amount_axis(tokens), scale=alt.Scale(zero=True))
    base = with_cost_texts(
        alt.Chart(alt.NamedData("calls")), ["cost", "running_cost"], "cost", cost.tooltip_format
    )
    stems = base.mark_rule(strokeWidth=1.5, opacity=0.45).encode(x=moment, y=amount, color=series_color())
    calls_made = base.mark_circle(size=45, opacity=0.8).encode(
        x=moment,
        y=amount,
        color=series_color(),
        tooltip=[
            alt.Tooltip("clock:N", title="Made"),
            alt.Tooltip("source:N", title="Provider"),
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("tokens:Q", title="Tokens", format=tokens.tooltip_format),
            *amount_tooltips({"cost": "Cost", "running_cost": "Cost so far"}, "cost", cost.tooltip_format),
        ],
    )
    calls_made = calls_made.add_params(picking("id", nearest=True))
    running = base.mark_line(color=BLUE, strokeWidth=2, interpolate="step-after").encode(
        x=moment,
        y=alt.Y(
            "running_cost:Q",
            title="Cost so far (USD)",
            axis=amount_axis(cost, grid=False, titleColor=BLUE),
            scale=alt.Scale(zero=True),
        ),
    )
    both: alt.LayerChart = alt.layer(alt.layer(stems, calls_made), running).resolve_scale(y="independent")
    return specified(both.properties(height=TIMELINE_HEIGHT))


def by_minute(
    minutes: pd.DataFrame, measure: Measure, *, first_at: datetime, last_at: datetime, timezone: str
) -> Chart:
    """Stacked bars per minute by provider, minutes without calls included.

    `minutes` is the second frame of queries.live_usage(). In `columns`, `minute` is when it begins, in UTC.
    """
    hour = pd.date_range(first_at, last_at, freq="min")
    grouped = by_source(minutes)
    series = series_of(grouped, "provider")
    # A minute without calls cost 0, and one whose calls have no price is unknown.
    empty = pd.DataFrame(
        [
            {"minute_at": at, "value": each.value, "is_rest": each.is_rest, **_NO_CALLS}
            for each in series
            for at in hour
        ]
    )
    frame = pd.concat([grouped, empty], ignore_index=True)
    frame = frame[frame["minute_at"].isin(hour)]
    frame["bucket_at"] = on_clock(frame["minute_at"], timezone)
    minutes_on_clock = dict(zip(frame["bucket_at"], frame["minute_at"], strict=True))
    frame["first_date"] = frame["last_date"] = frame["bucket_at"].dt.normalize()
    parts, columns = tabled(frame, series, measure, "hour")
    columns["heading"] = columns["at"].dt.strftime("%H:%M")
    columns["minute"] = [minutes_on_clock[at].isoformat() for at in columns["at"].dt.tz_localize(None)]
    return Chart(
        specification=_minute_bars(len(series), measure),
        datasets={"parts": parts, "columns": columns},
        series=series,
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _minute_bars(count: int, measure: Measure) -> str:
    minute = alt.X(
        "utcyearmonthdatehoursminutes(at):T",
        title=None,
        axis=alt.Axis(format="%H:%M", grid=False, labelOverlap=True, tickCount=12),
    )
    return specified(stacked_bars(minute, count, measure, MINUTES_HEIGHT, picked=("minute",)))
