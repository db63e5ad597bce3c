"""As `analytics_reader`, a query that forgets its `where` still sees one client."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics.database import Database, Query
from analytics.errors import DatabaseError
from tests import factories, repricing
from tests.clones import Clones, make_read_only

TABLES = [
    "clients",
    "conversations",
    "usage_logs",
    "usage_pending",
    "usage_daily_rollup",
    "usage_conversation_daily_rollup",
    "usage_conversation_rollup",
    "usage_conversation_weekly_rollup",
    "usage_conversation_kind_rollup",
    "usage_kinds",
    "usage_hour_rollup",
    "usage_tag_rollup",
    "usage_latency_rollup",
    "usage_days_to_sum",
    "tag_sets",
    "cost_corrections",
    "cost_correction_items",
    *("budgets", "budget_versions", "alert_events", "alert_mutes"),
]
VIEWS = [
    *("usage_daily", "usage_conversation_daily", "usage_conversation", "usage_facts_daily", "usage_hourly"),
    *("usage_tagged_daily", "usage_latency_daily"),
]
PRICES = ["model_prices", "price_list"]
"""The installation's are everybody's: tests/test_prices.py says who sees which."""
ACCESS = [
    *("members", "api_keys", "phone_secret", "alert_deliveries", "alert_checks"),
    *("dropped_calls", "erasures", "retention_rules", "retention_runs"),
]
"""No reader's at all: who may see what is decided before anything is read as a client."""
APPLIED = ["applied_sql"]
"""Everybody's who reads: which files of sql/ made the tables."""


@pytest.fixture
def clients(database: Database) -> list[UUID]:
    return fill(database)


@pytest.fixture(scope="module")
def filled(clones: Clones, migrated_template: str) -> Iterator[tuple[Database, list[UUID]]]:
    """One for all tests that only read."""
    with clones.copy(migrated_template) as database:
        ids = fill(database)
        make_read_only(database)
        yield database, ids


def fill(database: Database) -> list[UUID]:
    """Two clients with a conversation, folded and pending usage and a correction; calls without a client."""
    ids = [factories.client(database, name=name) for name in ("Acme", "Other")]
    for client_id in ids:
        factories.conversation(database, client_id, phone="551", name="Ada")
    with database.transaction() as connection:
        for client_id in ids:
            connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb({"feature": "search"})])
            connection.execute("insert into usage_days_to_sum values (%s, '2026-03-01')", [client_id])
    logs = [
        factories.usage_log(client_id, phone="551", tag_set_id=1, latency_ms=900)  # type: ignore[arg-type]
        for client_id in [*ids, None]
    ]
    factories.insert_usage(database, *logs)
    for client_id in ids:
        repricing.correct_a_call(database, client_id)
        factories.budget(database, client_id)
        factories.alert_event(database, client_id)
        factories.alert_mute(database, client_id)
        factories.insert_usage(
            database,
            factories.usage_log(client_id, conversation_id=UUID(int=1), bucket_request_count=100),
        )
    database.fold()
    factories.insert_usage(database, *logs)
    return ids


@contextmanager
def reading_as(
    database: Database, client_id: object, mode: str = "read only"
) -> Iterator["psycopg.Connection[Any]"]:
    with database.transaction() as connection:
        connection.execute(f"set transaction {mode}")
        if client_id is not None:
            connection.execute(sql.SQL("set local app.client_id = {}").format(str(client_id)))
        connection.execute("set local role analytics_reader")
        yield connection


def test_the_list_is_complete(database: Database) -> None:
    with database.transaction() as connection:
        relations = connection.execute("""
            select
                relname, relkind = 'v' or relrowsecurity,
                coalesce('security_invoker=true' = any (reloptions), false)
            from pg_class
            where
                relnamespace = 'public'::regnamespace
                and relkind in ('r', 'v', 'm', 'p')
                -- Citus shows its own there.
                and not exists (select from pg_depend where objid = pg_class.oid and deptype = 'e')
        """).fetchall()

    assert sorted(name for name, _, _ in relations) == sorted(TABLES + VIEWS + PRICES + ACCESS + APPLIED)
    assert all(is_secured for _, is_secured, _ in relations)
    assert {name for name, _, is_invokers in relations if is_invokers} == set(VIEWS)


