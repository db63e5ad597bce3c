"""The Overview's panels: a heading that states the days, and a chart or table below it."""

from datetime import timedelta

import streamlit as st

from analytics import charts, formatting
from analytics.queries import TOP_CONVERSATIONS, Overview, Period
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.overview.tables import show_conversations, show_models
from analytics.ui.parts.headings import measured, show_heading
from analytics.ui.parts.vega import draw, draw_amounts, is_unknown


def show_weekly_evolution(page: Page, reading: Reading[Overview]) -> None:
    """Twelve weeks of OpenAI, Groq and the total; more where the period is longer."""
    period = reading.value.period
    count = len(reading.value.weekly)
    weeks = f"last {count} weeks"
    if period.last is not None:
        weeks = f"{count} weeks to {formatting.day(period.last)}"
    with st.container(border=True, height="stretch"):
        show_heading(f"Weekly evolution, {weeks}", measured(page.measure, reading.value.weekly))
        draw_amounts(
            reading.value.weekly,
            page.measure,
            lambda: charts.weekly_evolution(reading.value.weekly, page.measure, reading.value.first_day),
            alt=f"Line chart: {page.measure.title} per week, {weeks}, for OpenAI, Groq and in total",
            key="weekly chart",
        )
        begin = reading.value.weekly["week_start"].min().date()
        st.caption(
            "Weeks begin on Monday. Hollow points: the last week, which may not be complete."
            + _pale("weeks", period, begin + timedelta(days=6) < reading.value.first_day)
        )


def show_daily_usage(page: Page, reading: Reading[Overview]) -> None:
    """Thirty days, or all of a longer period, stacked by provider."""
    period = reading.value.period
    days = formatting.window(period.chart_days, period.last)
    with st.container(border=True, height="stretch"):
        show_heading(f"Daily usage, {days}", measured(page.measure, reading.value.daily))
        draw_amounts(
            reading.value.daily,
            page.measure,
            lambda: charts.daily_usage(
                reading.value.daily, page.measure, period.chart_days, reading.value.first_day
            ),
            alt=f"Stacked bars: {page.measure.title} per day, {days}, by provider",
            key="daily chart",
        )
        last_day = formatting.day(reading.value.last_day)
        is_running = reading.value.last_day == page.client.today(page.now)
        st.caption(
            f"Days are in {reading.value.client.timezone}"
            f"{f'; today, {last_day}, is not over' if is_running else ''}."
            + _pale("days", period, period.chart_days > period.days)
        )


def _pale(what: str, period: Period, are_some: bool) -> str:
    """A sentence on the pale parts of a chart, where it has some."""
    if not are_some:
        return ""
    return f" Pale: {what} before {'the ' if period.last is None else ''}{period}."


def show_model_comparison(page: Page, reading: Reading[Overview]) -> None:
    """OpenAI, Groq and Other as a pie, and every model in a table."""
    overview = reading.value
    with st.container(border=True):
        show_heading(f"Model comparison, {overview.period}", measured(page.measure, overview.models))
        pie, table = st.columns([1, 3], gap="small", vertical_alignment="center")
        with pie:
            has_unknown = page.measure.unit == "cost" and overview.models["unpriced_count"].any()
            shared = f"known {page.measure.unit}" if has_unknown else page.measure.unit
            st.markdown(f"**Share of {shared}**", text_alignment="center")
            if is_unknown(overview.models, page.measure):
                st.caption("Unknown: no call of these days has a price.")
            elif charts.is_zero(overview.summary, page.measure):
                st.caption(
                    "No tokens in these days."
                    if page.measure.unit == "tokens"
                    else "No known cost in these days: calls were free or have no price, or there were none."
                )
            else:
                draw(
                    charts.provider_share(overview.summary, page.measure),
                    alt=f"Pie: shares of OpenAI, Groq and others in the {page.measure.title.lower()}",
                    key="share chart",
                )
        with table:
            show_models(overview)


def show_top_conversations(page: Page, reading: Reading[Overview]) -> None:
    """The top twenty conversations by tokens or cost."""
    overview = reading.value
    with st.container(border=True):
        show_heading(
            f"Top {TOP_CONVERSATIONS} conversations by {page.measure.unit}, {overview.period}",
            measured(page.measure, overview.conversations, is_titled=True),
            beside=page.choose_phones,
        )
        show_conversations(overview)
