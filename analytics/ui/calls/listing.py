"""The list of all calls: columns and the place in it are in the address, a click on a row opens one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import streamlit as st

from analytics import formatting
from analytics.errors import InvalidInput
from analytics.queries import CALLS_PER_PAGE, CallPlace, calls_page
from analytics.ui.calls.columns import choose_columns, columns_in_link, looks, table_of
from analytics.ui.frame import address
from analytics.ui.frame.address import Part
from analytics.ui.frame.links import open_here
from analytics.ui.frame.messages import with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way, show_way
from analytics.ui.parts import tables
from analytics.ui.parts.downloads import offer_calls
from analytics.ui.parts.empty import show_empty, show_no_usage
from analytics.ui.parts.headings import show_heading

MAX_ROWS = 25  # in sight
_OLDER, _NEWER = "older", "newer"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_QUOTED = 100  # characters


def read_calls(page: Page) -> Reading[pd.DataFrame]:
    """The page of calls that the address names."""
    return page.read(
        calls_page, page.days, place=_PLACE.value(), sees_phones=page.sees_phones, filters=page.filters
    )


def show_call_list(page: Page, calls: pd.DataFrame) -> None:
    """A page of calls with buttons to the others, or why there are none."""
    if calls.empty:
        _show_none(page)
        return
    columns = columns_in_link()  # before the menu, in which nobody would see what is wrong
    with st.container(border=True):
        show_heading(f"Calls, {page.period}", "Newest first", beside=page.choose_phones)
        _show_sums(calls)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="paging"):
            _paging(calls)
            choose_columns()
            with st.popover(
                "Download", icon=":material/download:", help="The calls of all pages, with these columns"
            ):
                offer_calls(
                    page,
                    page.days,
                    int(calls["matched_count"].iloc[0]),
                    is_unmasked=page.sees_phones,
                    columns=("created_at", *columns),
                )
        table = table_of(calls, columns, page.client.timezone)
        key = f"calls {page.client.id} {page.days} {_PLACE.value()} {columns}"
        tables.show_table(
            tables.readable(table),
            len(table),
            max_rows=MAX_ROWS,
            columns=looks(columns),
            opens=tables.opening(key, calls, open_here),
        )
        st.caption(f"Times are in {page.client.timezone}.")


def _is_whole(calls: pd.DataFrame) -> bool:
    """Whether there are no further calls."""
    return not (calls["has_newer"].iloc[0] or calls["has_older"].iloc[-1])


def _show_sums(calls: pd.DataFrame) -> None:
    """What all of them come to, which opens by model, and how a row opens."""
    told = _sums(calls.iloc[0])
    if not _is_whole(calls):
        told = f"{formatting.count(len(calls))} of {told}"
    if calls["has_older"].iloc[-1] and len(calls) < CALLS_PER_PAGE:
        told += ", as far as a page looks"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="ways calls"):
        show_way(Way(page="providers_and_models", text="these calls by model"), with_dollars(told))
        st.caption("Click a row to see all that is known of the call.", width="content")


def _paging(calls: pd.DataFrame) -> None:
    newest, oldest = calls.iloc[0], calls.iloc[-1]
    if _is_whole(calls):
        return
    for label, icon, is_there, to in (
        ("Newest", ":material/first_page:", newest["has_newer"], None),
        ("Previous", ":material/chevron_left:", newest["has_newer"], _beside(newest, is_newer=True)),
        ("Next", ":material/chevron_right:", oldest["has_older"], _beside(oldest, is_newer=False)),
    ):
        st.button(label, icon=icon, disabled=not is_there, on_click=_turn_to, args=[to])


def _sums(call: "pd.Series[Any]") -> str:
    """`9,332 calls, 11.5M tokens, 9.52M prompt + 1.97M completion, ≥ $17.80`, as far as it is known.

    The same as cards say that lead here.
    """
    count = int(call["matched_count"])
    told = [formatting.plural(count, "call")]
    if not pd.isna(tokens := call["matched_tokens"]):
        told.append(f"{formatting.compact(int(tokens))}{formatting.NO_BREAK_SPACE}tokens")
    if not pd.isna(prompt := call["matched_prompt_tokens"]):
        told.append(formatting.split(int(tokens), int(prompt), int(call["matched_completion_tokens"])))
    if call["matched_cost"] is not None:
        unpriced = int(call["matched_unpriced_count"])
        told.append(formatting.cost(call["matched_cost"], unpriced, count, formatting.compact_usd))
    return ", ".join(told)


def _beside(call: "pd.Series[Any]", *, is_newer: bool) -> CallPlace:
    return CallPlace(created_at=call["created_at"].to_pydatetime(), id=call["id"], is_newer=is_newer)


def _turn_to(place: CallPlace | None) -> None:
    address.put(**_PLACE.changes(place))


def _show_none(page: Page) -> None:
    if _PLACE.value() is None:
        show_no_usage(page)
        return
    show_empty("No further calls", "The list ends here.", icon=":material/last_page:")
    st.button("Go to the newest", type="primary", on_click=_turn_to, args=[None])


def _parse(value: str) -> CallPlace | None:
    """`older~1773835200123456~3f2504e0-...`: microseconds since 1970, and the id of a call."""
    direction, _, rest = value.partition("~")
    moment, _, call = rest.partition("~")
    try:
        if direction in (_OLDER, _NEWER):
            return CallPlace(
                created_at=_EPOCH + int(moment) * _MICROSECOND, id=UUID(call), is_newer=direction == _NEWER
            )
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(
        f"page must be older or newer than a call, such as {_OLDER}~1773835200000000~{UUID(int=0)}, "
        f'not "{value[:_MAX_QUOTED]}"'
    )


def _spell(place: CallPlace | None) -> str:
    if place is None:
        return ""
    moment = (place.created_at - _EPOCH) // _MICROSECOND
    return f"{_NEWER if place.is_newer else _OLDER}~{moment}~{place.id}"


_PLACE: Part[CallPlace | None] = Part(name="page", parse=_parse, spell=_spell, default=None)
