"""A distributed installation has the sums and walls of one machine, and doctor sees where it has not.

Runs where TEST_CITUS_URL names the coordinator of a cluster.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from analytics.database import Database, Query
from analytics.distribution import distribute
from analytics.errors import AnalyticsError, DatabaseError
from analytics.health import shard_checks
from analytics.migrations import apply_migrations
from tests import factories
from tests.connections import dsn

TABLES = (
    *("clients", "conversations", "tag_sets", "usage_logs", "usage_pending", "usage_daily_rollup"),
    *("usage_conversation_rollup", "usage_daily", "usage_conversation", "usage_facts_daily", "usage_hourly"),
)


@pytest.fixture
def clients(database: Database) -> list[UUID]:
    """Twelve clients, on all shards: folded and pending calls, a conversation, tags."""
    ids = [factories.client(database, name=f"Client {number}") for number in range(12)]
    for client_id in ids:
        factories.conversation(database, client_id, phone="551", name="Ada")
        with database.transaction() as connection:
            connection.execute('select intern_tags(%s, \'{"feature": "search"}\')', [client_id])
        factories.insert_usage(database, factories.usage_log(client_id, phone="551", tag_set_id=1))
    database.fold()
    factories.insert_usage(database, *[factories.usage_log(client_id, phone="552") for client_id in ids])
    return ids


@pytest.fixture
def nodes(database: Database) -> Iterator[list["psycopg.Connection[tuple[object, ...]]"]]:
    """A connection to each node with shards, which is shown them."""
    [rows] = database.read(
        Query(statement="select nodename, nodeport from pg_dist_node where groupid > 0 order by groupid")
    )
    connections = [
        psycopg.connect(dsn(database.url.set(host=host, port=port)), autocommit=True)
        for host, port in rows.records
    ]
    for connection in connections:
        connection.execute("set citus.override_table_visibility = off")
        connection.execute("set citus.enable_ddl_propagation = off")
        connection.execute("set citus.enable_manual_changes_to_shards = on")
    yield connections
    for connection in connections:
        connection.close()


def failed(database: Database) -> list[str]:
    return [check.name for check in shard_checks(database) if check.state != "ok"]


def test_all_checks_are_fine_and_each_client_lies_on_one_of_the_nodes(
    database: Database, clients: list[UUID]
) -> None:
    assert len(shard_checks(database)) == 7
    assert failed(database) == []
    [rows] = database.read(
        Query(
            statement="select count(distinct nodeport) from pg_dist_shard_placement"
            " where shardid in (select shards.of_client(id) from clients)"
        )
    )
    assert rows.records == [(2,)]


@pytest.mark.parametrize("table", TABLES)
def test_a_reader_sees_its_one_client(database: Database, clients: list[UUID], table: str) -> None:
    column = "id" if table == "clients" else "client_id"
    statement = f"select distinct {column} from {table}"  # noqa: S608
    for client_id in clients[:4]:
        [rows] = database.read(Query(statement=statement), client_id=client_id)
        assert rows.records == [(client_id,)]


def test_functions_of_another_client_show_nothing(database: Database, clients: list[UUID]) -> None:
    [rows] = database.read(
        Query(
            statement="select count(*) from get_usage_by_conversation(%(other)s, 30, 20, %(now)s)",
            parameters={"other": clients[1], "now": factories.NOW},
        ),
        client_id=clients[0],
    )
    assert rows.records == [(0,)]


def test_sums_are_those_of_calls_after_all_that_writers_do(database: Database, clients: list[UUID]) -> None:
    first, second, third, *_ = clients
    with database.transaction() as connection:
        connection.execute(
            "update usage_logs set total_tokens = total_tokens + 7 where client_id = %s", [first]
        )
        connection.execute("delete from usage_logs where client_id = %s and phone = '551'", [second])
        connection.execute("update clients set timezone = 'Asia/Tokyo' where id = %s", [third])
    with database.transaction() as connection, connection.transaction(force_rollback=True):
        connection.execute("delete from usage_logs where client_id = %s", [first])
    late = factories.NOW.replace(hour=20)
    factories.insert_usage(database, factories.usage_log(third, created_at=late, total_tokens=11))

    for client_id in clients:
        assert factories.call(database, "*", "check_usage_sums", client_id, "2000-01-01", "2100-01-01") == []
    totals = "coalesce(sum(total_tokens), 0)::int, coalesce(sum(request_count), 0)::int"
    for client_id, expected in ((first, (474, 2)), (second, (230, 1)), (third, (471, 3))):
        [rows] = database.read(
            Query(
                statement=f"select {totals} from usage_daily where client_id = %(id)s",  # noqa: S608
                parameters={"id": client_id},
            ),
            client_id=client_id,
        )
        assert rows.records == [expected]
    [days] = database.read(
        Query(
            statement="select usage_date::text from usage_daily where client_id = %(id)s order by 1",
            parameters={"id": third},
        )
    )
    assert days.records == [("2026-03-18",), ("2026-03-19",)]


def test_a_deleted_client_leaves_nothing(database: Database, clients: list[UUID]) -> None:
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [clients[0]])
    for table in TABLES[1:]:
        [rows] = database.read(Query(statement=f"select count(distinct client_id) from {table}"))  # noqa: S608
        assert rows.records == [(11,)]


def _on_a_shard(statement: str, table: str = "usage_logs") -> Callable[..., None]:
    def spoil(nodes: list["psycopg.Connection[tuple[object, ...]]"], database: Database) -> None:
        [(shard,)] = (
            nodes[0]
            .execute(
                "select name_here from shards.names((select min(here) from shards.here() as here))"
                " where name = %s",
                [table],
            )
            .fetchall()
        )
        number = str(shard).rpartition("_")[2]
        nodes[0].execute(statement.format(shard=shard, number=number).encode())

    return spoil


def _on_the_coordinator(statement: str) -> Callable[..., None]:
    def spoil(nodes: list["psycopg.Connection[tuple[object, ...]]"], database: Database) -> None:
        with database.transaction() as connection:
            for part in statement.split(";"):
                connection.execute(part.encode())

    return spoil


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (
            _on_a_shard("create policy may_read on {shard} for select to analytics_reader using (true)"),
            "Row-level security on shards",
        ),
        (_on_a_shard("alter table {shard} disable row level security"), "Row-level security on shards"),
        (_on_a_shard("revoke select on {shard} from analytics_reader"), "Rights on shards"),
        (_on_a_shard("alter table {shard} disable trigger user"), "Triggers on shards"),
        (
            _on_a_shard("drop trigger record_inserted_usage_{number} on {shard}"),
            "Triggers on shards",
        ),
        (_on_a_shard("drop schema usage_{number} cascade"), "Functions on shards"),
        (_on_a_shard("comment on schema usage_{number} is 'of before'"), "Functions on shards"),
        (
            _on_the_coordinator("drop trigger renew_price_list on model_prices"),
            "Price list revision",
        ),
        (
            _on_the_coordinator("revoke select on usage_conversation_rollup from analytics_reader"),
            "Top conversations",
        ),
        (
            _on_the_coordinator(
                "drop policy analytics_reader_reads_one_client on usage_logs;"
                " create policy open on usage_logs for select to analytics_reader using (true)"
            ),
            "Readers see one client",
        ),
    ],
)
def test_what_went_wrong_in_silence_is_found(
    database: Database,
    clients: list[UUID],
    nodes: list["psycopg.Connection[tuple[object, ...]]"],
    spoil: Callable[..., None],
    found: str,
) -> None:
    spoil(nodes, database)

    assert found in failed(database)


def test_a_moved_shard_takes_no_call_until_it_has_its_functions(
    database: Database, clients: list[UUID]
) -> None:
    client_id = clients[0]
    with database.transaction() as connection:
        [(shard, source, target)] = connection.execute(
            """
            select placement.shardid, here.nodeport, other.nodeport
            from pg_dist_placement as placement
            inner join pg_dist_node as here on here.groupid = placement.groupid
            inner join pg_dist_node as other on other.groupid <> placement.groupid and other.shouldhaveshards
            where placement.shardid = shards.of_client(%s)
            """,
            [client_id],
        ).fetchall()
    host = database.url.host
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(
            "select citus_move_shard_placement(%s, %s, %s, %s, %s, 'block_writes')",
            [shard, host, source, host, target],
        )

    with pytest.raises(AnalyticsError, match="came to this node without its"):
        factories.insert_usage(database, factories.usage_log(client_id))
    with pytest.raises(DatabaseError, match="came to this node without its functions"):
        factories.call(database, "*", "get_daily_usage", client_id)
    assert "Functions on shards" in failed(database)

    distribute(database, shard_count=4)

    factories.insert_usage(database, factories.usage_log(client_id))
    assert factories.call(database, "*", "check_usage_sums", client_id, "2000-01-01", "2100-01-01") == []
    assert failed(database) == []


def test_migrating_again_keeps_it_distributed(database: Database, clients: list[UUID]) -> None:
    with database.transaction() as connection:
        connection.execute("update applied_sql set sha256 = 'of before' where name = 'functions/overview'")

    applied = apply_migrations(database)

    assert {"functions/overview", "functions/sums", "citus/functions"} <= set(applied)
    assert failed(database) == []
    factories.insert_usage(database, factories.usage_log(clients[0]))
    assert factories.call(database, "*", "check_usage_sums", clients[0], "2000-01-01", "2100-01-01") == []
    assert apply_migrations(database) == []


def test_the_same_policies_on_a_table_with_one_that_is_open_are_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("create policy everybody_as_before on conversations using (true)")
    tables = sql.SQL("delete from applied_sql where name like 'citus/%'")
    with database.transaction() as connection:
        connection.execute(tables)

    with pytest.raises(DatabaseError, match="would open it to readers of other clients"):
        distribute(database, shard_count=4)
