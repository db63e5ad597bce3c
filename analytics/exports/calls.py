"""The raw calls of one client -> CSV, streamed: memory holds one batch, however many there are."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

from analytics.database import Database, Query
from analytics.days import Days
from analytics.exports.cells import BYTE_ORDER_MARK, csv_lines, text_cell
from analytics.pricing.price_list import DETAILS
from analytics.queries import NO_FILTERS, Filters

CALL_COLUMNS = (
    "id",
    "created_at",
    "usage_date",
    "source",
    "model",
    "conversation_id",
    "conversation_name",
    "phone",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost_usd",
    "cost_basis",
    "metadata",
    *DETAILS,
    "duration_seconds",
    "operation",
    "outcome",
    "service_tier",
    "latency_ms",
    "time_to_first_token_ms",
    "operation_id",
    "attempt",
    "response_id",
    "account",
    "stated_cost_usd",
    "tags",
    "bucket_request_count",
)
"""The columns of the CSV, and their order; tags and metadata are JSON."""
TEXTS = frozenset(
    {
        *("source", "model", "conversation_name", "phone", "cost_basis", "metadata", "operation", "outcome"),
        *("service_tier", "operation_id", "response_id", "account", "tags"),
    }
)

# The range of created_at is for the index: it is wider than a zone can be away from UTC.
WANTED_CALLS = """
    wanted as materialized (
        select usage_filter_of(%(client_id)s, %(filters)s::jsonb, %(first)s, %(last)s) as filter
    ),

    calls as not materialized (
        select log.*, (log.created_at at time zone client.timezone)::date as usage_date
        from clients as client
        cross join wanted
        inner join usage_logs as log on log.client_id = client.id
        where
            client.id = %(client_id)s
            and log.created_at >= %(first)s::date::timestamp at time zone 'UTC' - interval '2 days'
            and log.created_at < %(last)s::date::timestamp at time zone 'UTC' + interval '3 days'
            and (log.created_at at time zone client.timezone)::date between %(first)s and %(last)s
            -- Those before may be on their way out.
            and log.created_at >= coalesce(client.raw_since_at, '-infinity')
            and call_passes(wanted.filter, log)
    )
"""
"""CTEs of a statement: `calls` are those of these days that pass the filters, with their usage_date."""

# Everything as PostgreSQL's own text: no number is converted on its way. A call without a conversation has
# the name of the one with its phone, as get_usage_by_conversation() says.
_CALLS = f"""
    with {WANTED_CALLS}

    select
        log.id::text,
        to_char(log.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(log.usage_date, 'YYYY-MM-DD'),
        log.source,
        log.model,
        log.conversation_id::text,
        shown_name(case when log.conversation_id is null then by_phone.name else by_id.name end, log.phone),
        shown_phone(log.phone),
        log.prompt_tokens::text,
        log.completion_tokens::text,
        log.total_tokens::text,
        case when log.cost_basis <> 'unpriced' then log.cost_usd::text end,
        log.cost_basis,
        shown_metadata(log.metadata, log.phone)::text,
        {", ".join(f"log.{name}::text" for name in DETAILS)},
        log.duration_seconds::text,
        log.operation,
        log.outcome,
        log.service_tier,
        log.latency_ms::text,
        log.time_to_first_token_ms::text,
        shown_id(log.operation_id, log.phone),
        log.attempt::text,
        shown_id(log.response_id, log.phone),
        shown_id(log.account, log.phone),
        log.stated_cost_usd::text,
        shown_metadata(
            case when log.tag_set_id = 0 then log.metadata -> 'tags' else tag_sets.tags end, log.phone
        )::text,
        log.bucket_request_count::text
    from calls as log
    left join conversations as by_id on by_id.client_id = log.client_id and by_id.id = log.conversation_id
    left join conversations as by_phone on by_phone.client_id = log.client_id and by_phone.phone = log.phone
    left join tag_sets on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id
    order by log.created_at, log.id
"""  # noqa: S608 - names of this project
_COUNT = """
    select coalesce(sum(request_count), 0)::bigint
    from filtered_usage(%(client_id)s, %(filters)s::jsonb, %(first)s, %(last)s)
"""


def calls_csv(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    is_unmasked: bool,
    filters: Filters = NO_FILTERS,
    columns: Sequence[str] = CALL_COLUMNS,
    progress: Callable[[int], object] = lambda rows: None,
) -> Generator[bytes]:
    """The calls of these days of the client that pass the filters, oldest first, as pieces of one CSV.

    `columns` are those of CALL_COLUMNS that are wanted, in their order. How to read it back: exports.cells.
    cost_usd has all its digits; it is empty where cost_basis says `unpriced`, as it is not known; so is every
    fact that is not known, where 0 is known to be none. metadata
    and tags are JSON. Phones are masked unless `is_unmasked`, in names and
    metadata too. `progress` is told how many rows each piece holds. A client that is not there has no calls.
    The connection is given back with the last piece, or when the generator is closed.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError: while it is read.
    """
    batches = call_records(database, client_id, days, is_unmasked=is_unmasked, filters=filters)
    return _pieces(batches, columns, progress)


def call_records(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    is_unmasked: bool,
    filters: Filters = NO_FILTERS,
) -> Generator[Sequence[tuple[str | None, ...]]]:
    """The calls that calls_csv() writes, in batches: CALL_COLUMNS as PostgreSQL's texts, None where unknown.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError: while it is read.
    """
    query = Query(statement=_CALLS, parameters=_parameters(client_id, days, filters))
    return database.stream(query, client_id=client_id, sees_phones=is_unmasked)


def count_calls(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    is_unmasked: bool = False,
    filters: Filters = NO_FILTERS,
) -> int:
    """How many calls calls_csv() is going to write, from the sums: fast, and exact at this moment."""
    query = Query(statement=_COUNT, parameters=_parameters(client_id, days, filters))
    [rows] = database.read(query, client_id=client_id, sees_phones=is_unmasked)
    return int(rows.records[0][0])


def _parameters(client_id: UUID, days: Days, filters: Filters) -> dict[str, Any]:
    return {"client_id": client_id, "first": days.first, "last": days.last, "filters": filters.json()}


def _pieces(
    batches: Generator[Sequence[tuple[Any, ...]]], columns: Sequence[str], progress: Callable[[int], object]
) -> Generator[bytes]:
    places = [CALL_COLUMNS.index(name) for name in columns]
    yield BYTE_ORDER_MARK + csv_lines([columns])
    with closing(batches):  # whoever leaves early gives the connection back at once
        for batch in batches:
            yield csv_lines([_cell(place, row[place]) for place in places] for row in batch)
            progress(len(batch))


def _cell(place: int, value: str | None) -> str:
    return text_cell(value or "") if CALL_COLUMNS[place] in TEXTS else value or ""
