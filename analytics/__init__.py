"""Usage and cost of LLM calls. What an application imports; everything else is the dashboard's own.

    from analytics import log_openai_usage

The names are loaded when they are first used: whoever only reads never loads what writes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytics.api_client import RemoteAnalytics, use_analytics
    from analytics.budgets.checking import check_budget
    from analytics.budgets.judging import BudgetAnswer
    from analytics.integrations.clients import wrap
    from analytics.pricing.price_list import Cost, Usage, calculate_cost
    from analytics.tracking import (
        TrackerStats,
        close,
        configure,
        flush,
        log_groq_usage,
        log_openai_usage,
        log_usage,
        log_whisper_usage,
        stats,
        usage_context,
    )

__all__ = [
    "BudgetAnswer",
    "Cost",
    "RemoteAnalytics",
    "TrackerStats",
    "Usage",
    "calculate_cost",
    "check_budget",
    "close",
    "configure",
    "flush",
    "log_groq_usage",
    "log_openai_usage",
    "log_usage",
    "log_whisper_usage",
    "stats",
    "usage_context",
    "use_analytics",
    "wrap",
]

_HOMES = {
    "BudgetAnswer": "analytics.budgets.judging",
    "check_budget": "analytics.budgets.checking",
    "wrap": "analytics.integrations.clients",
    **dict.fromkeys(("Cost", "Usage", "calculate_cost"), "analytics.pricing.price_list"),
    **dict.fromkeys(("RemoteAnalytics", "use_analytics"), "analytics.api_client"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "analytics.tracking")), name)
