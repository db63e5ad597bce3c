"""The address: it alone says what is looked at. Controls are drawn as it has them, and a change writes it.

A change of a control is one entry of the browser's history. Links, Back, Forward and a reload reach the
script with the whole address, as no control is bound to a part of it: Streamlit takes bound parts out when it
changes the page. A session keeps only what it has drawn, to tell a change from what is out of date.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import streamlit as st

from analytics.errors import InvalidInput
from analytics.ui.frame.messages import sentence

SHARED = ("client", "days", "show")
"""The parts that go along to all pages, and stand first."""
_KNOWN = "what is drawn of the address"
_ANEW = "anew"
"""In the link to the page that one is on already: Streamlit does not write the address for it."""

Value = TypeVar("Value")

log = logging.getLogger(__name__)

_browser = st.components.v2.component(
    "usage_address", js=Path(__file__).with_name("address.js").read_text(encoding="utf-8")
)


@dataclass(kw_only=True)
class _Known:
    """What a session has drawn last."""

    page: str = ""
    query: dict[str, str] = field(default_factory=dict)
    past: list[dict[str, str]] = field(default_factory=list)
    """The address before each change of which the browser may not have heard yet."""
    shown: dict[str, Any] = field(default_factory=dict)
    """What the control of each part shows."""
    drawn: Counter[str] = field(default_factory=Counter)
    """How often each was drawn anew, as another control, since what it was to show was not what it showed."""
    leave: dict[str, str] | None = None

    def come_to(self, page: str, query: dict[str, str]) -> None:
        self.page, self.query, self.past, self.leave = page, query, [], None

    def key(self, name: str, value: Any) -> str:
        """Of a control that shows `value`."""
        if self.shown.get(name, value) != value:
            self.drawn[name] += 1
        self.shown[name] = value
        return self.current_key(name)

    def current_key(self, name: str) -> str:
        return f"{name} {self.drawn[name]}" if self.drawn[name] else name


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
        asked = _known().query.get(self.name)
        if asked is None:
            return self.default
        try:
            return self.parse(asked)
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
        known = _known()
        key = known.key(self.name, value)
        if control(*arguments, **look, key=key, on_change=self._changed, args=[key]) != value:
            # Changed while the server was away, for instance.
            known.drawn[self.name] += 1
            st.rerun()

    def _changed(self, key: str) -> None:
        known, value = _known(), st.session_state[key]
        if key != known.current_key(self.name):
            return
        if _write(self.changes(value)):
            known.shown[self.name] = value
        else:
            known.drawn[self.name] += 1

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
    known = _known()
    if (page, query) != (known.page, known.query):
        known.come_to(page, query)
    # Of another run, even with the same address: the browser's may have changed.
    _browser(
        key="browser",
        data={
            "page": page,
            "query": query,
            "pages": list(pages),
            "leave": known.leave,
            "run": uuid4().hex,
        },
    )


def shared(*, is_this_page: bool = False) -> dict[str, str]:
    """What goes along to all pages, as a link to one."""
    query = _known().query
    link = {name: query[name] for name in SHARED if name in query}
    return link | ({_ANEW: "1"} if is_this_page and link != query else {})


def put(**changes: str | None) -> None:
    """Changes parts of the address in a callback; None takes one out."""
    _write(changes)


def leave_for(page: str, **changes: str) -> None:
    """Opens another page of ours, by its path, in a callback: one entry of the history."""
    query = _in_order(shared() | changes)
    _known().leave = {"to": f"{page}?{urlencode(query)}", "id": uuid4().hex}


def _write(changes: dict[str, str | None]) -> bool:
    known, told = _known(), st.query_params.to_dict()
    if told == known.query:
        known.past = [told]
    elif told not in known.past:
        # The browser went elsewhere before it heard of this.
        return False
    known.query = _in_order(known.query | changes)
    known.past.append(known.query)
    st.query_params.from_dict(known.query)
    return True


def _in_order(query: Mapping[str, str | None]) -> dict[str, str]:
    """The same parts make the same address, whichever was chosen first."""
    names = [*SHARED, *sorted({*query} - {*SHARED})]
    return {name: value for name in names if (value := query.get(name)) is not None}


def _known() -> _Known:
    known: _Known = st.session_state.setdefault(_KNOWN, _Known())
    return known
