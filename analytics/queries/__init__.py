"""The read path: one typed function per SQL function, each a documented DataFrame.

Money is `Decimal` (a column of dtype object) and becomes float only inside a chart. Text that may be missing
is None. Dates are days in the client's own time zone. `now` is a UTC-aware moment that the caller has read
once. Every function raises DatabaseUnavailable, SchemaMissing or DatabaseError.
"""

from analytics.queries.answers import Answer, Asked, Kind, answer
from analytics.queries.clients import UNASSIGNED_CLIENT_ID, Client, clients
from analytics.queries.overview import (
    DAILY_CHART_DAYS,
    EVOLUTION_WEEKS,
    MANY_PENDING,
    TOP_CONVERSATIONS,
    Overview,
    load_overview,
)
from analytics.queries.periods import PERIOD_DAYS, Period
from analytics.queries.usage import (
    daily_usage,
    monthly_summary,
    usage_by_conversation,
    usage_by_model,
    usage_summary,
    weekly_evolution,
)

__all__ = [
    "DAILY_CHART_DAYS",
    "EVOLUTION_WEEKS",
    "MANY_PENDING",
    "PERIOD_DAYS",
    "TOP_CONVERSATIONS",
    "UNASSIGNED_CLIENT_ID",
    "Answer",
    "Asked",
    "Client",
    "Kind",
    "Overview",
    "Period",
    "answer",
    "clients",
    "daily_usage",
    "load_overview",
    "monthly_summary",
    "usage_by_conversation",
    "usage_by_model",
    "usage_summary",
    "weekly_evolution",
]
