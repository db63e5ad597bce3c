"""The one door to PostgreSQL: the engine, the embedded server, reads in one round trip.

A read sends all that it needs as one text of several statements: the transaction's begin, the settings of
client and role, each query, and the commit. So a page costs one network round trip, sees one snapshot, and
leaves nothing behind on a connection that a transaction-mode pooler hands to the next user. PostgreSQL takes
no parameters beside such a text: psycopg's ClientCursor writes each value into it as a literal.
"""

import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from analytics import config
from analytics.driver_errors import cause_of, explained, first_line, is_disconnected
from analytics.errors import ConfigurationError, DatabaseError, DatabaseUnavailable
from analytics.pulse import Pulse

CONNECTION = {
    "prepare_threshold": None,
    "connect_timeout": 5,
    "application_name": "usage-analytics",
    # A server that falls silent is given up in 15 seconds, not in the kernel's quarter hour.
    "keepalives_idle": 10,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
POOL_TIMEOUT_SECONDS = 10
RECYCLE_SECONDS = 300  # below the idle limit of common poolers and firewalls
EMBEDDED_DATABASE = "analytics"
EMBEDDED_RETRY_SECONDS = 10
READER_ROLE = "analytics_reader"
STREAM_BATCH_ROWS = 2_000

_Phones = Literal["masked", "findable", "whole"]
"""What sql/functions/phones.sql makes of phones."""

HAS_CITUS = "select exists (select from pg_extension where extname = 'citus')"
"""Whether the extension is in the database."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Query:
    """One statement with psycopg's named placeholders, as in `%(client_id)s`."""

    statement: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The answer to a query: column names, and a tuple per row."""

    columns: Sequence[str]
    records: Sequence[tuple[Any, ...]]


class Database:
    """A pool of connections to one PostgreSQL database. Connects on first use, not before."""

    def __init__(self, url: URL, restart: Callable[[], URL] | None = None) -> None:
        """`restart` starts a server that has died, and returns its URL."""
        self.url = url
        self._restart = restart
        self._pulse = Pulse(self._ask)
        self._is_closed = False
        self._is_on_citus: bool | None = None
        """None until the first connection."""
        # Autocommit, no reset and no ping: each of them would be a further round trip per read.
        self.engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            pool_recycle=RECYCLE_SECONDS,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args=CONNECTION,
        )
        event.listen(
            self.engine, "do_connect", lambda dialect, _, words, names: self._connect(*words, **names)
        )

    def read(
        self,
        *queries: Query,
        client_id: UUID | None = None,
        sees_phones: bool = False,
        finds_phones: bool = False,
    ) -> list[Rows]:
        """Answers of all `queries`, in order, from one snapshot and in one network round trip.

        With `client_id` they run as `analytics_reader` under row-level security and can see only that
        client. Phones are masked unless `sees_phones`; with `finds_phones` a search still matches whole
        phones. access.Viewer decides who may. A connection that died while idle is replaced once.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError
        """
        phones: _Phones = "whole" if sees_phones else "findable" if finds_phones else "masked"
        try:
            try:
                return self._read_once(queries, client_id, phones)
            except psycopg.Error as error:
                if not is_disconnected(error):
                    raise
                # After a restart of the server every idle connection is dead.
                self.engine.dispose()
                return self._read_once(queries, client_id, phones)
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            raise self.explain(error) from error

    def _read_once(self, queries: Sequence[Query], client_id: UUID | None, phones: _Phones) -> list[Rows]:
        with self._connection() as connection:
            cursor = psycopg.ClientCursor(connection)
            begin = _begin(cursor, client_id, phones, self.is_on_citus)
            statements = [_bound(cursor, query) for query in queries]
            try:
                _execute(cursor, [*begin, *statements, "commit"])
                answers = [_rows(cursor)]
                while cursor.nextset():
                    answers.append(_rows(cursor))
                if len(answers) != len(begin) + len(statements) + 1:
                    # Else the answers would not be those of their queries.
                    raise psycopg.ProgrammingError("each query of a read must be exactly one statement")
                return answers[len(begin) : -1]
            except psycopg.Error:
                if not connection.broken:
                    # Else the failed transaction would meet the pool's next user.
                    connection.rollback()
                raise

    def stream(
        self,
        query: Query,
        *,
        client_id: UUID,
        sees_phones: bool = False,
        batch_rows: int = STREAM_BATCH_ROWS,
    ) -> Generator[Sequence[tuple[Any, ...]]]:
        """The rows of `query` in batches, read as read() does: for results larger than memory.

        One snapshot, on its own connection until the last batch or until the generator is closed.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError
        """
        try:
            phones: _Phones = "whole" if sees_phones else "masked"
            with self._snapshot(client_id, phones) as connection, connection.cursor("stream") as cursor:
                cursor.execute(cast(Any, query.statement), query.parameters)
                while batch := cursor.fetchmany(batch_rows):
                    yield batch
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            raise self.explain(error) from error

    @contextmanager
    def snapshot(self, client_id: UUID | None = None) -> Iterator[psycopg.Connection[Any]]:
        """A connection inside a transaction that reads as read() does, for several statements in turn.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError
        """
        try:
            with self._snapshot(client_id, "masked") as connection:
                yield connection
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            raise self.explain(error) from error

    @contextmanager
    def _snapshot(self, client_id: UUID | None, phones: _Phones) -> Iterator[psycopg.Connection[Any]]:
        with ExitStack() as stack:
            connection = stack.enter_context(self._connection())
            try:
                _open_snapshot(connection, client_id, phones, self.is_on_citus)
            except psycopg.Error as error:
                if not is_disconnected(error):
                    raise
                stack.close()
                self.engine.dispose()
                connection = stack.enter_context(self._connection())
                _open_snapshot(connection, client_id, phones, self.is_on_citus)
            try:
                yield connection
            finally:
                if not connection.broken:
                    connection.rollback()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A psycopg connection inside one transaction: committed on success, rolled back on an error.

        It is read committed, whatever the database's default: who waited for a writer sees what that wrote.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError
        """
        try:
            with self._connection() as connection:
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                with connection.transaction():
                    yield connection
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            raise self.explain(error) from error

    @property
    def is_on_citus(self) -> bool:
        """Whether it has Citus, as of the first connection.

        Raises:
            DatabaseUnavailable, DatabaseError
        """
        if self._is_on_citus is None:
            with self.transaction():
                pass
        return bool(self._is_on_citus)

    def failure(self) -> str | None:
        """Why the database does not answer, as of the last seconds; None where it does. Never waits."""
        error = self._pulse.failure()
        return None if error is None else str(self.explain(error))

    def _ask(self) -> None:
        words, names = self.engine.dialect.create_connect_args(self.url)
        try:
            self._connect(*words, **{**names, **CONNECTION}).close()
        except psycopg.Error as error:
            if is_disconnected(error):
                raise

    def _connect(self, *words: Any, **names: Any) -> "psycopg.Connection[Any]":
        try:
            return psycopg.connect(*words, **names)
        except psycopg.OperationalError as error:
            if self._restart is None or not is_disconnected(error):
                raise
            log.warning("the embedded PostgreSQL is gone, and is started again: %s", first_line(error))
            return psycopg.connect(*words, **{**names, **self._restart().query})

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        self._pulse.check()
        pool = self.engine.pool
        try:
            pooled = self.engine.raw_connection()
        except (psycopg.Error, DBAPIError) as error:
            cause = cause_of(error)
            if is_disconnected(cause):
                self._pulse.lost(cause)
            raise
        connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
        try:
            with self._pulse.waiting(connection):
                if self._is_on_citus is None:
                    self._is_on_citus = connection.execute(HAS_CITUS).fetchone() == (True,)
                yield connection
            self._pulse.answered()
        finally:
            if connection.closed:
                pooled.invalidate()
            pooled.close()
            if self._is_closed or pool is not self.engine.pool:
                # Nobody takes it from there again, so nobody else would close it.
                pool.dispose()

    def fold(self) -> int:
        """Moves pending sums into the rollup tables; the number of pending rows moved.

        0 when there were none or somebody else is folding. Never needed for right numbers, only for speed.
        """
        with self.transaction() as connection:
            row = connection.execute("select fold_usage()").fetchone()
            assert row is not None
            return int(row[0])

    def vacuum(self, *tables: str) -> None:
        """Frees what no transaction sees any more of these tables, and renews their statistics.

        Raises:
            DatabaseUnavailable, SchemaMissing, DatabaseError
        """
        try:
            with self._connection() as connection:
                for table in tables:
                    connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(table)))
        except (psycopg.Error, DBAPIError, PoolTimeout) as error:
            raise self.explain(error) from error

    def close(self) -> None:
        """Closes the idle connections, and those in use as soon as they are free.

        The object stays usable: from now on each use has a connection of its own.
        """
        self._is_closed = True
        self.engine.dispose()

    @property
    def place(self) -> str:
        """Database and host for messages, without user or password: `"usage" at db.example.com:5432`."""
        host = self.url.host or self.url.query.get("host") or "the default host"
        port = f":{self.url.port}" if self.url.port else ""
        return f'"{self.url.database}" at {host}{port}'

    def explain(self, error: Exception) -> DatabaseError:
        """The driver's error as one of ours, with the object and the remedy."""
        return explained(error, place=self.place, is_back=lambda: self.failure() is None)


