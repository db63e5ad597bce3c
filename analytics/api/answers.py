"""The JSON of GET /api/analytics, written by PostgreSQL: no number is converted on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from analytics.clients import Client, read_client
from analytics.database import Database, Query
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries import (
    DAILY_USAGE,
    EVERYTHING,
    MANY_PENDING,
    MONTHLY_SUMMARY,
    NO_FILTERS,
    TOP_CONVERSATIONS,
    USAGE_BY_CONVERSATION,
    USAGE_BY_GROUP,
    USAGE_SUMMARY,
    WEEKLY_EVOLUTION,
    Filters,
    Group,
    Period,
    SqlFunction,
    first_usage_day,
)
from analytics.queries.groups import Bucket, Order
from analytics.queries.overview import SUMMARY_DAYS

MAX_NAMED_DAYS = 3_660
MAX_DAYS_BY_HOUR = 92
MAX_GROUP_ROWS = 20_000
"""Of one answer: some 6 MB."""

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
    "byGroup": USAGE_BY_GROUP,
}
_BUCKETS_A_DAY: Mapping[Bucket, float] = {"hour": 25, "day": 1, "week": 1 / 7, "month": 1 / 28, "all": 0}
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
        (jsonb_build_object(
            'days', %(days)s::integer,
            'from', last.last_date - (%(days)s::integer - 1),
            'to', last.last_date,
            'month', to_char(
                coalesce(make_date(%(year)s, %(month)s, 1), last.last_date), 'YYYY-MM'
            ),
            'timezone', timezone
        )
        -- Of days before only sums are kept: filters that are answered from calls know nothing of them.
        || case when raw_since is null then '{}' else jsonb_build_object('raw_since', raw_since) end)::text,
        (select count(*) from (select 1 from usage_pending limit %(many)s + 1) as few) > %(many)s
    from clients
    cross join lateral (
        select coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date) as last_date
    ) as last
    where id = %(client_id)s
"""


@dataclass(frozen=True, kw_only=True)
class AnalyticsRequest:
    """A request for numbers."""

    section: Section = "all"
    period: Period = Period()  # noqa: RUF009 - frozen
    month: date | None = None
    """The first day of the month of `monthly`; None: the month of the last day."""
    limit: int = TOP_CONVERSATIONS
    """How many conversations or values of a group, the first by `order`."""
    order: Order = "tokens"
    group: Group | None = None
    """What usage is asked by, instead of a section."""
    grain: Bucket = "all"
    filters: Filters = NO_FILTERS


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer as JSON, and whether a fold would make the next one faster."""

    body: bytes
    has_many_pending: bool


def analytics_json(database: Database, client_id: UUID, request: AnalyticsRequest, now: datetime) -> Answer:
    """{"analytics": {...}, "period": {...}, "filters": [...]}, from one snapshot.

    In one network round trip, but for groups and days by name: those ask first what day it is for the client.

    Raises:
        InvalidInput: the answer would be too long.
        UnknownClient: there is no such client.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    period = request.period
    if period.name is not None or request.group is not None:
        client = read_client(database, client_id)
        period = period_at(database, client, period, now)
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "days": period.days,
        "last_date": period.last,
        **period.compared,
        "weeks": period.weeks,
        "year": request.month.year if request.month else None,
        "month": request.month.month if request.month else None,
        "limit": request.limit,
        "order": request.order,
        "now": now,
        "many": MANY_PENDING,
        "filters": request.filters.json(),
    }
    keys = _KEYS[request.section]
    if request.group is not None:
        keys = ("byGroup",)
        days = period.range(client.today(now))
        _check_rows(request, len(days))
        parameters |= {
            "first_date": days.first,
            "last_date": days.last,
            "group": request.group,
            "grain": request.grain,
            "top": request.limit,
        }
    about, *parts = database.read(
        Query(statement=_PERIOD, parameters=parameters),
        *(_query(key, parameters) for key in keys),
        client_id=client_id,
    )
    if not about.records:
        raise UnknownClient(f"no client has the id {client_id}")
    period_json, has_many_pending = about.records[0]
    members = ",".join(f'"{key}":{part.records[0][0]}' for key, part in zip(keys, parts, strict=True))
    body = f'{{"analytics":{{{members}}},"period":{period_json},"filters":{request.filters.json()}}}'
    return Answer(body=body.encode(), has_many_pending=has_many_pending)


def period_at(database: Database, client: Client, period: Period, now: datetime) -> Period:
    """The period with its days, if it has only a name.

    Raises:
        InvalidInput: it is too long.
    """
    first_day = first_usage_day(database, client.id) if period.name == EVERYTHING else None
    found = period.at(client.today(now), first_day)
    if found.days > MAX_NAMED_DAYS:
        raise InvalidInput(
            f"{period.name} is {found.days:,} days: at most {MAX_NAMED_DAYS:,} are allowed; give from and to"
        )
    return found


def _check_rows(request: AnalyticsRequest, days: int) -> None:
    if request.grain == "hour" and days > MAX_DAYS_BY_HOUR:
        raise InvalidInput(f"grain hour takes at most {MAX_DAYS_BY_HOUR} days, not {days}")
    values = request.limit + 1  # and all others
    rows = (int(days * _BUCKETS_A_DAY[request.grain]) + 2) * values
    if rows > MAX_GROUP_ROWS:
        raise InvalidInput(
            f"{days} days by {request.grain} with {values} values are up to {rows:,} rows: at most "
            f"{MAX_GROUP_ROWS:,} are allowed; take a longer grain, or a smaller limit"
        )


def _query(key: str, parameters: dict[str, Any]) -> Query:
    if key == "summary":
        statement = _SUMMARY.format(summary=USAGE_SUMMARY.known_statement(), days=SUMMARY_DAYS)
        return Query(statement=statement, parameters=parameters)
    return _FUNCTIONS[key].json_query(**parameters)
