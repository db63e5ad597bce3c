"""Charts of usage over days, weeks and months, and by hour of the week: DataFrame -> Chart, pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

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
    MEASURES,
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
)
from analytics.queries import Grain

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TICKS: Mapping[Grain, str] = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}
_TICK_COUNT = 12
_HOUR_HEIGHT = 260
_FAINTEST = 0.07


def usage_over_time(over_time: pd.DataFrame, measure: Measure, grain: Grain) -> Chart:
    """Stacked areas per provider over queries.usage_over_time(); a bar where there is only one bucket."""
    wide = _by_provider(over_time, measure)
    names = tuple(name for name in PROVIDERS if name in wide)
    values = wide.melt(id_vars=["bucket_date"], value_vars=names, var_name="provider", value_name="value")
    starts = [start.date() for start in wide["bucket_date"]]
    ticks = tuple(starts[:: -(-len(starts) // _TICK_COUNT)])
    return Chart(
        specification=_stacks(names, measure, grain, ticks, is_lone=len(wide) == 1),
        datasets={"by_provider": stacked(values), "buckets": wide},
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _stacks(
    names: Sequence[str], measure: Measure, grain: Grain, ticks: Sequence[date], *, is_lone: bool
) -> str:
    bucket = alt.X(
        "bucket_date:T",
        title=None,
        axis=alt.Axis(format=_TICKS[grain], values=axis_days(ticks), grid=False, labelOverlap=True),
    )
    base = alt.Chart(alt.NamedData("by_provider")).encode(
        x=bucket,
        y=alt.Y("value:Q", title=None, stack="zero", axis=amount_axis(measure)),
        color=provider_color(names),
        order=alt.Order("stacking:Q"),
    )
    stacks = base.mark_bar(size=64) if is_lone else base.mark_area(opacity=0.88, line=True)

    hovered = hovering("bucket_date")
    rule = (
        with_cost_texts(
            alt.Chart(alt.NamedData("buckets")), (*names, "Total"), measure.unit, measure.tooltip_format
        )
        .mark_rule(color="#888", strokeWidth=1)
        .encode(
            x=bucket,
            opacity=alt.condition(hovered, alt.value(0.8), alt.value(0)),
            tooltip=[
                alt.Tooltip("days:N", title=grain.capitalize()),
                *amount_tooltips(
                    {name: name for name in (*names, "Total")}, measure.unit, measure.tooltip_format
                ),
            ],
        )
        .add_params(hovered)
    )
    return specified(alt.layer(stacks, rule).properties(height=CHART_HEIGHT))


def _by_provider(over_time: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """One row per bucket: bucket_date, days (as text), and a column per provider and Total.

    Sums are made before anything becomes a float.
    """
    parts = over_time.assign(provider=over_time["source"].map(provider_name))
    both = pd.concat([parts, parts.assign(provider="Total")])
    wide = wide_amounts(both, "bucket_date", measure.unit)
    buckets = over_time.drop_duplicates("bucket_date").sort_values("bucket_date")
    spans = [
        formatting.window((last - first).days + 1, last.date())
        for first, last in zip(buckets["first_date"], buckets["last_date"], strict=True)
    ]
    wide.insert(1, "days", spans)
    return wide


def usage_by_hour(by_hour: pd.DataFrame, measure: Measure) -> Chart:
    """A cell per weekday and hour: the more usage, the stronger; hours without usage are faint."""
    used = by_hour.set_index(["weekday", "hour"])
    hours = pd.MultiIndex.from_product([range(1, 8), range(24)], names=["weekday", "hour"])
    values = used.reindex(hours, fill_value=0).reset_index()
    values = with_bounds(values, "known_cost", values)
    values["known_cost"] = known_amounts(values, "cost")
    values = values.astype({"total_cost": float})
    values["day"] = [WEEKDAYS[weekday - 1] for weekday in values["weekday"]]
    values["clock"] = [f"{hour:02}:00" for hour in values["hour"]]
    values["span"] = [
        f"{day} {hour:02}:00 to {hour:02}:59" for day, hour in zip(values["day"], values["hour"], strict=True)
    ]
    return Chart(specification=_heatmap(measure), datasets={"hours": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _heatmap(measure: Measure) -> str:
    cells = (
        with_cost_texts(
            alt.Chart(alt.NamedData("hours")), ["known_cost"], "cost", MEASURES["Cost"].tooltip_format
        )
        .mark_rect(color=COLORS["Total"], cornerRadius=2)
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
            opacity=alt.Opacity(
                f"{measure.total_column}:Q",
                scale=alt.Scale(domainMin=0, range=[_FAINTEST, 1]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("span:N", title="Hour"),
                alt.Tooltip("total_tokens:Q", title="Tokens", format=",d"),
                *amount_tooltips({"known_cost": "Cost (USD)"}, "cost", MEASURES["Cost"].tooltip_format),
                alt.Tooltip("request_count:Q", title="Requests", format=",d"),
            ],
        )
        .properties(height=_HOUR_HEIGHT)
    )
    return specified(cells)
