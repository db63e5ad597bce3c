"""Usage by any dimension, over time or as a whole: what charts and tables group by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import Days
from analytics.queries.filters import GROUPED, NO_FILTERS, Filters
from analytics.queries.periods import Grain
from analytics.queries.sql_function import SqlFunction, frame_of

if TYPE_CHECKING:
    import pandas as pd

Group = str
"""One of GROUPS, or `tag.` and a key."""
GROUPS: tuple[Group, ...] = GROUPED
"""What usage is grouped by, besides tags; `hour` and `weekday` are of the client's clock."""
Bucket = Grain | Literal["all"]
"""How long each bucket is; `all` is one for all days."""
Order = Literal["tokens", "cost", "requests"]
TOP_VALUES = 7

USAGE_BY_GROUP = SqlFunction(
    function="get_usage_by_group",
    arguments=(*("client_id", "first_date", "last_date", "grain", "group", "order", "top", "filters"),),
    columns={
        "bucket_at": "datetime64[s]",
        "first_date": "datetime64[s]",
        "last_date": "datetime64[s]",
        "value": "object",
        "is_rest": "bool",
        "place": "int64",
        "value_count": "int64",
        "total_tokens": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
    expressions={"value": "shown_name(value, null)"},
)
"""Usage per bucket and value of a dimension or tag, zero-filled, the oldest bucket first.

The `top` values with the most use (by `order`, over all buckets) have rows of their own, and all others one
together, so that the values of a bucket add up to all its usage. One row per (bucket, value): bucket_at
datetime64 (its begin on the client's clock) · first_date, last_date datetime64 (the days that it counts) ·
value str, or None for calls that do not tell it, and for the others · is_rest bool (the others) · place int64
(1 for the value with the most; the others are last) · value_count int64 (how many values: 1, or those of
the others) · total_tokens, prompt_tokens, completion_tokens, request_count, unpriced_count int64 ·
total_cost Decimal (USD).
"""

_USAGE_BY_SPANS = SqlFunction(
    function="get_usage_by_spans",
    arguments=("client_id", "spans", "group", "order", "filters"),
    columns={"span": "int64", **USAGE_BY_GROUP.columns},
    expressions=USAGE_BY_GROUP.expressions,
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Days to group, and how."""

    days: Days
    bucket: Bucket
    top: int = TOP_VALUES
    """How many values have rows of their own."""


def spans_query(
    client_id: UUID, spans: Sequence[Span], group: Group, order: Order, filters: Filters = NO_FILTERS
) -> Query:
    """What spans_of() takes the answer of: their usage is read once for all of them."""
    asked = [
        {
            "first_date": span.days.first.isoformat(),
            "last_date": span.days.last.isoformat(),
            "grain": span.bucket,
            "top": span.top,
        }
        for span in spans
    ]
    return _USAGE_BY_SPANS.query(
        client_id=client_id, spans=json.dumps(asked), group=group, order=order, filters=filters.json()
    )


def spans_of(rows: Rows, count: int) -> "list[pd.DataFrame]":
    """USAGE_BY_GROUP of each of so many spans."""
    of_span: Mapping[int, list[Sequence[object]]] = {place: [] for place in range(1, count + 1)}
    for span, *record in rows.records:
        of_span[span].append(record)
    return [frame_of(rows.columns[1:], records, USAGE_BY_GROUP.columns) for records in of_span.values()]


def usage_by_group(
    database: Database,
    client_id: UUID,
    days: Days,
    group: Group,
    *,
    bucket: Bucket = "all",
    order: Order = "tokens",
    top: int = TOP_VALUES,
    filters: Filters = NO_FILTERS,
) -> "pd.DataFrame":
    """USAGE_BY_GROUP of these days."""
    return USAGE_BY_GROUP.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        grain=bucket,
        group=group,
        order=order,
        top=top,
        filters=filters.json(),
    )
