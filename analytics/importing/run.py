"""Stores the calls of a file, a batch per transaction, and writes rejected rows to a file.

A row's id comes only from its client and the content of the file up to that row. So importing a file again
adds nothing, a log that has grown adds its new rows, and an import that broke off is run again.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from psycopg import Connection

from analytics import locks
from analytics.calls.make import Call
from analytics.calls.row import moved_line
from analytics.calls.store import Stored, store_lines, store_new_lines
from analytics.database import Database
from analytics.errors import DatabaseError, DatabaseUnavailable, InvalidInput, SchemaMissing, UnknownClient
from analytics.importing.plan import ImportPlan
from analytics.importing.rows import CallReader, ReadRow
from analytics.pricing.price_list import PriceList
from analytics.pricing.stored import load_price_list

BATCH_ROWS = 10_000

_MAX_ORIGINAL_BYTES = 10_000

# "offset 0": for a client that statistics do not know yet, its index would seem as good as that of the ids.
_ARE_KNOWN = """
    select exists (
        select
        from unnest(%s::uuid[]) as given (id)
        cross join lateral (
            select client_id from usage_logs where usage_logs.id = given.id offset 0
        ) as stored
        where stored.client_id = %s
    )
"""


@dataclass(kw_only=True)
class ImportReport:
    """What an import did.

    read = stored + updated + already_there + rejected + left_out + those passed over; unpriced is part of
    stored.
    """

    read: int = 0
    stored: int = 0
    updated: int = 0
    """Calls that were there, or stood in the file before, with less."""
    already_there: int = 0
    rejected: int = 0
    of_summed_days: int = 0
    """Part of `rejected`: of their days only sums are kept."""
    left_out: int = 0
    """By a condition of the plan."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """What rows are that are no calls -> how many."""
    unpriced: int = 0
    rejects_path: Path | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    """Of the calls that could be read, as stored."""


def import_file(
    database: Database,
    plan: ImportPlan,
    *,
    client_id: UUID,
    shift_to: datetime | None = None,
    rejects_path: Path | None = None,
    progress: Callable[[int], object] = lambda read_bytes: None,
) -> ImportReport:
    """Stores the calls of one file: see import_files()."""
    return import_files(
        database,
        [plan],
        client_id=client_id,
        shift_to=shift_to,
        rejects_path=rejects_path or rejects_of(plan.file.path),
        progress=progress,
    )


def import_files(
    database: Database,
    plans: Sequence[ImportPlan],
    *,
    client_id: UUID,
    rejects_path: Path,
    shift_to: datetime | None = None,
    progress: Callable[[int], object] = lambda read_bytes: None,
    report: ImportReport | None = None,
) -> ImportReport:
    """Stores the files' calls for the client; rows that cannot be read go to `rejects_path`.

    Costs are calculated by the prices at the time of each call, unless the file has them (in US dollars).
    With `shift_to` all calls move by as much as brings the last one to that moment, after they were priced;
    the files are then read twice. Memory is bounded by a batch of 10,000 rows, which is one transaction.
    `progress` receives how many bytes were read since the last time; `report` is the one that is filled.

    Raises:
        UnknownClient: there is no such client.
        InvalidInput: a file went away, or the rejects cannot be written.
        DatabaseError: what was stored before stays, so just run it again.
    """
    _require_client(database, client_id)
    run = _Import(database, client_id, rejects_path, progress, report or ImportReport(), len(plans) > 1)
    calls = CallReader(price_list(database), client_id)
    run.summed_until, run.why_summed = _summed_days(database, client_id)
    with run.rejects:
        shift_by = _shift(calls.read(plans, progress=progress), shift_to)
        run.store(calls.read(plans, progress=progress), shift_by=shift_by)
    database.fold()
    return run.report


class _Import:
    """One run over files, and its report."""

    def __init__(
        self,
        database: Database,
        client_id: UUID,
        rejects_path: Path,
        progress: Callable[[int], object],
        report: ImportReport,
        is_of_several: bool,
    ) -> None:
        self._database = database
        self._client_id = client_id
        self._progress = progress
        self.report = report
        self.rejects = _Rejects(rejects_path, is_of_several)
        self.summed_until: datetime | None = None
        """Calls before are not stored, as of their days only sums are kept; and why in a sentence."""
        self.why_summed = ""
        self._are_new = True

    def _calls(self, rows: Iterable[ReadRow], shift_by: timedelta) -> Iterator[tuple[datetime, Call]]:
        """Times, moved, and calls in the files' order. Counts rows and writes the rejected ones."""
        for row in rows:
            self.report.read += 1
            if row.call is not None and row.created_at is not None:
                created_at = row.created_at + shift_by
                if self.summed_until is not None and created_at < self.summed_until:
                    self.report.of_summed_days += 1
                    self._reject(row, self.why_summed)
                else:
                    yield created_at, row.call
            elif row.reason:
                self._reject(row, row.reason)
            elif row.passed_over:
                self.report.passed_over[row.passed_over] += 1
            else:
                self.report.left_out += 1

    def _reject(self, row: ReadRow, reason: str) -> None:
        self.report.rejected += 1
        self.report.rejects_path = self.rejects.write(row, reason)

    def store(self, rows: Iterable[ReadRow], *, shift_by: timedelta) -> None:
        # The next batch is read while PostgreSQL stores one: both take as long as the slower one.
        with ThreadPoolExecutor(max_workers=1) as storing:
            under_way: Future[None] | None = None
            for batch in self._batches(rows, shift_by):
                if under_way is not None:
                    under_way.result()
                under_way = storing.submit(self._store_batch, batch)
            if under_way is not None:
                under_way.result()

    def _batches(self, rows: Iterable[ReadRow], shift_by: timedelta) -> Iterator[list[str]]:
        batch: list[str] = []
        for created_at, call in self._calls(rows, shift_by):
            self._saw(created_at)
            batch.append(moved_line(call.line, created_at) if shift_by else call.line)
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch

    def _saw(self, created_at: datetime) -> None:
        first, last = self.report.first_at, self.report.last_at
        if first is None or created_at < first:
            self.report.first_at = created_at
        if last is None or created_at > last:
            self.report.last_at = created_at

    def _store_batch(self, batch: list[str]) -> None:
        try:
            result = self._store_by(self._store_new if self._are_new else store_lines, batch)
        except (DatabaseUnavailable, SchemaMissing):
            raise
        except DatabaseError:
            # Somebody else stored one of them a moment ago, or the client is gone.
            result = self._store_by(store_lines, batch)
        if result.unknown_clients:
            raise UnknownClient(f"the client {self._client_id} was deleted from {self._database.place}")
        if result.of_summed_days:
            # Since this import began.
            raise InvalidInput(f"{result.of_summed_days[0][2]}; run the import again for the other calls")
        # A file that is imported again has known calls in all bites.
        self._are_new = not result.known_before
        self.report.stored += result.stored
        self.report.updated += len(result.updated)
        self.report.already_there += len(batch) - result.stored - len(result.updated)
        self.report.unpriced += result.unpriced

    def _store_by(self, store: Callable[[Connection[Any], list[str]], Stored], batch: list[str]) -> Stored:
        with self._database.transaction() as connection:
            # Imports for the same client take turns: in two orders of the same rows they could deadlock.
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, %s))",
                [str(self._client_id), locks.IMPORTS],
            )
            return store(connection, batch)

    def _store_new(self, connection: Connection[Any], batch: list[str]) -> Stored:
        """As store_lines(), and faster where no call of the bite is there already."""
        ids = {line.partition("\t")[0] for line in batch}
        # As one text, since an array of so many takes the driver longer than the look takes the database.
        are_known = connection.execute(_ARE_KNOWN, [f"{{{','.join(ids)}}}", self._client_id])
        if len(ids) < len(batch) or are_known.fetchone() == (True,):
            return store_lines(connection, batch)
        return store_new_lines(connection, batch)


