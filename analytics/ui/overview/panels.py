"""The Overview's panels: a heading that states the days, and a chart or table below it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.charts import Chart
from analytics.errors import InvalidInput
from analytics.queries import TOP_CONVERSATIONS, Courses, Overview, Period
from analytics.ui.frame.address import Part
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.overview.downloads import show_downloads
from analytics.ui.overview.tables import open_model_bar, show_conversations, show_models
from analytics.ui.overview.unusual import unusual_in
from analytics.ui.parts.grain import HOW_TO_OPEN, choose_grain, grain_part, incomplete
from analytics.ui.parts.grouping import choose_group, group_words, open_selected_days, opener
from analytics.ui.parts.headings import measured, show_heading
from analytics.ui.parts.vega import (
    TOTAL_ENTRY,
    Entry,
    Selection,
    draw,
    draw_amounts,
    is_unknown,
)

_EACH, _ADDED_UP = "Each", "Added up"
_TITLES = {"hour": "Hourly usage", "day": "Daily usage", "week": "Weekly usage", "month": "Monthly usage"}
_GRAIN_WIDTH = 165  # pixels


def courses_in(reading: Reading[Overview]) -> Courses:
    """What the charts of the page group."""
    courses = reading.value.courses
    assert courses is not None  # read_overview() asks for them
    return courses


def show_tools(page: Page, reading: Reading[Overview]) -> None:
    """What charts group by, the grain of the bars, and files to download."""
    courses = courses_in(reading)
    choose_group(courses.tag_keys)
    choose_grain(
        grain_part(page.days, replace(courses.asked, grain=None).bucket),
        page.days,
        st.selectbox,
        format_func=lambda grain: f"Bars per {grain}",
        width=_GRAIN_WIDTH,
    )
    show_downloads(page, reading)


def show_weekly_evolution(page: Page, reading: Reading[Overview]) -> None:
    """Twelve weeks of what is grouped by, and the total; more where the period is longer."""
    courses, period = courses_in(reading), page.period
    begins = courses.weeks["bucket_at"]
    count = begins.nunique()
    weeks = (
        f"last {count} weeks" if period.last is None else f"{count} weeks to {formatting.day(period.last)}"
    )
    by = group_words(courses.group)
    with st.container(border=True, height="stretch"):
        show_heading(f"Weekly evolution, {weeks}", measured(page.measure, courses.weeks))
        if courses.weeks.empty:
            st.caption("No calls in these weeks.")
            return
        first = begins.min().date()
        _draw(
            page,
            courses,
            reading.made(
                ("weeks", page.measure, page.client.first_day),
                lambda: charts.lines(
                    courses.weeks,
                    page.measure,
                    courses.group,
                    earlier=charts.Earlier(
                        usage=courses.before(first - timedelta(weeks=count), first - timedelta(days=1)),
                        known_from=page.client.first_day,
                    ),
                    colors=_colors(courses),
                    first_day=page.days.first,
                ),
            ),
            courses.weeks,
            alt=f"Line chart: {page.measure.title} per week, {weeks}, by {by} and in total",
            key="weekly chart",
            more=[TOTAL_ENTRY],
            before=f"Total, {formatting.plural(count, 'week')} before",
        )
        st.caption(
            "Weeks begin on Monday. Hollow points: the last week, which may not be complete."
            + _pale("weeks", period, first + timedelta(days=6) < page.days.first)
        )


def show_daily_usage(page: Page, reading: Reading[Overview]) -> None:
    """Thirty days, or all of a longer period, by what is grouped by; or what the month adds up to.

    Per hour, day, week or month, as is chosen.
    """
    courses, period = courses_in(reading), page.period
    is_added_up = _COURSE.value() == _ADDED_UP
    with st.container(border=True, height="stretch"):
        if is_added_up:
            _show_month(page, courses)
            return
        grain, shown = courses.asked.bucket, courses.asked.bars
        is_day = grain == "day"
        pale_days = len(shown) - len(page.days)
        days = formatting.window(len(shown), period.last)
        show_heading(
            f"{_TITLES[grain]}, {days}",
            measured(page.measure, courses.bars),
            beside=_choose_course,
        )
        by = group_words(courses.group)
        before = courses.asked.before
        usage = courses.before(before.first, before.last) if is_day else courses.bars_before
        earlier = None
        if usage is not None:
            skipped = pale_days if is_day else 0
            earlier = charts.Earlier(usage=usage, skipped=skipped, known_from=page.client.first_day)
        unusual = unusual_in(page) if is_day else {}
        draw_it = charts.lines if grain == "week" else partial(charts.bars, bucket=grain, unusual=unusual)
        kind = "Line chart" if grain == "week" else "Stacked bars"
        _draw(
            page,
            courses,
            reading.made(
                ("bars", page.measure, before, page.client.first_day, tuple(unusual.items())),
                lambda: draw_it(
                    courses.bars,
                    page.measure,
                    courses.group,
                    earlier=earlier,
                    colors=_colors(courses),
                    first_day=page.days.first,
                ),
            ),
            courses.bars,
            alt=f"{kind}: {page.measure.title} per {grain}, {days}, by {by}",
            key="daily chart",
            more=[TOTAL_ENTRY] if grain == "week" else [],
            before=f"{'Same day' if is_day else 'Total'} of {formatting.window(len(before), before.last)}",
        )
        st.caption(
            f"{HOW_TO_OPEN[grain]} Days are in {page.client.timezone}. "
            + " ".join([] if courses.bars.empty else incomplete(courses.bars, grain, page))
            + _pale(f"{grain}s", period, pale_days > 0)
        )


def _show_month(page: Page, courses: Courses) -> None:
    """What the month of the last day adds up to, beside the month before."""
    last = page.days.last
    month = f"{last:%B %Y}"
    first_before = (last.replace(day=1) - timedelta(days=1)).replace(day=1)
    frame = courses.before(first_before, last)
    show_heading(f"{month} so far", measured(page.measure, frame), beside=_choose_course)
    chart = charts.cumulative(frame, page.measure, last)
    draw_amounts(
        frame,
        page.measure,
        lambda: chart,
        alt=f"Line chart: {page.measure.title} added up day by day in {month}, and in {first_before:%B %Y}",
        key="month chart",
        more=[
            Entry(name=month, color=charts.COLORS["Total"], mark="dot"),
            Entry(name=f"{first_before:%B %Y}"),
        ],
        on_select=lambda selection: open_selected_days(selection, chart),
    )
    st.caption("Each point is the sum from the first day of the month on. Click a day to see only that one.")


def _draw(
    page: Page,
    courses: Courses,
    chart: Chart,
    frame: pd.DataFrame,
    *,
    alt: str,
    key: str,
    before: str,
    more: Sequence[Entry] = (),
) -> None:
    """Draws a chart over time: a click opens days, and one on its legend a part of what is grouped by."""
    has_before = "before" in chart.datasets["columns"]
    draw_amounts(
        frame,
        page.measure,
        lambda: chart,
        alt=alt,
        key=key,
        more=[*more, *([Entry(name=before)] if has_before else [])],
        on_select=lambda selection: open_selected_days(selection, chart),
        on_series=opener(courses.group, chart),
    )


def _colors(courses: Courses) -> dict[str, str]:
    """One colour for the same thing in all charts of the page."""
    return charts.colors_of(courses.group, courses.whole, courses.bars, courses.weeks)


def _pale(what: str, period: Period, are_some: bool) -> str:
    """A sentence on the pale parts of a chart, where it has some."""
    if not are_some:
        return ""
    return f" Pale: {what} before {'the ' if period.last is None else ''}{period}."


def show_model_comparison(page: Page, reading: Reading[Overview]) -> None:
    """Shares of what is grouped by as a pie, a bar per model, and every model in a table."""
    overview, courses = reading.value, courses_in(reading)
    with st.container(border=True):
        show_heading(f"Model comparison, {page.period}", measured(page.measure, overview.models))
        if is_unknown(overview.models, page.measure):
            st.caption("The cost is unknown: no call of these days has a price.")
        elif charts.is_zero(courses.whole, page.measure):
            st.caption(
                "No tokens in these days."
                if page.measure.unit == "tokens"
                else "No known cost in these days: calls were free or have no price, or there were none."
            )
        else:
            pie, bars = st.columns([1, 1.6], gap="medium")
            with pie:
                _show_shares(page, reading)
            with bars:
                _show_model_bars(page, overview, courses)
        show_models(overview)


def _show_shares(page: Page, reading: Reading[Overview]) -> None:
    overview, courses = reading.value, courses_in(reading)
    has_unknown = page.measure.unit == "cost" and overview.models["unpriced_count"].any()
    shared = f"known {page.measure.unit}" if has_unknown else page.measure.unit
    st.markdown(f"**Share of {shared}**")
    chart = reading.made(
        ("share", page.measure),
        lambda: charts.share(courses.whole, page.measure, courses.group, _colors(courses)),
    )
    open_part = opener(courses.group, chart)

    def take(selection: Selection) -> None:
        name = (selection.get(charts.PICKED) or [{}])[0].get("name")
        for series in chart.series:
            if series.name == name:
                open_part(series)

    draw(
        chart,
        alt=f"Pie: shares in the {page.measure.title.lower()}, by {group_words(courses.group)}",
        key="share chart",
        on_select=take,
        on_series=open_part,
    )


def _show_model_bars(page: Page, overview: Overview, courses: Courses) -> None:
    st.markdown(f"**{page.measure.title} per model**")
    colors = _colors(courses)
    by = {"provider": "source", "model": "model"}.get(courses.group)
    frame = overview.models
    painted = (
        {}
        if by is None
        else {
            (source, model): colors[value or ""]
            for source, model, value in zip(frame["source"], frame["model"], frame[by], strict=True)
            if (value or "") in colors
        }
    )

    def take(selection: Selection) -> None:
        number = (selection.get(charts.PICKED) or [{}])[0].get("number")
        if number is not None:
            open_model_bar(frame, int(number))

    draw(
        charts.models(frame, page.measure, painted),
        alt=f"Bars: {page.measure.title} per model, the most first; the table below has the same",
        key="models chart",
        on_select=take,
    )


def show_top_conversations(page: Page, reading: Reading[Overview]) -> None:
    """The top twenty conversations by tokens or cost."""
    overview = reading.value
    with st.container(border=True):
        show_heading(
            f"Top {TOP_CONVERSATIONS} conversations by {page.measure.unit}, {page.period}",
            measured(page.measure, overview.conversations, is_titled=True),
            beside=page.choose_phones,
        )
        show_conversations(overview)


def _choose_course() -> None:
    _COURSE.choose(
        st.segmented_control,
        "Each, or added up",
        [_EACH, _ADDED_UP],
        required=True,
        label_visibility="collapsed",
    )


def _parse_course(value: str) -> str:
    name = value.strip().replace("-", " ").capitalize()
    if name not in (_EACH, _ADDED_UP):
        raise InvalidInput(f'course must be each or added-up, not "{value[:40]}"')
    return name


_COURSE = Part(
    name="course", parse=_parse_course, default=_EACH, spell=lambda name: name.lower().replace(" ", "-")
)
