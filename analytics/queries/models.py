"""What the pages behind the Overview show: each takes one network round trip.

Days are the client's, the first and the last included.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import pandas as pd

from analytics.database import Database
from analytics.errors import UnknownClient
from analytics.queries.comparisons import ComparedDays
from analytics.queries.sql_function import (
    BY_MINUTE,
    CALL_SUMS,
    CALLS_SINCE,
    COMPARED_DAYS,
    COMPARISON,
    CONVERSATION_CALLS,
    FOUND_CONVERSATIONS,
    OVER_TIME,
    SUM_DIFFERENCES,
)

Grain = Literal["day", "week", "month"]
Sort = Literal["tokens", "cost", "requests", "name", "last"]

CONVERSATIONS_PER_PAGE = 50
CALLS_PER_TIMELINE = 1_000
LIVE_CALLS = 5_000
_KEYS = ("kind", "source", "model", "weekday", "hour", "operation")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two periods side by side."""

    days: ComparedDays
    models: pd.DataFrame
    """One row per (source, model) with use in either: source str · model str or None · total_tokens,
    prompt_tokens, completion_tokens, request_count, unpriced_count int64 · total_cost Decimal (USD) · of the
    second period previous_total_tokens, previous_total_cost, previous_request_count,
    previous_unpriced_count."""


def usage_comparison(
    database: Database,
    client_id: UUID,
    first: date,
    last: date,
    previous_first: date,
    previous_last: date,
    *,
    now: datetime,
) -> Comparison:
    """Usage per source and model in two periods; a running one is compared until the same time of day.

    Raises:
        UnknownClient: there is no such client.
    """
    asked = {
        "client_id": client_id,
        "first_date": first,
        "last_date": last,
        "previous_first_date": previous_first,
        "previous_last_date": previous_last,
        "now": now,
    }
    compared, models = database.read(
        COMPARED_DAYS.query(**asked), COMPARISON.query(**asked), client_id=client_id
    )
    if not compared.records:
        raise UnknownClient(f"no client has the id {client_id}")
    days = dict(zip(compared.columns, compared.records[0], strict=True))
    return Comparison(days=ComparedDays(first_date=previous_first, **days), models=COMPARISON.frame(models))


def usage_over_time(
    database: Database, client_id: UUID, first: date, last: date, grain: Grain = "day"
) -> pd.DataFrame:
    """Usage per day, week (from Monday) or month and source, zero-filled, the oldest first.

    One row per (bucket, source): bucket_date, first_date, last_date datetime64 (the days that it counts) ·
    source str · total_tokens, request_count, unpriced_count int64 · total_cost Decimal (USD).
    """
    return OVER_TIME.ask(database, client_id=client_id, first_date=first, last_date=last, grain=grain)


@dataclass(frozen=True, kw_only=True)
class CallSums:
    """What only the calls themselves know, summed; money in Decimal (USD), counts and tokens int64."""

    parts: pd.DataFrame
    """One row per (source, model, operation): source str · model, operation str or None · request_count,
    prompt_tokens, completion_tokens, total_tokens, unpriced_count · cached_tokens (of the prompt),
    reasoning_tokens (of the completion) · duration_seconds Decimal (of audio) · total_cost."""
    by_hour: pd.DataFrame
    """One row per (weekday, hour) of the client's clock with use: weekday (1 is Monday), hour int64 ·
    total_tokens, request_count · total_cost."""
    by_operation: pd.DataFrame
    """One row per operation, most requests first: operation str or None (not logged) · total_tokens,
    request_count, unpriced_count · total_cost."""


def call_sums(database: Database, client_id: UUID, first: date, last: date) -> CallSums:
    """The calls of the days by model with their parts, by hour, and by operation."""
    sums = CALL_SUMS.ask(database, client_id=client_id, first_date=first, last_date=last)

    def of(kind: str, *keys: str) -> pd.DataFrame:
        others = [name for name in _KEYS if name not in keys]
        return sums[sums["kind"] == kind].drop(columns=others).reset_index(drop=True)

    return CallSums(
        parts=of("parts", "source", "model", "operation").sort_values(
            ["total_tokens", "source", "model", "operation"],
            ascending=[False, True, True, True],
            ignore_index=True,
        ),
        by_hour=of("hour", "weekday", "hour").astype({"weekday": "int64", "hour": "int64"}),
        by_operation=of("operation", "operation"),
    )


