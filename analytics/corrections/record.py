"""Recorded corrections, and the steps that applying and undoing them share."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from analytics import locks
from analytics.clients import find_client
from analytics.database import Database
from analytics.errors import DatabaseError, InvalidInput

add = Context(prec=80).add
"""Sums of many amounts have more digits than Decimal keeps by default."""
# A statement for this many takes a second or two, which is below any usual statement_timeout.
BATCH_ROWS = 10_000

# Read committed, or the trigger of usage_logs would refuse to go on while somebody changes the client.
_BEGIN = "set transaction isolation level read committed"
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, %s))"

_CORRECTIONS = """
    select
        correction.id, correction.client_id, client.name as client_name, corrected_at, corrected_by, reason,
        first_date, last_date, correction.timezone, source, model, request_count, cost_before_usd,
        cost_after_usd, undone_at, undone_by
    from cost_corrections as correction
    inner join clients as client on client.id = correction.client_id
    where
        (%(client_id)s::uuid is null or correction.client_id = %(client_id)s)
        and (%(correction_id)s::uuid is null or correction.id = %(correction_id)s)
    order by corrected_at desc, correction.id
"""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A correction as it was recorded. Counts and costs are over the calls that it changed."""

    id: UUID
    client_id: UUID
    client_name: str
    corrected_at: datetime
    corrected_by: str
    reason: str
    first_date: date
    last_date: date
    timezone: str
    source: str | None
    """Only calls of this source; None: of all. The same holds for the model."""
    model: str | None
    request_count: int
    cost_before_usd: Decimal
    cost_after_usd: Decimal
    undone_at: datetime | None
    undone_by: str | None


def list_corrections(database: Database, *, client: str | None = None) -> list[Correction]:
    """All corrections, or those of the client with this name or id, the newest first.

    Raises:
        UnknownClient: no client has it.
    """
    client_id = None if client is None else find_client(database, client).id
    with database.transaction() as connection:
        return find_corrections(connection, client_id=client_id)


def find_corrections(
    connection: "psycopg.Connection[Any]", *, client_id: UUID | None = None, correction_id: UUID | None = None
) -> list[Correction]:
    """All corrections, or those of this client, or the one with this id; the newest first."""
    cursor = connection.execute(_CORRECTIONS, {"client_id": client_id, "correction_id": correction_id})
    names = [column.name for column in cursor.description or ()]
    return [Correction(**dict(zip(names, row, strict=True))) for row in cursor]


def begin(connection: "psycopg.Connection[Any]") -> None:
    """Call it before anything else in the transaction."""
    connection.execute(_BEGIN)


def wait_for_others(connection: "psycopg.Connection[Any]", client_id: UUID) -> None:
    """Waits for the client's other corrections; until the transaction ends no further one begins."""
    connection.execute(_LOCK, [str(client_id), locks.CORRECTIONS])


def run_batch(
    connection: "psycopg.Connection[Any]",
    statement: LiteralString,
    parameters: dict[str, Any],
    after: UUID | None,
) -> tuple[Any, ...]:
    """Runs the statement for the batch after this id: the last id, how many rows there were, and more."""
    named = {**parameters, "after": after, "batch_rows": BATCH_ROWS}
    row: tuple[Any, ...] | None = connection.execute(statement, named).fetchone()
    assert row is not None
    return row


def run_batches(
    connection: "psycopg.Connection[Any]", statement: LiteralString, parameters: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """run_batch() for one batch after the other, until there is none."""
    after: UUID | None = None
    while True:
        after, *answer = run_batch(connection, statement, parameters, after)
        yield tuple(answer)
        if answer[0] < BATCH_ROWS:
            return


def fold(database: Database) -> None:
    """Call it after the commit."""
    # Sums are exact without it, and the correction is made.
    with suppress(DatabaseError):
        database.fold()


def name_of(by: str) -> str:
    """Who makes or undoes a correction, in one line.

    Raises:
        InvalidInput: it is empty, or holds a NUL character.
    """
    return _line("the name of who makes it", by)


def reason_of(reason: str) -> str:
    """Why a correction is made, in one line.

    Raises:
        InvalidInput: it is empty, or holds a NUL character.
    """
    return _line("a reason", reason)


def _line(what: str, text: str) -> str:
    line = " ".join(text.split())
    if not line or "\0" in line:
        raise InvalidInput(f"a correction is kept with {what}: give one that is not empty, not {text!r}")
    return line
