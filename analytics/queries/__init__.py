"""The read path: one typed function per SQL function, each a documented DataFrame.

Money is `Decimal` (a column of dtype object) and becomes float only inside a chart. Text that may be missing
is None. Dates are days in the client's own time zone. `now` is a UTC-aware moment that the caller has read
once. Every function raises DatabaseUnavailable, SchemaMissing or DatabaseError.
"""

from analytics.queries.by_client import usage_by_client
from analytics.queries.clients import UNASSIGNED_CLIENT_ID, Client, clients, has_calls, read_client
from analytics.queries.comparisons import UNKNOWN_COST, Change, ComparedDays, total_change
from analytics.queries.conversations import Timeline, conversation_timeline, live_usage
from analytics.queries.costs import known_costs, partly_known
from analytics.queries.models import (
    CALLS_PER_TIMELINE,
    CONVERSATIONS_PER_PAGE,
    LIVE_CALLS,
    CallSums,
    Comparison,
    Grain,
    Sort,
    call_sums,
    calls_since,
    conversation_calls,
    found_conversations,
    sum_differences,
    usage_by_minute,
    usage_comparison,
    usage_over_time,
)
from analytics.queries.overview import (
    MANY_PENDING,
    TOP_CONVERSATIONS,
    Overview,
    by_amount,
    load_overview,
)
from analytics.queries.periods import DAILY_CHART_DAYS, EVOLUTION_WEEKS, PERIOD_DAYS, Period
from analytics.queries.sql_function import Unit
from analytics.queries.usage import (
    daily_usage,
    monthly_summary,
    usage_by_conversation,
    usage_by_model,
    usage_summary,
    weekly_evolution,
)

__all__ = [
    "CALLS_PER_TIMELINE",
    "CONVERSATIONS_PER_PAGE",
    "DAILY_CHART_DAYS",
    "EVOLUTION_WEEKS",
    "LIVE_CALLS",
    "MANY_PENDING",
    "PERIOD_DAYS",
    "TOP_CONVERSATIONS",
    "UNASSIGNED_CLIENT_ID",
    "UNKNOWN_COST",
    "CallSums",
    "Change",
    "Client",
    "ComparedDays",
    "Comparison",
    "Grain",
    "Overview",
    "Period",
    "Sort",
    "Timeline",
    "Unit",
    "by_amount",
    "call_sums",
    "calls_since",
    "clients",
    "conversation_calls",
    "conversation_timeline",
    "daily_usage",
    "found_conversations",
    "has_calls",
    "known_costs",
    "live_usage",
    "load_overview",
    "monthly_summary",
    "partly_known",
    "read_client",
    "sum_differences",
    "total_change",
    "usage_by_client",
    "usage_by_conversation",
    "usage_by_minute",
    "usage_by_model",
    "usage_comparison",
    "usage_over_time",
    "usage_summary",
    "weekly_evolution",
]
