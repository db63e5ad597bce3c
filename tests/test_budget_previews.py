"""What a budget would be is what it is once it is made."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from analytics.budgets import BudgetPlan, BudgetStatus, create_budget, load_budgets, preview_budget
from analytics.database import Database
from analytics.queries import Filters
from tests import factories

PLANS = {
    "all": BudgetPlan(limit_amount=Decimal(100)),
    "tokens of a model": BudgetPlan(
        limit_amount=Decimal(5000), unit="tokens", filters=Filters.parse({"model": "gpt-4o"})
    ),
    "days of another zone": BudgetPlan(limit_amount=Decimal(9), period="day", time_zone="Asia/Kathmandu"),
    "each user": BudgetPlan(limit_amount=Decimal(20), period="year", split_by="user"),
    "a tag nobody has": BudgetPlan(limit_amount=Decimal(20), filters=Filters.parse({"tag.user": "eve"})),
}


@pytest.fixture
def acme(database: Database) -> UUID:
    """Calls every seven hours for five weeks: two models, two users and none, some without a price."""
    client_id = factories.client(database, timezone="America/Sao_Paulo")
    with database.transaction() as connection:
        for place, user in enumerate(("ada", "bob"), start=1):
            statement = "insert into tag_sets (client_id, id, tags) values (%s, %s, %s)"
            connection.execute(statement, [client_id, place, Jsonb({"user": user})])
    factories.insert_usage(
        database,
        *(
            factories.usage_log(
                client_id,
                created_at=factories.NOW - timedelta(hours=7 * place),
                model="gpt-4o" if place % 3 else "gpt-4",
                tag_set_id=place % 4 if place % 4 in (1, 2) else None,
                cost_usd=None if place % 11 == 0 else Decimal(place) / 7,
            )
            for place in range(120)
        ),
    )
    return client_id


@pytest.mark.parametrize("is_of_all", [False, True], ids=["a client", "all clients"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_preview_is_what_is_made(database: Database, acme: UUID, plan: BudgetPlan, is_of_all: bool) -> None:
    owner = None if is_of_all else acme
    if is_of_all:
        plan = replace(plan, time_zone=plan.time_zone or "UTC")

    told = preview_budget(database, owner, "Some", plan, factories.NOW)
    assert load_budgets(database, owner, factories.NOW) == []
    create_budget(database, owner, "Some", plan, by="ada", now=factories.NOW)

    made = [each for each in load_budgets(database, owner, factories.NOW) if not _is_unused(each)]
    assert sorted(map(_facts, told), key=repr) == sorted(map(_facts, made), key=repr)
    assert told


def _is_unused(status: BudgetStatus) -> bool:
    return status.split_by is not None and not status.request_count


def _facts(status: BudgetStatus) -> BudgetStatus:
    """Without what only one that is made has."""
    return replace(
        status, budget_id=UUID(int=0), version_id=UUID(int=0), changed_by="", valid_from=factories.NOW
    )
