"""The Overview page's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd

from analytics.database import Database, Query
from analytics.errors import UnknownClient
from analytics.pricing import stored
from analytics.pricing.at_list_prices import OwnPriced, own_priced
from analytics.queries.clients import CLIENT_COLUMNS, Client, client_of
from analytics.queries.comparisons import ComparedDays
from analytics.queries.periods import EVOLUTION_WEEKS, Period
from analytics.queries.sql_function import BY_CONVERSATION, BY_MODEL, DAILY, MOMENT, SUMMARY, WEEKLY, Unit

TOP_CONVERSATIONS = 20

# More pending rows than this cost a read more than folding them is worth.
MANY_PENDING = 1_000
# The period and as many days just before it: those that get_usage_summary() compares.
SUMMARY_DAYS = """
    select
        first_date - %(days)s::integer as first_date, compared.last_date, until_at, day_count,
        previous_day_count, no_comparison
    from (
        select
            coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date) as last_date,
            coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date)
                - %(days)s::integer + 1 as first_date
        from clients
        where id = %(client_id)s
    ) as period
    cross join lateral compared_days(
        %(client_id)s, first_date, period.last_date, first_date - %(days)s::integer, first_date - 1, %(now)s
    ) as compared
"""

_USAGE = f"""
    select usage.*
    from usage_window(%(client_id)s, %(days)s, {MOMENT}) as period
    cross join lateral get_daily_usage_by_model(%(client_id)s, period.first_date, period.last_date) as usage
"""  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that the Overview page shows, from one snapshot of the database."""

    client: Client
    period: Period
    loaded_at: datetime
    last_day: date
    """Of the period; today, unless other days were chosen."""
    order: Unit
    """What `models` and `conversations` are the first by."""
    compared: ComparedDays
    """With which days the summary compares them."""
    summary: pd.DataFrame
    daily: pd.DataFrame
    weekly: pd.DataFrame
    models: pd.DataFrame
    conversations: pd.DataFrame
    own_priced: Sequence[OwnPriced]
    """The models that cost something else by the public list."""
    has_many_pending: bool
    sees_phones: bool = False
    """Whether phones and names are whole, or masked."""

    @property
    def first_day(self) -> date:
        """The first of the period's days."""
        return self.last_day - timedelta(days=self.period.days - 1)


def load_overview(
    database: Database,
    client_id: UUID,
    period: Period,
    now: datetime,
    order: Unit = "tokens",
    *,
    sees_phones: bool = False,
) -> Overview:
    """All that the Overview page needs, in one network round trip and from one snapshot.

    `daily` and `weekly` end with the period, and begin before it where it is shorter than their charts.

    Raises:
        UnknownClient: there is no such client.
    """
    asked: dict[str, Any] = {
        "client_id": client_id,
        "days": period.days,
        "last_date": period.last,
        "now": now,
    }
    topics = {
        "summary": (SUMMARY, asked),
        "daily": (DAILY, asked | {"days": period.chart_days}),
        "weekly": (WEEKLY, asked | {"weeks": period.weeks}),
        "models": (BY_MODEL, asked),
        "conversations": (BY_CONVERSATION, asked | {"limit": TOP_CONVERSATIONS, "order": order}),
    }
    who, compared, days_of_models, price_rows, *answers = database.read(
        Query(
            statement=f"select {CLIENT_COLUMNS},"  # noqa: S608
            " coalesce(%(last_date)s, (%(now)s at time zone timezone)::date),"
            " (select count(*) from (select from usage_pending limit %(many)s + 1) as few) > %(many)s"
            " from clients where id = %(client_id)s",
            parameters=asked | {"many": MANY_PENDING},
        ),
        Query(statement=SUMMARY_DAYS, parameters=asked),
        Query(statement=_USAGE, parameters=asked),
        Query(statement=stored.LOAD),
        *(topic.query(**parameters) for topic, parameters in topics.values()),
        client_id=client_id,
        sees_phones=sees_phones,
    )
    if not who.records:
        raise UnknownClient(f"no client has the id {client_id}")
    *identity, last_day, has_many_pending = who.records[0]
    frames = {
        name: topic.frame(rows) for (name, (topic, _)), rows in zip(topics.items(), answers, strict=True)
    }
    frames["weekly"] = _weeks_of(frames["weekly"], last_day - timedelta(days=period.days - 1))
    frames["models"] = by_amount(frames["models"], order)
    return Overview(
        client=client_of(identity),
        compared=ComparedDays(**dict(zip(compared.columns, compared.records[0], strict=True))),
        period=period,
        loaded_at=now,
        last_day=last_day,
        order=order,
        has_many_pending=has_many_pending,
        own_priced=own_priced(days_of_models, stored.price_list_of(price_rows.records), client_id),
        sees_phones=sees_phones,
        **frames,
    )


def by_amount(frame: pd.DataFrame, order: Unit) -> pd.DataFrame:
    """The rows with the most tokens, or the highest known cost, first; where they tie the other decides."""
    columns = ["total_cost", "total_tokens"] if order == "cost" else ["total_tokens", "total_cost"]
    return frame.sort_values(columns, ascending=False, kind="stable", ignore_index=True)


def _weeks_of(weekly: pd.DataFrame, first_day: date) -> pd.DataFrame:
    """The last twelve weeks, or those that the period lies in where they are more."""
    is_of_period = weekly["week_start"] > pd.Timestamp(first_day) - pd.Timedelta(days=7)
    return weekly.tail(max(EVOLUTION_WEEKS, int(is_of_period.sum()))).reset_index(drop=True)
