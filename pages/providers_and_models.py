"""Providers and models: two periods side by side, their use by hour and tag, and other prices."""

import streamlit as st

from analytics import ui

page = ui.begin_page("Providers and models", icon="⚖️")
other_days = ui.choose_compared_days(page)
compared = ui.read_comparison(page, other_days)

ui.show_freshness(compared)
is_used = compared.value.models["request_count"].any()
if not is_used:
    ui.show_no_usage(page)
if len(compared.value.models):
    ui.show_comparison(page, compared.value, other_days)

if is_used:
    facts = ui.read_call_facts(page)
    ui.show_usage_over_time(page, other_days, facts.tag_keys["key"].tolist())
    calls = ui.read_call_sums(page)
    ui.show_what_if(page, calls.parts)
    hours, operations = st.columns([1, 1.08], gap="small")
    with hours:
        ui.show_usage_by_hour(page, calls.by_hour)
    with operations:
        ui.show_usage_by_operation(page, calls.by_operation)
    ui.show_usage_by_tag(page, facts)
