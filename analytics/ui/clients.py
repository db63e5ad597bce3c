"""All clients side by side: their total as cards, and a row each."""

from collections.abc import Hashable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import formatting, queries
from analytics.queries import UNASSIGNED_CLIENT_ID
from analytics.ui import reading
from analytics.ui.cards import Card, cards
from analytics.ui.page import Page, open_overview
from analytics.ui.reading import Reading
from analytics.ui.tables import COST_COLUMN, ROW_HEIGHT

MOST_ROWS_IN_SIGHT = 20
_LINK_COLORS = {"light": "#1D64B4", "dark": "#5AA2F0"}
_TABLE = "clients table"


def read_clients(page: Page) -> Reading[pd.DataFrame]:
    """Usage of each client that the viewer may see, in the page's period."""
    ids = None if page.viewer.sees_all_clients else tuple(client.id for client in page.viewer.clients)
    return reading.read(
        page.database,
        ("clients", ids, page.period),
        lambda moment: queries.usage_by_client(
            page.database, ids, page.period.days, page.period.last, now=moment
        ),
        page.now,
    )


def clients_total(page: Page, shown: Reading[pd.DataFrame]) -> None:
    """Cost, tokens, requests and coverage of all of them together, which is what the rows add up to."""
    frame = shown.value
    requests, unpriced = int(frame["request_count"].sum()), int(frame["unpriced_count"].sum())
    cost = sum(frame["total_cost"], Decimal(0))
    previous_cost = sum(frame["previous_total_cost"], Decimal(0))
    tokens, previous_tokens = int(frame["total_tokens"].sum()), int(frame["previous_total_tokens"].sum())
    days = f"the {page.period.days} days just before"
    used = int((frame["request_count"] > 0).sum())
    cost_change = formatting.change(cost, previous_cost)
    tokens_change = formatting.change(tokens, previous_tokens)
    cards(
        [
            Card(
                label="Total cost",
                value=formatting.cost(cost, unpriced, requests, formatting.compact_usd),
                change=cost_change,
                beside_change=f"vs {formatting.compact_usd(previous_cost)}",
                explanation=f"{formatting.exact_usd(cost)}. Compared with {days}.",
            ),
            Card(
                label="Total tokens",
                value=formatting.compact(tokens),
                change=tokens_change,
                beside_change=f"vs {formatting.compact(previous_tokens)}",
                explanation=f"{formatting.plural(tokens, 'token')}. Compared with {days}.",
            ),
            Card(
                label="Requests",
                value=formatting.count(requests),
                lines=[_coverage(requests, unpriced)],
                explanation=f"Of all clients together, {page.period}.",
            ),
            Card(
                label="Clients",
                value=formatting.count(len(frame)),
                lines=[f"{used} with calls in these days"],
                explanation="All that you may see.",
            ),
        ],
        key="totals",
    )


def clients(page: Page, shown: Reading[pd.DataFrame]) -> None:
    """A row per client, the largest spend first; a click on its name opens its Overview."""
    frame = shown.value
    with st.container(border=True):
        st.markdown(f"## Clients, {page.period}  :small[:gray[each in its own time zone]]")
        st.dataframe(
            _styled(_table(frame, page.now)),
            hide_index=True,
            placeholder=formatting.MISSING,
            height=ROW_HEIGHT * (min(len(frame), MOST_ROWS_IN_SIGHT) + 1) + 3,
            column_config=_COLUMNS,
            on_select=lambda: _open_selected(page, frame),
            selection_mode="single-cell",
            key=_TABLE,
        )
        st.caption("Click a client to open its Overview, a heading to sort.")


def _open_selected(page: Page, frame: pd.DataFrame) -> None:
    if cells := st.session_state[_TABLE].selection.cells:
        row, _ = cells[0]
        open_overview(page, frame["client_id"].iloc[row])


def _coverage(requests: int, unpriced: int) -> str:
    if not requests:
        return "nothing to price"
    return f"{formatting.share(requests - unpriced, requests)} with a known cost"


def _table(frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    unknown = (frame["unpriced_count"] > 0) & (frame["unpriced_count"] == frame["request_count"])
    priced = (frame["request_count"] - frame["unpriced_count"]).astype("float64")
    names = frame["client_name"].where(frame["client_id"] != UNASSIGNED_CLIENT_ID, "(calls without a client)")
    return pd.DataFrame(
        {
            "Client": names,
            "Cost": frame["total_cost"].astype("float64").mask(unknown),
            "Cost change": _change(frame["total_cost"], frame["previous_total_cost"]),
            "Tokens": frame["total_tokens"],
            "Tokens change": _change(frame["total_tokens"], frame["previous_total_tokens"]),
            "Requests": frame["request_count"],
            "Priced": priced.div(frame["request_count"].where(frame["request_count"] > 0)),
            "Last call": frame["last_call_at"],
            "Time zone": frame["timezone"],
        }
    )


def _change(now: "pd.Series[Any]", before: "pd.Series[Any]") -> "pd.Series[float]":
    """1 is twice as much; missing where there was nothing before."""
    past = before.astype("float64")
    return now.astype("float64").sub(past).div(past.where(past > 0))


def _styled(table: pd.DataFrame) -> Any:
    styler = table.style.set_properties(
        subset=["Client"], color=_LINK_COLORS.get(st.context.theme.type or "", _LINK_COLORS["light"])
    )
    styler = styler.format(lambda cost: formatting.usd(Decimal(repr(cost))), subset=["Cost"], na_rep="")
    styler = styler.format("{:,}", subset=["Tokens", "Requests"])
    changes: list[Hashable] = ["Cost change", "Tokens change"]
    return styler.format(_percent, subset=changes, na_rep="")


def _percent(ratio: Any) -> str:
    return f"{ratio * 100:+,.{1 if abs(ratio) < 1 else 0}f}%"


_COLUMNS = {
    "Client": st.column_config.TextColumn(width="medium", help="Click to open its Overview."),
    "Cost": COST_COLUMN,
    "Cost change": st.column_config.NumberColumn(
        "Change", help="Of the cost, against as many days just before."
    ),
    "Tokens change": st.column_config.NumberColumn(
        "Change ", help="Of the tokens, against as many days just before."
    ),
    "Priced": st.column_config.NumberColumn(
        "Priced", format="percent", help="Share of the requests whose cost is known."
    ),
    "Last call": st.column_config.DatetimeColumn(
        format="distance", help="The last call of all, in these days or not."
    ),
}
