"""How calls were answered, how long it took, and usage by what a team tags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database
from analytics.days import Days
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import SqlFunction

if TYPE_CHECKING:
    import pandas as pd

OUTCOMES = SqlFunction(
    function="get_usage_facts",
    arguments=("client_id", "first_date", "last_date", "filters"),
    columns={
        "source": "object",
        "model": "object",
        "operation": "object",
        "outcome": "object",
        "request_count": "int64",
    },
)
"""How calls of these days ended.

One row per (source, model, operation, outcome): source str · model, operation str or None · outcome str (ok,
error, refused, cut) or None (not told) · request_count int64. The function sums all meters, too.
"""
LATENCY = SqlFunction(
    function="get_latency",
    arguments=("client_id", "first_date", "last_date", "filters"),
    columns={
        "source": "object",
        "model": "object",
        "request_count": "int64",
        "p50_ms": "object",
        "p95_ms": "object",
        "p99_ms": "object",
        "first_token_count": "int64",
        "first_token_p50_ms": "object",
        "first_token_p95_ms": "object",
        "first_token_p99_ms": "object",
    },
)
"""How long answers took, of calls that tell it and did not fail.

One row per (source, model): source str · model str or None · request_count int64 · p50_ms, p95_ms, p99_ms
Decimal (milliseconds, within 2 percent) · the same of the time to the first token; None where no
call tells it.
"""
TAG_KEYS = SqlFunction(
    function="get_tag_keys",
    arguments=("client_id", "first_date", "last_date", "filters"),
    columns={"key": "object", "value_count": "int64", "request_count": "int64"},
)
"""The keys of tags that calls of these days have, the most calls first.

One row per key: key str · value_count, request_count int64. Who may not see phones sees no key that is one.
"""
USAGE_BY_TAG = SqlFunction(
    function="get_usage_by_tag",
    arguments=("client_id", "key", "first_date", "last_date", "filters"),
    columns={
        "value": "object",
        "is_other": "bool",
        "total_tokens": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
    expressions={"value": "shown_name(value, null)"},
)
"""Usage by the values of one tag; each call is in one row, so they add up to all usage of these days.

One row per value, the most expensive first: value str or None (calls without the tag) · is_other bool (calls
whose tags were too many to keep apart) · total_tokens, prompt_tokens, completion_tokens, request_count,
unpriced_count int64 · total_cost Decimal (USD). Phones are masked unless the reader may see them.
"""


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """What is known of the calls of some days beside their usage, from one snapshot."""

    outcomes: "pd.DataFrame"
    """OUTCOMES."""
    latency: "pd.DataFrame"
    """LATENCY."""
    tag_keys: "pd.DataFrame"
    """TAG_KEYS."""


def call_facts(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> CallFacts:
    """Outcomes, latencies and keys of tags of these days."""
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "filters": filters.json(),
    }
    outcomes, latency, tag_keys = database.read(
        *(function.query(**parameters) for function in (OUTCOMES, LATENCY, TAG_KEYS)), client_id=client_id
    )
    return CallFacts(
        outcomes=OUTCOMES.frame(outcomes), latency=LATENCY.frame(latency), tag_keys=TAG_KEYS.frame(tag_keys)
    )


def usage_by_tag(
    database: Database, client_id: UUID, days: Days, key: str, *, filters: Filters = NO_FILTERS
) -> "pd.DataFrame":
    """USAGE_BY_TAG of these days."""
    return USAGE_BY_TAG.ask(
        database,
        client_id=client_id,
        key=key,
        first_date=days.first,
        last_date=days.last,
        filters=filters.json(),
    )
