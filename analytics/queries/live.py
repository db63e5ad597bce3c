"""The newest calls, and the last minutes."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import PHONE_HANDLE, SqlFunction

if TYPE_CHECKING:
    import pandas as pd

LIVE_CALLS = 5_000

CALLS_SINCE = SqlFunction(
    function="get_named_calls_since",
    arguments=("client_id", "since", "limit", "filters"),
    columns={
        "created_at": "datetime64[us, UTC]",
        "id": "object",
        "conversation_id": "object",
        "phone": "object",
        "source": "object",
        "model": "object",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_tokens": "int64",
        "cost_usd": "object",
        "cost_basis": "object",
        "outcome": "object",
        "bucket_request_count": "Int64",
        "phone_handle": "object",
        "conversation_name": "object",
    },
    expressions=PHONE_HANDLE,
)
"""The calls made since a moment, the newest first.

One row per call: created_at datetime64 (UTC) · id UUID · conversation_id UUID or None (that of its phone
where it names none) · phone, phone_handle, conversation_name, model and outcome str or None · source,
cost_basis str · prompt_tokens, completion_tokens, total_tokens int64 · cost_usd Decimal ·
bucket_request_count Int64 (of a row that is the sum of a bucket; missing for one call).
"""
USAGE_BY_MINUTE = SqlFunction(
    function="get_usage_by_minute",
    arguments=("client_id", "since", "until", "filters"),
    columns={
        "minute_at": "datetime64[us, UTC]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "zero_token_count": "int64",
    },
)
"""Usage per minute and source.

One row per (minute, source) with calls: minute_at datetime64 (UTC) · source str · total_tokens,
request_count, unpriced_count, zero_token_count int64 · total_cost Decimal (USD).
"""


def live_usage(
    database: Database,
    client_id: UUID,
    *,
    calls_since: datetime,
    minutes_since: datetime,
    until: datetime,
    limit: int = LIVE_CALLS,
    filters: Filters = NO_FILTERS,
    sees_phones: bool = False,
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """CALLS_SINCE and, up to `until`, USAGE_BY_MINUTE, from one snapshot."""
    call_rows, minute_rows = database.read(
        CALLS_SINCE.query(client_id=client_id, since=calls_since, limit=limit, filters=filters.json()),
        USAGE_BY_MINUTE.query(client_id=client_id, since=minutes_since, until=until, filters=filters.json()),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    return CALLS_SINCE.frame(call_rows), USAGE_BY_MINUTE.frame(minute_rows)
