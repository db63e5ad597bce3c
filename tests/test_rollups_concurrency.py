"""Many writers, folders and time-zone changes at once: nobody fails, and every snapshot is exact."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import SerializationFailure

from analytics.database import Database
from tests import factories
from tests.connections import at_once, dsn
from tests.factories import NOW
from tests.naive import Usage, wrong_sums

WRITERS = 8
TRANSACTIONS = 15
FOLDS = 40
TIMEZONE_CHANGES = 12
SNAPSHOTS = 25

INSERT = """
    insert into usage_logs
        (client_id, id, phone, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd,
        created_at, operation, outcome, cached_tokens, tag_set_id, latency_ms, stated_cost_usd)
    values (%s, %s, %s, %s, 'a', 2, 1, 3, 0.0001, %s, 'chat', 'ok', 1, 1, 900, 0.0002)
"""


def test_eight_writers_two_folders_and_a_changing_timezone(database: Database) -> None:
    busy, quiet = factories.client(database, name="Busy"), factories.client(database, name="Quiet")

    def writer(number: int) -> Callable[["psycopg.Connection[Any]"], int]:
        def write(connection: "psycopg.Connection[Any]") -> int:
            kept = 0
            for turn in range(TRANSACTIONS):
                ids = [UUID(int=number * 10_000 + turn * 10 + place) for place in range(4)]
                is_rolled_back = turn % 4 == 3
                with connection.transaction(force_rollback=is_rolled_back):
                    for place, log_id in enumerate(ids):
                        client_id = quiet if place == 3 else busy
                        moment = NOW - timedelta(hours=(number * turn) % 30)
                        connection.execute(
                            INSERT, [client_id, log_id, str(turn % 3), ["openai", "groq"][place % 2], moment]
                        )
                    connection.execute(
                        "update usage_logs set total_tokens = 5 where client_id = %s and id = %s",
                        [busy, ids[0]],
                    )
                    connection.execute(
                        "delete from usage_logs where client_id = %s and id = %s", [busy, ids[1]]
                    )
                kept += 0 if is_rolled_back else 3
            return kept

        return write

    def fold(connection: "psycopg.Connection[Any]") -> int:
        for _ in range(FOLDS):
            connection.execute("select fold_usage()")
        return 0

    def change_timezone(connection: "psycopg.Connection[Any]") -> int:
        for turn in range(TIMEZONE_CHANGES):
            timezone = ["Asia/Kolkata", "America/Sao_Paulo", "UTC"][turn % 3]
            connection.execute("update clients set timezone = %s where id = %s", [timezone, busy])
        return 0

    def look(connection: "psycopg.Connection[Any]") -> int:
        for _ in range(SNAPSHOTS):
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read, read only")
                assert wrong_sums(connection) == []
                expected = Usage(connection, busy, NOW)
                for function, rows in (
                    ("get_daily_usage", expected.daily(3)),
                    ("get_usage_summary", expected.summary(3)),
                ):
                    answer = connection.execute(
                        f"select * from {function}(%s, 3, %s)",  # noqa: S608
                        [busy, NOW],
                    ).fetchall()
                    assert answer == rows
        return 0

    kept = at_once(
        *[writer(number) for number in range(1, WRITERS + 1)],
        fold,
        fold,
        change_timezone,
        look,
        database=database,
    )

    with database.transaction() as connection:
        assert connection.execute("select count(*) from usage_logs").fetchone() == (sum(kept),)
        assert wrong_sums(connection) == []


def test_repeatable_read_writers_are_exact_or_asked_to_try_again_while_the_timezone_changes(
    database: Database,
) -> None:
    client_id = factories.client(database)

    def writer(number: int) -> Callable[["psycopg.Connection[Any]"], int]:
        def write(connection: "psycopg.Connection[Any]") -> int:
            kept = 0
            for turn in range(TRANSACTIONS):
                try:
                    with connection.transaction():
                        connection.execute("set transaction isolation level repeatable read")
                        for place in range(3):
                            connection.execute(
                                INSERT,
                                [
                                    *(client_id, UUID(int=number * 10_000 + turn * 10 + place)),
                                    *("1", "openai", NOW - timedelta(hours=turn + place)),
                                ],
                            )
                    kept += 3
                except SerializationFailure:
                    continue
            return kept

        return write

    def change_timezone(connection: "psycopg.Connection[Any]") -> int:
        for turn in range(TIMEZONE_CHANGES):
            timezone = ["Asia/Kolkata", "America/Sao_Paulo", "UTC"][turn % 3]
            connection.execute("update clients set timezone = %s where id = %s", [timezone, client_id])
        return 0

    kept = at_once(*[writer(number) for number in range(1, 5)], change_timezone, database=database)

    with database.transaction() as connection:
        assert connection.execute("select count(*) from usage_logs").fetchone() == (sum(kept),)
        assert wrong_sums(connection) == []


def test_a_repeatable_read_writer_that_began_before_a_timezone_change_is_asked_to_try_again(
    database: Database,
) -> None:
    client_id = factories.client(database)
    with (
        psycopg.connect(dsn(database.url)) as writer,
        psycopg.connect(dsn(database.url), autocommit=True) as administrator,
    ):
        writer.execute("set transaction isolation level repeatable read")
        writer.execute("select from clients").fetchall()  # takes the snapshot
        administrator.execute("update clients set timezone = 'Asia/Kolkata'")

        with pytest.raises(SerializationFailure):
            writer.execute(INSERT, [client_id, UUID(int=1), "1", "openai", NOW])


def test_the_timezone_changes_only_where_later_statements_see_what_was_waited_for(database: Database) -> None:
    factories.client(database)

    with psycopg.connect(dsn(database.url)) as connection:
        connection.execute("set transaction isolation level repeatable read")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction, match='time zone of client "Acme" can only'):
            connection.execute("update clients set timezone = 'Asia/Kolkata'")
