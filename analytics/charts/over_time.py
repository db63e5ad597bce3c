"""Charts over time: bars per hour, day or month, lines per week, and what a month adds up to.

Days are the client's: they go into a chart as if they were UTC, whose axes are in UTC, so that they are the
same in the time zone of whoever looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.charts.amounts import (
    Sums,
    added_up,
    amount_tooltips,
    as_columns,
    sums_of,
    with_cost_texts,
)
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    PALE,
    QUIET,
    TICKS,
    Chart,
    Measure,
    amount_axis,
    before_tooltips,
    brushing,
    column_of,
    hovering,
    picking,
    series_color,
    specified,
    stacked_bars,
    titles,
)
from analytics.charts.series import BLUE, TOTAL, Series, keys_of, series_of
from analytics.days import Days
from analytics.queries import Bucket, Group

_TICKS: Mapping[Bucket, str] = {"hour": "%-d %b, %H:%M", "day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}
_NO_DAY = "no such day"
_NOT_COMPARED = "not compared"
_UNITS: Mapping[Bucket, str] = {
    "hour": "utcyearmonthdatehours",
    "day": "utcyearmonthdate",
    "month": "utcyearmonth",
}


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An earlier time that a chart compares its buckets with, one after the other."""

    usage: pd.DataFrame
    """USAGE_BY_GROUP, in the chart's buckets or per day."""
    skipped: int = 0
    """How many of the chart's first buckets have none to compare with."""
    known_from: date | None = None
    """What was before is not known: the client's first day."""


