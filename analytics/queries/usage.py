"""One function per SQL function."""

from datetime import datetime
from uuid import UUID

import pandas as pd

from analytics.database import Database
from analytics.queries.overview import TOP_CONVERSATIONS
from analytics.queries.sql_function import BY_CONVERSATION, BY_MODEL, DAILY, MONTHLY, SUMMARY, WEEKLY, Unit


def daily_usage(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """Usage per day and source, zero-filled.

    One row per (date, source), newest last; openai and groq always have rows: date datetime64 · source str ·
    total_tokens int64 · total_cost Decimal (USD) · request_count int64 · unpriced_count int64.
    """
    return DAILY.ask(database, client_id=client_id, days=days, now=now)


def weekly_evolution(database: Database, client_id: UUID, weeks: int = 12, *, now: datetime) -> pd.DataFrame:
    """Usage per week from Monday, zero-filled, the current week last; openai + groq + other = total.

    One row per week: week_start datetime64 · week_number int64 (ISO) · total_tokens, openai_tokens,
    groq_tokens, other_tokens int64 · total_cost, openai_cost, groq_cost, other_cost Decimal (USD) ·
    request_count int64 · unpriced_count int64, both also per provider (openai_request_count, ...).
    """
    return WEEKLY.ask(database, client_id=client_id, weeks=weeks, now=now)


def monthly_summary(
    database: Database, client_id: UUID, year: int | None = None, month: int | None = None, *, now: datetime
) -> pd.DataFrame:
    """Usage per source and model in a calendar month, by default the client's current one.

    One row per (source, model) with use, most tokens first: source str · model str or None · total_tokens,
    prompt_tokens, completion_tokens int64 · total_cost Decimal (USD) · request_count, unpriced_count int64 ·
    cost_per_1k_tokens Decimal (USD), None where some of the cost is unknown · tokens_per_request float64.
    """
    return MONTHLY.ask(database, client_id=client_id, year=year, month=month, now=now)


def usage_summary(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """What the cards show: the last `days` days, and as many just before them.

    Four rows, provider total, openai, groq, other: total_tokens, prompt_tokens, completion_tokens int64 ·
    total_cost Decimal (USD) · request_count, unpriced_count int64 · previous_total_tokens int64 ·
    previous_total_cost Decimal (USD) · previous_request_count, previous_unpriced_count int64. The last three
    rows add up to the first. While the last day runs, the days before count until the same time of day.
    """
    return SUMMARY.ask(database, client_id=client_id, days=days, now=now)


def usage_by_model(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """Usage per source and model in the last `days` days; columns as monthly_summary()."""
    return BY_MODEL.ask(database, client_id=client_id, days=days, now=now)


def usage_by_conversation(
    database: Database,
    client_id: UUID,
    days: int = 30,
    limit: int = TOP_CONVERSATIONS,
    *,
    order: Unit = "tokens",
    now: datetime,
    sees_phones: bool = False,
) -> pd.DataFrame:
    """The `limit` conversations with the most tokens, or the highest known cost, in the last `days` days.

    One row per conversation, the first one first: phone, conversation_name str or None · total_tokens int64 ·
    total_cost Decimal (USD) · request_count, openai_tokens, groq_tokens, other_tokens, unpriced_count int64 ·
    conversation_id UUID or None · share_of_tokens float64 (0 to 1, of all the client's tokens in these days).
    """
    return BY_CONVERSATION.ask(
        database,
        client_id=client_id,
        days=days,
        limit=limit,
        order=order,
        now=now,
        sees_phones=sees_phones,
    )
