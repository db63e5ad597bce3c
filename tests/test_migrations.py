"""The migrations: applied, repeated, run at the same time, pasted by hand."""

import psycopg
import pytest

from analytics.database import Database
from analytics.errors import DatabaseUnavailable
from analytics.migrations import MIGRATIONS_DIRECTORY, apply_migrations, pending_migrations
from tests import factories, legacy
from tests.connections import at_once, dsn
from tests.naive import wrong_sums
from tests.test_rollups_concurrency import INSERT, TRANSACTIONS

MIGRATIONS = sorted(path.stem for path in MIGRATIONS_DIRECTORY.glob("*.sql"))
"""The order in which they are applied, and pasted."""


def schema(database: Database) -> list[tuple[str, ...]]:
    """Everything that the migrations make, by name and definition."""
    with database.transaction() as connection:
        return connection.execute("""
            select 'relation', oid::regclass::text, relkind::text, relrowsecurity::text || relacl::text
            from pg_class where relnamespace = 'public'::regnamespace and relname !~ 'yoyo'
            union all
            select 'column', attrelid::regclass::text, attname,
                format_type(atttypid, atttypmod) || attnotnull::text
            from pg_attribute inner join pg_class on pg_class.oid = attrelid
            where relnamespace = 'public'::regnamespace and relname !~ 'yoyo' and attnum > 0
            union all
            select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            from pg_constraint
            where connamespace = 'public'::regnamespace and conrelid::regclass::text !~ 'yoyo'
            union all
            select 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid)
            from pg_index inner join pg_class on pg_class.oid = indexrelid
            where relnamespace = 'public'::regnamespace and relname !~ 'yoyo'
            union all
            select 'function', oid::regprocedure::text, coalesce(proacl::text, ''), pg_get_functiondef(oid)
            from pg_proc where pronamespace = 'public'::regnamespace
            union all
            select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
            from pg_trigger where not tgisinternal
            union all
            select 'policy', tablename, policyname, permissive || coalesce(qual, '') from pg_policies
            order by 1, 2, 3, 4
        """).fetchall()


def paste(database: Database) -> None:
    """As Supabase's SQL editor sends a file: one query of many statements."""
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        for name in MIGRATIONS:
            connection.execute((MIGRATIONS_DIRECTORY / f"{name}.sql").read_bytes())


def test_all_are_applied_in_order_and_told(empty_database: Database) -> None:
    told: list[str] = []
    assert pending_migrations(empty_database) == MIGRATIONS

    applied = apply_migrations(empty_database, told.append)

    assert applied == MIGRATIONS
    assert told == [f"applying {name}" for name in MIGRATIONS]
    assert pending_migrations(empty_database) == []


def test_a_second_run_has_nothing_to_do(database: Database) -> None:
    before = schema(database)

    assert apply_migrations(database) == []
    assert schema(database) == before


def test_two_runs_at_once_apply_each_once(empty_database: Database) -> None:
    def migrate(_: object) -> list[str]:
        own = Database(empty_database.url)
        try:
            return apply_migrations(own)
        finally:
            own.close()

    applied = at_once(migrate, migrate, migrate, database=empty_database)

    assert sorted(applied) == [[], [], MIGRATIONS]


def test_pasting_is_the_same_as_migrating(empty_database: Database, database: Database) -> None:
    paste(empty_database)

    assert schema(empty_database) == schema(database)


def test_pasted_twice_and_then_migrated_nothing_changes(empty_database: Database, database: Database) -> None:
    paste(empty_database)
    client_id = factories.client(empty_database, timezone="Asia/Kolkata")
    factories.insert_usage(empty_database, factories.usage_log(client_id))
    empty_database.fold()
    factories.insert_usage(empty_database, factories.usage_log(client_id))

    paste(empty_database)
    assert apply_migrations(empty_database) == MIGRATIONS

    assert schema(empty_database) == schema(database)
    with empty_database.transaction() as connection:
        assert connection.execute("select count(*) from usage_logs").fetchone() == (2,)
        assert wrong_sums(connection) == []


def test_pasting_adopts_an_installation_too(empty_database: Database) -> None:
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        legacy.install(connection)
        legacy.fill(connection, 100)

        paste(empty_database)

        assert connection.execute("select count(*) from usage_logs").fetchone() == (100,)
        assert wrong_sums(connection) == []


def test_migrating_what_was_pasted_while_everybody_writes(database: Database) -> None:
    client_id = factories.client(database)
    with database.transaction() as connection:
        connection.execute("delete from _yoyo_migration")

    def write(connection: "psycopg.Connection[object]") -> int:
        for _ in range(TRANSACTIONS * 4):
            with connection.transaction():
                connection.execute("update clients set name = name where id = %s", [client_id])
                connection.execute(
                    INSERT.replace("%s, %s", "%s, gen_random_uuid()", 1),
                    [client_id, "1", "openai", factories.NOW],
                )
                connection.execute("select * from usage_daily").fetchall()
        return TRANSACTIONS * 4

    def fold(connection: "psycopg.Connection[object]") -> int:
        for _ in range(TRANSACTIONS * 4):
            connection.execute("select fold_usage()")
        return 0

    def migrate(_: object) -> int:
        assert apply_migrations(database) == MIGRATIONS
        return 0

    written = sum(at_once(write, write, write, fold, migrate, database=database))

    with database.transaction() as connection:
        assert connection.execute("select count(*) from usage_logs").fetchone() == (written,)
        assert wrong_sums(connection) == []


def test_a_failing_migration_leaves_the_database_as_it_was(empty_database: Database) -> None:
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        legacy.install(connection)
        legacy.fill(connection, 10)
        connection.execute(
            "create function watch() returns setof usage_logs begin atomic table usage_logs; end"
        )
        before = connection.execute("select * from usage_logs order by id").fetchall()

        with pytest.raises(
            Exception, match="cannot drop table usage_logs because other objects depend on it"
        ):
            apply_migrations(empty_database)

        assert connection.execute("select * from usage_logs order by id").fetchall() == before
        connection.execute("drop function watch")

    assert apply_migrations(empty_database) == MIGRATIONS[1:]


def test_an_unreachable_database_is_named(empty_database: Database) -> None:
    nowhere = Database(empty_database.url.set(query={}, host="127.0.0.1", port=1))

    with pytest.raises(DatabaseUnavailable, match=r"at 127\.0\.0\.1:1"):
        apply_migrations(nowhere)
