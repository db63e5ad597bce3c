"""A new key that may write, for one tool: made by a click, shown once, revoked by another."""

from dataclasses import dataclass, field
from uuid import UUID

import streamlit as st

from analytics.access.keys import create_key, key_id_in, revoke_key
from analytics.errors import AnalyticsError
from analytics.ui.connect.tools import Tool
from analytics.ui.frame.messages import escaped, show_refusal
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import forget_here, recall_here, remember_here


@dataclass(frozen=True, kw_only=True)
class MadeKey:
    """A key that was made during this visit of the page, which alone knows its text."""

    id: UUID
    client_id: UUID
    tool: str
    name: str
    text: str = field(repr=False)


def offer_key(page: Page, tool: Tool) -> MadeKey | None:
    """The key of this visit, with a button that revokes it; or, for administrators, one that makes it."""
    if not page.viewer.administers(page.client):
        return None
    made = recall_here(MadeKey)
    if made is None or (made.client_id, made.tool) != (page.client.id, tool.name):
        if st.button("Make a key and fill it in", type="primary", icon=":material/key:"):
            _make(page, tool)
        return None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="made key"):
        st.markdown(f":material/key: The key **{escaped(made.name)}** is filled in below.", width="content")
        if st.button("Revoke this key", icon=":material/key_off:"):
            _revoke(page, made)
    return made


def _make(page: Page, tool: Tool) -> None:
    name = f"Connect: {tool.label}"
    try:
        text = create_key(page.database, str(page.client.id), "write", name)
    except AnalyticsError as error:
        show_refusal(error)
        return
    key_id = key_id_in(text)
    assert key_id is not None  # it has just been made
    remember_here(MadeKey(id=key_id, client_id=page.client.id, tool=tool.name, name=name, text=text))
    st.rerun()


def _revoke(page: Page, made: MadeKey) -> None:
    try:
        revoke_key(page.database, str(made.id))
    except AnalyticsError as error:
        # Somebody else was faster.
        show_refusal(error)
    else:
        st.toast("The key is revoked. A server learns so within a minute.", icon=":material/key_off:")
    forget_here(MadeKey)
    st.rerun()
