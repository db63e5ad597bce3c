"""Ways from the numbers of a budget to the calls that they count."""

from dataclasses import replace
from datetime import date, timedelta

from analytics.budgets import BudgetStatus, Driver
from analytics.formatting import plural
from analytics.queries import Filters
from analytics.queries.filters import spelled
from analytics.ui.frame.ways import Way


def calls_of(status: BudgetStatus, filters: Filters | None = None) -> dict[str, str]:
    """The parameters of filters that leave a budget's calls; of another version its own filters."""
    return (status if filters is None else replace(status, filters=filters)).calls.query()


def days_of(status: BudgetStatus) -> str:
    """The days of the period, as a link has them."""
    return _days(status.first_date, status.end_date)


def to_calls(status: BudgetStatus, text: str) -> Way:
    """The way to the calls of the period; of all clients together to the page that adds all of them up."""
    return _to(status, text, calls_of(status), days_of(status))


def to_days(status: BudgetStatus, days: str) -> Way:
    """The way to its calls on some days of the period, as a link has them."""
    return _to(status, "", calls_of(status), days)


def to_unpriced(status: BudgetStatus) -> Way:
    """The way to those of the period that have no price."""
    text = f"{plural(status.unpriced_count, 'call')} without a price: more may be spent"
    return _to(status, text, {**calls_of(status), "basis": "unpriced"}, days_of(status))


def to_past(status: BudgetStatus, first: date, end: date, filters: Filters) -> Way:
    """The way to the calls of another period, from its first day until before `end`."""
    return _to(status, "", calls_of(status, filters), _days(first, end))


def to_driver(status: BudgetStatus, part: Driver, text: str) -> Way:
    """The way to the calls of one driver."""
    if part.dimension == "client":
        # The calls of that client, and no longer those of all.
        parts = {"client": part.value, "days": days_of(status)}
        return Way(page="calls", text=text, only=calls_of(status), keeps_filters=False, parts=parts)
    only = {**calls_of(status), part.dimension: spelled(part.value or "")}
    return _to(status, text, only, days_of(status))


def of_period(status: BudgetStatus) -> list[Way]:
    """What a budget's period can be looked at by."""
    if status.client_id is None:
        return [to_calls(status, "By client")]
    only, parts = calls_of(status), {"days": days_of(status)}
    others = (("providers_and_models", "By provider and model"), ("conversations", "By conversation"))
    return [
        to_calls(status, "The calls of this period"),
        *(Way(page=page, text=text, only=only, keeps_filters=False, parts=parts) for page, text in others),
    ]


def _to(status: BudgetStatus, text: str, only: dict[str, str], days: str) -> Way:
    page = "clients" if status.client_id is None else "calls"
    return Way(page=page, text=text, only=only, keeps_filters=False, parts={"days": days})


def _days(first: date, end: date) -> str:
    """`end` is the first day after them."""
    return f"{first}..{max(end - timedelta(days=1), first)}"
