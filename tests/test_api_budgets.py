"""GET /api/budgets and GET /api/budgets/check."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from analytics.api.models import BudgetsAnswer, CheckAnswer
from analytics.budgets import create_budget
from analytics.budgets.plans import BudgetPlan
from analytics.database import Database
from analytics.queries import Filters
from tests import factories
from tests.api import bearer, open_api


def test_the_budgets_of_the_key(database: Database) -> None:
    acme, other = factories.client(database), factories.client(database, "Other")
    now = datetime.now(UTC)
    plan = BudgetPlan(limit_amount=Decimal(40), filters=Filters.parse({"model": "gpt-4,"}))
    budget_id = create_budget(database, acme, "Models", plan, by="ada", now=now)
    create_budget(database, other, "Another", plan, by="ada", now=now)
    factories.insert_usage(
        database,
        factories.usage_log(acme, cost_usd=Decimal("10.0000000001"), model="gpt-4", created_at=now),
        factories.usage_log(acme, cost_usd=0, cost_basis="unpriced", model=None, created_at=now),
        factories.usage_log(acme, cost_usd=7, model="o1", created_at=now),
    )

    response = open_api(database).get("/api/budgets", headers=bearer(database, acme))

    assert response.status_code == 200
    # All digits.
    assert '"spent":10.0000000001' in response.text
    assert '"left_amount":29.9999999999' in response.text
    [budget] = BudgetsAnswer.model_validate(response.json()).budgets
    assert (budget.budget_id, budget.name, budget.changed_by) == (str(budget_id), "Models", "ada")
    assert (budget.unpriced_count, budget.request_count, budget.share) == (1, 2, 0.25)
    assert [(each.percent, each.on) for each in budget.thresholds] == [
        (50, "actual"), (80, "actual"), (100, "actual")
    ]  # fmt: skip
    assert [condition.values for condition in budget.filters] == [[None, "gpt-4"]]


def test_a_call_is_checked(database: Database) -> None:
    acme = factories.client(database)
    now = datetime.now(UTC)
    plan = BudgetPlan(limit_amount=Decimal(4), filters=Filters.parse({"tag.team": "red, blue"}))
    create_budget(database, acme, "Red", plan, by="ada", now=now)
    with database.transaction() as connection:
        connection.execute("""select intern_tags(%s, '{"team": "red"}')""", [acme])
    factories.insert_usage(
        database, factories.usage_log(acme, cost_usd=5, tag_set_id=1, created_at=now - timedelta(seconds=1))
    )
    api, headers = open_api(database), bearer(database, acme)

    refused = api.get("/api/budgets/check", params={"tag.team": "red", "model": "gpt-4"}, headers=headers)
    allowed = api.get("/api/budgets/check", params={"model": "gpt-4,o1"}, headers=headers)

    answer = CheckAnswer.model_validate(refused.json())
    assert (answer.is_allowed, answer.budget) == (False, "Red")
    assert answer.reason.startswith('"Red" is used up: $5.00 of $4.00 spent; it resets ')
    assert answer.until is not None
    assert 0 <= answer.age_seconds < 60
    assert allowed.json()["is_allowed"]
    assert allowed.json()["reason"] == "no budget counts this call"


def test_a_budget_of_all_clients_decides_and_is_not_told(database: Database) -> None:
    acme = factories.client(database)
    now = datetime.now(UTC)
    plan = BudgetPlan(limit_amount=Decimal(4), time_zone="UTC")
    create_budget(database, None, "Secret", plan, by="ada", now=now)
    for client_id in (acme, factories.client(database, "Other")):
        factories.insert_usage(database, factories.usage_log(client_id, cost_usd=3, created_at=now))
    api, headers = open_api(database), bearer(database, acme)

    refused = api.get("/api/budgets/check", headers=headers).json()

    assert not refused["is_allowed"]
    assert refused["reason"].startswith("a budget of all clients together is used up; it resets ")
    assert (refused["budget"], refused["possible_overshoot_usd"]) == (None, 0)
    assert api.get("/api/budgets", headers=headers).json() == {"budgets": []}


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("/api/budgets?days=7", 'unknown parameter "days"'),
        ("/api/budgets/check?outcome=ok", 'unknown parameter "outcome"; allowed: provider, model, operation'),
        ("/api/budgets/check?model=%00", "model"),
    ],
)
def test_a_parameter_that_is_not(database: Database, route: str, reason: str) -> None:
    acme = factories.client(database)

    response = open_api(database).get(route, headers=bearer(database, acme))

    assert response.status_code == 400
    assert reason in response.json()["error"]
