"""Supabase's default grants: its visitors may do anything with all that is made, and get nothing of it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from analytics.access.keys import create_key
from analytics.access.members import add_member
from analytics.database import Database
from analytics.migrations import apply_migrations, as_one_text, pending_migrations
from analytics.pricing.editing import add_price, checked_price
from tests import factories, legacy, repricing
from tests.connections import dsn
from tests.test_access_matrix import PARAMETERS, STATEMENTS, cells
from tests.test_migrations import install_first_main

VISITORS = ("anon", "authenticated")
ROLES = (*VISITORS, "service_role")
ACME = UUID(int=1)
REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ObjectNotInPrerequisiteState,  # a view that nobody can write to
)


@pytest.fixture
def supabase(empty_database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """An empty database with Supabase's roles and default grants; the owner's connection to it."""
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        for name in ROLES:
            role = sql.Identifier(name)
            bypass = sql.SQL("bypassrls" if name == "service_role" else "")
            connection.execute(sql.SQL("create role {} nologin {}").format(role, bypass))
            connection.execute(sql.SQL("grant usage on schema public to {}").format(role))
            for kind in ("tables", "sequences", "functions"):
                connection.execute(
                    sql.SQL("alter default privileges in schema public grant all on {} to {}").format(
                        sql.SQL(kind), role
                    )
                )
        try:
            yield connection
        finally:
            for name in ROLES:
                connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def use(database: Database) -> None:
    """Something in each table: usage folded and pending, a correction, a price, a member, a key."""
    if not any(client_id == ACME for (client_id,) in rows(database, "select id from clients")):
        factories.client(database, id=ACME)
    factories.conversation(database, ACME, phone="5511999999999", name="Ada")
    factories.insert_usage(database, factories.usage_log(ACME))
    repricing.correct_a_call(database, ACME)
    database.fold()
    factories.insert_usage(database, factories.usage_log(ACME))
    add_member(database, "ada@example.com", None, "admin")
    create_key(database, str(ACME), "read", "test")
    price = checked_price(
        source="openai", model="x", unit="minute", input_usd="1", client_id=None, effective_from=None
    )
    add_price(database, price, reference="", note="")


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def relations(connection: "psycopg.Connection[Any]") -> list[tuple[str, str]]:
    """All of the schema that has rows or numbers, whoever made it, and what it is."""
    found = connection.execute("""
        select relname, relkind::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'p', 'f', 'S')
        order by 1
    """).fetchall()
    assert {"applied_sql", "usage_logs", "usage_daily"} <= {name for name, _ in found}
    return found


def gains(connection: "psycopg.Connection[Any]", visitor: str, statement: sql.Composed | str) -> int:
    """How many rows somebody reads or changes by it; 0 where it is refused. Nothing of it stays."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(visitor)))
        try:
            cursor = connection.execute(statement, PARAMETERS)  # type: ignore[arg-type]
        except REFUSED:
            return 0
        if cursor.description is None:
            return 1 if cursor.statusmessage == "TRUNCATE TABLE" else cursor.rowcount
        return sum(any(value not in (None, 0) for value in row) for row in cursor.fetchall())


def of_relation(name: str, kind: str, columns: list[str]) -> Iterator[sql.Composed]:
    relation = sql.Identifier(name)
    if kind == "S":
        for function in ("nextval({})", "setval({}, 7)"):
            yield sql.SQL("select " + function).format(sql.Literal(name))
        yield sql.SQL("select last_value from {}").format(relation)
        return
    yield sql.SQL("select 1 from {}").format(relation)
    yield sql.SQL("insert into {} default values").format(relation)
    yield sql.SQL("update {} set {column} = {column}").format(relation, column=sql.Identifier(columns[0]))
    yield sql.SQL("delete from {}").format(relation)
    if kind in "rp":
        yield sql.SQL("truncate {} cascade").format(relation)


