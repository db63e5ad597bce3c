"""Random histories: what is enforced is what every reader tells, and what the calls come to, at every step.

Calls come late, are deleted and repriced, limits and zones change, sums are folded or not. After each step
get_budgets() by load_budgets(), the rules of check_budget(), the API and the command line tell one figure,
which is the plain sum of the calls that there are.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from analytics.api.service import Service
from analytics.budgets import (
    BudgetPlan,
    BudgetStatus,
    change_budget,
    create_budget,
    load_budgets,
    load_periods_over,
)
from analytics.budgets.judging import judge
from analytics.budgets.status import read_rules
from analytics.calls.validation import scope_names, typed_tags
from analytics.commands.budgets import told
from analytics.database import Database
from analytics.queries import Filters
from tests import factories
from tests.clones import Clones
from tests.test_budgets_sql import MODELS, ZONES, period_of

HISTORIES = 15
STEPS = 8
FIRST = datetime(2024, 2, 1, tzinfo=UTC)
USERS = (None, "a", "b")
PERIODS = ("day", "week", "month", "quarter", "year")


@pytest.fixture(scope="module")
def kept(clones: Clones, migrated_template: str) -> Iterator[Database]:
    with clones.copy(migrated_template) as database:
        yield database


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_one_figure_for_all(kept: Database, seed: int) -> None:
    history = History(kept, seed)
    try:
        for _ in range(STEPS):
            what = history.step()
            history.check(f"seed {seed}, after {what}")
        history.check_periods_over()
    finally:
        history.forget()


class History:
    """Two clients, a budget of each and two of one, one of all clients; and their calls as they should be."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.draw = random.Random(seed)
        self.service = Service(lambda: database)
        self.now = FIRST + timedelta(minutes=self.draw.randrange(60 * 24 * 60))
        self.zones: dict[UUID, str] = {}
        self.sets: dict[tuple[UUID, str | None], int | None] = {}
        self.rows: dict[UUID, dict[str, Any]] = {}
        self.plans: dict[UUID, tuple[UUID | None, BudgetPlan]] = {}
        for _ in range(2):
            zone = self.draw.choice(ZONES)
            client_id = factories.client(database, str(uuid4()), timezone=zone)
            self.zones[client_id] = zone
            with database.transaction() as connection:
                for user in USERS:
                    self.sets[client_id, user] = None
                    if user is not None:
                        tags = json.dumps({"user": user})
                        row = connection.execute("select intern_tags(%s, %s)", [client_id, tags]).fetchone()
                        assert row is not None
                        self.sets[client_id, user] = row[0]
        one, other = self.zones
        for client_id in (one, one, other, None):
            plan = self.plan(client_id)
            budget_id = create_budget(database, client_id, str(uuid4()), plan, by="tests", now=FIRST)
            self.plans[budget_id] = client_id, plan

    def plan(self, client_id: UUID | None) -> BudgetPlan:
        """Any plan."""
        draw, period = self.draw, self.draw.choice(PERIODS)
        zones = [*ZONES, *([] if client_id is None else [None] * len(ZONES))]
        filters = draw.choice(({}, {}, {"model": MODELS[0]}, {"model!": MODELS[0]}, {"tag.user": "a,"}))
        return BudgetPlan(
            limit_amount=Decimal(draw.randrange(1, 40)),
            unit=draw.choice(("usd", "usd", "tokens")),
            period=period,  # type: ignore[arg-type]
            start_day=draw.randint(1, {"week": 7, "month": 31}.get(period, 1)),
            time_zone=draw.choice(zones),
            filters=Filters.parse(filters),
            split_by=draw.choice((None, None, "user")),
        )

    def step(self) -> str:
        """Something that happens; what it is."""
        what = self.draw.choice(
            ("calls", "calls", "calls", "delete", "reprice", "limit", "plan", "zone", "fold", "time")
        )
        getattr(self, f"_{what}")()
        return what

    def _calls(self) -> None:
        rows = []
        for _ in range(self.draw.randrange(1, 15)):
            client_id, user = self.draw.choice([*self.zones]), self.draw.choice(USERS)
            basis = self.draw.choice(("priced", "priced", "unpriced"))
            amount = self.draw.randrange(1, 900)
            # Mostly of late, some of long ago, few dated ahead.
            minutes = self.draw.choice((60 * 24, 60 * 24 * 40, 60 * 24 * 400))
            row = factories.usage_log(
                client_id,
                id=uuid4(),
                model=self.draw.choice(MODELS),
                tag_set_id=self.sets[client_id, user],
                prompt_tokens=amount,
                cost_usd=Decimal(amount) / 1_000 if basis == "priced" else Decimal(0),
                cost_basis=basis,
                created_at=self.now + timedelta(minutes=self.draw.randrange(-minutes, 60 * 30)),
            )
            rows.append(row)
            self.rows[row["id"]] = {**row, "user": user}
        factories.insert_usage(self.database, *rows)

    def _delete(self) -> None:
        gone = self._some()
        with self.database.transaction() as connection:
            connection.execute("delete from usage_logs where id = any(%s)", [gone])
        for row_id in gone:
            del self.rows[row_id]

    def _reprice(self) -> None:
        cost = Decimal(self.draw.randrange(1, 9_000)) / 1_000
        changed = self._some()
        with self.database.transaction() as connection:
            connection.execute(
                "update usage_logs set cost_usd = %s, cost_basis = 'priced' where id = any(%s)",
                [cost, changed],
            )
        for row_id in changed:
            self.rows[row_id] |= {"cost_usd": cost, "cost_basis": "priced"}

    def _limit(self) -> None:
        budget_id, (client_id, plan) = self.draw.choice([*self.plans.items()])
        self._change(budget_id, client_id, replace(plan, limit_amount=Decimal(self.draw.randrange(1, 60))))

    def _plan(self) -> None:
        budget_id, (client_id, _) = self.draw.choice([*self.plans.items()])
        self._change(budget_id, client_id, self.plan(client_id))

    def _change(self, budget_id: UUID, client_id: UUID | None, plan: BudgetPlan) -> None:
        self.now += timedelta(seconds=1)
        change_budget(self.database, client_id, budget_id, plan, by="tests", now=self.now)
        self.plans[budget_id] = client_id, plan

    def _zone(self) -> None:
        client_id, zone = self.draw.choice([*self.zones]), self.draw.choice(ZONES)
        with self.database.transaction() as connection:
            connection.execute("update clients set timezone = %s where id = %s", [zone, client_id])
        self.zones[client_id] = zone

    def _fold(self) -> None:
        self.database.fold()

    def _time(self) -> None:
        self.now += timedelta(minutes=self.draw.randrange(60 * 24 * 20))

    def _some(self) -> list[UUID]:
        return self.draw.sample([*self.rows], min(len(self.rows), self.draw.randrange(1, 6)))

    def check(self, when: str) -> None:
        """All readers tell what the calls come to, and what is used up is refused."""
        statuses: dict[tuple[UUID, str | None], BudgetStatus] = {}
        told_by_api: list[dict[str, Any]] = []
        whose: list[tuple[UUID | None, str]] = [*((each, "") for each in self.zones), (None, "")]
        for client_id, _ in whose:
            of_client = load_budgets(self.database, client_id, self.now)
            statuses |= {status.key: status for status in of_client}
            if client_id is not None:
                answer = self.service.budgets(client_id, self.now)
                told_by_api += json.loads(answer, parse_float=Decimal, parse_int=Decimal)["budgets"]
        told_by_command = [
            budget
            for each in json.loads(
                told(self.database, whose, self.now), parse_float=Decimal, parse_int=Decimal
            )
            for budget in each["budgets"]
        ]
        expected = {
            (budget_id, subject): sums
            for budget_id in self.plans
            for subject, sums in self.plain_sums(budget_id).items()
        }

        assert {key: figures(status) for key, status in statuses.items()} == expected, when
        by_command = {(UUID(each["budget_id"]), each["subject"]): of_json(each) for each in told_by_command}
        assert by_command == expected, when
        by_api = {(UUID(each["budget_id"]), each["subject"]): of_json(each) for each in told_by_api}
        assert by_api == {key: sums for key, sums in expected.items() if self.plans[key[0]][0] is not None}, (
            when
        )
        for client_id in self.zones:
            self.check_enforced(client_id, expected, when)

    def check_periods_over(self) -> None:
        """Each period that is over is as it is at its last moment, and none of them is left out."""
        for client_id in (*self.zones, None):
            found: dict[tuple[UUID, datetime], dict[str | None, BudgetStatus]] = {}
            for status in load_periods_over(self.database, client_id, self.now):
                found.setdefault((status.budget_id, status.resets_at), {})[status.subject] = status
            for _ in range(4):
                seconds = int((self.now - FIRST).total_seconds())
                at = FIRST + timedelta(seconds=self.draw.randrange(seconds)) if seconds > 0 else FIRST
                for status in load_budgets(self.database, client_id, at):
                    if status.resets_at > self.now:
                        continue
                    last_moment = load_budgets(
                        self.database, client_id, status.resets_at - timedelta(microseconds=1)
                    )
                    expected = {
                        each.subject: each
                        for each in last_moment
                        if (each.budget_id, each.resets_at) == (status.budget_id, status.resets_at)
                    }
                    over = found.get((status.budget_id, status.resets_at), {})
                    for subject, each in expected.items():
                        if subject in over:
                            assert figures(over[subject]) == figures(each)
                            assert over[subject].version_id == each.version_id
                            assert over[subject].first_date == each.first_date
                        else:
                            # A value that reached nothing that is told.
                            assert each.split_by is not None
                            assert each.spent < each.limit_amount / 2
                    assert set(over) <= set(expected)

    def check_enforced(
        self, client_id: UUID, expected: dict[tuple[UUID, str | None], tuple[Any, ...]], when: str
    ) -> None:
        """The rules have the figures, and refuse the calls of what is used up, and no others."""
        rules = read_rules(self.database, client_id, self.now)
        enforced = {
            bound.status.key: figures(bound.status) for rule in rules for bound in rule.bounds.values()
        }
        own = {budget_id for budget_id, (of, _) in self.plans.items() if of in (client_id, None)}
        assert enforced == {key: sums for key, sums in expected.items() if key[0] in own}, when
        for model in MODELS:
            for user in USERS:
                tags = {} if user is None else {"user": user}
                names = scope_names(client_id, "openai", model, None, None, typed_tags(tags))
                answer = judge(rules, names, self.now.timestamp(), 0.0)
                used_up = [
                    budget_id
                    for budget_id in own
                    for plan in [self.plans[budget_id][1]]
                    if counts(plan, model, user) and (plan.split_by is None or user is not None)
                    for sums in [expected.get((budget_id, user if plan.split_by else ""), (Decimal(0),))]
                    if sums[0] >= plan.limit_amount
                ]
                assert answer.is_allowed is (not used_up), f"{when}: {answer}"

    def plain_sums(self, budget_id: UUID) -> dict[str | None, tuple[Any, ...]]:
        """Spent, calls and calls without a price of each value: call by call."""
        client_id, plan = self.plans[budget_id]
        zone = ZoneInfo(plan.time_zone or self.zones[client_id])  # type: ignore[index]
        today = self.now.astimezone(zone).date()
        first, _ = period_of(plan.period, plan.start_day, today)
        sums: dict[str | None, list[Any]] = {None if plan.split_by else "": [Decimal(0), 0, 0]}
        for row in self.rows.values():
            if (
                (client_id is None or row["client_id"] == client_id)
                and first <= row["created_at"].astimezone(zone).date() <= today
                and counts(plan, row["model"], row["user"])
            ):
                of_value = sums.setdefault(row["user"] if plan.split_by else "", [Decimal(0), 0, 0])
                of_value[0] += row["cost_usd"] if plan.unit == "usd" else row["total_tokens"]
                of_value[1] += 1
                of_value[2] += row["cost_basis"] == "unpriced"
        return {value: tuple(each) for value, each in sums.items()}

    def forget(self) -> None:
        """Takes all of it away, as the next history counts all clients."""
        with self.database.transaction() as connection:
            connection.execute("delete from budgets where id = any(%s)", [[*self.plans]])
            connection.execute("delete from usage_logs where client_id = any(%s)", [[*self.zones]])
            connection.execute("delete from clients where id = any(%s)", [[*self.zones]])


def counts(plan: BudgetPlan, model: str, user: str | None) -> bool:
    """Whether a plan counts calls of this model and user."""
    told = {"model": model, "tag.user": user or ""}
    return all((told[each.name] in each.values) is not each.is_excluded for each in plan.filters)


def figures(status: BudgetStatus) -> tuple[Any, ...]:
    """What plain_sums() says."""
    return status.spent, status.request_count, status.unpriced_count


def of_json(budget: dict[str, Any]) -> tuple[Any, ...]:
    """The same of a budget in JSON."""
    return budget["spent"], budget["request_count"], budget["unpriced_count"]
