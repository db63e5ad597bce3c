"""The SQL behind "Providers and models", by way of queries: exact rows, sums, time zones."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.errors import DatabaseError
from tests import factories
from tests.factories import NOW

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 18)
BEFORE_FIRST, BEFORE_LAST = date(2026, 2, 1), date(2026, 2, 28)
PERIOD, BEFORE = Days(FIRST, LAST), Days(BEFORE_FIRST, BEFORE_LAST)

LATER = NOW + timedelta(days=30)
"""When all of these days are over."""


def on(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def mixed_usage(database: Database, client_id: UUID) -> None:
    """Calls of three sources in both periods, between them and after; one without a model and price."""
    log = factories.usage_log
    factories.insert_usage(
        database,
        log(client_id, created_at=on(FIRST)),
        log(client_id, created_at=on(LAST), metadata={"operation": "chat", "cached_tokens": 100}),
        log(client_id, created_at=on(BEFORE_LAST)),
        log(client_id, created_at=on(date(2026, 3, 1))),
        log(client_id, created_at=on(date(2026, 3, 19))),
        log(client_id, created_at=on(LAST), source="groq", model=None, cost_usd=0, cost_basis="unpriced",
            metadata={"operation": "chat", "cached_tokens": "many"}),
        log(client_id, created_at=on(LAST, 3), source="whisper", model="whisper-1", prompt_tokens=0,
            completion_tokens=0, total_tokens=40, cost_usd=Decimal("0.00305"),
            metadata={"operation": "transcription", "duration_seconds": 30.5}),
        log(client_id, created_at=on(BEFORE_FIRST), source="groq", model="gone", cost_usd=Decimal("0.5")),
    )  # fmt: skip


def assert_sums_equal_the_summary(database: Database, client_id: UUID, frame: pd.DataFrame) -> None:
    """get_usage_summary() of the days FIRST to LAST says the same in total."""
    [total] = factories.call(
        database,
        "total_tokens, total_cost, request_count",
        "get_usage_summary",
        client_id,
        days=17,
        now=on(LAST, 23),
    )[:1]
    assert (frame["total_tokens"].sum(), frame["total_cost"].sum(), frame["request_count"].sum()) == total


def test_usage_comparison(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.usage_comparison(database, acme, PERIOD, BEFORE, now=LATER).models
    now_columns = ("source", "model", "total_tokens", "prompt_tokens", "completion_tokens", "total_cost")
    assert rows(frame, *now_columns, "request_count", "unpriced_count") == [
        ("openai", "gpt-4", 460, 300, 160, Decimal("0.0186"), 2, 0),
        ("groq", None, 230, 150, 80, 0, 1, 1),
        ("whisper", "whisper-1", 40, 0, 0, Decimal("0.00305"), 1, 0),
        ("groq", "gone", 0, 0, 0, 0, 0, 0),
    ]
    assert rows(
        frame,
        "previous_total_tokens",
        "previous_total_cost",
        "previous_request_count",
        "previous_unpriced_count",
    ) == [(230, Decimal("0.0093"), 1, 0), (0, 0, 0, 0), (0, 0, 0, 0), (230, Decimal("0.5"), 1, 0)]
    assert_sums_equal_the_summary(database, acme, frame)


def test_periods_that_overlap_both_count_what_they_share(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.usage_comparison(database, acme, PERIOD, Days(LAST, date(2026, 3, 19)), now=LATER).models
    [gpt] = rows(frame[frame["source"] == "openai"], "request_count", "previous_request_count")
    assert gpt == (2, 2)


def test_usage_comparison_sees_what_is_folded_and_what_is_not(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    database.fold()
    mixed_usage(database, acme)
    frame = queries.usage_comparison(database, acme, PERIOD, BEFORE, now=LATER).models
    assert frame["request_count"].tolist() == [4, 2, 2, 0]
    assert_sums_equal_the_summary(database, acme, frame)


@pytest.mark.parametrize(
    ("grain", "buckets"),
    [
        ("week", [
            (date(2026, 3, 9), date(2026, 3, 11), date(2026, 3, 15), 230),
            (date(2026, 3, 16), date(2026, 3, 16), date(2026, 3, 18), 0),
        ]),
        ("month", [(date(2026, 3, 1), date(2026, 3, 11), date(2026, 3, 18), 230)]),
    ],
)  # fmt: skip
def test_usage_over_time_counts_only_the_days_asked_for(
    database: Database, acme: UUID, grain: queries.Grain, buckets: list[tuple[date, date, date, int]]
) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(acme, created_at=on(date(2026, 3, 10))),
        factories.usage_log(acme, created_at=on(date(2026, 3, 11))),
        factories.usage_log(acme, created_at=on(date(2026, 3, 19))),
    )
    frame = queries.usage_over_time(database, acme, Days(date(2026, 3, 11), LAST), grain)
    assert [
        (bucket.date(), first.date(), last.date(), tokens)
        for bucket, first, last, tokens in rows(
            frame, "bucket_date", "first_date", "last_date", "total_tokens"
        )
    ] == buckets


def test_usage_over_time_has_every_day_of_every_source(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.usage_over_time(database, acme, PERIOD)
    assert len(frame) == 17 * 3
    assert frame["bucket_date"].is_monotonic_increasing
    used = frame[frame["request_count"] > 0]
    assert rows(used, "bucket_date", "source", "total_tokens", "total_cost", "unpriced_count") == [
        (pd.Timestamp(FIRST), "openai", 230, Decimal("0.0093"), 0),
        (pd.Timestamp(LAST), "groq", 230, 0, 1),
        (pd.Timestamp(LAST), "openai", 230, Decimal("0.0093"), 0),
        (pd.Timestamp(LAST), "whisper", 40, Decimal("0.00305"), 0),
    ]
    for grain in ("day", "week", "month"):
        of_grain = queries.usage_over_time(database, acme, PERIOD, grain)  # type: ignore[arg-type]
        assert_sums_equal_the_summary(database, acme, of_grain)


def test_usage_over_time_refuses_another_grain(database: Database, acme: UUID) -> None:
    with pytest.raises(DatabaseError, match="grain must be day, week or month, not hour"):
        queries.usage_over_time(database, acme, PERIOD, "hour")  # type: ignore[arg-type]


def test_usage_parts(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.call_sums(database, acme, PERIOD).parts
    assert rows(
        frame, "source", "model", "operation", "request_count", "prompt_tokens", "completion_tokens",
        "total_tokens", "cached_tokens", "reasoning_tokens", "duration_seconds", "total_cost",
        "unpriced_count",
    ) == [
        ("groq", None, "chat", 1, 150, 80, 230, 0, 0, 0, 0, 1),
        ("openai", "gpt-4", "chat", 1, 150, 80, 230, 100, 0, 0, Decimal("0.0093"), 0),
        ("openai", "gpt-4", None, 1, 150, 80, 230, 0, 0, 0, Decimal("0.0093"), 0),
        ("whisper", "whisper-1", "transcription", 1, 0, 0, 40, 0, 0, Decimal("30.5"), Decimal("0.00305"), 0),
    ]  # fmt: skip
    assert_sums_equal_the_summary(database, acme, frame)


def test_usage_by_hour(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.call_sums(database, acme, PERIOD).by_hour
    assert rows(frame, "weekday", "hour", "total_tokens", "total_cost", "request_count") == [
        (1, 12, 230, Decimal("0.0093"), 1),
        (3, 3, 40, Decimal("0.00305"), 1),
        (3, 12, 460, Decimal("0.0093"), 2),
    ]
    assert_sums_equal_the_summary(database, acme, frame)


def test_usage_by_operation(database: Database, acme: UUID) -> None:
    mixed_usage(database, acme)
    frame = queries.call_sums(database, acme, PERIOD).by_operation
    assert rows(
        frame, "operation", "total_tokens", "total_cost", "request_count", "unpriced_count"
    ) == [
        ("chat", 460, Decimal("0.0093"), 2, 1),
        ("transcription", 40, Decimal("0.00305"), 1, 0),
        (None, 230, Decimal("0.0093"), 1, 0),
    ]  # fmt: skip
    assert_sums_equal_the_summary(database, acme, frame)


def test_days_and_hours_are_those_of_the_client(database: Database) -> None:
    berlin = factories.client(database, "Berlin", timezone="Europe/Berlin")
    # The clocks went forward on Sunday, 29 March: 22:30 UTC was 23:30 on Saturday, and 00:30 on Monday.
    factories.insert_usage(
        database,
        factories.usage_log(berlin, created_at=datetime(2026, 3, 28, 22, 30, tzinfo=UTC)),
        factories.usage_log(berlin, created_at=datetime(2026, 3, 29, 21, 30, tzinfo=UTC)),
        factories.usage_log(berlin, created_at=datetime(2026, 3, 29, 22, 30, tzinfo=UTC)),
    )
    sunday, monday = date(2026, 3, 29), date(2026, 3, 30)
    that_day, next_day = Days(sunday, sunday), Days(monday, monday)
    by_hour = queries.call_sums(database, berlin, Days(date(2026, 3, 28), monday)).by_hour
    assert rows(by_hour, "weekday", "hour") == [
        (1, 0),
        (6, 23),
        (7, 23),
    ]
    for on_sunday in (
        queries.call_sums(database, berlin, that_day).parts,
        queries.call_sums(database, berlin, that_day).by_hour,
        queries.call_sums(database, berlin, that_day).by_operation,
        queries.usage_over_time(database, berlin, that_day),
        queries.usage_comparison(database, berlin, that_day, next_day, now=LATER).models,
    ):
        assert on_sunday["request_count"].tolist() == [1]


def test_without_usage_there_are_no_rows(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other Ltd")
    factories.insert_usage(database, factories.usage_log(other, created_at=NOW))
    frames = [
        queries.usage_comparison(database, acme, PERIOD, BEFORE, now=LATER).models,
        queries.usage_over_time(database, acme, PERIOD),
        queries.call_sums(database, acme, PERIOD).parts,
        queries.call_sums(database, acme, PERIOD).by_hour,
        queries.call_sums(database, acme, PERIOD).by_operation,
    ]
    assert [len(frame) for frame in frames] == [0, 0, 0, 0, 0]
    assert all(frame["total_tokens"].dtype == "int64" for frame in frames)
