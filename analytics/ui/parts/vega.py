"""Drawing charts on a page."""

import json
from collections.abc import Callable

import pandas as pd
import streamlit as st

from analytics.charts import Chart, Measure
from analytics.ui.parts.empty import show_empty


def draw(chart: Chart, *, alt: str, key: str) -> None:
    """Draws the chart as wide as its container; `alt` describes it in words."""
    # The data goes to the browser as Arrow, not as records: st.vega_lite_chart takes frames here.
    specification = json.loads(chart.specification) | {"datasets": dict(chart.datasets)}
    st.vega_lite_chart(spec=specification, alt=alt, key=key)


def draw_amounts(
    frame: pd.DataFrame, measure: Measure, chart: Callable[[], Chart], *, alt: str, key: str
) -> None:
    """Draws the chart of a frame of sums, or a message where it measures costs and none is known."""
    if is_unknown(frame, measure):
        show_empty("The cost is unknown", "No call of these days has a price.", icon=":material/sell:")
    else:
        draw(chart(), alt=alt, key=key)


def is_unknown(frame: pd.DataFrame, measure: Measure) -> bool:
    """Whether the measure is cost, and no call has a price."""
    unpriced, requests = frame["unpriced_count"].sum(), frame["request_count"].sum()
    return measure.unit == "cost" and bool(unpriced) and bool(unpriced == requests)
