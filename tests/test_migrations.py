"""The files of sql/: applied, repeated, run at the same time, pasted by hand, brought up to date."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from analytics import locks, migrations
from analytics.database import Database
from analytics.errors import DatabaseError, DatabaseUnavailable
from analytics.migrations import (
    SQL_DIRECTORY,
    SqlFile,
    apply_migrations,
    as_one_text,
    pending_migrations,
    sql_files,
)
from tests import factories, legacy
from tests.connections import at_once, dsn
from tests.legacy import ACME
from tests.naive import wrong_sums
from tests.test_rollups_concurrency import INSERT, TRANSACTIONS

FILES_AND_ADOPTION = [file.name for file in sql_files()]
"""The order in which they are applied to the original's tables, and pasted."""
MIGRATIONS = [name for name in FILES_AND_ADOPTION if name != "adopt_original"]
"""The same for all other databases."""
FIRST_MAIN = Path(__file__).parent / "schema_of_first_main.sql"
OWN_OF_ORIGINAL = {
    *(("relation", "clients"), ("column", "clients"), ("constraint", "clients"), ("policy", "clients")),
    *(("relation", "conversations"), ("column", "conversations"), ("constraint", "conversations")),
    *(("policy", "conversations"), ("index", "conversations_pkey"), ("column", "conversations_pkey")),
    *(("index", "conversations_client_id_phone_key"), ("column", "conversations_client_id_phone_key")),
}
"""What an adopted installation has of its own: these tables stay as they are, with more columns."""


def schema(database: Database) -> list[tuple[str, ...]]:
    """Everything that is in the database's schema, by name and definition."""
    with database.transaction() as connection:
        return connection.execute("""
            select
                'relation' as kind, oid::regclass::text as name, relkind::text as part,
                concat_ws(' ', relrowsecurity, relforcerowsecurity, relacl, reloptions, relreplident) as text
            from pg_class where relnamespace = 'public'::regnamespace
            union all
            select
                'column', attrelid::regclass::text, attname,
                concat_ws(
                    ' ', attnum, format_type(atttypid, atttypmod), attnotnull, attacl, attidentity,
                    pg_get_expr(adbin, adrelid)
                )
            from pg_attribute
            inner join pg_class on pg_class.oid = attrelid
            left join pg_attrdef on adrelid = attrelid and adnum = attnum
            where relnamespace = 'public'::regnamespace and attnum > 0
            union all
            select 'constraint', conrelid::regclass::text, conname, concat_ws(
                ' ', pg_get_constraintdef(oid), convalidated
            )
            from pg_constraint where connamespace = 'public'::regnamespace
            union all
            select 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid)
            from pg_index inner join pg_class on pg_class.oid = indexrelid
            where relnamespace = 'public'::regnamespace
            union all
            select 'view', oid::regclass::text, '', pg_get_viewdef(oid)
            from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
            union all
            select 'function', oid::regprocedure::text, coalesce(proacl::text, ''), case prokind
                when 'a' then (
                    select concat_ws(' ', aggtransfn, aggtranstype::regtype, aggcombinefn)
                    from pg_aggregate where aggfnoid = pg_proc.oid
                )
                else pg_get_functiondef(oid)
            end
            from pg_proc where pronamespace = 'public'::regnamespace
            union all
            select 'type', typname, typtype::text, typcategory::text
            from pg_type where typnamespace = 'public'::regnamespace
            union all
            select
                'trigger', tgrelid::regclass::text, tgname,
                concat_ws(' ', pg_get_triggerdef(oid), tgenabled)
            from pg_trigger where not tgisinternal
            union all
            select
                'policy', tablename, policyname, concat_ws(' ', permissive, roles, cmd, qual, with_check)
            from pg_policies
            order by 1, 2, 3, 4
        """).fetchall()


def paste(database: Database) -> None:
    """As Supabase's SQL editor sends a text: one query of many statements, in one transaction."""
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(as_one_text().encode())


def install_first_main(database: Database) -> None:
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(FIRST_MAIN.read_bytes())


