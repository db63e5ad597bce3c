"""Ways from a number to what it is made of: real links, which keep what all pages share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from analytics.days import Days
from analytics.queries import NO_FILTERS, Filters
from analytics.queries.filters import MAX_VALUES, spelled
from analytics.queries.ranges import AT, span_text
from analytics.ui.frame import address
from analytics.ui.frame.messages import with_dollars
from analytics.ui.frame.page import PAGES, path_of

OPENS = ":material/chevron_right:"
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A page of ours, and which parts of the address are others there."""

    page: str = ""
    """Its path; the Overview has none."""
    text: str
    """What is there; or the number itself, where that is the link."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Parameters of filters, beside those of the address."""
    keeps_filters: bool = True
    """Whether those of the address hold there, too."""
    parts: Mapping[str, str | None] = field(default_factory=dict)
    """Other parts of the address; None removes one."""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of its link."""
        kept = address.filters() if self.keeps_filters else NO_FILTERS
        return address.to(self.page, kept.narrowed(Filters.parse(self.only)), self.parts)

    @property
    def leads_on(self) -> bool:
        """Whether it leads to something else than what is shown."""
        return not address.is_shown(self.page, self.query)

    def go(self) -> None:
        """Goes there, in a callback."""
        address.go(self.page, self.query)


def of_model(source: str, model: str | None) -> dict[str, str]:
    """The parameters of filters that leave the calls of a provider's model."""
    return {"provider": spelled(source), "model": spelled(model or "")}


def of_models(
    models: Iterable[tuple[str, str | None]], others: Iterable[tuple[str, str | None]]
) -> dict[str, str] | None:
    """The parameters of filters that leave the calls of these models of providers, and none of the others.

    None where no filter tells them apart: it takes too many values, or a name that both have.
    """
    wanted, unwanted = set(models), set(others)
    if not unwanted:
        return {}
    for name, place in (("model", 1), ("provider", 0)):
        here, there = ({pair[place] or "" for pair in pairs} for pairs in (wanted, unwanted))
        if here & there:
            continue
        for parameter, values in ((f"{name}!", there), (name, here)):
            if 0 < len(values) <= MAX_VALUES:
                return {parameter: ",".join(spelled(value) for value in sorted(values))}
    return None


def of_conversation(row: Any) -> dict[str, str]:
    """The parameter of the filter that leaves the calls of a conversation, or of calls without one."""
    return {"conversation": str(row["conversation_id"] or row["phone_handle"] or "")}


def calls_with(text: str, **only: str) -> Way:
    """The way to the calls with this, besides the filters of the page."""
    return Way(page="calls", text=text, only=only)


def calls_made(span: tuple[datetime, datetime], timezone: str, text: str, **only: str) -> Way:
    """The way to the calls with this that were made in a span of time, besides the filters of the page.

    The second moment of `span` is not in it; `timezone` is the client's.
    """
    first, end = span
    dates = (moment.astimezone(ZoneInfo(timezone)).date() for moment in (first, end - MICROSECOND))
    parts = {"days": str(Days(*dates))}
    return Way(page="calls", text=text, only={AT: span_text(first, end), **only}, parts=parts)


def to_meaning(text: str) -> Way:
    """The way to what a number means that is made of nothing that a page shows."""
    return Way(page="about_the_numbers", text=text)


def show_ways(ways: Iterable[Way], key: str) -> None:
    """A line of small links below a panel's text; nothing where none leads on."""
    leading = [way for way in ways if way.leads_on]
    if not leading:
        return
    with st.container(horizontal=True, gap="small", key=f"ways {key}"):
        for way in leading:
            show_way(way, with_dollars(way.text))


def show_way(way: Way, label: str, *, icon: str = "") -> None:
    """Draws the link."""
    [file] = [file for file, _, _ in PAGES if path_of(file) == way.page]
    st.page_link(file, label=label, icon=icon, query_params=way.query)
