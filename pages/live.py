"""The last hour by the minute, and the last calls as they arrive."""

import streamlit as st

from analytics import ui

page = ui.begin_page("Live", icon="📡", has_period=False)


@st.fragment(run_every=ui.LIVE_SECONDS)
def live() -> None:
    """All that moves; it alone runs again while the page is in sight."""
    feed = ui.follow_calls(page)
    ui.show_live_cards(page, feed)
    ui.show_live_minutes(page, feed)
    ui.show_live_calls(page, feed)


live()
