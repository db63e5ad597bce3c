"""All clients side by side, for those who see several."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import Days
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import frame_of

if TYPE_CHECKING:
    import pandas as pd

# Each client's days end with its own today, or with `last_date`. Who may see all clients reads them at once;
# under row-level security the same statement sees one.
_CLIENTS = """
    with spans as materialized (
        select
            clients.id, clients.name, clients.timezone, clients.is_demo,
            days.first_date, days.last_date, days.previous_first_date,
            compared.last_date as compared_date, compared.whole_date, compared.until_at,
            compared.no_comparison
        from clients
        cross join lateral (
            select
                last_date,
                last_date - %(days)s::integer + 1 as first_date,
                coalesce(%(previous_first_date)s::date, last_date - 2 * %(days)s::integer + 1)
                    as previous_first_date,
                coalesce(%(previous_last_date)s::date, last_date - %(days)s::integer) as previous_last_date
            from (
                select coalesce(%(last_date)s::date, (%(now)s at time zone clients.timezone)::date)
                    as last_date
            ) as day
        ) as days
        cross join lateral compared_days(
            clients.id, days.first_date, days.last_date, days.previous_first_date, days.previous_last_date,
            %(now)s
        ) as compared
    ),

    daily as ({daily}),

    usage as (
        select
            client_id,
            whole_sum(total_tokens) filter (where is_current) as total_tokens,
            sum(cost_usd) filter (where is_current) as total_cost,
            whole_sum(request_count) filter (where is_current) as request_count,
            whole_sum(unpriced_count) filter (where is_current) as unpriced_count,
            whole_sum(total_tokens) filter (where not is_current) as previous_total_tokens,
            sum(cost_usd) filter (where not is_current) as previous_total_cost,
            whole_sum(unpriced_count) filter (where not is_current) as previous_unpriced_count
        from (
            select client_id, total_tokens, cost_usd, request_count, unpriced_count, is_current from daily
            union all
            select client_id, total_tokens, cost_usd, request_count, unpriced_count, false
            from ({part}) as part
        ) as parts
        group by client_id
    )

    select
        spans.id as client_id,
        spans.name as client_name,
        spans.timezone,
        spans.is_demo,
        spans.first_date,
        spans.last_date,
        coalesce(usage.total_tokens, 0)::bigint as total_tokens,
        coalesce(usage.total_cost, 0) as total_cost,
        coalesce(usage.request_count, 0)::bigint as request_count,
        coalesce(usage.unpriced_count, 0)::bigint as unpriced_count,
        coalesce(usage.previous_total_tokens, 0)::bigint as previous_total_tokens,
        coalesce(usage.previous_total_cost, 0) as previous_total_cost,
        coalesce(usage.previous_unpriced_count, 0)::bigint as previous_unpriced_count,
        spans.no_comparison,
        -- Adopted rows may have been made at infinity, which is no moment in Python.
        (
            select max(created_at) from usage_logs
            where usage_logs.client_id = spans.id and created_at <= %(now)s
        ) as last_call_at
    from spans
    left join usage on usage.client_id = spans.id
    order by total_cost desc, total_tokens desc, lower(spans.name), spans.id
"""
# Sums of all clients at once, and of the part of a running day; filters are answered client by client.
_ALL_CALLS = """
        select spans.id as client_id, days.*
        from spans
        -- Client by client and period by period, so that nothing is sorted.
        cross join lateral (
            select
                true as is_current,
                whole_sum(total_tokens) as total_tokens,
                sum(cost_usd) as cost_usd,
                whole_sum(request_count) as request_count,
                whole_sum(unpriced_count) as unpriced_count
            from usage_daily_rollup
            where client_id = spans.id and usage_date between spans.first_date and spans.last_date
            union all
            select
                false, whole_sum(total_tokens), sum(cost_usd), whole_sum(request_count),
                whole_sum(unpriced_count)
            from usage_daily_rollup
            where
                client_id = spans.id
                and usage_date between spans.previous_first_date and spans.whole_date
                and usage_date < spans.first_date
        ) as days
        union all
        select
            client_id, usage_date >= spans.first_date, total_tokens, cost_usd, request_count, unpriced_count
        from usage_pending
        inner join spans on spans.id = usage_pending.client_id
        where
            usage_date between spans.previous_first_date and spans.last_date
            and (usage_date <= spans.whole_date or usage_date >= spans.first_date)
