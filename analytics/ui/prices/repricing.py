"""Booked costs of the period beside their costs at today's prices."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from analytics import charts, formatting
from analytics.corrections import ModelCosts, Repricing, preview_costs, select_calls
from analytics.ui.frame.messages import explained, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import Scope, forget, recall, remember
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.prices.tables import price_table


@dataclass(frozen=True, kw_only=True)
class _RepricedDays:
    """Booked and repriced costs of a client's days."""

    scope: Scope
    costs: Repricing


def show_repricing(page: Page) -> None:
    """A button that compares booked costs of the period with costs at today's prices."""
    with st.container(border=True, key="repricing"):
        show_heading(f"Booked costs and today's prices, {page.period}")
        st.caption(
            "Calls keep the cost that they were logged with; nothing on this page changes it. This "
            "compares it with their cost at today's prices. It reads every call of the period."
        )
        if st.button("Compare now", icon=":material/compare_arrows:"):
            with explained(), st.spinner("Pricing every call"):
                calls = select_calls(page.database, str(page.client.id), page.days)
                costs = preview_costs(page.database, calls)
            remember(_RepricedDays(scope=page.scope, costs=costs))
        last = recall(_RepricedDays)
        if last is not None and last.scope == page.scope:
            show_repriced(last.costs)
            _how_to_correct(page, last.costs)


def forget_repriced() -> None:
    """Drops the comparison, as a price has changed."""
    forget(_RepricedDays)


def show_repriced(repricing: Repricing, *, only_changed: bool = False) -> None:
    """A table of booked and repriced costs by model, and their sums."""
    rows = [
        _repriced_row(source, model, costs)
        for (source, model), costs in repricing.by_model.items()
        if costs.changed_count or not only_changed
    ]
    total = repricing.total
    if not rows:
        show_empty("All calls of these days would cost the same", icon=":material/check:")
        return
    listed = [costs for costs in repricing.by_model.values() if costs.changed_count or not only_changed]
    at_least = {
        "Booked": [bool(costs.unpriced_before) for costs in listed],
        "Repriced": [bool(costs.unpriced_after) for costs in listed],
    }
    price_table(rows, ("Booked", "Repriced", "Difference"), is_cost=True, at_least=at_least)
    calls = formatting.plural(total.changed_count, "call")
    difference = f": a difference of **{formatting.usd(total.difference_usd)}** in {calls}."
    if not total.has_difference:
        difference = f"; {calls} would change."
    line = f"Booked {total.booked}, repriced {total.repriced}{difference}"
    if total.unpriced_after:
        line += f" {formatting.plural(total.unpriced_after, 'call')} would still have no price."
    st.markdown(with_dollars(line))


def _how_to_correct(page: Page, repricing: Repricing) -> None:
    if not repricing.total.changed_count:
        return
    st.caption("To correct booked costs (the correction records who, when and why, and can be undone):")
    st.code(
        f"python -m analytics reprice --client {page.client.id} --from {page.days.first} "
        f'--to {page.days.last} --apply --reason "..."',
        language="bash",
        wrap_lines=True,
    )


def _repriced_row(source: str, model: str | None, costs: ModelCosts) -> dict[str, Any]:
    return {
        "Provider": charts.source_name(source),
        "Model": model or formatting.NO_MODEL,
        "Requests": costs.request_count,
        # Missing where no call of the model has a price.
        "Booked": None if costs.unpriced_before == costs.request_count else costs.booked_usd,
        "Repriced": None if costs.unpriced_after == costs.request_count else costs.repriced_usd,
        "Difference": costs.difference_usd if costs.has_difference else None,
        "To correct": costs.changed_count,
        "No price": costs.unpriced_before,
        "Still no price": costs.unpriced_after,
        "Cost given": costs.given_count,
    }
