"""The page Live: the feed as cards, a chart and a table, renewed every few seconds."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.database import Database
from analytics.errors import DatabaseError
from analytics.queries.filters import NO
from analytics.ui.frame.links import open_call
from analytics.ui.frame.messages import escaped, explained, warn_of_last_numbers
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import recall, remember, take
from analytics.ui.frame.ways import Way, calls_made
from analytics.ui.live.feed import HOUR, MINUTE, Feed, read_feed, renew_feed
from analytics.ui.parts import tables
from analytics.ui.parts.cards import Card, show_cards
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.grouping import opener
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.vega import draw_amounts, selected_minutes

LIVE_SECONDS = 3
RECHECK_ACCESS_EVERY = MINUTE
MEAN_MINUTES = 5
MAX_ROWS = 15  # in sight
CONVERSATION_WIDTH = 170  # pixels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Leaving:
    """A click opens another page, which only a run of the whole page can do."""


# Streamlit does not know whether its tab is visible.
_tab = st.components.v2.component(
    "usage_tab",
    js="""
export default function ({ parentElement, setStateValue }) {
  document.removeEventListener("visibilitychange", parentElement.tell);
  parentElement.tell = () => setStateValue("visible", document.visibilityState !== "hidden");
  document.addEventListener("visibilitychange", parentElement.tell);
  if (document.visibilityState === "hidden") parentElement.tell();
  return () => document.removeEventListener("visibilitychange", parentElement.tell);
}
""",
)


def follow_calls(page: Page) -> Feed:
    """Draws the state of the feed and returns it, renewed unless it is paused or its tab is hidden."""
    now = datetime.now(UTC)
    if take(_Leaving) or now - page.now >= RECHECK_ACCESS_EVERY:
        st.rerun()
    is_in_sight = _tab(key="tab", default={"visible": True}, on_visible_change=lambda: None).visible
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="freshness"):
        is_paused = st.toggle("Pause", key="paused", help="Stops reading the database and updating the list.")
        state = st.empty()
    feed = recall(Feed)
    shown = (page.client.id, page.sees_phones, page.filters)
    if feed is None or (feed.client_id, feed.sees_phones, feed.filters) != shown:
        with explained():
            feed = read_feed(
                page.database, page.client.id, now, sees_phones=page.sees_phones, filters=page.filters
            )
    elif is_in_sight and not is_paused:
        feed = _renewed_or_kept(feed, page.database, now)
    remember(feed)
    read_at = f"{feed.read_at.astimezone(ZoneInfo(page.client.timezone)):%H:%M:%S}"
    pace = f"Every {LIVE_SECONDS} seconds" if is_in_sight else "Paused while this tab is hidden"
    pace = "Paused" if is_paused else pace
    state.caption(f"{pace} · as of {read_at}, {page.client.timezone}", width="content")
    if feed.failure:
        warn_of_last_numbers(read_at, feed.failure)
    if feed.calls.empty:
        show_empty(
            f"No calls {'match these filters ' if page.filters else ''}in the last 24 hours",
            f"The next {'such ' if page.filters else ''}call of {escaped(page.client.name)} appears here "
            f"within {LIVE_SECONDS} seconds after it is stored.",
        )
    return feed


def _renewed_or_kept(feed: Feed, database: Database, now: datetime) -> Feed:
    try:
        return renew_feed(feed, database, now)
    except DatabaseError as error:
        if feed.failure is None:
            log.warning("the last good numbers stay on screen: %s", error)
        return replace(feed, failure=str(error))


def show_live_cards(page: Page, feed: Feed) -> None:
    """Requests and tokens per minute, the cost per hour at this rate, and calls without price or usage.

    Each leads to the calls of its minutes.
    """
    last, mean, hour = feed.last_minutes(1), feed.last_minutes(MEAN_MINUTES), feed.hour()
    counted = (mean["unpriced_count"], mean["request_count"])
    per_hour = mean["total_cost"] * (HOUR // MINUTE) / MEAN_MINUTES
    unpriced, without_usage = hour["unpriced_count"], hour["zero_token_count"]
    in_hour = formatting.cost(hour["total_cost"], unpriced, hour["request_count"])
    mean_tokens = formatting.compact(mean["total_tokens"] / MEAN_MINUTES)

    def made(text: str, span: tuple[datetime, datetime], **only: str) -> Way:
        return calls_made(span, page.client.timezone, text, **only)

    last_minute, last_minutes = feed.span_of_minutes(1), feed.span_of_minutes(MEAN_MINUTES)
    requests_line = f"{MEAN_MINUTES}-minute mean {mean['request_count'] / MEAN_MINUTES:,.1f}"
    show_cards(
        [
            Card(
                label="Requests / min",
                opens=made("the calls of that minute", last_minute),
                value=formatting.count(last["request_count"]),
                lines=[made(requests_line, last_minutes)],
                explanation="In the last full minute.",
            ),
            Card(
                label="Tokens / min",
                opens=made("the calls of that minute", last_minute),
                value=formatting.compact(last["total_tokens"]),
                lines=[made(f"{MEAN_MINUTES}-minute mean {mean_tokens}", last_minutes)],
                explanation=f"In the last full minute: {formatting.plural(last['total_tokens'], 'token')}.",
            ),
            Card(
                label="Cost / hour",
                opens=made(f"the calls of these {MEAN_MINUTES} minutes", last_minutes),
                value=formatting.cost(per_hour, *counted, formatting.compact_usd),
                lines=[made(f"{in_hour} in the last hour", feed.span_of_hour)],
                explanation=f"{formatting.exact_usd(per_hour)}, at the rate of the last {MEAN_MINUTES} "
                "full minutes.",
            ),
            Card(
                label="Without price",
                opens=made("those of the last hour", feed.span_of_hour, basis="unpriced"),
                value=formatting.count(unpriced),
                lines=[
                    made(
                        f"of {formatting.plural(hour['request_count'], 'call')} in the last hour",
                        feed.span_of_hour,
                    ),
                    made(
                        f"{formatting.count(without_usage)} without tokens",
                        feed.span_of_hour,
                        **{"has.usage": NO},
                    ),
                ],
                explanation="Calls with unknown cost, and calls without usage.",
            ),
        ]
    )


def show_live_minutes(page: Page, feed: Feed) -> None:
    """The last hour per minute, stacked by provider; a click on a minute opens its calls."""
    with st.container(border=True):
        show_heading("Last hour, per minute", f"{page.measure.title}")
        chart = charts.by_minute(
            feed.minutes,
            page.measure,
            first_at=feed.first_minute,
            last_at=feed.this_minute,
            timezone=page.client.timezone,
        )
        draw_amounts(
            feed.minutes,
            page.measure,
            lambda: chart,
            alt=f"Stacked bars: {page.measure.title} per minute of the last hour, by provider",
            key="minutes chart",
            on_select=lambda selection: _open_minutes(page, selected_minutes(selection, chart)),
            on_series=lambda series: _open_series(opener("provider", chart), series),
        )
        st.caption(
            "Click a minute to see its calls, or draw over several. Times are in "
            f"{page.client.timezone}. The last minute is not over."
        )


def _open_minutes(page: Page, span: tuple[datetime, datetime] | None) -> None:
    if span is not None:
        calls_made(span, page.client.timezone, "").go()
        remember(_Leaving())


def _open_series(open_it: Callable[[charts.Series], None], series: charts.Series) -> None:
    open_it(series)
    remember(_Leaving())


def show_live_calls(page: Page, feed: Feed) -> None:
    """The last calls, newest first."""
    calls = feed.calls
    if calls.empty:
        return
    with st.container(border=True):
        show_heading(
            f"Last {formatting.plural(len(calls), 'call')} within a day",
            "Newest first",
            beside=page.choose_phones,
        )
        by_cost = page.measure.unit == "cost"
        table = pd.DataFrame(
            {
                "Made": charts.on_clock(calls["created_at"], page.client.timezone),
                "Cost": calls["cost_usd"].astype("float64").mask(calls["cost_basis"] == "unpriced"),
                "Tokens": calls["total_tokens"],
                "Conversation": tables.conversation_names(calls),
                "Provider": calls["source"].map(charts.source_name),
                "Model": calls["model"].fillna(formatting.NO_MODEL),
                "Prompt": calls["prompt_tokens"],
                "Completion": calls["completion_tokens"],
                "Outcome": calls["outcome"],
                "Phone": tables.phones(calls),
                "Sum of": calls["bucket_request_count"],
            }
        )
        if not calls["bucket_request_count"].notna().any():
            table = table.drop(columns="Sum of")
        if not calls["outcome"].notna().any():
            table = table.drop(columns="Outcome")
        if not by_cost:
            table.insert(1, "Tokens", table.pop("Tokens"))
        tables.show_table(
            tables.readable(table),
            len(table),
            max_rows=MAX_ROWS,
            columns={
                **tables.CALL_COLUMNS,
                "Made": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss", pinned=True),
                "Conversation": st.column_config.TextColumn(width=CONVERSATION_WIDTH),
            },
            opens=tables.opening("live calls table", calls, _open_call),
        )
        st.caption("Click a call to see all that is known of it.")


def _open_call(call: "pd.Series[Any]") -> None:
    open_call(call)
    remember(_Leaving())
