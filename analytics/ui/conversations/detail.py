"""One conversation: its heading, cards, charts and calls."""

from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.charts import PICKED
from analytics.queries import Timeline, known_costs, partly_known
from analytics.ui.frame import address
from analytics.ui.frame.filters import show_only_model
from analytics.ui.frame.links import CALL, LinkedConversation, close_conversation, open_calls_of
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import calls_with, of_conversation
from analytics.ui.parts import tables
from analytics.ui.parts.call import show_call_facts
from analytics.ui.parts.cards import Card, show_cards
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.grouping import opener
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.vega import Selection, draw

MAX_ROWS = 15  # in sight
MODEL_WIDTH = 150  # pixels; with them all columns fit at 1366
MAX_MODELS = 10  # in sight


def show_conversation_heading(page: Page, link: LinkedConversation, timeline: Timeline) -> None:
    """A button back to the list, and name, id and phone; ends the page where there are no calls."""
    st.button("All conversations", icon=":material/arrow_back:", type="tertiary", on_click=close_conversation)
    if timeline.calls.empty:
        named = f" `{link.conversation_id}`" if link.conversation_id else ""
        show_empty(
            f"No calls, {page.period}",
            f"{escaped(page.client.name)} has no conversation{named} with calls in these days"
            f"{' that pass the filters' if page.filters else ''}. Choose other days, or go back to all "
            "conversations.",
            icon=":material/search_off:",
        )
        st.stop()
    show_heading(_name(link, timeline), beside=page.choose_phones)
    first_at, last_at = (
        _clock(timeline.calls["created_at"].iloc[place], page.client.timezone) for place in (0, -1)
    )
    parts = [f"id `{link.conversation_id}`"] if link.conversation_id else []
    if not timeline.conversation.empty and (phone := timeline.conversation["phone"].iloc[0]):
        parts.append(f"phone {escaped(phone)}")
    until = (
        f"last call {last_at}" if not _is_truncated(timeline) else f"{_first_of(timeline)}, up to {last_at}"
    )
    st.caption(" · ".join([*parts, f"first call {first_at}", until]))


def show_conversation_cards(link: LinkedConversation, timeline: Timeline) -> None:
    """Cost, tokens and calls of the whole conversation in the period: each leads to these calls."""
    of_it = of_conversation({"conversation_id": link.conversation_id, "phone_handle": link.phone_handle})
    total = _total(timeline)
    priced_count = int(total["request_count"] - total["unpriced_count"])
    exact = formatting.exact_usd(total["total_cost"])
    if total["unpriced_count"]:
        exact = f"{exact}; {formatting.plural(total['unpriced_count'], 'call')} without a price"
    per_call = total["total_cost"] / Decimal(priced_count) if priced_count else None
    failures = "" if _is_truncated(timeline) else _failures(timeline.calls)
    show_cards(
        [
            Card(
                label="Cost",
                value=formatting.cost(
                    total["total_cost"],
                    total["unpriced_count"],
                    total["request_count"],
                    formatting.compact_usd,
                ),
                explanation=exact,
                opens=calls_with("its calls", **of_it),
                warning=calls_with(
                    f"{formatting.plural(total['unpriced_count'], 'call')} at unknown cost",
                    **of_it,
                    basis="unpriced",
                )
                if total["unpriced_count"]
                else "",
            ),
            Card(
                label="Tokens",
                value=formatting.compact(total["total_tokens"]),
                explanation=formatting.plural(total["total_tokens"], "token"),
                opens=calls_with("its calls", **of_it),
            ),
            Card(
                label="Calls",
                value=formatting.count(total["request_count"]),
                opens=calls_with("its calls", **of_it),
                lines=[calls_with(failures, **of_it, outcome="error,refused,cut")] if failures else [],
                explanation="Calls in the period",
            ),
            Card(
                label="Cost per call",
                value="unknown" if per_call is None else formatting.compact_usd(per_call),
                opens=calls_with("its calls with a price", **of_it, **{"basis!": "unpriced"}),
                explanation="Of the calls with a known price"
                + ("" if per_call is None else f": {formatting.exact_usd(per_call)}"),
            ),
        ]
    )


