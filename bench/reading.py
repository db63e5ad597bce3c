"""Reading: the largest client's whole Overview load, three ways, checked to be equal and then timed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb
import psycopg
from psycopg import sql

from analytics.database import Database
from bench.data import LARGEST_CLIENT, add_pending, add_small_clients
from bench.pages import EXPORTS, TABLES, PageQuestion, page_questions
from bench.pages import ask_duckdb as ask_duckdb_page
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
PAGE_ROUNDS = 5
PENDING_ROWS = 10_000

SIZE = """
select count(distinct conversation_id), count(*)
from usage_conversation_daily_rollup
where client_id = %(client_id)s and usage_date >= %(first)s
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


LARGEST_CONVERSATION = """
select conversation_id
from usage_conversation_rollup
where client_id = %(client_id)s
order by total_tokens desc
limit 1
"""


@dataclass(frozen=True, kw_only=True)
class PageTimes:
    """Medians of one page's question, in milliseconds."""

    name: str
    goal: int
    ours: float
    ours_pending: float
    duckdb: float


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
    table_bytes: float
    """A call's in usage_logs, ..."""
    index_bytes: float
    """... in its indexes, ..."""
    sums_bytes: float
    """... and its part of all that keeps sums, with their indexes."""
    # Of the largest client's last 30 days.
    conversations: int
    conversation_days: int
    pages: Sequence[PageTimes]


def measure_reading(
    database: Database, connection: psycopg.Connection, directory: Path, rounds: int = ROUNDS
) -> ReadingTimes:
    """Times the loaded database. Leaves PENDING_ROWS pending rows in it.

    Raises:
        AssertionError: two ways give different numbers, or the pending rows are not there.
    """
    space = connection.execute(SPACE).fetchone()
    assert space is not None
    add_small_clients(connection)
    found = connection.execute(LARGEST_CONVERSATION, {"client_id": LARGEST_CLIENT}).fetchone()
    assert found is not None
    pages = page_questions(found[0])

    with _duckdb_copy(connection, directory) as copy:

        def page_ways(question: PageQuestion) -> dict[str, Callable[[], object]]:
            return {
                "ours": lambda: question.ours(database),
                "duckdb": lambda: ask_duckdb_page(copy, question),
            }

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

        page_times = {page.name: _medians(page_ways(page), min(rounds, PAGE_ROUNDS)) for page in pages}

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
        pages_pending = {
            page.name: _medians({"ours": page_ways(page)["ours"]}, min(rounds, PAGE_ROUNDS)) for page in pages
        }
    return ReadingTimes(
        **folded,
        **pending,
        table_bytes=space[0],
        index_bytes=space[1],
        sums_bytes=space[2],
        conversations=size[0],
        conversation_days=size[1],
        pages=[
            PageTimes(
                name=page.name,
                goal=page.goal,
                ours=page_times[page.name]["ours"],
                ours_pending=pages_pending[page.name]["ours"],
                duckdb=page_times[page.name]["duckdb"],
            )
            for page in pages
        ],
    )


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
    copy.execute(TABLES)
    for table, rows_of_it in EXPORTS.items():
        export = sql.SQL("copy ({}) to stdout (format csv)").format(sql.SQL(rows_of_it))
        path = directory / f"{table}.csv"
        with path.open("wb") as file, connection.cursor().copy(export) as rows:
            for block in rows:
                file.write(block)
        copy.execute(f"copy {table} from '{path}' (format csv, header false)")
        path.unlink()
    copy.execute("checkpoint")
    return copy
