"""Calls that are told apart by a number, and the proof that each of them is in PostgreSQL once."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import psycopg

from analytics import log_openai_usage
from analytics.database import Database
from tests.connections import dsn

CONVERSATIONS = 50


def log_call(client_id: UUID, number: int, *, id: str | None = None) -> UUID | None:
    """Logs one call of gpt-4, whose tokens depend on its number."""
    prompt, completion = _tokens(number)
    return log_openai_usage(
        client_id,
        f"conversation {number % CONVERSATIONS}",
        None,
        "gpt-4",
        {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
        id=id,
        metadata={"number": number},
    )


def _tokens(number: int) -> tuple[int, int]:
    return number % 997 + 1, number % 89


def cost_usd(numbers: Iterable[int]) -> Decimal:
    """What calls of these numbers cost, at 30 and 60 USD per million tokens."""
    tokens = [_tokens(number) for number in numbers]
    millionths = sum(30 * prompt + 60 * completion for prompt, completion in tokens)
    return Decimal(millionths) / 1_000_000


def stored_numbers(database: Database) -> list[int]:
    """Of all rows, in order; a call that was stored twice comes twice."""
    statement = "select (metadata ->> 'number')::integer as number from usage_logs order by number"
    with psycopg.connect(dsn(database.url)) as connection:
        return [number for [number] in connection.execute(statement)]


def require_stored_once(database: Database, numbers: Iterable[int]) -> None:
    """Exactly these calls are in usage_logs, to the last decimal of their cost, and so say the rollups."""
    expected = sorted(numbers)
    assert stored_numbers(database) == expected
    tokens = sum(sum(_tokens(number)) for number in expected)
    with psycopg.connect(dsn(database.url)) as connection:
        logged = connection.execute("select count(*), sum(cost_usd), sum(total_tokens) from usage_logs")
        assert logged.fetchall() == [(len(expected), cost_usd(expected), tokens)]
        for view in ("usage_daily", "usage_conversation_daily", "usage_conversation"):
            rolled_up = connection.execute(
                f"select sum(request_count), sum(cost_usd), sum(total_tokens) from {view}"  # noqa: S608
            )
            assert (view, rolled_up.fetchall()) == (view, [(len(expected), cost_usd(expected), tokens)])
