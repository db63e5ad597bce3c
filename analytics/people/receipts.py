"""Receipts of erasures: who forgot somebody of which client and when, and how much, but not whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from analytics.clients import find_client
from analytics.database import Database
from analytics.errors import InvalidInput

_RECEIPTS = """
    select
        erasure.id, client.name as client_name, begun_at, finished_at, erased_by, kinds, pseudonym,
        call_count, conversation_count, mention_count, spooled_count
    from erasures as erasure
    inner join clients as client on client.id = erasure.client_id
    where
        (%(client_id)s::uuid is null or erasure.client_id = %(client_id)s)
        and (%(receipt_id)s::uuid is null or erasure.id = %(receipt_id)s)
    order by begun_at desc, erasure.id
"""
_BEGIN = """
    insert into erasures (client_id, erased_by, kinds, pseudonym)
    values (%s, %s, %s, %s)
    returning id
"""
_ADD = """
    update erasures
    set
        call_count = call_count + %s,
        conversation_count = conversation_count + %s,
        mention_count = mention_count + %s,
        spooled_count = spooled_count + %s
    where id = %s
"""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An erasure. Nothing of it leads to the person, of whom only the random pseudonym is left."""

    id: UUID
    client_name: str
    begun_at: datetime
    finished_at: datetime | None
    """None: it was interrupted, and the same command again goes on."""
    erased_by: str
    kinds: Sequence[str]
    """Of what the person was named by: phone, conversation, tag."""
    pseudonym: str
    call_count: int
    conversation_count: int
    mention_count: int
    """Places elsewhere that named the person: tags, budgets, alerts, notes, metadata of other calls."""
    spooled_count: int
    """Calls that waited on this machine."""


def list_receipts(database: Database, *, client: str | None = None) -> list[Receipt]:
    """All receipts, or those of the client with this name or id, the newest first.

    Raises:
        UnknownClient: no client has it.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    client_id = None if client is None else find_client(database, client).id
    with database.transaction() as connection:
        return _found(connection, client_id=client_id)


def begin(
    connection: "psycopg.Connection[Any]", client_id: UUID, by: str, kinds: list[str], label: str
) -> UUID:
    """Begins a receipt; its id.

    Raises:
        InvalidInput: who it is is empty, or holds a NUL character.
    """
    who = " ".join(by.split())
    if not who or "\0" in who:
        raise InvalidInput(f"an erasure is kept with who made it: give a name that is not empty, not {by!r}")
    [(receipt_id,)] = connection.execute(_BEGIN, [client_id, who, kinds, label]).fetchall()
    assert isinstance(receipt_id, UUID)
    return receipt_id


def add(
    connection: "psycopg.Connection[Any]",
    receipt_id: UUID,
    *,
    calls: int = 0,
    conversations: int = 0,
    mentions: int = 0,
    spooled: int = 0,
) -> None:
    """Counts what this transaction erased."""
    connection.execute(_ADD, [calls, conversations, mentions, spooled, receipt_id])


def finish(connection: "psycopg.Connection[Any]", receipt_id: UUID) -> Receipt:
    """The receipt, now that all is erased."""
    connection.execute("update erasures set finished_at = clock_timestamp() where id = %s", [receipt_id])
    [receipt] = _found(connection, receipt_id=receipt_id)
    return receipt


def _found(
    connection: "psycopg.Connection[Any]", *, client_id: UUID | None = None, receipt_id: UUID | None = None
) -> list[Receipt]:
    cursor = connection.execute(_RECEIPTS, {"client_id": client_id, "receipt_id": receipt_id})
    names = [column.name for column in cursor.description or ()]
    return [Receipt(**dict(zip(names, row, strict=True))) for row in cursor]
