"""Calls on disk until PostgreSQL has them: SQLite in WAL mode, shared by threads and processes.

An append is in the operating system's hands when it returns, and so survives `kill -9` of the application;
after a power cut the last ones may be missing. Sequence numbers only grow: the last call that was shipped
stays in the table as their anchor until the next one is (SQLite's own way to that, AUTOINCREMENT, doubles the
time of an append).
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

# How long an append waits for another process that is writing. It then goes on in memory.
APPEND_TIMEOUT_SECONDS = 0.25
SHIP_TIMEOUT_SECONDS = 2.0
# Checkpoints are the shipper's business, so that no caller ever waits for a disk. Past this size of the log
# writers wait a moment, so that it can begin anew.
MANY_LOG_BYTES = 64_000_000

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


class SpoolFull(Exception):
    """As many calls are waiting as may."""


class SpooledCall(NamedTuple):
    """A call that waits: its line for COPY, and the revision of the price list that priced it."""

    number: int
    price_revision: str
    line: str


PlainCall = tuple[int, str, str]
"""The same without names. Python's collector forgets plain tuples of texts; thousands of objects of a class,
batch after batch, have it go through all that the application holds (0.1 s at a time in the benchmark)."""


class SetAside(NamedTuple):
    """A call that the database refused, and why."""

    number: int
    line: str
    error: str
    set_aside_at: datetime


class Spool:
    """One file of waiting calls. Every method may be called by any thread; after a fork open another one."""

    def __init__(self, path: Path, *, max_calls: int) -> None:
        self.path = path
        self.max_calls = max_calls
        self._shipped = 0
        self._last = 0
        self._lock: sqlite3.Connection | None = None
        self._is_closed_for_fork = False
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It holds phone numbers: for nobody else to read. SQLite gives its other files the same mode.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        # Two connections, so that no caller waits while the shipper reads: each has its lock, as SQLite is
        # only ever entered with one of them held.
        self._appending = threading.Lock()
        self._shipping = threading.Lock()
        self._open()
        self._refresh()

    def _open(self) -> None:
        """Opens the file, which another process may be creating or recovering at this moment."""
        _UNTIL_NOT_BUSY(self._open_once)
        self._is_closed_for_fork = False

    def _open_once(self) -> None:
        with contextlib.ExitStack() as opened:
            self._shipper = opened.enter_context(closing(_connect(self.path, SHIP_TIMEOUT_SECONDS)))
            # The table that is made last: where it is, nothing needs to be written to open the file.
            known = self._shipper.execute("select name from sqlite_master where name = 'set_aside'")
            if known.fetchone() is None:
                self._shipper.executescript(_SCHEMA)
            self._appender = opened.enter_context(closing(_connect(self.path, APPEND_TIMEOUT_SECONDS)))
            self._cursor = self._appender.cursor()
            opened.pop_all()

    def append(self, price_revision: str, line: str) -> None:
        """Keeps one call.

        Raises:
            SpoolFull: max_calls are waiting.
            sqlite3.Error: the disk is full or broken, or another process writes for too long.
        """
        with self._appending:
            if self._last - self._shipped >= self.max_calls:
                self._require_room()
            self._cursor.execute(
                "insert into calls (price_revision, line) values (?, ?)", (price_revision, line)
            )
            self._last = self._cursor.lastrowid or 0

    def append_many(self, calls: Sequence[tuple[str, str]]) -> None:
        """Keeps several calls or none; raises as append() does."""
        self._reopen()
        with self._appending:
            if self._last + len(calls) - self._shipped > self.max_calls:
                self._require_room(len(calls))
            with _transaction(self._appender):
                cursor = self._appender.executemany(
                    "insert into calls (price_revision, line) values (?, ?)", calls
                )
                [last] = cursor.execute("select max(number) from calls").fetchone()
            self._last = last  # and not before the commit, which a full disk may prevent

    def _require_room(self, calls: int = 1) -> None:
        # Other processes may have shipped since.
        [self._shipped] = self._appender.execute("select number from shipped").fetchone()
        if self._last + calls - self._shipped > self.max_calls:
            raise SpoolFull(f"{self.max_calls:,} calls are waiting in {self.path}: no more are kept there")

    def read(self, limit: int, *, after: int = 0) -> list[SpooledCall]:
        """The oldest waiting calls, or the oldest with a number above `after`."""
        return [SpooledCall(*call) for call in self.read_plain(limit, after=after)]

    def read_plain(self, limit: int, *, after: int = 0) -> list[PlainCall]:
        """What read() does, for many."""
        with self._shipping:
            return self._shipper.execute(
                "select number, price_revision, line from calls"
                " where number > max(?, (select number from shipped)) order by number limit ?",
                (max(self._shipped, after), limit),
            ).fetchall()

    def mark_shipped(self, last: int, set_aside: Sequence[tuple[PlainCall, str]] = ()) -> None:
        """All up to the number `last` are in PostgreSQL, but those that were set aside with their error.

        Raises:
            sqlite3.Error: it could not be written. Within this process the calls are taken as shipped all
                the same, and after it they are shipped again, which adds nothing.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._shipping:
            if not set_aside:
                self._shipped = max(self._shipped, last)
            with _transaction(self._shipper):
                self._shipper.executemany(
                    "insert or replace into set_aside values (?, ?, ?, ?, ?)",
                    [(*call, error, now) for call, error in set_aside],
                )
                self._shipper.execute("update shipped set number = max(number, ?)", (last,))
                self._shipper.execute("delete from calls where number < ?", (last,))
            self._shipped = max(self._shipped, last)

    def tidy(self) -> None:
        """Moves the log into the file, so that neither grows for ever."""
        with self._shipping, contextlib.suppress(sqlite3.Error):  # the next time will do
            self._shipper.execute("pragma wal_checkpoint(passive)")
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size > MANY_LOG_BYTES:
                self._shipper.execute("pragma wal_checkpoint(truncate)")

    def last(self) -> int:
        """The number of the newest call."""
        self._refresh()
        return self._last

    def shipped(self) -> int:
        """The number up to which all calls are in PostgreSQL or set aside."""
        self._refresh()
        return self._shipped

    def waiting(self) -> int:
        """How many calls are waiting."""
        self._refresh()
        return max(self._last - self._shipped, 0)

    def _refresh(self) -> None:
        self._reopen()
        with self._shipping:
            shipped, last = self._shipper.execute(
                "select number, (select max(number) from calls) from shipped"
            ).fetchone()
            self._shipped = max(self._shipped, shipped)
            self._last = max(self._last, last or shipped)

    def set_aside(self) -> list[SetAside]:
        """The calls that the database refused, oldest first."""
        with self._shipping:
            return [
                SetAside(number, line, error, datetime.fromisoformat(at))
                for number, line, error, at in self._shipper.execute(
                    "select number, line, error, set_aside_at from set_aside order by number"
                )
            ]

    def count_set_aside(self) -> int:
        """How many calls the database refused."""
        with self._shipping:
            [count] = self._shipper.execute("select count(*) from set_aside").fetchone()
            return int(count)

    def replay(self) -> int:
        """Puts what was set aside back among the waiting; how many."""
        with self._shipping, _transaction(self._shipper):
            self._shipper.execute(
                "insert into calls (price_revision, line)"
                " select price_revision, line from set_aside order by number"
            )
            replayed = self._shipper.execute("delete from set_aside").rowcount
        self._refresh()
        return replayed

    @contextmanager
    def only_shipper(self) -> Iterator[bool]:
        """Whether this is the one process, and in it the one thread, that ships, until the block ends.

        A lock of the operating system's, which a killed process leaves behind for nobody.
        """
        with self._shipping:
            is_chosen = self._take_lock()
        try:
            yield is_chosen
        finally:
            if is_chosen:
                with self._shipping:
                    self._release_lock()

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return False
        lock = sqlite3.connect(
            self.path.with_suffix(".lock"), timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            # Not exclusive: that fails where others are only trying, and then all may fail.
            lock.execute("begin immediate")
        except sqlite3.Error as error:
            lock.close()
            if not _is_busy(error):
                raise
            return False
        self._lock = lock
        return True

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def before_fork(self) -> None:
        """Keeps all threads out and closes the file, until after_fork() in the parent.

        Not only would a child inherit the locks of threads that it does not have. Within a process SQLite
        counts who uses a file, and locks it once for all: the child would believe that it held its parent's
        locks, and calls would go to a log that the parent deletes as the last one who uses it.
        """
        self._appending.acquire()
        self._shipping.acquire()
        self._was_shipping = self._lock is not None
        self._release_lock()
        self._is_closed_for_fork = True
        self._close()

    def after_fork(self) -> None:
        """Goes on in the parent."""
        try:
            # Else, as on a full disk, the next attempt to ship will try again.
            with contextlib.suppress(sqlite3.Error):
                self._open()
                if self._was_shipping:
                    # Somebody else may have been faster: then both send the same calls, which does no harm.
                    self._take_lock()
        finally:
            self._shipping.release()
            self._appending.release()

    def _reopen(self) -> None:
        if self._is_closed_for_fork:
            with self._appending, self._shipping:
                if self._is_closed_for_fork:
                    self._open()

    def close(self) -> None:
        """Closes the file. What is waiting stays there."""
        with self._appending, self._shipping:
            self._close()

    def _close(self) -> None:
        # First the cursor: its statement would keep the file open.
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed already
            self._cursor.close()
        self._appender.close()
        self._shipper.close()


def _is_busy(error: BaseException) -> bool:
    """Whether another process holds a lock; extended codes say which."""
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


# SQLite itself does not wait for who turns a new file's log on.
_UNTIL_NOT_BUSY = Retrying(
    retry=retry_if_exception(_is_busy),
    stop=stop_after_delay(SHIP_TIMEOUT_SECONDS),
    wait=wait_random(0.001, 0.02),
    reraise=True,
)


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no spool any more, however often one tries."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def put_aside(path: Path) -> Path:
    """Moves a damaged file out of the way, with its log, for somebody to look at; where it is now."""
    moved = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%d%H%M%S%f}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}{ending}").rename(moved.with_name(f"{moved.name}{ending}"))
    return moved


def _connect(path: Path, timeout_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)
    try:
        # Each append writes whole pages to the log, and a call is some 400 bytes.
        connection.execute("pragma page_size = 2048")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        # A full disk may have ended the transaction already.
        if connection.in_transaction:
            connection.rollback()
        raise
    connection.commit()
