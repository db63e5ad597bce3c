"""GET /api/analytics: the SQL functions' numbers to the last digit, for every way of asking."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from analytics import queries
from analytics.database import Database
from tests import factories
from tests.api import bearer, exact, open_api

MARCH_18 = {"from": "2026-02-17", "to": "2026-03-18"}
"""The 30 days up to that of factories.NOW."""
KEYS = {
    "all": ["daily", "weekly", "monthly", "byConversation", "summary"],
    "daily": ["daily"],
    "weekly": ["weekly"],
    "monthly": ["monthly"],
    "conversation": ["byConversation"],
}
TINY = Decimal("0.0000000042")


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


@pytest.fixture
def used(database: Database, acme: UUID) -> UUID:
    """A client with calls of every kind: two weeks, three providers, without price, model or conversation."""
    conversation_id = factories.conversation(database, acme, name="Ada", phone="551")
    factories.insert_usage(
        database,
        factories.usage_log(acme, cost_usd=TINY, conversation_id=conversation_id),
        factories.usage_log(acme, phone="551", created_at=factories.NOW - timedelta(days=9)),
        factories.usage_log(acme, source="groq", model="llama-3.3-70b", cost_usd=Decimal(0), phone="552"),
        factories.usage_log(acme, source="whisper", model="whisper-1", cost_usd=Decimal("0.003"), phone=None),
        factories.usage_log(
            acme, source="anthropic", model=None, cost_usd=Decimal(0), cost_basis="unpriced", phone=None
        ),
        factories.usage_log(
            acme,
            cost_usd=Decimal("123456789.000000000000000001"),
            created_at=datetime(2026, 2, 1, tzinfo=UTC),
        ),
        # The first of the days that those before MARCH_18 are compared with.
        factories.usage_log(acme, created_at=datetime(2026, 1, 18, tzinfo=UTC)),
    )
    database.fold()
    factories.insert_usage(database, factories.usage_log(acme, phone="553"))
    return acme


def ask(api: TestClient, headers: dict[str, str], **parameters: Any) -> Any:
    """The answer, with all digits."""
    response = api.get("/api/analytics", params=parameters, headers=headers)
    assert response.status_code == 200, response.text
    return exact(response.content)


def in_sql(database: Database, function: queries.SqlFunction, *arguments: Any) -> list[dict[str, Any]]:
    """What the SQL function says, as JSON has it: a cost of which nothing is known is null."""
    rows = factories.call(database, ", ".join(function.columns), function.function, *arguments)
    told = []
    for row in rows:
        columns = dict(zip(function.columns, row, strict=True))
        for name in columns:
            whose = name.removesuffix("total_cost").removesuffix("cost")
            unpriced = columns.get(f"{whose}unpriced_count")
            if name.endswith("cost") and unpriced and unpriced == columns[f"{whose}request_count"]:
                columns[name] = None
        told.append(
            {name: str(value) if isinstance(value, date | UUID) else value for name, value in columns.items()}
        )
    return told


def summary_in_sql(database: Database, client_id: UUID, days: int, now: datetime) -> dict[str, Any]:
    total, *parts = in_sql(database, queries.USAGE_SUMMARY, client_id, days, now)
    assert total.pop("provider") == "total"
    compared = {"from": "2026-01-18", "to": "2026-02-16", "is_running": False, "no_comparison": None}
    return total | {"compared_with": compared, "by_provider": parts}


def masked(conversations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they are for a key: with the last four digits of a phone at the most."""
    for row in conversations:
        if phone := row["phone"]:
            row["phone"] = f"•••• {phone[-4:]}" if len(phone) > 6 else "••••"
    return conversations