def show_conversation_charts(page: Page, timeline: Timeline) -> None:
    """Tokens of each call and the cost so far over time, and beside them the models used."""
    calls = timeline.calls
    note = f"{_first_of(timeline)}, " if _is_truncated(timeline) else ""
    chart, models = st.columns([1.25, 1], gap="small")
    with chart, st.container(border=True, height="stretch"):
        show_heading(f"Calls over time, {page.period}", f"{note}Tokens and cost so far")
        chart_of_calls = charts.timeline(calls, page.client.timezone)
        draw(
            chart_of_calls,
            alt="Points: tokens of each call over time, by provider. Line: the cost so far",
            key="timeline chart",
            on_select=_open_point,
            on_series=opener("provider", chart_of_calls),
        )
        st.caption(
            f"Click a point to see all that is known of its call. Times are in {page.client.timezone}."
        )
    with models, st.container(border=True, height="stretch"):
        show_heading(f"Models used, {page.period}", f"{note}Most tokens first")
        _models(calls)


def _open_point(selection: Selection) -> None:
    if picked := selection.get(PICKED):
        address.put(**CALL.changes(str(picked[0]["id"])))


def show_conversation_calls(page: Page, link: LinkedConversation, timeline: Timeline) -> None:
    """Every call, oldest first, and below all that is known of the one that is selected."""
    calls = timeline.calls
    unpriced, requests = calls["cost_basis"] == "unpriced", charts.requests_of(calls)
    so_far = pd.DataFrame(
        {
            "total_cost": calls["running_cost"],
            "unpriced_count": (requests * unpriced).cumsum(),
            "request_count": requests.cumsum(),
        }
    )
    table = pd.DataFrame(
        {
            "Made": charts.on_clock(calls["created_at"], page.client.timezone),
            "Sum of": calls["bucket_request_count"],
            "Cost": calls["cost_usd"].astype("float64").mask(unpriced),
            "Tokens": calls["total_tokens"],
            "Running cost": known_costs(so_far),
            "Running tokens": calls["running_tokens"],
            "Provider": calls["source"].map(charts.source_name),
            "Model": calls["model"].fillna(formatting.NO_MODEL),
            "Prompt": calls["prompt_tokens"],
            "Completion": calls["completion_tokens"],
            "Basis": calls["cost_basis"],
            "Outcome": calls["outcome"],
            "Latency": calls["latency_ms"],
        }
    )
    table = table.loc[:, table.notna().any()]
    with st.container(border=True):
        title = f"First {len(calls):,} of {_count(timeline):,} calls" if _is_truncated(timeline) else "Calls"
        all_calls = partial(_link_to_all_calls, page, link, timeline) if _is_truncated(timeline) else None
        show_heading(f"{title}, {page.period}", "Oldest first", beside=all_calls)
        call = CALL.select_in(
            lambda **selecting: tables.show_table(
                tables.readable(table, **{"Running cost": partly_known(so_far)}),
                len(table),
                max_rows=MAX_ROWS,
                columns={
                    **tables.CALL_COLUMNS,
                    "Running cost": st.column_config.NumberColumn(
                        "Cost so far", help="Of this call and those before it in the period, in USD."
                    ),
                    "Running tokens": st.column_config.NumberColumn(
                        "Tokens so far", help="Of this call and those before it in the period."
                    ),
                    "Model": st.column_config.TextColumn(width=MODEL_WIDTH),
                },
                opens={**selecting, "selection_mode": "single-cell"},
            ),
            lambda key: _selected(key, calls),
        )
        st.caption("Click a call to see all that is known of it, below.")
    if call:
        _show_call(page, call, calls)


def _link_to_all_calls(page: Page, link: LinkedConversation, timeline: Timeline) -> None:
    st.button(
        f"All {formatting.plural(_count(timeline), 'call')}, page by page",
        icon=":material/receipt_long:",
        on_click=open_calls_of,
        args=[page, link],
    )


