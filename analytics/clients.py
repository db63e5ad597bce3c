"""The clients of an installation, found by name or id."""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg

from analytics import locks
from analytics.calls.row import is_uuid
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient

_NAMES_SHOWN = 10


class FoundClient(NamedTuple):
    """A client that is there; `timezone` is the one in which its days begin."""

    id: UUID
    name: str
    timezone: str


def find_client(database: Database, name_or_id: str) -> FoundClient:
    """The client with this id or name.

    Raises:
        UnknownClient: no client has it.
        InvalidInput: several clients have this name.
    """
    name = _checked(name_or_id)
    with database.transaction() as connection:
        found = _find(connection, name)
        if found is not None:
            return found
        others = connection.execute(
            "select name from clients order by created_at desc limit %s", [_NAMES_SHOWN]
        ).fetchall()
    names = ", ".join(f'"{other}"' for (other,) in others) or "none yet"
    raise UnknownClient(f'no client is called "{name}" in {database.place}: the clients there are {names}')


def has_clients(database: Database) -> bool:
    """Whether there is any client but the one that keeps the calls without a client."""
    with database.transaction() as connection:
        found = connection.execute("select exists (select from clients where id <> unassigned_client_id())")
        [(is_there,)] = found.fetchall()
    return bool(is_there)


def find_or_create_client(database: Database, name_or_id: str, *, timezone: str = "UTC") -> tuple[UUID, bool]:
    """The client with this id or else this name, and whether it was created just now, in that time zone.

    Raises:
        UnknownClient: an id that no client has.
        InvalidInput: several clients have this name.
    """
    name = _checked(name_or_id)
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [locks.CLIENTS])
        found = _find(connection, name)
        if found is not None:
            return found.id, False
        if is_uuid(name):
            raise UnknownClient(f"no client has the id {name} in {database.place}: give a name to create one")
        client_id = uuid4()
        connection.execute(
            "insert into clients (id, name, timezone) values (%s, %s, %s)", [client_id, name, timezone]
        )
        return client_id, True


def _checked(name_or_id: str) -> str:
    name = name_or_id.strip()
    if not name or "\0" in name:
        raise InvalidInput("a client needs a name or an id")
    return name


def _find(connection: "psycopg.Connection[Any]", name: str) -> FoundClient | None:
    known = connection.execute(
        "select id, name, timezone from clients"
        " where id::text = lower(%(name)s) or name = %(name)s order by id",
        {"name": name},
    ).fetchall()
    if len(known) > 1:
        ids = " or ".join(str(client_id) for client_id, *_ in known)
        raise InvalidInput(f'{len(known)} clients are called "{name}": give the id instead, {ids}')
    return FoundClient(*known[0]) if known else None
