"""The age of the numbers on a page, and their renewal."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from analytics import formatting
from analytics.ui.frame import reads
from analytics.ui.frame.messages import LOOK_EVERY_SECONDS, warn_of_last_numbers
from analytics.ui.frame.reads import Reading


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


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _age(reading: Reading[Any]) -> None:
    now = datetime.now(UTC)
    newest = reading.renew(now)
    if (newest.loaded_at, newest.failure) != (reading.loaded_at, reading.failure):
        st.rerun()
    st.caption(f"Updated {formatting.age(reading.loaded_at, now)}", width="content")
