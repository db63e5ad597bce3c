"""The Overview's panels: a heading that states the window, and the chart or table below it."""

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.queries import TOP_CONVERSATIONS, Overview
from analytics.ui import tables
from analytics.ui.drawing import draw
from analytics.ui.page import Page
from analytics.ui.reading import Reading


def weekly_evolution(page: Page, shown: Reading[Overview]) -> None:
    """Twelve weeks of OpenAI, Groq and the total; more where more days were chosen."""
    period = shown.value.period
    weeks = f"last {period.weeks} weeks"
    if period.last is not None:
        weeks = f"{period.weeks} weeks to {formatting.day(period.last)}"
    with st.container(border=True, height="stretch"):
        _heading(f"Weekly evolution, {weeks}", page, shown.value.weekly)
        draw(
            charts.weekly_evolution(shown.value.weekly, page.measure),
            alt=f"Line chart: {page.measure.title} per week, {weeks}, for OpenAI, Groq and in total",
            key="weekly chart",
        )
        st.caption("Weeks begin on Monday. Hollow points: the last week, as far as it is counted.")


def daily_usage(page: Page, shown: Reading[Overview]) -> None:
    """Thirty days, or those that were chosen, stacked by provider."""
    period = shown.value.period
    days = formatting.window(period.chart_days, period.last)
    with st.container(border=True, height="stretch"):
        _heading(f"Daily usage, {days}", page, shown.value.daily)
        draw(
            charts.daily_usage(shown.value.daily, page.measure, period.chart_days),
            alt=f"Stacked bars: {page.measure.title} per day, {days}, by provider",
            key="daily chart",
        )
        last_day = formatting.day(shown.value.last_day)
        is_running = shown.value.last_day == page.client.today(page.now)
        st.caption(
            f"Days are those of {shown.value.client.timezone}"
            f"{f'; today, {last_day}, is not over' if is_running else ''}."
        )


def model_comparison(page: Page, shown: Reading[Overview]) -> None:
    """OpenAI against Groq and the rest as a pie, and every model in a table."""
    overview = shown.value
    with st.container(border=True):
        _heading(
            f"Model comparison, {overview.period}",
            page,
            overview.models,
        )
        pie, table = st.columns([1, 2.6], gap="medium", vertical_alignment="center")
        with pie:
            if charts.is_zero(overview.summary, page.measure):
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
            tables.models(overview)


def conversations(page: Page, shown: Reading[Overview]) -> None:
    """The twenty conversations with the most tokens."""
    overview = shown.value
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(
                f"## Top {TOP_CONVERSATIONS} conversations, {overview.period}",
                width="content",
            )
            show_phones = st.toggle("Show phone numbers", key="phones")
        tables.conversations(overview, show_phones=show_phones)


def _heading(title: str, page: Page, frame: pd.DataFrame) -> None:
    """The title, what is measured, and whether some of it is not known."""
    measured = page.measure.title
    if page.measure.unit == "cost" and frame["unpriced_count"].any():
        measured += ", without calls that have no price"
    st.markdown(f"## {title}  :small[:gray[{measured}]]")
