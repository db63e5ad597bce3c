"""The read path: SQL functions and their readers, by topic.

Each SQL function is described once, as a SqlFunction: its name, arguments and columns. The functions beside
it read one or several of them in one network round trip, and are what pages, API, health and exports call.

Money is `Decimal` (a column of dtype object) and becomes float only inside a chart. Text that may be missing
is None. Dates are days in the client's own time zone. `now` is a UTC-aware moment that the caller has read
once. Every function raises DatabaseUnavailable, SchemaMissing or DatabaseError.
"""

from analytics.queries.answers import Answers, CallTimes, call_times, load_answers
from analytics.queries.by_client import usage_by_client
from analytics.queries.calls import (
    CALL,
    CALLS,
    CALLS_PER_PAGE,
    OTHER_ATTEMPTS,
    CallPlace,
    KnownCall,
    calls_page,
    known_call,
)
from analytics.queries.comparisons import UNKNOWN_COST, Change, ComparedDays, total_change
from analytics.queries.conversations import (
    CALLS_PER_TIMELINE,
    CONVERSATION,
    CONVERSATION_CALLS,
    CONVERSATIONS,
    CONVERSATIONS_PER_PAGE,
    Sort,
    Timeline,
    conversation_timeline,
    found_conversations,
)
from analytics.queries.costs import PayerUnknown, known_costs, partly_known, payers_unknown
from analytics.queries.courses import Courses, Grouping, usage_beside
from analytics.queries.facts import (
    TAG_KEYS,
    USAGE_BY_TAG,
    CallFacts,
    call_facts,
    usage_by_tag,
)
from analytics.queries.filter_values import conversation_names, tag_keys
from analytics.queries.filters import NO_FILTERS, OTHER_TAGS, TAG, Condition, Filters, is_filter
from analytics.queries.groups import GROUPS, TOP_VALUES, USAGE_BY_GROUP, Bucket, Group, usage_by_group
from analytics.queries.health import FIELDS_NOT_UNDERSTOOD, SUM_DIFFERENCES, USAGE_GAPS
from analytics.queries.live import CALLS_SINCE, LIVE_CALLS, USAGE_BY_MINUTE, live_usage
from analytics.queries.models import (
    CALL_SUMS,
    COMPARED_DAYS,
    USAGE_COMPARISON,
    USAGE_OVER_TIME,
    CallSums,
    Comparison,
    call_sums,
    usage_comparison,
    usage_over_time,
)
from analytics.queries.movers import Moved, Movers, Parts, Sums, what_moved
from analytics.queries.overview import (
    DAILY_USAGE,
    MANY_PENDING,
    MONTHLY_SUMMARY,
    TOP_CONVERSATIONS,
    USAGE_BY_CONVERSATION,
    USAGE_BY_MODEL,
    USAGE_SUMMARY,
    WEEKLY_EVOLUTION,
    Overview,
    by_amount,
    load_overview,
    overview_queries,
)
from analytics.queries.periods import (
    DAILY_CHART_DAYS,
    EVERYTHING,
    EVOLUTION_WEEKS,
    NAMES,
    PERIOD_DAYS,
    Grain,
    Period,
    first_usage_day,
    grains_of,
    usual_grain,
)
from analytics.queries.sql_function import SqlFunction, Unit

__all__ = [
    "CALL",
    "CALLS",
    "CALLS_PER_PAGE",
    "CALLS_PER_TIMELINE",
    "CALLS_SINCE",
    "CALL_SUMS",
    "COMPARED_DAYS",
    "CONVERSATION",
    "CONVERSATIONS",
    "CONVERSATIONS_PER_PAGE",
    "CONVERSATION_CALLS",
    "DAILY_CHART_DAYS",
    "DAILY_USAGE",
    "EVERYTHING",
    "EVOLUTION_WEEKS",
    "FIELDS_NOT_UNDERSTOOD",
    "GROUPS",
    "LIVE_CALLS",
    "MANY_PENDING",
    "MONTHLY_SUMMARY",
    "NAMES",
    "NO_FILTERS",
    "OTHER_ATTEMPTS",
    "OTHER_TAGS",
    "PERIOD_DAYS",
    "SUM_DIFFERENCES",
    "TAG",
    "TAG_KEYS",
    "TOP_CONVERSATIONS",
    "TOP_VALUES",
    "UNKNOWN_COST",
    "USAGE_BY_CONVERSATION",
    "USAGE_BY_GROUP",
    "USAGE_BY_MINUTE",
    "USAGE_BY_MODEL",
    "USAGE_BY_TAG",
    "USAGE_COMPARISON",
    "USAGE_GAPS",
    "USAGE_OVER_TIME",
    "USAGE_SUMMARY",
    "WEEKLY_EVOLUTION",
    "Answers",
    "Bucket",
    "CallFacts",
    "CallPlace",
    "CallSums",
    "CallTimes",
    "Change",
    "ComparedDays",
    "Comparison",
    "Condition",
    "Courses",
    "Filters",
    "Grain",
    "Group",
    "Grouping",
    "KnownCall",
    "Moved",
    "Movers",
    "Overview",
    "Parts",
    "PayerUnknown",
    "Period",
    "Sort",
    "SqlFunction",
    "Sums",
    "Timeline",
    "Unit",
    "by_amount",
    "call_facts",
    "call_sums",
    "call_times",
    "calls_page",
    "conversation_names",
    "conversation_timeline",
    "first_usage_day",
    "found_conversations",
    "grains_of",
    "is_filter",
    "known_call",
    "known_costs",
    "live_usage",
    "load_answers",
    "load_overview",
    "overview_queries",
    "partly_known",
    "payers_unknown",
    "tag_keys",
    "total_change",
    "usage_beside",
    "usage_by_client",
    "usage_by_group",
    "usage_by_tag",
    "usage_comparison",
    "usage_over_time",
    "usual_grain",
    "what_moved",
]
