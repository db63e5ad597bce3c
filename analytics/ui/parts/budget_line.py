"""What is spent of a budget, in a line; on the Overview that of the one that is nearest to its limit."""

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from analytics.budgets import BudgetStatus
from analytics.formatting import cost, plural, usd
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.ways import Way, show_way


def show_budget_line(statuses: Sequence[BudgetStatus]) -> None:
    """A link to the budget with the largest share; nothing where there is none."""
    limited = [status for status in statuses if status.share is not None]
    if not limited:
        return
    nearest = max(limited, key=lambda status: status.share or Decimal(0))
    budgets = len({status.budget_id for status in limited})
    more = f" :gray[and {plural(budgets - 1, 'more budget')}]" if budgets > 1 else ""
    text = f"{with_dollars(escaped(f'{nearest.name}: {spent_of(nearest)}'))}{more}"
    parts = {"budget": str(nearest.budget_id)}
    if nearest.split_by is not None:
        parts["value"] = nearest.subject or ""
    way = Way(page="budgets", text="Budgets", parts=parts, keeps_filters=False)
    with st.container(key="budget line"):
        show_way(way, text, icon=":material/savings:")


def spent_of(status: BudgetStatus) -> str:
    """`$41.20 of $100.00, 41 %`, with the value of a split budget; `≥ $41.20` where calls have no price."""
    whose = f"{status.subject or f'no {status.split_by}'}: " if status.split_by is not None else ""
    if status.limit_amount is None or status.share is None:
        return f"{whose}{spent(status)}"
    limit = amount(status.unit, status.limit_amount)
    return f"{whose}{spent(status)} of {limit}, {round(status.share * 100):,} %"


def spent(status: BudgetStatus) -> str:
    """`$41.20`; `≥ $41.20` where calls have no price."""
    if status.unit == "tokens":
        return plural(status.total_tokens, "token")
    return cost(status.cost_usd, status.unpriced_count, status.request_count)


def amount(unit: str, value: Decimal | float) -> str:
    """`$41.20`, or `1,234 tokens`."""
    number = Decimal(str(value))
    return usd(number) if unit == "usd" else plural(int(number), "token")
