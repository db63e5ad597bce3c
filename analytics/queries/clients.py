"""The tenants, as pages offer them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.database import Database, Query
from analytics.errors import UnknownClient

# Logs that name no client are kept under this one (unassigned_client_id() in SQL): only for administrators.
UNASSIGNED_CLIENT_ID = UUID(int=0)

CLIENT_COLUMNS = (
    "id, name, timezone, is_demo,"
    " (select min(usage_date) from usage_daily_rollup where client_id = clients.id) as first_day"
)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A tenant. `timezone` is the IANA zone in which its days begin."""

    id: UUID
    name: str
    timezone: str
    is_demo: bool
    first_day: date | None
    """Of its usage, as far as it is folded; None where there is none."""

    def today(self, now: datetime) -> date:
        """The client's own day at this moment."""
        return now.astimezone(ZoneInfo(self.timezone)).date()


def clients(database: Database) -> list[Client]:
    """All clients by name; the one that keeps the calls without a client is the last."""
    [rows] = database.read(
        Query(
            statement=f"select {CLIENT_COLUMNS} from clients"  # noqa: S608
            " order by id = %(unassigned)s, lower(name), id",
            parameters={"unassigned": UNASSIGNED_CLIENT_ID},
        )
    )
    return [client_of(record) for record in rows.records]


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
    statement = "select exists (select from usage_logs where client_id = %(client_id)s)"
    [rows] = database.read(
        Query(statement=statement, parameters={"client_id": client_id}), client_id=client_id
    )
    return bool(rows.records[0][0])


def client_of(record: Sequence[Any]) -> Client:
    """The client of a row of CLIENT_COLUMNS."""
    client_id, name, timezone, is_demo, first_day = record
    return Client(id=client_id, name=name, timezone=timezone, is_demo=is_demo, first_day=first_day)