class _Rejects:
    """The file of rejected rows of the last run; there is none without rejects."""

    def __init__(self, path: Path, is_of_several: bool) -> None:
        self._path = path
        self._is_of_several = is_of_several
        self._file: TextIO | None = None

    def __enter__(self) -> "_Rejects":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: ReadRow, reason: str) -> Path:
        record = row.record
        names = [row.plan.file.source.name] if self._is_of_several else []
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                header = ["file"] if self._is_of_several else []
                csv.writer(self._file).writerow([*header, "line_number", "reason", "original"])
            original = record.original[:_MAX_ORIGINAL_BYTES].rstrip(b"\r\n").decode(errors="backslashreplace")
            csv.writer(self._file).writerow([*names, record.line_number, reason, original])
        except OSError as error:
            raise InvalidInput(
                f"cannot write the rejected rows to {self._path}: {error.strerror}: "
                "name another file with --rejects"
            ) from None
        return self._path


def rejects_of(path: Path) -> Path:
    """Where the rejected rows of a file go."""
    return path.with_name(f"{path.name}.rejects.csv")


def _require_client(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        if connection.execute("select from clients where id = %s", [client_id]).fetchone() is None:
            raise UnknownClient(f"no client has the id {client_id} in {database.place}")


def _summed_days(database: Database, client_id: UUID) -> tuple[datetime | None, str]:
    """Until when only sums are kept of the client's calls, and why such a call is not stored."""
    with database.transaction() as connection:
        found = connection.execute(
            "select raw_since_at, refusal_before_raw_since(id, raw_since) from clients where id = %s",
            [client_id],
        ).fetchone()
    return found or (None, "")


def price_list(database: Database) -> PriceList:
    with database.transaction() as connection:
        return load_price_list(connection)


def _shift(rows: Iterator[ReadRow], shift_to: datetime | None) -> timedelta:
    if shift_to is None:
        return timedelta()
    last_at = max((row.created_at for row in rows if row.created_at is not None), default=shift_to)
    return shift_to - last_at
