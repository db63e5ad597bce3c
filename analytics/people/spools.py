"""The calls that wait on this machine: a person's are found there, and erased before they are shipped."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from analytics.calls.row import NULL, UNASSIGNED_CLIENT, Row, line_of, row_of
from analytics.errors import InvalidInput
from analytics.people.belongs import Belongs
from analytics.people.person import Named
from analytics.people.pseudonyms import Pseudonyms, erased_metadata
from analytics.tracking.spool_file import TABLES, connect, ends, is_busy, transaction

WAIT_SECONDS = 5.0
"""How long somebody who writes to a spool is waited for."""
IN_FLIGHT_SECONDS = 30.0
"""How long calls that are being shipped at this moment are waited for."""
_LOOK_SECONDS = 0.1
_MOST_FILLED_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits of one person."""

    count: int
    conversations: Sequence[UUID]
    phones: Sequence[str]
    names: Sequence[str]


def spools_in(directory: Path | None) -> list[Path]:
    """The spools of this machine, those of other databases included: one of them may be this one's, as it was
    called before."""
    return [] if directory is None else sorted(path for path in directory.glob("*.db") if _is_spool(path))


def damaged_in(directory: Path | None) -> list[Path]:
    """Spools that were damaged or replaced, and are kept for somebody to look at."""
    return [] if directory is None else sorted(directory.glob("*.db.damaged-*"))


def waiting_rows(
    paths: Sequence[Path], client_id: UUID, named: Named, conversations: Sequence[UUID], phones: Sequence[str]
) -> list[Row]:
    """The calls of a person that wait."""
    person = _Person(client_id, named, conversations, phones)
    return [row for path in paths for row in map(row_of, _lines(path, client_id)) if person.has(row)]


def waiting_of(
    paths: Sequence[Path], client_id: UUID, named: Named, conversations: Sequence[UUID], phones: Sequence[str]
) -> Waiting:
    """How many calls of a person wait, and which further conversations and phones they tell of."""
    person = _Person(client_id, named, conversations, phones)
    lines = [line for path in paths for line in _lines(path, client_id)]
    while True:
        # A conversation that only waiting calls have may have further ones.
        size = person.known.size
        found = [row for row in map(row_of, lines) if person.has(row)]
        for row in found:
            person.learn(row)
        person.known.conclude()
        if size == person.known.size:
            break
    return Waiting(
        count=len(found),
        conversations=sorted(person.known.conversations, key=str),
        phones=sorted(person.known.phones),
        names=sorted({row.conversation_name for row in found if row.conversation_name}),
    )


def erase_waiting(path: Path, client_id: UUID, named: Named, pseudonyms: Pseudonyms) -> int:
    """Erases the person's calls in a spool, and what others' metadata say of the person; how many calls.

    All that the file ever had is overwritten, and waits for what is being shipped at this moment.

    Raises:
        InvalidInput: another process keeps it locked.
    """
    person = _Person(client_id, named, list(pseudonyms.conversations), list(pseudonyms.phones))
    try:
        with closing(connect(path, WAIT_SECONDS)) as connection:
            connection.execute("pragma secure_delete = on")
            with transaction(connection):
                _, last = ends(connection)
                count = sum(
                    _rewrite(connection, table, person, pseudonyms) for table in ("calls", "set_aside")
                )
                _fill_free_pages(connection)
            _await_shipping(path, connection, last)
            _empty_log(path, connection)
    except sqlite3.Error as error:
        raise InvalidInput(
            f"{path} could not be erased ({error}): calls of the person may wait there; end the processes "
            "that use it, and erase again"
        ) from error
    return count


class _Person:
    """Whose calls are looked for among waiting ones."""

    def __init__(
        self, client_id: UUID, named: Named, conversations: Sequence[UUID], phones: Sequence[str]
    ) -> None:
        self.client_id = client_id
        self.known = Belongs(client_id, named, conversations, phones)

    def is_of_client(self, row: Row) -> bool:
        return (UNASSIGNED_CLIENT if row.client_id is None else UUID(row.client_id)) == self.client_id

    def has(self, row: Row) -> bool:
        return self.is_of_client(row) and self.known.has(*_told(row))

    def learn(self, row: Row) -> None:
        self.known.learn(*_told(row))

    def erased(self, row: Row, pseudonyms: Pseudonyms) -> Row:
        conversation_id, phone, tags = _told(row)
        if conversation_id is not None:
            pseudonyms.add_conversation(conversation_id)
        if phone is not None and self.known.is_phone(phone):
            pseudonyms.add_phone(phone)
            phone = pseudonyms.phones[phone]
        operation_id = row.facts.operation_id
        hashed = None if operation_id is None else pseudonyms.hashed(operation_id)
        return row._replace(
            metadata=erased_metadata(row.metadata, pseudonyms.label),
            facts=row.facts._replace(operation_id=hashed, response_id=None),
            tags=None
            if tags is None
            else {pseudonyms.key(key): pseudonyms.tag(key, value) for key, value in tags.items()},
            conversation_id=None
            if conversation_id is None
            else str(pseudonyms.conversations[conversation_id]),
            phone=phone,
            conversation_name=None if row.conversation_name is None else pseudonyms.label,
        )


