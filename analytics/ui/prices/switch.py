"""The price list of the installation, and its switch for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal

import streamlit as st

from analytics import charts, formatting
from analytics.corrections import Repricing
from analytics.corrections.price_changes import preview_switch
from analytics.errors import AnalyticsError
from analytics.health.prices import of_models
from analytics.pricing.at_list_prices import OwnPriced, at_list_prices
from analytics.pricing.book import PriceBook
from analytics.pricing.price_list import ALL_MODELS, ListedPrice
from analytics.pricing.public_list import list_name
from analytics.pricing.switch import ListInUse, ListName, list_in_use, use_list
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, explained, show_refusal
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import Scope, forget, recall, remember, take
from analytics.ui.frame.ways import calls_with, of_model, show_ways
from analytics.ui.parts.headings import show_heading
from analytics.ui.prices.repricing import forget_repriced, show_repriced
from analytics.ui.prices.tables import price_table

_OTHER: dict[ListName, ListName] = {"guide": "public", "public": "guide"}
_LISTS: dict[ListName, str] = {"guide": "the guide's list", "public": "the public list"}


@dataclass(frozen=True, kw_only=True)
class _Preview:
    """The effect of a switch."""

    scope: Scope
    to: ListName
    at: datetime
    effect: Repricing


@dataclass(frozen=True, kw_only=True)
class _Notice:
    """A message that the list was switched; shown once."""

    text: str


def show_list_switch(page: Page, reading: Reading[PriceBook]) -> None:
    """The list in use and since when; a form to switch it for administrators of all clients."""
    in_use = list_in_use(reading.value.entries, page.now)
    with st.container(border=True, key="list in use"):
        show_heading(f"{_LISTS[in_use.name].capitalize()} is in use")
        if notice := take(_Notice):
            st.success(notice.text, icon=":material/check_circle:")
        st.markdown(_state(in_use))
        _beside_public_list(page, reading.value.own_priced)
        if page.viewer.sees_all_clients:
            _switch(page, _OTHER[in_use.name])


def _beside_public_list(page: Page, lines: Sequence[OwnPriced]) -> None:
    """The cost at public prices of the period's calls with another price."""
    whole = at_list_prices(lines)
    if whole is None:
        return
    booked_usd = sum((line.booked_usd for line in lines), Decimal(0))
    st.markdown(
        f"**{escaped(whole.amount)} at list prices**, booked with **{escaped(formatting.usd(booked_usd))}**: "
        f"calls with another price than the public one, {page.period}"
    )
    at_list = [at_list_prices([line]) for line in lines]
    price_table(
        [
            {
                "Model": line.model or formatting.NO_MODEL,
                "At list prices": line.booked_usd if listed is None else listed.usd,
                "Booked": line.booked_usd,
                "Provider": charts.source_name(line.source),
                "Requests": line.request_count,
            }
            for line, listed in zip(lines, at_list, strict=True)
        ],
        ("At list prices", "Booked"),
        texts={
            "At list prices": ["the same" if listed is None else listed.amount for listed in at_list],
            "Booked": [
                "free" if line.is_free and not line.booked_usd else formatting.usd(line.booked_usd)
                for line in lines
            ],
        },
        key="own priced table",
        ways=[calls_with("", **of_model(line.source, line.model)) for line in lines],
    )
    if only := of_models(lines):
        calls = formatting.plural(sum(line.request_count for line in lines), "call")
        show_ways([calls_with(f"All these {calls}", **only)], key="own priced")
    st.caption(
        "Each day is priced at the public price of that day, for the average call and without tier "
        "discounts. *About*: some parts are unknown, such as what was cached today."
    )


def _state(in_use: ListInUse) -> str:
    if in_use.name == "guide":
        names = ", ".join(_name(price) for price in in_use.guide)
        text = (
            f"A new installation starts with the prices of the original guide: {escaped(names)}. "
            f"All other prices come from the public list, {list_name()}."
        )
        if any(price.model == ALL_MODELS and not price.input_usd for price in in_use.guide):
            text += " **Groq is free in it, as on Groq's free plan.** On the paid plan, use the public list."
    else:
        text = f"Prices come from {list_name()}, except those that this installation entered itself."
    if in_use.since:
        text += f" In use since {_moment(in_use.since)}."
    if in_use.until:
        text += f" It changes on {_moment(in_use.until)}."
    return text


def _switch(page: Page, to: ListName) -> None:
    with st.expander(f"Use {_LISTS[to]} instead", icon=":material/swap_horiz:"):
        begin = st.date_input(
            "From the beginning of",
            page.days.first,
            key="list from",
            help="In UTC. Calls before that day keep their price.",
        )
        at = datetime.combine(begin, time.min, UTC)
        if st.button("Preview the switch", key="preview list", icon=":material/visibility:"):
            with explained(), st.spinner("Pricing every call"):
                effect = preview_switch(page.database, page.client.id, to, at, page.days)
            remember(_Preview(scope=page.scope, to=to, at=at, effect=effect))
        preview = recall(_Preview)
        if preview is None or (preview.scope, preview.to, preview.at) != (page.scope, to, at):
            return
        st.caption(
            f"The effect of {_LISTS[to]} on the calls of {escaped(page.client.name)}, {page.period}. They "
            "keep their booked cost until somebody reprices them; new calls get the list's prices. The "
            "list applies to all clients; calls of other clients are not included here."
        )
        show_repriced(preview.effect, only_changed=True)
        if st.button(f"Use {_LISTS[to]}", type="primary", icon=":material/swap_horiz:"):
            try:
                use_list(page.database, to, at, by=page.viewer.email or "the dashboard")
            except AnalyticsError as error:
                show_refusal(error)
                return
            _done(to, at)


def _done(to: ListName, at: datetime) -> None:
    forget(_Preview)
    forget_repriced()
    reads.forget()
    text = (
        f"From {_moment(at)} on, {_LISTS[to]} applies. Booked costs stay as they are; *Booked costs and "
        "today's prices* below says how to correct them. To undo this, use "
        f"{_LISTS[_OTHER[to]]} from the same day."
    )
    remember(_Notice(text=text))
    st.rerun()


def _name(price: ListedPrice) -> str:
    return f"{price.source} {'(all models)' if price.model == ALL_MODELS else price.model}"


def _moment(moment: datetime) -> str:
    return f"{formatting.day(moment.astimezone(UTC))}, {moment.astimezone(UTC):%H:%M} UTC"
