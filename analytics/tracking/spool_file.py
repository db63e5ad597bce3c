"""The files of a spool on disk: how they are opened, whether they still are those that are open, and which
faults mean that they never will be again.

SQLite keeps three: the table, its log (-wal) and the log's index (-shm). All are looked at by name only. A
process that opens one of them itself and closes it loses all locks that SQLite holds on it (POSIX).
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

ENDINGS = ("", "-wal", "-shm")
# Sequence numbers go on behind those of a file that is gone, by so much that no process that still has that
# one open can take a call of the new one for a call of its own.
NUMBERS_LEFT_OUT = 1_000_000_000
READ_AT_ONCE = 1_000
PAGE_BYTES = 2048

_SCHEMA = """
    create table if not exists calls (
        number integer primary key,
        price_revision text not null,
        line text not null
    );
    create table if not exists shipped (
        is_only_row integer primary key check (is_only_row = 1),
        number integer not null
    );
    insert or ignore into shipped values (1, 0);
    create table if not exists set_aside (
        number integer primary key,
        price_revision text not null,
        line text not null,
        error text not null,
        set_aside_at text not null
    );
"""
TABLES = {"calls", "shipped", "set_aside"}
_LOG_BEGINS_WITH = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
# Of an error of SQLite's: what no further attempt will heal.
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    # "no such table": our statements are right, so the file is another one.
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}
_DAMAGE_BY_EXTENDED_CODE = {sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_READONLY_DBMOVED}

PlainCall = tuple[int, str, str]
"""Number, price revision and line. Python's collector forgets plain tuples of texts; thousands of objects of
a class have it go through all that the application holds (0.1 s at a time in the benchmark)."""


class Files:
    """Which files were there when they were opened, and whether they are there now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._paths = [path.with_name(f"{path.name}{ending}") for ending in ENDINGS]
        self._index = str(self._paths[-1])
        found = [each.stat() for each in self._paths]
        self._identities = [_identity(each) for each in found]
        self._index_identity = self._identities[-1]
        self._bytes, _, self._index_bytes = (each.st_size for each in found)

    def quick_fault(self) -> str | None:
        """What is wrong, as far as one look tells, which is all that each call has time for."""
        try:
            found = os.stat(self._index)  # noqa: PTH116 - a Path takes half as long again
        except (FileNotFoundError, NotADirectoryError):
            return f"{self.path} is gone"
        except OSError:  # no permission any more: that tells nothing about the file, which stays open
            return None
        if (found.st_dev, found.st_ino) != self._index_identity:
            return f"{self.path} is another file"
        if found.st_size < self._index_bytes:
            # It is mapped into memory: whoever reads behind its end is killed by the system. SQLite takes
            # an index of zeros for none, and makes it anew from the log.
            with contextlib.suppress(OSError):
                os.truncate(self._index, self._index_bytes)
        else:
            self._index_bytes = found.st_size
        return None

    def fault(self) -> str | None:
        """What is wrong, in words that follow "because" or a colon."""
        if fault := self.quick_fault():
            return fault
        for path, identity in zip(self._paths, self._identities, strict=True):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return f"{path} is gone"
            except OSError:
                return None
            if _identity(found) != identity:
                return f"{path} is another file"
            if path == self._paths[0]:
                if found.st_size < self._bytes:
                    return f"{path} was cut from {self._bytes:,} to {found.st_size:,} bytes"
                self._bytes = found.st_size
        return self._fault_of_log()

    def _fault_of_log(self) -> str | None:
        try:
            with self._paths[1].open("rb") as log:
                begins_with = log.read(4)
        except OSError:
            return None
        # One that was cut is written on behind a hole.
        if begins_with and begins_with not in _LOG_BEGINS_WITH:
            return f"{self._paths[1]} was overwritten"
        return None

    def is_same(self, other: "Files") -> bool:
        return self._identities[0] == other._identities[0]

    def put_aside(self) -> Path | None:
        """Moves what is still in its place out of the way; where the table is now.

        A log and an index that belong to no table would spoil the next one.
        """
        moved = _place_aside(self.path)
        found = []
        for path, identity in zip(self._paths, self._identities, strict=True):
            try:
                found.append(_identity(path.stat()) == identity)
            except OSError:
                found.append(False)
        is_table_ours = found[0]
        for path, ending, is_ours in zip(self._paths, ENDINGS, found, strict=True):
            if is_table_ours or is_ours:
                with contextlib.suppress(OSError):
                    path.rename(moved.with_name(f"{moved.name}{ending}"))
        return moved if is_table_ours else None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def connect(path: Path, timeout_seconds: float) -> sqlite3.Connection:
    """A connection to the file, which waits for so long for others that write."""
    connection = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)
    try:
        # Each append writes whole pages to the log, and a call is some 400 bytes.
        connection.execute(f"pragma page_size = {PAGE_BYTES}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def keep_log_of_cut(path: Path) -> None:
    """Where a table was cut to nothing, its log may still have all of it; SQLite would delete that unread."""
    log = path.with_name(f"{path.name}-wal")
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == 0 and log.stat().st_size > 0:
            os.truncate(path, PAGE_BYTES)


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes what is missing."""
    # The table that is made last: where it is, nothing needs to be written to open the file.
    if connection.execute("select name from sqlite_master where name = 'set_aside'").fetchone() is None:
        connection.executescript(_SCHEMA)


def go_on_behind(connection: sqlite3.Connection, last: int) -> None:
    """Moves the numbers of the file behind `last`, and keeps one there as their anchor."""
    with transaction(connection):
        [shipped] = connection.execute("select number from shipped").fetchone()
        offset = last + NUMBERS_LEFT_OUT - shipped
        connection.execute("delete from calls where number <= ?", (shipped,))
        connection.execute("update calls set number = number + ?", (offset,))
        connection.execute("insert into calls values (?, '', '')", (shipped + offset,))
        connection.execute("update shipped set number = number + ?", (offset,))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        # A full disk may have ended the transaction already.
        if connection.in_transaction:
            connection.rollback()
        raise
    connection.commit()


def readable(connection: sqlite3.Connection) -> Iterator[PlainCall]:
    """The waiting calls that can be read in a file that is gone or damaged, in order."""
    try:
        [shipped] = connection.execute("select number from shipped").fetchone()
        after = int(shipped)
    except (sqlite3.Error, TypeError, ValueError):
        after = 0  # what is sent twice is stored once
    step = READ_AT_ONCE
    while True:
        try:
            calls = connection.execute(
                "select number, price_revision, line from calls where number > ? order by number limit ?",
                (after, step),
            ).fetchall()
        except sqlite3.Error:
            # Some page of these: fewer at a time, and then on behind it.
            if step > 1:
                step //= 10
            elif (behind := _behind_damage(connection, after)) is not None:
                after = behind
            else:
                return
            continue
        yield from (call for call in calls if _is_call(call))
        if len(calls) < step:
            return
        after, step = int(calls[-1][0]), min(step * 10, READ_AT_ONCE)


def readable_set_aside(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Price revision and line of the calls that the database refused, as far as they can be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from connection.execute("select price_revision, line from set_aside order by number").fetchall()


def _behind_damage(connection: sqlite3.Connection, after: int) -> int | None:
    """Behind which number to go on."""
    for stride in (*range(1, 17), *(1 << power for power in range(5, 21))):
        with contextlib.suppress(sqlite3.Error):
            connection.execute("select line from calls where number = ?", (after + stride + 1,)).fetchone()
            return after + int(stride)
    return None


def _is_call(call: tuple[object, ...]) -> bool:
    number, revision, line = call
    return isinstance(number, int) and isinstance(revision, str) and isinstance(line, str) and line != ""


def is_busy(error: BaseException) -> bool:
    """Whether another process holds a lock; extended codes say which."""
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def until_not_busy(work: Callable[[], None], seconds: float) -> None:
    """Does it again and again while another process is at it, for so long.

    SQLite itself does not wait for who turns a new file's log on.
    """
    Retrying(
        retry=retry_if_exception(is_busy),
        stop=stop_after_delay(seconds),
        wait=wait_random(0.001, 0.02),
        reraise=True,
    )(work)


def ends(connection: sqlite3.Connection) -> tuple[int, int]:
    """The numbers of the last call that was shipped, and of the newest."""
    shipped, last = connection.execute(
        "select number, (select max(number) from calls) from shipped"
    ).fetchone()
    return shipped, last or shipped


def is_damaged(error: BaseException) -> bool:
    """Whether the file is no spool any more, however often one tries."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGE or code in _DAMAGE_BY_EXTENDED_CODE


def put_aside(path: Path) -> Path:
    """Moves a damaged file out of the way, with its log, for somebody to look at; where it is now."""
    moved = _place_aside(path)
    for ending in ENDINGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}{ending}").rename(moved.with_name(f"{moved.name}{ending}"))
    return moved


def _place_aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%d%H%M%S%f}")
