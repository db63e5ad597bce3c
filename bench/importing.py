"""What importing a log costs: rows per second from the file to the row, and of the steps on their own.

The file is one of calls as people have them: cached tokens, latencies, a tag and thousands of conversations.
"""

import csv
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import psutil
import psycopg

from analytics.calls.store import store_lines
from analytics.clients import find_or_create_client
from analytics.database import Database
from analytics.importing import CallReader, import_file, plan_import, price_list
from bench.data import NOW

ROWS = 200_000
BATCH = 10_000
COLUMNS = (
    *("created_at", "source", "model", "prompt_tokens", "completion_tokens", "cached_tokens", "latency_ms"),
    *("conversation_id", "tag.feature"),
)


@dataclass(frozen=True, kw_only=True)
class ImportRate:
    """One step, or all of them."""

    name: str
    rows_per_second: float
    """By the clock, which waits for whatever else runs."""
    cpu_us: float
    server_cpu_us: float
    """Of this process and of PostgreSQL's, for a row."""


def measure_importing(
    database: Database, connection: psycopg.Connection, directory: Path, rows: int = ROWS
) -> list[ImportRate]:
    """All steps over the same file, one after another. In a migrated database."""
    path = directory / "calls.csv"
    _write(path, rows)
    client_id, _ = find_or_create_client(database, "Imported")
    other_id, _ = find_or_create_client(database, "Stored alone")
    plan = plan_import(path)
    reader = CallReader(price_list(database), other_id)
    lines: list[str] = []

    def read() -> None:
        wanted = list(plan.columns.values())
        assert sum(1 for _ in plan.file.records(wanted)) == rows

    def read_vectorised() -> None:
        found = duckdb.sql(f"select * from read_csv('{path}')").fetchnumpy()  # noqa: S608 - a path of ours
        assert len(found["created_at"]) == rows

    def read_and_price() -> None:
        lines.extend(row.call.line for row in reader.read([plan]) if row.call)
        assert len(lines) == rows

    def store() -> None:
        for begin in range(0, rows, BATCH):
            with database.transaction() as connection:
                store_lines(connection, lines[begin : begin + BATCH])
        database.fold()

    def load() -> None:
        assert import_file(database, plan, client_id=client_id).stored == rows

    def load_again() -> None:
        assert import_file(database, plan, client_id=client_id).already_there == rows

    steps: Sequence[tuple[str, Callable[[], None]]] = [
        ("reading the file alone", read),
        ("the same by DuckDB", read_vectorised),
        ("reading and pricing", read_and_price),
        ("storing the priced calls, and the fold", store),
        ("**import**, all of it", load),
        ("**import** of the same again", load_again),
    ]
    return [_rate(connection, name, step, rows) for name, step in steps]


def importing_table(rates: Sequence[ImportRate]) -> str:
    """Rows a second, and microseconds of our own for each."""
    lines = [
        "| from a CSV with a tag and conversations | rows/s | CPU, µs a row: ours | PostgreSQL's |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {rate.name} | {rate.rows_per_second:,.0f} | {rate.cpu_us:.1f} | {rate.server_cpu_us:.1f} |"
        for rate in rates
    ]
    return "\n".join(lines)


def _rate(connection: psycopg.Connection, name: str, step: Callable[[], None], rows: int) -> ImportRate:
    began, cpu, server = time.perf_counter(), time.process_time(), _server_seconds(connection)
    step()
    seconds = time.perf_counter() - began
    return ImportRate(
        name=name,
        rows_per_second=rows / seconds,
        cpu_us=(time.process_time() - cpu) / rows * 1e6,
        server_cpu_us=(_server_seconds(connection) - server) / rows * 1e6,
    )


def _server_seconds(connection: psycopg.Connection) -> float:
    """Of all processes of the server that run now; the pool keeps its connections."""
    pids = connection.execute("select pid from pg_stat_activity").fetchall()
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for (pid,) in pids)


def _write(path: Path, rows: int) -> None:
    drawn = random.Random(7)
    at, run = NOW - timedelta(days=60), uuid4().hex[:8]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for _ in range(rows):
            at += timedelta(days=60) / rows
            writer.writerow(
                [
                    *(at.isoformat(), "openai", drawn.choice(("gpt-4o", "gpt-4o-mini", "o3"))),
                    *(drawn.randint(10, 9_000), drawn.randint(1, 2_000), drawn.randint(0, 9)),
                    *(drawn.randint(200, 9_000), f"conversation {run} {drawn.randint(1, 5_000)}"),
                    drawn.choice(("chat", "search", "summary")),
                ]
            )
