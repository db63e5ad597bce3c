"""All clients side by side, for those who see several."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import Days
from analytics.queries.filters import NO_FILTERS, Filters

if TYPE_CHECKING:
    import pandas as pd

# Each client's days end with its own today, or with `last_date`. Who may see all clients reads them at once;
# under row-level security the same statement sees one.
_CLIENTS = """
    select
        clients.id as client_id,
        clients.name as client_name,
        clients.timezone,
        clients.is_demo,
        days.first_date,
        days.last_date,
        coalesce(usage.total_tokens, 0)::bigint as total_tokens,
        coalesce(usage.total_cost, 0) as total_cost,
        coalesce(usage.request_count, 0)::bigint as request_count,
        coalesce(usage.unpriced_count, 0)::bigint as unpriced_count,
        coalesce(usage.previous_total_tokens, 0)::bigint as previous_total_tokens,
        coalesce(usage.previous_total_cost, 0) as previous_total_cost,
        coalesce(usage.previous_unpriced_count, 0)::bigint as previous_unpriced_count,
        compared.no_comparison,
        -- Adopted rows may have been made at infinity, which is no moment in Python.
        (
            select max(created_at) from usage_logs
            where usage_logs.client_id = clients.id and created_at <= %(now)s
        ) as last_call_at
    from clients
    cross join lateral (
        select
            last_date,
            last_date - %(days)s::integer + 1 as first_date,
            coalesce(%(previous_first_date)s::date, last_date - 2 * %(days)s::integer + 1)
                as previous_first_date,
            coalesce(%(previous_last_date)s::date, last_date - %(days)s::integer) as previous_last_date
        from (
            select coalesce(%(last_date)s::date, (%(now)s at time zone clients.timezone)::date) as last_date
        ) as day
    ) as days
    cross join lateral compared_days(
        clients.id, days.first_date, days.last_date, days.previous_first_date, days.previous_last_date,
        %(now)s
    ) as compared
    left join lateral (
        select
            sum(total_tokens) filter (where is_current) as total_tokens,
            sum(cost_usd) filter (where is_current) as total_cost,
            sum(request_count) filter (where is_current) as request_count,
            sum(unpriced_count) filter (where is_current) as unpriced_count,
            sum(total_tokens) filter (where not is_current) as previous_total_tokens,
            sum(cost_usd) filter (where not is_current) as previous_total_cost,
            sum(unpriced_count) filter (where not is_current) as previous_unpriced_count
        from (
            select
                total_tokens, cost_usd, request_count, unpriced_count,
                usage_date >= days.first_date as is_current
            from filtered_usage(
                clients.id, %(filters)s::jsonb, days.previous_first_date, days.last_date
            )
            where usage_date <= compared.whole_date or usage_date >= days.first_date
            union all
            select total_tokens, cost_usd, request_count, unpriced_count, false
            from usage_of_part(
                clients.id, compared.last_date, compared.until_at, %(filters)s::jsonb
            )
        ) as daily
    ) as usage on true
    order by total_cost desc, total_tokens desc, lower(clients.name), clients.id
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
        statement=_CLIENTS,
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
    import pandas as pd  # see SqlFunction.frame()

    records: list[tuple[Any, ...]] = list(chain.from_iterable(answer.records for answer in answers))
    frame = pd.DataFrame(records, columns=list(COLUMNS), dtype=object)
    frame = frame.sort_values(
        ["total_cost", "total_tokens"], ascending=False, kind="stable", ignore_index=True
    )
    return frame.astype({name: dtype for name, dtype in COLUMNS.items() if dtype != "object"})
