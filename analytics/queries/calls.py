"""Calls one by one: a page of all that pass the filters, and one with all that is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.calls.validation import call_ids
from analytics.database import Database, Query
from analytics.days import Days
from analytics.pricing.price_list import DETAILS
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import PHONE_HANDLE, SqlFunction

if TYPE_CHECKING:
    import pandas as pd

CALLS_PER_PAGE = 50

_FACTS = {
    "created_at": "datetime64[us, UTC]",
    "id": "object",
    "conversation_id": "object",
    "phone": "object",
    "phone_handle": "object",
    "conversation_name": "object",
    "source": "object",
    "model": "object",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "total_tokens": "int64",
    "cost_usd": "object",
    "cost_basis": "object",
    **dict.fromkeys(DETAILS, "Int64"),
    "duration_seconds": "object",
    "operation": "object",
    "outcome": "object",
    "service_tier": "object",
    "latency_ms": "Int64",
    "time_to_first_token_ms": "Int64",
    "operation_id": "object",
    "attempt": "Int64",
    "response_id": "object",
    "account": "object",
    "stated_cost_usd": "object",
    "tags": "object",
    "bucket_request_count": "Int64",
}
CALLS = SqlFunction(
    function="get_calls",
    arguments=("client_id", "first_date", "last_date", "filters", "from_at", "from_id", "is_newer", "limit"),
    columns={
        **_FACTS,
        "matched_count": "int64",
        "matched_tokens": "Int64",
        "matched_prompt_tokens": "Int64",
        "matched_completion_tokens": "Int64",
        "matched_cost": "object",
        "matched_unpriced_count": "Int64",
        "has_newer": "bool",
        "has_older": "bool",
    },
    expressions=PHONE_HANDLE,
)
"""A page of the calls that pass the filters, the newest first: those older than the call of `from_at` and
`from_id`, or with `is_newer` those newer; without them the newest of all.

One row per call: created_at datetime64 (UTC) · id UUID · conversation_id UUID or None (that of its phone
where it names none) · phone, phone_handle, conversation_name, model str or None · source, cost_basis str ·
prompt_tokens, completion_tokens, total_tokens int64 · cost_usd Decimal (USD) · what is known of it, missing
where it is not: DETAILS, latency_ms, time_to_first_token_ms, attempt Int64 · duration_seconds,
stated_cost_usd Decimal or None · operation, outcome, service_tier, operation_id, response_id, account str or
None · tags dict or None · bucket_request_count Int64 (of a row that is the sum of a bucket; missing for one
call) · matched_count int64 (calls of the period that pass) ·
matched_tokens, matched_prompt_tokens, matched_completion_tokens, matched_unpriced_count Int64, matched_cost
Decimal or None (USD): what they come to, missing where that takes reading them all ·
has_newer, has_older bool (whether there are further ones). Where too few are newer to fill a page, it is the
first one.
"""
CALL = SqlFunction(
    function="calls_with_ids",
    arguments=("client_id", "ids"),
    columns={**_FACTS, "metadata": "object"},
    expressions=PHONE_HANDLE,
)
"""The calls with one of these ids, whatever their day: the columns of CALLS, and metadata dict or None."""
OTHER_ATTEMPTS = SqlFunction(
    function="get_other_attempts",
    arguments=("client_id", "ids"),
    columns={
        "created_at": "datetime64[us, UTC]",
        "id": "object",
        "source": "object",
        "model": "object",
        "total_tokens": "int64",
        "cost_usd": "object",
        "cost_basis": "object",
        "outcome": "object",
        "latency_ms": "Int64",
        "attempt": "Int64",
    },
)
"""The other calls with the operation_id of a call, made within an hour of it, oldest first; at most 50.

One row per call: created_at datetime64 (UTC) · id UUID · source, cost_basis str · model, outcome str or
None · total_tokens int64 · cost_usd Decimal (USD) · latency_ms, attempt Int64.
"""


SEARCHED_CALLS = 50_000
"""Of so many newest calls of the days the operations are compared: no index has them, which would take some
60 bytes a call."""
_OF_OPERATION = """
    select newest.id
    from (
        select call.id, call.created_at, call.operation_id, call.phone, call.conversation_id
        from usage_logs as call
        inner join moments_of_days(%(client_id)s, %(first_date)s, %(last_date)s) as span
            on call.created_at >= span.first_at and call.created_at < span.end_at
        where call.client_id = %(client_id)s
        order by call.created_at desc
        limit %(most)s
    ) as newest
    left join conversations as conversation
        on conversation.client_id = %(client_id)s and conversation.id = newest.conversation_id
    where
        newest.operation_id = %(text)s
        and shown_id(newest.operation_id, coalesce(newest.phone, conversation.phone)) = %(text)s
    order by newest.created_at desc, newest.id desc
    limit 1
"""


@dataclass(frozen=True, kw_only=True)
class CallPlace:
    """A call at which a page of others begins."""

    created_at: datetime
    id: UUID
    is_newer: bool = False
    """Whether the page has those that are newer than it, instead of those that are older."""


@dataclass(frozen=True, kw_only=True)
class KnownCall:
    """One call, from one snapshot."""

    call: "pd.DataFrame"
    """CALL; empty where the client has no such call."""
    other_attempts: "pd.DataFrame"
    """OTHER_ATTEMPTS."""


def calls_page(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    place: CallPlace | None = None,
    limit: int = CALLS_PER_PAGE,
    sees_phones: bool = False,
    filters: Filters = NO_FILTERS,
) -> "pd.DataFrame":
    """A page of the calls of these days, the newest first: CALLS."""
    return CALLS.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        filters=filters.json(),
        from_at=None if place is None else place.created_at,
        from_id=None if place is None else place.id,
        is_newer=place is not None and place.is_newer,
        limit=limit,
        sees_phones=sees_phones,
    )


def known_call(
    database: Database, client_id: UUID, text: str, *, days: Days | None = None, sees_phones: bool = False
) -> KnownCall:
    """What is known of the call with this id: its own, the one its application gave, or its response's.

    Where no call has it and `days` are given, it is that of an operation: its newest call on these days, if
    that is among their newest SEARCHED_CALLS. An id that is masked for the reader is found by nobody.
    """
    found = _known(database, client_id, call_ids(str(client_id), text), sees_phones=sees_phones)
    if days is None or not text.strip() or not found.call.empty:
        return found
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "text": text.strip(),
        "most": SEARCHED_CALLS,
    }
    query = Query(statement=_OF_OPERATION, parameters=parameters)
    [rows] = database.read(query, client_id=client_id, sees_phones=sees_phones)
    ids = [call_id for (call_id,) in rows.records]
    return _known(database, client_id, ids, sees_phones=sees_phones) if ids else found


def _known(database: Database, client_id: UUID, ids: Sequence[UUID], *, sees_phones: bool) -> KnownCall:
    parameters = {"client_id": client_id, "ids": ids}
    call_rows, attempt_rows = database.read(
        CALL.query(**parameters),
        OTHER_ATTEMPTS.query(**parameters),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    return KnownCall(call=CALL.frame(call_rows), other_attempts=OTHER_ATTEMPTS.frame(attempt_rows))
