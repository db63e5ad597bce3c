"""Applies `sql/migrations` in order, once each, whoever else is at it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import Diagnostic
from sqlalchemy.engine import URL
from yoyo import default_migration_table, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

from analytics.config import PROJECT_DIRECTORY, configured_database_url
from analytics.database import Database, connect_arguments, open_database
from analytics.errors import DatabaseError

# In a clone beside the package, in an installed package inside it.
MIGRATIONS_DIRECTORY = (
    next(
        (
            directory
            for directory in (PROJECT_DIRECTORY / "sql", PROJECT_DIRECTORY / "analytics" / "sql")
            if directory.is_dir()
        ),
        PROJECT_DIRECTORY / "sql",
    )
    / "migrations"
)

# Supabase grants its visitors every new table, yoyo's among them: who may write there can mark a migration as
# applied. Whoever is not the owner has nothing to close; nor is there anything to do a second time.
_CLOSE_BOOKKEEPING = """
    do $$
    declare
        item record;
        visitor text;
    begin
        for item in
            select
                oid::regclass as name,
                relrowsecurity as is_closed,
                array(
                    select distinct case when grantee = 0 then 'public' else grantee::regrole::text end
                    from aclexplode(relacl)
                    where grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated')
                ) as visitors
            from pg_class
            where
                oid in (
                    to_regclass('_yoyo_log'), to_regclass('_yoyo_migration'), to_regclass('_yoyo_version'),
                    to_regclass('yoyo_lock')
                )
                and pg_has_role(relowner, 'usage')
        loop
            if not item.is_closed then
                execute format('alter table %s enable row level security', item.name);
            end if;
            foreach visitor in array item.visitors loop
                execute format('revoke all on %s from %s', item.name, visitor);
            end loop;
        end loop;
    end
    $$
"""

# Anything that all runs agree on: the holder may migrate, the others wait until it is through.
MIGRATION_LOCK = 7500


def open_ready_database(
    secrets: Mapping[str, Any] | None = None, report: Callable[[str], object] = lambda line: None
) -> Database:
    """open_database(), with the embedded one brought up to date: it has no other administrator.

    Raises:
        ConfigurationError, DatabaseUnavailable, DatabaseError
    """
    database = open_database(secrets)
    if configured_database_url(secrets) is None:
        try:
            apply_migrations(database, report)
        except DatabaseError:
            database.close()
            raise
    return database


def pending_migrations(database: Database) -> list[str]:
    """Names of the migrations that the database does not have yet, in order."""
    with _backend(database.url) as backend:
        return [migration.id for migration in _pending(backend)]


def apply_migrations(database: Database, report: Callable[[str], object] = lambda line: None) -> list[str]:
    """Brings the database up to date; the names of the migrations that were applied, in order.

    Each file is one transaction: it is applied whole or not at all. Runs at the same time wait for each
    other. `report` receives each step, and the notices of long ones, as a line for a person.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
        DatabaseError: a migration was refused; the message says why.
    """
    applied: list[str] = []
    # The lock lives on a connection and in a transaction of its own: a transaction-mode pooler keeps the two
    # together, and a run that was killed leaves no lock behind, as yoyo's own lock table would.
    with database.transaction() as lock:
        lock.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        with _backend(database.url, report) as backend:
            for migration in _pending(backend):
                report(f"applying {migration.id}")
                backend.apply_one(migration)
                applied.append(migration.id)
    return applied


def _pending(backend: Any) -> Iterable[Any]:
    pending: Iterable[Any] = backend.to_apply(read_migrations(str(MIGRATIONS_DIRECTORY)))
    return pending


@contextmanager
def _backend(url: URL, report: Callable[[str], object] = lambda line: None) -> Iterator[Any]:
    parameters = connect_arguments(url)

    def connect(*_: object) -> "psycopg.Connection[Any]":
        connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
        connection.add_notice_handler(lambda notice: _report_notice(notice, report))
        return connection

    # yoyo runs each migration on a further connection that it makes itself: a class of our own is the way to
    # have a say in those too, and to spare the URL a second reading.
    backend_class = type("Backend", (PostgresqlPsycopgBackend,), {"connect": connect})
    backend = backend_class(parse_uri("postgresql+psycopg:///"), default_migration_table)
    # yoyo logs each statement's failure itself; ours is the one message.
    logging.getLogger("yoyo.migrations").setLevel(logging.ERROR)
    try:
        backend.init_database()
        backend.ensure_internal_schema_updated()
        backend.connection.execute(_CLOSE_BOOKKEEPING)
        yield backend
    finally:
        backend.connection.close()


def _report_notice(notice: Diagnostic, report: Callable[[str], object]) -> None:
    text = notice.message_primary or ""
    # PostgreSQL also remarks on every "if not exists" that had nothing to do.
    if text.startswith("adopting "):
        report(text)