def bars(
    frame: pd.DataFrame,
    measure: Measure,
    group: Group,
    bucket: Bucket,
    *,
    earlier: Earlier | None = None,
    colors: Mapping[str, str] | None = None,
    first_day: date | None = None,
    unusual: Mapping[date, str] | None = None,
) -> Chart:
    """A bar per bucket, stacked by what it is grouped by.

    `frame` is USAGE_BY_GROUP. What was used `earlier` is a quiet line across each bar. Buckets before
    `first_day` are pale. Buckets that begin on a day that is `unusual` are marked, and tell why.
    """
    series = series_of(frame, group, colors)
    parts, columns = tabled(frame, series, measure, bucket, first_day)
    columns = with_before(columns, earlier, measure, bucket)
    told = [(unusual or {}).get(at.date()) for at in columns["at"]]
    if any(told):
        columns = columns.assign(unusual=pd.Series(told, index=columns.index, dtype="object"))
    return Chart(
        specification=_bars(
            len(series), measure, bucket, has_before="before" in columns, has_unusual="unusual" in columns
        ),
        datasets={"parts": parts, "columns": columns},
        series=series,
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _bars(count: int, measure: Measure, bucket: Bucket, *, has_before: bool, has_unusual: bool) -> str:
    moment = alt.X(
        f"{_UNITS[bucket]}(at):T",
        title=None,
        axis=alt.Axis(format=_TICKS[bucket], grid=False, labelOverlap=True, tickCount=10),
        # Bars stand in the middle of their day.
        bandPosition=0.5,
    )
    return specified(
        stacked_bars(
            moment,
            count,
            measure,
            CHART_HEIGHT,
            has_before=has_before,
            has_unusual=has_unusual,
            picked=("days", "hour") if bucket == "hour" else ("days",),
        )
    )


def lines(
    frame: pd.DataFrame,
    measure: Measure,
    group: Group,
    *,
    earlier: Earlier | None = None,
    colors: Mapping[str, str] | None = None,
    first_day: date | None = None,
) -> Chart:
    """A line per week for each that it is grouped by, and one for the total.

    The last week's points are hollow, as it may not be over. Weeks before `first_day` are pale. What was
    used `earlier` is a dashed line.
    """
    series = series_of(frame, group, colors)
    parts, columns = tabled(frame, series, measure, "week", first_day)
    columns = with_before(columns, earlier, measure, "week")
    last = columns["at"].max()
    points = pd.concat(
        [
            parts,
            columns[["at", "days", "is_pale"]].assign(name=TOTAL, value=columns["total"], place=len(series)),
        ],
        ignore_index=True,
    )
    points["is_running"] = points["at"] == last
    return Chart(
        specification=_lines(len(series), measure, has_before="before" in columns),
        datasets={"parts": points, "columns": columns},
        series=series,
        ticks=[int(at.timestamp() * 1000) for at in columns["at"]],
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _lines(count: int, measure: Measure, *, has_before: bool) -> str:
    hovered = hovering("days")
    week = alt.X(
        "at:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format=_TICKS["week"], values=TICKS, **_LOOSE),
    )
    amount = alt.Y("value:Q", title=None, axis=amount_axis(measure), scale=alt.Scale(zero=True))
    base = alt.Chart(alt.NamedData("parts")).encode(
        x=week, y=amount, color=series_color(TOTAL, colors=[BLUE])
    )
    quiet = (
        alt.Chart(alt.NamedData("columns"))
        .mark_line(color=QUIET, strokeWidth=1.5, strokeDash=[4, 4])
        .encode(x=week, y=alt.Y("before:Q"))
    )
    # The total is broad and lies below, so that a series that makes up all of it stays visible. Lines are
    # straight, as curves would show amounts that never were. Pale lines of all weeks lie below them.
    drawn = [
        base.mark_line(strokeWidth=width, opacity=opacity).transform_filter(f"{whose} && {weeks}")
        for whose, width in ((f"datum.name == '{TOTAL}'", 5), (f"datum.name != '{TOTAL}'", 2))
        for weeks, opacity in (("true", PALE), ("!datum.is_pale", 1))
    ]
    shade = alt.condition("datum.is_pale", alt.value(PALE), alt.value(1))
    points = base.mark_point(size=45, filled=True).encode(opacity=shade).transform_filter("!datum.is_running")
    running = (
        base.mark_point(size=55, filled=False, strokeWidth=2)
        .encode(opacity=shade)
        .transform_filter("datum.is_running")
    )
    told = titles(count, total=TOTAL)
    rule = (
        with_cost_texts(
            alt.Chart(alt.NamedData("columns")), tuple(told), measure.unit, measure.tooltip_format
        )
        .mark_rule(color=QUIET, strokeWidth=1, cursor="pointer")
        .encode(
            x=week,
            opacity=alt.condition(hovered, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("heading:N", title="Week"),
                *amount_tooltips(told, measure.unit, measure.tooltip_format),
                *before_tooltips(has_before=has_before),
            ],
        )
        .add_params(hovered, picking("days", nearest=True), brushing())
    )
    layers = [*([quiet] if has_before else []), *drawn, points, running, rule]
    return specified(alt.layer(*layers).properties(height=CHART_HEIGHT))


_LOOSE: Mapping[str, Any] = {"grid": False, "labelOverlap": True}


def cumulative(days: pd.DataFrame, measure: Measure, last_day: date) -> Chart:
    """What the month of `last_day` adds up to, day by day, and the whole month before as a quiet line.

    `days` is USAGE_BY_GROUP per day, from the first day of the month before on.
    """
    first = last_day.replace(day=1)
    this = _so_far(days, first, last_day)
    last = _so_far(days, (first - timedelta(days=1)).replace(day=1), first - timedelta(days=1))
    rows = []
    for number in sorted({*this, *last}):
        row: dict[str, Any] = {"number": number, "days": ""}
        for course, name in ((this, "this"), (last, "last")):
            row[name], row[f"{name}_text"] = None, _NO_DAY
            if number in course:
                day, sums = course[number]
                row[name] = sums.amount(measure.unit)
                row[f"{name}_text"] = f"{sums.text(measure.unit)} up to {formatting.day(day)}"
        if number in this:
            row["days"] = str(Days(this[number][0], this[number][0]))
        rows.append(row)
    values = pd.DataFrame(rows).astype({"this": "float64", "last": "float64"})
    return Chart(specification=_courses(measure), datasets={"days": values})


def _so_far(days: pd.DataFrame, first: date, last: date) -> dict[int, tuple[date, Sums]]:
    """Per day of the month: the day, and what its month adds up to until then."""
    sums = added_up((at.date() for at in days["bucket_at"]), sums_of(days))
    month = [day for day in sums if first <= day <= last and day.month == first.month]
    total, found = Sums(), {}
    for day in sorted(month):
        total = total.plus(sums[day])
        found[day.day] = (day, total)
    return found


@lru_cache(CACHED_SPECIFICATIONS)
def _courses(measure: Measure) -> str:
    hovered = hovering("number")
    day = alt.X(
        "number:Q",
        title="Day of the month",
        scale=alt.Scale(domain=[1, 31], nice=False),
        axis=alt.Axis(tickCount=10, format="d", **_LOOSE),
    )
    base = alt.Chart(alt.NamedData("days"))
    last = base.mark_line(color=QUIET, strokeWidth=1.5, strokeDash=[4, 4]).encode(
        x=day, y=alt.Y("last:Q", title=None, axis=amount_axis(measure), scale=alt.Scale(zero=True))
    )
    this = base.mark_line(color=BLUE, strokeWidth=3, point={"size": 30, "filled": True}).encode(
        x=day, y=alt.Y("this:Q", title=None)
    )
    rule = (
        base.mark_rule(color=QUIET, strokeWidth=1, cursor="pointer")
        .encode(
            x=day,
            opacity=alt.condition(hovered, alt.value(0.6), alt.value(0)),
            tooltip=[
                alt.Tooltip("this_text:N", title="This month"),
                alt.Tooltip("last_text:N", title="The month before"),
            ],
        )
        .add_params(hovered, picking("days", nearest=True))
    )
    return specified(alt.layer(last, this, rule).properties(height=CHART_HEIGHT))


def tabled(
    frame: pd.DataFrame,
    series: tuple[Series, ...],
    measure: Measure,
    bucket: Bucket,
    first_day: date | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A frame of USAGE_BY_GROUP as charts take it: a row per bucket and series, and one per bucket.

    The first has at · days · name · value · place · is_pale; the second at · days · heading · is_pale, a
    column per series, and total. `days` is what a link says, and of hours there is
    `hour`, too. Sums are made before anything becomes a float.
    """
    numbers = {(each.value, each.is_rest): number for number, each in enumerate(series)}
    ats, rows = frame["bucket_at"].tolist(), sums_of(frame)
    cells = added_up(zip(ats, (numbers[key] for key in keys_of(frame)), strict=True), rows)
    totals = added_up(ats, rows)
    spans = _spans(frame)
    buckets = sorted(totals)
    is_pale = {at: first_day is not None and spans[at][1].date() < first_day for at in buckets}
    days = {at: str(Days(*(each.date() for each in spans[at]))) for at in buckets}
    parts = pd.DataFrame(
        {
            "at": [at for at, _ in cells],
            "days": [days[at] for at, _ in cells],
            "name": [series[number].name for _, number in cells],
            "value": pd.Series([sums.amount(measure.unit) for sums in cells.values()], dtype="float64"),
            "place": [number for _, number in cells],
            "is_pale": [is_pale[at] for at, _ in cells],
        }
    )
    columns: dict[str, Any] = {
        "at": buckets,
        "days": [days[at] for at in buckets],
        "heading": [_heading(at, spans[at], bucket) for at in buckets],
        "is_pale": [is_pale[at] for at in buckets],
    }
    for number in range(len(series)):
        of_series = [cells.get((at, number), Sums()) for at in buckets]
        columns |= as_columns(column_of(number), of_series, measure.unit)
    if bucket == "hour":
        columns["hour"] = [at.hour for at in buckets]
    columns |= as_columns("total", totals.values(), measure.unit)
    return _in_utc(parts), _in_utc(pd.DataFrame(columns))


def _in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(at=pd.to_datetime(frame["at"]).dt.tz_localize("UTC"))


def with_before(
    columns: pd.DataFrame, earlier: Earlier | None, measure: Measure, bucket: Bucket
) -> pd.DataFrame:
    """The columns with the amounts `before` of an earlier time, and their texts, where there are some."""
    if earlier is None or not earlier.usage["request_count"].any():
        return columns
    usage, known_from = earlier.usage, earlier.known_from
    ats = [_begin(at, bucket) for at in usage["bucket_at"]]
    spans: dict[pd.Timestamp, _Span] = {}
    for at, first, last in zip(ats, usage["first_date"], usage["last_date"], strict=True):
        begun, ended = spans.get(at, (first, last))
        spans[at] = (min(begun, first), max(ended, last))
    amounts: list[float | None] = [None] * earlier.skipped
    texts = [_NOT_COMPARED] * earlier.skipped
    for at, each in sorted(added_up(ats, sums_of(usage)).items()):
        is_known = known_from is None or spans[at][0].date() >= known_from
        amounts.append(each.amount(measure.unit) if is_known else None)
        texts.append(
            f"{each.text(measure.unit)}, {_heading(at, spans[at], bucket)}" if is_known else _NOT_COMPARED
        )
    missing = len(columns) - len(amounts)
    amounts, texts = [*amounts, *[None] * missing], [*texts, *[_NOT_COMPARED] * missing]
    if not any(amounts):
        return columns
    return columns.assign(
        before=pd.Series(amounts[: len(columns)], index=columns.index, dtype="float64"),
        before_text=texts[: len(columns)],
    )


_Span = tuple[pd.Timestamp, pd.Timestamp]


def _spans(frame: pd.DataFrame) -> dict[pd.Timestamp, _Span]:
    """The first and the last day of each bucket."""
    spans = zip(frame["first_date"], frame["last_date"], strict=True)
    return dict(zip(frame["bucket_at"], spans, strict=True))


def _begin(at: pd.Timestamp, bucket: Bucket) -> pd.Timestamp:
    """The begin of the week that a moment is in; of other buckets the moment."""
    return at - pd.Timedelta(days=at.weekday()) if bucket == "week" else at


def _heading(at: pd.Timestamp, span: _Span, bucket: Bucket) -> str:
    """The bucket as a tooltip says it: `Tue 3 Nov 2026`, `3 Nov 2026, 14:00`, or its days."""
    first, last = span
    if bucket == "hour":
        return f"{at:%a} {formatting.day(at)}, {at:%H}:00 to {at:%H}:59"
    if bucket == "day":
        return f"{at:%a} {formatting.day(at)}"
    return formatting.window((last - first).days + 1, last.date())
