"""Stores calls on Citus: copies what a batch needs to know, and sends what it writes to the nodes.

Citus joins no temporary table with those of clients. So the rows that lines are compared with are copied into
temporary tables of the same names, on which all statements of store.py and merge.py work as they are; a name
without a schema means those. Writers of one client wait for each other meanwhile, as copies lock no rows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from analytics import locks
from analytics.calls.row import UNASSIGNED_CLIENT

if TYPE_CHECKING:
    import psycopg

_NAME_THE_UNASSIGNED = "update incoming_usage set client_id = unassigned_client_id() where client_id is null"
_OF_LINES = """
    select
        coalesce(array_agg(distinct client_id), '{}'),
        coalesce(array_agg(distinct id), '{}'),
        coalesce(array_agg(distinct conversation_id) filter (where conversation_id is not null), '{}'),
        coalesce(array_agg(distinct phone) filter (where phone is not null), '{}'),
        min(created_at) - interval '1 day',
        max(created_at) + interval '1 day'
    from incoming_usage
"""
_KEEP_THE_UNASSIGNED = """
    insert into clients (id, name) values (%s, 'Calls without a client') on conflict (id) do nothing
"""
_LOCK = """
    select pg_advisory_xact_lock(hashtextextended(client_id::text, %s))
    from unnest(%s::uuid[]) as client_id
    order by client_id
"""
_COPIES: tuple[LiteralString, ...] = (
    """
    create temporary table clients on commit drop as
    select * from public.clients where id = any(%(clients)s)
    """,
    """
    create temporary table usage_logs on commit drop as
    select *
    from public.usage_logs
    where
        client_id = any(%(clients)s)
        and (id = any(%(ids)s) or %(of_spans)s and created_at between %(first)s and %(last)s)
    """,
    """
    create temporary table cost_correction_items on commit drop as
    select *
    from public.cost_correction_items
    where client_id = any(%(clients)s) and usage_log_id = any(%(ids)s)
    """,
    """
    create temporary table cost_corrections on commit drop as
    select * from public.cost_corrections where client_id = any(%(clients)s)
    """,
)
# What a call that comes again does not say is known of the row that is there.
_OF_CALLS = """
    select
        coalesce(array_agg(distinct tag_set_id) filter (where tag_set_id is not null), '{}'),
        coalesce(array_agg(distinct conversation_id) filter (where conversation_id is not null), '{}'),
        coalesce(array_agg(distinct phone) filter (where phone is not null), '{}')
    from usage_logs
"""
_COPIES_OF_CALLS: tuple[LiteralString, ...] = (
    """
    create temporary table tag_sets on commit drop as
    select * from public.tag_sets where client_id = any(%(clients)s) and id = any(%(sets)s)
    """,
    """
    create temporary table conversations on commit drop as
    select *
    from public.conversations
    where client_id = any(%(clients)s) and (id = any(%(conversations)s) or phone = any(%(phones)s))
    """,
)
_REMEMBER: tuple[LiteralString, ...] = (
    "create unique index on usage_logs (client_id, id)",
    "create unique index on conversations (client_id, id)",
    "create unique index on conversations (client_id, phone)",
    "create temporary table stored_usage on commit drop as select * from usage_logs",
    "create temporary table stored_conversations on commit drop as select * from conversations",
)
_NEW_CONVERSATIONS = """
    insert into public.conversations (client_id, id, name, phone)
    select client_id, id, name, phone
    from conversations
    where not exists (
        select
        from stored_conversations as stored
        where stored.client_id = conversations.client_id and stored.id = conversations.id
    )
    order by client_id, id
    on conflict do nothing
"""
_NEW_PHONES = """
    select known.phone, known.client_id, known.id
    from conversations as known
    inner join stored_conversations as stored on stored.client_id = known.client_id and stored.id = known.id
    where known.phone is distinct from stored.phone
"""
_GIVE_PHONE = "update public.conversations set phone = %s where client_id = %s and id = %s and phone is null"


def is_on_citus(connection: "psycopg.Connection[Any]") -> bool:
    """Whether the database has Citus; a connection is asked once."""
    known = getattr(connection, "_usage_is_on_citus", None)
    if known is None:
        # Only who stores loads it: whoever logs does not.
        from analytics.database import HAS_CITUS

        known = connection.execute(HAS_CITUS).fetchone() == (True,)
        connection._usage_is_on_citus = known  # type: ignore[attr-defined]
    return bool(known)


def copy_known(connection: "psycopg.Connection[Any]", *, of_spans: bool) -> None:
    """Copies what the lines of incoming_usage are compared with; of spans all calls of their days."""
    from psycopg import ClientCursor

    connection.execute(_NAME_THE_UNASSIGNED)
    [(clients, ids, conversations, phones, first, last)] = connection.execute(_OF_LINES).fetchall()
    if UNASSIGNED_CLIENT in clients:
        connection.execute(_KEEP_THE_UNASSIGNED, [UNASSIGNED_CLIENT])
    connection.execute(_LOCK, [locks.STORING, clients])
    parameters = {
        "clients": clients,
        "ids": ids,
        "of_spans": of_spans,
        "first": first,
        "last": last,
    }
    cursor = ClientCursor(connection)
    for statement in _COPIES:
        cursor.execute(statement, parameters)
    [(sets, known_conversations, known_phones)] = connection.execute(_OF_CALLS).fetchall()
    parameters["sets"] = sets
    parameters["conversations"] = [*conversations, *known_conversations]
    parameters["phones"] = [*phones, *known_phones]
    for statement in _COPIES_OF_CALLS:
        cursor.execute(statement, parameters)
    for statement in _REMEMBER:
        connection.execute(statement)


def write_back(
    connection: "psycopg.Connection[Any]", columns: LiteralString, updated: Sequence[LiteralString]
) -> None:
    """Sends what became of the copies to the clients' nodes; another writer's call of one id fails it."""
    connection.execute(_NEW_CONVERSATIONS)
    phones = connection.execute(_NEW_PHONES).fetchall()
    with connection.cursor() as cursor:
        cursor.executemany(_GIVE_PHONE, phones)
    connection.execute(
        f"""
        insert into public.usage_logs ({columns})
        select {columns}
        from usage_logs as log
        where not exists (
            select from stored_usage as stored where stored.client_id = log.client_id and stored.id = log.id
        )
        order by id, client_id
        """  # noqa: S608 - names of this project
    )
    # Texts, of which PostgreSQL knows the types by their columns.
    changed = connection.execute(
        f"""
        select {", ".join(f"log.{name}::text" for name in updated)}, log.client_id, log.id
        from usage_logs as log
        inner join stored_usage as stored on stored.client_id = log.client_id and stored.id = log.id
        where log is distinct from stored
        order by log.id
        """  # noqa: S608 - names of this project
    ).fetchall()
    with connection.cursor() as cursor:
        cursor.executemany(
            f"""
            update public.usage_logs
            set {", ".join(f"{name} = %s" for name in updated)}
            where client_id = %s and id = %s
            """,  # noqa: S608 - names of this project
            changed,
        )
