"""The Overview: how much is used, by whom, what it costs, and where it is going."""

import streamlit as st

from analytics import ui

page = ui.begin_page("Usage overview", icon="📈")
overview = ui.read_overview(page.database, page.client, page.period, page.now)

ui.freshness(page, overview)
if not overview.overview.summary["request_count"].any():
    ui.no_usage(overview.overview)

ui.summary_cards(overview.overview)

weekly, daily = st.columns(2, gap="small")
with weekly:
    ui.weekly_evolution(page, overview)
with daily:
    ui.daily_usage(page, overview)

ui.model_comparison(page, overview)
ui.conversations(page, overview)
