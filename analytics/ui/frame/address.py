"""The address: it alone says what is looked at. Controls are drawn as it has them, and a change writes it.

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
from analytics.ui.frame.messages import sentence
from analytics.ui.frame.state import session, value_of

SHARED = ("client", "days", "show")
"""The parts that go along to all pages, and stand first."""
_ANEW = "anew"
"""In the link to the page that one is on already: Streamlit does not write the address for it."""

Value = TypeVar("Value")

log = logging.getLogger(__name__)

_browser = st.components.v2.component(
    "usage_address", js=Path(__file__).with_name("address.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True, kw_only=True)
class Part(Generic[Value]):
    """A part of the address with the control that chooses it."""

    name: str
    """Of the parameter."""
    parse: Callable[[str], Value]
    """The value that a spelling stands for; raises InvalidInput, which says which there are."""
    default: Value
    """Is not written."""
    spell: Callable[[Value], str] = str
    """How a value is spelled in the address."""
    resets: Sequence[str] = ()
    """Parts that mean nothing any more when this one changes."""
    is_always_written: bool = False
    """Once it was chosen: the default may be another one tomorrow."""

    def value(self) -> Value:
        """As the address has it; ends the page with a sentence and a way on where it cannot be had."""
        text = session().address.query.get(self.name)
        if text is None:
            return self.default
        try:
            return self.parse(text)
        except InvalidInput as error:
            self.refuse(error)

    def refuse(self, error: InvalidInput) -> NoReturn:
        """Ends the page with a sentence on what the address asks for, and a way on without that."""
        log.warning("a link does not work: %s", error)
        st.error(f"**This link does not work.** {sentence(error)}", icon=":material/link_off:")
        st.button("Go on without it", type="primary", on_click=put, kwargs={self.name: None})
        st.stop()

    def choose(self, control: Callable[..., Any], label: str, options: Sequence[Value], **look: Any) -> Value:
        """The value, with st.selectbox or st.segmented_control to choose another one."""
        value = self.value()
        first = {"index": options.index(value)} if control is st.selectbox else {"default": value}
        self._draw(control, value, label, options, **first, **look)
        return value

    def fill_in(self, control: Callable[..., Any], label: str, **look: Any) -> Value:
        """The value, with st.text_input or st.toggle for another one."""
        value = self.value()
        self._draw(control, value, label, value, **look)
        return value

    def _draw(self, control: Callable[..., Any], value: Value, *arguments: Any, **look: Any) -> None:
        state = session().address
        key = state.key(self.name, value)
        if control(*arguments, **look, key=key, on_change=self._changed, args=[key]) != value:
            # Changed while the server was away, for instance.
            state.redrawn[self.name] += 1
            st.rerun()

    def _changed(self, key: str) -> None:
        state, value = session().address, value_of(key)
        if key != state.current_key(self.name):
            return
        if _write(self.changes(value)):
            state.values[self.name] = value
        else:
            state.redrawn[self.name] += 1

    def changes(self, value: Value) -> dict[str, str | None]:
        """What another value of it changes in the address."""
        is_written = self.is_always_written or value != self.default
        return {self.name: self.spell(value) if is_written else None, **dict.fromkeys(self.resets)}


def begin(page: str, pages: Sequence[str]) -> None:
    """Takes note of the address of this run, and lets the browser compare it with its own.

    `page` is one of the paths of all `pages`.
    """
    query = st.query_params.to_dict()
    if query.pop(_ANEW, None) is not None:
        st.query_params.from_dict(query)
    state = session().address
    if (page, query) != (state.page, state.query):
        state.come_to(page, query)
    # Of another run, even with the same address: the browser's may have changed.
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
    """What goes along to all pages, as a link to one."""
    query = session().address.query
    link = {name: query[name] for name in SHARED if name in query}
    return link | ({_ANEW: "1"} if is_this_page and link != query else {})


def put(**changes: str | None) -> None:
    """Changes parts of the address in a callback; None takes one out."""
    _write(changes)


def leave_for(page: str, **changes: str) -> None:
    """Opens another page of ours, by its path, in a callback: one entry of the history."""
    query = _in_order(shared() | changes)
    session().address.leave = {"to": f"{page}?{urlencode(query)}", "id": uuid4().hex}


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
    """The same parts make the same address, whichever was chosen first."""
    names = [*SHARED, *sorted({*query} - {*SHARED})]
    return {name: value for name in names if (value := query.get(name)) is not None}
