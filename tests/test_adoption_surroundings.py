"""What an installation built around its usage_logs comes along, or is named when it stands in the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from analytics.database import Database
from analytics.errors import DatabaseError
from analytics.migrations import apply_migrations
from tests.legacy import ACME, OTHER, insert, row_of
from tests.naive import wrong_sums


@contextmanager
def acting_as(connection: "psycopg.Connection[Any]", role: sql.Identifier) -> Iterator[None]:
    connection.execute(sql.SQL("set role {}").format(role))
    try:
        yield
    finally:
        connection.execute("reset role")


def test_columns_of_the_installations_own_come_along(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    installation.execute("""
        alter table usage_logs
            add column "Our Tag" text default 'none',
            add column version integer,
            add column dropped integer,
            add column number bigserial,
            add column counted integer generated always as identity,
            add column doubled bigint generated always as (total_tokens * 2) stored
    """)
    installation.execute("alter table usage_logs drop column dropped")
    columns = '"Our Tag", version, number, counted, doubled'
    old = insert(installation, client_id=ACME, version=4, total_tokens=6, **{"Our Tag": "x"})
    assert row_of(installation, old, columns) == ("x", 4, 1, 1, 12)

    apply_migrations(empty_database)

    assert row_of(installation, old, columns) == ("x", 4, 1, 1, 12)
    new = insert(installation, client_id=ACME, total_tokens=8)
    tag, version, number, counted, doubled = row_of(installation, new, columns) or ()
    assert (tag, version, doubled) == ("none", None, 16)
    assert number > 1
    assert counted > 1


def test_policies_grants_triggers_and_publications_come_along(
    role: sql.Identifier, installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    installation.execute("create publication changes for table usage_logs")
    installation.execute("alter table usage_logs replica identity full")
    for statement in (
        "create policy own on usage_logs for select to {} using (phone = '551')",
        "create policy anything on usage_logs for insert to {} with check (true)",
        "grant select, insert on usage_logs to {}",
        "grant update (model) on usage_logs to {}",
        "alter default privileges in schema public grant all on tables to {}",
    ):
        installation.execute(sql.SQL(statement).format(role))
    installation.execute("""
        create function tag() returns trigger language plpgsql as
            $$ begin new.model := 'tagged'; return new; end $$;
        create function fail() returns trigger language plpgsql as
            $$ begin raise exception 'no'; end $$;
        create trigger tag before insert on usage_logs for each row execute function tag();
        create trigger fail before insert on usage_logs for each row execute function fail();
        alter table usage_logs disable trigger fail;
    """)

    apply_migrations(empty_database)

    with acting_as(installation, role):
        installation.execute(
            "insert into usage_logs (client_id, phone, source) values (%s, '551', 'groq')", [ACME]
        )
        installation.execute(
            "insert into usage_logs (client_id, phone, source) values (%s, '552', 'groq')", [ACME]
        )
        assert installation.execute("select phone, model from usage_logs").fetchall() == [("551", "tagged")]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            installation.execute("delete from usage_logs")
    assert installation.execute(
        "select has_column_privilege(%(role)s, 'usage_logs', 'model', 'update'),"
        " has_column_privilege(%(role)s, 'usage_logs', 'phone', 'update')",
        {"role": role.as_string().strip('"')},
    ).fetchone() == (True, False)
    assert installation.execute(
        "select tablename from pg_publication_tables where pubname = 'changes'"
    ).fetchall() == [("usage_logs",)]
    assert installation.execute(
        "select relreplident from pg_class where oid = 'usage_logs'::regclass"
    ).fetchone() == ("f",)


def test_tables_that_were_open_stay_usable(
    role: sql.Identifier, installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    installation.execute("alter table usage_logs disable row level security")
    installation.execute(
        sql.SQL("grant select, insert, update, delete on clients, conversations, usage_logs to {}").format(
            role
        )
    )

    apply_migrations(empty_database)

    with acting_as(installation, role):
        assert installation.execute("select count(*) from clients").fetchone() == (2,)
        installation.execute("insert into clients (name) values ('New')")
        installation.execute("update conversations set name = 'Eve' where phone = '551'")
        insert(installation, client_id=ACME, total_tokens=5)
        insert(installation, client_id=None)
        assert installation.execute("update usage_logs set total_tokens = 6").rowcount == 2
    assert wrong_sums(installation) == []


def test_its_owner_stays_the_owner(
    role: sql.Identifier, installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    installation.execute(sql.SQL("grant all on schema public to {}").format(role))
    installation.execute(sql.SQL("grant select on clients, conversations to {}").format(role))
    installation.execute(sql.SQL("alter table usage_logs owner to {}").format(role))

    apply_migrations(empty_database)

    with acting_as(installation, role):
        insert(installation, client_id=OTHER, total_tokens=5)
        assert installation.execute("select count(*) from usage_logs").fetchone() == (1,)
    assert wrong_sums(installation) == []


@pytest.mark.parametrize(
    ("obstacle", "message"),
    [
        ("create view recent as select * from usage_logs", "view recent reads usage_logs.* drop it"),
        (
            "create table notes (log_id uuid references usage_logs)",
            "foreign key .* of table notes .* drop it",
        ),
    ],
)
def test_what_stands_in_the_way_is_named_and_nothing_is_changed(
    installation: "psycopg.Connection[Any]", empty_database: Database, obstacle: str, message: str
) -> None:
    insert(installation, client_id=ACME)
    installation.execute(obstacle)

    with pytest.raises((DatabaseError, psycopg.Error), match=message):
        apply_migrations(empty_database)

    assert installation.execute("select count(*) from usage_logs").fetchone() == (1,)
    assert installation.execute("select to_regclass('usage_pending')").fetchone() == (None,)


def test_the_guides_own_functions_are_replaced(
    installation: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    installation.execute("""
        create function get_daily_usage(p_client_id uuid, p_days integer default 30) returns table (date date)
            language sql as 'select current_date'
    """)

    apply_migrations(empty_database)

    rows = installation.execute(
        "select date, source, total_cost from get_daily_usage(%s, 1)", [ACME]
    ).fetchall()
    assert [row[1:] for row in rows] == [("groq", 0), ("openai", 0)]
