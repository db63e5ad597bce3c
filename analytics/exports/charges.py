"""The sums that a FOCUS file has one line for each of."""

from uuid import UUID

import pandas as pd

from analytics.database import Database, Query
from analytics.days import Days
from analytics.exports.calls import WANTED_CALLS
from analytics.queries import NO_FILTERS, Filters

_SUMS = {
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "total_tokens": "int64",
    "cached_tokens": "int64",
    "character_count": "int64",
    "image_count": "int64",
    "duration_seconds": "object",
    "cost_usd": "object",
    "request_count": "int64",
    "unpriced_count": "int64",
}
_PARTS = ", ".join(_SUMS)
_TAKEN = ", ".join(f"sign * {name}" for name in _SUMS)
_SUMMED = ", ".join(
    f"sum({name}){'::bigint' if kind == 'int64' else ''} as {name}" for name, kind in _SUMS.items()
)
# All calls without tags are what those with tags leave of all calls, as only these have sums of their own.
_SUMS_OF_ALL = f"""
    parts as (
        select usage_date, source, model, operation, null::integer as tag_set_id, {_PARTS}
        from usage_facts_daily
        where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
        union all
        select usage_date, source, model, operation, signed.tag_set_id, {_TAKEN}
        from usage_tagged_daily
        cross join lateral (values (tag_set_id, 1), (null, -1)) as signed (tag_set_id, sign)
        where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    )
"""  # noqa: S608 - names of this project
# What passes filters is asked seldom: the calls say it, without sums.
_SUMS_OF_CALLS = f"""
    {WANTED_CALLS},

    parts as (
        select
            usage_date, source, model, operation, tag_set_id, prompt_tokens, completion_tokens, total_tokens,
            coalesce(cached_tokens, 0) as cached_tokens,
            coalesce(character_count, 0) as character_count,
            coalesce(image_count, 0) as image_count,
            coalesce(duration_seconds, 0) as duration_seconds,
            cost_usd,
            coalesce(bucket_request_count, 1) as request_count,
            case when cost_basis = 'unpriced' then coalesce(bucket_request_count, 1) else 0 end
                as unpriced_count
        from calls
    )
"""  # noqa: S608 - names of this project
_DAYS = f"""
    days as (
        select
            usage_date, source, model, operation, tag_set_id,
            {_SUMMED}
        from parts
        group by usage_date, source, model, operation, tag_set_id
        having sum(request_count) <> 0
    )

    select
        usage_date, source, model, operation, shown_metadata(tag_sets.tags, null) as tags,
        coalesce(tag_set_id = 0, false) as is_other_tags,
        {_PARTS.replace("cost_usd", "cost_usd as total_cost")}
    from days
    left join tag_sets on tag_sets.client_id = %(client_id)s and tag_sets.id = tag_set_id
    order by usage_date, source, model, operation nulls first, tag_sets.tags::text nulls first, tag_set_id
"""  # noqa: S608 - names of this project


def daily_usage_by_model(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> pd.DataFrame:
    """Usage per day of the client, source, model, operation and tags, the oldest first.

    One row per day and each of these with use: usage_date date · source str · model, operation str or None ·
    tags dict or None (phones in them are masked) · is_other_tags bool (too many sets of tags to keep each) ·
    prompt_tokens, completion_tokens, total_tokens, cached_tokens, character_count, image_count,
    request_count, unpriced_count int64 · duration_seconds, total_cost (USD) Decimal.
    """
    parameters = {
        "client_id": client_id,
        "first": days.first,
        "last": days.last,
        "filters": filters.json(),
    }
    statement = f"with {_SUMS_OF_CALLS if filters else _SUMS_OF_ALL}, {_DAYS}"
    [rows] = database.read(Query(statement=statement, parameters=parameters), client_id=client_id)
    frame = pd.DataFrame(rows.records, columns=list(rows.columns), dtype=object)
    return frame.astype({name: kind for name, kind in _SUMS.items() if kind == "int64"})
