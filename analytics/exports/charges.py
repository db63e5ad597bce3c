"""What a FOCUS file is made of: calls of a day that cost the same in every way, or the sums of the day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from analytics.database import Database, Query
from analytics.days import Days
from analytics.exports.calls import WANTED_CALLS
from analytics.pricing.price_list import DETAILS, Usage
from analytics.queries import NO_FILTERS, Filters

# Prompts longer than one of these may have other prices: each band is a line of its own.
LONG_PROMPTS = (32_000, 128_000, 200_000, 256_000, 272_000, 512_000)
_AMOUNTS = ("prompt_tokens", "completion_tokens", "total_tokens", *DETAILS)
_OF_DAY = "usage_date, source, model, operation"
_SUMS = (*_AMOUNTS, "duration_seconds", "cost_usd", "request_count", "unpriced_count")
_COLUMNS = f"{_OF_DAY}, service_tier, tag_set_id, band, price, {', '.join(_SUMS)}, first_at"
_CALLS = f"""
    charged as (
        select
            {_OF_DAY}, service_tier, tag_set_id,
            width_bucket(
                prompt_tokens / coalesce(bucket_request_count, 1) - 1, array{list(LONG_PROMPTS)}::bigint[]
            ) as band,
            case when jsonb_typeof(metadata) = 'object' then metadata -> 'price' end as price,
            {", ".join(f"sum({name}) as {name}" for name in _SUMS[:-2])},
            sum(coalesce(bucket_request_count, 1)) as request_count,
            coalesce(
                sum(coalesce(bucket_request_count, 1)) filter (where cost_basis = 'unpriced'), 0
            ) as unpriced_count,
            min(created_at) as first_at
        from calls
        where
            usage_date >= coalesce((select raw_since from clients where id = %(client_id)s), '-infinity')
        group by {_OF_DAY}, service_tier, tag_set_id, cost_basis = 'unpriced', band, price
    )
"""  # noqa: S608 - names of this project
# Of days whose calls are not kept sums are. All calls without tags are what those with tags leave of all
# calls, as only these have sums of their own.
_SUMMED = f"""
    summed_days as (
        select daterange(%(first)s, least(%(last)s::date + 1, raw_since)) as days
        from clients
        where id = %(client_id)s and raw_since > %(first)s::date
    ),

    parts as (
        select {_OF_DAY}, null::integer as tag_set_id, {", ".join(_SUMS)}
        from usage_facts_daily
        where client_id = %(client_id)s and usage_date <@ (select days from summed_days)
        union all
        select {_OF_DAY}, signed.tag_set_id, {", ".join(f"sign * {name}" for name in _SUMS)}
        from usage_tagged_daily
        cross join lateral (values (tag_set_id, 1), (null, -1)) as signed (tag_set_id, sign)
        where client_id = %(client_id)s and usage_date <@ (select days from summed_days)
    ),

    summed as (
        select
            {_OF_DAY}, null::text as service_tier, tag_set_id, 0 as band, null::jsonb as price,
            {", ".join(f"sum({name}) as {name}" for name in _SUMS)},
            (usage_date + time '12:00') at time zone 'UTC' as first_at
        from parts
        group by {_OF_DAY}, tag_set_id
        having sum(request_count) <> 0
    ),

    all_days as (
        select {_COLUMNS} from charged
        union all
        select {_COLUMNS} from summed
    )
"""  # noqa: S608 - names of this project
_CHARGES = f"""
    select
        usage_date, source, model, operation, service_tier, shown_metadata(tag_sets.tags, null) as tags,
        coalesce(tag_set_id = 0, false) as is_other_tags,
        duration_seconds, cost_usd, request_count::bigint, unpriced_count::bigint, first_at,
        {", ".join(f"{name}::bigint" for name in _AMOUNTS)}
    from %s as charged
    left join tag_sets on tag_sets.client_id = %%(client_id)s and tag_sets.id = tag_set_id
    order by
        usage_date, source, model, operation nulls first, tag_sets.tags::text nulls first, tag_set_id,
        service_tier nulls first, unpriced_count > 0, band, price::text
"""  # noqa: S608 - names of this project


class Charge(NamedTuple):
    """Calls of one day with the same source, model, operation, tags, tier, price and length of prompts.

    Where only sums of the day are kept, tier, price and length are not told apart."""

    usage_date: date
    source: str
    model: str | None
    operation: str | None
    service_tier: str | None
    tags: Mapping[str, str] | None
    """Phones in them are masked."""
    is_other_tags: bool
    """Whether they have tags that were too many to keep each set."""
    duration_seconds: Decimal | None
    cost_usd: Decimal
    request_count: int
    unpriced_count: int
    """Requests whose cost is not known: all of them or none, but where only sums of a day are kept."""
    first_at: datetime
    usage: Usage

    @property
    def is_unpriced(self) -> bool:
        """Whether what they cost is not known."""
        return self.unpriced_count == self.request_count


def charges(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> Sequence[Charge]:
    """Each call of these days of the client is in one of them, the oldest day first.

    Filters leave out days whose calls are not kept: their sums do not tell what passes.
    """
    if filters:
        statement = f"with {WANTED_CALLS}, {_CALLS} {_CHARGES % 'charged'}"
    else:
        statement = f"with {WANTED_CALLS}, {_CALLS}, {_SUMMED} {_CHARGES % 'all_days'}"
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "first": days.first,
        "last": days.last,
        "filters": filters.json(),
    }
    [rows] = database.read(Query(statement=statement, parameters=parameters), client_id=client_id)
    return [_charge(record) for record in rows.records]


def _charge(record: Sequence[Any]) -> Charge:
    *known, prompt, completion, total = record[: -len(DETAILS)]
    details = dict(zip(DETAILS, record[-len(DETAILS) :], strict=True))
    told = {name: count for name, count in details.items() if count is not None}
    seconds = known[Charge._fields.index("duration_seconds")]
    return Charge._make((*known, Usage(prompt, completion, total, seconds, told)))
