"""The sums that a FOCUS file is made of: calls of a day that cost the same in every way."""

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
_KEYS = "usage_date, source, model, operation, service_tier, tag_set_id, is_unpriced, band, price"
_CHARGES = f"""
    with {WANTED_CALLS},

    charged as (
        select
            usage_date, source, model, operation, service_tier, tag_set_id,
            cost_basis = 'unpriced' as is_unpriced,
            width_bucket(
                prompt_tokens / coalesce(bucket_request_count, 1) - 1, array{list(LONG_PROMPTS)}::bigint[]
            ) as band,
            case when jsonb_typeof(metadata) = 'object' then metadata -> 'price' end as price,
            {", ".join(f"sum({name})::bigint as {name}" for name in _AMOUNTS)},
            sum(duration_seconds) as duration_seconds,
            sum(cost_usd) as cost_usd,
            sum(coalesce(bucket_request_count, 1))::bigint as request_count,
            min(created_at) as first_at
        from calls
        group by {_KEYS}
    )

    select
        usage_date, source, model, operation, service_tier, shown_metadata(tag_sets.tags, null) as tags,
        coalesce(tag_set_id = 0, false) as is_other_tags,
        is_unpriced, band, duration_seconds, cost_usd, request_count, first_at, {", ".join(_AMOUNTS)}
    from charged
    left join tag_sets on tag_sets.client_id = %(client_id)s and tag_sets.id = tag_set_id
    order by
        usage_date, source, model, operation nulls first, tag_sets.tags::text nulls first, tag_set_id,
        service_tier nulls first, is_unpriced, band, price::text
"""  # noqa: S608 - names of this project


class Charge(NamedTuple):
    """Calls of one day with the same source, model, operation, tags, tier, price and length of prompts."""

    usage_date: date
    source: str
    model: str | None
    operation: str | None
    service_tier: str | None
    tags: Mapping[str, str] | None
    """Phones in them are masked."""
    is_other_tags: bool
    """Whether they have tags that were too many to keep each set."""
    is_unpriced: bool
    """Whether what they cost is not known."""
    band: int
    """How many of LONG_PROMPTS their prompts are longer than."""
    duration_seconds: Decimal | None
    cost_usd: Decimal
    request_count: int
    first_at: datetime
    usage: Usage


def charges(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> Sequence[Charge]:
    """Each call of these days of the client is in one of them, the oldest day first."""
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "first": days.first,
        "last": days.last,
        "filters": filters.json(),
    }
    [rows] = database.read(Query(statement=_CHARGES, parameters=parameters), client_id=client_id)
    return [_charge(record) for record in rows.records]


def _charge(record: Sequence[Any]) -> Charge:
    *known, prompt, completion, total = record[: -len(DETAILS)]
    details = dict(zip(DETAILS, record[-len(DETAILS) :], strict=True))
    told = {name: count for name, count in details.items() if count is not None}
    seconds = known[Charge._fields.index("duration_seconds")]
    return Charge._make((*known, Usage(prompt, completion, total, seconds, told)))
