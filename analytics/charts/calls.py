"""Charts of single calls and of minutes: DataFrame -> Chart, pure.

Charts show the client's local time, whatever the browser's time zone is: local times go into the chart as if
they were UTC, and the axes are in UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

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
    COLORS,
    MEASURES,
    PROVIDERS,
    Chart,
    Measure,
    amount_axis,
    provider_color,
    provider_name,
    source_name,
    specified,
    stacked,
    stacked_bars,
)

TIMELINE_HEIGHT = 320
MINUTES_HEIGHT = 240


def on_clock(moments: "pd.Series[pd.Timestamp]", timezone: str) -> "pd.Series[pd.Timestamp]":
    """Moments (UTC) as local times of `timezone`, without a time zone."""
    clock: pd.Series[pd.Timestamp] = moments.dt.tz_convert(ZoneInfo(timezone)).dt.tz_localize(None)
    return clock


def timeline(calls: pd.DataFrame, timezone: str) -> Chart:
    """Tokens of each call as points, and the cost so far as a line with its own axis.

    `calls` is queries.Timeline.calls.
    """
    made_at = on_clock(calls["created_at"], timezone)
    values = pd.DataFrame(
        {
            "made_at": made_at.dt.tz_localize("UTC"),
            "clock": [f"{at:%a} {formatting.day(at)}, {at:%H:%M:%S}" for at in made_at],
            "provider": calls["source"].map(provider_name),
            "source": calls["source"].map(source_name),
            "model": calls["model"].fillna(""),
            "tokens": calls["total_tokens"].astype(float),
        }
    )
    unpriced = (calls["cost_basis"] == "unpriced").astype("int64")
    alone = pd.DataFrame({"total_cost": calls["cost_usd"], "unpriced_count": unpriced, "request_count": 1})
    so_far = pd.DataFrame(
        {
            "total_cost": calls["running_cost"],
            "unpriced_count": unpriced.cumsum(),
            "request_count": range(1, len(calls) + 1),
        }
    )
    for name, sums in (("cost", alone), ("running_cost", so_far)):
        values[name] = known_amounts(sums, "cost")
        values = with_bounds(values, name, sums)
    names = tuple(name for name in PROVIDERS if name in set(values["provider"]))
    is_days = made_at.max() - made_at.min() > pd.Timedelta(days=3)
    return Chart(specification=_timeline_layers(names, is_days=bool(is_days)), datasets={"calls": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _timeline_layers(names: Sequence[str], *, is_days: bool) -> str:
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
    stems = base.mark_rule(strokeWidth=1.5, opacity=0.45).encode(
        x=moment, y=amount, color=provider_color(names)
    )
    calls_made = base.mark_circle(size=45, opacity=0.8).encode(
        x=moment,
        y=amount,
        color=provider_color(names),
        tooltip=[
            alt.Tooltip("clock:N", title="Made"),
            alt.Tooltip("source:N", title="Provider"),
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("tokens:Q", title="Tokens", format=tokens.tooltip_format),
            *amount_tooltips({"cost": "Cost", "running_cost": "Cost so far"}, "cost", cost.tooltip_format),
        ],
    )
    running = base.mark_line(color=COLORS["Total"], strokeWidth=2, interpolate="step-after").encode(
        x=moment,
        y=alt.Y(
            "running_cost:Q",
            title="Cost so far (USD)",
            axis=amount_axis(cost, grid=False, titleColor=COLORS["Total"]),
            scale=alt.Scale(zero=True),
        ),
    )
    both: alt.LayerChart = alt.layer(alt.layer(stems, calls_made), running).resolve_scale(y="independent")
    return specified(both.properties(height=TIMELINE_HEIGHT))


def by_minute(
    minutes: pd.DataFrame, measure: Measure, *, first_at: datetime, last_at: datetime, timezone: str
) -> Chart:
    """Stacked bars per minute by provider, minutes without calls included.

    `minutes` is the second frame of queries.live_usage().
    """
    hour = pd.date_range(first_at, last_at, freq="min")
    providers = minutes["source"].map(provider_name)
    names = tuple(name for name in PROVIDERS if name != "Other" or name in set(providers))
    sums = wide_amounts(minutes.assign(provider=providers), "minute_at", measure.unit)
    sums = sums.set_index("minute_at")
    # A minute without calls cost 0; one with unknown cost is in the sums and stays missing.
    wide = sums.reindex(index=hour, columns=[*names, *(name for name in sums if name not in PROVIDERS)])
    called = minutes.assign(provider=providers).groupby(["minute_at", "provider"])["request_count"].sum()
    for name in names:
        is_called = pd.Series([(at, name) in called.index for at in hour], index=hour)
        wide[name] = wide[name].where(is_called, 0.0).astype("float64")
    wide = wide.reset_index(drop=True)
    begins_at = on_clock(pd.Series(hour), timezone)
    wide.insert(0, "minute_at", begins_at.dt.tz_localize("UTC"))
    wide.insert(1, "clock", begins_at.dt.strftime("%H:%M"))
    long = wide.melt(id_vars=["minute_at"], value_vars=names, var_name="provider", value_name="value")
    long["is_pale"] = False
    return Chart(
        specification=_minute_bars(names, measure), datasets={"by_provider": stacked(long), "columns": wide}
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _minute_bars(names: Sequence[str], measure: Measure) -> str:
    minute = alt.X(
        "utcyearmonthdatehoursminutes(minute_at):T",
        title=None,
        axis=alt.Axis(format="%H:%M", grid=False, labelOverlap=True, tickCount=12),
    )
    return specified(
        stacked_bars(minute, alt.Tooltip("clock:N", title="Minute"), names, measure, MINUTES_HEIGHT)
    )
