"""Stores the calls of a file, a batch per transaction, and writes rejected rows to a file.

A row's id comes only from its client and the content of the file up to that row. So importing a file again
adds nothing, a log that has grown adds its new rows, and an import that broke off is run again.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from analytics import locks
from analytics.calls.make import Call, make_call
from analytics.calls.row import conversation_uuid, moved_line
from analytics.calls.store import store_lines
from analytics.calls.usage_objects import read_usage
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.importing.plan import ImportPlan
from analytics.importing.reader import Record
from analytics.pricing.price_list import PriceList
from analytics.pricing.stored import load_price_list

BATCH_ROWS = 10_000

_MAX_ORIGINAL_BYTES = 10_000


@dataclass(kw_only=True)
class ImportReport:
    """What an import did. read = stored + updated + already_there + rejected; unpriced is part of stored."""

    read: int = 0
    stored: int = 0
    updated: int = 0
    """Calls that were there, or stood in the file before, with less."""
    already_there: int = 0
    rejected: int = 0
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
    """Stores the file's calls for the client; rows that cannot be read go to `<file>.rejects.csv`.

    Costs are calculated by the prices at the time of each call, unless the file has them (in US dollars).
    With `shift_to` all calls move by as much as brings the last one to that moment, after they were priced;
    the file is then read twice. Memory is bounded by a batch of 10,000 rows, which is one transaction.
    `progress` receives how many bytes were read since the last time.

    Raises:
        UnknownClient: there is no such client.
        InvalidInput: the file went away, or the rejects cannot be written.
        DatabaseError: what was stored before stays, so just run it again.
    """
    _require_client(database, client_id)
    run = _Import(database, plan, client_id, rejects_path, progress)
    with run.rejects:
        run.store(shift_by=_shift(run.calls(report=False), shift_to))
    database.fold()
    return run.report


class _Import:
    """One run over a file, and its report."""

    def __init__(
        self,
        database: Database,
        plan: ImportPlan,
        client_id: UUID,
        rejects_path: Path | None,
        progress: Callable[[int], object],
    ) -> None:
        self._database = database
        self._plan = plan
        self._client_id = client_id
        self._progress = progress
        self._parser = plan.parser()
        self._prices = _prices(database)
        self.report = ImportReport()
        self.rejects = _Rejects(
            rejects_path or plan.file.path.with_name(f"{plan.file.path.name}.rejects.csv")
        )

    def calls(self, *, report: bool) -> Iterator[tuple[datetime, Call]]:
        """Times and calls in the file's order. With `report` it counts rows and writes the rejected ones."""
        wanted = list(self._plan.columns.values())
        for record in self._plan.file.records(wanted, salt=self._client_id.bytes, progress=self._progress):
            self.report.read += report
            call = self._call(record)
            if not isinstance(call, str):
                yield call
            elif report:
                self.report.rejected += 1
                self.report.rejects_path = self.rejects.write(record, call)

    def _call(self, record: Record) -> tuple[datetime, Call] | str:
        """The call of a record, or why it is none."""
        if record.values is None:
            return record.reason
        try:
            arguments = self._parser.parse(record.values)
            # One that its response names is known by that, as whoever else tells of it knows it.
            if arguments["id"] is None and self._response_id(arguments) is None:
                arguments["id"] = _record_id(record.digest)
            name, conversation = arguments.pop("conversation_name", None), arguments["conversation_id"]
            if name is not None and conversation == str(conversation_uuid(self._client_id, name)):
                arguments["conversation_id"] = name  # makes the same id, and is shown
            return arguments["created_at"], make_call(self._prices, self._client_id, **arguments)
        except InvalidInput as error:
            return str(error)

    def _response_id(self, arguments: Mapping[str, Any]) -> str | None:
        told: str | None = arguments.get("response_id")
        if told is None and "usage" in self._plan.columns:
            told = read_usage(arguments["usage"]).facts.response_id
        return told

    def store(self, *, shift_by: timedelta) -> None:
        # The next batch is read while PostgreSQL stores one: both take as long as the slower one.
        with ThreadPoolExecutor(max_workers=1) as storing:
            under_way: Future[None] | None = None
            for batch in self._batches(shift_by):
                if under_way is not None:
                    under_way.result()
                under_way = storing.submit(self._store_batch, batch)
            if under_way is not None:
                under_way.result()

    def _batches(self, shift_by: timedelta) -> Iterator[list[str]]:
        batch: list[str] = []
        for created_at, call in self.calls(report=True):
            self._saw(created_at + shift_by)
            batch.append(moved_line(call.line, created_at + shift_by) if shift_by else call.line)
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
        with self._database.transaction() as connection:
            # Imports for the same client take turns: in two orders of the same rows they could deadlock.
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, %s))",
                [str(self._client_id), locks.IMPORTS],
            )
            result = store_lines(connection, batch)
        if result.unknown_clients:
            raise UnknownClient(f"the client {self._client_id} was deleted from {self._database.place}")
        self.report.stored += result.stored
        self.report.updated += len(result.updated)
        self.report.already_there += len(batch) - result.stored - len(result.updated)
        self.report.unpriced += result.unpriced


class _Rejects:
    """The file of rejected rows of the last run; there is none without rejects."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> "_Rejects":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, record: Record, reason: str) -> Path:
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                csv.writer(self._file).writerow(("line_number", "reason", "original"))
            original = record.original[:_MAX_ORIGINAL_BYTES].rstrip(b"\r\n").decode(errors="backslashreplace")
            csv.writer(self._file).writerow((record.line_number, reason, original))
        except OSError as error:
            raise InvalidInput(
                f"cannot write the rejected rows to {self._path}: {error.strerror}: "
                "name another file with --rejects"
            ) from None
        return self._path


def _require_client(database: Database, client_id: UUID) -> None:
    with database.transaction() as connection:
        if connection.execute("select from clients where id = %s", [client_id]).fetchone() is None:
            raise UnknownClient(f"no client has the id {client_id} in {database.place}")


def _prices(database: Database) -> PriceList:
    with database.transaction() as connection:
        return load_price_list(connection)


def _shift(calls: Iterator[tuple[datetime, Call]], shift_to: datetime | None) -> timedelta:
    if shift_to is None:
        return timedelta()
    last_at = max((created_at for created_at, _ in calls), default=shift_to)
    return shift_to - last_at


def _record_id(digest: bytes) -> UUID:
    """A UUID of version 8 (RFC 9562: bits of one's own making) from the first half of a SHA-256."""
    bits = digest[:16].hex()
    return UUID(f"{bits[:12]}8{bits[13:16]}{'89ab'[digest[8] & 3]}{bits[17:]}")
