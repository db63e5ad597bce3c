"""What `usage_logs` completes and what it refuses; nothing that is refused leaves sums and logs apart."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from analytics.database import Database
from tests import factories
from tests.connections import dsn
from tests.factories import insert_usage, usage_log
from tests.naive import wrong_sums


def state(database: Database) -> tuple[Any, ...]:
    """Number of logs, sum of requests, differences between the two."""
    with database.transaction() as connection:
        row = connection.execute("""
            select
                (select count(*) from usage_logs),
                (select coalesce(sum(request_count), 0) from usage_daily),
                (select count(*) from usage_pending)
        """).fetchone()
        assert row is not None
        return (*row, wrong_sums(connection))


@pytest.mark.parametrize(
    ("constraint", "columns"),
    [
        ("usage_logs_tokens_are_not_negative", {"prompt_tokens": -1}),
        ("usage_logs_tokens_are_not_negative", {"completion_tokens": -1}),
        ("usage_logs_tokens_are_not_negative", {"total_tokens": -1}),
        ("usage_logs_tokens_are_not_negative", {"total_tokens": 10**12 + 1}),
        ("usage_logs_cost_is_an_amount", {"cost_usd": Decimal("-0.0000000001")}),
        ("usage_logs_cost_is_an_amount", {"cost_usd": Decimal("NaN")}),
        ("usage_logs_cost_is_an_amount", {"cost_usd": Decimal("Infinity")}),
        ("usage_logs_cost_basis_is_known", {"cost_basis": "guessed"}),
        ("usage_logs_unpriced_costs_nothing", {"cost_basis": "unpriced", "cost_usd": 1}),
        ("usage_logs_created_at_is_finite", {"created_at": "infinity"}),
        ("usage_logs_client_id_fkey", {"client_id": UUID(int=404)}),
    ],
)
def test_a_call_that_cannot_be_is_refused_by_a_named_constraint(
    database: Database, acme: UUID, constraint: str, columns: dict[str, Any]
) -> None:
    insert_usage(database, usage_log(acme))

    # In one statement with a row that is right, after another that succeeded.
    with psycopg.connect(dsn(database.url)) as connection:
        connection.execute("insert into usage_logs (client_id, source) values (%s, 'openai')", [acme])
        connection.execute("savepoint before")
        row = {**usage_log(acme), **columns}
        with pytest.raises(psycopg.errors.IntegrityError, match=constraint):
            connection.execute(
                sql.SQL("insert into usage_logs ({}) values ({}), ({})").format(
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(map(sql.Literal, usage_log(acme).values())),
                    sql.SQL(", ").join(map(sql.Literal, row.values())),
                )
            )
        connection.execute("rollback to savepoint before")
        connection.commit()

    assert state(database) == (2, 2, 2, [])


def test_the_largest_numbers_are_kept_exactly(database: Database, acme: UUID) -> None:
    costs = [Decimal("99999999999999999999.0000000001"), Decimal("1e-30")]
    insert_usage(database, *(usage_log(acme, total_tokens=10**12, cost_usd=cost) for cost in costs))

    with database.transaction() as connection:
        row = connection.execute("select total_tokens, cost_usd from usage_daily").fetchone()

        assert row == (2 * 10**12, Decimal("99999999999999999999.000000000100000000000000000001"))
        assert wrong_sums(connection) == []


@pytest.mark.parametrize("statement", ["insert", "update"])
def test_what_is_left_out_is_completed(database: Database, statement: str) -> None:
    nothing = dict.fromkeys(
        [
            *("client_id", "id", "prompt_tokens", "completion_tokens", "total_tokens"),
            *("cost_usd", "cost_basis", "created_at", "model", "phone"),
        ]
    )
    with database.transaction() as connection:
        if statement == "insert":
            insert_usage(database, {**nothing, "source": "OpenAI"})
        else:
            insert_usage(database, usage_log(factories.client(database)))
            assignments = sql.SQL(", ").join(
                sql.SQL("{} = null").format(sql.Identifier(name)) for name in nothing
            )
            connection.execute(sql.SQL("update usage_logs set source = 'OpenAI', {}").format(assignments))
        rows = connection.execute("""
            select
                client_id, id is not null, source, model, phone, prompt_tokens, completion_tokens,
                total_tokens, cost_usd, cost_basis, created_at <= clock_timestamp()
            from usage_logs
        """).fetchall()
        assert rows == [(UUID(int=0), True, "openai", None, None, 0, 0, 0, 0, "unpriced", True)]
        assert wrong_sums(connection) == []


def test_a_cost_that_is_left_out_is_unknown_and_a_cost_of_zero_is_not(database: Database, acme: UUID) -> None:
    insert_usage(
        database,
        {"client_id": acme, "source": "openai"},
        {"client_id": acme, "source": "openai", "cost_usd": 0},
    )

    with database.transaction() as connection:
        assert connection.execute("select cost_basis from usage_logs order by 1").fetchall() == [
            ("given",),
            ("unpriced",),
        ]


def test_the_same_call_twice_is_stored_once(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        for _ in range(2):
            connection.execute(
                "insert into usage_logs (client_id, id, source) values (%s, %s, 'openai')"
                " on conflict do nothing",
                [acme, UUID(int=7)],
            )

    assert state(database) == (1, 1, 1, [])


def test_a_deleted_client_takes_its_usage_and_nobody_elses(database: Database, acme: UUID) -> None:
    other = factories.client(database, name="Other")
    for client_id in (acme, other):
        insert_usage(database, usage_log(client_id))
        database.fold()
        insert_usage(database, usage_log(client_id))

    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [acme])

    assert state(database) == (2, 2, 1, [])