def all_in_sql(database: Database, client_id: UUID, days: int, now: datetime) -> dict[str, Any]:
    """What `analytics` must be, with the last 12 weeks and the month of the last day."""
    return {
        "daily": in_sql(database, queries.DAILY_USAGE, client_id, days, now),
        "weekly": in_sql(database, queries.WEEKLY_EVOLUTION, client_id, 12, now),
        "monthly": in_sql(database, queries.MONTHLY_SUMMARY, client_id, now.year, now.month, now),
        "byConversation": masked(in_sql(database, queries.USAGE_BY_CONVERSATION, client_id, days, 20, now)),
        "summary": summary_in_sql(database, client_id, days, now),
    }


@pytest.mark.parametrize("kind", KEYS)
def test_every_number_is_the_sql_functions(
    database: Database, api: TestClient, used: UUID, kind: str
) -> None:
    answer = ask(api, bearer(database, used), type=kind, **MARCH_18)

    expected = all_in_sql(database, used, 30, factories.NOW)
    assert answer == {
        "analytics": {key: expected[key] for key in KEYS[kind]},
        "period": {"days": 30, **MARCH_18, "month": "2026-03", "timezone": "UTC"},
        "filters": [],
    }


def test_money_keeps_its_digits(database: Database, api: TestClient, used: UUID) -> None:
    response = api.get(
        "/api/analytics",
        params={"type": "daily", "from": "2026-03-18", "to": "2026-03-18"},
        headers=bearer(database, used),
    )
    assert b'"total_cost":0.0093000042' in response.content

    february = ask(api, bearer(database, used), type="monthly", month="2026-02")
    assert february["analytics"]["monthly"][0]["total_cost"] == Decimal("123456789.000000000000000001")


def test_parts_add_up(database: Database, api: TestClient, used: UUID) -> None:
    analytics = ask(api, bearer(database, used), **MARCH_18)["analytics"]

    for column in ("total_tokens", "total_cost", "request_count", "unpriced_count"):
        total = analytics["summary"][column]
        # A cost that is not known adds nothing.
        assert total == sum(part[column] or 0 for part in analytics["summary"]["by_provider"])
        assert total == sum(day[column] or 0 for day in analytics["daily"])
        assert total == sum(conversation[column] or 0 for conversation in analytics["byConversation"])


def test_a_cost_that_is_not_known_is_null(database: Database, api: TestClient, acme: UUID) -> None:
    for source in ("openai", "groq"):
        unpriced = {"cost_usd": Decimal(0), "cost_basis": "unpriced"}
        factories.insert_usage(database, factories.usage_log(acme, source=source, **unpriced))
    factories.insert_usage(database, factories.usage_log(acme, source="groq", cost_usd=Decimal(0)))
    days = {"from": "2026-03-18", "to": "2026-03-18"}
    analytics = ask(api, bearer(database, acme), **days)["analytics"]

    assert {day["source"]: day["total_cost"] for day in analytics["daily"]} == {"openai": None, "groq": 0}
    week = analytics["weekly"][-1]
    assert [week[name] for name in ("openai_cost", "groq_cost", "total_cost")] == [None, 0, 0]
    assert [part["total_cost"] for part in analytics["summary"]["by_provider"]] == [None, 0, 0]
    assert {model["source"]: model["total_cost"] for model in analytics["monthly"]} == {
        "openai": None,
        "groq": 0,
    }

    with database.transaction() as connection:
        connection.execute("delete from usage_logs where source = 'groq'")
    analytics = ask(open_api(database), bearer(database, acme), **days)["analytics"]
    assert analytics["summary"]["total_cost"] is None
    assert [conversation["total_cost"] for conversation in analytics["byConversation"]] == [None]