def open_database(secrets: Mapping[str, Any] | None = None) -> Database:
    """The configured database, or the embedded one, started if need be.

    Raises:
        ConfigurationError: the configured URL cannot be used.
        DatabaseUnavailable: the embedded server does not start.
    """
    url = config.configured_database_url(secrets)
    return Database(url) if url else Database(start_embedded_postgresql(), restart=start_embedded_postgresql)


def start_embedded_postgresql() -> URL:
    """Starts the embedded server where it does not run, and makes our database there; its URL.

    Raises:
        ConfigurationError: the package that brings it is not installed.
        DatabaseUnavailable: it does not start.
    """
    # Imported here: a configured database never needs it, and who only logs calls may not have it.
    try:
        from analytics import embedded

        # A server that is shutting down may still look alive at first.
        for attempt in Retrying(
            retry=retry_if_exception_type(psycopg.OperationalError),
            stop=stop_after_delay(EMBEDDED_RETRY_SECONDS),
            wait=wait_fixed(0.1),
            reraise=True,
        ):
            with attempt:
                maintenance_url = embedded.start()
                _create_embedded_database(maintenance_url)
    except ModuleNotFoundError:
        raise ConfigurationError(
            "no database is configured: set DATABASE_URL to a PostgreSQL server, or install the embedded one "
            'with pip install "usage-analytics[dashboard]"'
        ) from None
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the embedded PostgreSQL does not answer: {first_line(error)}") from error
    return maintenance_url.set(database=EMBEDDED_DATABASE)


