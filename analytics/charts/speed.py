"""Charts of how calls ended and how long they took, by the hour of the day: DataFrame -> Chart, pure."""

from collections.abc import Sequence
from functools import lru_cache

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.charts.base import CACHED_SPECIFICATIONS, Chart, picking, specified
from analytics.charts.series import COLORS

HOURS = range(24)
SPEED_HEIGHT = 220
_LINES = {"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99", "first_token_p50_ms": "First token p50"}
_LINE_COLORS = (COLORS["OpenAI"], COLORS["Total"], COLORS["Groq"], COLORS["Other"])


def failures_by_hour(by_hour: pd.DataFrame) -> Chart:
    """The share of calls that led to nothing, a bar per hour of the day.

    `by_hour` has one row per hour with calls: hour · failed_count, told_count.
    """
    values = by_hour.set_index("hour").reindex(HOURS, fill_value=0).reset_index()
    shares = [
        failed / told if told else None
        for failed, told in zip(values["failed_count"], values["told_count"], strict=True)
    ]
    values = values.assign(
        clock=_clock(values),
        share=pd.Series(shares, dtype="float64"),
        percent=[
            formatting.share(failed, told)
            for failed, told in zip(values["failed_count"], values["told_count"], strict=True)
        ],
    )
    return Chart(specification=_failures(), datasets={"hours": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _failures() -> str:
    bars = (
        alt.Chart(alt.NamedData("hours"))
        .mark_bar(color=COLORS["Total"], cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=_hour_axis(),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="~%", tickCount=4)),
        )
    )
    columns = _columns(
        [
            alt.Tooltip("percent:N", title="Led to nothing"),
            alt.Tooltip("failed_count:Q", title="Calls", format=",d"),
            alt.Tooltip("told_count:Q", title="of those that tell", format=",d"),
        ]
    )
    return specified(alt.layer(bars, columns).properties(height=SPEED_HEIGHT))


def latency_by_hour(by_hour: pd.DataFrame) -> Chart:
    """A line per percentile over queries.call_times().by_hour; hours without calls are gaps."""
    values = by_hour.set_index("hour").reindex(HOURS).reset_index()
    names = [name for name in _LINES if values[name].notna().any()]
    values = values.assign(clock=_clock(values))
    for name in names:
        values[f"{name}_text"] = [
            formatting.MISSING if pd.isna(value) else formatting.duration(value) for value in values[name]
        ]
    wide = values[["hour", "clock", *(f"{name}_text" for name in names)]]
    lines = values.melt(id_vars=["clock"], value_vars=names, var_name="name", value_name="milliseconds")
    lines = lines.assign(
        name=lines["name"].map(_LINES), seconds=lines["milliseconds"].astype("float64") / 1000
    ).drop(columns=["milliseconds"])
    return Chart(specification=_latency(tuple(names)), datasets={"lines": lines, "hours": wide})


@lru_cache(CACHED_SPECIFICATIONS)
def _latency(names: tuple[str, ...]) -> str:
    shown = [_LINES[name] for name in names]
    colors = [color for name, color in zip(_LINES, _LINE_COLORS, strict=True) if name in names]
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_line(point=True)
        .encode(
            x=_hour_axis(),
            y=alt.Y("seconds:Q", title="Seconds", axis=alt.Axis(format="~f", tickCount=5)),
            color=alt.Color(
                "name:N",
                title=None,
                scale=alt.Scale(domain=shown, range=colors),
                legend=alt.Legend(orient="top", symbolType="circle", symbolStrokeWidth=0),
            ),
        )
    )
    columns = _columns([alt.Tooltip(f"{name}_text:N", title=_LINES[name]) for name in names])
    return specified(alt.layer(lines, columns).properties(height=SPEED_HEIGHT))


def _columns(tooltips: Sequence[alt.Tooltip]) -> alt.Chart:
    """One thing to point at and to click for all of an hour, whatever it has."""
    chart: alt.Chart = (
        alt.Chart(alt.NamedData("hours"))
        .mark_bar(opacity=0, cursor="pointer")
        .encode(
            x=_hour_axis(),
            y=alt.value(0),
            y2=alt.value("height"),
            tooltip=[alt.Tooltip("clock:N", title="Hour"), *tooltips],
        )
        .add_params(picking("hour"))
    )
    return chart


def _hour_axis() -> alt.X:
    return alt.X(
        "clock:O",
        title=None,
        axis=alt.Axis(values=[f"{hour:02}:00" for hour in range(0, 24, 3)], labelAngle=0, grid=False),
    )


def _clock(values: pd.DataFrame) -> list[str]:
    return [f"{hour:02}:00" for hour in values["hour"]]