def test_a_client_without_calls_gets_zeros_and_empty_lists(
    database: Database, api: TestClient, acme: UUID
) -> None:
    answer = ask(api, bearer(database, acme), days=7)

    analytics = answer["analytics"]
    assert analytics["monthly"] == analytics["byConversation"] == []
    assert len(analytics["daily"]) == 2 * 7
    assert len(analytics["weekly"]) == 12
    assert [part["provider"] for part in analytics["summary"]["by_provider"]] == ["openai", "groq", "other"]
    assert analytics["summary"]["compared_with"]["no_comparison"] == "there are no calls yet"
    sums = ("total", "prompt", "completion", "request", "unpriced", "openai", "groq", "other")
    numbers = [
        value
        for row in [*analytics["daily"], *analytics["weekly"], analytics["summary"]]
        for name, value in row.items()
        if name.startswith(sums)
    ]
    assert len(numbers) > 100
    assert not any(numbers)


def test_days_end_today(database: Database, api: TestClient, acme: UUID) -> None:
    before = datetime.now(UTC).date()
    answer = ask(api, bearer(database, acme), days=10)
    after = datetime.now(UTC).date()

    last = date.fromisoformat(answer["period"]["to"])
    assert before <= last <= after
    assert answer["period"]["from"] == str(last - timedelta(days=9))
    assert answer["period"]["month"] == f"{last:%Y-%m}"
    assert {row["date"] for row in answer["analytics"]["daily"]} == {
        str(last - timedelta(days=ago)) for ago in range(10)
    }


def test_thirty_days_and_all_are_what_is_not_said(database: Database, api: TestClient, acme: UUID) -> None:
    headers = bearer(database, acme)
    answer = ask(api, headers)
    assert answer["period"]["days"] == 30
    assert list(answer["analytics"]) == KEYS["all"]


@pytest.mark.parametrize("days", [1, 365])
def test_days_at_their_bounds(database: Database, api: TestClient, acme: UUID, days: int) -> None:
    answer = ask(api, bearer(database, acme), days=days, type="daily")
    assert len(answer["analytics"]["daily"]) == 2 * days


@pytest.mark.parametrize("name", queries.NAMES)
def test_days_by_name_are_those_of_the_pages(
    database: Database, api: TestClient, acme: UUID, name: str
) -> None:
    first_day = date(2024, 2, 29)
    moment = datetime(2024, 2, 29, 12, tzinfo=UTC)
    factories.insert_usage(database, factories.usage_log(acme, created_at=moment))
    before = datetime.now(UTC).date()
    answer = ask(api, bearer(database, acme), days=name, type="daily")
    file = api.get("/api/export", params={"days": name}, headers=bearer(database, acme))
    after = datetime.now(UTC).date()

    days = [queries.Period.parse(name).at(today, first_day).range(today) for today in (before, after)]
    assert (answer["period"]["from"], answer["period"]["to"]) in [
        (str(each.first), str(each.last)) for each in days
    ]
    assert answer["period"]["days"] in map(len, days)
    assert len(answer["analytics"]["daily"]) == 2 * answer["period"]["days"]
    assert any(f"{each.first}-to-{each.last}.csv" in file.headers["Content-Disposition"] for each in days)


def test_everything_may_be_too_much(database: Database, api: TestClient, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, created_at=datetime(2001, 1, 1, tzinfo=UTC)))
    for path in ("/api/analytics", "/api/export"):
        refused = api.get(path, params={"days": "everything"}, headers=bearer(database, acme))
        assert refused.status_code == 400
        assert "days: at most 3,660 are allowed; give from and to" in refused.json()["error"]


def test_a_range_may_be_a_whole_leap_year(database: Database, api: TestClient, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(acme, created_at=datetime(2024, 1, 1, tzinfo=UTC)),
        factories.usage_log(acme, created_at=datetime(2024, 12, 31, 23, 59, tzinfo=UTC)),
        factories.usage_log(acme, created_at=datetime(2025, 1, 1, tzinfo=UTC)),
    )
    answer = ask(api, bearer(database, acme), **{"from": "2024-01-01", "to": "2024-12-31"})

    assert answer["period"]["days"] == 366
    assert answer["analytics"]["summary"]["request_count"] == 2
    # All weeks that the days are in.
    assert sum(week["request_count"] for week in answer["analytics"]["weekly"]) == 2


