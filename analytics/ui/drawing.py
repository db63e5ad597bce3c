"""Charts on a page."""

import json

import streamlit as st

from analytics.charts import Chart


def draw(chart: Chart, *, alt: str, key: str) -> None:
    """Draws the chart as wide as its place; `alt` says in words what can be seen on it."""
    # The data goes to the browser as Arrow, not as records: st.vega_lite_chart takes frames here.
    specification = json.loads(chart.specification) | {"datasets": dict(chart.datasets)}
    st.vega_lite_chart(spec=specification, alt=alt, key=key)