def assert_closed(connection: "psycopg.Connection[Any]") -> None:
    """Whatever stands in the schema: its visitors read nothing of it, and change nothing."""
    opened = {}
    for name, kind in relations(connection):
        found = connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0",
            [name],
        ).fetchall()
        for visitor in VISITORS:
            for statement in of_relation(name, kind, [column for (column,) in found]):
                if got := gains(connection, visitor, statement):
                    opened[visitor, statement.as_string()] = got
    assert opened == {}

    # Row-level security has no say in these.
    found = connection.execute(
        """
        select relname, visitor, privilege from pg_class
        cross join unnest(%s::text[]) as visitor
        cross join unnest(array['truncate', 'references', 'trigger']) as privilege
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and has_table_privilege(visitor, pg_class.oid, privilege)
        """,
        [list(VISITORS)],
    ).fetchall()
    assert found == []


def assert_no_function_helps(connection: "psycopg.Connection[Any]") -> None:
    """Those that run with their owner's rights are refused; all others read as the visitor, so nothing."""
    found = connection.execute(
        """
        select proname, visitor from pg_proc cross join unnest(%s::text[]) as visitor
        where pronamespace = 'public'::regnamespace and (prosecdef or prokind = 'p')
            and has_function_privilege(visitor, pg_proc.oid, 'execute')
        """,
        [list(VISITORS)],
    ).fetchall()
    assert found == []

    rest = connection.execute("""
        select proname from pg_proc
        where pronamespace = 'public'::regnamespace and not prosecdef and prokind = 'f'
            and prorettype <> 'trigger'::regtype
    """).fetchall()
    # Whatever has to do with clients.
    reads = [
        STATEMENTS[name]
        for (name,) in rest
        if " from " in STATEMENTS.get(name, "") and set(cells("function").get(name, ())) != {"same"}
    ]
    assert len(reads) > 10
    for visitor in VISITORS:
        assert {read: got for read in reads if (got := gains(connection, visitor, read))} == {}


def test_visitors_get_nothing_of_a_new_database(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    apply_migrations(empty_database)
    use(empty_database)

    assert_closed(supabase)
    assert_no_function_helps(supabase)


def test_visitors_get_nothing_of_one_into_which_it_was_pasted(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    supabase.execute(as_one_text().encode())
    assert pending_migrations(empty_database) == []
    assert_closed(supabase)

    assert apply_migrations(empty_database) == []
    use(empty_database)
    assert_closed(supabase)
    assert_no_function_helps(supabase)


def test_bookkeeping_that_was_open_is_closed_by_the_next_migrate(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    apply_migrations(empty_database)
    supabase.execute("alter table applied_sql disable row level security")
    supabase.execute("grant all on applied_sql to anon, authenticated")
    marked = "insert into applied_sql (name) values ('999_x')"
    assert gains(supabase, "anon", marked) == 1

    assert apply_migrations(empty_database) == []

    assert gains(supabase, "anon", marked) == 0
    assert_closed(supabase)


def test_the_open_bookkeeping_of_the_first_main_is_gone(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    install_first_main(empty_database)
    for table in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"):
        name = sql.Identifier(table)
        supabase.execute(sql.SQL("alter table {} disable row level security").format(name))
        supabase.execute(sql.SQL("grant all on {} to anon, authenticated").format(name))

    apply_migrations(empty_database)
    use(empty_database)

    assert not any("yoyo" in name for name, _ in relations(supabase))
    assert_closed(supabase)
    assert_no_function_helps(supabase)


def test_a_function_that_comes_later_is_no_visitors_either(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    apply_migrations(empty_database)
    supabase.execute("drop function fold_usage")

    assert apply_migrations(empty_database) == ["functions/sums", "functions/access"]

    assert_no_function_helps(supabase)


def test_an_adopted_application_keeps_its_own_policies_and_no_more(
    supabase: "psycopg.Connection[Any]", empty_database: Database
) -> None:
    legacy.install(supabase)
    supabase.execute("create policy mine on usage_logs for select to authenticated using (model = 'mine')")
    apply_migrations(empty_database)
    factories.insert_usage(empty_database, factories.usage_log(ACME, model="mine"))
    factories.insert_usage(empty_database, factories.usage_log(ACME, model="theirs"))

    assert gains(supabase, "authenticated", "select model from usage_logs") == 1
    assert gains(supabase, "authenticated", "delete from usage_logs") == 0
    assert gains(supabase, "authenticated", "truncate usage_logs") == 0
    assert gains(supabase, "anon", "select model from usage_logs") == 0
