"""All budgets: a line each, which opens it."""

from collections.abc import Sequence

import streamlit as st

from analytics.budgets import BudgetStatus
from analytics.formatting import spaced
from analytics.ui.budgets import words
from analytics.ui.budgets.reading import BUDGET, VALUE, Budgets
from analytics.ui.budgets.ways import to_calls, to_unpriced
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way, show_way, show_ways
from analytics.ui.parts.budget_line import spent_of
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading


def show_budgets(page: Page, reading: Reading[Budgets]) -> None:
    """A line per budget: spent, left, pace, when it runs out and resets."""
    budgets = reading.value
    if not budgets.statuses:
        show_empty(
            f"{escaped(page.client.name)} has no budget yet",
            "A budget says what may be spent until when, and who is told."
            + (" Make the first one below." if page.viewer.administers(page.client) else ""),
            icon=":material/savings:",
        )
        return
    with st.container(border=True, key="budgets"):
        show_heading("Budgets", "in the period that runs")
        for status in budgets.whole:
            _show_line(status, budgets)


def _show_line(status: BudgetStatus, budgets: Budgets) -> None:
    name, share, going = st.columns([3, 4, 4], gap="medium", vertical_alignment="center")
    with name:
        title = f"**{escaped(status.name)}**"
        if status.client_id is None:
            title += " :gray[all clients]"
        parts = {"budget": str(status.budget_id), "value": None}
        whole = Way(page="budgets", text=status.name, parts=parts)
        show_way(whole, title)
        st.caption(escaped(words.scope(status.filters, status.split_by)))
    with share:
        used = float(status.share or 0)
        show_way(to_calls(status, status.name), with_dollars(escaped(spent_of(status))))
        # A bar has no more than all of it.
        st.progress(min(used, 1.0))
        if status.is_lower_bound:
            show_ways([to_unpriced(status)], key=f"unpriced {status.budget_id}")
    with going:
        outlook = budgets.outlooks.get(status.key)
        told = [words.pace(status), words.run_out(outlook) if outlook else ""]
        text = with_dollars(escaped(spaced(" · ".join(filter(None, told)))))
        if text and whole.leads_on:
            show_way(whole, text)
        else:
            st.markdown(text)
        st.caption(escaped(spaced(status.resets_text)))


def chosen_budget(budgets: Budgets) -> list[BudgetStatus]:
    """The values of the budget of the address; none where it names none, or one that is not there."""
    budget_id = BUDGET.value()
    return [] if budget_id is None else budgets.of(budget_id)


def chosen_value(values: Sequence[BudgetStatus]) -> BudgetStatus:
    """That of the address; the most spent one where it names none, or one without use in this period."""
    value = VALUE.value()
    return next((each for each in values if value is not None and (each.subject or "") == value), values[0])
