"""Calls into usage_logs by COPY, a batch a transaction, and rejects into a file.

A row's id comes from its client and from the content of the file up to that row, and from nothing else. So
the same file twice adds nothing, a log that has grown since adds only its new rows, and an import that broke
off is simply run again.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID, uuid4

import psycopg

from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.importing.plan import ImportPlan
from analytics.importing.reader import Record
from analytics.importing.values import Call, UnreadableRow

BATCH_ROWS = 10_000

# Whoever looks for a client by name, to create it when it is missing, holds this lock.
CLIENT_LOCK = 7511
# Whoever stores a batch holds this one, salted with the client's id.
IMPORT_LOCK = 7512

_MAX_ORIGINAL_BYTES = 10_000

# A temporary table, because COPY itself cannot pass over rows that are there already.
_CREATE_BATCH = "create temporary table imported_usage on commit drop as table usage_logs with no data"
_COPY_BATCH = """
    copy imported_usage (
        client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis, metadata, created_at
    ) from stdin
"""
_STORE_BATCH = """
    with stored as (
        insert into usage_logs (
            client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens,
            total_tokens, cost_usd, cost_basis, metadata, created_at
        )
        select
            client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens,
            total_tokens, cost_usd, cost_basis, metadata, created_at
        from imported_usage
        on conflict (client_id, id) do nothing
        returning cost_basis
    )
    select count(*), count(*) filter (where cost_basis = 'unpriced') from stored
"""
# A phone belongs to one conversation of a client: whoever comes later is stored without it.
_STORE_CONVERSATIONS = (
    """
    insert into conversations (client_id, id, name, phone)
    select %(client_id)s, * from unnest(%(ids)s::uuid[], %(names)s::text[], %(phones)s::text[])
    on conflict do nothing
    """,
    """
    insert into conversations (client_id, id, name)
    select %(client_id)s, * from unnest(%(ids)s::uuid[], %(names)s::text[])
    on conflict do nothing
    """,
)


@dataclass(kw_only=True)
class ImportReport:
    """What an import did. read = stored + already_there + rejected; unpriced is part of stored."""

    read: int = 0
    stored: int = 0
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


def find_or_create_client(database: Database, name_or_id: str, *, timezone: str = "UTC") -> tuple[UUID, bool]:
    """The client with this id or else this name, and whether it was created just now, in that time zone.

    Raises:
        UnknownClient: an id that no client has.
        InvalidInput: several clients have this name.
    """
    name = name_or_id.strip()
    if not name or "\0" in name:
        raise InvalidInput("a client needs a name or an id")
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [CLIENT_LOCK])
        known = [
            client_id
            for (client_id,) in connection.execute(
                "select id from clients where id::text = lower(%(name)s) or name = %(name)s order by id",
                {"name": name},
            )
        ]
        if len(known) > 1:
            raise InvalidInput(
                f'{len(known)} clients are called "{name}": '
                f"give the id instead, {' or '.join(map(str, known))}"
            )
        if known:
            return known[0], False
        if _is_uuid(name):
            raise UnknownClient(f"no client has the id {name} in {database.place}: give a name to create one")
        client_id = uuid4()
        connection.execute(
            "insert into clients (id, name, timezone) values (%s, %s, %s)", [client_id, name, timezone]
        )
        return client_id, True


@dataclass(frozen=True)
class _Batch:
    lines: list[str] = field(default_factory=list)
    conversations: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Id -> name and phone, of those that the file names and gives no UUID."""


