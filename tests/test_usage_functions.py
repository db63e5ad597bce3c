"""Each SQL function: given rows, exact answers."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from analytics.database import Database
from tests import factories
from tests.factories import NOW, call, insert_usage, usage_log

YESTERDAY = NOW - timedelta(days=1)
ZERO = Decimal(0)
FUNCTIONS = [
    *(
        "get_daily_usage",
        "get_weekly_evolution",
        "get_monthly_summary",
        "get_usage_summary",
        "get_usage_by_model",
    ),
    "get_usage_by_conversation",
]


# Daily ----------------------------------------------------------------------------------------------


def test_daily_usage_has_a_row_for_each_day_and_source(database: Database, acme: UUID) -> None:
    insert_usage(
        database,
        usage_log(acme, total_tokens=230, cost_usd=Decimal("0.0129"), created_at=YESTERDAY),
        usage_log(
            acme, total_tokens=70, cost_usd=Decimal("0.0000000001"), model="other", created_at=YESTERDAY
        ),
        usage_log(acme, source="whisper", total_tokens=9, cost_usd=0, cost_basis="unpriced"),
    )

    assert call(database, "*", "get_daily_usage", acme, 2, now=NOW) == [
        (date(2026, 3, 17), "groq", 0, ZERO, 0, 0),
        (date(2026, 3, 17), "openai", 300, Decimal("0.0129000001"), 2, 0),
        (date(2026, 3, 17), "whisper", 0, ZERO, 0, 0),
        (date(2026, 3, 18), "groq", 0, ZERO, 0, 0),
        (date(2026, 3, 18), "openai", 0, ZERO, 0, 0),
        (date(2026, 3, 18), "whisper", 9, ZERO, 1, 1),
    ]


def test_daily_usage_is_of_whole_days_and_none_beside_them(database: Database, acme: UUID) -> None:
    midnight = datetime(2026, 3, 17, tzinfo=UTC)
    for moment in (
        midnight - timedelta(microseconds=1),
        midnight,
        NOW + timedelta(hours=11),
        NOW + timedelta(hours=12),
    ):
        insert_usage(database, usage_log(acme, total_tokens=1, created_at=moment))

    assert call(database, "date, total_tokens", "get_daily_usage", acme, 2, now=NOW)[1::2] == [
        (date(2026, 3, 17), 1),
        (date(2026, 3, 18), 1),
    ]


# Nothing --------------------------------------------------------------------------------------------


def test_a_client_without_usage_has_zeros_and_no_nulls(database: Database, acme: UUID) -> None:
    days = [date(2026, 3, 17), date(2026, 3, 18)]
    weeks = [(date(2026, 3, 9), 11), (date(2026, 3, 16), 12)]

    assert call(database, "*", "get_daily_usage", acme, 2, now=NOW) == [
        (day, source, 0, ZERO, 0, 0) for day in days for source in ("groq", "openai")
    ]
    assert call(database, "*", "get_weekly_evolution", acme, 2, now=NOW) == [
        (*week, *[0] * 16) for week in weeks
    ]
    assert call(database, "*", "get_usage_summary", acme, 2, now=NOW) == [
        (provider, *[0] * 10) for provider in ("total", "openai", "groq", "other")
    ]
    for function in ("get_usage_by_model", "get_usage_by_conversation", "get_monthly_summary"):
        assert call(database, "*", function, acme, now=NOW) == []


@pytest.mark.parametrize("client_id", [UUID(int=404), None])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_unknown_client_has_no_rows(
    database: Database, acme: UUID, function: str, client_id: UUID | None
) -> None:
    insert_usage(database, usage_log(acme))

    assert call(database, "*", function, client_id, now=NOW) == []


# Time zones -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "moment", "day"),
    [
        ("UTC", "2026-03-18 01:30Z", "2026-03-18"),
        ("America/Sao_Paulo", "2026-03-18 01:30Z", "2026-03-17"),
        ("Asia/Kolkata", "2026-03-17 18:29Z", "2026-03-17"),
        ("Asia/Kolkata", "2026-03-17 18:30Z", "2026-03-18"),
        # The day of 23 hours, and the hour that is skipped.
        ("Europe/Berlin", "2025-03-29 23:00Z", "2025-03-30"),
        ("Europe/Berlin", "2025-03-30 01:00Z", "2025-03-30"),
        ("Europe/Berlin", "2025-03-30 21:59Z", "2025-03-30"),
        ("Europe/Berlin", "2025-03-30 22:00Z", "2025-03-31"),
        # The day of 25 hours, and the hour that comes twice.
        ("Europe/Berlin", "2025-10-25 22:00Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26 00:30Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26 01:30Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26 22:59Z", "2025-10-26"),
        ("Europe/Berlin", "2025-10-26 23:00Z", "2025-10-27"),
    ],
)
def test_a_day_is_the_clients_own(database: Database, timezone: str, moment: str, day: str) -> None:
    client_id = factories.client(database, timezone=timezone)
    at = datetime.fromisoformat(moment)
    insert_usage(database, usage_log(client_id, total_tokens=5, created_at=at))

    # The window begins and ends with the client's day too: at that very moment it is this one day.
    assert call(database, "date, total_tokens", "get_daily_usage", client_id, 1, now=at)[1:] == [
        (date.fromisoformat(day), 5)
    ]
    # And one row per day, whether it has 23, 24 or 25 hours.
    assert len(call(database, "date", "get_daily_usage", client_id, 7, now=at)) == 14


def test_a_day_does_not_depend_on_the_readers_time_zone(database: Database) -> None:
    client_id = factories.client(database, timezone="America/Sao_Paulo")
    at = datetime(2026, 3, 16, 1, 30, tzinfo=UTC)  # a Monday there and then, but Sunday in Sao Paulo
    insert_usage(database, usage_log(client_id, total_tokens=5, created_at=at))
    answers = []

    for timezone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        with database.transaction() as connection:
            connection.execute("select set_config('timezone', %s, true)", [timezone])
            answers.append(
                [
                    connection.execute(
                        f"select * from {function}(%s, p_now => %s)",  # noqa: S608
                        [client_id, at],
                    ).fetchall()
                    for function in ("get_daily_usage", "get_weekly_evolution", "get_monthly_summary")
                ]
            )

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][1][-1][0] == date(2026, 3, 9)


# Weeks ----------------------------------------------------------------------------------------------


def test_weeks_begin_on_monday_and_count_as_iso_says(database: Database, acme: UUID) -> None:
    sunday, monday = datetime(2026, 12, 27, 23, tzinfo=UTC), datetime(2026, 12, 28, 1, tzinfo=UTC)
    friday = datetime(2027, 1, 1, 12, tzinfo=UTC)
    insert_usage(
        database,
        usage_log(acme, total_tokens=1, cost_usd=1, created_at=sunday),
        usage_log(acme, total_tokens=20, cost_usd=2, source="groq", created_at=monday),
        usage_log(acme, total_tokens=300, cost_usd=3, source="whisper", created_at=friday),
        usage_log(acme, total_tokens=4000, cost_usd=0, cost_basis="unpriced", created_at=friday),
        usage_log(acme, total_tokens=50000, created_at=friday + timedelta(days=1)),  # tomorrow
    )

    assert call(database, "*", "get_weekly_evolution", acme, 3, now=friday) == [
        (date(2026, 12, 14), 51, *[0] * 16),
        (date(2026, 12, 21), 52, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0, *(1, 0, 0), *(0, 0, 0)),
        (date(2026, 12, 28), 53, 4320, 4000, 20, 5, 300, 0, 2, 3, 3, 1, *(1, 1, 1), *(1, 0, 0)),
    ]


# Summary --------------------------------------------------------------------------------------------


def test_summary_compares_with_as_many_days_before(database: Database, acme: UUID) -> None:
    for days_ago, tokens in ((0, 1), (6, 20), (7, 300), (13, 4000), (14, 50000)):
        insert_usage(
            database,
            usage_log(acme, total_tokens=tokens, cost_usd=tokens, created_at=NOW - timedelta(days=days_ago)),
        )
    insert_usage(
        database, usage_log(acme, source="whisper", prompt_tokens=3, completion_tokens=4, cost_usd=None)
    )

    assert call(database, "*", "get_usage_summary", acme, 7, now=NOW) == [
        ("total", 28, 303, 164, 21, 3, 1, 4300, 4300, 2, 0),
        ("openai", 21, 300, 160, 21, 2, 0, 4300, 4300, 2, 0),
        ("groq", *[0] * 10),
        ("other", 7, 3, 4, 0, 1, 1, 0, 0, 0, 0),
    ]


def test_parts_add_up_to_the_total(database: Database, acme: UUID) -> None:
    for place, source in enumerate(["openai", "groq", "whisper", "anthropic", "openai"]):
        insert_usage(
            database,
            usage_log(
                acme,
                source=source,
                total_tokens=10**place,
                cost_usd=Decimal("0.1") ** place,
                phone=str(place),
            ),
        )
    total, *parts = call(database, "*", "get_usage_summary", acme, 7, now=NOW)

    assert [sum(column) for column in list(zip(*parts, strict=True))[1:]] == list(total[1:])
    tokens, cost, requests = total[1], total[4], total[5]
    assert (tokens, requests) == (11111, 5)
    columns = "sum(total_tokens), sum(total_cost), sum(request_count)"
    others = ["get_daily_usage", "get_usage_by_model", "get_usage_by_conversation"]
    for function, argument in (*((name, 7) for name in others), ("get_weekly_evolution", 2)):
        assert call(database, columns, function, acme, argument, now=NOW) == [(tokens, cost, requests)]
    assert call(
        database,
        "sum(openai_tokens + groq_tokens + other_tokens), sum(openai_cost + groq_cost + other_cost)",
        *("get_weekly_evolution", acme, 2),
        now=NOW,
    ) == [(tokens, cost)]
    assert call(
        database,
        "sum(openai_tokens + groq_tokens + other_tokens), sum(share_of_tokens)",
        *("get_usage_by_conversation", acme, 7),
        now=NOW,
    ) == [(tokens, Decimal("1.000000"))]


# Models and months ----------------------------------------------------------------------------------


def test_by_model_has_the_most_tokens_first_and_knows_a_missing_model(database: Database, acme: UUID) -> None:
    insert_usage(
        database,
        usage_log(acme, model=None, prompt_tokens=1, completion_tokens=2, cost_usd=0),
        usage_log(acme, model="gpt-4", prompt_tokens=10, completion_tokens=20, cost_usd=Decimal("0.5")),
        usage_log(
            acme, model="gpt-4", prompt_tokens=10, completion_tokens=10, cost_usd=0, cost_basis="unpriced"
        ),
        usage_log(
            acme, model="whisper-1", source="whisper", total_tokens=0, prompt_tokens=0, completion_tokens=0
        ),
        usage_log(acme, model="gpt-4", created_at=NOW - timedelta(days=7)),
    )
    columns = (
        "source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count,"
        " unpriced_count, round(cost_per_1k_tokens, 4), tokens_per_request::float"
    )

    assert call(database, columns, "get_usage_by_model", acme, 7, now=NOW) == [
        ("openai", "gpt-4", 50, 20, 30, Decimal("0.5"), 2, 1, None, 25),
        ("openai", None, 3, 1, 2, ZERO, 1, 0, ZERO, 3),
        ("whisper", "whisper-1", 0, 0, 0, Decimal("0.0093"), 1, 0, None, 0),
    ]


def test_monthly_summary_is_of_one_calendar_month(database: Database, acme: UUID) -> None:
    for month, day, tokens in ((9, 30, 1), (10, 1, 20), (10, 31, 300), (11, 1, 4000)):
        insert_usage(
            database,
            usage_log(acme, total_tokens=tokens, created_at=datetime(2024, month, day, 23, tzinfo=UTC)),
        )

    assert call(database, "source, model, total_tokens", "get_monthly_summary", acme, 2024, 10) == [
        ("openai", "gpt-4", 320)
    ]


def test_the_default_month_is_the_current_one_of_the_client(database: Database) -> None:
    new_year = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    answers = {}
    for timezone in ("UTC", "America/Sao_Paulo"):
        client_id = factories.client(database, name=timezone, timezone=timezone)
        insert_usage(
            database,
            usage_log(client_id, total_tokens=1, created_at=new_year),
            usage_log(client_id, total_tokens=20, created_at=new_year - timedelta(days=2)),
        )
        answers[timezone] = call(database, "total_tokens", "get_monthly_summary", client_id, now=new_year)

    assert answers == {"UTC": [(1,)], "America/Sao_Paulo": [(21,)]}


def test_december_ends_with_the_year(database: Database, acme: UUID) -> None:
    insert_usage(
        database, usage_log(acme, total_tokens=5, created_at=datetime(2024, 12, 31, 23, 59, tzinfo=UTC))
    )

    assert call(database, "total_tokens", "get_monthly_summary", acme, 2024, 12) == [(5,)]
    assert call(database, "total_tokens", "get_monthly_summary", acme, 2025, 1) == []
