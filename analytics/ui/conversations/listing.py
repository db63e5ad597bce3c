"""The list of all conversations: search, order and page are in the address, a click on a row opens one."""

from collections.abc import Hashable
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analytics import formatting
from analytics.errors import InvalidInput
from analytics.queries import CONVERSATIONS_PER_PAGE, Sort, known_costs, partly_known
from analytics.ui.frame import address, unlinked
from analytics.ui.frame.address import Part
from analytics.ui.frame.links import show_calls_of
from analytics.ui.frame.page import Page
from analytics.ui.parts import tables
from analytics.ui.parts.empty import show_empty, show_no_match, show_no_usage
from analytics.ui.parts.headings import show_heading

ORDERS: dict[str, tuple[Sort, bool]] = {
    "Most tokens": ("tokens", True),
    "Fewest tokens": ("tokens", False),
    "Highest cost": ("cost", True),
    "Lowest cost": ("cost", False),
    "Most requests": ("requests", True),
    "Fewest requests": ("requests", False),
    "Used last": ("last", True),
    "Used longest ago": ("last", False),
    "Name, A to Z": ("name", False),
    "Name, Z to A": ("name", True),
}
DEFAULT_ORDER = "Most tokens"
MAX_SEARCH = 100  # characters
MAX_PAGE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ConversationSearch:
    """What the list shows: matches of a text, in this order, on this page."""

    text: str
    order: str
    number: int
    """The number of the page, from 1."""

    @property
    def query(self) -> dict[str, Hashable]:
        """Arguments of queries.found_conversations()."""
        sort, descending = ORDERS[self.order]
        return {
            "search": self.text,
            "sort": sort,
            "descending": descending,
            "limit": CONVERSATIONS_PER_PAGE,
            "offset": self.offset,
        }

    @property
    def offset(self) -> int:
        """The number of conversations on earlier pages."""
        return (self.number - 1) * CONVERSATIONS_PER_PAGE


def choose_conversations(page: Page) -> ConversationSearch:
    """Draws the controls of search and order; returns them with the page."""
    number = _NUMBER.value()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="search and order"):
        text = _SEARCH.fill_in(
            st.text_input,
            "Search",
            max_chars=MAX_SEARCH,
            type="search",
            placeholder=f"Name, {_phone_part(page)} or id",
            icon=":material/search:",
            live="400ms",
            width=300,
        )
        sort = _SORT.choose(
            st.selectbox,
            "Sort by",
            list(_BY_SLUG),
            format_func=_BY_SLUG.__getitem__,
            width=190,
            help="Sorts all conversations. The headings of the table sort only the rows of this page.",
        )
    return ConversationSearch(text=text.strip(), order=_BY_SLUG[sort], number=number)


def show_conversation_list(page: Page, search: ConversationSearch, listed: pd.DataFrame) -> None:
    """A page of conversations with buttons to the others, or why there are none."""
    if listed.empty:
        _show_none(page, search)
        return
    with st.container(border=True):
        show_heading(f"Conversations, {page.period}", search.order, beside=page.choose_phones)
        _paging(search, listed)
        _table(page, search, listed)


def _table(page: Page, search: ConversationSearch, listed: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {
            "Conversation": tables.conversation_names(listed),
            "Cost": known_costs(listed),
            "Tokens": listed["total_tokens"],
            "Requests": listed["request_count"],
            "OpenAI": listed["openai_tokens"],
            "Groq": listed["groq_tokens"],
            "Other": listed["other_tokens"],
            "No price": listed["unpriced_count"],
            "First used": listed["first_date"],
            "Last used": listed["last_date"],
            "Phone": tables.phones(listed),
        }
    )
    # The column of the order is beside the names, visible on a phone, too.
    sort, _ = ORDERS[search.order]
    first = {"tokens": "Tokens", "requests": "Requests", "last": "Last used"}.get(sort, "Cost")
    table.insert(1, first, table.pop(first))
    # Another page of rows is another widget: it has no earlier selection.
    key = f"conversations {page.client.id} {page.days} {search}"
    tables.show_table(
        tables.readable(tables.without_zeros(table, "Other", "No price"), Cost=partly_known(listed)),
        len(table),
        columns={
            "Conversation": st.column_config.TextColumn(pinned=True, width="medium"),
            "Cost": tables.COST_COLUMN,
            "No price": tables.NO_PRICE_COLUMN,
            "First used": st.column_config.DateColumn(format="D MMM YYYY", help="In the period."),
            "Last used": st.column_config.DateColumn(format="D MMM YYYY", help="In the period."),
        },
        opens=tables.opening(key, listed, show_calls_of, tables.conversation_cells()),
    )


def _paging(search: ConversationSearch, listed: pd.DataFrame) -> None:
    matched = int(listed["matched_count"].iloc[0])
    first, last = search.offset + 1, search.offset + len(listed)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="paging"):
        st.caption(
            f"{formatting.count(first)}\N{EN DASH}{formatting.count(last)} of {formatting.count(matched)}. "
            "Click a row to see its calls.",
            width="content",
        )
        if matched > CONVERSATIONS_PER_PAGE:
            for label, icon, number, is_there in (
                ("Previous", ":material/chevron_left:", search.number - 1, search.number > 1),
                ("Next", ":material/chevron_right:", search.number + 1, last < matched),
            ):
                st.button(label, icon=icon, disabled=not is_there, on_click=_turn_to, args=[number])


def _show_none(page: Page, search: ConversationSearch) -> None:
    if search.number > 1:
        show_empty(
            f"There is no page {formatting.count(search.number)}",
            "The list is shorter.",
            icon=":material/last_page:",
        )
        st.button("Go to the first page", type="primary", on_click=_turn_to, args=[1])
    elif search.text:
        show_no_match("conversation", search.text, f"name, {_phone_part(page)} or start of id", page)
        st.button("Show all conversations", type="primary", on_click=_clear_search)
    else:
        show_no_usage(page)


def _phone_part(page: Page) -> str:
    """The part of a phone that the search compares."""
    return "phone" if page.viewer.may_see_phones(page.client) else "last four digits"


def _turn_to(number: int) -> None:
    address.put(**_NUMBER.changes(number))


def _clear_search() -> None:
    address.put(**_SEARCH.changes(""))


def _parse_search(value: str) -> str:
    search = unlinked.parse(value)
    if len(search) > MAX_SEARCH:
        raise InvalidInput(f"q must be at most {MAX_SEARCH} characters long, not {len(search)}")
    return search


def _parse_sort(value: str) -> str:
    if value not in _BY_SLUG:
        raise InvalidInput(f'sort must be one of {", ".join(_BY_SLUG)}, not "{value[:MAX_SEARCH]}"')
    return value


def _parse_number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:10]) <= MAX_PAGE):
        raise InvalidInput(f'page must be a whole number from 1 to {MAX_PAGE:,}, not "{value[:MAX_SEARCH]}"')
    return int(value)


def _slug(order: str) -> str:
    return order.lower().replace(",", "").replace(" ", "-")


_BY_SLUG = {_slug(order): order for order in ORDERS}
_SEARCH = Part(name="q", parse=_parse_search, spell=unlinked.spell, default="", resets=("page",))
_SORT = Part(name="sort", parse=_parse_sort, default=_slug(DEFAULT_ORDER), resets=("page",))
_NUMBER = Part(name="page", parse=_parse_number, default=1)
