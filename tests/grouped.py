"""Frames as queries.USAGE_BY_GROUP has them, made by hand."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd

REST = "the rest"


def usage(
    buckets: Sequence[date],
    tokens: dict[str | None, int],
    *,
    days: int = 1,
    rest_count: int = 12,
    cost: str = "0.01",
    unpriced: Sequence[str | None] = (),
) -> pd.DataFrame:
    """So many tokens of each value in every bucket of so many days; REST is the row of all others.

    Each row has two requests and costs `cost` per token; of those `unpriced` no request has a price.
    """
    rows = []
    for begin in buckets:
        for place, (value, amount) in enumerate(tokens.items(), start=1):
            is_unpriced = value in unpriced
            rows.append(
                {
                    "bucket_at": pd.Timestamp(begin),
                    "first_date": pd.Timestamp(begin),
                    "last_date": pd.Timestamp(begin + timedelta(days=days - 1)),
                    "value": None if value == REST else value,
                    "is_rest": value == REST,
                    "place": place,
                    "value_count": rest_count if value == REST else 1,
                    "total_tokens": amount,
                    "prompt_tokens": amount,
                    "completion_tokens": 0,
                    "total_cost": Decimal(0) if is_unpriced else amount * Decimal(cost),
                    "request_count": 2,
                    "unpriced_count": 2 if is_unpriced else 0,
                }
            )
    return pd.DataFrame(rows)