@pytest.mark.parametrize("table", TABLES + VIEWS)
def test_a_reader_sees_its_one_client(filled: tuple[Database, list[UUID]], table: str) -> None:
    database, clients = filled
    column = "id" if table == "clients" else "client_id"
    for client_id in clients:
        with reading_as(database, client_id) as connection:
            seen = connection.execute(f"select distinct {column} from {table}").fetchall()  # noqa: S608
        assert seen == [(client_id,)]


@pytest.mark.parametrize("client_id", [None, "", uuid4()])
@pytest.mark.parametrize("table", TABLES + VIEWS)
def test_a_reader_of_no_client_sees_nothing(
    filled: tuple[Database, list[UUID]], table: str, client_id: object
) -> None:
    database, _ = filled
    with reading_as(database, client_id) as connection:
        assert connection.execute(f"select * from {table}").fetchall() == []  # noqa: S608


@pytest.mark.parametrize("table", ACCESS)
def test_a_reader_sees_neither_members_nor_keys(filled: tuple[Database, list[UUID]], table: str) -> None:
    database, clients = filled
    with pytest.raises(DatabaseError, match=f"permission denied for table {table}"):
        database.read(Query(statement=f"select * from {table}"), client_id=clients[0])  # noqa: S608


@pytest.mark.parametrize(
    ("call", "empty"),
    [
        ("get_daily_usage(%s, 2, %s)", 0),
        ("get_weekly_evolution(%s, 2, %s)", 0),
        ("get_usage_summary(%s, 2, %s)", 0),
        ("get_usage_by_model(%s, 2, %s)", 0),
        ("get_usage_by_conversation(%s, 2, 20, %s)", 0),
        ("get_monthly_summary(%s, 2026, 3, %s)", 0),
    ],
)
def test_functions_answer_a_reader_for_its_client_only(
    filled: tuple[Database, list[UUID]], call: str, empty: int
) -> None:
    database, (own, other) = filled
    statement = f"select * from {call}"  # noqa: S608
    with database.transaction() as connection:
        everything = connection.execute(statement, [own, factories.NOW]).fetchall()

    with reading_as(database, own) as connection:
        assert connection.execute(statement, [own, factories.NOW]).fetchall() == everything
        assert len(connection.execute(statement, [other, factories.NOW]).fetchall()) == empty
    assert everything


@pytest.mark.parametrize(
    "statement",
    [
        *[f"delete from {table}" for table in TABLES + PRICES + ACCESS],  # noqa: S608
        *[f"truncate {table}" for table in TABLES + PRICES + ACCESS],
        "insert into members (email, role) values ('eve@example.com', 'admin')",
        "update api_keys set revoked_at = null",
        "update clients set name = 'x'",
        "insert into usage_logs (phone, source) values ('1', 'openai')",
        "insert into clients (name) values ('x')",
        "create table own (id integer)",
    ],
)
def test_a_reader_cannot_write(filled: tuple[Database, list[UUID]], statement: str) -> None:
    database, clients = filled
    with (
        pytest.raises(Exception, match="permission denied"),
        reading_as(database, clients[0], "read write") as connection,
    ):
        connection.execute(statement)


def test_a_reader_may_fold_and_nothing_changes_for_anybody(database: Database, clients: list[UUID]) -> None:
    with reading_as(database, clients[0], "read write") as connection:
        before = connection.execute("select * from usage_daily").fetchall()
        assert connection.execute("select fold_usage()").fetchone() == (3,)
        assert connection.execute("select * from usage_daily").fetchall() == before


def test_others_may_not_fold(database: Database) -> None:
    with database.transaction() as connection:
        roles = connection.execute("""
            select rolname from pg_roles
            where has_function_privilege(rolname, 'fold_usage()', 'execute')
                and not rolsuper and rolname !~ '^pg_'
        """).fetchall()
    assert roles == [("analytics_reader",)]
