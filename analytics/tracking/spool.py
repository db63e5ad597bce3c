"""Calls on disk until PostgreSQL has them: SQLite in WAL mode, shared by threads and processes.

An append is in the operating system's hands when it returns, and so survives `kill -9` of the application;
after a power cut the last ones may be missing. Sequence numbers only grow: the last call that was shipped
stays in the table as their anchor until the next one is (SQLite's own way to that, AUTOINCREMENT, doubles the
time of an append).

Somebody may remove, cut or replace the file under a running application. Each use looks whether it is still
there. What this process logged last is kept in memory, too, until it is shipped; with what can still be read
it goes into a new file, and what is gone is counted.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from analytics.tracking.renewal import Copies, Renewal
from analytics.tracking.spool_file import (
    Files,
    PlainCall,
    connect,
    ends,
    go_on_behind,
    is_busy,
    is_damaged,
    keep_log_of_cut,
    make_tables,
    put_aside,
    transaction,
    until_not_busy,
)

# How long one waits for another process that is writing, and may itself wait for a disk that is flushed.
# An append then goes on in memory. Those after it take the other process for stuck, and wait this little.
WAIT_SECONDS = 2.0
WAIT_FOR_STUCK_SECONDS = 0.05
# Checkpoints are the shipper's business, so that no caller ever waits for a disk. Past this size of the log
# writers wait a moment, so that it can begin anew.
MANY_LOG_BYTES = 64_000_000
# How often more than one look is taken at the files.
LOOK_EVERY_SECONDS = 0.1


class SpoolFull(Exception):
    """As many calls are waiting as may."""


class SpoolGone(OSError):
    """The file is not what it was: renew() begins another one."""


class SpooledCall(NamedTuple):
    """A call that waits: its line for COPY, and the revision of the price list that priced it."""

    number: int
    price_revision: str
    line: str


class SetAside(NamedTuple):
    """A call that the database refused, and why."""

    number: int
    line: str
    error: str
    set_aside_at: datetime


class Spool:
    """One file of waiting calls. Every method may be called by any thread; after a fork open another one.

    Where nothing else is said, methods raise SpoolGone or sqlite3.Error if the file cannot be used.
    """

    def __init__(self, path: Path, *, max_calls: int, on_damage: Callable[[str], None] | None = None) -> None:
        """Opens or makes the file; a damaged one is moved aside and told to `on_damage`, if there is one."""
        self.path = path
        self.max_calls = max_calls
        self.generation = 0
        """How many files there were before this one."""
        self.renewals: list[Renewal] = []
        """Those of them whose calls are not in their new place yet."""
        self._on_damage = on_damage
        self._shipped = 0
        self._last = 0
        self._is_unmarked = False
        self._is_stuck = False
        """Whether another process wrote for so long that the last call did not wait for it any more."""
        self._lock: sqlite3.Connection | None = None
        self._is_open = False
        self._fault: str | None = None
        self._look_at = 0.0
        self._files: Files | None = None
        self._copies = Copies()
        # Two connections, so that no caller waits while the shipper reads: each has its lock, as SQLite is
        # only ever entered with one of them held.
        self._appending = threading.Lock()
        self._shipping = threading.Lock()
        self._open()
        # What others left here.
        self._found_here = range(self._shipped + 1, self._last + 1)

    def _open(self) -> None:
        """Opens the file, which another process may be creating or recovering at this moment."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It holds phone numbers: for nobody else to read. SQLite gives its other files the same mode.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
        keep_log_of_cut(self.path)
        try:
            until_not_busy(self._open_once, WAIT_SECONDS)
        except sqlite3.DatabaseError as error:
            if self._on_damage is None or not is_damaged(error):
                raise
            moved = put_aside(self.path)
            self._on_damage(f"{self.path} is damaged ({error}): it is kept as {moved}")
            until_not_busy(self._open_once, WAIT_SECONDS)
        self._fault = None
        self._is_open = True

    def _open_once(self) -> None:
        with contextlib.ExitStack() as opened:
            shipper = opened.enter_context(closing(connect(self.path, WAIT_SECONDS)))
            make_tables(shipper)
            shipped, last = ends(shipper)
            has_gone_back = last < self._last
            if has_gone_back:
                go_on_behind(shipper, self._last)
                shipped, last = ends(shipper)
            appender = opened.enter_context(closing(connect(self.path, WAIT_SECONDS)))
            cursor = appender.cursor()
            files = Files(self.path)
            opened.pop_all()
        if self._files is not None and (has_gone_back or not files.is_same(self._files)):
            # While it was closed for a fork. Nothing but copies is left then.
            self._leave(f"{self.path} was replaced", None, None)
        self._shipper, self._appender, self._cursor, self._files = shipper, appender, cursor, files
        self._is_stuck = False
        self._shipped, self._last = max(self._shipped, shipped), last

    def _leave(self, fault: str, kept_as: Path | None, connection: sqlite3.Connection | None) -> Renewal:
        """Has done with a file, and begins to count anew."""
        shipped = self._shipped
        renewal = Renewal(fault=fault, kept_as=kept_as, connection=connection)
        self.renewals.append(renewal)
        self.generation += 1
        waiting = {number for number in {*self._copies.numbers(), *self._found_here} if number > shipped}
        renewal.look_through([call for call in self._copies.calls() if call[0] > shipped], waiting)
        self._copies, self._found_here, self._files = Copies(), range(0), None
        return renewal

    def renew(self) -> list[Renewal]:
        """Begins a new file where the open one is gone, cut, replaced or damaged; what is to be told of that.

        Raises:
            sqlite3.Error, OSError: there is no file, and none can be made. Calls are refused until it can.
        """
        with self._appending, self._shipping:
            if not self._is_open:
                self._open()
            elif self._files is not None and (fault := self._files.fault() or self._fault) is not None:
                self._fault = fault
                kept_as = self._files.put_aside()
                self._release_lock()
                self._is_open = False
                with contextlib.suppress(sqlite3.Error):
                    self._cursor.close()
                    self._appender.close()
                self._leave(fault, kept_as, self._shipper)
                # Else the next attempt will say why.
                with contextlib.suppress(sqlite3.Error, OSError):
                    self._open()
            untold = [renewal for renewal in self.renewals if not renewal.is_told]
            for renewal in untold:
                renewal.is_told = True
            return untold

    @property
    def has_file(self) -> bool:
        """False where the file is gone and no new one could be made yet."""
        return self._files is not None

    def settle(self, renewal: Renewal) -> None:
        """All that was left of the old file is in its new place."""
        self.renewals.remove(renewal)
        renewal.close()

    def _look(self) -> None:
        """Raises SpoolGone where the open file is not the one on disk, as far as a look tells."""
        if self._files is None:
            raise SpoolGone(f"{self.path} is not open")
        if self._fault is None:
            now = time.monotonic()
            if now < self._look_at:
                self._fault = self._files.quick_fault()
            else:
                self._look_at = now + LOOK_EVERY_SECONDS
                self._fault = self._files.fault()
        if self._fault is not None:
            raise SpoolGone(self._fault)

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not is_damaged(error):
                raise
            self._fault = f"{self.path} is damaged ({error})"
            raise SpoolGone(self._fault) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The shipper's connection, for this thread alone."""
        self._reopen()
        with self._shipping:
            self._look()
            with self._noting_damage():
                yield self._shipper

    def append(self, price_revision: str, line: str) -> None:
        """Keeps one call.

        Raises:
            SpoolFull: max_calls are waiting.
            SpoolGone: the file is not there any more, or is another one.
            sqlite3.Error: the disk is full or broken, or another process writes for too long.
        """
        if self._fault is not None:  # nobody waits for who is just making a new file
            raise SpoolGone(self._fault)
        with self._appending:
            self._look()
            if self._last - self._shipped >= self.max_calls:
                self._require_room()
            # Another thread may read a later number while this one is written.
            newest = self._last
            try:
                self._cursor.execute(
                    "insert into calls (price_revision, line) values (?, ?)", (price_revision, line)
                )
            except sqlite3.Error as error:
                if is_busy(error):
                    self._wait_for_others(WAIT_FOR_STUCK_SECONDS)
                with self._noting_damage():
                    raise
            if self._is_stuck:
                self._wait_for_others(WAIT_SECONDS)
            number = self._cursor.lastrowid or 0
            if number <= newest:
                self._fault = f"{self.path} was replaced by an older one"
            else:
                self._last = max(self._last, number)
            self._copies.keep((number, price_revision, line))

    def _wait_for_others(self, seconds: float) -> None:
        """How long the next append waits for another process."""
        self._is_stuck = seconds < WAIT_SECONDS
        self._cursor.execute(f"pragma busy_timeout = {seconds * 1000:.0f}")

    def append_many(self, calls: Sequence[tuple[str, str]]) -> None:
        """Keeps several calls or none; raises as append() does."""
        self._reopen()
        with self._appending:
            self._look()
            if self._last + len(calls) - self._shipped > self.max_calls:
                self._require_room(len(calls))
            with self._noting_damage(), transaction(self._appender):
                cursor = self._appender.executemany(
                    "insert into calls (price_revision, line) values (?, ?)", calls
                )
                [last] = cursor.execute("select max(number) from calls").fetchone()
            # And not before the commit, which a full disk may prevent.
            self._last = max(self._last, last)
            for number, call in enumerate(calls, start=last - len(calls) + 1):
                self._copies.keep((number, *call))

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
        newest = self._last
        with self._reading() as shipper:
            calls: list[PlainCall] = shipper.execute(
                "select number, price_revision, line from calls"
                " where number > max(?, (select number from shipped)) order by number limit ?",
                (max(self._shipped, after), limit),
            ).fetchall()
            # Numbers have no gaps.
            first, last = (calls[0][0], calls[-1][0]) if calls else (1, ends(shipper)[1])
            has_gap = len(calls) > 0 and last - first + 1 != len(calls)
            if has_gap or (len(calls) < limit and last < newest):
                self._fault = f"{self.path} lacks calls that were in it"
                raise SpoolGone(self._fault)
            return calls

    def mark_shipped(self, last: int, set_aside: Sequence[tuple[PlainCall, str]] = ()) -> None:
        """All up to the number `last` are in PostgreSQL, but those that were set aside with their error.

        Raises:
            sqlite3.Error: it could not be written. Within this process the calls are taken as shipped all
                the same, and after it they are shipped again, which adds nothing.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._reading() as shipper:
            if not set_aside:
                self._shipped = max(self._shipped, last)
                self._is_unmarked = True
            with transaction(shipper):
                shipper.executemany(
                    "insert or replace into set_aside values (?, ?, ?, ?, ?)",
                    [(*call, error, now) for call, error in set_aside],
                )
                shipper.execute("update shipped set number = max(number, ?)", (last,))
                shipper.execute("delete from calls where number < ?", (last,))
            self._shipped = max(self._shipped, last)
            self._is_unmarked = False
        with self._appending:
            self._copies.forget(self._shipped)

    def mark_again(self) -> None:
        """Tries once more what mark_shipped() could not write."""
        if self._is_unmarked:
            with contextlib.suppress(sqlite3.Error):
                self.mark_shipped(self._shipped)

    def tidy(self) -> None:
        """Moves the log into the file, so that neither grows for ever."""
        with contextlib.suppress(sqlite3.Error, OSError), self._reading() as shipper:  # the next time will do
            shipper.execute("pragma wal_checkpoint(passive)")
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size > MANY_LOG_BYTES:
                shipper.execute("pragma wal_checkpoint(truncate)")

    def last(self) -> int:
        """The number of the newest call."""
        self._refresh()
        return self._last

    def shipped(self) -> int:
        """The number up to which all calls are in PostgreSQL or set aside."""
        self._refresh()
        return self._shipped

    def waiting(self) -> int:
        """How many calls are waiting, those included that are left of files before this one."""
        self._refresh()
        return max(self._last - self._shipped, 0) + sum(renewal.found for renewal in tuple(self.renewals))

    def _refresh(self) -> None:
        newest = self._last
        with self._reading() as shipper:
            shipped, last = ends(shipper)
            if last < newest:
                self._fault = f"{self.path} lacks calls that were in it"
                raise SpoolGone(self._fault)
            self._shipped = max(self._shipped, shipped)
            self._last = max(self._last, last)
        with self._appending:
            self._copies.forget(self._shipped)

    def set_aside(self) -> list[SetAside]:
        """The calls that the database refused, oldest first."""
        with self._reading() as shipper:
            return [
                SetAside(number, line, error, datetime.fromisoformat(at))
                for number, line, error, at in shipper.execute(
                    "select number, line, error, set_aside_at from set_aside order by number"
                )
            ]

    def count_set_aside(self) -> int:
        """How many calls the database refused."""
        with self._reading() as shipper:
            [count] = shipper.execute("select count(*) from set_aside").fetchone()
            return int(count)

    def replay(self) -> int:
        """Puts what was set aside back among the waiting; how many."""
        with self._reading() as shipper, transaction(shipper):
            shipper.execute(
                "insert into calls (price_revision, line)"
                " select price_revision, line from set_aside order by number"
            )
            replayed = shipper.execute("delete from set_aside").rowcount
        self._refresh()
        return replayed

    @contextmanager
    def only_shipper(self) -> Iterator[bool]:
        """Whether this is the one process, and in it the one thread, that ships, until the block ends.

        A lock of the operating system's, which a killed process leaves behind for nobody. Where there can be
        none (a full disk, a directory that is gone) everybody ships: what is sent twice is stored once.
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
        with contextlib.suppress(sqlite3.Error):
            lock = sqlite3.connect(
                self.path.with_suffix(".lock"), timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                # Not exclusive: that fails where others are only trying, and then all may fail.
                lock.execute("begin immediate")
            except sqlite3.Error as error:
                lock.close()
                return not is_busy(error)
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
        # Closing would take along what is in no file any more.
        with contextlib.suppress(sqlite3.Error, OSError):
            self.renew()
        self._appending.acquire()
        self._shipping.acquire()
        self._was_shipping = self._lock is not None
        self._release_lock()
        if self._is_open:
            self._is_open = False
            self._close()

    def after_fork(self) -> None:
        """Goes on in the parent."""
        try:
            # Else, as on a full disk, the next attempt to ship will try again.
            with contextlib.suppress(sqlite3.Error, OSError):
                self._open()
                if self._was_shipping:
                    # Somebody else may have been faster: then both send the same calls, which does no harm.
                    self._take_lock()
        finally:
            self._shipping.release()
            self._appending.release()

    def _reopen(self) -> None:
        if not self._is_open:
            with self._appending, self._shipping:
                if not self._is_open:
                    self._open()

    def close(self) -> None:
        """Closes the file. What is waiting stays there."""
        with self._appending, self._shipping:
            if self._is_open:
                self._is_open = False
                self._close()
            for renewal in self.renewals:
                renewal.close()

    def _close(self) -> None:
        # First the cursor: its statement would keep the file open.
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed already
            self._cursor.close()
        self._appender.close()
        self._shipper.close()