"""
_PART_OF_ALL = """
                with moments as materialized (
                    select spans.id, spans.compared_date, spans.until_at, part.*
                    from spans
                    cross join lateral part_of_day(
                        spans.id, spans.timezone, spans.compared_date, spans.until_at, true
                    ) as part
                )

                select client_id, total_tokens, cost_usd, request_count, unpriced_count
                from moments
                inner join usage_hour_rollup as hours
                    on hours.client_id = moments.id
                    and hours.usage_date = moments.compared_date
                    and hours.hour < moments.hours_before
                union all
                select client_id, total_tokens, cost_usd, request_count, unpriced_count
                from moments
                inner join usage_pending as pending
                    on pending.client_id = moments.id
                    and pending.usage_date = moments.compared_date
                    and pending.hour < moments.hours_before
                union all
                select moments.id, calls.*
                from moments
                -- Client by client, by the index: all calls at once would be all that there are.
                cross join lateral (
                    select
                        sum(log.total_tokens)::bigint, sum(log.cost_usd),
                        (count(*) + coalesce(sum(log.bucket_request_count - 1), 0))::bigint,
                        (
                            count(*) filter (where log.cost_basis = 'unpriced')
                            + coalesce(
                                sum(log.bucket_request_count - 1)
                                filter (where log.cost_basis = 'unpriced'),
                                0
                            )
                        )::bigint
                    from usage_logs as log
                    where
                        log.client_id = moments.id
                        and log.created_at >= moments.from_at
                        and log.created_at < moments.end_at
                        and log.created_at <= moments.until_at
                ) as calls
"""
_WANTED_CALLS = """
        select
            spans.id as client_id, wanted.usage_date >= spans.first_date as is_current, wanted.total_tokens,
            wanted.cost_usd, wanted.request_count, wanted.unpriced_count
        from spans
        cross join lateral usage_rows(
            spans.id, %(filters)s::jsonb, spans.previous_first_date, spans.last_date, '{usage_date}',
            (usage_meters())[1:6]
        ) as wanted
        where wanted.usage_date <= spans.whole_date or wanted.usage_date >= spans.first_date
"""
_PART_OF_WANTED = """
                select
                    spans.id as client_id, part.total_tokens, part.cost_usd, part.request_count,
                    part.unpriced_count
                from spans
                cross join lateral usage_of_part(
                    spans.id, spans.compared_date, spans.until_at, %(filters)s::jsonb
                ) as part
"""

COLUMNS = {
    "client_id": "object",
    "client_name": "object",
    "timezone": "object",
    "is_demo": "bool",
    "first_date": "datetime64[s]",
    "last_date": "datetime64[s]",
    "total_tokens": "int64",
    "total_cost": "object",
    "request_count": "int64",
    "unpriced_count": "int64",
    "previous_total_tokens": "int64",
    "previous_total_cost": "object",
    "previous_unpriced_count": "int64",
    "no_comparison": "object",
    "last_call_at": "datetime64[us, UTC]",
}


def usage_by_client(
    database: Database,
    client_ids: Sequence[UUID] | None,
    days: int,
    last: date | None,
    compared: Days | None = None,
    *,
    now: datetime,
    filters: Filters = NO_FILTERS,
) -> "pd.DataFrame":
    """Usage of each client in its last `days` days up to `last` or its today, and in as many just before.

    Or in those to compare with, where these are given.

    While the last day runs, the days before count until the same time of day.

    `client_ids` None reads all clients at once as the connection's owner: only for who may see them all.
    Otherwise each client is read under row-level security.

    One row per client, the largest spend first: client_id UUID · client_name, timezone str · is_demo bool ·
    first_date, last_date datetime64 · total_tokens, request_count, unpriced_count int64 · total_cost Decimal
    (USD) · previous_total_tokens, previous_unpriced_count int64 · previous_total_cost Decimal (USD) ·
    no_comparison str or None (why changes are withheld) · last_call_at datetime64 (UTC) or NaT.
    """
    query = Query(
        statement=_CLIENTS.format(
            daily=_WANTED_CALLS if filters else _ALL_CALLS, part=_PART_OF_WANTED if filters else _PART_OF_ALL
        ),
        parameters={
            "days": days,
            "last_date": last,
            "previous_first_date": compared and compared.first,
            "previous_last_date": compared and compared.last,
            "now": now,
            "filters": filters.json(),
        },
    )
    answers: list[Rows] = (
        database.read(query)
        if client_ids is None
        else [database.read(query, client_id=client_id)[0] for client_id in client_ids]
    )
    records: list[tuple[Any, ...]] = list(chain.from_iterable(answer.records for answer in answers))
    return frame_of(list(COLUMNS), records, COLUMNS).sort_values(
        ["total_cost", "total_tokens"], ascending=False, kind="stable", ignore_index=True
    )