class _Import:
    """One run over a file, and what it found."""

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
        self._parser = plan.parser(client_id)
        self.report = ImportReport()
        self.rejects = _Rejects(
            rejects_path or plan.file.path.with_name(f"{plan.file.path.name}.rejects.csv")
        )

    def calls(self, *, report: bool) -> Iterator[tuple[str, Call]]:
        """Ids and calls in the file's order; counts and rejects the others if this is to be reported."""
        parse = self._parser.parse
        wanted = list(self._plan.columns.values())
        for record in self._plan.file.records(wanted, salt=self._client_id.bytes, progress=self._progress):
            self.report.read += report
            try:
                if record.values is None:
                    raise UnreadableRow(record.reason)
                call = parse(record.values)
            except UnreadableRow as reason:
                if report:
                    self.report.rejected += 1
                    self.report.rejects_path = self.rejects.write(record, str(reason))
                continue
            yield call.given_id or _record_id(record.digest), call

    def store(self, *, shift_by: timedelta) -> None:
        # While PostgreSQL stores a batch the next one is read: together they take no longer than the slower.
        with ThreadPoolExecutor(max_workers=1) as storing:
            under_way: Future[None] | None = None
            for batch in self._batches(shift_by):
                if under_way is not None:
                    under_way.result()
                under_way = storing.submit(self._store_batch, batch)
            if under_way is not None:
                under_way.result()

    def _batches(self, shift_by: timedelta) -> Iterator[_Batch]:
        batch = _Batch()
        for call_id, call in self.calls(report=True):
            created_at = call.created_at + shift_by
            self._saw(created_at)
            batch.lines.append(_copy_line(self._client_id, call_id, call, created_at))
            if call.conversation_name is not None and call.conversation_id is not None:
                _, phone = batch.conversations.get(call.conversation_id, ("", None))
                batch.conversations[call.conversation_id] = (call.conversation_name, phone or call.phone)
            if len(batch.lines) == BATCH_ROWS:
                yield batch
                batch = _Batch()
        if batch.lines:
            yield batch

    def _saw(self, created_at: datetime) -> None:
        first, last = self.report.first_at, self.report.last_at
        if first is None or created_at < first:
            self.report.first_at = created_at
        if last is None or created_at > last:
            self.report.last_at = created_at

    def _store_batch(self, batch: _Batch) -> None:
        with self._database.transaction() as connection:
            # Imports for the same client take turns: in two orders of the same rows they could deadlock.
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(self._client_id), IMPORT_LOCK]
            )
            connection.execute(_CREATE_BATCH)
            with connection.cursor() as cursor, cursor.copy(_COPY_BATCH) as copy:
                copy.write("".join(batch.lines))
            _store_conversations(connection, self._client_id, batch.conversations)
            counted = connection.execute(_STORE_BATCH).fetchone()
            assert counted is not None
        stored, unpriced = counted
        self.report.stored += stored
        self.report.already_there += len(batch.lines) - stored
        self.report.unpriced += unpriced


class _Rejects:
    """The file of rejected rows. It is there only if there are some, and tells of the last run."""

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


def _shift(calls: Iterator[tuple[str, Call]], shift_to: datetime | None) -> timedelta:
    if shift_to is None:
        return timedelta()
    last_at = max((call.created_at for _, call in calls), default=shift_to)
    return shift_to - last_at


def _record_id(digest: bytes) -> str:
    """A UUID of version 8 (RFC 9562: bits of one's own making) from the first half of a SHA-256."""
    bits = digest[:16].hex()
    return f"{bits[:12]}8{bits[13:16]}{'89ab'[digest[8] & 3]}{bits[17:]}"


_NULL = "\\N"
_COPY_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copy_line(client_id: UUID, call_id: str, call: Call, created_at: datetime) -> str:
    """A row in COPY's text format, at once: a batch of such lines takes a tenth of what its values do."""
    if call.cost_usd is None:
        cost = call.cost()
        cost_usd, cost_basis = cost.amount_usd, str(cost.basis)
    else:
        cost_usd, cost_basis = call.cost_usd, "given"
    seconds = call.duration_seconds
    metadata = _NULL if seconds is None else f'{{"duration_seconds": {seconds}}}'
    return (
        f"{client_id}\t{call_id}\t{call.conversation_id or _NULL}\t{_copy_text(call.phone)}\t"
        f"{_copy_text(call.source)}\t{_copy_text(call.model)}\t"
        f"{call.prompt_tokens}\t{call.completion_tokens}\t{call.total_tokens}\t"
        f"{cost_usd}\t{cost_basis}\t{metadata}\t{created_at.isoformat()}\n"
    )


@lru_cache(maxsize=10_000)
def _copy_text(text: str | None) -> str:
    return _NULL if text is None else text.translate(_COPY_ESCAPES)


def _store_conversations(
    connection: "psycopg.Connection[Any]", client_id: UUID, named: Mapping[str, tuple[str, str | None]]
) -> None:
    if not named:
        return
    parameters = {
        "client_id": client_id,
        "ids": list(named),
        "names": [name for name, _ in named.values()],
        "phones": [phone for _, phone in named.values()],
    }
    for statement in _STORE_CONVERSATIONS:
        connection.execute(statement, parameters)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
