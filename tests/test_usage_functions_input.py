"""What people send to the SQL functions: the guide's own statements, and what cannot be meant."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from analytics.database import Database
from tests import factories
from tests.clones import Clones, make_read_only
from tests.factories import call

FUNCTIONS_OF_DAYS = [
    "get_daily_usage",
    "get_usage_summary",
    "get_usage_by_model",
    "get_usage_by_conversation",
]


@pytest.fixture(scope="module")
def asked(clones: Clones, migrated_template: str) -> Iterator[tuple[Database, UUID]]:
    """A client, for all tests that only read."""
    with clones.copy(migrated_template) as database:
        client_id = factories.client(database)
        make_read_only(database)
        yield database, client_id


@pytest.mark.parametrize("days", [0, -1, 36526, None])
@pytest.mark.parametrize("function", FUNCTIONS_OF_DAYS)
def test_days_that_cannot_be_meant_are_refused(
    asked: tuple[Database, UUID], function: str, days: int | None
) -> None:
    database, acme = asked
    with pytest.raises(
        Exception, match=f"days must be between 1 and 36525, not {'null' if days is None else days}"
    ):
        call(database, "*", function, acme, days)


@pytest.mark.parametrize("weeks", [0, -1, 5221, 2_000_000_000, None])
def test_weeks_that_cannot_be_meant_are_refused(asked: tuple[Database, UUID], weeks: int | None) -> None:
    database, acme = asked
    with pytest.raises(
        Exception, match=f"weeks must be between 1 and 5220, not {'null' if weeks is None else weeks}"
    ):
        call(database, "*", "get_weekly_evolution", acme, weeks)


@pytest.mark.parametrize("limit", [0, -1, 2_000_000_000, None])
def test_a_limit_that_cannot_be_meant_is_refused(asked: tuple[Database, UUID], limit: int | None) -> None:
    database, acme = asked
    with pytest.raises(
        Exception, match=f"limit must be between 1 and 100000, not {'null' if limit is None else limit}"
    ):
        call(database, "*", "get_usage_by_conversation", acme, 30, limit)


def test_a_month_that_is_none_is_refused(asked: tuple[Database, UUID]) -> None:
    database, acme = asked
    with pytest.raises(Exception, match="2024-13-01"):
        call(database, "*", "get_monthly_summary", acme, 2024, 13)


# As the guide has it --------------------------------------------------------------------------------


def test_the_guides_statements_work_as_they_stand(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("insert into clients (name) values ('Guide')")
        row = connection.execute("select id from clients where name = 'Guide'").fetchone()
        assert row is not None
        client_id = row[0]

        def as_in_psql(statement: str) -> "psycopg.Cursor[Any]":
            return connection.execute(statement.replace("your-client-id", str(client_id)).encode())

        as_in_psql("""
            INSERT INTO usage_logs (
              client_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd,
              created_at
            ) VALUES (
              'your-client-id', '5511999999999', 'openai', 'gpt-4', 150, 80, 230, 0.0129, NOW()
            );
        """)
        logs = as_in_psql(
            "SELECT * FROM usage_logs WHERE client_id = 'your-client-id' ORDER BY created_at DESC LIMIT 10;"
        )
        daily = as_in_psql("SELECT * FROM get_daily_usage('your-client-id', 30);")
        weekly = as_in_psql("SELECT * FROM get_weekly_evolution('your-client-id', 12);")
        monthly = as_in_psql("SELECT * FROM get_monthly_summary('your-client-id', 2024, 10);")
        conversations = as_in_psql("SELECT * FROM get_usage_by_conversation('your-client-id');")

    assert [column.name for column in daily.description or ()][:5] == [
        *("date", "source", "total_tokens", "total_cost", "request_count"),
    ]
    assert [column.name for column in weekly.description or ()][:6] == [
        *("week_start", "week_number", "total_tokens", "openai_tokens", "groq_tokens", "total_cost"),
    ]
    assert [column.name for column in monthly.description or ()][:7] == [
        *(
            "source",
            "model",
            "total_tokens",
            "prompt_tokens",
            "completion_tokens",
            "total_cost",
            "request_count",
        ),
    ]
    assert [column.name for column in conversations.description or ()][:7] == [
        *("phone", "conversation_name", "total_tokens", "total_cost", "request_count"),
        *("openai_tokens", "groq_tokens"),
    ]
    assert (logs.rowcount, daily.rowcount, weekly.rowcount, monthly.rowcount) == (1, 60, 12, 0)
    assert sum(row[2] for row in daily.fetchall()) == sum(row[2] for row in weekly.fetchall()) == 230
    assert [row[:4] for row in conversations.fetchall()] == [("5511999999999", None, 230, Decimal("0.0129"))]


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "UTC+3", "EST", "", "America", None])
def test_an_unknown_time_zone_is_refused(database: Database, acme: UUID, timezone: str | None) -> None:
    shown = "<NULL>" if timezone is None else timezone
    message = f'unknown time zone "{shown}" of client "Acme": give an IANA name such as "America/Sao_Paulo"'

    with pytest.raises(Exception, match=re.escape(message)), database.transaction() as connection:
        connection.execute("update clients set timezone = %s where id = %s", [timezone, acme])
    if timezone is not None:
        with pytest.raises(Exception, match=re.escape(message)):
            factories.client(database, timezone=timezone)