@pytest.mark.parametrize(("first", "last"), [("2026-03-02", "2026-05-25"), ("2024-03-04", "2025-03-03")])
def test_weeks_hold_all_days(database: Database, api: TestClient, acme: UUID, first: str, last: str) -> None:
    factories.insert_usage(
        database, factories.usage_log(acme, created_at=datetime.fromisoformat(f"{first}T12:00:00Z"))
    )
    analytics = ask(api, bearer(database, acme), **{"from": first, "to": last})["analytics"]
    assert analytics["summary"]["request_count"] == 1
    assert sum(week["request_count"] for week in analytics["weekly"]) == 1


def test_days_are_the_clients_own(database: Database, api: TestClient) -> None:
    # Tokyo is nine hours ahead: the second call is of the next day there.
    tokyo = factories.client(database, "Kaisha", timezone="Asia/Tokyo")
    factories.insert_usage(
        database,
        factories.usage_log(tokyo, created_at=datetime(2026, 3, 17, 14, 59, tzinfo=UTC)),
        factories.usage_log(tokyo, created_at=datetime(2026, 3, 17, 15, 0, tzinfo=UTC)),
    )
    headers = bearer(database, tokyo)

    for day in ("2026-03-17", "2026-03-18"):
        answer = ask(api, headers, **{"from": day, "to": day})
        assert answer["analytics"]["summary"]["request_count"] == 1
        assert answer["period"]["timezone"] == "Asia/Tokyo"
    assert ask(api, headers, **{"from": "2026-03-16", "to": "2026-03-16"})["analytics"]["summary"][
        "request_count"
    ] == 0  # fmt: skip


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Sao_Paulo"])
def test_the_last_day_is_the_one_that_was_named(database: Database, api: TestClient, timezone: str) -> None:
    client_id = factories.client(database, "Far away", timezone=timezone)
    # Sao Paulo had no midnight on this day.
    answer = ask(api, bearer(database, client_id), **{"from": "2018-11-04", "to": "2018-11-04"})
    assert [row["date"] for row in answer["analytics"]["daily"]] == ["2018-11-04"] * 2


def test_another_month(database: Database, api: TestClient, used: UUID) -> None:
    answer = ask(api, bearer(database, used), type="monthly", month="2026-02", **MARCH_18)
    assert answer["period"]["month"] == "2026-02"
    assert answer["analytics"]["monthly"] == in_sql(
        database, queries.MONTHLY_SUMMARY, used, 2026, 2, factories.NOW
    )
    assert len(answer["analytics"]["monthly"]) == 1


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_a_limit_of_conversations(database: Database, api: TestClient, used: UUID, limit: int) -> None:
    answer = ask(api, bearer(database, used), type="conversation", limit=limit, **MARCH_18)
    everything = masked(in_sql(database, queries.USAGE_BY_CONVERSATION, used, 30, 1000, factories.NOW))
    assert answer["analytics"]["byConversation"] == everything[:limit]
    assert len(everything) == 4


def test_conversations_by_what_they_cost(database: Database, api: TestClient, acme: UUID) -> None:
    for phone, tokens, cost in (("long", 9_000, "0.5"), ("dear", 1, "200000"), ("free", 70, "0")):
        factories.insert_usage(
            database, factories.usage_log(acme, phone=phone, total_tokens=tokens, cost_usd=Decimal(cost))
        )
    headers = bearer(database, acme)
    most = {
        order: [
            row["total_tokens"]
            for row in ask(api, headers, type="conversation", order=order, limit="2", **MARCH_18)[
                "analytics"
            ]["byConversation"]
        ]
        for order in ("tokens", "cost")
    }
    assert most == {"tokens": [9_000, 70], "cost": [1, 9_000]}