def found_conversations(
    database: Database,
    client_id: UUID,
    first: date,
    last: date,
    *,
    search: str = "",
    sort: Sort = "tokens",
    descending: bool = True,
    limit: int = CONVERSATIONS_PER_PAGE,
    offset: int = 0,
    sees_phones: bool = False,
    finds_phones: bool = False,
) -> pd.DataFrame:
    """A page of the conversations whose name, phone or id fits the search, in the order asked for.

    Who may not see phones finds by what they see: a name, the last four digits. Who may, but looks at them
    masked, finds by the whole of them (`finds_phones`).

    One row per conversation: conversation_id UUID or None · phone, conversation_name str or None ·
    phone_handle str (what the calls of a phone without a conversation are asked for by) or None ·
    first_date, last_date datetime64 (with use in the period) · total_tokens, openai_tokens, groq_tokens,
    other_tokens, request_count, unpriced_count, matched_count (in all) int64 · total_cost Decimal (USD).
    """
    return FOUND_CONVERSATIONS.ask(
        database,
        client_id=client_id,
        first_date=first,
        last_date=last,
        search=search,
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
        sees_phones=sees_phones,
        finds_phones=finds_phones,
    )


def conversation_calls(
    database: Database,
    client_id: UUID,
    first: date,
    last: date,
    *,
    conversation_id: UUID | None,
    phone_handle: str | None,
    limit: int = CALLS_PER_TIMELINE,
    sees_phones: bool = False,
) -> pd.DataFrame:
    """The calls of one conversation (by id, by the handle of a phone, or neither), oldest first.

    One row per call: created_at datetime64 (UTC) · id UUID · source str · model str or None · prompt_tokens,
    completion_tokens, total_tokens int64 · cost_usd Decimal · cost_basis str · metadata dict or None ·
    running_tokens int64 and running_cost Decimal (up to this call) · call_count int64 (in all).
    """
    return CONVERSATION_CALLS.ask(
        database,
        client_id=client_id,
        conversation_id=conversation_id,
        phone_handle=phone_handle,
        first_date=first,
        last_date=last,
        limit=limit,
        sees_phones=sees_phones,
    )


def calls_since(
    database: Database,
    client_id: UUID,
    since: datetime,
    limit: int = LIVE_CALLS,
    *,
    sees_phones: bool = False,
) -> pd.DataFrame:
    """The calls made since a moment, the newest first.

    One row per call: created_at datetime64 (UTC) · id UUID · conversation_id UUID or None (that of its phone
    where it names none) · phone, conversation_name and model str or None · source, cost_basis str ·
    prompt_tokens, completion_tokens, total_tokens int64 · cost_usd Decimal.
    """
    return CALLS_SINCE.ask(database, client_id=client_id, since=since, limit=limit, sees_phones=sees_phones)


def usage_by_minute(database: Database, client_id: UUID, since: datetime, until: datetime) -> pd.DataFrame:
    """Usage per minute and source.

    One row per (minute, source) with calls: minute_at datetime64 (UTC) · source str · total_tokens,
    request_count, unpriced_count, zero_token_count int64 · total_cost Decimal (USD).
    """
    return BY_MINUTE.ask(database, client_id=client_id, since=since, until=until)


def sum_differences(database: Database, client_id: UUID, first: date, last: date) -> pd.DataFrame:
    """Where the sums differ from the calls themselves: no rows, unless somebody tampered with them.

    One row per (usage_date, source, model) that differs: summed_tokens, logged_tokens, summed_count,
    logged_count int64 · summed_cost, logged_cost Decimal (USD). Reads all calls of the days.
    """
    return SUM_DIFFERENCES.ask(database, client_id=client_id, first_date=first, last_date=last)