@pytest.fixture
def sql_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of sql/ that a test may change, as another version has it."""
    directory = tmp_path / "sql"
    shutil.copytree(SQL_DIRECTORY, directory)
    monkeypatch.setattr(migrations, "SQL_DIRECTORY", directory)
    return directory


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
    assert pending_migrations(empty_database) == []


def test_one_file_after_the_other_is_the_same_as_all_at_once(
    empty_database: Database, database: Database
) -> None:
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        connection.execute("set check_function_bodies = off")
        connection.execute((SQL_DIRECTORY / "bookkeeping.sql").read_bytes())
        for file in sql_files():
            with connection.transaction():
                connection.execute(file.text.encode())
                connection.execute("call record_applied_sql(%s, %s)", [file.name, file.sha256])

    assert schema(empty_database) == schema(database)
    assert pending_migrations(empty_database) == []


@pytest.mark.parametrize("way", [apply_migrations, paste])
def test_what_the_first_main_made_becomes_the_same(
    way: Callable[[Database], object], empty_database: Database, database: Database
) -> None:
    install_first_main(empty_database)
    assert schema(empty_database) != schema(database)
    with empty_database.transaction() as connection:
        connection.execute("delete from model_prices where source = 'groq'")
        kept = """
            select
                row(
                    price.id, source, model, unit, input_usd, cached_input_usd, output_usd,
                    effective_from, effective_until, reference, note, changed_at
                )::text,
                price_list::text, phone_secret::text
            from model_prices as price, price_list, phone_secret
            order by 1
        """
        before = connection.execute(kept).fetchall()
    client_id = factories.client(empty_database, timezone="Asia/Kolkata")
    factories.insert_usage(empty_database, factories.usage_log(client_id))
    empty_database.fold()
    factories.insert_usage(empty_database, factories.usage_log(client_id))

    way(empty_database)

    assert schema(empty_database) == schema(database)
    assert pending_migrations(empty_database) == []
    factories.insert_usage(empty_database, factories.usage_log(client_id))
    with empty_database.transaction() as connection:
        assert connection.execute(kept).fetchall() == before
        assert connection.execute("select sum(request_count) from usage_daily").fetchone() == (3,)
        assert wrong_sums(connection) == []


def test_of_the_first_main_only_what_is_new_is_applied(empty_database: Database) -> None:
    install_first_main(empty_database)
    new = [name for name in MIGRATIONS if name.startswith("functions/") or name[:3] > "020"]
    assert pending_migrations(empty_database) == new

    assert apply_migrations(empty_database) == new


def test_yoyos_tables_stay_where_another_application_uses_them(empty_database: Database) -> None:
    install_first_main(empty_database)
    with empty_database.transaction() as connection:
        connection.execute("insert into _yoyo_migration (migration_hash, migration_id) values ('x', '1_own')")

    apply_migrations(empty_database)
    assert apply_migrations(empty_database) == []

    with empty_database.transaction() as connection:
        assert connection.execute("select count(*) from _yoyo_migration").fetchone() == (12,)


def test_a_fresh_database_and_an_adopted_one_have_the_same_schema(
    installation: "psycopg.Connection[object]", empty_database: Database, database: Database
) -> None:
    legacy.fill(installation, 100)

    assert apply_migrations(empty_database) == FILES_AND_ADOPTION

    def ours(of: Database) -> list[tuple[str, ...]]:
        return [row for row in schema(of) if row[:2] not in OWN_OF_ORIGINAL and row[2] != "messages_sent"]

    assert ours(empty_database) == ours(database)


def test_pasted_twice_and_then_migrated_nothing_changes(empty_database: Database, database: Database) -> None:
    paste(empty_database)
    client_id = factories.client(empty_database, timezone="Asia/Kolkata")
    factories.insert_usage(empty_database, factories.usage_log(client_id))
    empty_database.fold()
    factories.insert_usage(empty_database, factories.usage_log(client_id))

    paste(empty_database)
    assert apply_migrations(empty_database) == []

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
    assert pending_migrations(empty_database) == []


def test_a_function_that_changes_is_applied_with_its_file_alone(
    sql_directory: Path, database: Database
) -> None:
    live = sql_directory / "functions" / "live.sql"
    live.write_text(live.read_text(encoding="utf-8") + "\n-- Another one.\n", encoding="utf-8")
    assert pending_migrations(database) == ["functions/live"]

    # What closes functions to visitors comes along.
    assert apply_migrations(database) == ["functions/live", "functions/access"]
    assert pending_migrations(database) == []


def test_functions_may_stand_in_any_order_and_in_any_file(
    sql_directory: Path, empty_database: Database
) -> None:
    days, zones = sql_directory / "functions" / "days.sql", sql_directory / "functions" / "zones.sql"
    shutil.move(days, zones)

    apply_migrations(empty_database)

    assert "functions/zones" not in pending_migrations(empty_database)


def test_a_function_that_cannot_be_right_is_refused_and_nothing_stays(
    sql_directory: Path, empty_database: Database
) -> None:
    days = sql_directory / "functions" / "days.sql"
    days.write_text(
        days.read_text(encoding="utf-8").replace("from clients", "from no_such"), encoding="utf-8"
    )

    with pytest.raises(DatabaseError, match='relation "no_such" does not exist'):
        apply_migrations(empty_database)

    assert pending_migrations(empty_database)[1:] == MIGRATIONS[1:]


def test_a_new_migration_is_applied_once_and_known_by_its_number(
    sql_directory: Path, database: Database
) -> None:
    new = sql_directory / "migrations" / "999_add_a_note.sql"
    new.write_text("alter table clients add column note text;", encoding="utf-8")

    assert apply_migrations(database) == ["999_add_a_note", "functions/access"]
    new.rename(new.with_name("999_add_notes.sql"))
    assert apply_migrations(database) == []


@pytest.mark.parametrize(
    ("gone", "file"),
    [
        ("function get_usage_over_time(uuid, date, date, text, jsonb)", "functions/overview"),
        ("view usage_conversation", "functions/views"),
        ("procedure lock_in_bites(regclass[])", "functions/migrating"),
    ],
)
def test_what_somebody_dropped_is_made_again(database: Database, gone: str, file: str) -> None:
    before = schema(database)
    with database.transaction() as connection:
        connection.execute(f"drop {gone}".encode())
    assert pending_migrations(database) == [file]

    apply_migrations(database)

    assert schema(database) == before


def test_each_function_is_in_one_file(database: Database) -> None:
    with database.transaction() as connection:
        made = connection.execute("select unnest(makes) from applied_sql").fetchall()
        there = connection.execute("""
            select proname || '(' || oidvectortypes(proargtypes) || ')'
            from pg_proc where pronamespace = 'public'::regnamespace
            union
            select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
        """).fetchall()

    assert sorted(made) == sorted(there)


def test_the_databases_own_locks_have_the_numbers_of_the_list(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.execute("select rollup_lock()").fetchone() == (locks.ROLLUPS,)
        assert connection.execute(
            "select timezone_lock(%s) = hashtextextended(%s, %s)", [ACME, str(ACME), locks.TIMEZONE]
        ).fetchone() == (True,)


def test_a_name_says_its_kind() -> None:
    assert all(SqlFile(name=name, text="").is_migration == name[:1].isdigit() for name in FILES_AND_ADOPTION)


def test_each_migration_has_a_number_of_its_own() -> None:
    # It is known by it: the second of two would never be applied.
    numbers = [name[:3] for name in FILES_AND_ADOPTION if name[:1].isdigit()]
    assert len(set(numbers)) == len(numbers)


def test_migrating_what_was_pasted_while_everybody_writes(database: Database) -> None:
    client_id = factories.client(database)
    with database.transaction() as connection:
        connection.execute("delete from applied_sql")

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

    assert apply_migrations(empty_database) == FILES_AND_ADOPTION[3:]


def test_an_unreachable_database_is_named(empty_database: Database) -> None:
    nowhere = Database(empty_database.url.set(query={}, host="127.0.0.1", port=1))

    with pytest.raises(DatabaseUnavailable, match=r"at 127\.0\.0\.1:1"):
        apply_migrations(nowhere)


def test_indexes_of_tables_that_stand_are_made_while_writers_go_on(empty_database: Database) -> None:
    install_first_main(empty_database)
    told: list[str] = []
    apply_migrations(empty_database, told.append)
    made = "making usage_logs_conversation_id_created_at_idx, while writers go on"
    assert told.index(made) < told.index("applying 026_index_conversations")


def test_an_index_of_a_run_that_was_ended_is_made_again(database: Database) -> None:
    before = schema(database)
    with database.transaction() as connection:
        connection.execute("alter table usage_logs drop constraint usage_logs_id_client_id_key")
        connection.execute(
            "alter table usage_logs add constraint usage_logs_pkey primary key (client_id, id)"
        )
        connection.execute("create unique index usage_logs_id_client_id_key on usage_logs (client_id)")
        connection.execute(
            "update pg_index set indisvalid = false"
            " where indexrelid = 'usage_logs_id_client_id_key'::regclass"
        )
        connection.execute("delete from applied_sql where name = '026_index_conversations'")

    assert apply_migrations(database) == ["026_index_conversations", "functions/access"]
    assert schema(database) == before
