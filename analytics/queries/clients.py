"""The tenants, as pages offer them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from analytics.database import Database, Query

# Logs that name no client are kept under this one (unassigned_client_id() in SQL): only for administrators.
UNASSIGNED_CLIENT_ID = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A tenant. `timezone` is the IANA zone in which its days begin."""

    id: UUID
    name: str
    timezone: str
    is_demo: bool


def clients(database: Database) -> list[Client]:
    """All clients by name; the one that keeps the calls without a client is the last."""
    [rows] = database.read(
        Query(
            statement="select id, name, timezone, is_demo from clients"
            " order by id = %(unassigned)s, lower(name), id",
            parameters={"unassigned": UNASSIGNED_CLIENT_ID},
        )
    )
    return [client_of(record) for record in rows.records]


def client_of(record: Sequence[Any]) -> Client:
    client_id, name, timezone, is_demo = record
    return Client(id=client_id, name=name, timezone=timezone, is_demo=is_demo)
