"""Headings of panels: a title, a note in small grey letters, and at the right what belongs to the panel."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from analytics.charts import Measure


def show_heading(title: str, note: str = "", *, beside: Callable[[], object] | None = None) -> None:
    """Shows a heading; both texts are Markdown. `beside` draws at the right end of the line."""
    text = f"## {title}" + (f"  :small[:gray[{note}]]" if note else "")
    if beside is None:
        st.markdown(text)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(text, width="content")
        beside()


def measured(measure: Measure, frame: pd.DataFrame, *, is_titled: bool = False) -> str:
    """A note: the measure of a panel, unless its title names it, and whether some cost is unknown."""
    has_unknown = measure.unit == "cost" and frame["unpriced_count"].any()
    return ", ".join(
        filter(
            None,
            ["" if is_titled else measure.title, "without calls that have no price" if has_unknown else ""],
        )
    )
