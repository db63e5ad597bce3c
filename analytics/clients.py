"""The clients of an installation: all of them, one by id, and one by its name or id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg

from analytics import locks
from analytics.calls.on_citus import is_on_citus
from analytics.calls.row import UNASSIGNED_CLIENT, is_uuid
from analytics.database import Database, Query
from analytics.days import EARLIEST, LATEST
from analytics.errors import InvalidInput, UnknownClient

_MAX_NAMES = 10


# Adopted rows may have been made at infinity, or in years that are none of ours.
_FIRST_DAY = (
    "select min(usage_date) from usage_daily_rollup where client_id = {}"  # noqa: S608
    f" and usage_date between '{EARLIEST}' and '{LATEST}'"
)
_COLUMNS = "id, name, timezone, is_demo, ({}) as first_day, raw_since"
CLIENT_COLUMNS = _COLUMNS.format(_FIRST_DAY.format("%(client_id)s"))
"""Of the client with the parameter client_id."""
_COLUMNS_OF_ALL = _COLUMNS.format(_FIRST_DAY.format("clients.id"))
# Citus joins clients, which are on each node, with no rows that are on one of them.
_COLUMNS_OF_ALL_ON_CITUS = _COLUMNS.format("first_usage_date(id)")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client. `timezone` is the IANA zone in which its days begin."""

    id: UUID
    name: str
    timezone: str
    is_demo: bool
    first_day: date | None
    """Of its usage, as far as it is folded; None where there is none."""
    raw_since: date | None = None
    """The first day of which its calls are there, of those before only sums; None where all are."""

    def today(self, now: datetime) -> date:
        """The client's own day at this moment."""
        return now.astimezone(ZoneInfo(self.timezone)).date()


def list_clients(database: Database, *, with_unassigned: bool = False) -> list[Client]:
    """All clients by name; with the one that keeps the calls without a client last, if that is wanted."""
    [rows] = database.read(
        Query(
            statement=f"select {_columns_of_all(database.is_on_citus)} from clients"  # noqa: S608
            " order by id = %(unassigned)s, lower(name), id",
            parameters={"unassigned": UNASSIGNED_CLIENT},
        )
    )
    everyone = map(client_of, rows.records)
    return [client for client in everyone if with_unassigned or client.id != UNASSIGNED_CLIENT]


def read_client(database: Database, client_id: UUID) -> Client:
    """The client with this id, as only that client sees it.

    Raises:
        UnknownClient: there is no such client.
    """
    [rows] = database.read(
        Query(
            statement=f"select {CLIENT_COLUMNS} from clients where id = %(client_id)s",  # noqa: S608
            parameters={"client_id": client_id},
        ),
        client_id=client_id,
    )
    if not rows.records:
        raise UnknownClient(f"no client has the id {client_id}")
    return client_of(rows.records[0])


def has_calls(database: Database, client_id: UUID) -> bool:
    """Whether the client has made any call, ever."""
    statement = (
        "select exists (select from usage_logs where client_id = %(client_id)s)"
        " or raw_since_of(%(client_id)s) is not null"
    )
    [rows] = database.read(
        Query(statement=statement, parameters={"client_id": client_id}), client_id=client_id
    )
    return bool(rows.records[0][0])


def client_of(record: Sequence[Any]) -> Client:
    """The client of a row of these columns."""
    client_id, name, timezone, is_demo, first_day, raw_since = record
    return Client(
        id=client_id,
        name=name,
        timezone=timezone,
        is_demo=is_demo,
        first_day=first_day,
        raw_since=raw_since,
    )


def find_client(database: Database, name_or_id: str) -> Client:
    """The client with this id or name.

    Raises:
        UnknownClient: no client has it.
        InvalidInput: several clients have this name.
    """
    name = _checked(name_or_id)
    with database.transaction() as connection:
        client = _find(connection, name)
        if client is not None:
            return client
        others = connection.execute(
            "select name from clients order by created_at desc limit %s", [_MAX_NAMES]
        ).fetchall()
    names = ", ".join(f'"{other}"' for (other,) in others) or "none yet"
    raise UnknownClient(f'no client is called "{name}" in {database.place}: the clients there are {names}')


def has_clients(database: Database) -> bool:
    """Whether there is a client besides the one that keeps the calls without a client."""
    with database.transaction() as connection:
        rows = connection.execute("select exists (select from clients where id <> unassigned_client_id())")
        [(is_there,)] = rows.fetchall()
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
        client = _find(connection, name)
        if client is not None:
            return client.id, False
        if is_uuid(name):
            raise UnknownClient(f"no client has the id {name} in {database.place}: give a name to create one")
        client_id = uuid4()
        connection.execute(
            "insert into clients (id, name, timezone) values (%s, %s, %s)", [client_id, name, timezone]
        )
        return client_id, True


def _columns_of_all(is_on_citus: bool) -> str:
    return _COLUMNS_OF_ALL_ON_CITUS if is_on_citus else _COLUMNS_OF_ALL


def _checked(name_or_id: str) -> str:
    name = name_or_id.strip()
    if not name or "\0" in name:
        raise InvalidInput("a client needs a name or an id")
    return name


def _find(connection: "psycopg.Connection[Any]", name: str) -> Client | None:
    matches = connection.execute(
        f"select {_columns_of_all(is_on_citus(connection))} from clients"  # noqa: S608
        " where id::text = lower(%(name)s) or name = %(name)s order by id",
        {"name": name},
    ).fetchall()
    if len(matches) > 1:
        ids = " or ".join(str(client_id) for client_id, *_ in matches)
        raise InvalidInput(f'{len(matches)} clients are called "{name}": give the id instead, {ids}')
    return client_of(matches[0]) if matches else None
