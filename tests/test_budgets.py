"""Budgets are made, changed and archived; what a version said is kept. Errors say what is allowed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from analytics.budgets import (
    BudgetPlan,
    Threshold,
    archive_budget,
    budget_days,
    change_budget,
    create_budget,
    load_budgets,
    past_periods,
    versions_of,
)
from analytics.budgets.changes import find_budget
from analytics.budgets.plans import amount_of, start_day_of
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries import Filters
from tests import factories

NOW = factories.NOW
PLAN = BudgetPlan(limit_amount=Decimal(100))


def make(database: Database, client_id: UUID | None, name: str = "All", **plan: Any) -> UUID:
    made = BudgetPlan(**{"limit_amount": Decimal(100), **plan})
    return create_budget(database, client_id, name, made, by="ada", now=NOW - timedelta(days=400))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"limit_amount": Decimal(0)}, "the limit must be an amount above 0 and at most"),
        ({"limit_amount": Decimal("NaN")}, "not NaN"),
        (
            {"limit_amount": Decimal("1.5"), "unit": "tokens"},
            "must be a whole number, not 1.5",
        ),
        ({"limit_amount": Decimal("1e-11")}, "above 0"),
        ({"limit_amount": Decimal("1.00000000001")}, "at most 10 digits"),
        ({"unit": "eur"}, 'unit must be usd or tokens, not "eur"'),
        ({"period": "hour"}, 'period must be day, week, month, quarter or year, not "hour"'),
        ({"start_day": 2, "period": "day"}, "the start day of a day must be 1, not 2"),
        ({"start_day": 8, "period": "week"}, "must be 1 (Monday) to 7 (Sunday), not 8"),
        ({"start_day": 32}, "must be 1 to 31, which is the last day of a shorter month, not 32"),
        ({"time_zone": "Brasilia"}, 'unknown time zone "Brasilia"; allowed: names such as'),
        (
            {"filters": Filters.parse({"outcome": "ok"})},
            "a budget counts calls by provider, model, operation",
        ),
        ({"filters": Filters.parse({"hour": "9"})}, "not by hour"),
        ({"split_by": " "}, "split_by must be the key of a tag"),
        ({"split_by": "a\0"}, "split_by must be the key of a tag"),
        ({"thresholds": (Threshold(percent=Decimal(1)),) * 21}, "at most 20 thresholds, not 21"),
    ],
)
def test_a_plan_that_cannot_be(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        BudgetPlan(**{"limit_amount": Decimal(5), **changed})

    assert reason in str(raised.value)


@pytest.mark.parametrize("text", ["", "x", "0", "1001", "-5", "80 later", "80 actual forecast", "nan"])
def test_a_threshold_that_cannot_be(text: str) -> None:
    with pytest.raises(InvalidInput, match="a threshold must be"):
        Threshold.parse(text)


def test_what_people_write() -> None:
    assert str(Threshold.parse("80%")) == "80"
    assert str(Threshold.parse("100 forecast")) == "100 forecast"
    assert str(Threshold.parse("99.50")) == "99.5"
    assert amount_of("$1,000.50") == Decimal("1000.5")
    assert [start_day_of("week", text) for text in ("7", "Sunday", "mon")] == [7, 7, 1]
    for period, text in (("month", "monday"), ("week", "x"), ("month", "-1"), ("month", "٣")):
        with pytest.raises(InvalidInput, match="the start day of a"):
            start_day_of(period, text)
    with pytest.raises(InvalidInput, match='not "ten"'):
        amount_of("ten")


def test_a_budget_is_told_as_it_was_planned(database: Database) -> None:
    client_id = factories.client(database, timezone="America/Sao_Paulo")
    plan = BudgetPlan(
        limit_amount=Decimal("40.50"),
        start_day=31,
        filters=Filters.parse({"model": "gpt-4,", "tag.team!": "a,b"}),
        thresholds=(Threshold.parse("120 forecast"), Threshold.parse("50")),
        repeats=True,
    )

    budget_id = create_budget(database, client_id, " Support ", plan, by="ada", now=NOW)

    [status] = load_budgets(database, client_id, NOW)
    assert (status.budget_id, status.name, status.changed_by) == (budget_id, "Support", "ada")
    assert (status.limit_amount, status.left, status.share) == (Decimal("40.5"), Decimal("40.5"), 0)
    assert (status.filters, status.thresholds, status.repeats) == (plan.filters, plan.thresholds, True)
    assert status.resets_text == "resets Tue 31 Mar 00:00 America/Sao_Paulo"
    [version] = versions_of(database, client_id, budget_id)
    assert version.plan == plan


def test_a_change_is_a_new_version_and_an_equal_one_is_none(database: Database) -> None:
    client_id = factories.client(database)
    budget_id = create_budget(database, client_id, "All", PLAN, by="ada", now=NOW)
    dearer = BudgetPlan(limit_amount=Decimal(200), thresholds=())

    same = BudgetPlan(limit_amount=Decimal("100.000"))
    assert not change_budget(database, client_id, budget_id, same, by="bob", now=NOW, name="All")
    # By a clock that is an hour behind.
    assert change_budget(database, client_id, budget_id, dearer, by="bob", now=NOW - timedelta(hours=1))
    assert change_budget(database, client_id, budget_id, dearer, by="bob", now=NOW, name="More")

    after = NOW + timedelta(seconds=1)
    newest, first = versions_of(database, client_id, budget_id)
    assert (newest.changed_by, newest.plan) == ("bob", dearer)
    assert (first.changed_by, first.plan, first.valid_until) == ("ada", PLAN, newest.valid_from)
    assert newest.valid_from > first.valid_from
    assert [status.limit_amount for status in load_budgets(database, client_id, NOW)] == [100]
    [status] = load_budgets(database, client_id, after)
    assert (status.limit_amount, status.name) == (200, "More")


def test_an_archived_budget_holds_no_more_and_frees_its_name(database: Database) -> None:
    client_id = factories.client(database)
    budget_id = create_budget(database, client_id, "All", PLAN, by="ada", now=NOW)
    with pytest.raises(InvalidInput, match='a budget of this client is called "ALL" already'):
        create_budget(database, client_id, "ALL", PLAN, by="ada", now=NOW)

    archive_budget(database, client_id, budget_id, by="ada", now=NOW + timedelta(hours=1))

    later = NOW + timedelta(hours=2)
    assert load_budgets(database, client_id, later) == []
    assert [version.archived_by for version in versions_of(database, client_id, budget_id)] == ["ada"]
    for again in (
        lambda: archive_budget(database, client_id, budget_id, by="ada", now=later),
        lambda: change_budget(database, client_id, budget_id, PLAN, by="ada", now=later),
    ):
        with pytest.raises(InvalidInput, match="is archived since 2026-03-18"):
            again()
    create_budget(database, client_id, "All", PLAN, by="ada", now=later)


def test_what_a_budget_cannot_be_of(database: Database) -> None:
    client_id, other = factories.client(database), factories.client(database, "Other")
    budget_id = make(database, client_id)
    conversation = BudgetPlan(
        limit_amount=Decimal(1), time_zone="UTC", filters=Filters.parse({"conversation": str(uuid4())})
    )

    def refused(reason: str, client: UUID | None, name: str = "New", plan: BudgetPlan = PLAN) -> None:
        with pytest.raises(InvalidInput, match=reason):
            create_budget(database, client, name, plan, by="ada", now=NOW)

    refused("needs a time zone", None)
    refused("a conversation is of one client", None, plan=conversation)
    for name in ("", " ", "a" * 201, "a\0", "\ud800"):
        refused("the name of a budget has 1 to 200 characters", client_id, name)
    with pytest.raises(UnknownClient):
        create_budget(database, uuid4(), "All", PLAN, by="ada", now=NOW)
    with pytest.raises(InvalidInput, match="with the name of who"):
        create_budget(database, client_id, "New", PLAN, by=" ", now=NOW)
    # Another client's is not there, whoever asks for it.
    with pytest.raises(InvalidInput, match="this client has no budget with the id"):
        change_budget(database, other, budget_id, PLAN, by="ada", now=NOW)
    with pytest.raises(InvalidInput, match="all clients together have no budget"):
        archive_budget(database, None, budget_id, by="ada", now=NOW)
    assert find_budget(database, client_id, "aLL") == find_budget(database, client_id, str(budget_id))
    with pytest.raises(InvalidInput, match='no budget is called "All"; there are: none yet'):
        find_budget(database, other, "All")


def test_a_cost_of_which_some_is_not_known(database: Database) -> None:
    client_id = factories.client(database)
    make(database, client_id)
    factories.insert_usage(
        database,
        factories.usage_log(client_id, cost_usd=Decimal("41.2")),
        *(factories.usage_log(client_id, cost_usd=0, cost_basis="unpriced") for _ in range(3)),
    )

    [status] = load_budgets(database, client_id, NOW)

    assert status.spent_text.replace("\N{NO-BREAK SPACE}", " ") == "≥ $41.20, 3 calls unpriced"
    assert status.is_lower_bound
    assert (status.spent, status.left, status.share) == (Decimal("41.2"), Decimal("58.8"), Decimal("0.412"))


def test_each_past_period_has_the_limit_that_held_when_it_ended(database: Database) -> None:
    client_id = factories.client(database, timezone="Asia/Kolkata")
    budget_id = create_budget(
        database, client_id, "All", PLAN, by="ada", now=datetime(2025, 12, 20, tzinfo=UTC)
    )
    raised = BudgetPlan(limit_amount=Decimal(150))
    weekly = BudgetPlan(limit_amount=Decimal(30), period="week")
    change_budget(database, client_id, budget_id, raised, by="b", now=datetime(2026, 1, 31, tzinfo=UTC))
    change_budget(database, client_id, budget_id, weekly, by="c", now=datetime(2026, 3, 10, tzinfo=UTC))
    for day, cost in (
        (date(2025, 11, 5), 1),
        (date(2026, 1, 2), 2),
        (date(2026, 2, 28), 3),
        (date(2026, 3, 9), 4),
    ):
        # Half past midnight in India.
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=5)
        factories.insert_usage(database, factories.usage_log(client_id, cost_usd=cost, created_at=at))

    periods = past_periods(database, client_id, budget_id, NOW)

    # A week that began on a Monday, and what the weeks left of March.
    assert [(each.first_date, each.last_date, each.limit_amount, each.spent) for each in periods] == [
        (date(2026, 3, 9), date(2026, 3, 15), 30, 4),
        (date(2026, 3, 1), date(2026, 3, 8), 150, 0),
        (date(2026, 2, 1), date(2026, 2, 28), 150, 3),
        (date(2026, 1, 1), date(2026, 1, 31), 150, 2),
        (date(2025, 12, 1), date(2025, 12, 31), 100, 0),
        (date(2025, 11, 1), date(2025, 11, 30), None, 1),
    ]
    assert past_periods(database, client_id, budget_id, NOW, count=2) == periods[:2]


@pytest.mark.parametrize("split_by", [None, "user"])
@pytest.mark.parametrize("time_zone", [None, "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "UTC"])
@pytest.mark.parametrize("clock", ["America/Sao_Paulo", "America/Havana", "Asia/Kathmandu"])
def test_days_are_those_of_the_budget(
    database: Database, clock: str, time_zone: str | None, split_by: str | None
) -> None:
    client_id = factories.client(database, timezone=clock)
    budget_id = make(database, client_id, time_zone=time_zone, split_by=split_by)
    # In Havana the clock goes back on 2 November 2025 and forward on 8 March 2026.
    begins = [
        datetime(2025, 11, 1, tzinfo=UTC),
        datetime(2026, 3, 7, tzinfo=UTC),
        datetime(2026, 3, 16, tzinfo=UTC),
    ]
    moments = [begin + timedelta(minutes=20 * place) for begin in begins for place in range(220)]
    factories.insert_usage(
        database, *(factories.usage_log(client_id, created_at=at, cost_usd=1) for at in moments)
    )
    days = Days(date(2025, 10, 30), date(2026, 3, 20))

    answered = budget_days(database, client_id, budget_id, days)

    [status] = load_budgets(database, client_id, NOW)
    counted = [at.astimezone(ZoneInfo(status.time_zone)).date() for at in moments]
    expected = [counted.count(days.first + timedelta(days=place)) for place in range(len(days))]
    assert answered["request_count"].tolist() == expected
    assert answered["cost_usd"].tolist() == expected
