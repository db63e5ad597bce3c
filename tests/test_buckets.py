"""Rows that are the sum of a bucket: everywhere they count as the requests that they stand for."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from analytics.calls.make import make_call
from analytics.calls.row import row_of
from analytics.calls.store import store_lines
from analytics.database import Database, Query
from analytics.pricing.price_list import DEFAULT_PRICES, ListedPrice, PriceList
from tests import factories

DAY = factories.NOW.date()
QUESTIONS = (
    "select request_count, unpriced_count, total_cost from get_daily_usage({c}, 1, '2026-03-18 23:00Z', {f})",
    "select request_count, unpriced_count from get_usage_by_group("
    "{c}, {d}, {d}, 'day', 'tag.team', 'cost', 7, {f})",
    "select request_count, unpriced_count from usage_rows("
    "{c}, {f}, {d}, {d}, array['hour', 'operation'], array['unpriced_count', 'cached_tokens'])",
    "select request_count, unpriced_count, zero_token_count from get_usage_by_minute("
    "{c}, '2026-03-18', '2026-03-19', {f})",
    "select request_count, unpriced_count from usage_of_part({c}, {d}, '2026-03-18 12:30Z', {f})",
    "select request_count, unpriced_count from search_conversations({c}, {d}, {d}, p_filters => {f})",
    "select sum(call_count) / count(*) from get_conversation_calls("
    "{c}, '00000000-0000-0000-0000-000000000007', null, {d}, {d}, 1000, {f})",
    "select request_count from tag_sets_in_use({c}, {d}, {d}, {f})",
    "select source, request_count, unpriced_count, zero_token_count, without_conversation_count "
    "from get_usage_gaps({c}, {d}, {d})",
    "select matched_count, matched_unpriced_count from get_calls({c}, {d}, {d}, {f}) limit 1",
)
FILTERS = (
    "[]",
    '[{"name": "hour", "values": ["12"], "excluded": false}]',
    '[{"name": "basis", "values": ["unpriced"], "excluded": true}]',
    '[{"name": "conversation", "values": ["00000000-0000-0000-0000-000000000007"], "excluded": false}]',
    '[{"name": "has.usage", "values": ["yes"], "excluded": false}]',
    '[{"name": "tag.team", "values": ["a"], "excluded": false}]',
)


def fetch(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    (rows,) = database.read(Query(statement=statement, parameters=parameters))
    return [tuple(row) for row in rows.records]


def store(database: Database, client_id: UUID, count: int, **arguments: Any) -> None:
    calls = [
        make_call(
            DEFAULT_PRICES,
            client_id,
            "openai",
            conversation_id=UUID(int=7),
            created_at=factories.NOW,
            tags={"team": "a"},
            **arguments,
        )
        for _ in range(count)
    ]
    with database.transaction() as connection:
        store_lines(connection, [call.line for call in calls])


@pytest.mark.parametrize("filters", FILTERS)
def test_a_bucket_counts_as_so_many_calls(database: Database, filters: str) -> None:
    one_by_one, together = factories.client(database, "One by one"), factories.client(database, "Together")
    single = {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}
    for model in ("gpt-4", "nobody-sells-this"):
        store(database, one_by_one, 3, model=model, **single)
        usage = {"prompt_tokens": 30, "completion_tokens": 6, "total_tokens": 36}
        store(database, together, 1, model=model, usage=usage, metadata={"bucket": {"requests": 3}})
    for _folded in range(2):
        for question in QUESTIONS:
            asked = question.format(c="%(client)s", d=f"'{DAY}'::date", f="%(filters)s::jsonb")
            alone, summed = (
                sorted(fetch(database, asked, client=client_id, filters=filters), key=str)
                for client_id in (one_by_one, together)
            )
            assert alone == summed, question
            assert alone
        database.fold()
    assert (
        fetch(database, "select * from check_usage_sums(%(id)s, %(day)s, %(day)s)", id=together, day=DAY)
        == []
    )
    with database.transaction() as connection:
        connection.execute("delete from usage_logs where client_id = %s", [together])
    counted = "select coalesce(sum(request_count), 0) from usage_daily where client_id = %(id)s"
    assert fetch(database, counted, id=together) == [(0,)]


def test_whoever_writes_can_say_so(database: Database) -> None:
    client_id = factories.client(database)
    rows = [
        factories.usage_log(client_id, metadata=metadata, model=name)
        for name, metadata in (
            ("five", {"bucket": {"requests": 5}}),
            ("not told", {"bucket": {"from_at": "2026-03-18T00:00:00+00:00"}}),
            ("odd", {"bucket": {"requests": -2}}),
            ("something else", {"bucket": "s3://logs"}),
        )
    ]
    factories.insert_usage(database, *rows)

    known = fetch(database, "select model, bucket_request_count from usage_logs order by model")

    assert known == [("five", 5), ("not told", 1), ("odd", 1), ("something else", None)]
    [listed] = fetch(
        database,
        "select sum(bucket_request_count), min(matched_count) from get_calls(%(id)s, %(day)s, %(day)s)",
        id=client_id,
        day=DAY,
    )
    assert listed == (7, 8)
    filters = '[{"name": "has.bucket", "values": ["no"], "excluded": false}]'
    single = "select model, matched_count from get_calls(%(id)s, %(day)s, %(day)s, %(filters)s::jsonb)"
    assert fetch(database, single, id=client_id, day=DAY, filters=filters) == [("something else", 1)]


def test_a_later_report_replaces_an_earlier_one_of_the_same_bucket(database: Database) -> None:
    client_id, id = factories.client(database), uuid4()
    bucket = {"bucket": {"requests": 3}}
    for cost, requests in ((Decimal(1), 3), (Decimal(4), 9), (Decimal(2), 5)):
        bucket = {"bucket": {"requests": requests}}
        store(database, client_id, 1, model="gpt-4", id=id, cost_usd=cost, metadata=bucket)

    assert fetch(database, "select cost_usd, bucket_request_count from usage_logs") == [(Decimal(4), 9)]


def test_the_price_of_a_bucket_is_that_of_prompts_as_long_as_their_average() -> None:
    at = datetime(2026, 3, 18, tzinfo=UTC)
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    prices = PriceList(
        [
            ListedPrice(source="openai", model="m", input_usd=Decimal(1)),
            ListedPrice(source="openai", model="m", input_usd=Decimal(2), above_prompt_tokens=200_000),
        ]
    )

    def cost(requests: int, source: str, model: str, each: int | None = None) -> tuple[Decimal, str]:
        metadata = {"bucket": {"requests": requests, "prompt_tokens_each": each}}
        call = make_call(prices, None, source, model, usage=usage, created_at=at, metadata=metadata)
        row = row_of(call.line)
        return row.cost_usd, row.cost_basis

    assert cost(1, "openai", "m") == (2, "priced")
    assert cost(10, "openai", "m") == (1, "priced")
    # Of a public price of long prompts, too; that is then an estimate, as some may have been long.
    assert cost(1, "google", "gemini-2.5-pro") == (Decimal("2.5"), "priced")
    assert cost(10, "google", "gemini-2.5-pro") == (Decimal("1.25"), "estimated")
    assert cost(0, "google", "gemini-2.5-pro") == (Decimal("1.25"), "estimated")  # how many is not told
    assert cost(0, "google", "gemini-2.5-pro", 0) == (Decimal("1.25"), "priced")
    assert cost(0, "google", "gemini-2.5-pro", 200_001) == (Decimal("2.5"), "priced")
