"""Providers and models: two periods side by side, over time, and by hour and operation.

Each takes one network round trip.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database
from analytics.days import Days
from analytics.errors import UnknownClient
from analytics.pricing.usage import DETAILS
from analytics.queries.comparisons import ComparedDays
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.periods import Grain
from analytics.queries.sql_function import SqlFunction

if TYPE_CHECKING:
    import pandas as pd

_TWO_PERIODS = (
    "client_id",
    "first_date",
    "last_date",
    "previous_first_date",
    "previous_last_date",
    "asked_at",
)

USAGE_COMPARISON = SqlFunction(
    function="get_usage_comparison",
    arguments=(*_TWO_PERIODS, "filters"),
    columns={
        "source": "object",
        "model": "object",
        "total_tokens": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "previous_total_tokens": "int64",
        "previous_total_cost": "object",
        "previous_request_count": "int64",
        "previous_unpriced_count": "int64",
    },
)
"""Usage per source and model in two periods: the columns of Comparison.models."""
COMPARED_DAYS = SqlFunction(
    function="compared_days",
    arguments=_TWO_PERIODS,
    columns={
        "last_date": "object",
        "until_at": "object",
        "day_count": "object",
        "previous_day_count": "object",
        "no_comparison": "object",
    },
)
"""Which part of the earlier days compares with the later ones: the columns of ComparedDays, in one row."""
USAGE_OVER_TIME = SqlFunction(
    function="get_usage_over_time",
    arguments=("client_id", "first_date", "last_date", "grain", "filters"),
    columns={
        "bucket_date": "datetime64[s]",
        "first_date": "datetime64[s]",
        "last_date": "datetime64[s]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
)
"""Usage per day, week (from Monday) or month and source, zero-filled, the oldest first.

One row per (bucket, source): bucket_date, first_date, last_date datetime64 (the days that it counts) ·
source str · total_tokens, request_count, unpriced_count int64 · total_cost Decimal (USD).
"""
CALL_SUMS = SqlFunction(
    function="get_call_sums",
    arguments=("client_id", "first_date", "last_date", "filters"),
    columns={
        "kind": "object",
        "source": "object",
        "model": "object",
        "weekday": "Int64",
        "hour": "Int64",
        "operation": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_tokens": "int64",
        "cached_tokens": "int64",
        "reasoning_tokens": "int64",
        "duration_seconds": "object",
        "total_cost": "object",
        **{name: "int64" for name in DETAILS if name not in ("cached_tokens", "reasoning_tokens")},
    },
)
"""Sums in several ways: one row per `kind` and its keys, see CallSums."""
_KEYS = ("kind", "source", "model", "weekday", "hour", "operation")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two periods side by side."""

    days: ComparedDays
    models: "pd.DataFrame"
    """One row per (source, model) with use in either: source str · model str or None · total_tokens,
    prompt_tokens, completion_tokens, request_count, unpriced_count int64 · total_cost Decimal (USD) · of the
    second period previous_total_tokens, previous_total_cost, previous_request_count,
    previous_unpriced_count."""


def usage_comparison(
    database: Database,
    client_id: UUID,
    days: Days,
    other: Days,
    *,
    now: datetime,
    filters: Filters = NO_FILTERS,
) -> Comparison:
    """Usage per source and model in two periods; a running one is compared until the same time of day.

    Raises:
        UnknownClient: there is no such client.
    """
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "previous_first_date": other.first,
        "previous_last_date": other.last,
        "now": now,
        "filters": filters.json(),
    }
    compared, models = database.read(
        COMPARED_DAYS.query(**parameters), USAGE_COMPARISON.query(**parameters), client_id=client_id
    )
    if not compared.records:
        raise UnknownClient(f"no client has the id {client_id}")
    columns = dict(zip(compared.columns, compared.records[0], strict=True))
    return Comparison(
        days=ComparedDays(first_date=other.first, **columns), models=USAGE_COMPARISON.frame(models)
    )


def usage_over_time(
    database: Database,
    client_id: UUID,
    days: Days,
    grain: Grain = "day",
    *,
    filters: Filters = NO_FILTERS,
) -> "pd.DataFrame":
    """USAGE_OVER_TIME of these days."""
    return USAGE_OVER_TIME.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        grain=grain,
        filters=filters.json(),
    )


@dataclass(frozen=True, kw_only=True)
class CallSums:
    """Usage by parts, hours and operations; money in Decimal (USD), counts and tokens int64."""

    parts: "pd.DataFrame"
    """One row per (source, model, operation): source str · model, operation str or None · request_count,
    prompt_tokens, completion_tokens, total_tokens, unpriced_count · cached_tokens (of the prompt),
    reasoning_tokens (of the completion) and the others of DETAILS · duration_seconds Decimal (of audio) ·
    total_cost."""
    by_hour: "pd.DataFrame"
    """One row per (weekday, hour) of the client's clock with use: weekday (1 is Monday), hour int64 ·
    total_tokens, request_count · total_cost."""
    by_operation: "pd.DataFrame"
    """One row per operation, most requests first: operation str or None (not logged) · total_tokens,
    request_count, unpriced_count · total_cost."""


def call_sums(database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS) -> CallSums:
    """The calls of the days by model with their parts, by hour, and by operation."""
    sums = CALL_SUMS.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        filters=filters.json(),
    )

    def of(kind: str, *keys: str) -> "pd.DataFrame":
        others = [name for name in _KEYS if name not in keys]
        return sums[sums["kind"] == kind].drop(columns=others).reset_index(drop=True)

    return CallSums(
        parts=of("parts", "source", "model", "operation").sort_values(
            ["total_tokens", "source", "model", "operation"],
            ascending=[False, True, True, True],
            ignore_index=True,
        ),
        by_hour=of("hour", "weekday", "hour").astype({"weekday": "int64", "hour": "int64"}),
        by_operation=of("operation", "operation"),
    )
