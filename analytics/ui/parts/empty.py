"""Messages where there is nothing to show: what is missing, and what to do."""

import streamlit as st

from analytics import formatting
from analytics.queries import NO_FILTERS
from analytics.ui.frame import filters
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page


def show_empty(title: str, text: str = "", *, icon: str = ":material/hourglass_empty:") -> None:
    """Shows a message; both texts are Markdown."""
    st.info(f"**{title}.** {text}", icon=icon)


def show_no_usage(page: Page) -> None:
    """Says that the client made no calls in the days of the page, or none that its filters let through."""
    first, last = map(formatting.day, (page.days.first, page.days.last))
    if page.filters:
        show_empty(
            f"No calls match these filters, {page.period}",
            f"{escaped(page.client.name)} may have made other calls from {first} to {last}. Choose other "
            "days, or remove a filter.",
            icon=":material/filter_alt_off:",
        )
        st.button("Clear filters", icon=":material/filter_alt_off:", on_click=filters.put, args=[NO_FILTERS])
        return
    show_empty(
        f"No usage, {page.period}",
        f"{escaped(page.client.name)} made no calls from {first} to {last}. Choose other days, or check that "
        f"the application logs its calls with this client's id, `{page.client.id}`.",
    )


def show_no_match(noun: str, search: str, fields: str, page: Page) -> None:
    """Says that a search matches nothing; `fields` are those that it compares."""
    st.info(
        f"**No {noun} matches “{escaped(search)}”** ({fields}), {page.period}.", icon=":material/search_off:"
    )
