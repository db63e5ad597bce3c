"""Where a budget is going, and what drives it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from analytics.budgets import create_budget, drivers, load_budgets, outlook
from analytics.budgets.plans import BudgetPlan
from analytics.database import Database
from analytics.forecasting import TooShort
from analytics.queries.future import expected_usage
from tests import factories
from tests.test_budgets import make

NOW = factories.NOW
"""Noon of 18 March 2026."""


def calls(client_id: object, days: int, **columns: object) -> list[dict[str, object]]:
    """A dollar on each of the last `days` days, today with it, at six in the morning."""
    return [
        factories.usage_log(
            client_id,  # type: ignore[arg-type]
            **{"cost_usd": 1, **columns},
            created_at=NOW.replace(hour=6) - timedelta(days=place),
        )
        for place in range(days)
    ]


def test_the_end_of_the_month_of_an_even_use(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id, limit_amount=Decimal(25))
    factories.insert_usage(database, *calls(client_id, 90))

    [status] = load_budgets(database, client_id, NOW)
    found = outlook(database, client_id, status, NOW)

    assert status.spent == 18
    assert found.at_end is not None
    assert found.at_end.low_80 == pytest.approx(31, abs=1.5)
    assert found.at_end.high_80 == pytest.approx(31, abs=1.5)
    assert found.run_out is not None
    assert found.run_out.likely == date(2026, 3, 25)
    assert found.chance == 1
    assert found.course == [(date(2026, 3, day), day) for day in range(1, 19)]
    assert found.last_period is not None
    assert (found.last_period.spent, found.last_course[-1]) == (28, (date(2026, 2, 28), 28))


def test_too_few_days_are_told_and_not_guessed(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id)
    factories.insert_usage(database, *calls(client_id, 10))

    [status] = load_budgets(database, client_id, NOW)
    found = outlook(database, client_id, status, NOW)

    assert isinstance(found.forecast, TooShort)
    assert (found.at_end, found.run_out, found.chance, found.last_period) == (None, None, None, None)


def test_a_value_of_a_split_budget_has_its_own_outlook(database: Database) -> None:
    client_id = factories.client(database, timezone="Asia/Kolkata")
    make(database, client_id, split_by="user", unit="tokens", limit_amount=Decimal(5_000), time_zone="UTC")
    with database.transaction() as connection:
        connection.execute("""select intern_tags(%s, '{"user": "ada"}')""", [client_id])
    factories.insert_usage(
        database,
        *calls(client_id, 60, tag_set_id=1, prompt_tokens=100),
        *calls(client_id, 60, prompt_tokens=7),
    )

    statuses = load_budgets(database, client_id, NOW)
    ada, others = (outlook(database, client_id, status, NOW) for status in statuses)

    assert [status.subject for status in statuses] == ["ada", None]
    assert ada.days[-1] == (NOW.date(), ada.status.total_tokens / 18)
    assert ada.run_out is not None
    assert (others.run_out, others.status.limit_amount) == (None, None)
    assert sum(amount for _, amount in others.days) == others.status.total_tokens


def test_the_model_with_more_calls_is_what_drives(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id)
    with database.transaction() as connection:
        connection.execute("""select intern_tags(%s, '{"feature": "agent"}')""", [client_id])
    factories.insert_usage(
        database,
        *calls(client_id, 60, model="steady", operation="chat"),
        *calls(client_id, 3, model="rising", operation="tools", tag_set_id=1),
    )

    [status] = load_budgets(database, client_id, NOW)
    found = drivers(database, status, NOW)

    assert [(part.value, part.amount, part.change) for part in found.of("model")] == [
        ("steady", 18, 0),
        ("rising", 3, 3),
    ]
    assert found.leading is not None
    assert (found.leading.dimension, found.leading.value) == ("tag.feature", "agent")
    assert found.reason == "more calls"


def test_dearer_calls_drive(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id)
    before = calls(client_id, 60)[18:]
    factories.insert_usage(database, *before, *calls(client_id, 18, cost_usd=3))

    [status] = load_budgets(database, client_id, NOW)
    found = drivers(database, status, NOW)

    assert found.reason == "dearer calls"
    assert found.leading is not None
    assert found.leading.label.startswith("model ")


def test_a_client_drives_a_budget_of_all(database: Database) -> None:
    acme, other = factories.client(database), factories.client(database, "Other", timezone="Asia/Kolkata")
    plan = BudgetPlan(limit_amount=Decimal(10), time_zone="UTC")
    create_budget(database, None, "All", plan, by="ada", now=datetime(2026, 1, 1, tzinfo=UTC))
    factories.insert_usage(database, *calls(acme, 60), *calls(other, 5, cost_usd=2))

    [status] = load_budgets(database, None, NOW)
    found = drivers(database, status, NOW)

    assert [(part.value, part.amount) for part in found.of("client")] == [("Acme", 18), ("Other", 10)]
    assert found.leading is not None
    assert found.leading.label == "client Other"
    assert outlook(database, None, status, NOW).at_end is not None


def test_what_all_calls_have_drives_nothing(database: Database) -> None:
    client_id = factories.client(database)
    tags = {"metadata": {"tags": {"environment": "production"}}}
    for month, cost, other in ((2, 1, 1), (3, 1, 40)):
        for day in range(1, 18):
            at = NOW.replace(month=month, day=day)
            factories.insert_usage(
                database,
                factories.usage_log(client_id, created_at=at, model="gpt-4", cost_usd=cost, **tags),
                factories.usage_log(client_id, created_at=at, model="gpt-4o", cost_usd=other, **tags),
            )
    factories.budget(database, client_id)
    [status] = load_budgets(database, client_id, NOW)

    found = drivers(database, status, NOW).leading
    assert found is not None
    assert found.label == "model gpt-4o"


def test_nothing_drives_what_is_not_used(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id)

    [status] = load_budgets(database, client_id, NOW)
    found = drivers(database, status, NOW)

    assert (found.leading, found.reason, found.parts) == (None, None, [])


def test_what_no_price_tells_is_not_expected_to_be_free(database: Database) -> None:
    client_id = factories.client(database)
    rows = []
    for day in range(30):
        at = NOW - timedelta(days=day)
        rows.append(factories.usage_log(client_id, created_at=at, cost_usd=1))
        rows.append(
            factories.usage_log(
                client_id, source="selfhosted", created_at=at, cost_usd=0, cost_basis="unpriced"
            )
        )
        # Known until last month.
        is_known = at.month < NOW.month
        rows.append(
            factories.usage_log(
                client_id,
                source="groq",
                created_at=at,
                cost_usd=2 if is_known else 0,
                cost_basis="given" if is_known else "unpriced",
            )
        )
    factories.insert_usage(database, *rows)

    future = expected_usage(database, client_id, "UTC", NOW, "cost")
    so_far = {row.source: row.so_far for row in future.rows}
    assert so_far == {None: NOW.day, "openai": NOW.day, "groq": None, "selfhosted": None}
    assert [row.source for row in future.rows if row.month is None] == ["selfhosted"]
    tokens = expected_usage(database, client_id, "UTC", NOW, "tokens")
    assert all(row.so_far for row in tokens.rows)
