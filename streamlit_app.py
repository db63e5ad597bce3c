"""The Overview: how much is used, by whom, what it costs, and where it is going."""

import streamlit as st

from analytics import ui

page = ui.begin_page("Usage overview", icon="📈")
shown = ui.read_overview(page.database, page.client, page.period, page.measure.unit, page.now)

ui.freshness(shown, also=lambda: ui.downloads(page, shown))
if not shown.value.summary["request_count"].any():
    ui.no_usage(shown.value)

ui.summary_cards(shown.value)

weekly, daily = st.columns(2, gap="small")
with weekly:
    ui.weekly_evolution(page, shown)
with daily:
    ui.daily_usage(page, shown)

ui.model_comparison(page, shown)
ui.conversations(page, shown)
