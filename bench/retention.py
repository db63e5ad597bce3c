"""`python -m bench.retention`: drops half of all calls beside two writers, and prints what these waited for.

With `--url` in a database that has calls (which go!), else in one of its own with `--rows` calls. Both
writers insert a call per transaction, for the client with the most calls, before the run and beside it.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID

import psycopg

from analytics.config import postgresql_url
from analytics.database import Database, connect_arguments
from analytics.migrations import apply_migrations
from analytics.retention import run_retention, set_rule
from bench.place import load, new_place, running_server

WRITERS = 2
SECONDS_BEFORE = 20
_HALF = """
    select usage_date
    from (
        select usage_date, sum(sum(request_count)) over (order by usage_date) as so_far
        from usage_daily
        where usage_date > '-infinity'
        group by usage_date
    ) as days
    where so_far >= (select sum(request_count) / 2 from usage_daily)
    order by usage_date
    limit 1
"""
_SUMS = """
    select sum(request_count), sum(total_tokens), sum(cost_usd) from usage_daily
    where usage_date < %s and client_id <> all (%s)
"""
_INSERT = """
    insert into usage_logs (client_id, source, model, prompt_tokens, completion_tokens, cost_usd)
    values (%s, 'openai', 'gpt-4o-mini', 100, 10, 0.00001)
"""
_WAITING = """
    select coalesce(extract(epoch from max(clock_timestamp() - waitstart)), 0)
    from pg_locks
    where not granted and database = (select oid from pg_database where datname = current_database())
"""


class Writers:
    """Two threads that insert, and one that looks how long the longest lock is waited for."""

    def __init__(self, database: Database, client_id: UUID) -> None:
        self._database, self._client_id = database, client_id
        self.milliseconds: list[float] = []
        self.longest_wait_ms = 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        ended = threading.Event()
        threads = [threading.Thread(target=self._write, args=[ended]) for _ in range(WRITERS)]
        threads.append(threading.Thread(target=self._look, args=[ended]))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _write(self, ended: threading.Event) -> None:
        with psycopg.connect(**connect_arguments(self._database.url), autocommit=True) as connection:
            while not ended.wait(0.002):
                began = time.perf_counter()
                connection.execute(_INSERT, [self._client_id])
                self.milliseconds.append((time.perf_counter() - began) * 1000)

    def _look(self, ended: threading.Event) -> None:
        with psycopg.connect(**connect_arguments(self._database.url), autocommit=True) as connection:
            while not ended.wait(0.005):
                row = connection.execute(_WAITING).fetchone()
                assert row is not None
                self.longest_wait_ms = max(self.longest_wait_ms, float(row[0]) * 1000)

    def line(self, name: str) -> str:
        ordered = self.milliseconds
        return (
            f"| {name} | {len(ordered):,} | {median(ordered):.2f} | {quantiles(ordered, n=1000)[989]:.1f} | "
            f"{max(ordered):.0f} | {self.longest_wait_ms:.0f} |"
        )


def measure(database: Database, archive: Path) -> Iterator[str]:
    """Drops half of the calls, and says how it went, line by line."""
    with database.transaction() as connection:
        half: date
        [(half,)] = connection.execute(_HALF).fetchall()
        [(client_id,)] = connection.execute(
            "select client_id from usage_daily group by client_id order by sum(request_count) desc limit 1"
        ).fetchall()
        [(calls, size)] = connection.execute(
            "select (select count(*) from usage_logs), pg_total_relation_size('usage_logs')"
        ).fetchall()
        sums = connection.execute(_SUMS, [half, []]).fetchall()
    now = datetime.now(UTC)
    set_rule(database, None, keep_days=(now.date() - half).days, archive=str(archive), by="bench")
    before, during = Writers(database, client_id), Writers(database, client_id)
    with before.at_work():
        time.sleep(SECONDS_BEFORE)
    began = time.monotonic()
    with during.at_work():
        result = run_retention(database, now, by="bench")
    seconds = time.monotonic() - began
    database.fold()
    with database.transaction() as connection:
        is_same = sums == connection.execute(_SUMS, [half, []]).fetchall()
        [(size_after,)] = connection.execute("select pg_total_relation_size('usage_logs')").fetchall()
    kept = sum(file.stat().st_size for file in archive.glob("*/*.parquet"))
    yield (
        f"{result.deleted_count:,} of {calls:,} calls dropped in {seconds:,.0f} s, "
        f"{result.deleted_count / seconds:,.0f} a second, archived in {kept / 1e6:,.1f} MB; sums of these "
        f"days {'are the same' if is_same else 'DIFFER'}; usage_logs {size / 1e6:,.0f} MB before and "
        f"{size_after / 1e6:,.0f} MB after, {result.deleted_bytes / 1e6:,.0f} MB of rows free for new ones"
    )
    yield "| two writers | inserts | ms, median | ms, 99 % | ms, longest | longest wait for a lock, ms |"
    yield "|---|---:|---:|---:|---:|---:|"
    yield before.line("before")
    yield during.line("beside the run")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.retention", description=__doc__)
    parser.add_argument("--url", help="a database whose calls may go, half of them")
    parser.add_argument("--rows", type=int, default=1_000_000, help="without --url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-retention-") as name:
        directory = Path(name)
        if options.url:
            with closing(Database(postgresql_url(options.url, origin="--url"))) as database:
                apply_migrations(database)
                for line in measure(database, directory / "archive"):
                    print(line, flush=True)
            return
        with running_server(directory) as url, new_place(url, directory) as place:
            load(place.connection, options.rows)
            for line in measure(place.database, directory / "archive"):
                print(line, flush=True)


if __name__ == "__main__":
    main()
