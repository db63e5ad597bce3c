"""The sums that a FOCUS file has one line for each of."""

from uuid import UUID

import pandas as pd

from analytics.database import Database, Query
from analytics.days import Days

_COLUMNS = {
    "usage_date": "object",
    "source": "object",
    "model": "object",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "total_tokens": "int64",
    "total_cost": "object",
    "request_count": "int64",
    "unpriced_count": "int64",
}
_DAYS = """
    select
        usage_date, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count,
        unpriced_count
    from usage_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    order by usage_date, source, model
"""


def daily_usage_by_model(database: Database, client_id: UUID, days: Days) -> pd.DataFrame:
    """Usage per day of the client, source and model, the oldest first; days without use have no row.

    One row per (usage_date, source, model): usage_date date · source str · model str or None · prompt_tokens,
    completion_tokens, total_tokens, request_count, unpriced_count int64 · total_cost Decimal (USD).
    """
    parameters = {"client_id": client_id, "first": days.first, "last": days.last}
    [rows] = database.read(Query(statement=_DAYS, parameters=parameters), client_id=client_id)
    frame = pd.DataFrame(rows.records, columns=list(_COLUMNS), dtype=object)
    return frame.astype({name: dtype for name, dtype in _COLUMNS.items() if dtype != "object"})
