"""Filters of the address, which all pages share: which calls are counted."""

import logging

import streamlit as st

from analytics.errors import InvalidInput
from analytics.queries import NO_FILTERS, Filters
from analytics.ui.frame import address
from analytics.ui.frame.address import PLACE_IN_LIST
from analytics.ui.frame.messages import sentence

log = logging.getLogger(__name__)


def chosen_filters() -> Filters:
    """The filters of the address; where they are not valid, ends the page with a message and a way on."""
    try:
        return address.filters()
    except InvalidInput as error:
        log.warning("a link does not work: %s", error)
        st.error(f"**This link does not work.** {sentence(error)}", icon=":material/link_off:")
        st.button("Go on without filters", type="primary", on_click=put, args=[NO_FILTERS])
        st.stop()


def show_only(name: str, value: str | None, **changes: str | None) -> None:
    """Counts only calls with this value, instead of an earlier condition of this name; in a callback.

    None is for calls that do not tell it; a conversation goes by its id or the handle of its phone. `changes`
    are other parts of the address, changed with it: one entry of the history.
    """
    put(address.filters().with_condition(name, [value or ""]), **changes)


def show_only_model(source: str, model: str | None, **further: str) -> None:
    """Counts only the calls of a provider's model, in a callback; `further` are values of other names."""
    chosen = address.filters()
    name = "" if model is None or model != model else model  # as frames tell that there is none
    for condition, value in {"provider": source, "model": name, **further}.items():
        chosen = chosen.with_condition(condition, [value])
    put(chosen)


def put(chosen: Filters, **changes: str | None) -> None:
    """Changes which calls count, in a callback: one entry of the history. Lists begin anew."""
    address.put_filters(chosen, **{**dict.fromkeys(PLACE_IN_LIST), **changes})
