"""Budgets: what is planned to be used, what of it is spent, and whether another call is allowed.

What is spent is never kept: each reader counts it from the exact sums, by the SQL function get_budgets().

The names are loaded when they are first used: an application that asks check_budget() loads no reader of
pages before its background thread does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytics.budgets.causes import Driver, Drivers, drivers
    from analytics.budgets.changes import archive_budget, change_budget, create_budget
    from analytics.budgets.future import Outlook, outlook
    from analytics.budgets.history import PastPeriod, Version, budget_days, past_periods, versions_of
    from analytics.budgets.plans import DEFAULT_THRESHOLDS, PERIODS, BudgetPlan, Threshold
    from analytics.budgets.previews import preview_budget
    from analytics.budgets.status import (
        BudgetStatus,
        budgets_of,
        budgets_query,
        load_budgets,
        load_periods_over,
    )

__all__ = [
    "DEFAULT_THRESHOLDS",
    "PERIODS",
    "BudgetPlan",
    "BudgetStatus",
    "Driver",
    "Drivers",
    "Outlook",
    "PastPeriod",
    "Threshold",
    "Version",
    "archive_budget",
    "budget_days",
    "budgets_of",
    "budgets_query",
    "change_budget",
    "create_budget",
    "drivers",
    "load_budgets",
    "load_periods_over",
    "outlook",
    "past_periods",
    "preview_budget",
    "versions_of",
]

_HOMES = {
    **dict.fromkeys(("Driver", "Drivers", "drivers"), "causes"),
    **dict.fromkeys(("Outlook", "outlook"), "future"),
    **dict.fromkeys(("archive_budget", "change_budget", "create_budget"), "changes"),
    **dict.fromkeys(("PastPeriod", "Version", "budget_days", "past_periods", "versions_of"), "history"),
    **dict.fromkeys(("DEFAULT_THRESHOLDS", "PERIODS", "BudgetPlan", "Threshold"), "plans"),
    "preview_budget": "previews",
    **dict.fromkeys(
        ("BudgetStatus", "budgets_of", "budgets_query", "load_budgets", "load_periods_over"), "status"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"analytics.budgets.{_HOMES[name]}"), name)
