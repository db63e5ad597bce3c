"""What a client has used so far, by provider and model: what counters are made of."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from analytics.database import Database, Query

_SO_FAR = """
    select
        source, model,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count
    from usage_daily
    where client_id = %(client_id)s
    group by source, model
    having sum(request_count) > 0
    order by source, model
"""


def usage_so_far(database: Database, client_id: UUID) -> list[Mapping[str, Any]]:
    """One row per provider and model of all calls that there are, from the sums.

    source str · model str or None · prompt_tokens, completion_tokens, total_tokens, request_count,
    unpriced_count int · cost_usd Decimal (USD, of what is known).

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    [rows] = database.read(Query(statement=_SO_FAR, parameters={"client_id": client_id}), client_id=client_id)
    return [dict(zip(rows.columns, record, strict=True)) for record in rows.records]
