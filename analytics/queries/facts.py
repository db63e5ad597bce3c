"""Usage by what a team tags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database
from analytics.days import Days
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import SqlFunction

if TYPE_CHECKING:
    import pandas as pd

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
    """What is known of the calls of some days beside their usage."""

    tag_keys: "pd.DataFrame"
    """TAG_KEYS."""


def call_facts(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> CallFacts:
    """Keys of tags of these days."""
    keys = TAG_KEYS.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        filters=filters.json(),
    )
    return CallFacts(tag_keys=keys)


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
