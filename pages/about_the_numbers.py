"""What each number means, and how it comes about."""

import streamlit as st

from analytics import ui

ui.begin_text_page("About the numbers", icon="🧮")

st.markdown("TODO")
