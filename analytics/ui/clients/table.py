"""All clients side by side: their total as cards, and a row each."""

from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import formatting, queries
from analytics.calls.row import UNASSIGNED_CLIENT
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import known_costs, partly_known, total_change
from analytics.ui.frame import reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.links import open_overview, to_client
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way
from analytics.ui.parts.cards import Card, changed, coverage_line, show_cards
from analytics.ui.parts.empty import show_no_match
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import COST_COLUMN, harmless, marked_bounds, opening, show_table

MAX_ROWS = 100  # in sight
MAX_SEARCH = 100  # characters
MIN_RATIO = Decimal("1e-9")
_LINK_COLORS = {"light": "#1D64B4", "dark": "#5AA2F0"}


def read_clients(page: Page) -> Reading[pd.DataFrame]:
    """Usage of each client that the viewer may see, in the page's period."""
    ids = None if page.viewer.sees_all_clients else tuple(client.id for client in page.viewer.clients)
    return reads.read(
        page.database,
        ("clients", ids, page.period, page.filters),
        lambda moment: queries.usage_by_client(
            page.database,
            ids,
            page.period.days,
            page.period.last,
            _compared(page),
            now=moment,
            filters=page.filters,
        ),
        page.now,
    )


def show_clients_total(page: Page, reading: Reading[pd.DataFrame]) -> None:
    """Cost, tokens, requests and coverage of all clients together, as the rows add up."""
    frame = reading.value
    total = _total(frame)
    requests, unpriced, cost = total["request_count"], total["unpriced_count"], total["total_cost"]
    days = f"Compared with {_before(page)}."
    if total["no_comparison"] is not None:
        days = f"Not compared: {total['no_comparison']}."
    used = int((frame["request_count"] > 0).sum())
    show_cards(
        [
            Card(
                label="Total cost",
                opens=_ordered_by("cost"),
                value=formatting.cost(cost, unpriced, requests, formatting.compact_usd),
                explanation=f"{formatting.exact_usd(cost)}. {days}",
                **changed(
                    total_change(total, "total_cost", total["no_comparison"]),
                    formatting.compact_usd(total["previous_total_cost"]),
                ),
            ),
            Card(
                label="Total tokens",
                opens=_ordered_by("tokens"),
                value=formatting.compact(total["total_tokens"]),
                explanation=f"{formatting.plural(total['total_tokens'], 'token')}. {days}",
                **changed(
                    total_change(total, "total_tokens", total["no_comparison"]),
                    formatting.compact(total["previous_total_tokens"]),
                ),
            ),
            Card(
                label="Requests",
                opens=_ordered_by("requests"),
                value=formatting.count(requests),
                lines=[replace(_ordered_by("unpriced"), text=coverage_line(requests, unpriced))]
                if unpriced
                else [coverage_line(requests, unpriced)],
                explanation=f"Of all clients together, {page.period}.",
            ),
            Card(
                label="Clients",
                opens=_ordered_by("name"),
                value=formatting.count(len(frame)),
                lines=[f"{used} with calls in these days"],
                explanation="All clients that you may see.",
            ),
        ],
        key="totals",
    )


def show_clients(page: Page, reading: Reading[pd.DataFrame]) -> None:
    """A row per client that matches the search, highest cost first; a click on one opens its Overview."""
    everybody = reading.value
    with st.container(border=True):
        heading = st.container()
        search = _SEARCH.fill_in(
            st.text_input,
            "Search",
            max_chars=MAX_SEARCH,
            type="search",
            placeholder="Name of a client",
            icon=":material/search:",
            live="400ms",
            width=300,
            label_visibility="collapsed",
        ).strip()
        matches = [formatting.matches_search(search, name) for name in _names(everybody)]
        frame = _in_order(everybody[matches])
        count = formatting.plural(len(everybody), "client")
        count = f"{formatting.count(len(frame))} of {count}" if search else count
        with heading:
            show_heading(f"Clients, {page.period}", f"{count}, {_ORDERS[_ORDER.value()]}")
        if frame.empty:
            show_no_match("client", search, "name", page)
            return
        # Other rows are another widget: it has no earlier clicks.
        key = f"clients table {search} {_ORDER.value()}"
        show_table(
            _styled(harmless(_table(frame, page.now)), frame),
            len(frame),
            max_rows=MAX_ROWS,
            columns=_COLUMNS,
            opens=opening(
                key,
                frame,
                lambda row: open_overview(page, row["client_id"]),
                {
                    "Requests": lambda row: _open_calls(page, row),
                    "Priced": lambda row: _open_calls(page, row, basis="unpriced"),
                    "Last call": lambda row: _open_last_call(page, row),
                },
            )
            | {"selection_mode": "single-cell"},
        )
        more = " Scroll in the table for more." if len(frame) > MAX_ROWS else ""
        st.caption(
            "Click a client to open its Overview, its requests or its last call to see its calls, and what "
            "is priced to see those without a price. Days are in each client's own time zone."
            f"{more}"
        )


def _open_calls(page: Page, row: "pd.Series[Any]", days: str | None = None, **only: str) -> None:
    """Leaves for the calls of a client, in a callback."""
    parts = to_client(page, row["client_id"]) | ({"days": days} if days else {})
    Way(page="calls", text="", only=only, parts=parts).go()


def _open_last_call(page: Page, row: "pd.Series[Any]") -> None:
    if pd.isna(row["last_call_at"]):
        open_overview(page, row["client_id"])
        return
    day = row["last_call_at"].tz_convert(row["timezone"]).date()
    _open_calls(page, row, days=str(Days(day, day)))


