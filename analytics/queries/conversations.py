"""Conversations: a page of them, and one with all its calls. Each takes one network round trip."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from analytics.database import Database
from analytics.days import Days
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import PHONE_HANDLE, SqlFunction

if TYPE_CHECKING:
    import pandas as pd

Sort = Literal["tokens", "cost", "requests", "name", "last"]

CONVERSATIONS_PER_PAGE = 50
CALLS_PER_TIMELINE = 1_000

CONVERSATIONS = SqlFunction(
    function="search_conversations",
    arguments=(
        *(
            "client_id",
            "first_date",
            "last_date",
            "search",
            "sort",
            "descending",
            "limit",
            "offset",
            "filters",
        ),
    ),
    columns={
        "conversation_id": "object",
        "phone": "object",
        "phone_handle": "object",
        "conversation_name": "object",
        "first_date": "datetime64[s]",
        "last_date": "datetime64[s]",
        "total_tokens": "int64",
        "openai_tokens": "int64",
        "groq_tokens": "int64",
        "other_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "matched_count": "int64",
    },
    expressions=PHONE_HANDLE,
)
"""A page of the conversations that match the search, in the order of `sort`.

One row per conversation: conversation_id UUID or None · phone, conversation_name str or None ·
phone_handle str (names the calls of a phone without a conversation) or None · first_date, last_date
datetime64 (with use in the period) · total_tokens, openai_tokens, groq_tokens, other_tokens, request_count,
unpriced_count, matched_count (in all) int64 · total_cost Decimal (USD).
"""
CONVERSATION = SqlFunction(
    function="get_conversation",
    arguments=("client_id", "conversation_id", "phone", "first_date", "last_date", "filters"),
    columns=CONVERSATIONS.columns,
    expressions=PHONE_HANDLE,
)
"""The row of CONVERSATIONS of one of them: by id, by the handle of a phone, or neither."""
CONVERSATION_CALLS = SqlFunction(
    function="get_conversation_calls",
    arguments=("client_id", "conversation_id", "phone", "first_date", "last_date", "limit", "filters"),
    columns={
        "created_at": "datetime64[us, UTC]",
        "id": "object",
        "source": "object",
        "model": "object",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_tokens": "int64",
        "cost_usd": "object",
        "cost_basis": "object",
        "outcome": "object",
        "latency_ms": "Int64",
        "running_tokens": "int64",
        "running_cost": "object",
        "call_count": "int64",
        "bucket_request_count": "Int64",
    },
)
"""The calls of one conversation (by id, by the handle of a phone, or neither), oldest first.

One row per call: created_at datetime64 (UTC) · id UUID · source str · model str or None · prompt_tokens,
completion_tokens, total_tokens int64 · cost_usd Decimal (USD) · cost_basis str · outcome str or None ·
latency_ms Int64 · running_tokens int64 and running_cost Decimal (up to this call) · call_count int64 (in
all) · bucket_request_count Int64 (of a row that is the sum of a bucket; missing for one call).
known_call() has all that is known of one.
"""


def found_conversations(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    search: str = "",
    sort: Sort = "tokens",
    descending: bool = True,
    limit: int = CONVERSATIONS_PER_PAGE,
    offset: int = 0,
    sees_phones: bool = False,
    finds_phones: bool = False,
    filters: Filters = NO_FILTERS,
) -> "pd.DataFrame":
    """A page of the conversations whose name, phone or id matches the search: CONVERSATIONS.

    Whoever may not see phones searches what they see: a name, the last four digits. Whoever may, but looks at
    masked ones, searches whole phones with `finds_phones`.
    """
    return CONVERSATIONS.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        search=search,
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
        sees_phones=sees_phones,
        finds_phones=finds_phones,
        filters=filters.json(),
    )


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One conversation and its calls, from one snapshot."""

    conversation: "pd.DataFrame"
    """Its row of CONVERSATIONS; empty where it was not used in the period."""
    calls: "pd.DataFrame"
    """CONVERSATION_CALLS."""


def conversation_timeline(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    conversation_id: UUID | None,
    phone_handle: str | None,
    limit: int = CALLS_PER_TIMELINE,
    sees_phones: bool = False,
    filters: Filters = NO_FILTERS,
) -> Timeline:
    """One conversation: by its id, by the handle of the phone of calls that have none, or by neither."""
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "conversation_id": conversation_id,
        "phone_handle": phone_handle,
        "filters": filters.json(),
    }
    conversation_rows, call_rows = database.read(
        CONVERSATION.query(**parameters),
        CONVERSATION_CALLS.query(**parameters, limit=limit),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    return Timeline(
        conversation=CONVERSATION.frame(conversation_rows), calls=CONVERSATION_CALLS.frame(call_rows)
    )