def _show_call(page: Page, call: str, calls: pd.DataFrame) -> None:
    """A panel with what is known of the call with this id."""
    id = UUID(call)
    with st.container(border=True, gap="small", key="call facts"):
        if (calls["id"] == id).any():
            known = page.read(queries.known_call, call, sees_phones=page.sees_phones).value.call
            [row] = known[known["id"] == id].to_dict("records")
            show_call_facts(page, row, beside=_close_call)
            return
        show_empty(
            "This call is not here",
            "It is not among the calls above: it was made on another day, or in another conversation.",
            icon=":material/search_off:",
        )
        _close_call()


def _close_call() -> None:
    st.button("Close", icon=":material/close:", type="tertiary", on_click=address.put, kwargs={"call": None})


def _selected(key: str, calls: pd.DataFrame) -> str:
    row = tables.selected(key, calls)
    return "" if row is None else str(row["id"])


def _failures(calls: pd.DataFrame) -> str:
    """`2 failed, 1 cut`; empty where all went well, as far as the calls say."""
    words = {"error": "failed", "refused": "refused", "cut": "cut"}
    requests = charts.requests_of(calls)
    counts = {word: int(requests[calls["outcome"] == outcome].sum()) for outcome, word in words.items()}
    return ", ".join(f"{formatting.count(count)} {word}" for word, count in counts.items() if count)


def _models(calls: pd.DataFrame) -> None:
    requests = charts.requests_of(calls)
    by_model = (
        calls.assign(requests=requests, unpriced=requests * (calls["cost_basis"] == "unpriced"))
        .groupby(["source", "model"], dropna=False)
        .agg(
            total_tokens=("total_tokens", "sum"),
            total_cost=("cost_usd", "sum"),
            request_count=("requests", "sum"),
            unpriced_count=("unpriced", "sum"),
        )
        .reset_index()
        .sort_values(["total_tokens", "source"], ascending=[False, True])
    )
    table = pd.DataFrame(
        {
            "Model": [
                formatting.NO_MODEL if pd.isna(model) else f"{model} ({charts.source_name(source)})"
                for source, model in zip(by_model["source"], by_model["model"], strict=True)
            ],
            "Tokens": by_model["total_tokens"],
            "Cost": known_costs(by_model),
            "Calls": by_model["request_count"],
        }
    )
    tables.show_table(
        tables.readable(table, Cost=partly_known(by_model)),
        len(table),
        max_rows=MAX_MODELS,
        columns={"Cost": tables.COST_COLUMN, "Model": st.column_config.TextColumn(width=MODEL_WIDTH)},
        opens=tables.opening(
            "models used table", by_model, lambda row: show_only_model(row["source"], row["model"])
        ),
    )


def _total(timeline: Timeline) -> dict[str, Any]:
    """The sums of the conversation, or of the calls on the page where it has no row."""
    if not timeline.conversation.empty:
        return dict(timeline.conversation.iloc[0])
    calls, requests = timeline.calls, charts.requests_of(timeline.calls)
    return {
        "total_tokens": int(calls["running_tokens"].iloc[-1]),
        "total_cost": calls["running_cost"].iloc[-1],
        "request_count": int(requests.sum()),
        "unpriced_count": int(requests[calls["cost_basis"] == "unpriced"].sum()),
    }


def _count(timeline: Timeline) -> int:
    return int(timeline.calls["call_count"].iloc[0])


def _is_truncated(timeline: Timeline) -> bool:
    return _count(timeline) > charts.requests_of(timeline.calls).sum()


def _first_of(timeline: Timeline) -> str:
    return f"first {formatting.count(len(timeline.calls))} of {formatting.plural(_count(timeline), 'call')}"


def _name(link: LinkedConversation, timeline: Timeline) -> str:
    if timeline.conversation.empty:
        return escaped(tables.NO_CONVERSATION if link.phone_handle is None else tables.UNNAMED)
    return escaped(tables.conversation_names(timeline.conversation)[0])


def _clock(moment: pd.Timestamp, timezone: str) -> str:
    at = moment.tz_convert(timezone)
    return f"{formatting.day(at)}, {at:%H:%M}"
