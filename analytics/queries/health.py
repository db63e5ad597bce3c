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
zero_token_count (not failed, and neither tokens nor another meter), without_conversation_count int64.
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
FIELDS_NOT_UNDERSTOOD = SqlFunction(
    function="get_fields_not_understood",
    arguments=("client_id", "first_date", "last_date", "limit"),
    columns={"field": "object", "source": "object", "treatment": "object", "request_count": "int64"},
)
"""Fields of usage objects that were not understood, in the newest `limit` calls of these days that have any.

One row per (field, source), the most calls first: field, source str · treatment str (what was done about
it) · request_count int64.
"""