REFUSED: Sequence[tuple[dict[str, str], str]] = [
    ({"order": "name"}, "order: input should be 'tokens', 'cost' or 'requests', not 'name'"),
    ({"days": "0"}, "days must be a number from 1 to 365, or one of today, yesterday, this-week, "),
    ({"days": "366"}, 'this-year, last-year, everything, not "366"'),
    ({"days": "this-decade"}, 'not "this-decade"'),
    ({"days": "-1"}, "days must be"),
    ({"days": "abc"}, "days must be"),
    ({"days": ""}, "days must be"),
    ({"days": "1e3"}, "days must be"),
    ({"days": "9" * 5000}, "days must be"),
    ({"type": "yearly"}, "type: input should be 'all', 'daily', 'weekly', 'monthly' or 'conversation'"),
    ({"limit": "0"}, "limit: "),
    ({"limit": "1001"}, "limit: "),
    ({"month": "2026-13"}, "month: "),
    ({"month": "2026-3"}, "month: "),
    ({"month": "1999-12"}, "month: "),
    ({"from": "2026-03-01"}, "from and to go together"),
    ({"to": "2026-03-01"}, "from and to go together"),
    ({"from": "2026-03-02", "to": "2026-03-01"}, "from and to: 2026-03-02 is after 2026-03-01"),
    ({"from": "2024-01-01", "to": "2025-01-01"}, "are 367 days: at most 366 are allowed"),
    ({"from": "2026-02-30", "to": "2026-03-01"}, 'from must be a day such as 2026-03-18, not "2026-02-30"'),
    ({"from": "2026-03-01", "to": "2026-02-30"}, "to must be a day"),
    ({"from": "-4713-11-24", "to": "2026-03-01"}, "from: "),
    ({"from": "2026-03-01", "to": "294276-12-31"}, "to: "),
    ({"from": "infinity", "to": "infinity"}, "from: "),
    ({"from": "2026-03-01\n", "to": "2026-03-01"}, "from: "),
    ({"days": "30", **MARCH_18}, "give days, or from and to, not both"),
    ({"day": "3"}, 'unknown parameter "day"; allowed: days, from, to, type, month, limit'),
    ({"client_id": "x"}, 'unknown parameter "client_id"'),
]


@pytest.mark.parametrize(("parameters", "reason"), REFUSED)
def test_what_cannot_be_asked_is_said(
    database: Database, api: TestClient, acme: UUID, parameters: dict[str, str], reason: str
) -> None:
    response = api.get("/api/analytics", params=parameters, headers=bearer(database, acme))
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert reason in response.json()["error"]
    assert len(response.json()["error"]) < 300


def test_a_key_never_sees_another_clients_numbers(database: Database, api: TestClient, used: UUID) -> None:
    other = factories.client(database, "Other Ltd")
    factories.insert_usage(
        database,
        factories.usage_log(other, phone="999", prompt_tokens=7),
        factories.usage_log(other, created_at=datetime(2026, 1, 18, tzinfo=UTC)),
    )
    expected = all_in_sql(database, other, 30, factories.NOW)

    # AnalyticsRequest after the first client's answer is remembered, by the same server.
    ask(api, bearer(database, used), **MARCH_18)
    answer = ask(api, bearer(database, other), **MARCH_18)

    assert answer["analytics"] == expected
    assert answer["analytics"]["summary"]["request_count"] == 1
    assert [row["phone"] for row in answer["analytics"]["byConversation"]] == ["••••"]


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/api/nothing", 404, "no route /api/nothing: see /api/docs"),
        ("POST", "/api/analytics", 405, "method POST is not allowed for /api/analytics: see /api/docs"),
        ("GET", "/api/usage", 405, "method GET is not allowed for /api/usage: see /api/docs"),
    ],
)
def test_a_route_or_method_that_is_not_there_is_named(
    api: TestClient, method: str, path: str, status: int, error: str
) -> None:
    response = api.request(method, path)
    assert (response.status_code, response.json()) == (status, {"error": error})
