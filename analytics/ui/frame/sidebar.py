"""Closes the sidebar on phones, where it covers the page."""

import streamlit as st

# Streamlit closes the sidebar after a click in its own list of pages, not after links of ours.
_closing = st.components.v2.component(
    "usage_closing",
    js="""
export default function ({ data }) {
  const isElsewhere = window.usagePage !== undefined && window.usagePage !== data.page;
  window.usagePage = data.page;
  if (isElsewhere && window.matchMedia("(max-width: 768px)").matches)
    document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
}
""",
)


def close_sidebar_on_phone(title: str) -> None:
    """Closes it after a visitor has chosen another page in it."""
    _closing(key="closes sidebar", data={"page": title})
