"""Finds the calls of incoming spans in the database, under a lock: the later of two workers sees them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics import locks
from analytics.calls.row import LINE_COLUMNS, NULL, UNASSIGNED_CLIENT
from analytics.calls.twins import find_twins, looked_for, span_of, span_of_line

if TYPE_CHECKING:
    import psycopg

_CLIENT_AT = LINE_COLUMNS.index("client_id")

_LOCK_SPANS = """
    select pg_advisory_xact_lock(hashtextextended(client_id::text, %s)) from unnest(%s::uuid[]) as client_id
"""
# Where all incoming spans are of one instrumentor, no other call of that is the same as one of them.
_FIND_SPANS = """
    select
        log.client_id::text, replace(log.id::text, '-', ''), log.created_at, log.latency_ms,
        array[
            log.prompt_tokens, log.completion_tokens, log.duration_seconds, log.character_count,
            log.image_count
        ],
        log.total_tokens, log.outcome, log.source, log.model, log.operation, log.response_id,
        log.metadata
    from unnest(%(clients)s::uuid[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
        as times (client_id, first_at, last_at)
    cross join lateral (
        select *
        from usage_logs
        where
            usage_logs.client_id = times.client_id
            and usage_logs.created_at between times.first_at and times.last_at
            and usage_logs.metadata ? 'scope'
        -- One after the other by the index, however large the table is.
        offset 0
    ) as log
    where
        log.total_tokens = 0
        or log.id in (select id from incoming_usage)
        or log.metadata ->> 'trace_id' in (select unnest(%(traces)s::text[]))
        or (log.prompt_tokens, log.completion_tokens) in (
            select prompt_tokens, completion_tokens from incoming_usage
        )
        and (
            log.metadata ->> 'scope' is distinct from %(only_scope)s
            or log.metadata ? 'seen_by'
            or log.metadata ->> 'span_id' in (
                select incoming.metadata ->> 'span_id' from incoming_usage as incoming
            )
        )
"""
_NAME_TWINS = """
    update incoming_usage as incoming
    set id = twin.call_id
    from unnest(%s::uuid[], %s::uuid[], %s::uuid[]) as twin (client_id, id, call_id)
    where
        incoming.id = twin.id and coalesce(incoming.client_id, unassigned_client_id()) = twin.client_id
"""


def lock_spans(connection: "psycopg.Connection[Any]", lines: Iterable[str]) -> None:
    """Keeps others from storing spans of these lines' clients until the transaction ends."""
    clients = {line.split("\t", _CLIENT_AT + 1)[_CLIENT_AT] for line in lines}
    connection.execute(
        _LOCK_SPANS,
        [locks.SPANS, sorted(str(UNASSIGNED_CLIENT) if client == NULL else client for client in clients)],
    )


def name_twins(
    connection: "psycopg.Connection[Any]", lines: Iterable[str], forgotten: set[UUID]
) -> Mapping[tuple[str, str], str]:
    """Gives lines whose call has another id already, or gets it from another line, that id.

    Client and id of the lines (hexadecimal) -> the call's id.
    """
    names = {call_id.hex for call_id in forgotten}
    spans = [span for line in lines if (span := span_of_line(line)) and span.id not in names]
    if not spans:
        return {}
    scopes = {span.scope for span in spans}
    found = connection.execute(
        _FIND_SPANS,
        {
            **dict(
                zip(
                    ("clients", "firsts", "lasts"),
                    map(list, zip(*looked_for(spans), strict=True)),
                    strict=True,
                )
            ),
            "traces": list({span.trace_id for span in spans if not span.has_usage and span.trace_id}),
            "only_scope": scopes.pop() if len(scopes) == 1 else None,
        },
    )
    twins = find_twins([span for row in found if (span := span_of(*row)) is not None], spans)
    if twins:
        connection.execute(
            _NAME_TWINS,
            [[client_id for client_id, _ in twins], [line_id for _, line_id in twins], list(twins.values())],
        )
    return twins
