"""One tracker per process: it takes calls from any thread, and ships them from one of its own."""

import contextlib
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tenacity import RetryCallState, Retrying, stop_when_event_set, wait_exponential_jitter

from analytics import config
from analytics.errors import AnalyticsError, InvalidInput
from analytics.pricing.price_list import PriceList
from analytics.tracking import loading, passed_over
from analytics.tracking.shipping import MEMORY_CALLS, Shipper
from analytics.tracking.spool import Spool, SpoolFull, SpoolGone

# Calls that come within this time of the first one travel with it.
LINGER_SECONDS = 0.25
# How soon calls are shipped that another process left in the spool.
IDLE_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
POLL_SECONDS = 0.05
# How often the spool's file is looked at while the database is away.
LOOK_SECONDS = 1.0
# An outage is in the log when it begins, and again after as long as this.
REPORT_AGAIN_SECONDS = 300.0

if TYPE_CHECKING:
    from analytics.database import Database

log = logging.getLogger("analytics.tracking")


@dataclass(frozen=True, kw_only=True)
class TrackerStats:
    """What this process's tracker did since it began; `waiting` and `set_aside` are the whole spool's."""

    logged: int
    """Calls that were taken."""
    stored: int
    """Calls that this process brought to PostgreSQL, those of others that share the spool included."""
    updated: int
    """Calls that were told of again, and fuller than before: with usage, more tokens, or a further fact."""
    already_there: int
    """Calls that were there before, and about which nothing new was told."""
    waiting: int
    """Calls on disk that are not in PostgreSQL yet."""
    in_memory: int
    """Calls that wait in memory because the spool took none (disk full, spool full)."""
    set_aside: int
    """Calls that the database refused: `python -m analytics spool` says why."""
    lost: int
    """Calls of this process that neither spool nor memory had room for, or that went with a spool's file that
    was removed or damaged."""
    rejected: dict[str, int]
    """Calls with impossible arguments, by the argument that was at fault."""
    unpriced: int
    """Calls without a price when they were logged."""
    passed_over: dict[str, int]
    """Spans that look like calls of models and are none, by operation and reason."""
    last_stored_at: datetime | None
    last_error: str | None
    """Why the last attempt to ship failed; None once one succeeded."""
    spool_path: Path | None
    spool_max_calls: int


