"""The way from numbers that may be wrong to where they are corrected."""

import streamlit as st

from analytics import formatting
from analytics.pricing.at_list_prices import at_list_prices
from analytics.queries import Overview
from analytics.ui.frame import address
from analytics.ui.frame.page import Page

PRICES_PAGE = "pages/prices.py"


def offer_repricing(page: Page, overview: Overview) -> None:
    """A link to Prices with these days and filters, for administrators.

    Only where calls have no price, or cost something else by the public list.
    """
    [total] = overview.summary[overview.summary["provider"] == "total"].to_dict("records")
    unpriced_count = total["unpriced_count"]
    if not page.viewer.administers(page.client):
        return
    if unpriced_count:
        reason = f"{formatting.plural(unpriced_count, 'call')} without a price"
    elif at_list_prices(overview.own_priced, total["total_cost"]) is not None:
        reason = "booked with other prices than the public list's"
    else:
        return
    with st.container(key="reprice"):
        st.page_link(
            PRICES_PAGE,
            label=f"Reprice these calls: {reason}",
            icon=":material/price_check:",
            query_params=address.shared(),
        )
