"""What a database without Citus says to who wants to distribute it, and the texts that Citus is given."""

import pytest

from analytics.database import Database, Query
from analytics.distribution import distribute, is_on_citus
from analytics.errors import DatabaseError
from analytics.health import shard_checks
from analytics.migrations import citus_files, parted, sql_files, with_text_bodies

_FUNCTIONS = """
    select
        oid::regprocedure::text, prorettype::regtype::text, provolatile, proparallel, prosqlbody is not null
    from pg_proc
    where pronamespace = 'public'::regnamespace and prokind = 'f'
    order by 1
"""


def test_without_citus_nothing_is_distributed_and_nothing_is_looked_for(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r'has no Citus: install it .* "create extension citus"'):
        distribute(database, shard_count=4)

    assert not is_on_citus(database)
    assert shard_checks(database) == []
    [rows] = database.read(Query(statement="select count(*) from pg_namespace where nspname = 'shards'"))
    assert rows.records == [(0,)]


def test_a_text_is_parted_where_its_statements_end() -> None:
    text = "select ';' -- one; two\n; do $$ begin null; end $$;\nselect $a$ ; $$ ; $a$, 'it''s;'"

    assert [part.strip() for part in parted(text)] == [
        "select ';' -- one; two\n;",
        "do $$ begin null; end $$;",
        "select $a$ ; $$ ; $a$, 'it''s;'",
    ]


def test_all_of_sql_is_parted_into_whole_statements() -> None:
    for file in (*sql_files(), *citus_files()):
        parts = list(parted(file.text))
        assert "".join(parts).strip() == file.text.strip()
        assert all(part.count("$$") % 2 == 0 for part in parts), file.name


def test_functions_with_bodies_as_texts_are_the_same(database: Database) -> None:
    with database.transaction() as connection:
        before = connection.execute(_FUNCTIONS).fetchall()
        for file in sql_files():
            if file.name.startswith("functions/"):
                connection.execute(with_text_bodies(file.text).encode())
        after = connection.execute(_FUNCTIONS).fetchall()

    assert [function for *function, _ in after] == [function for *function, _ in before]
    assert any(is_tree for *_, is_tree in before)

    assert [name for name, *_, is_tree in after if is_tree] == []
