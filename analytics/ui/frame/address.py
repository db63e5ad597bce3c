"""The address: it alone says what a page shows. Controls show what it says, and a change writes it.

A change of a control is one entry of the browser's history. Links, Back, Forward and a reload reach the
script with the whole address, as no control is bound to a part of it: Streamlit takes bound parts out when it
changes the page. A session keeps only what it has drawn, to tell a change from what is out of date.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import streamlit as st

from analytics.errors import InvalidInput
from analytics.queries import Filters, is_filter
from analytics.ui.frame.messages import sentence
from analytics.ui.frame.state import session, value_of

SHARED = ("client", "days", "show", "by", "grain")
"""Parts that all pages share, besides filters; they stand first."""
PLACE_IN_LIST = ("page", "call", "find", "values")
"""Parts that say where in a list one is: it is another list with other days, filters or another client."""
OF_ONE_CLIENT = ("timeline", "conversation", "conversation!", "budget", "value")
"""Parts that end with a client: no other one has this conversation, or this budget."""
_SAME_PAGE = "anew"
"""Marks a link to the current page, for which Streamlit does not write the address."""

Value = TypeVar("Value")

log = logging.getLogger(__name__)

_browser = st.components.v2.component(
    "usage_address", js=Path(__file__).with_name("address.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True, kw_only=True)
class Part(Generic[Value]):
    """A part of the address with the control that chooses it."""

    name: str
    """The name of the parameter."""
    parse: Callable[[str], Value]
    """Parses a text; raises InvalidInput with the allowed values."""
    default: Value
    """This value is left out of the address."""
    spell: Callable[[Value], str] = str
    """Formats a value for the address."""
    resets: Sequence[str] = ()
    """Parts that a change of this one removes."""
    is_always_written: bool = False
    """Writes the default, too, once it was chosen: tomorrow it may be another one."""

    def value(self) -> Value:
        """The value in the address; where it is not valid, ends the page with a message and a way on."""
        text = session().address.query.get(self.name)
        if text is None:
            return self.default
        try:
            return self.parse(text)
        except InvalidInput as error:
            self.refuse(error)

    def refuse(self, error: InvalidInput) -> NoReturn:
        """Ends the page with a message on this part, and a button to go on without it."""
        log.warning("a link does not work: %s", error)
        st.error(f"**This link does not work.** {sentence(error)}", icon=":material/link_off:")
        st.button("Go on without it", type="primary", on_click=put, kwargs={self.name: None})
        st.stop()

    def choose(self, control: Callable[..., Any], label: str, options: Sequence[Value], **look: Any) -> Value:
        """Draws st.selectbox or st.segmented_control to change the value; returns it."""
        value = self.value()
        # A choice that is made elsewhere is none of a row of choices.
        shown = value if value in options else None
        first = {"index": options.index(value)} if control is st.selectbox else {"default": shown}
        self._draw(control, shown, label, options, **first, **look)
        return value

    def fill_in(self, control: Callable[..., Any], label: str, **look: Any) -> Value:
        """Draws st.text_input or st.toggle to change the value; returns it."""
        value = self.value()
        self._draw(control, value, label, value, **look)
        return value

    def choose_many(
        self, control: Callable[..., Any], label: str, options: Sequence[Any], **look: Any
    ) -> Value:
        """Draws st.multiselect or st.pills to change the value, a tuple of options; returns it."""
        value = self.value()
        key = session().address.key(self.name, value)

        def take() -> None:
            chosen: Any = tuple(option for option in options if option in value_of(key))
            self._take(key, chosen)

        control(label, options, default=value, **look, key=key, on_change=take)
        return value

    def select_in(self, table: Callable[..., Any], selected: Callable[[str], Value]) -> Value:
        """Draws a table, by its key, in which a visitor selects the value; returns it.

        `selected` tells, by the key of the table, what is selected in it.
        """
        value = self.value()
        key = session().address.key(self.name, value)
        table(key=key, on_select=lambda: self._take(key, selected(key)))
        return value

    def _draw(self, control: Callable[..., Any], value: Value | None, *arguments: Any, **look: Any) -> None:
        state = session().address
        key = state.key(self.name, value)
        if control(*arguments, **look, key=key, on_change=self._changed, args=[key]) != value:
            # Somebody changed it while the server was away, for instance.
            state.redrawn[self.name] += 1
            st.rerun()

    def _changed(self, key: str) -> None:
        self._take(key, value_of(key))

    def _take(self, key: str, value: Value) -> None:
        state = session().address
        if key != state.current_key(self.name):
            return
        if _write(self.changes(value)):
            state.values[self.name] = value
        else:
            state.redrawn[self.name] += 1

    def changes(self, value: Value) -> dict[str, str | None]:
        """The changes of the address that another value makes."""
        is_written = self.is_always_written or value != self.default
        return {self.name: self.spell(value) if is_written else None, **dict.fromkeys(self.resets)}


def begin(page: str, pages: Sequence[str]) -> None:
    """Reads the address of this run, and lets the browser compare it with its own.

    `page` is one of the paths of all `pages`.
    """
    query = st.query_params.to_dict()
    is_rewritten = query.pop(_SAME_PAGE, None) is not None
    for name in filter(is_filter, query):
        # Further values of a filter; of other parts the last one counts.
        given = st.query_params.get_all(name)
        is_rewritten |= len(given) > 1
        query[name] = ",".join(given)
    if is_rewritten:
        st.query_params.from_dict(query)
    state = session().address
    if page != state.page:
        session().results_here.clear()
    if (page, query) != (state.page, state.query):
        state.come_to(page, query)
    # Each run is another, even with the same address: the browser's may have changed.
    _browser(
        key="browser",
        data={
            "page": page,
            "query": query,
            "pages": list(pages),
            "leave": state.leave,
            "run": uuid4().hex,
        },
    )


def shared(*, is_this_page: bool = False) -> dict[str, str]:
    """The parts that all pages share, for a link to one."""
    query = session().address.query
    link = {name: value for name, value in query.items() if name in SHARED or is_filter(name)}
    return link | ({_SAME_PAGE: "1"} if is_this_page and link != query else {})


def to(page: str, chosen: Filters, changes: Mapping[str, str | None]) -> dict[str, str]:
    """The parts of a link to a page, by its path, with these filters: of another only the shared ones.

    None in `changes` removes a part. Lists begin anew.
    """
    state = session().address
    kept = {
        name: value
        for name, value in state.query.items()
        if not is_filter(name) and name not in PLACE_IN_LIST and (page == state.page or name in SHARED)
    }
    link = _in_order({**kept, **chosen.query(), **changes})
    return link | ({_SAME_PAGE: "1"} if page == state.page and link != state.query else {})


def is_shown(page: str, link: Mapping[str, str]) -> bool:
    """Whether a link is to what is shown already."""
    return page == session().address.page and link == session().address.query


def filters() -> Filters:
    """The filters in the address.

    Raises:
        InvalidInput: one cannot be.
    """
    return Filters.parse(session().address.query)


def put_filters(chosen: Filters, **changes: str | None) -> None:
    """Changes the filters of the address, and other parts, in a callback: one entry of the history."""
    query = session().address.query
    _write({name: None for name in query if is_filter(name)} | chosen.query() | changes)


def put(**changes: str | None) -> None:
    """Changes parts of the address in a callback; None removes one."""
    _write(changes)


def leave_for(page: str, **changes: str | None) -> None:
    """Opens another page of ours, by its path, in a callback: one entry of the history.

    None removes a part.
    """
    go(page, _in_order(shared() | changes))


def go(page: str, link: Mapping[str, str]) -> None:
    """Opens what a link of to() is to, in a callback: one entry of the history."""
    parts = {name: value for name, value in link.items() if name != _SAME_PAGE}
    if page == session().address.page:
        _write(dict.fromkeys(session().address.query) | parts)
    else:
        session().address.leave = {"to": f"{page}?{urlencode(parts)}", "id": uuid4().hex}


def _write(changes: dict[str, str | None]) -> bool:
    state, query = session().address, st.query_params.to_dict()
    if query == state.query:
        state.past = [query]
    elif query not in state.past:
        # The browser went elsewhere before it heard of this.
        return False
    state.query = _in_order(state.query | changes)
    state.past.append(state.query)
    st.query_params.from_dict(state.query)
    return True


def _in_order(query: Mapping[str, str | None]) -> dict[str, str]:
    """The parts in a fixed order, so that equal parts make equal addresses."""
    names = [*SHARED, *sorted({*query} - {*SHARED})]
    return {name: value for name in names if (value := query.get(name)) is not None}
