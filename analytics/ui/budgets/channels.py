"""Channels: who is told outside of the page, and how that goes."""

from datetime import UTC, datetime

import streamlit as st

from analytics import formatting
from analytics.alerts import read_channels, test_channel
from analytics.errors import AnalyticsError
from analytics.queries.alerts import ChannelState, channel_states
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, show_refusal
from analytics.ui.frame.page import Page
from analytics.ui.parts.headings import show_heading


def show_channels(page: Page) -> None:
    """The channels, with a button to test each, for who runs the installation."""
    if not page.viewer.sees_all_clients:
        return
    with st.container(border=True, key="channels"):
        show_heading("Channels", "who is told")
        try:
            channels = read_channels(reads.secrets())
        except AnalyticsError as error:
            show_refusal(error)
            return
        if not channels:
            st.caption(
                "Nobody is told outside this page. A channel (e-mail, Slack, Teams, a webhook) is a section "
                "`[alerts.channels.<name>]` in the secrets, or `ALERT_CHANNEL_<NAME>` in the environment."
            )
        states = {state.name: state for state in channel_states(page.database)} if channels else {}
        for channel in channels:
            text, act = st.columns([7, 2], gap="small", vertical_alignment="center")
            text.markdown(
                f"**{escaped(channel.name)}** :gray[{escaped(_told(states.get(channel.name), page.now))}]"
            )
            if act.button("Test this channel", key=f"test {channel.name}", icon=":material/send:"):
                reason = test_channel(channel, datetime.now(UTC))
                if reason is None:
                    text.success("Delivered.", icon=":material/check_circle:")
                else:
                    text.error(escaped(reason), icon=":material/error:")


def _told(state: ChannelState | None, now: datetime) -> str:
    if state is None:
        return "nothing was told yet"
    delivered = (
        f"last delivered {formatting.age(state.delivered_at, now)}"
        if state.delivered_at
        else "none delivered"
    )
    waiting = f", {state.waiting_count} waiting" if state.waiting_count else ""
    failed = f", {state.failed_count} given up" if state.failed_count else ""
    error = f": {state.last_error}" if state.last_error else ""
    return f"{delivered}{waiting}{failed}{error}"
