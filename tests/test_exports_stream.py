"""Database.stream(): what read() sees, in batches, and nothing left behind however it ends."""

import os
from contextlib import closing
from uuid import UUID

import psycopg
import pytest

from analytics.database import Database, Query
from analytics.errors import DatabaseError, DatabaseUnavailable
from tests import factories, pgbouncer
from tests.connections import dsn

NUMBERS = Query(statement="select generate_series(1, %(last)s)", parameters={"last": 5})
WHO = Query(statement="select current_user, coalesce(current_setting('app.client_id', true), '')")


def test_batches(database: Database, acme: UUID) -> None:
    batches = list(database.stream(NUMBERS, client_id=acme, batch_rows=2))

    assert batches == [[(1,), (2,)], [(3,), (4,)], [(5,)]]


def test_it_sees_one_client_only(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    factories.insert_usage(database, factories.usage_log(acme), factories.usage_log(other))
    query = Query(statement="select client_id from usage_logs")

    assert list(database.stream(query, client_id=acme)) == [[(acme,)]]
    assert list(database.stream(query, client_id=other)) == [[(other,)]]


def test_it_writes_nothing(database: Database, acme: UUID) -> None:
    query = Query(statement="select fold_usage()")

    with pytest.raises(DatabaseError, match="read-only transaction"):
        list(database.stream(query, client_id=acme))


def test_one_snapshot(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme), factories.usage_log(acme))
    query = Query(statement="select 1 from usage_logs")

    batches = database.stream(query, client_id=acme, batch_rows=1)
    next(batches)
    factories.insert_usage(database, factories.usage_log(acme))

    assert len(list(batches)) == 1


def test_a_reader_who_leaves_early_leaves_nothing_behind(database: Database, acme: UUID) -> None:
    [before] = database.read(WHO)

    batches = database.stream(NUMBERS, client_id=acme, batch_rows=1)
    next(batches)
    batches.close()  # type: ignore[attr-defined]

    [after] = database.read(WHO)
    assert after == before
    assert database.engine.pool.status().endswith("Current Checked out connections: 0")


def test_an_error_halfway(database: Database, acme: UUID) -> None:
    query = Query(statement="select 1 / (3 - number) from generate_series(1, 5) as number")
    batches = database.stream(query, client_id=acme, batch_rows=1)

    assert [next(batches), next(batches)] == [[(0,)], [(1,)]]
    with pytest.raises(DatabaseError, match="division by zero"):
        next(batches)
    assert list(database.stream(NUMBERS, client_id=acme)) == [[(1,), (2,), (3,), (4,), (5,)]]


def test_a_connection_that_died_while_idle_is_replaced(database: Database, acme: UUID) -> None:
    database.read(WHO)
    end_connections(database)

    assert len(list(database.stream(NUMBERS, client_id=acme))) == 1


def test_a_server_that_goes_away_halfway(database: Database, acme: UUID) -> None:
    batches = database.stream(NUMBERS, client_id=acme, batch_rows=1)
    next(batches)
    end_connections(database)

    with pytest.raises(DatabaseUnavailable):
        list(batches)
    assert len(list(database.stream(NUMBERS, client_id=acme))) == 1


@pytest.mark.skipif(
    not pgbouncer.is_installed() and not os.environ.get("CI"), reason="no pgbouncer on the PATH"
)
def test_through_a_pooler_that_hands_the_connection_on(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    factories.insert_usage(database, *(factories.usage_log(each) for each in (acme, acme, other)))
    query = Query(statement="select client_id from usage_logs")

    with pgbouncer.pgbouncer(database.url) as url, closing(Database(url)) as pooled:
        left = pooled.stream(query, client_id=acme, batch_rows=1)
        next(left)
        left.close()  # type: ignore[attr-defined]

        assert list(pooled.stream(query, client_id=other, batch_rows=1)) == [[(other,)]]
        assert list(pooled.stream(query, client_id=acme, batch_rows=1)) == [[(acme,)]] * 2
        [who] = pooled.read(WHO)
        assert who.records[0][1] == ""


def end_connections(database: Database) -> None:
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
