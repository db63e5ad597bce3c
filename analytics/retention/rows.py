"""Calls of the database as rows of an archive: all columns of usage_logs, and the tags themselves."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from analytics.archives.files import BATCH_ROWS, Batch
from analytics.database import Database, Query
from analytics.retention.spans import Span

TAGS = "tags"
"""Of the set that tag_set_id names: for readers of the archive. It is not brought back."""
_COLUMNS = """
    select attname, format_type(atttypid, null)
    from pg_attribute
    where attrelid = 'usage_logs'::regclass and attnum > 0 and not attisdropped
    order by attnum
"""
_IN_SPAN = """
    log.client_id = %(client_id)s
    and log.created_at >= coalesce(%(first_at)s::timestamptz, '-infinity') and log.created_at < %(end_at)s
    and log.created_at > '-infinity'
"""


def columns_of_calls(database: Database) -> dict[str, str]:
    """Names and types of all that usage_logs has, and the tags."""
    [rows] = database.read(Query(statement=_COLUMNS))
    return {**{name: kind for name, kind in rows.records if name != TAGS}, TAGS: "jsonb"}


def calls_of_span(database: Database, span: Span, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The calls of a span that are in the database, as write_calls() takes them, the oldest first."""
    texts = ", ".join(map(_text, columns, columns.values()))
    statement = f"""
        select {texts}
        from usage_logs as log
        left join tag_sets on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id
        where {_IN_SPAN}
        order by log.created_at, log.id
    """  # noqa: S608 - names of the catalogue
    query = Query(statement=statement, parameters=_moments(span))
    return database.stream(query, client_id=span.client_id, sees_phones=True, batch_rows=BATCH_ROWS)


def count_of_span(database: Database, span: Span) -> int:
    """How many calls of a span are in the database."""
    statement = f"select count(*) from usage_logs as log where {_IN_SPAN}"  # noqa: S608 - constants
    [rows] = database.read(Query(statement=statement, parameters=_moments(span)))
    return int(rows.records[0][0])


def _moments(span: Span) -> dict[str, object]:
    client_id: UUID = span.client_id
    return {"client_id": client_id, "first_at": span.first_at, "end_at": span.end_at}


def _text(name: str, kind: str) -> str:
    if name == TAGS:
        return "tag_sets.tags::text"
    if kind == "timestamp with time zone":
        return f"""to_char(log."{name}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f'log."{name}"::text'
