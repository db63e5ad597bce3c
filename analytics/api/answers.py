"""The JSON of GET /api/analytics, written by PostgreSQL: no number is converted on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from analytics.database import Database, Query
from analytics.errors import UnknownClient
from analytics.queries import (
    DAILY_USAGE,
    MANY_PENDING,
    MONTHLY_SUMMARY,
    NO_FILTERS,
    TOP_CONVERSATIONS,
    USAGE_BY_CONVERSATION,
    USAGE_SUMMARY,
    WEEKLY_EVOLUTION,
    Period,
    SqlFunction,
    Unit,
)
from analytics.queries.overview import SUMMARY_DAYS

Section = Literal["all", "daily", "weekly", "monthly", "conversation"]

_KEYS: Mapping[Section, tuple[str, ...]] = {
    "all": ("daily", "weekly", "monthly", "byConversation", "summary"),
    "daily": ("daily",),
    "weekly": ("weekly",),
    "monthly": ("monthly",),
    "conversation": ("byConversation",),
}
_FUNCTIONS: Mapping[str, SqlFunction] = {
    "daily": DAILY_USAGE,
    "weekly": WEEKLY_EVOLUTION,
    "monthly": MONTHLY_SUMMARY,
    "byConversation": USAGE_BY_CONVERSATION,
}
# The columns of the total, its parts by provider, and the days before. Without a comparison those are null.
_SUMMARY = """
    with answer as materialized ({summary}),

    compared as materialized ({days}),

    told as (
        select
            answer.provider,
            to_jsonb(answer)
            || case when no_comparison is null then '{{}}' else
                '{{"previous_total_tokens": null, "previous_total_cost": null, "previous_request_count": null,
                "previous_unpriced_count": null}}'
            end::jsonb as columns
        from answer
        cross join compared
    )

    select (
        (total.columns - 'provider')
        || jsonb_build_object(
            'compared_with', jsonb_build_object(
                'from', compared.first_date,
                'to', compared.last_date,
                'is_running', compared.until_at is not null,
                'no_comparison', compared.no_comparison
            ),
            'by_provider', parts.listed
        )
    )::text
    from told as total
    cross join compared
    cross join (select jsonb_agg(columns) as listed from told where provider <> 'total') as parts
    where total.provider = 'total'
"""
_PERIOD = """
    select
        jsonb_build_object(
            'days', %(days)s::integer,
            'from', last.last_date - (%(days)s::integer - 1),
            'to', last.last_date,
            'month', to_char(
                coalesce(make_date(%(year)s, %(month)s, 1), last.last_date), 'YYYY-MM'
            ),
            'timezone', timezone
        )::text,
        (select count(*) from (select from usage_pending limit %(many)s + 1) as few) > %(many)s
    from clients
    cross join lateral (
        select coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date) as last_date
    ) as last
    where id = %(client_id)s
"""


@dataclass(frozen=True, kw_only=True)
class AnalyticsRequest:
    """A request for numbers: `days` whole days up to `last_date`, or up to today if that is None."""

    section: Section = "all"
    days: int = 30
    last_date: date | None = None
    month: date | None = None
    """The first day of the month of `monthly`; None: the month of the last day."""
    limit: int = TOP_CONVERSATIONS
    """How many conversations, the first by `order`."""
    order: Unit = "tokens"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer as JSON, and whether a fold would make the next one faster."""

    body: bytes
    has_many_pending: bool


def analytics_json(database: Database, client_id: UUID, request: AnalyticsRequest, now: datetime) -> Answer:
    """{"analytics": {...}, "period": {...}}, in one network round trip and from one snapshot.

    Raises:
        UnknownClient: there is no such client.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "days": request.days,
        "last_date": request.last_date,
        **Period().compared,
        "filters": NO_FILTERS.json(),
        "weeks": Period(days=request.days).weeks,
        "year": request.month.year if request.month else None,
        "month": request.month.month if request.month else None,
        "limit": request.limit,
        "order": request.order,
        "now": now,
        "many": MANY_PENDING,
    }
    keys = _KEYS[request.section]
    period, *parts = database.read(
        Query(statement=_PERIOD, parameters=parameters),
        *(_query(key, parameters) for key in keys),
        client_id=client_id,
    )
    if not period.records:
        raise UnknownClient(f"no client has the id {client_id}")
    period_json, has_many_pending = period.records[0]
    members = ",".join(f'"{key}":{part.records[0][0]}' for key, part in zip(keys, parts, strict=True))
    body = f'{{"analytics":{{{members}}},"period":{period_json}}}'
    return Answer(body=body.encode(), has_many_pending=has_many_pending)


def _query(key: str, parameters: dict[str, Any]) -> Query:
    if key == "summary":
        statement = _SUMMARY.format(summary=USAGE_SUMMARY.known_statement(), days=SUMMARY_DAYS)
        return Query(statement=statement, parameters=parameters)
    return _FUNCTIONS[key].json_query(**parameters)
