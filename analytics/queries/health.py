"""What Data health asks about a client's calls."""

from analytics.queries.sql_function import SqlFunction

USAGE_GAPS = SqlFunction(
    function="get_usage_gaps",
    arguments=("client_id", "first_date", "last_date"),
    columns={
        "source": "object",
        "last_call_at": "datetime64[us, UTC]",
        "request_count": "int64",
        "unpriced_count": "int64",
        "zero_token_count": "int64",
        "without_conversation_count": "int64",
    },
)
"""What is missing in the calls of these days.

One row per source: source str · last_call_at datetime64 (UTC) · request_count, unpriced_count,
zero_token_count (neither tokens nor a duration), without_conversation_count int64.
"""
SUM_DIFFERENCES = SqlFunction(
    function="check_usage_sums",
    arguments=("client_id", "first_date", "last_date"),
    columns={
        "usage_date": "datetime64[s]",
        "source": "object",
        "model": "object",
        "summed_tokens": "int64",
        "logged_tokens": "int64",
        "summed_cost": "object",
        "logged_cost": "object",
        "summed_count": "int64",
        "logged_count": "int64",
    },
)
"""Where the sums differ from the calls: no rows, unless somebody changed the sums by hand. Reads all calls.

One row per (usage_date, source, model) that differs: usage_date datetime64 · source str · model str or None ·
summed_tokens, logged_tokens, summed_count, logged_count int64 · summed_cost, logged_cost Decimal (USD).
"""
