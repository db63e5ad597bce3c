"""The age of the numbers on a page, and their renewal."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st

from analytics import news
from analytics.ui.frame import reads
from analytics.ui.frame.messages import LOOK_EVERY_SECONDS, explained, warn_of_last_numbers
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import session

_news = st.components.v2.component(
    "usage_news",
    html="<p></p>",
    # As a caption is.
    css="p { margin: 0; font-size: .875rem; color: var(--st-text-color); opacity: .6; white-space: nowrap; }",
    js=Path(__file__).with_name("news.js").read_text(encoding="utf-8"),
)


def show_freshness(reading: Reading[Any], also: Callable[[], object] = lambda: None) -> None:
    """The age of the numbers with a button to renew them, and a warning where that failed.

    An open page renews itself: it runs again when the cache has newer numbers, and when the database goes
    away or comes back. `also` draws in the same line.
    """
    loaded_at = reading.loaded_at
    if reading.failure:
        warn_of_last_numbers(f"{loaded_at:%d %b, %H:%M:%S} UTC", reading.failure)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="freshness"):
        if st.button("Refresh", icon=":material/refresh:", type="tertiary", help="Read the database now"):
            reads.forget()
            st.rerun()
        _age(reading)
        also()


@st.fragment
def _age(reading: Reading[Any]) -> None:
    """Runs again when the browser has heard of news."""
    now = datetime.now(UTC)
    with explained():
        newest = reading.renew(now)
    if news.are_new(newest, reading):
        st.rerun()
    _news(
        key="news",
        data={
            "text": news.age_text(newest.loaded_at, now),
            "path": news.path_for(reading).removeprefix("/"),
            "page": session().address.page,
            "seconds": LOOK_EVERY_SECONDS,
        },
        on_news_change=lambda: None,
        width="content",
        height="content",
    )
