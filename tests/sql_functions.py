"""The SQL functions, each asked alone: what pages and the API ask together."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.queries import Unit


def daily_usage(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """queries.DAILY_USAGE."""
    return queries.DAILY_USAGE.ask(database, client_id=client_id, days=days, now=now)


def weekly_evolution(database: Database, client_id: UUID, weeks: int = 12, *, now: datetime) -> pd.DataFrame:
    """queries.WEEKLY_EVOLUTION."""
    return queries.WEEKLY_EVOLUTION.ask(database, client_id=client_id, weeks=weeks, now=now)


def monthly_summary(
    database: Database, client_id: UUID, year: int | None = None, month: int | None = None, *, now: datetime
) -> pd.DataFrame:
    """queries.MONTHLY_SUMMARY."""
    return queries.MONTHLY_SUMMARY.ask(database, client_id=client_id, year=year, month=month, now=now)


def usage_summary(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """queries.USAGE_SUMMARY."""
    return queries.USAGE_SUMMARY.ask(database, client_id=client_id, days=days, now=now)


def usage_by_model(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """queries.USAGE_BY_MODEL."""
    return queries.USAGE_BY_MODEL.ask(database, client_id=client_id, days=days, now=now)


def usage_by_conversation(
    database: Database,
    client_id: UUID,
    days: int = 30,
    limit: int = queries.TOP_CONVERSATIONS,
    *,
    order: Unit = "tokens",
    now: datetime,
    sees_phones: bool = False,
) -> pd.DataFrame:
    """queries.USAGE_BY_CONVERSATION."""
    return queries.USAGE_BY_CONVERSATION.ask(
        database, client_id=client_id, days=days, limit=limit, order=order, now=now, sees_phones=sees_phones
    )


def conversation_calls(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    conversation_id: UUID | None,
    phone_handle: str | None,
    limit: int = queries.CALLS_PER_TIMELINE,
    sees_phones: bool = False,
) -> pd.DataFrame:
    """queries.CONVERSATION_CALLS."""
    return queries.CONVERSATION_CALLS.ask(
        database,
        client_id=client_id,
        conversation_id=conversation_id,
        phone_handle=phone_handle,
        first_date=days.first,
        last_date=days.last,
        limit=limit,
        sees_phones=sees_phones,
    )


def calls_since(
    database: Database, client_id: UUID, since: datetime, limit: int = queries.LIVE_CALLS, **asked: Any
) -> pd.DataFrame:
    """queries.CALLS_SINCE."""
    return queries.CALLS_SINCE.ask(database, client_id=client_id, since=since, limit=limit, **asked)


def usage_by_minute(database: Database, client_id: UUID, since: datetime, until: datetime) -> pd.DataFrame:
    """queries.USAGE_BY_MINUTE."""
    return queries.USAGE_BY_MINUTE.ask(database, client_id=client_id, since=since, until=until)


def usage_gaps(database: Database, client_id: UUID, days: Days) -> pd.DataFrame:
    """queries.USAGE_GAPS."""
    return queries.USAGE_GAPS.ask(database, client_id=client_id, first_date=days.first, last_date=days.last)


def sum_differences(database: Database, client_id: UUID, days: Days) -> pd.DataFrame:
    """queries.SUM_DIFFERENCES."""
    return queries.SUM_DIFFERENCES.ask(
        database, client_id=client_id, first_date=days.first, last_date=days.last
    )
