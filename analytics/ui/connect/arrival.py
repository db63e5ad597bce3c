"""Whether a call has come since the page was opened: looked at every few seconds, until there is one."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.access.keys import key_used_at
from analytics.errors import DatabaseError
from analytics.queries import live_usage
from analytics.ui.connect.keys import MadeKey
from analytics.ui.connect.tools import Tool
from analytics.ui.frame.messages import escaped, reason
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import recall_here, remember_here
from analytics.ui.frame.ways import Way, show_ways

LOOK_EVERY_SECONDS = 3
RECHECK_ACCESS_EVERY = timedelta(minutes=1)
CALLS_WITHIN = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """What there was when a visitor came to these lines, and the first call that came then."""

    client_id: UUID
    tool: str
    since: datetime
    known: frozenset[UUID]
    call: "pd.Series[Any] | None" = None
    key_was_used: bool = False

    def is_of(self, page: Page, tool: Tool) -> bool:
        """Whether it is of what is shown."""
        return (self.client_id, self.tool) == (page.client.id, tool.name)


def show_arrival(page: Page, tool: Tool, key: MadeKey | None) -> None:
    """The first call of the client since this tool was chosen, with a link to it; waits for it."""
    watch = recall_here(_Watch)
    with st.container(border=True, key="arrival"):
        if watch is not None and watch.is_of(page, tool) and watch.call is not None:
            _show_call(watch, watch.call, key)
        else:
            _wait(page, tool, key)


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _wait(page: Page, tool: Tool, key: MadeKey | None) -> None:
    """All that looks again; a call ends it."""
    now = datetime.now(UTC)
    if now - page.now >= RECHECK_ACCESS_EVERY:
        st.rerun()
    watch = recall_here(_Watch)
    try:
        if watch is None or not watch.is_of(page, tool):
            since = now - CALLS_WITHIN
            known = frozenset(_calls(page, since, now)["id"])
            watch = _Watch(client_id=page.client.id, tool=tool.name, since=since, known=known)
            remember_here(watch)
        calls = _calls(page, watch.since, now)
        new = calls[~calls["id"].isin(watch.known)]
        used_at = key_used_at(page.database, key.id) if key else None
    except DatabaseError as error:
        log.warning("cannot tell whether a call has come: %s", error)
        st.warning(f"**The database does not answer.** The page keeps trying. {reason(str(error))}")
        return
    if not new.empty:
        remember_here(replace(watch, call=new.iloc[-1], key_was_used=used_at is not None))
        st.rerun()
    if used_at is None:
        st.markdown(
            f":material/hourglass_empty: **Waiting for a call of {escaped(page.client.name)}.** It appears "
            "here by itself, within seconds after it is stored."
        )
        return
    st.markdown(
        ":material/mark_email_unread: **The key is in use, but no call has come yet.** A tool may ask "
        "first, and send its calls later. What looks like a call and is none is on Data health."
    )
    show_ways([Way(page="data_health", text="Open Data health")], "passed over")


def _calls(page: Page, since: datetime, now: datetime) -> pd.DataFrame:
    calls, _ = live_usage(
        page.database, page.client.id, calls_since=since, minutes_since=now - _MINUTE, until=now
    )
    return calls


def _show_call(watch: _Watch, call: "pd.Series[Any]", key: MadeKey | None) -> None:
    by_key = f", while the key {escaped(key.name)} was in use" if key and watch.key_was_used else ""
    st.success(f"**A call has come**{by_key}.", icon=":material/check_circle:")
    model = call["model"] or formatting.NO_MODEL
    made = (
        f"{charts.source_name(call['source'])}, {model}, {formatting.plural(call['total_tokens'], 'token')}"
    )
    show_ways([Way(page="calls", text=escaped(made), parts={"call": str(call["id"])})], "arrived")
