"""From the spool to PostgreSQL, batch by batch: what is read, delivered, marked and set aside."""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from analytics.calls.row import Row, row_of
from analytics.errors import DatabaseError
from analytics.pricing.price_list import DEFAULT_PRICES, PriceList
from analytics.tracking.spool import Spool, SpoolFull, SpoolGone
from analytics.tracking.spool_file import PlainCall

if TYPE_CHECKING:
    from analytics.database import Database
    from analytics.tracking.delivery import Delivery

BATCH_CALLS = 5_000
# How many calls are kept in memory while the spool takes none.
MEMORY_CALLS = 10_000
FOLD_EVERY_SECONDS = 5.0

Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Shipped:
    """What a shipper did so far."""

    stored: int = 0
    updated: int = 0
    already_there: int = 0
    set_aside: int = 0
    lost: int = 0
    """Calls of which neither a file nor memory has anything left, and that PostgreSQL has not."""
    last_stored_at: datetime | None = None


class Shipper:
    """Brings what waits to the database. One thread at a time may ship."""

    def __init__(self, spool: Spool | None, open_database: "Callable[[], Database]") -> None:
        self.spool = spool
        self.in_memory: deque[tuple[str, str]] = deque()
        """Price revision and line of calls that the spool did not take."""
        self.shipped = Shipped()
        self.spool_error: str | None = None
        """Why there is no file to keep calls in, where the last one is gone."""
        self._open_database = open_database
        self._delivery: Delivery | None = None
        self._folded_at = 0.0
        self._unfolded = 0

    def ship(self) -> bool:
        """Ships all that waits; False at once where another process ships.

        Raises:
            DatabaseError, ConfigurationError: calls that were not shipped keep waiting.
        """
        self.look_after_spool()
        try:
            is_chosen = self._ship_all()
        except SpoolGone:
            # Since that look; calls that were stored and not marked are sent again, which adds nothing.
            self.look_after_spool()
            is_chosen = self._ship_all()
        if self._unfolded and time.monotonic() - self._folded_at >= FOLD_EVERY_SECONDS:
            self.fold()
        return is_chosen

    def look_after_spool(self) -> None:
        """Begins a new file where the spool's is gone, cut, replaced or damaged, and logs what was lost.

        Any thread may do so.
        """
        if self.spool is None:
            return
        try:
            renewals = self.spool.renew()
            self.spool_error = None
        except (sqlite3.Error, OSError) as error:
            self.spool_error = f"no spool can be made at {self.spool.path}: {error}"
            return
        for renewal in renewals:
            self.shipped.lost += renewal.lost
            log.error(
                "%s, while it was used: %s of the calls that waited there are saved, %s are lost%s",
                renewal.fault,
                f"{renewal.found:,}",
                f"{renewal.lost:,}",
                f"; it is kept as {renewal.kept_as}" if renewal.kept_as else "",
            )

    def _ship_all(self) -> bool:
        if self.spool is None:
            self._ship_from_memory()
            return True
        for renewal in tuple(self.spool.renewals):
            calls = renewal.calls()
            while batch := list(islice(calls, BATCH_CALLS)):
                self._pass_on(batch)
            self.spool.settle(renewal)
        self._ship_from_memory()
        if not self.spool.has_file:
            return True
        self.spool.mark_again()
        if not self.spool.waiting():
            return True
        with self.spool.only_shipper() as is_chosen:
            if is_chosen:
                self._ship_from(self.spool)
        return is_chosen

    def _ship_from(self, spool: Spool) -> None:
        """Batch after batch. While PostgreSQL stores one, the spool is done with the one before it."""
        calls = spool.read_plain(BATCH_CALLS)
        before: list[PlainCall] = []
        refused: list[tuple[PlainCall, str]] = []
        settled = _done(None)
        with ThreadPoolExecutor(1, thread_name_prefix="usage-spool") as worker:
            while calls:
                # First of all what this thread will wait for.
                following = _begin(worker, partial(self._read_behind, spool, calls))
                later = _begin(worker, partial(self._settle, spool, before, refused))
                refused = self._store(calls)
                settled.result()
                before, settled = calls, later
                calls = following.result() or spool.read_plain(BATCH_CALLS, after=_last(calls))
            settled.result()
        if before:
            self._mark_shipped(before, refused)

    def _read_behind(self, spool: Spool, calls: Sequence[PlainCall]) -> list[PlainCall]:
        """The next batch after `calls`, if that is a full one."""
        return spool.read_plain(BATCH_CALLS, after=_last(calls)) if len(calls) == BATCH_CALLS else []

    def _settle(
        self, spool: Spool, stored: Sequence[PlainCall], refused: Sequence[tuple[PlainCall, str]]
    ) -> None:
        """Marks what was stored, and tidies up."""
        if stored:
            self._mark_shipped(stored, refused)
        # Also while the database is away, as the log must not grow for ever.
        spool.tidy()

    def _ship_from_memory(self) -> None:
        while self.in_memory:
            calls = list(self.in_memory)[:BATCH_CALLS]
            self._pass_on(calls)
            for _ in calls:
                self.in_memory.popleft()

    def _pass_on(self, calls: Sequence[tuple[str, str]]) -> None:
        """Puts the calls into the spool if it takes them by now, else straight into the database."""
        try:
            if self.spool is None:
                raise OSError
            self.spool.append_many(calls)
        except (SpoolFull, sqlite3.Error, OSError):
            for call, error in self._store([(0, *call) for call in calls]):
                self.shipped.lost += 1
                log.error(
                    "call %s is lost, as there is no spool to set it aside in: %s", _row(call).id, error
                )

    def send(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        """Stores calls (price revision and line) that are in no spool; an error for each that was refused.

        Raises:
            DatabaseError, ConfigurationError: the database could not be asked.
        """
        return [error for _, error in self._store([(0, *call) for call in calls])]

    def _mark_shipped(self, calls: Sequence[PlainCall], refused: Sequence[tuple[PlainCall, str]]) -> None:
        assert self.spool is not None
        for call, error in refused:
            log.error('call %s is set aside, see "python -m analytics spool": %s', _row(call).id, error)
        try:
            self.spool.mark_shipped(_last(calls), refused)
        except sqlite3.Error as error:
            log.warning("%s cannot be written (%s): its calls may be sent again", self.spool.path, error)
            if refused:
                raise DatabaseError(f"{self.spool.path} cannot be written: {error}") from error
        self.shipped.set_aside += len(refused)

    def _store(self, calls: Sequence[PlainCall]) -> list[tuple[PlainCall, str]]:
        """Stores the calls; those that the database refused, and why."""
        refused: list[tuple[PlainCall, str]] = []
        for part in self.delivery.store(calls):
            self.shipped.stored += part.stored
            self.shipped.updated += part.updated
            self.shipped.already_there += part.already_there
            if part.stored or part.updated or part.already_there:
                self.shipped.last_stored_at = datetime.now(UTC)
            self._unfolded += part.stored + part.updated
            refused += part.refused
        return refused

    def fold(self) -> None:
        """Folds, if anything was stored since the last fold. Sums are exact without it."""
        if not self._unfolded:
            return
        try:
            self.delivery.database.fold()
        except DatabaseError as error:
            log.debug("could not fold: %s", error)
        self._unfolded = 0
        self._folded_at = time.monotonic()

    @property
    def prices(self) -> PriceList:
        """The list to price calls with, as of the last batch; calls priced with an older one are repriced."""
        return DEFAULT_PRICES if self._delivery is None else self._delivery.prices

    @property
    def delivery(self) -> "Delivery":
        """The way to the database, which is opened at the first use."""
        if self._delivery is None:
            from analytics.tracking.delivery import Delivery

            self._delivery = Delivery(self._open_database())
        return self._delivery

    def close(self) -> None:
        if self._delivery is not None:
            self._delivery.database.close()
        if self.spool is not None:
            self.spool.close()


def _begin(worker: ThreadPoolExecutor, work: Callable[[], Result]) -> "Future[Result]":
    try:
        return worker.submit(work)
    except RuntimeError:  # no thread may be started any more, as the interpreter is ending
        return _done(work())


def _done(result: Result) -> "Future[Result]":
    done: Future[Result] = Future()
    done.set_result(result)
    return done


def _last(calls: Sequence[PlainCall]) -> int:
    return calls[-1][0]


def _row(call: PlainCall) -> Row:
    _, _, line = call
    return row_of(line)
