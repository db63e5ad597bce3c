"""Calls of an archive in the database again, each with all that it had: the newest that went come first."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from analytics.archives import Contents, Place, calls_in, place_at, read_manifest, write_manifest
from analytics.archives.files import Batch, columns_of
from analytics.archives.rewriting import verified
from analytics.clients import Client
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.retention.dropping import NO_CALLS, alone, archive_of, patiently, require_alone
from analytics.retention.rows import TAGS, calls_of_span, count_of_span
from analytics.retention.spans import Span, list_spans

Report = Callable[[str], object]


def restore_calls(
    database: Database,
    client: Client,
    from_date: date | None,
    *,
    archive: str | None = None,
    report: Report = lambda line: None,
) -> int:
    """Brings back all calls of the client that went, from a day on; how many there are of them.

    What went together comes back together: a month, or the days of one night. `archive` is where the files
    are now, if they were moved. Sums do not change by a digit. What broke off is done again.

    Raises:
        InvalidInput: nothing went since that day; some were never archived; a file is damaged or missing.
        ConfigurationError, DatabaseError
    """
    with alone(database) as is_alone:
        require_alone(is_alone)
        spans = [
            span
            for span in reversed(list_spans(database, client.id))
            if from_date is None or span.last_date >= from_date
        ]
        if not spans:
            since = "" if from_date is None else f" since {from_date}"
            raise InvalidInput(f'no calls of "{client.name}" went{since}: there is nothing to bring back')
        for span in spans:
            if span.archive is None and not _is_all_there(database, span):
                raise InvalidInput(
                    f'calls of "{client.name}" from {span.first_date} to {span.last_date} were dropped '
                    "without an archive: they are gone, and those before them can not come back"
                )
        return sum(_restore(database, span, archive, report) for span in spans)


def _is_all_there(database: Database, span: Span) -> bool:
    """Whether nothing of it was deleted yet."""
    return span.deleted_count == 0 and span.dropped_at is None


def _restore(database: Database, span: Span, archive: str | None, report: Report) -> int:
    what = f"{span.client_name}, {span.first_date} to {span.last_date}"
    with database.transaction() as connection:
        connection.execute(
            "update dropped_calls set restoring_at = coalesce(restoring_at, clock_timestamp()) where id = %s",
            [span.id],
        )
    count = 0
    if not _is_all_there(database, span) and span.archived_as != NO_CALLS:
        place = place_at(archive or span.archive or "")
        with archive_of(database, span.client_id):
            count = _bring_back(database, span, place, report, what)
    else:
        count = count_of_span(database, span)
    patiently(database, "select end_restoring_calls(%s)::text", [span.id])
    database.fold()
    report(f"{what}: {count:,} calls are back")
    return count


def _bring_back(database: Database, span: Span, place: Place, report: Report, what: str) -> int:
    manifest = read_manifest(place, span.client_id)
    file = None if manifest is None else manifest.find(span.id)
    if manifest is None or file is None:
        raise InvalidInput(f"the archive of {what} is not in {place.address}: say where it is with --archive")
    contents = file.contents
    if (contents.call_count, contents.total_tokens, contents.cost_usd) != (
        *(span.call_count, span.total_tokens, span.cost_usd),
    ):
        raise InvalidInput(f"{file.name} in {place.address} has other sums than the calls that went")
    with place.local(file.name_in(span.client_id)) as path:
        verified(place, file, span.client_id, path)
        stored = 0
        for batch in calls_in(path):
            _store(database, span.id, list(columns_of(path)), batch)
            stored += len(batch)
            report(f"{what}: {stored:,} of {contents.call_count:,} calls brought back")
        _compare(database, span, path, contents)
    write_manifest(place, manifest.with_file(replace(file, restored_at=datetime.now(UTC))))
    return contents.call_count


def _store(database: Database, span_id: UUID, columns: list[str], batch: Batch) -> None:
    places = [place for place, name in enumerate(columns) if name != TAGS]
    names = ", ".join(f'"{columns[place]}"' for place in places)
    with database.transaction() as connection:
        connection.execute("select set_config('app.restored_calls', %s, true)", [str(span_id)])
        connection.execute(
            f"create temporary table restored on commit drop as select {names} from usage_logs with no data"  # noqa: S608
        )
        with connection.cursor().copy(f"copy restored ({names}) from stdin") as copy:
            for row in batch:
                copy.write_row([row[place] for place in places])
        connection.execute(
            f"insert into usage_logs ({names}) select {names} from restored on conflict do nothing"  # noqa: S608
        )


def _compare(database: Database, span: Span, path: Path, contents: Contents) -> None:
    """Raises InvalidInput where the calls in the database are others than those of the file."""
    columns = {name: kind for name, kind in columns_of(path).items() if name != TAGS}
    hashes = [
        _hash_of(calls_of_span(database, span, columns)),
        _hash_of([row[: len(columns)] for row in batch] for batch in calls_in(path)),
    ]
    if hashes[0] != hashes[1]:
        raise InvalidInput(
            f"{count_of_span(database, span):,} calls of {span.first_date} to {span.last_date} are in the "
            f"database, which are not the {contents.call_count:,} of {path.name}: nothing is counted anew"
        )


def _hash_of(batches: Iterable[Batch]) -> str:
    told = sha256()
    for batch in batches:
        for row in batch:
            told.update(repr(tuple(row)).encode())
    return told.hexdigest()