class Tracker:
    """Keeps calls in the spool and ships them. Any thread may call it; after a fork make another one."""

    def __init__(
        self, settings: config.TrackerSettings, on_open: Callable[[], object] = lambda: None
    ) -> None:
        self.settings = settings
        self._on_open = on_open
        self._lock = threading.Lock()
        self._logged = self._unpriced = self._lost = 0
        self._rejected: Counter[str] = Counter()
        self._last_error: str | None = None
        self._reported_at: dict[str, float] = {}
        self._look_at = 0.0
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._shipping = threading.Lock()
        self._opening = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._shipper = Shipper(self._open_spool(), self._open_database)

    @property
    def prices(self) -> PriceList:
        """The list to price calls with, as of the last shipped batch."""
        return self._shipper.prices

    def append(self, line: str, *, price_revision: str, is_unpriced: bool) -> bool:
        """Takes one call: a line of row.copy_line(). Raises nothing.

        False where it was not taken because this tracker was closed: the next one must.
        """
        spool = self._shipper.spool
        try:
            if spool is None:
                raise OSError("there is no spool")
            spool.append(price_revision, line)
        except (SpoolFull, sqlite3.Error, OSError) as error:
            if not self._keep_in_memory(line, price_revision, error):
                return False
            if isinstance(error, SpoolGone) and time.monotonic() >= self._look_at:
                # Not for the database's sake, but for a new file's.
                self._look_at = time.monotonic() + LOOK_SECONDS
                self._hurry.set()
        with self._lock:
            self._logged += 1
            self._unpriced += is_unpriced
        if self.settings.synchronous:
            self._ship_once()
        elif not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._start()
        return True

    def _keep_in_memory(self, line: str, price_revision: str, error: Exception) -> bool:
        memory = self._shipper.in_memory
        with self._lock:
            if self._is_closed:
                return False
            is_lost = len(memory) >= MEMORY_CALLS
            if is_lost:
                self._lost += 1
            else:
                memory.append((price_revision, line))
        if is_lost:
            self._report("lost", f"calls are being lost: the spool takes none ({error}), and memory is full")
        else:
            self._report("spool", f"the spool takes no calls ({error}): they wait in memory")
        return True

    def reject(self, error: Exception) -> None:
        """Counts a call with impossible arguments; the first of its kind is in the log."""
        # Messages of InvalidInput begin with the argument's name. Others may hold what is nobody's business.
        kind = str(error).split(" ", 1)[0] if isinstance(error, InvalidInput) else type(error).__name__
        with self._lock:
            self._rejected[kind] += 1
            is_first = self._rejected[kind] == 1
        if is_first:
            reason = str(error) if isinstance(error, InvalidInput) else kind
            log.error("a call was not logged: %s (further ones of this kind are only counted)", reason)

    def flush(self, timeout_seconds: float) -> bool:
        """Whether all that was logged before is in PostgreSQL (or set aside) before the time is over."""
        deadline = time.monotonic() + timeout_seconds
        target: tuple[int, int] | None = None
        while True:
            # A spool that cannot be read now may be readable later.
            with contextlib.suppress(sqlite3.Error, OSError):
                target = self._flushed_when(target)
                if target is not None and self._is_flushed(target):
                    return True
            if time.monotonic() >= deadline:
                return False
            with self._progress:
                if self.settings.synchronous or not self._start():
                    self._ship_once()
                else:
                    self._hurry.set()
                    self._wake.set()
                # Another process may be the one that ships, and it does not notify this one.
                self._progress.wait(min(POLL_SECONDS, max(deadline - time.monotonic(), 0)))

    def _flushed_when(self, target: tuple[int, int] | None) -> tuple[int, int] | None:
        """Which file of the spool has to be shipped up to which number, as far as that is known."""
        spool = self._shipper.spool
        # A call that is in no file has no number yet.
        if self._shipper.in_memory or (spool is not None and spool.renewals):
            return None
        if spool is None or not spool.has_file:
            return (0, 0)
        if target is not None and target[0] == spool.generation:
            return target
        return (spool.generation, spool.last())

    def _is_flushed(self, target: tuple[int, int]) -> bool:
        spool = self._shipper.spool
        if spool is None or not spool.has_file:
            return True
        return spool.shipped() >= target[1] and spool.generation == target[0]

    def stats(self) -> TrackerStats:
        self._look_after_spool()
        spool, shipped = self._shipper.spool, self._shipper.shipped
        waiting = set_aside = 0
        unreadable: str | None = None
        # First, as calls go from there to the spool: rather counted twice than not at all.
        in_memory = len(self._shipper.in_memory)
        try:
            if spool is not None:
                waiting = sum(renewal.found for renewal in spool.renewals)
            if spool is not None and spool.has_file:
                waiting, set_aside = spool.waiting(), spool.count_set_aside()
        except (sqlite3.Error, OSError) as error:
            unreadable = f"{self.settings.spool_path} cannot be read: {error}"
        with self._lock:
            return TrackerStats(
                logged=self._logged,
                stored=shipped.stored,
                updated=shipped.updated,
                already_there=shipped.already_there,
                waiting=waiting,
                in_memory=in_memory,
                set_aside=set_aside,
                lost=self._lost + shipped.lost,
                rejected=dict(self._rejected),
                unpriced=self._unpriced,
                passed_over=passed_over.counted_of_all(),
                last_stored_at=shipped.last_stored_at,
                last_error=unreadable or self._last_error or self._shipper.spool_error,
                spool_path=spool.path if spool else None,
                spool_max_calls=self.settings.spool_max_calls,
            )

    def close(self, timeout_seconds: float) -> None:
        """Ships for as long as this, then stops. What is still waiting stays in the spool."""
        if self._thread is not None:
            # Not within the time: a short run would end while its thread still imports what ships.
            loading.load()
        is_shipped = self.flush(timeout_seconds)
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        with self._lock:
            self._is_closed = True
            lost = len(self._shipper.in_memory)
        if (spool := self._shipper.spool) is not None:
            lost += sum(renewal.found for renewal in spool.renewals)
        if lost:
            log.error("%s calls are lost: the spool did not take them, nor the database", lost)
        if self._thread is None or not self._thread.is_alive():
            if is_shipped:
                self._shipper.fold()
            self._shipper.close()

    def before_fork(self) -> None:
        """Keeps all threads out of what a fork must not copy half done, until after_fork() in the parent."""
        self._lock.acquire()
        if self._shipper.spool is not None:
            self._shipper.spool.before_fork()

    def after_fork(self) -> None:
        """Goes on in the parent."""
        if self._shipper.spool is not None:
            self._shipper.spool.after_fork()
        self._lock.release()

    def _open_spool(self) -> Spool | None:
        path = self.settings.spool_path
        try:
            return Spool(
                path,
                max_calls=self.settings.spool_max_calls,
                on_damage=lambda message: self._report("damage", message),
            )
        except (sqlite3.Error, OSError) as error:
            remedy = "set USAGE_DATA_DIR to a directory that can be written"
            self._report("spool", f"no spool at {path} ({error}): {remedy}")
            return None

    def _look_after_spool(self) -> None:
        with self._opening:
            if self._shipper.spool is None and not self._is_closed:
                self._shipper.spool = self._open_spool()
        self._shipper.look_after_spool()
        if self._shipper.spool_error is not None:
            self._report("new spool", f"{self._shipper.spool_error}: calls wait in memory")

    def _open_database(self) -> "Database":
        loading.load()
        from analytics.database import Database

        if self.settings.database_url is not None:
            return Database(self.settings.database_url)
        from analytics.migrations import open_ready_database

        opened = open_ready_database()
        self._on_open()
        return opened

    def _start(self) -> bool:
        """Whether the thread that ships runs."""
        try:
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="usage-tracker", daemon=True)
                    thread.start()
                    self._thread = thread
        except RuntimeError as error:  # as many threads as may be, or the interpreter is ending
            self._wake.clear()
            self._report("thread", f"calls wait, as no thread can be started to ship them: {error}")
            return False
        return True

    def _run(self) -> None:
        loading.load()
        retrying = Retrying(
            sleep=self._pause,
            wait=wait_exponential_jitter(multiplier=FIRST_RETRY_SECONDS, max=LAST_RETRY_SECONDS),
            stop=stop_when_event_set(self._stop),
            retry_error_callback=lambda state: None,
            after=self._failed,
        )
        while not self._stop.is_set():
            self._wake.wait(IDLE_SECONDS)
            self._hurry.wait(LINGER_SECONDS)
            self._hurry.clear()
            self._wake.clear()
            retrying(self._ship)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        # Who flushes does not want to wait for the next attempt.
        while (left := until - time.monotonic()) > 0 and not self._hurry.wait(min(left, LOOK_SECONDS)):
            self._look_after_spool()
        self._hurry.clear()

    def _ship_once(self) -> None:
        """Ships in the caller's thread; what fails waits for the next call."""
        try:
            self._ship()
        except Exception as error:
            self._note_failure(error)

    def _ship(self) -> None:
        with self._shipping:
            self._look_after_spool()
            has_shipped = self._shipper.ship()
        # Where another process ships, this says nothing about the database.
        if not has_shipped:
            return
        if self._last_error is not None:
            log.info("calls are shipped again")
        self._last_error = None
        self._reported_at.pop("shipping", None)
        with self._progress:
            self._progress.notify_all()

    def _failed(self, state: RetryCallState) -> None:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert error is not None
        self._note_failure(error)

    def _note_failure(self, error: BaseException) -> None:
        self._last_error = str(error) if isinstance(error, AnalyticsError) else type(error).__name__
        is_expected = isinstance(error, (AnalyticsError, sqlite3.Error, OSError))
        self._report("shipping", f"calls cannot be shipped and wait: {error}", None if is_expected else error)

    def _report(self, about: str, message: str, trace: BaseException | None = None) -> None:
        now = time.monotonic()
        with self._lock:
            reported_at = self._reported_at.get(about)
            is_due = reported_at is None or now - reported_at >= REPORT_AGAIN_SECONDS
            if is_due:
                self._reported_at[about] = now
        if is_due:
            log.error("%s", message, exc_info=trace)
