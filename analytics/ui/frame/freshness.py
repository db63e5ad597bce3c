"""How old the numbers on a page are, and renewing them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from analytics import formatting
from analytics.ui.frame import reads
from analytics.ui.frame.messages import LOOK_EVERY_SECONDS, reason
from analytics.ui.frame.reads import Reading


def show_freshness(shown: Reading[Any], also: Callable[[], object] = lambda: None) -> None:
    """The age of the numbers with a button to renew them, and a warning where that did not work.

    An open page renews itself: it runs again when the cache has newer numbers than those shown, and when the
    database goes away or comes back. What `also` draws stands in the same line.
    """
    loaded_at = shown.loaded_at
    if shown.failure:
        st.warning(
            "**The database does not answer.** These are the last good numbers, of "
            f"{loaded_at:%d %b, %H:%M:%S} UTC. The page goes on trying. {reason(shown.failure)}",
            icon=":material/cloud_off:",
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="freshness"):
        if st.button("Refresh", icon=":material/refresh:", type="tertiary", help="Ask the database now"):
            reads.forget()
            st.rerun()
        _age(shown)
        also()


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _age(shown: Reading[Any]) -> None:
    now = datetime.now(UTC)
    newest = shown.renew(now)
    if (newest.loaded_at, newest.failure) != (shown.loaded_at, shown.failure):
        st.rerun()
    st.caption(f"Updated {formatting.age(shown.loaded_at, now)}", width="content")