def stop_embedded_postgresql() -> None:
    """Ends this process's use of the embedded server, if it has any; the last one that does stops it."""
    if used := sys.modules.get("analytics.embedded"):
        used.stop()


def end_embedded_postgresql() -> None:
    """The same where the process ends, so that nothing starts it again."""
    if used := sys.modules.get("analytics.embedded"):
        used.end()


def connect_arguments(url: URL) -> dict[str, Any]:
    """What psycopg.connect() takes: a URL as text would lose a blank in a socket's directory."""
    return {**url.translate_connect_args(username="user", database="dbname"), **url.query}


def _create_embedded_database(maintenance_url: URL) -> None:
    with psycopg.connect(**connect_arguments(maintenance_url), autocommit=True) as connection:
        known = connection.execute("select from pg_database where datname = %s", [EMBEDDED_DATABASE])
        if known.fetchone() is None:
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(EMBEDDED_DATABASE)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                log.debug("another process created the embedded database first")


def _begin(
    cursor: "psycopg.ClientCursor[Any]", client_id: UUID | None, phones: _Phones, is_on_citus: bool
) -> list[str]:
    """Opens a transaction that only reads; with `client_id` as the reader, who sees that client only."""
    begin = "begin isolation level repeatable read read only"
    if is_on_citus:
        return [begin, _settings_on_all_nodes(cursor, client_id, phones)]
    statements = [begin, cursor.mogrify("select set_config('app.phones', %s, true)", [phones])]
    if client_id is not None:
        statements.append(
            cursor.mogrify(
                "select set_config('app.client_id', %s, true), set_config('role', %s, true)",
                [str(client_id), READER_ROLE],
            )
        )
    return statements


def _settings_on_all_nodes(
    cursor: "psycopg.ClientCursor[Any]", client_id: UUID | None, phones: _Phones
) -> str:
    """The same for Citus, which passes `set local` on, and with it the whole text in which it stands."""
    settings = [cursor.mogrify("set local app.phones = %s", [phones])]
    if client_id is not None:
        settings.append(cursor.mogrify("set local app.client_id = %s", [str(client_id)]))
        settings.append(f"set local role {READER_ROLE}")
    return cursor.mogrify("do %s", [f"begin {'; '.join(settings)}; end"])


def _open_snapshot(
    connection: psycopg.Connection[Any], client_id: UUID | None, phones: _Phones, is_on_citus: bool
) -> None:
    cursor = psycopg.ClientCursor(connection)
    _execute(cursor, _begin(cursor, client_id, phones, is_on_citus))


def _bound(cursor: "psycopg.ClientCursor[Any]", query: Query) -> str:
    return cursor.mogrify(cast(Any, query.statement), query.parameters)


def _execute(cursor: "psycopg.ClientCursor[Any]", statements: Sequence[str]) -> None:
    # A statement may end with a comment.
    cursor.execute(cast(Any, "\n;\n".join(statements)))


def _rows(cursor: psycopg.Cursor[Any]) -> Rows:
    return Rows(
        columns=[column.name for column in cursor.description or ()],
        records=cursor.fetchall() if cursor.description else [],
    )
