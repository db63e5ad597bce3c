"""All that is kept about one person, as JSON: what an erasure would erase, before it does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from analytics.calls.row import Row
from analytics.clients import find_client
from analytics.database import Database
from analytics.people.archives import archived_rows
from analytics.people.erase import find_everywhere, require_owner
from analytics.people.person import IS_TAGGED_ALONE, Named
from analytics.people.places import mentions, name_tags, texts_elsewhere
from analytics.people.pseudonyms import Pseudonyms
from analytics.people.spools import spools_in, waiting_rows

_IS_OF_PERSON: LiteralString = """
    kept.client_id = %(client_id)s
    and (
        kept.conversation_id = any(%(conversations)s::uuid[])
        or kept.conversation_id is null and kept.phone = any(%(phones)s::text[])
    )
"""
_CALLS: LiteralString = f"""
    select kept.id
    from usage_logs as kept
    where {_IS_OF_PERSON}
    union
    select id
    from usage_logs
    where {IS_TAGGED_ALONE}
"""  # noqa: S608 - constants of this room
_SECTIONS: Mapping[str, LiteralString] = {
    "conversations": """
        select to_jsonb(kept)
        from conversations as kept
        where kept.client_id = %(client_id)s and kept.id = any(%(conversations)s::uuid[])
        order by kept.created_at, kept.id
    """,
    "calls": f"""
        select to_jsonb(log) || jsonb_build_object('tags', tag_sets.tags)
        from usage_logs as log
        left join tag_sets on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id
        where log.client_id = %(client_id)s and log.id in ({_CALLS})
        order by log.created_at, log.id
    """,  # noqa: S608 - constants of this file
    "corrections": f"""
        select to_jsonb(item) || jsonb_build_object(
            'corrected_at', correction.corrected_at, 'reason', correction.reason
        )
        from cost_correction_items as item
        inner join cost_corrections as correction
            on correction.client_id = item.client_id and correction.id = item.correction_id
        where item.client_id = %(client_id)s and item.usage_log_id in ({_CALLS})
        order by correction.corrected_at, item.usage_log_id
    """,  # noqa: S608 - constants of this file
    **{
        section: f"select to_jsonb(kept) from {table} as kept where {_IS_OF_PERSON}"  # noqa: S608
        for section, table in (
            ("sums_by_day", "usage_conversation_daily_rollup"),
            ("sums_by_week", "usage_conversation_weekly_rollup"),
            ("sums", "usage_conversation_rollup"),
            ("sums_to_be_folded", "usage_pending"),
        )
    },
    "sums_by_kind": """
        select to_jsonb(kept)
        from usage_conversation_kind_rollup as kept
        where kept.client_id = %(client_id)s and kept.conversation_id = any(%(conversations)s::uuid[])
    """,
}


def kept_of(
    database: Database, client: str, named: Named, *, at: datetime, spools: Path | None = None
) -> Iterator[str]:
    """A JSON object in pieces: conversations, calls, corrections and sums of a person as they are kept, what
    else names the person, what is in archives and what waits on this machine.

    Of what others' calls say only where that is, as the rest is theirs. Amounts have all their digits.

    Raises:
        UnknownClient: no client has the name or id.
        InvalidInput: this user of the database may not see all.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    with database.transaction() as connection:
        require_owner(connection, database)
    owner = find_client(database, client)
    pseudonyms = Pseudonyms()
    with database.transaction() as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        person, waiting, archived = find_everywhere(connection, owner, named, pseudonyms, spools)
        values = {
            "client_id": owner.id,
            "conversations": list(pseudonyms.conversations),
            "phones": list(pseudonyms.phones),
            "tag_set_ids": list(person.tag_set_ids),
            "keys": [key for key, _ in named.tags],
            "values": [value for _, value in named.tags],
        }
        about = {"client": owner.name, "client_id": owner.id, "phones": person.phones, "at": at}
        yield f'{{\n"about": {_json(about)}'
        for section, statement in _SECTIONS.items():
            yield from _section(section, _texts(connection, statement, values))
        elsewhere = [
            *(
                {"table": change.table, **change.key, "names_the_person": list(change.before)}
                for change in mentions(connection, owner.id, pseudonyms)
            ),
            *(
                {"table": change.table, **change.key, **change.before}
                for found in (
                    name_tags(connection, owner.id, named, pseudonyms, archived.sets),
                    texts_elsewhere(connection, owner.id, pseudonyms),
                )
                for change in found
            ),
        ]
        yield from _section("elsewhere", map(_json, elsewhere))
        rows = archived_rows(connection, owner.id, named, archived.conversations, archived.phones)
        yield from _section("in_archives", map(_json, rows))
    waiting_here = waiting_rows(spools_in(spools), owner.id, named, waiting.conversations, waiting.phones)
    yield from _section("waiting_on_this_machine", (_json(_told(row)) for row in waiting_here))
    yield "\n}\n"


def _texts(
    connection: "psycopg.Connection[Any]", statement: LiteralString, values: Mapping[str, Any]
) -> Iterator[str]:
    with connection.cursor("kept") as cursor:
        cursor.execute(f"select kept.kept::text from ({statement}) as kept (kept)", values)  # noqa: S608
        yield from (text for (text,) in cursor)


def _section(name: str, texts: Iterator[str]) -> Iterator[str]:
    yield f',\n"{name}": ['
    between = "\n"
    for text in texts:
        yield f"{between}{text}"
        between = ",\n"
    yield "\n]" if between == ",\n" else "]"


def _told(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "facts": row.facts._asdict(), "details": dict(row.details)}


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