def _told(row: Row) -> tuple[UUID | None, str | None, Mapping[str, str] | None]:
    return None if row.conversation_id is None else UUID(row.conversation_id), row.phone, row.tags


def _is_spool(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = {name for [name] in connection.execute("select name from sqlite_master")}
    except sqlite3.Error:
        return False
    return found >= TABLES


def _lines(path: Path, client_id: UUID) -> Iterator[str]:
    """The lines of a client that are not in the database yet."""
    owner = NULL if client_id == UNASSIGNED_CLIENT else str(client_id)
    try:
        with closing(connect(path, WAIT_SECONDS)) as connection:
            shipped, _ = ends(connection)
            yield from (
                line
                for [line] in connection.execute(
                    "select line from calls where number > ? union all select line from set_aside", (shipped,)
                )
                if owner in line
            )
    except sqlite3.Error as error:
        raise InvalidInput(f"{path} cannot be read as a spool: {error}") from error


def _rewrite(connection: sqlite3.Connection, table: str, person: _Person, pseudonyms: Pseudonyms) -> int:
    """Writes all rows of a table anew: what they leave behind is overwritten, and what was left before."""
    rows = connection.execute(f"select * from {table} order by number").fetchall()  # noqa: S608
    connection.execute(f"delete from {table}")  # noqa: S608
    count = 0
    for number, revision, line, *others in rows:
        new = line
        if line:
            row = row_of(line)
            if person.has(row):
                new = line_of(person.erased(row, pseudonyms))
                count += 1
            elif person.is_of_client(row):
                new = _without_mentions(row, line, pseudonyms)
        texts = [pseudonyms.text(each) for each in others]
        places = ", ".join("?" * (3 + len(others)))
        connection.execute(f"insert into {table} values ({places})", (number, revision, new, *texts))  # noqa: S608
    return count


def _without_mentions(row: Row, line: str, pseudonyms: Pseudonyms) -> str:
    """The line of somebody else's call, without what its metadata and tags say of the person."""
    metadata, tags = json.dumps(row.metadata), json.dumps(row.tags)
    changed = row._replace(
        metadata=json.loads(pseudonyms.json(metadata)), tags=json.loads(pseudonyms.json(tags))
    )
    return line if changed == row else line_of(changed)


def _fill_free_pages(connection: sqlite3.Connection) -> None:
    """Overwrites the pages that earlier deletions left as they were."""
    [size] = connection.execute("pragma page_size").fetchone()
    [free] = connection.execute("pragma freelist_count").fetchone()
    connection.execute("create table filled (bytes blob)")
    while free > 0:
        filled = min(free * size, _MOST_FILLED_BYTES)
        connection.execute("insert into filled values (zeroblob(?))", (filled,))
        free -= max(filled // size, 1)
    connection.execute("drop table filled")


def _await_shipping(path: Path, connection: sqlite3.Connection, last: int) -> None:
    """Waits until what another process had read before is in the database."""
    end = time.monotonic() + IN_FLIGHT_SECONDS
    while _is_shipping(path):
        shipped, _ = ends(connection)
        if shipped >= last:
            return
        if time.monotonic() > end:
            raise InvalidInput(
                f"a process is shipping from {path} and does not come to its end: erase again when it has"
            )
        time.sleep(_LOOK_SECONDS)


def _is_shipping(path: Path) -> bool:
    """Whether a process has the lock of who ships."""
    lock = path.with_suffix(".lock")
    if not lock.exists():
        return False
    with closing(sqlite3.connect(lock, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.Error as error:
            return is_busy(error)
        connection.execute("rollback")
    return False


def _empty_log(path: Path, connection: sqlite3.Connection) -> None:
    """Moves the log into the file, and leaves nothing of it."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        [is_blocked, _, _] = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        if not is_blocked:
            return
        if time.monotonic() > end:
            raise InvalidInput(f"a process keeps reading {path}: erase again when it has ended")
        time.sleep(_LOOK_SECONDS)
