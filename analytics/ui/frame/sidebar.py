"""What the sidebar does on a phone, where it lies above the page."""

import streamlit as st

# Streamlit closes the sidebar behind its own list of pages, not behind links of ours.
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
    """Closes the sidebar of a phone when another page was chosen in it."""
    _closing(key="closes sidebar", data={"page": title})
