"""What importing a log costs: rows per second from the file to the row, and of the steps on their own.

The files are of calls as people have them: cached tokens, latencies, a tag, and conversations of some eight
calls, a few of them at a time; as CSV, and as JSON Lines with the provider's usage object. In the worst case
each of thousands of conversations has calls on all days, so that nearly each call is a sum of its own.
"""

import csv
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psutil
import psycopg

from analytics.calls.store import store_new_lines
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
MODELS, FEATURES = ("gpt-4o", "gpt-4o-mini", "o3"), ("chat", "search", "summary")
LIVE = 8
"""Conversations at a time."""


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
    """All steps over the same file, one after another; then other files. In a migrated database."""
    path, spread, lines_path = (directory / name for name in ("calls.csv", "spread.csv", "calls.jsonl"))
    _write(path, _calls(rows))
    _write(spread, _calls(rows, is_spread=True))
    _write_lines(lines_path, _calls(rows))
    client_id, other_id, third_id, fourth_id = (
        find_or_create_client(database, f"Client {number}")[0] for number in range(4)
    )
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
                store_new_lines(connection, lines[begin : begin + BATCH])

    def load() -> None:
        assert import_file(database, plan, client_id=client_id).stored == rows

    def load_again() -> None:
        assert import_file(database, plan, client_id=client_id).already_there == rows

    def load_lines() -> None:
        assert import_file(database, plan_import(lines_path), client_id=third_id).stored == rows

    def load_spread() -> None:
        assert import_file(database, plan_import(spread), client_id=fourth_id).stored == rows

    steps: Sequence[tuple[str, Callable[[], Any]]] = [
        ("reading the file alone", read),
        ("the same by DuckDB", read_vectorised),
        ("reading and pricing", read_and_price),
        ("storing the priced calls", store),
        ("the fold of their sums", database.fold),
        ("**import** of the CSV, all of it", load),
        ("**import** of the same again", load_again),
        ("**import** of the calls as JSON Lines", load_lines),
        ("**import** of the worst case", load_spread),
    ]
    return [_rate(connection, name, step, rows) for name, step in steps]


def importing_table(rates: Sequence[ImportRate]) -> str:
    """Rows a second, and microseconds of our own for each."""
    lines = [
        "| calls with a tag and conversations | rows/s | CPU, µs a row: ours | PostgreSQL's |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {rate.name} | {rate.rows_per_second:,.0f} | {rate.cpu_us:.1f} | {rate.server_cpu_us:.1f} |"
        for rate in rates
    ]
    return "\n".join(lines)


def _rate(connection: psycopg.Connection, name: str, step: Callable[[], Any], rows: int) -> ImportRate:
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


def _calls(rows: int, *, is_spread: bool = False) -> Iterator[dict[str, Any]]:
    drawn = random.Random(7)
    at, run = NOW - timedelta(days=60), uuid4().hex[:8]
    live: list[tuple[int, str, str]] = []
    for number in range(rows):
        at += timedelta(days=60) / rows
        kind = (drawn.choice(MODELS), drawn.choice(FEATURES))
        if is_spread:
            live = [(drawn.randint(1, 5_000), *kind)]
        elif len(live) < LIVE or number % LIVE == 0:
            live = [*live[-LIVE + 1 :], (number, *kind)]
        conversation, model, feature = drawn.choice(live)
        yield {
            "created_at": at.isoformat(),
            "source": "openai",
            "model": model,
            "prompt_tokens": drawn.randint(10, 9_000),
            "completion_tokens": drawn.randint(1, 2_000),
            "cached_tokens": drawn.randint(0, 9),
            "latency_ms": drawn.randint(200, 9_000),
            "conversation_id": f"conversation {run} {conversation}",
            "tag.feature": feature,
        }


def _write(path: Path, calls: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(calls)


def _write_lines(path: Path, calls: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for call in calls:
            prompt, completion = call.pop("prompt_tokens"), call.pop("completion_tokens")
            call["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": call.pop("cached_tokens")},
            }
            call["tags"] = {"feature": call.pop("tag.feature")}
            file.write(f"{json.dumps(call)}\n")
