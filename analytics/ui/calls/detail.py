"""One call on a page of its own: found by an id, with all that is known of it."""

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.errors import InvalidInput
from analytics.queries import KnownCall
from analytics.ui.frame import address, unlinked
from analytics.ui.frame.address import Part
from analytics.ui.frame.links import CALL, open_conversation, open_here
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.parts import tables
from analytics.ui.parts.call import show_call_facts
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading

MAX_ID = 200  # characters
MAX_ATTEMPTS = 10  # in sight


def call_in_link() -> str:
    """Draws the box in which a call is found by an id; the id in the address, empty for the list of all."""
    asked = _FIND.fill_in(
        st.text_input,
        "Find a call",
        max_chars=MAX_ID,
        type="search",
        placeholder="Id of a call, response or operation",
        icon=":material/search:",
        width=420,
        help="The whole id of a call, the one that the application gave it, or that of the provider's "
        "response, whatever its day and whatever the filters. Or that of an operation, which finds its "
        "newest call among the newest 50,000 of these days.",
    )
    return CALL.value() or asked.strip()


def show_call(page: Page, asked: str, known: KnownCall) -> None:
    """All that is known of a call, the way to its conversation, and the other attempts at the same."""
    st.button("All calls", icon=":material/arrow_back:", type="tertiary", on_click=_close)
    if known.call.empty:
        show_empty(
            "No such call",
            f"{escaped(page.client.name)} has no call with the id {escaped(asked)}. A call is found by its "
            "own id, by the one that its application gave it, and by that of the provider's response; by "
            "that of its operation among the newest 50,000 calls of these days.",
            icon=":material/search_off:",
        )
        return
    row = known.call.iloc[0]
    with st.container(border=True, gap="small", key="call facts"):
        show_call_facts(page, row.to_dict(), beside=page.choose_phones)
        [name] = tables.conversation_names(known.call)
        st.button(
            f"Timeline of {escaped(name)}",
            icon=":material/forum:",
            on_click=open_conversation,
            args=[page, row],
        )
    if not known.other_attempts.empty:
        _show_attempts(page, known.other_attempts)


def _show_attempts(page: Page, attempts: pd.DataFrame) -> None:
    unpriced = attempts["cost_basis"] == "unpriced"
    table = pd.DataFrame(
        {
            "Made": charts.on_clock(attempts["created_at"], page.client.timezone),
            "Cost": attempts["cost_usd"].astype("float64").mask(unpriced),
            "Tokens": attempts["total_tokens"],
            "Model": attempts["model"].fillna(formatting.NO_MODEL),
            "Provider": attempts["source"].map(charts.source_name),
            "Attempt": attempts["attempt"],
            "Outcome": attempts["outcome"],
            "Latency": attempts["latency_ms"],
        }
    )
    key = f"attempts {attempts['id'].iloc[0]}"
    with st.container(border=True):
        show_heading("Other calls of this operation", "Within an hour of it, oldest first")
        tables.show_table(
            tables.readable(table.loc[:, table.notna().any()]),
            len(table),
            max_rows=MAX_ATTEMPTS,
            columns=tables.CALL_COLUMNS,
            opens=tables.opening(key, attempts, open_here),
        )


def _close() -> None:
    address.put(call=None, find=None)


def _parse(value: str) -> str:
    text = unlinked.parse(value)
    if len(text) > MAX_ID or not text.isprintable():
        raise InvalidInput(
            f"find must be an id of at most {MAX_ID} characters that can be printed, not {text[:MAX_ID]!r}"
        )
    return text


_FIND = Part(name="find", parse=_parse, spell=unlinked.spell, default="", resets=("call",))
