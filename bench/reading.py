"""Reading: the largest client's whole Overview load, three ways, checked to be equal and then timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import duckdb
import psycopg

from analytics.database import Database
from analytics.days import Days
from analytics.queries import CallSums, call_sums
from bench.data import LARGEST_CLIENT, NOW, add_pending
from bench.questions import (
    END_OF_TODAY,
    QUESTIONS,
    TOP_CONVERSATIONS,
    Answer,
    Question,
    comparable,
    direct,
    duckdb_statement,
    ours,
)

ROUNDS = 9
HOURS_DAYS = 30
PENDING_ROWS = 10_000

EXPORT = """
copy (
    select
        client_id, conversation_id,
        (usage_logs.created_at at time zone clients.timezone)::date, source, model,
        prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis
    from usage_logs
    inner join clients on clients.id = usage_logs.client_id
) to stdout (format csv)
"""

SIZE = """
select count(distinct conversation_id), count(*)
from usage_conversation_daily_rollup
where client_id = %(client_id)s and usage_date >= %(first)s
"""

DUCKDB_TABLES = """
create table usage_logs (
    client_id uuid, conversation_id uuid, usage_date date, source varchar, model varchar,
    prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_usd decimal(18, 10),
    cost_basis varchar
);
create table conversations (client_id uuid, id uuid, phone varchar, name varchar);
"""


# Bytes of each call.
SPACE = """
    select
        pg_table_size('usage_logs') / calls.number,
        pg_indexes_size('usage_logs') / calls.number,
        (
            select sum(pg_total_relation_size(oid))
            from pg_class
            where
                relnamespace = 'public'::regnamespace and relkind = 'r'
                and (relname ~ '^usage_.*_rollup$' or relname in ('tag_sets', 'usage_pending'))
        ) / calls.number
    from (select count(*)::double precision as number from usage_logs) as calls
"""


@dataclass(frozen=True, kw_only=True)
class ReadingTimes:
    """Medians in milliseconds, and how much there was to count."""

    ours: float
    ours_pending: float
    direct: float
    duckdb: float
    top: float
    top_pending: float
    top_duckdb: float
    hours: float
    """By hour, operation and parts of tokens, of HOURS_DAYS days."""
    table_bytes: float
    """A call's in usage_logs, ..."""
    index_bytes: float
    """... in its indexes, ..."""
    sums_bytes: float
    """... and its part of all that keeps sums, with their indexes."""
    # Of the largest client's last 30 days.
    conversations: int
    conversation_days: int


def measure_reading(
    database: Database, connection: psycopg.Connection, directory: Path, rounds: int = ROUNDS
) -> ReadingTimes:
    """Times the loaded database. Leaves PENDING_ROWS pending rows in it.

    Raises:
        AssertionError: two ways give different numbers, or the pending rows are not there.
    """
    with _duckdb_copy(connection, directory) as copy:

        def ask_ours(*questions: Question) -> list[Answer]:
            read = database.read(*map(ours, questions), client_id=LARGEST_CLIENT)
            return [list(rows.records) for rows in read]

        def comparable_ours() -> list[Answer]:
            # Whole days and whole phones, as the others have them. Timed is the running day, phones masked.
            read = database.read(
                *(ours(question, END_OF_TODAY) for question in QUESTIONS),
                client_id=LARGEST_CLIENT,
                sees_phones=True,
            )
            return _comparable([list(rows.records) for rows in read], is_ours=True)

        def ask_directly(*questions: Question) -> list[Answer]:
            return [list(rows.records) for rows in database.read(*map(direct, questions))]

        def ask_duckdb(*questions: Question) -> list[Answer]:
            return [copy.execute(*duckdb_statement(question)).fetchall() for question in questions]

        expected = _comparable(ask_directly(*QUESTIONS), is_ours=False)
        assert comparable_ours() == expected
        assert _comparable(ask_duckdb(*QUESTIONS), is_ours=False) == expected

        folded = _medians(
            {
                "ours": lambda: ask_ours(*QUESTIONS),
                "direct": lambda: ask_directly(*QUESTIONS),
                "duckdb": lambda: ask_duckdb(*QUESTIONS),
                "top": lambda: ask_ours(TOP_CONVERSATIONS),
                "top_duckdb": lambda: ask_duckdb(TOP_CONVERSATIONS),
            },
            rounds,
        )
        size = connection.execute(
            SIZE, {"client_id": LARGEST_CLIENT, "first": TOP_CONVERSATIONS.first}
        ).fetchone()
        assert size is not None

        hours = _measure_hours(database, rounds)
        space = connection.execute(SPACE).fetchone()
        assert space is not None

        add_pending(connection, PENDING_ROWS)
        expected = _comparable(ask_directly(*QUESTIONS), is_ours=False)
        assert comparable_ours() == expected
        pending = _medians(
            {
                "ours_pending": lambda: ask_ours(*QUESTIONS),
                "top_pending": lambda: ask_ours(TOP_CONVERSATIONS),
            },
            rounds,
        )
    return ReadingTimes(
        **folded,
        **pending,
        **hours,
        table_bytes=space[0],
        index_bytes=space[1],
        sums_bytes=space[2],
        conversations=size[0],
        conversation_days=size[1],
    )


def _measure_hours(database: Database, rounds: int) -> dict[str, float]:
    last = NOW.date()
    first = last - timedelta(days=HOURS_DAYS - 1)

    def ask() -> CallSums:
        return call_sums(database, LARGEST_CLIENT, Days(first, last))

    return _medians({"hours": ask}, rounds)


def _comparable(answers: list[Answer], *, is_ours: bool) -> list[Answer]:
    return [
        comparable(question, answer, is_ours=is_ours)
        for question, answer in zip(QUESTIONS, answers, strict=True)
    ]


def _medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way. All take turns, so that a busy machine is busy for all of them.

    Asking usage_logs directly takes seconds, so that has its turn in every third round only.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for round_number in range(rounds):
        for name, way in ways.items():
            if name == "direct" and round_number % 3:
                continue
            start = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: median(values) for name, values in times.items()}


def _duckdb_copy(connection: psycopg.Connection, directory: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB file with the same calls, in order of time as they came, and the same conversations."""
    file_name = directory / "copy.duckdb"
    file_name.unlink(missing_ok=True)
    copy = duckdb.connect(str(file_name))
    copy.execute(DUCKDB_TABLES)
    for table, export in (
        ("usage_logs", EXPORT),
        (
            "conversations",
            "copy (select client_id, id, phone, name from conversations) to stdout (format csv)",
        ),
    ):
        path = directory / f"{table}.csv"
        with path.open("wb") as file, connection.cursor().copy(export) as rows:
            for block in rows:
                file.write(block)
        copy.execute(f"copy {table} from '{path}' (format csv, header false)")
        path.unlink()
    copy.execute("checkpoint")
    return copy
