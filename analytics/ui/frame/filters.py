"""Filters of the address, which all pages share: which calls are counted."""

import logging

import streamlit as st

from analytics.errors import InvalidInput
from analytics.queries import NO_FILTERS, Filters
from analytics.ui.frame import address
from analytics.ui.frame.messages import sentence

log = logging.getLogger(__name__)


def chosen_filters() -> Filters:
    """The filters of the address; where they are not valid, ends the page with a message and a way on."""
    try:
        return address.filters()
    except InvalidInput as error:
        log.warning("a link does not work: %s", error)
        st.error(f"**This link does not work.** {sentence(error)}", icon=":material/link_off:")
        st.button("Go on without filters", type="primary", on_click=address.put_filters, args=[NO_FILTERS])
        st.stop()
