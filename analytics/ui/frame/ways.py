"""Ways from a number to what it is made of: real links, which keep what all pages share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from analytics.queries import Filters
from analytics.ui.frame import address
from analytics.ui.frame.page import PAGES, path_of

OPENS = ":material/chevron_right:"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A page of ours, and which parts of the address are others there."""

    page: str = ""
    """Its path; the Overview has none."""
    text: str
    """What is there; or the number itself, where that is the link."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Parameters of filters, beside those of the address."""
    parts: Mapping[str, str | None] = field(default_factory=dict)
    """Other parts of the address; None removes one."""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of its link."""
        return address.to(self.page, address.filters().narrowed(Filters.parse(self.only)), self.parts)

    @property
    def leads_on(self) -> bool:
        """Whether it leads to something else than what is shown."""
        return not address.is_shown(self.page, self.query)


def show_way(way: Way, label: str, *, icon: str = "") -> None:
    """Draws the link."""
    [file] = [file for file, _, _ in PAGES if path_of(file) == way.page]
    st.page_link(file, label=label, icon=icon, query_params=way.query)
