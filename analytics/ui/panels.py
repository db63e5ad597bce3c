"""The Overview's panels: a heading that states the window, and the chart or table below it."""

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.queries import DAILY_CHART_DAYS, EVOLUTION_WEEKS, TOP_CONVERSATIONS
from analytics.ui import tables
from analytics.ui.page import Page
from analytics.ui.reading import Reading


def weekly_evolution(page: Page, shown: Reading) -> None:
    """Twelve weeks of OpenAI, Groq and the total."""
    with st.container(border=True, height="stretch"):
        _heading(f"Weekly evolution, last {EVOLUTION_WEEKS} weeks", page, shown.overview.weekly)
        st.altair_chart(
            charts.weekly_evolution(shown.overview.weekly, page.measure),
            alt=f"Line chart: {page.measure.title} per week of the last {EVOLUTION_WEEKS} weeks, "
            "for OpenAI, Groq and in total",
            key="weekly chart",
        )
        st.caption("Weeks begin on Monday. Hollow points: the current week so far.")


def daily_usage(page: Page, shown: Reading) -> None:
    """Thirty days, stacked by provider."""
    with st.container(border=True, height="stretch"):
        _heading(f"Daily usage, last {DAILY_CHART_DAYS} days", page, shown.overview.daily)
        st.altair_chart(
            charts.daily_usage(shown.overview.daily, page.measure),
            alt=f"Stacked bars: {page.measure.title} per day of the last {DAILY_CHART_DAYS} days, "
            "by provider",
            key="daily chart",
        )
        st.caption(
            f"Days are those of {shown.overview.client.timezone}; "
            f"today, {formatting.day(shown.overview.today)}, is not over."
        )


def model_comparison(page: Page, shown: Reading) -> None:
    """OpenAI against Groq and the rest as a pie, and every model in a table."""
    overview = shown.overview
    with st.container(border=True):
        _heading(f"Model comparison, last {overview.period.days} days", page, overview.models)
        pie, table = st.columns([1, 2.6], gap="medium", vertical_alignment="center")
        with pie:
            if charts.is_zero(overview.summary, page.measure):
                st.caption(
                    "No tokens in these days."
                    if page.measure.unit == "tokens"
                    else "No known cost in these days: calls were free or have no price, or there were none."
                )
            else:
                st.altair_chart(
                    charts.provider_share(overview.summary, page.measure),
                    alt=f"Pie: shares of OpenAI, Groq and others in the {page.measure.title.lower()}",
                    key="share chart",
                )
        with table:
            tables.models(overview)


def conversations(page: Page, shown: Reading) -> None:
    """The twenty conversations with the most tokens."""
    overview = shown.overview
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(
                f"##### Top {TOP_CONVERSATIONS} conversations, last {overview.period.days} days",
                width="content",
            )
            show_phones = st.toggle("Show phone numbers", key="phones")
        tables.conversations(overview, show_phones=show_phones)


def _heading(title: str, page: Page, frame: pd.DataFrame) -> None:
    """The title, what is measured, and whether some of it is not known."""
    measured = page.measure.title
    if page.measure.unit == "cost" and frame["unpriced_count"].any():
        measured += ", without calls that have no price"
    st.markdown(f"##### {title}  :small[:gray[{measured}]]")