def _ordered_by(name: str) -> Way:
    """The way to the rows that a card sums, in its order."""
    return Way(page="clients", text=f"clients, {_ORDERS[name]}", parts=_ORDER.changes(name))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows as the address has them in order; they come by their cost."""
    order = _ORDER.value()
    if order == "name":
        frame = frame.sort_values("client_name", kind="stable", key=lambda names: names.str.lower())
    elif order != "cost":
        column = {
            "tokens": "total_tokens",
            "requests": "request_count",
            "unpriced": "unpriced_count",
        }[order]
        frame = frame.sort_values(column, kind="stable", ascending=False)
    return frame.reset_index(drop=True)


def _total(frame: pd.DataFrame) -> dict[str, Any]:
    """The sums of all clients. They compare as soon as one client does: usage of newer ones is growth."""
    counts = ("total_tokens", "request_count", "unpriced_count")
    reasons = list(frame["no_comparison"])
    return {
        **{name: int(frame[name].sum()) for name in counts},
        **{f"previous_{name}": int(frame[f"previous_{name}"].sum()) for name in counts[::2]},
        **{name: sum(frame[name], Decimal(0)) for name in ("total_cost", "previous_total_cost")},
        "no_comparison": None if None in reasons else next(iter(reasons), "there are no clients"),
    }


def _compared(page: Page) -> Days | None:
    """Days of the calendar to compare with, where they are as many; None for those just before."""
    if page.period.name is None:
        return None
    before = page.period.before(page.days.last)
    return before if len(before) == len(page.days) else None


def _before(page: Page) -> str:
    """The days to compare with; up to the same time of day where the period is not over."""
    days = f"the {formatting.plural(page.period.days, 'day')} before"
    if compared := _compared(page):
        days = window(compared)
    is_running = page.period.last is None or page.period.last >= page.client.today(page.now)
    return f"{days}, up to the same time of day" if is_running else days


def _table(frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    priced = (frame["request_count"] - frame["unpriced_count"]).astype("float64")
    return pd.DataFrame(
        {
            "Client": _names(frame),
            "Cost": known_costs(frame),
            "Cost change": _changes(frame, "total_cost"),
            "Tokens": frame["total_tokens"],
            "Tokens change": _changes(frame, "total_tokens"),
            "Requests": frame["request_count"],
            "Priced": priced.div(frame["request_count"].where(frame["request_count"] > 0)),
            "Last call": frame["last_call_at"],
            "Time zone": frame["timezone"],
        }
    )


def _changes(frame: pd.DataFrame, name: str) -> "pd.Series[float]":
    """The change of each row: 1 for twice as much; missing where there is none to show."""
    changes = []
    for row in frame.to_dict("records"):
        now, before = row[name], row[f"previous_{name}"]
        is_shown = total_change(row, name, row["no_comparison"]).text is not None
        # A rest of something is never -100%, whatever a float makes of it.
        least = MIN_RATIO if now else Decimal(0)
        changes.append(float(max(Decimal(now) / before, least) - 1) if is_shown else None)
    return pd.Series(changes, index=frame.index, dtype="float64")


def _names(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["client_name"].where(frame["client_id"] != UNASSIGNED_CLIENT, "(calls without a client)")


def _styled(table: pd.DataFrame, frame: pd.DataFrame) -> Any:
    styler = table.style.set_properties(
        subset=["Client"], color=_LINK_COLORS.get(st.context.theme.type or "", _LINK_COLORS["light"])
    )
    formats: dict[Hashable, Any] = {
        "Cost": lambda cost: formatting.usd(Decimal(repr(cost))),
        **dict.fromkeys(("Tokens", "Requests"), "{:,}"),
        **dict.fromkeys(("Cost change", "Tokens change"), _percent),
    }
    styler = styler.format(formats, subset=list(formats), na_rep="")
    return marked_bounds(styler, table, {"Cost": partly_known(frame)})


def _percent(change: object) -> str:
    return formatting.change(Decimal(repr(change)) + 1, 1) or ""


_COMPARED = "compared with the days before, up to the same time of day; a dash where data begin within them"
_COLUMNS = {
    "Client": st.column_config.TextColumn(width="medium", help="Click to open its Overview."),
    "Cost": COST_COLUMN,
    "Cost change": st.column_config.NumberColumn(
        "Change", help=f"Cost {_COMPARED}, or where some cost is unknown."
    ),
    "Tokens change": st.column_config.NumberColumn("Change ", help=f"Tokens {_COMPARED}."),
    "Priced": st.column_config.NumberColumn(
        "Priced", format="percent", help="Share of the requests whose cost is known."
    ),
    "Last call": st.column_config.DatetimeColumn(
        format="distance", help="The client's last call, even outside these days."
    ),
}


def _parse_search(value: str) -> str:
    if len(value) > MAX_SEARCH:
        raise InvalidInput(f"q must be at most {MAX_SEARCH} characters long, not {len(value)}")
    return value


def _parse_order(value: str) -> str:
    if value not in _ORDERS:
        raise InvalidInput(f'order must be one of {", ".join(_ORDERS)}, not "{value[:MAX_SEARCH]}"')
    return value


_ORDERS = {
    "cost": "highest known cost first",
    "tokens": "most tokens first",
    "requests": "most requests first",
    "unpriced": "most calls without a price first",
    "name": "by name",
}
_ORDER = Part(name="order", parse=_parse_order, default="cost")
_SEARCH = Part(name="q", parse=_parse_search, default="")
