"""A run: what is older than the rules say is frozen, archived, read back and deleted, month by month.

Each step is kept, so that a run that broke off goes on where it was. Writers wait for nothing but the moment
in which raw_since moves, which is given up after LOCK_TIMEOUT and tried again.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import psycopg

from analytics import locks
from analytics.archives import ArchivedFile, Manifest, place_at, read_manifest, write_calls, write_manifest
from analytics.archives.rewriting import put_file
from analytics.database import Database, connect_arguments
from analytics.errors import AnalyticsError, DatabaseError, InvalidInput
from analytics.retention.rows import calls_of_span, columns_of_calls
from analytics.retention.spans import Due, Span, due_now, list_spans

BITE_CALLS = 2_000
LOCK_TIMEOUT_MS = 60
"""So long others may have to wait behind a lock that is waited for."""
ATTEMPTS = 200
NO_CALLS = "no calls"
"""archived_as, where there were none to be written."""
_KEPT_RUNS = "400 days"

Report = Callable[[str], object]


@dataclass(kw_only=True)
class RunResult:
    """What a run did."""

    deleted_count: int = 0
    deleted_bytes: int = 0
    """Room of rows, without their indexes: it is free for new ones."""
    is_alone: bool = True
    """False: another run is at it, and this one did nothing."""


def run_retention(
    database: Database,
    now: datetime,
    *,
    by: str,
    client_id: UUID | None = None,
    wants: Callable[[Due], bool] = lambda due: True,
    is_ended: Callable[[], bool] = lambda: False,
    report: Report = lambda line: None,
) -> RunResult:
    """Drops what is due, of one client or of all that are wanted; what an earlier run began is ended first.

    `is_ended` is asked between two bites; `report` is told of each step, a line each.

    Raises:
        InvalidInput: an archive cannot be written; nothing of it is deleted.
        ConfigurationError, DatabaseError: what was done stays; the next run goes on.
    """
    result = RunResult()
    with alone(database) as is_alone:
        if not is_alone:
            return RunResult(is_alone=False)
        begun = [
            span for span in list_spans(database, client_id) if not (span.dropped_at or span.restoring_at)
        ]
        due = [each for each in due_now(database, now, client_id) if wants(each)]
        if not begun and not due:
            return result
        run_id = _begin_run(database, by)
        error: str | None = None
        try:
            for span in begun:
                _drop(database, span, result, is_ended, report)
            for each in due:
                for end_date in each.ends:
                    if is_ended():
                        return result
                    for span in _begin(database, each, end_date, report):
                        _drop(database, span, result, is_ended, report)
            if result.deleted_count:
                _vacuum(database, report)
        except AnalyticsError as failure:
            error = str(failure)
            raise
        finally:
            _end_run(database, run_id, result, error)
    return result


@contextmanager
def alone(database: Database) -> Iterator[bool]:
    """Whether nobody else drops or restores calls; holds that, in a transaction that reads nothing."""
    with database.transaction() as connection:
        row = connection.execute("select pg_try_advisory_xact_lock(%s)", [locks.RETENTION]).fetchone()
        yield row == (True,)


@contextmanager
def archive_of(database: Database, client_id: UUID) -> Iterator[None]:
    """Holds the archive of a client, for who writes to it."""
    with database.transaction() as connection:
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(client_id), locks.ARCHIVES]
        )
        yield


def patiently(database: Database, statement: str, parameters: list[object]) -> object:
    """The one value of a statement that waits for writers, in bites: nobody waits behind it for long."""
    for attempt in range(ATTEMPTS):
        try:
            with database.transaction() as connection:
                connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
                row = connection.execute(statement, parameters).fetchone()
                assert row is not None
                return row[0]
        except DatabaseError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise
            if attempt == ATTEMPTS - 1:
                raise DatabaseError(
                    f"writers of {database.place} hold their transactions all the time: end the long ones, "
                    "and run this again"
                ) from error
        time.sleep(random.uniform(0.05, 0.3))
    raise AssertionError


def _begin(database: Database, due: Due, end_date: date, report: Report) -> list[Span]:
    if due.archive is not None:
        # Before anything is frozen: where nothing can be written, all stays as it is.
        place = place_at(due.archive)
        with archive_of(database, due.client_id):
            write_manifest(
                place,
                read_manifest(place, due.client_id)
                or Manifest(client_id=due.client_id, client_name=due.client_name),
            )
    begun = patiently(
        database, "select begin_dropping_calls(%s, %s, %s)", [due.client_id, end_date, due.archive]
    )
    return [span for span in list_spans(database, due.client_id) if span.id == begun]


def _drop(
    database: Database, span: Span, result: RunResult, is_ended: Callable[[], bool], report: Report
) -> None:
    what = f"{span.client_name}, {span.first_date} to {span.last_date}"
    if span.archive is not None and span.archived_as is None:
        _archive(database, span, what, report)
    deleted = BITE_CALLS
    while deleted == BITE_CALLS and not is_ended():
        began = time.monotonic()
        with database.transaction() as connection:
            row = connection.execute(
                "select deleted_count, deleted_bytes from delete_dropped_calls(%s, %s)", [span.id, BITE_CALLS]
            ).fetchone()
            assert row is not None
        deleted = row[0]
        result.deleted_count += deleted
        result.deleted_bytes += row[1]
        if deleted == BITE_CALLS:
            report(f"{what}: {result.deleted_count:,} calls dropped so far")
            # As long as the bite took, so that whoever writes has half of the disk.
            time.sleep(time.monotonic() - began)
    report(f"{what}: calls dropped, all sums stay")


def _archive(database: Database, span: Span, what: str, report: Report) -> None:
    assert span.archive is not None
    place = place_at(span.archive)
    with archive_of(database, span.client_id), tempfile.TemporaryDirectory(prefix="usage-archive-") as folder:
        path = Path(folder) / "calls.parquet"
        columns = columns_of_calls(database)
        contents = write_calls(path, columns, calls_of_span(database, span, columns))
        name = NO_CALLS
        if contents.call_count:
            manifest = read_manifest(place, span.client_id) or Manifest(
                client_id=span.client_id, client_name=span.client_name
            )
            file = ArchivedFile(
                name=f"{span.first_date}--{span.last_date}--{str(span.id)[:8]}.parquet",
                drop_id=span.id,
                first_date=span.first_date,
                last_date=span.last_date,
                end_at=span.end_at,
                timezone=span.timezone,
                contents=contents,
                written_at=datetime.now(UTC),
            )
            name = file.name_in(span.client_id)
            put_file(place, path, name, contents)
            write_manifest(place, manifest.with_file(file))
    with database.transaction() as connection:
        connection.execute(
            """
            update dropped_calls
            set
                archived_as = %s, call_count = %s, total_tokens = %s, cost_usd = %s,
                archived_bytes = %s
            where id = %s
            """,
            [
                *(name, contents.call_count, contents.total_tokens, contents.cost_usd),
                *(contents.bytes if contents.call_count else 0, span.id),
            ],
        )
    report(f"{what}: {contents.call_count:,} calls written to {place.address} and read back")


def _vacuum(database: Database, report: Report) -> None:
    """Makes the room free for new calls. Nobody waits for that."""
    try:
        with psycopg.connect(**connect_arguments(database.url), autocommit=True) as connection:
            connection.execute("vacuum (truncate off) usage_logs")
    except psycopg.Error as error:
        raise DatabaseError(f"calls are dropped, but usage_logs was not vacuumed: {error}") from error
    report("their room is free for new calls")


def _begin_run(database: Database, by: str) -> UUID:
    with database.transaction() as connection:
        connection.execute(f"delete from retention_runs where begun_at < now() - interval '{_KEPT_RUNS}'")  # noqa: S608
        row = connection.execute(
            "insert into retention_runs (run_by) values (%s) returning id", [by]
        ).fetchone()
        assert row is not None
        run_id: UUID = row[0]
        return run_id


def _end_run(database: Database, run_id: UUID, result: RunResult, error: str | None) -> None:
    try:
        with database.transaction() as connection:
            connection.execute(
                "update retention_runs set ended_at = clock_timestamp(), deleted_count = %s,"
                " deleted_bytes = %s, error = %s where id = %s",
                [result.deleted_count, result.deleted_bytes, error, run_id],
            )
    except DatabaseError:
        if error is None:
            raise


def require_alone(is_alone: bool) -> None:
    """Raises InvalidInput where another run is at it."""
    if not is_alone:
        raise InvalidInput("another run drops or restores calls right now: try again when it is over")
