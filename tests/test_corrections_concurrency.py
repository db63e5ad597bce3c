"""Corrections while others correct, write and change the same calls: nothing doubled, nothing overwritten."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from analytics.corrections import list_corrections, undo_correction
from analytics.database import Database
from analytics.errors import InvalidInput
from tests import factories
from tests.connections import at_once, dsn
from tests.factories import NOW
from tests.naive import wrong_sums
from tests.repricing import apply, corrected, costs, log, stored

DEADLINE_SECONDS = 30


@pytest.fixture
def connection(database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """Beside the pool."""
    with psycopg.connect(dsn(database.url), autocommit=True) as own:
        yield own


def started(
    thread: ThreadPoolExecutor,
    connection: "psycopg.Connection[Any]",
    task: Callable[..., Any],
    *arguments: Any,
) -> "Future[Any]":
    """The task, which has come as far as to wait for somebody else's lock."""
    future = thread.submit(task, *arguments)
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not connection.execute(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    ).fetchall():
        assert not future.done(), future.result()
        assert time.monotonic() < deadline, "it waits for no lock"
        pause.wait(0.01)
    return future


def test_corrections_at_once_are_one(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, *[log(acme) for _ in range(20)])

    outcomes = at_once(*[lambda _connection: apply(database, acme)] * 4, database=database)

    assert sorted(outcome.correction is None for outcome in outcomes) == [False, True, True, True]
    assert [outcome.skipped_count for outcome in outcomes] == [0] * 4
    assert connection.execute(
        "select count(*), sum(cost_before_usd) from cost_correction_items"
    ).fetchone() == (20, Decimal("0.4"))
    assert wrong_sums(connection) == []


def test_undoings_at_once_are_one(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, *[log(acme) for _ in range(20)])
    correction = corrected(database, acme)

    def try_to_undo(_connection: object) -> int | str:
        try:
            return undo_correction(database, str(correction.id), by="bob").restored_count
        except InvalidInput as error:
            return str(error)

    results = at_once(*[try_to_undo] * 4, database=database)

    assert results.count(20) == 1
    assert sum(f"{correction.id} was undone by bob" in str(result) for result in results) == 3
    assert wrong_sums(connection) == []


def test_clients_are_corrected_beside_each_other(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    other = factories.client(database, name="Other")
    factories.insert_usage(database, log(acme), log(other))

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as holder:
            holder.execute("select from usage_logs where client_id = %s for update", [acme])
            waiting = started(thread, connection, apply, database, acme)
            apply(database, other)
        waiting.result()

    assert {each.client_id for each in list_corrections(database)} == {acme, other}


@pytest.mark.parametrize(
    "change",
    [
        "update usage_logs set cost_usd = 9, cost_basis = 'given' where id = %s",
        "update usage_logs set prompt_tokens = 151, total_tokens = 231 where id = %s",
        "delete from usage_logs where id = %s",
    ],
)
def test_a_call_that_changes_meanwhile_is_skipped(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]", change: Any
) -> None:
    changed, *others = [log(acme) for _ in range(3)]
    factories.insert_usage(database, changed, *others)

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as writer:
            writer.execute(change, [changed["id"]])
            as_changed = stored(writer, changed["id"])
            # It has priced the calls by then.
            waiting = started(thread, connection, apply, database, acme)
        outcome = waiting.result()

    assert outcome.skipped_count == 1
    assert outcome.correction.request_count == 2
    assert stored(connection, changed["id"]) == as_changed
    assert "0.02" not in costs(connection, *others)
    assert wrong_sums(connection) == []


def test_nothing_is_recorded_when_every_call_changed_meanwhile(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, log(acme))

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as writer:
            writer.execute("update usage_logs set phone = '2'")
            waiting = started(thread, connection, apply, database, acme)
        outcome = waiting.result()

    assert (outcome.correction, outcome.skipped_count) == (None, 1)
    assert list_corrections(database) == []


def test_a_call_that_changes_while_it_is_undone_stays_as_it_was_changed(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    changed, other = log(acme), log(acme)
    factories.insert_usage(database, changed, other)
    correction_id = str(corrected(database, acme).id)

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as writer:
            writer.execute("update usage_logs set cost_usd = 9 where id = %s", [changed["id"]])
            waiting = started(thread, connection, lambda: undo_correction(database, correction_id, by="bob"))
        undoing = waiting.result()

    assert (undoing.restored_count, undoing.changed_count) == (1, 1)
    assert costs(connection, changed, other) == ["9", "0.02"]
    assert wrong_sums(connection) == []


def test_writers_go_on_while_calls_are_corrected(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, log(acme))

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as holder:
            holder.execute("select from usage_logs for update")
            waiting = started(thread, connection, apply, database, acme)
            connection.execute("set lock_timeout = '10s'")
            connection.execute(
                "insert into usage_logs (client_id, source, cost_usd, created_at) values (%s, 'groq', 0, %s)",
                [acme, NOW],
            )
        outcome = waiting.result()

    # What was only locked has not changed, and what came later is not part of it.
    assert (outcome.skipped_count, outcome.repricing.total.request_count) == (0, 1)
    assert wrong_sums(connection) == []


def test_a_time_zone_that_changes_meanwhile(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    factories.insert_usage(database, log(acme))

    with ThreadPoolExecutor(1) as thread:
        with psycopg.connect(dsn(database.url)) as administrator:
            administrator.execute("update clients set timezone = 'Asia/Kolkata' where id = %s", [acme])
            waiting = started(thread, connection, apply, database, acme)
        outcome = waiting.result()

    assert outcome.correction.request_count == 1
    assert wrong_sums(connection) == []
